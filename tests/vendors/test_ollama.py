"""Ollama's chat API: what goes out, what comes back unchanged, what loading took, and what does not fit."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from flatfield.errors import ContextTooLong, NotReady, ProviderError
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.records import AgentConfig, Reply, Task, ToolResult, ToolSpec, TurnBudget, Usage
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault, Step
from flatfield.testing.wires.ollama import OllamaModel, OllamaWire
from flatfield.vendors.base import Opening
from flatfield.vendors.ollama import create
from flatfield.vendors.ollama.models import OllamaModels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from flatfield.testing.clocks import FakeClock
    from flatfield.vendors.base import Conversation

READ = ToolSpec(
    name="read_file",
    description="Read a file.",
    parameters={"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]},
)
BUDGET = TurnBudget(seconds=30.0, output_tokens=1000)
CALLS = (("read_file", '{"file_path": "é🙂.txt"}'), ("read_file", '{"file_path": "b"}'))
SERVICE = ("truncate", "shift")
"""Fields of the server's own request type that the SDK's does not have."""


@pytest.fixture
async def quick(clock: FakeClock, tmp_path: Path) -> AsyncIterator[Services]:
    """Services whose time moves only when somebody waits."""
    async with open_session(clock) as session:
        yield Services(session=session, clock=clock, environ={}, cache=tmp_path)


@asynccontextmanager
async def fake(
    script: Sequence[Step] | Callable[[dict[str, Any], int], Step], wire: OllamaWire | None = None, **settings: Any
) -> AsyncIterator[FakeServer]:
    """A server: all that it is sent must be valid for the vendor's SDK, and unknown to it only where that is known."""
    from ollama._types import ChatRequest, Message, Options

    async with FakeServer(wire or OllamaWire(), script, **settings) as server:
        yield server
    for request in server.requests:
        parsed = ChatRequest.model_validate(request)
        assert set(request) - set(ChatRequest.model_fields) <= set(SERVICE)
        assert set(request["options"]) <= set(Options.model_fields)
        for message in request["messages"]:
            assert set(message) - set(Message.model_fields) <= {"tool_call_id"}
        sent = {name: request.get(name) for name in ("model", "stream", "think", "format", "keep_alive")}
        assert {name: getattr(parsed, name) for name in sent} == sent
    assert server.violations == []


async def chat(services: Services, server: FakeServer, *, prompt: str = "Do it.", **settings: Any) -> Conversation:
    tools = settings.pop("tools", (READ,))
    schema = settings.pop("response_schema", None)
    agent = config(server.base_url, **settings)
    task = Task(id="t", title="t", prompt="")
    opening = Opening(
        agent=agent, system_prompt="Be brief.", prompt=prompt, tools=tools, task=task, response_schema=schema
    )
    return await create(services).converse(opening)


def config(base_url: str, **settings: Any) -> AgentConfig:
    return AgentConfig(**{"name": "a", "provider": "ollama", "model": "fake-model", "base_url": base_url} | settings)


def results(reply: Reply, text: str = "text") -> list[ToolResult]:
    return [ToolResult(call_id=call.id, name=call.name, text=text) for call in reply.calls]


@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize(
    "settings", [{}, {"piece_bytes": 1}, {"piece_bytes": 7}, {"stream": False}, {"stream": False, "compress": True}]
)
async def test_a_conversation_with_thinking_and_parallel_calls(
    services: Services, settings: dict[str, Any], ids: bool
) -> None:
    script = [FakeReply(text="Looking…", reasoning="Größe? 🙂", calls=CALLS), FakeReply(text="Größe: 3 🙂")]
    async with fake(script, OllamaWire(ids=ids), **settings) as server:
        conversation = await chat(services, server)
        first = await conversation.turn((), BUDGET)
        assert [(call.name, call.arguments) for call in first.calls] == list(CALLS)
        assert (first.text, first.reasoning, first.finish) == ("Looking…", "Größe? 🙂", "tool_calls")
        assert len({call.id for call in first.calls}) == 2
        second = await conversation.turn(results(first), BUDGET)
    assert (second.text, second.calls, second.finish) == ("Größe: 3 🙂", (), "stop")
    assert second.usage == Usage(input_tokens=100, cache_read_tokens=40, output_tokens=10)
    assistant, *answers = server.requests[1]["messages"][2:]
    assert (assistant["thinking"], assistant["content"]) == ("Größe? 🙂", "Looking…")
    assert [call["function"]["index"] for call in assistant["tool_calls"]] == [0, 1]
    assert [answer["tool_name"] for answer in answers] == ["read_file", "read_file"]
    assert [answer.get("tool_call_id") for answer in answers] == [call.get("id") for call in assistant["tool_calls"]]
    assert (first.calls[0].id == assistant["tool_calls"][0].get("id")) is ids


