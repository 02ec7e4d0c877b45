"""The Responses API against a strict server, with settings, faults and ends of replies; the server against the SDK."""

from __future__ import annotations

import json
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from flatfield.errors import ContextTooLong, NotReady, ProviderError
from flatfield.http.services import Services
from flatfield.records import AgentConfig, Task, ToolResult, ToolSpec, TurnBudget, Usage
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault
from flatfield.testing.wires.openai import OpenAIWire
from flatfield.vendors import openai as provider_module
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import Reply
    from flatfield.testing.clocks import FakeClock
    from flatfield.vendors.base import Conversation

pytestmark = pytest.mark.whole


def tool(name: str, *optional: str) -> ToolSpec:
    properties: dict[str, Any] = {"file_path": {"type": "string", "description": "Where."}}
    properties.update({name: {"type": "string"} for name in optional})
    schema = {"type": "object", "properties": properties, "required": ["file_path"], "additionalProperties": False}
    return ToolSpec(name=name, description="Read a file.", parameters=schema)


READ = tool("read_file")
LIST = tool("list_directory", "pattern")
BUDGET = TurnBudget(seconds=30.0, output_tokens=1000)
CALLS = (("read_file", '{"file_path": "é🙂.txt"}'), ("read_file", '{"file_path":"b"}'))
GRADE = {
    "type": "object",
    "properties": {"letter": {"type": "string", "enum": ["A", "B"]}},
    "required": ["letter"],
    "additionalProperties": False,
}


@pytest.fixture
def fast(services: Services, clock: FakeClock) -> Services:
    """Services whose waiting costs no time."""
    return Services(session=services.session, clock=clock, environ={}, cache=services.cache)


def opening(base_url: str | None, **settings: Any) -> Opening:
    own = {name: settings.pop(name) for name in ("tools", "response_schema", "prompt") if name in settings}
    agent = {"name": "a", "provider": "openai", "model": "gpt-5-mini", "base_url": base_url} | settings
    fixed: dict[str, Any] = {"system_prompt": "Be brief.", "prompt": "Do it.", "tools": (READ, LIST)}
    return Opening(agent=AgentConfig(**agent), task=Task(id="t", title="t", prompt=""), **(fixed | own))


async def start(services: Services, server: FakeServer, **settings: Any) -> Conversation:
    return await provider_module.create(services).converse(opening(server.base_url, **settings))


async def one_turn(services: Services, server: FakeServer, **settings: Any) -> Reply:
    return await (await start(services, server, **settings)).turn((), BUDGET)


def answers(reply: Reply) -> list[ToolResult]:
    return [ToolResult(call_id=call.id, name=call.name, text=f"text of {call.id}") for call in reply.calls]


def serve(script: Any, **options: Any) -> FakeServer:
    return FakeServer(OpenAIWire(), script, **options)


async def hold(services: Services, server: FakeServer, **settings: Any) -> list[Reply]:
    """A conversation until it has an answer."""
    chat = await start(services, server, **settings)
    replies = [await chat.turn((), BUDGET)]
    while replies[-1].calls:
        replies.append(await chat.turn(answers(replies[-1]), BUDGET))
    return replies


CONVERSATION = [
    FakeReply(reasoning="Zwei Dateien: größer…", text="Looking…", calls=CALLS),
    FakeReply(reasoning="And one more.", calls=(("list_directory", '{"file_path": "."}'),)),
    FakeReply(text="Größe: 3 🙂"),
]


@pytest.mark.parametrize(
    "options",
    [{}, {"piece_bytes": 1}, {"piece_bytes": 7}, {"stream": False}, {"stream": False, "compress": True}],
    ids=str,
)
async def test_a_conversation_with_parallel_calls(services: Services, options: dict[str, Any]) -> None:
    async with serve(CONVERSATION, **options) as server:
        first, second, third = await hold(services, server)
    assert server.violations == []
    assert [(call.name, call.arguments) for call in first.calls] == list(CALLS)
    assert (first.text, first.reasoning, first.finish) == ("Looking…", "Zwei Dateien: größer…", "tool_calls")
    assert (second.text, second.reasoning, second.finish) == ("", "And one more.", "tool_calls")
    assert (third.text, third.calls, third.finish) == ("Größe: 3 🙂", (), "stop")
    assert third.usage == Usage(input_tokens=100, cache_read_tokens=40, output_tokens=10, reasoning_tokens=4)
    items = server.requests[2]["input"]
    kinds = [item.get("type", "message") for item in items]
    output = "function_call_output"
    assert kinds == [
        *("message", "reasoning", "message", "function_call", "function_call", output, output),
        *("reasoning", "function_call", output),
    ]
    assert items[1]["encrypted_content"] == "gAAAA0/+é=="
    assert items[2]["phase"] == "final_answer"
    assert items[5] == {"type": output, "call_id": "call_0_0", "output": "text of call_0_0"}


async def test_what_came_goes_back_byte_for_byte(services: Services) -> None:
    """Fields that nobody knows yet, their order and their spelling included."""
    odd = '{"zeta":1.50,"type":"reasoning","id":"rs_9","summary":[],"encrypted_content":"x\\u00e9","new":[null]}'
    body = json.dumps({"status": "completed", "output": [0, {"type": "novelty", "content": 3}]}).replace("0", odd, 1)
    async with serve([Fault(kind="whole", message=body, headers={"Content-Type": "application/json"})]) as server:
        chat = await start(services, server)
        reply = await chat.turn((), BUDGET)
        assert (reply.text, reply.calls, reply.usage) == ("", (), None)
        sent = b",".join(chat._dialect._items)  # type: ignore[attr-defined]
    assert sent.endswith(odd.encode() + b',{"type": "novelty", "content": 3}')


@pytest.mark.parametrize(
    "prompt", ["a\r\nb\tc", "\"quotes\" 'and' `ticks`", "$HOME {x} {{y}} %s \\n", "🙂é\u2028\x7f", " lead/trail \n"]
)
async def test_the_prompt_arrives_byte_for_byte(services: Services, prompt: str) -> None:
    async with serve([FakeReply(text="ok")]) as server:
        await one_turn(services, server, prompt=prompt)
    assert server.requests[0]["input"] == [{"role": "user", "content": prompt}]
    assert server.requests[0]["instructions"] == "Be brief."


async def test_settings_reach_the_wire_and_the_record_and_no_key_does(services: Services) -> None:
    services.environ = {"MY_KEY": "planted-key-value"}
    settings = {"max_output_tokens": 77, "reasoning_effort": "low", "headers": {"X-Team": "t"}}
    async with serve([FakeReply(text="ok")]) as server:
        reply = await one_turn(services, server, api_key_env="MY_KEY", temperature=0.3, context_tokens=9, **settings)
    sent = server.requests[0]
    assert (sent["max_output_tokens"], sent["reasoning"], sent["store"]) == (77, {"effort": "low"}, False)
    assert sent["include"] == ["reasoning.encrypted_content"]
    assert [(item["name"], item["strict"]) for item in sent["tools"]] == [
        ("read_file", True),
        ("list_directory", False),
    ]
    assert "temperature" not in sent
    assert server.headers[0]["Authorization"] == "Bearer planted-key-value"
    assert server.headers[0]["X-Team"] == "t"
    shown = reply.request
    assert len(shown.tools_digest) == len(shown.system) == 12
    assert {name: getattr(shown, name) for name in ("api", "base_url", "model", "protocol", "stream")} == {
        "api": "OpenAI Responses",
        "base_url": server.base_url,
        "model": "gpt-5-mini",
        "protocol": "native",
        "stream": True,
    }
    assert (shown.output_cap_tokens, shown.reasoning_effort) == (77, "low")
    assert (shown.temperature, shown.not_accepted) == (None, ("temperature", "context_tokens"))
    assert shown.parameters["strict_tools"] == ["read_file"]
    assert "planted-key-value" not in msgspec.json.encode(shown).decode()
    assert "reasoning" not in shown.parameters