async def test_calls_without_ids_are_told_apart_over_the_turns(services: Services) -> None:
    script = [FakeReply(calls=CALLS[:1]), FakeReply(calls=CALLS[:1]), FakeReply(text="ok")]
    async with fake(script, OllamaWire(ids=False)) as server:
        conversation = await chat(services, server)
        first = await conversation.turn((), BUDGET)
        second = await conversation.turn(results(first), BUDGET)
        await conversation.turn(results(second), BUDGET)
    assert first.calls[0].id != second.calls[0].id


async def test_bad_arguments_do_not_break_the_conversation(services: Services) -> None:
    async with fake([FakeReply(calls=(("read_file", '{"file_path": '),)), FakeReply(text="ok")]) as server:
        conversation = await chat(services, server)
        first = await conversation.turn((), BUDGET)
        assert first.calls[0].arguments == '{"file_path": '
        await conversation.turn(results(first, "no JSON"), BUDGET)
    replayed = server.requests[1]["messages"][2]["tool_calls"][0]
    assert replayed["function"]["arguments"] == {"invalid_arguments": '{"file_path": '}
    assert replayed["id"] == first.calls[0].id


async def test_settings_reach_the_wire_and_the_record_and_no_key_does(services: Services) -> None:
    services.environ = {"MY_KEY": "planted-key-value"}
    model = OllamaModel(family="gptoss", context_tokens=4096)
    async with fake([FakeReply(text="ok")], OllamaWire(model)) as server:
        settings: dict[str, Any] = {
            "temperature": 0.3,
            "max_output_tokens": 77,
            "reasoning_effort": "low",
            "context_tokens": 2048,
        }
        conversation = await chat(services, server, api_key_env="MY_KEY", headers={"X-Team": "t"}, **settings)
        reply = await conversation.turn((), BUDGET)
    sent = server.requests[0]
    assert sent["options"] == {"num_ctx": 2048, "temperature": 0.3, "num_predict": 77}
    assert (sent["think"], sent["keep_alive"], sent["truncate"], sent["shift"]) == ("low", "10m", False, False)
    assert server.headers[0]["Authorization"] == "Bearer planted-key-value"
    assert server.headers[0]["X-Team"] == "t"
    expected = {
        "context_tokens": 2048,
        "temperature": 0.3,
        "output_cap_tokens": 77,
        "reasoning_effort": "low",
        "stream": True,
    }
    assert {name: getattr(reply.request, name) for name in expected} == expected
    assert (reply.request.api, reply.request.base_url) == ("Ollama chat", server.base_url)
    assert (reply.request.protocol, reply.request.model) == ("native", "fake-model")
    assert "planted-key-value" not in msgspec.json.encode(reply.request).decode()


async def test_the_vendors_defaults_are_left_alone_and_the_context_is_always_set(services: Services) -> None:
    async with fake([FakeReply(text="ok")]) as server:
        reply = await (await chat(services, server, tools=())).turn((), BUDGET)
    assert server.requests[0]["options"] == {"num_ctx": 8192, "num_predict": 1000}
    assert not {"think", "tools", "format"} & set(server.requests[0])
    assert reply.request.context_tokens == 8192


async def test_what_a_model_does_not_accept_is_recorded_and_not_sent(services: Services) -> None:
    wire = OllamaWire(OllamaModel(capabilities=("completion", "tools")))
    async with fake([FakeReply(text="ok")], wire) as server:
        reply = await (await chat(services, server, reasoning_effort="high")).turn((), BUDGET)
    assert "think" not in server.requests[0]
    assert reply.request.not_accepted == ("reasoning_effort",)


async def test_the_model_is_loaded_once_with_its_context_before_the_first_turn(services: Services) -> None:
    async with fake([FakeReply(calls=CALLS[:1]), FakeReply(text="ok")]) as server:
        conversation = await chat(services, server)
        first = await conversation.turn((), BUDGET)
        second = await conversation.turn(results(first), BUDGET)
    assert [path for path, _ in server.asked] == ["/api/show", "/api/generate"]
    load = server.asked[1][1]
    assert (load["options"], load["keep_alive"], load["shift"]) == ({"num_ctx": 8192}, "10m", False)
    assert "prompt" not in load
    assert first.load_seconds > 0
    assert second.load_seconds == 0