@pytest.mark.parametrize(
    ("model", "effort", "temperature", "effort_sent", "encrypted"),
    [
        ("gpt-5", None, False, False, True),
        ("gpt-5-nano-2025-08-07", "minimal", False, True, True),
        ("openai/o3", "high", False, True, True),
        ("gpt-5.4-mini", None, True, False, True),
        ("gpt-5.4-mini", "high", False, True, True),
        ("gpt-5.1-codex", None, False, False, True),
        ("gpt-6-astra", None, False, False, True),
        ("gpt-5.6-luna", "none", True, True, True),
        ("gpt-4.1", "low", True, False, False),
        ("ft:gpt-4.1-mini:team::x", None, True, False, False),
        ("gpt-5-chat-latest", None, True, False, False),
        ("gpt-oss-20b", "low", True, True, False),
        ("smollm2-135m", None, True, False, False),
    ],
)
async def test_a_model_is_sent_what_it_accepts(
    services: Services, model: str, effort: str | None, temperature: bool, effort_sent: bool, encrypted: bool
) -> None:
    async with serve([FakeReply(text="ok")]) as server:
        reply = await one_turn(services, server, model=model, temperature=0.5, reasoning_effort=effort)
    sent = server.requests[0]
    assert ("temperature" in sent, "reasoning" in sent, "include" in sent) == (temperature, effort_sent, encrypted)
    assert reply.request.temperature == (0.5 if temperature else None)
    assert ("temperature" in reply.request.not_accepted) is not temperature
    if effort is not None:
        assert reply.request.reasoning_effort == (effort if effort_sent else None)
        assert ("reasoning_effort" in reply.request.not_accepted) is not effort_sent


@pytest.mark.parametrize(("own", "left", "sent"), [(None, 1000, 1000), (500, 1000, 500), (5000, 40, 40), (None, 3, 16)])
async def test_the_output_cap(services: Services, own: int | None, left: int, sent: int) -> None:
    async with serve([FakeReply(text="ok", usage=None)]) as server:
        chat = await start(services, server, max_output_tokens=own)
        reply = await chat.turn((), TurnBudget(seconds=30, output_tokens=left))
    assert (server.requests[0]["max_output_tokens"], reply.request.output_cap_tokens) == (sent, sent)
    assert reply.usage is None


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("said", "finish", "text"),
    [
        (FakeReply(text="half", finish="max_output_tokens"), "length", "half"),
        (FakeReply(text="half", finish="content_filter"), "refused", "half"),
        (FakeReply(refusal="I cannot help."), "refused", "I cannot help."),
        (FakeReply(finish="invalid_prompt"), "refused", "failed: invalid_prompt"),
        (FakeReply(finish="bio_policy"), "refused", "failed: bio_policy"),
    ],
    ids=lambda value: str(getattr(value, "finish", value)),
)
async def test_how_a_reply_ends(services: Services, stream: bool, said: FakeReply, finish: str, text: str) -> None:
    async with serve([said], stream=stream) as server:
        reply = await one_turn(services, server)
    assert (reply.finish, reply.text) == (finish, text)
    assert reply.usage is not None


@pytest.mark.parametrize("finish", ["max_output_tokens", None])
async def test_a_cut_call_is_no_call_to_run(services: Services, finish: str | None) -> None:
    """With `finish` None as llama.cpp has it: completed, with as many tokens as were allowed."""
    said = FakeReply(calls=(("read_file", "{"),), finish=finish, usage=Usage(output_tokens=1000))
    async with serve([said]) as server:
        reply = await one_turn(services, server)
    assert reply.finish == "length"
    assert reply.calls[0].arguments == "{"


async def test_whole_calls_at_the_cap_are_run(services: Services) -> None:
    async with serve([FakeReply(calls=CALLS, usage=Usage(output_tokens=1000))]) as server:
        assert (await one_turn(services, server)).finish == "tool_calls"


@pytest.mark.parametrize("arguments", ['{"file_path": ', "[]", '"x"'])
async def test_bad_arguments_do_not_break_the_conversation(services: Services, arguments: str) -> None:
    async with serve([FakeReply(calls=(("read_file", arguments),)), FakeReply(text="ok")]) as server:
        first, second = await hold(services, server)
    assert (first.calls[0].arguments, second.text, server.violations) == (arguments, "ok", [])
    assert json.loads(server.requests[1]["input"][1]["arguments"]) == {"invalid_arguments": arguments}