async def test_the_model_is_loaded_with_the_layers_that_its_requests_ask_for(services: Services) -> None:
    async with fake([FakeReply(text="ok")]) as server:
        await (await chat(services, server, gpu_layers=7)).turn((), BUDGET)
    asked = [
        *(sent["options"] for path, sent in server.asked if path == "/api/generate"),
        server.requests[0]["options"],
    ]
    assert [options["num_gpu"] for options in asked] == [7, 7]  # another number would have it loaded twice


PS = {"name": "fake-model:latest", "model": "fake-model:latest", "size": 6_000, "size_vram": 1_500}


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where short questions go."""
    seen: list[str] = []
    ask = OllamaModels.request

    async def request(self: OllamaModels, server: Any, path: str, *more: Any, **settings: Any) -> tuple[int, bytes]:
        seen.append(path)
        return await ask(self, server, path, *more, **settings)

    monkeypatch.setattr(OllamaModels, "request", request)
    return seen


@pytest.mark.parametrize(
    ("running", "memory"),
    [
        ([PS], (6_000, 1_500)),
        ([{**PS, "name": "other", "model": "other"}, {**PS, "size_vram": 9_000}], (6_000, 6_000)),
        ([{"name": "fake-model", "size": 6_000}], (6_000, 0)),
        ([], (None, None)),
        ([{**PS, "size": 0}], (None, None)),
        ("odd", (None, None)),
    ],
)
async def test_the_memory_that_the_model_takes_is_told_with_each_reply(
    services: Services, running: Any, memory: tuple[int | None, int | None], paths: list[str]
) -> None:
    wire = OllamaWire()
    wire.facts = {**wire.facts, "/api/ps": {"models": running}}
    usage = Usage(input_tokens=100, output_tokens=10)
    async with fake([FakeReply(calls=CALLS[:1], usage=usage), FakeReply(text="ok", usage=usage)], wire) as server:
        conversation = await chat(services, server)
        first = await conversation.turn((), BUDGET)
        second = await conversation.turn(results(first), BUDGET)
    for reply in (first, second):
        assert reply.device is not None
        assert (reply.device.peak_memory_bytes, reply.device.gpu_memory_bytes) == memory
        assert reply.device.read_seconds == 0.25
    assert paths.count("/api/ps") == 1


async def test_a_server_that_does_not_tell_what_it_holds_is_asked_once(services: Services, paths: list[str]) -> None:
    async with fake([FakeReply(text="ok"), FakeReply(text="ok")]) as server:
        provider = create(services)
        for _ in range(2):
            opening = Opening(
                agent=config(server.base_url),
                system_prompt="",
                prompt="Do it.",
                tools=(),
                task=Task(id="t", title="t", prompt=""),
            )
            reply = await (await provider.converse(opening)).turn((), BUDGET)
            assert reply.text == "ok"
            assert reply.device is not None
            assert reply.device.peak_memory_bytes is None
    assert paths.count("/api/ps") == 1


async def test_loading_is_taken_off_the_models_time(quick: Services, clock: FakeClock) -> None:
    def slow(_request: dict[str, Any], _number: int) -> Step:
        clock.seconds += 5.0
        return FakeReply(text="ok")

    async with fake(slow, OllamaWire(load_seconds=3.0)) as server:
        reply = await (await chat(quick, server)).turn((), BUDGET)
    assert (reply.load_seconds, reply.model_seconds, reply.first_token_seconds) == pytest.approx((3.0, 2.0, 2.0))


async def test_a_clock_that_disagrees_never_makes_time_negative(quick: Services) -> None:
    async with fake([FakeReply(text="ok")], OllamaWire(load_seconds=3.0)) as server:
        reply = await (await chat(quick, server)).turn((), BUDGET)
    assert (reply.load_seconds, reply.model_seconds, reply.first_token_seconds) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "message",
    [
        "the prompt is longer than the context length currently available to the model; shorten the prompt",
        '{"error":{"code":400,"message":"request (8889 tokens) exceeds the available context size (4096 tokens)"}}',
        '{"error":{"code":400,"type":"exceed_context_size_error","n_prompt_tokens":8889,"n_ctx":4096}}',
        "prompt too long; exceeded max context length by 17 tokens",
    ],
)
@pytest.mark.parametrize("status", [400, 200])
async def test_a_refused_conversation_says_that_it_does_not_fit(quick: Services, message: str, status: int) -> None:
    fault = Fault(status=status, kind="error_event", message=message)
    async with fake([fault]) as server:
        with pytest.raises(ContextTooLong, match=r"does not fit 8192 tokens \(num_ctx\)"):
            await (await chat(quick, server)).turn((), BUDGET)
    assert len(server.requests) == 1


async def test_a_conversation_that_was_shortened_in_silence_is_noticed(services: Services) -> None:
    script = [FakeReply(text="?", usage=Usage(input_tokens=2051, output_tokens=1))]
    async with fake(script) as server:
        conversation = await chat(services, server, prompt="word " * 7000, context_tokens=4096)
        with pytest.raises(ContextTooLong, match=r"given 2051 tokens .* 4096 \(num_ctx\).*set context_tokens higher"):
            await conversation.turn((), BUDGET)


async def test_counts_that_are_missing_are_not_zero(services: Services) -> None:
    async with fake([FakeReply(text="ok", usage=None)]) as server:
        assert (await (await chat(services, server)).turn((), BUDGET)).usage is None


@pytest.mark.usefixtures("idle_time")
async def test_a_cut_answer_and_what_was_begun_when_time_is_over(services: Services) -> None:
    script: list[Step] = [FakeReply(text="half", finish="length"), Fault(kind="stall")]
    async with fake(script) as server:
        assert (await (await chat(services, server)).turn((), BUDGET)).finish == "length"
        late = await (await chat(services, server)).turn((), TurnBudget(seconds=10.0, output_tokens=10))
    assert (late.finish, late.text, late.usage) == ("time", "beginn", None)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="error_event", message="an error was encountered while running the model"),
        Fault(kind="garbage"),
        Fault(kind="cut"),
        Fault(kind="whole", message='{"done": true, "done_reason": "load", "message": {"content": ""}}'),
        Fault(kind="whole", message='{"models": []}'),
        Fault(status=503, message="server busy, please try again. maximum pending requests exceeded"),
    ],
)
async def test_what_may_pass_is_tried_again(quick: Services, fault: Fault) -> None:
    async with fake([fault, FakeReply(text="whole")]) as server:
        reply = await (await chat(quick, server)).turn((), BUDGET)
    assert (reply.text, reply.attempts) == ("whole", 2)
    assert reply.retry_seconds > 0


async def test_an_error_with_a_final_status_in_the_stream_is_final(quick: Services) -> None:
    stream = '{"message": {"content": "x"}}\n{"error": "bad schema", "status": 400}\n'
    fault = Fault(kind="whole", message=stream, headers={"Content-Type": "application/x-ndjson"})
    async with fake([fault]) as server:
        with pytest.raises(ProviderError, match="bad schema") as caught:
            await (await chat(quick, server)).turn((), BUDGET)
    assert caught.value.status == 400


async def test_a_model_that_is_gone_comes_with_the_command_that_brings_it(quick: Services) -> None:
    async with fake([Fault(status=404, message="model 'other' not found")]) as server:
        with pytest.raises(ProviderError, match=r"not found.*run `ollama pull other`"):
            await (await chat(quick, server, model="other")).turn((), BUDGET)


async def test_a_cloud_model_keeps_its_own_context_and_is_not_loaded(services: Services, paths: list[str]) -> None:
    usage = Usage(input_tokens=300_000, output_tokens=1)
    async with fake([FakeReply(text="ok", usage=usage)], models=["big:1t-cloud"]) as server:
        reply = await (await chat(services, server, model="big:1t-cloud")).turn((), BUDGET)
    assert "/api/ps" not in paths
    assert server.requests[0]["options"]["num_ctx"] == 32768
    assert [path for path, _ in server.asked] == ["/api/show"]
    assert (reply.usage, reply.load_seconds) == (usage, 0.0)


async def test_json_protocol_calls_answers_and_nonsense(services: Services) -> None:
    script = [
        FakeReply(text='{"tool": "read_file", "arguments": {"file_path": "a"}}', reasoning="hm"),
        FakeReply(text="I would read the file"),
        FakeReply(text=' {"answer": "42"}\n'),
    ]
    async with fake(script, OllamaWire(OllamaModel(capabilities=("completion",)))) as server:
        conversation = await chat(services, server, protocol="json")
        first = await conversation.turn((), BUDGET)
        assert (first.calls[0].name, json.loads(first.calls[0].arguments)) == ("read_file", {"file_path": "a"})
        second = await conversation.turn(results(first, "content"), BUDGET)
        assert second.calls[0].name == ""
        third = await conversation.turn(results(second), BUDGET)
    assert (third.text, third.calls) == ("42", ())
    assert "tools" not in server.requests[0]
    assert len(server.requests[0]["format"]["anyOf"]) == 2
    assert server.requests[1]["messages"][-1]["role"] == "user"
    assert server.requests[1]["messages"][-1]["content"].startswith("read_file returned:\ncontent\n")
    assert third.request.protocol == "json"


async def test_a_response_schema_is_the_format(services: Services) -> None:
    schema = {"type": "object", "properties": {"letter": {"type": "string"}}}
    async with fake([FakeReply(text='{"letter": "S"}')]) as server:
        await (await chat(services, server, tools=(), response_schema=schema)).turn((), BUDGET)
    assert server.requests[0]["format"] == schema


@pytest.mark.parametrize("name", ["fake-model", "fake-model:latest"])
async def test_check_is_content_with_a_model_that_is_pulled(services: Services, name: str) -> None:
    async with fake([]) as server:
        await create(services).check(config(server.base_url, model=name))
    assert server.requests == []


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (OllamaModel(), {"model": "big:70b"}, r"'big:70b' is not pulled at .*`ollama pull big:70b` \(pulled: fake-m"),
        (OllamaModel(), {"model": "fake-modle"}, r"\(pulled: fake-model.*\); did you mean 'fake-model(:latest)?'\?"),
        (
            OllamaModel(capabilities=("completion",)),
            {"protocol": "native"},
            r'no tool calls for fake-model .*set protocol = "auto" or "json"',
        ),
        (OllamaModel(capabilities=("embedding",)), {}, r"no chat model \(it can: embedding\)"),
        (OllamaModel(context_tokens=4096), {"context_tokens": 9999}, "fake-model has 4096; set it to that or less"),
    ],
)
async def test_check_names_what_is_missing(
    services: Services, model: OllamaModel, settings: dict[str, Any], message: str
) -> None:
    async with fake([], OllamaWire(model)) as server:
        with pytest.raises(NotReady, match=message):
            await create(services).check(config(server.base_url, **settings))


@pytest.mark.parametrize("settings", [{"protocol": "json"}, {"tools": ()}])
async def test_check_takes_a_model_without_tools_that_needs_none(services: Services, settings: dict[str, Any]) -> None:
    async with fake([], OllamaWire(OllamaModel(capabilities=("completion",)))) as server:
        await create(services).check(config(server.base_url, **settings))


class Silent(OllamaWire):
    """A gateway that lists models and describes none."""

    def side(self, path: str, request: Any, names: Any) -> tuple[int, dict[str, Any]]:
        return 405, {"error": "method not allowed"}


async def test_a_server_that_describes_no_model_is_asked_for_its_list_alone(services: Services) -> None:
    async with fake([FakeReply(text="ok")], Silent()) as server:
        provider = create(services)
        await provider.check(config(server.base_url))
        with pytest.raises(NotReady, match="'other' is not pulled"):
            await provider.check(config(server.base_url, model="other"))
        reply = await (await chat(services, server)).turn((), BUDGET)
    assert (reply.text, reply.load_seconds, reply.request.context_tokens) == ("ok", 0.0, 8192)


async def test_check_says_where_it_looked_when_no_server_answers(services: Services) -> None:
    async with fake([]) as server:
        gone = server.base_url
    provider = create(services)
    with pytest.raises(NotReady, match=rf"no Ollama answers at {gone}, from its base_url .*`ollama serve`"):
        await provider.check(config(gone))
    services.environ = {"OLLAMA_HOST": gone.removeprefix("http://")}
    with pytest.raises(NotReady, match=rf"no Ollama answers at {gone}, from OLLAMA_HOST "):
        await provider.check(AgentConfig(name="a", provider="ollama", model="m"))
    async with fake([]) as server:
        with pytest.raises(NotReady, match=r"answers 404 to /api/tags.*base_url has no version"):
            await provider.check(config(f"{server.base_url}/v1"))
    services.environ = {}
    with pytest.raises(NotReady, match="set the environment variable OLLAMA_API_KEY"):
        await provider.check(config("https://ollama.com"))