@pytest.mark.usefixtures("idle_time")
async def test_time_over_in_mid_stream_keeps_what_came(services: Services) -> None:
    async with serve([Fault(kind="stall")]) as server:
        chat = await start(services, server)
        reply = await chat.turn((), TurnBudget(seconds=10.0, output_tokens=100))
    assert (reply.finish, reply.text, reply.usage) == ("time", "beginn", None)


def events(*parts: dict[str, Any]) -> Fault:
    text = "".join(f"data: {json.dumps(part)}\n\n" for part in parts)
    return Fault(kind="whole", message=text, headers={"Content-Type": "text/event-stream"})


def nested_error(**fields: Any) -> Fault:
    """An error event as production sends it: code and message under `error`."""
    return events({"type": "error", "sequence_number": 2, "error": fields})


def failed(**fields: Any) -> Fault:
    return events({"type": "response.failed", "response": {"status": "failed", "error": fields}})


RATE = "Rate limit reached for gpt-5 on tokens per min (TPM). Please try again in 6.57s. Visit our site."


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="error_event", message="The server had an error."),
        nested_error(type="server_error", code=None, message="overloaded"),
        failed(code="server_error", message="An error occurred"),
        failed(code="vector_store_timeout", message="slow"),
        failed(),
        events({"type": "response.completed"}, {"type": "response.failed", "response": {"status": "failed"}}),
        events({"error": {"code": 503, "message": "loading"}}),
        events({"type": "response.created", "response": {"status": "in_progress"}}),
        Fault(kind="whole", message='{"status": "cancelled"}', headers={"Content-Type": "application/json"}),
        Fault(kind="whole", message="{}", headers={"Content-Type": "application/json"}),
    ],
)
async def test_failures_that_pass_are_tried_again(fast: Services, fault: Fault) -> None:
    async with serve([fault, FakeReply(text="ok")]) as server:
        reply = await one_turn(fast, server)
    assert (reply.text, reply.attempts) == ("ok", 2)


@pytest.mark.parametrize("make", [nested_error, failed])
async def test_a_rate_limit_inside_the_stream_says_how_long(
    fast: Services, clock: FakeClock, make: Callable[..., Fault]
) -> None:
    async with serve([make(code="rate_limit_exceeded", message=RATE), FakeReply(text="ok")]) as server:
        assert (await one_turn(fast, server)).attempts == 2
    assert clock.slept == pytest.approx([6.57])


@pytest.mark.parametrize("make", [nested_error, failed])
@pytest.mark.parametrize("code", ["insufficient_quota", "data_residency_mismatch", "model_not_found"])
async def test_failures_that_stay_are_final(fast: Services, make: Callable[..., Fault], code: str) -> None:
    async with serve([make(code=code, message="no"), FakeReply(text="ok")]) as server:
        with pytest.raises(ProviderError, match=rf"no \({code}\)"):
            await one_turn(fast, server)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        nested_error(code="context_length_exceeded", message="Your input exceeds the context window of this model."),
        failed(code="context_length_exceeded", message=""),
        Fault(status=400, message="Your input exceeds the context window of this model."),
        Fault(status=400, message="exceed_context_size_error"),
    ],
)
async def test_a_conversation_that_does_not_fit(fast: Services, fault: Fault) -> None:
    async with serve([fault]) as server:
        with pytest.raises(ContextTooLong):
            await one_turn(fast, server)
    assert len(server.requests) == 1


async def test_a_request_that_the_vendors_policy_refuses(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    error = {"error": {"message": "flagged", "type": "invalid_request_error", "code": "invalid_prompt"}}
    monkeypatch.setattr(OpenAIWire, "error", lambda *_: error)
    async with serve([Fault(status=400)]) as server:
        reply = await one_turn(services, server)
    assert (reply.finish, reply.usage) == ("refused", None)
    assert "flagged" in reply.text


async def test_events_without_deltas_or_with_an_end_only(services: Services) -> None:
    """Some servers send items without deltas, or only the whole response at the end."""
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "whole"}]}
    call = {"type": "function_call", "call_id": "c", "name": "read_file", "arguments": "{}"}
    thought = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    items = [thought, message, call]
    done = [{"type": "response.output_item.done", "item": item} for item in items]
    end = {"type": "response.completed", "response": {"status": "completed", "output": items}}
    for fault in (events(*done, end), events(end)):
        async with serve([fault]) as server:
            reply = await one_turn(services, server)
        assert (reply.text, reply.reasoning, [call.id for call in reply.calls]) == ("whole", "hm", ["c"])


async def test_reasoning_is_told_once_however_it_comes(services: Services) -> None:
    delta = {"type": "response.reasoning_summary_text.delta", "delta": "one "}
    items = [{"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]} for text in ("one ", "two")]
    done = [{"type": "response.output_item.done", "item": item} for item in items]
    end = {"type": "response.completed", "response": {"status": "completed", "output": items}}
    async with serve([events(delta, *done, end)]) as server:
        assert (await one_turn(services, server)).reasoning == "one two"


async def test_json_protocol_calls_answers_and_nonsense(services: Services) -> None:
    script = [
        FakeReply(text='{"step": {"tool": "list_directory", "arguments": {"file_path": "a", "pattern": null}}}'),
        FakeReply(text='{"tool": "read_file", "arguments": {"file_path": "a"}}'),
        FakeReply(text="I would read the file"),
        FakeReply(text=' {"step": {"answer": "42"}}\n'),
    ]
    async with serve(script) as server:
        chat = await start(services, server, protocol="json")
        replies = [await chat.turn((), BUDGET)]
        for _ in range(3):
            replies.append(await chat.turn(answers(replies[-1]), BUDGET))
    assert server.violations == []
    assert [(call.name, call.arguments) for reply in replies[:2] for call in reply.calls] == [
        ("list_directory", '{"file_path":"a","pattern":null}'),
        ("read_file", '{"file_path":"a"}'),
    ]
    assert (replies[2].calls[0].name, replies[3].text, replies[3].calls) == ("", "42", ())
    form = server.requests[0]["text"]["format"]
    assert (form["type"], form["strict"]) == ("json_schema", True)
    assert not {"tools", "json_schema"} & set(server.requests[0])
    assert server.requests[1]["input"][-1]["content"].startswith("list_directory returned:\ntext of ")
    assert (replies[0].request.protocol, replies[0].request.parameters["response_format"]) == ("json", "json_schema")


@pytest.mark.parametrize(("schema", "strict"), [(GRADE, True), ({**GRADE, "required": []}, False)])
async def test_a_reply_in_a_schema(services: Services, schema: dict[str, Any], strict: bool) -> None:
    async with serve([FakeReply(text='{"letter": "A"}')]) as server:
        reply = await one_turn(services, server, tools=(), response_schema=schema)
    form = server.requests[0]["text"]["format"]
    assert (form["schema"], form["strict"], reply.text) == (schema, strict, '{"letter": "A"}')
    assert "tools" not in server.requests[0]


@pytest.mark.parametrize(("owner", "given"), [("llamacpp", True), ("openai", False)])
async def test_llama_servers_are_given_the_schema_in_their_own_field(
    services: Services, monkeypatch: pytest.MonkeyPatch, owner: str, given: bool
) -> None:
    monkeypatch.setattr(OpenAIWire, "models", lambda *_: {"data": [{"id": "m", "owned_by": owner}]})
    monkeypatch.setattr(OpenAIWire, "violation", lambda *_: None)
    async with serve([FakeReply(text="{}")]) as server:
        await one_turn(services, server, tools=(), response_schema=GRADE)
    assert ("json_schema" in server.requests[0]) is given
    assert not given or server.requests[0]["json_schema"] == GRADE


async def test_which_key_goes_where(services: Services) -> None:
    services.environ = {"OPENAI_API_KEY": "vendors-own"}

    def key(base_url: str | None, **settings: Any) -> str | None:
        return provider_module.endpoint_of(opening(base_url, **settings).agent, services.environ).headers.get(
            "Authorization"
        )

    assert key(None) == key("https://eu.api.openai.com/v1") == "Bearer vendors-own"
    assert key("http://127.0.0.1:1/v1") is None
    assert key("https://api.openai.com.example.org/v1") is None
    services.environ = {"OPENAI_API_KEY": "vendors-own", "OPENAI_BASE_URL": "https://gateway.example.org/v1/"}
    assert key(None) == "Bearer vendors-own"
    assert (
        provider_module.endpoint_of(opening(None).agent, services.environ).base_url == "https://gateway.example.org/v1"
    )
    services.environ = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}
    assert key(None) is None
    services.environ = {}
    with pytest.raises(NotReady, match="set the environment variable OPENAI_API_KEY"):
        key(None)
    with pytest.raises(NotReady, match="set the environment variable NO_SUCH_KEY"):
        key("http://127.0.0.1:1/v1", api_key_env="NO_SUCH_KEY")


def test_lanes_and_devices(services: Services) -> None:
    provider = provider_module.create(services)
    agent = opening(None).agent
    assert provider.lane(agent).name == f"openai:api.openai.com {agent.model}"
    assert provider.lane(opening("http://127.0.0.1:1/v1", on_device=True).agent).name == "device:local"
    assert provider.on_device(opening(None, on_device=True).agent)
    assert not provider.on_device(opening("http://127.0.0.1:1/v1").agent)


async def test_check_names_what_is_missing(fast: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = provider_module.create(fast)
    async with serve([], models=["gpt-5-mini", "gpt-5-nano", "whisper-1"]) as server:
        await provider.check(opening(server.base_url).agent)
        with pytest.raises(NotReady, match=r"does not serve 'gpt-5-mino' \(retired.* serves: gpt-5-mini, gpt-5-nano"):
            await provider.check(opening(server.base_url, model="gpt-5-mino").agent)
        for date, problem in (("2025-12-11", "was retired on 2025-12-11"), ("2026-12-11", None)):
            monkeypatch.setattr(
                OpenAIWire, "models", lambda *_, on=date: {"data": [{"id": "gpt-5-mini", "shutdown_date": on}]}
            )
            if problem is None:
                await provider.check(opening(server.base_url).agent)
                continue
            with pytest.raises(NotReady, match=problem):
                await provider.check(opening(server.base_url).agent)
        monkeypatch.setattr(OpenAIWire, "models_path", "/elsewhere")
    assert server.requests == []
    with pytest.raises(NotReady, match="no server answers at"):
        await provider.check(opening(server.base_url).agent)


async def test_check_and_a_server_without_models_or_with_a_door(fast: Services) -> None:
    from aiohttp import web
    from aiohttp.test_utils import TestServer

    provider = provider_module.create(fast)
    statuses = iter((404, 401))

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=next(statuses))

    async def invalid(_request: web.Request) -> web.Response:
        return web.Response(status=400)

    app = web.Application()
    app.router.add_post("/v1/responses", invalid)
    app.router.add_get("/v1/models", answer)
    async with TestServer(app) as server:
        agent = opening(str(server.make_url("/v1"))).agent
        await provider.check(agent)
        with pytest.raises(NotReady, match=r"refuses the request \(401\); no key was sent"):
            await provider.check(agent)


def consumed(value: Any) -> Any:
    """Everything that validation left lazy, looked at."""
    if isinstance(value, dict):
        return {name: consumed(part) for name, part in value.items()}
    if isinstance(value, list | tuple | GeneratorType) or type(value).__name__ == "ValidatorIterator":
        return [consumed(part) for part in value]
    return value


async def test_every_request_is_one_that_the_sdk_would_send(services: Services) -> None:
    from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
    from pydantic import TypeAdapter

    settings: list[dict[str, Any]] = [
        {"reasoning_effort": "low", "max_output_tokens": 99},
        {"model": "gpt-4.1", "temperature": 0.5},
        {"tools": (), "response_schema": GRADE},
        {"protocol": "json"},
    ]
    requests = []
    for setting in settings:
        script = [FakeReply(text='{"answer": "x"}')] if "protocol" in setting else CONVERSATION
        async with serve(script) as server:
            await hold(services, server, **setting)
        assert server.violations == []
        requests += server.requests
    adapter = TypeAdapter(ResponseCreateParamsStreaming)
    for request in requests:
        assert consumed(adapter.validate_python(request)) == request  # validation drops what it does not know
    assert len(requests) == 10


async def test_the_server_sends_what_the_reference_says() -> None:
    """Every event is one of the SDK's, with all the fields that it requires."""
    from openai.types.responses import Response, ResponseStreamEvent
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    wire = OpenAIWire()
    said = [*CONVERSATION, FakeReply(refusal="no"), FakeReply(text="x", finish="content_filter")]
    framed = [event for number, reply in enumerate(said) for event in wire.stream(reply, number)]
    framed += [wire.beginning(), wire.error_event("bad"), *wire.stream(FakeReply(finish="server_error"), 9)]
    kinds = set()
    for data in b"".join(framed).decode().split("data: ")[1:]:
        parsed = adapter.validate_json(data.split("\n")[0])
        kinds.add(parsed.type)
    assert len(kinds) >= 19
    for number, reply in enumerate(said):
        Response.model_validate(wire.whole(reply, number))


async def test_the_sdk_holds_a_conversation_with_the_server() -> None:
    from openai import AsyncOpenAI

    async with (
        serve(CONVERSATION, piece_bytes=7) as server,
        AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
    ):
        history: list[Any] = [{"role": "user", "content": "Do it."}]
        texts, thoughts, names = "", "", []
        for _ in CONVERSATION:
            async with client.responses.stream(
                model="gpt-5-mini",
                input=history,
                store=False,
                include=["reasoning.encrypted_content"],
                tools=[
                    {
                        "type": "function",
                        "name": READ.name,
                        "description": READ.description,
                        "parameters": READ.parameters,
                        "strict": True,
                    }
                ],
            ) as stream:
                async for event in stream:
                    if event.type == "response.output_text.delta":
                        texts += event.delta
                    elif event.type == "response.reasoning_summary_text.delta":
                        thoughts += event.delta
                response = await stream.get_final_response()
            for item in response.output:
                # The SDK's parsed models carry fields of their own; what was received is what goes back.
                history.append(item.model_dump(exclude={"parsed_arguments"}, exclude_unset=True, mode="json"))
                if item.type == "message":
                    for part in history[-1]["content"]:
                        part.pop("parsed", None)
            for item in response.output:
                if item.type == "function_call":
                    names.append(item.name)
                    history.append({"type": "function_call_output", "call_id": item.call_id, "output": "text"})
    assert server.violations == []
    assert (texts, thoughts) == ("Looking…Größe: 3 🙂", "Zwei Dateien: größer…And one more.")
    assert names == ["read_file", "read_file", "list_directory"]
    assert response.usage is not None
    assert response.usage.input_tokens_details.cached_tokens == 40


async def test_a_call_that_was_streamed_and_never_closed_is_run(services: Services) -> None:
    """SGLang closes no item, and its final list holds a message in the place of the call."""
    stream = events(
        {"type": "response.output_item.added", "item": {"type": "function_call", "name": "read_file", "call_id": "c1"}},
        {"type": "response.function_call_arguments.delta", "delta": '{"file_path": "a"}'},
        {
            "type": "response.completed",
            "response": {"status": "completed", "output": [{"type": "message", "content": []}]},
        },
    )
    async with serve([stream]) as server:
        reply = await one_turn(services, server)
    assert [(call.id, call.name, call.arguments) for call in reply.calls] == [("c1", "read_file", '{"file_path": "a"}')]


async def test_arguments_that_are_an_object_and_names_that_are_none_go_back_as_the_api_wants_them(
    services: Services,
) -> None:
    item = {"type": "function_call", "name": "multi.tool use", "call_id": "c1", "arguments": {"file_path": "a"}}
    stream = events(
        {"type": "response.output_item.done", "item": item},
        {"type": "response.completed", "response": {"status": "completed", "model": "m-2"}},
    )
    async with serve([stream, Fault(status=400)]) as server:
        talk = await start(services, server)
        reply = await talk.turn((), BUDGET)
        with pytest.raises(ProviderError):
            await talk.turn(answers(reply), BUDGET)
    assert [(call.name, json.loads(call.arguments)) for call in reply.calls] == [("multi.tool use", {"file_path": "a"})]
    assert reply.request.answered_by == "m-2"
    (back,) = (each for each in server.requests[1]["input"] if each.get("type") == "function_call")
    assert (back["name"], json.loads(back["arguments"])) == ("multi_tool_use", {"file_path": "a"})
