"""What an agent sets and what Gemini's models take of it, on the wire and in the record; the check beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from flatfield.errors import NotReady
from flatfield.http.transport import Transport
from flatfield.records import AgentConfig, Task, ToolResult, ToolSpec, TurnBudget
from flatfield.testing.fake_server import FakeReply, FakeServer
from flatfield.testing.wires.gemini import GeminiWire
from flatfield.vendors import gemini as gemini_vendor
from flatfield.vendors.base import Address, Opening, Talk
from flatfield.vendors.gemini import conversation as gemini

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.clock import Clock
    from flatfield.http.services import Services

READ = ToolSpec(
    name="read_file",
    description="Read a file.",
    parameters={
        "type": "object",
        "properties": {"file_path": {"type": "string"}},
        "required": ["file_path"],
        "additionalProperties": False,
    },
)
BUDGET = TurnBudget(seconds=30.0, output_tokens=1000)


def opening(base_url: str, model: str = "fake-model", **settings: Any) -> Opening:
    extra = {name: settings.pop(name) for name in ("response_schema", "tools") if name in settings}
    return Opening(
        agent=AgentConfig(name="a", provider="gemini", model=model, base_url=base_url, **settings),
        system_prompt="Be brief.",
        prompt="Do it.",
        task=Task(id="t", title="t", prompt=""),
        **{"tools": (READ,), **extra},
    )


def conversation(services: Services, server: FakeServer, clock: Clock, **settings: Any) -> Talk:
    asked = opening(server.base_url, **settings)
    address = Address(base_url=f"{server.base_url}/v1beta", headers={"x-goog-api-key": "planted-key"})
    return Talk(asked, Transport(services.session, clock), gemini.GeminiContents(asked, address))


def validates(requests: Sequence[dict[str, Any]]) -> None:
    """Every body fits the SDK's own types: its names in camelCase, nothing that they do not know."""
    from google.genai import types

    for request in requests:
        for content in request["contents"]:
            types.Content.model_validate(content)
        types.Content.model_validate(request.get("systemInstruction", {}))
        types.GenerationConfig.model_validate(request["generationConfig"])
        for tool in request.get("tools", ()):
            types.Tool.model_validate(tool)
        config = {name: value for name, value in request.items() if name in {"systemInstruction", "tools"}}
        types.GenerateContentConfig.model_validate({**config, **request["generationConfig"]})


@pytest.mark.parametrize(
    ("model", "effort", "sent", "shown"),
    [
        ("gemini-3.8-flash", "low", {"thinkingLevel": "LOW"}, "low"),
        ("gemini-3.8-flash", "minimal", None, "not accepted"),
        ("gemini-3.6-flash", "minimal", {"thinkingLevel": "MINIMAL"}, "minimal"),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24_576}, "high"),
        ("gemini-2.5-pro", "none", None, "not accepted"),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}, "none"),
        ("gemini-2.0-flash", "low", None, "not accepted"),
        ("a-gateways-own", "high", {"thinkingLevel": "HIGH"}, "high"),
    ],
)
async def test_reasoning_effort_in_the_models_own_form(
    services: Services, clock: Clock, model: str, effort: str, sent: dict[str, Any] | None, shown: str
) -> None:
    async with FakeServer(GeminiWire(), [FakeReply(text="ok")]) as server:
        reply = await conversation(services, server, clock, model=model, reasoning_effort=effort).turn((), BUDGET)
    assert server.requests[0]["generationConfig"].get("thinkingConfig") == sent
    refused = "reasoning_effort" in reply.request.not_accepted
    assert ("not accepted" if refused else reply.request.reasoning_effort) == shown
    validates(server.requests)


async def test_settings_reach_the_wire_and_the_record_and_no_key_does(services: Services) -> None:
    services.environ = {"MY_KEY": "planted-key-value"}
    settings: dict[str, Any] = {"temperature": 0.3, "max_output_tokens": 77, "context_tokens": 9}
    async with FakeServer(GeminiWire(), [FakeReply(text="ok")] * 2) as server:
        asked = opening(
            f"{server.base_url}/v1/",
            model="models/gemini-2.5-flash",
            api_key_env="MY_KEY",
            headers={"X-Team": "t"},
            **settings,
        )
        provider = gemini_vendor.create(services)
        reply = await (await provider.converse(asked)).turn((), BUDGET)
        newer = await (
            await provider.converse(
                opening(server.base_url, model="gemini-3.8-flash", api_key_env="MY_KEY", **settings)
            )
        ).turn((), BUDGET)
    first, second = (request["generationConfig"] for request in server.requests)
    assert first == {"temperature": 0.3, "maxOutputTokens": 77}
    assert second == {"maxOutputTokens": 77}
    assert server.headers[0]["x-goog-api-key"] == "planted-key-value"
    assert server.headers[0]["X-Team"] == "t"
    assert (reply.request.temperature, newer.request.temperature) == (0.3, None)
    assert reply.request.not_accepted == ("context_tokens",)
    assert newer.request.not_accepted == ("temperature", "context_tokens")
    assert (reply.request.api, reply.request.stream) == ("Gemini generateContent", True)
    assert (reply.request.base_url, reply.request.output_cap_tokens) == (f"{server.base_url}/v1", 77)
    assert newer.request.base_url == f"{server.base_url}/v1beta"
    assert reply.request.answered_by == "fake-model"
    assert "planted-key-value" not in msgspec.json.encode(reply.request).decode()
    validates(server.requests)


async def test_nothing_is_set_that_nobody_asked_for(services: Services, clock: Clock) -> None:
    async with FakeServer(GeminiWire(), [FakeReply(text="ok")]) as server:
        await conversation(services, server, clock, model="gemini-2.5-pro").turn(
            (), TurnBudget(seconds=9.0, output_tokens=10**6)
        )
    sent = server.requests[0]
    assert sent["generationConfig"] == {"maxOutputTokens": 65_536}
    assert sent["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert sent["contents"] == [{"role": "user", "parts": [{"text": "Do it."}]}]
    assert sent["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == READ.parameters


async def test_json_protocol_and_response_schema(services: Services, clock: Clock) -> None:
    script = [
        FakeReply(text='{"tool": "read_file", "arguments": {"file_path": "a"}}'),
        FakeReply(text=' {"answer": "42"}\n'),
        FakeReply(text="{}"),
    ]
    async with FakeServer(GeminiWire(), script) as server:
        chat = conversation(services, server, clock, protocol="json")
        first = await chat.turn((), BUDGET)
        assert (first.calls[0].name, first.finish) == ("read_file", "tool_calls")
        result = ToolResult(call_id=first.calls[0].id, name="read_file", text="text 0")
        second = await chat.turn([result], BUDGET)
        schema = {"type": "object", "properties": {"kind": {"const": "x"}}}
        await conversation(services, server, clock, tools=(), response_schema=schema).turn((), BUDGET)
    assert (second.text, second.calls, second.request.protocol) == ("42", (), "json")
    assert "tools" not in server.requests[0]
    config = server.requests[0]["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"]["anyOf"][0]["properties"]["tool"] == {"type": "string", "enum": ["read_file"]}
    (part,) = server.requests[1]["contents"][-1]["parts"]
    assert part["text"].startswith("read_file returned:\ntext 0\n")
    assert server.requests[2]["generationConfig"]["responseJsonSchema"]["properties"]["kind"]["enum"] == ["x"]
    assert server.violations == []
    validates(server.requests)


async def test_a_schema_beside_tools_only_where_the_model_takes_both(services: Services, clock: Clock) -> None:
    async with FakeServer(GeminiWire(), [FakeReply(text="ok")] * 2) as server:
        for model in ("gemini-2.5-flash", "gemini-3.8-flash"):
            chat = conversation(services, server, clock, model=model, response_schema={"type": "object"})
            reply = await chat.turn((), BUDGET)
            assert ("response_schema" in reply.request.parameters) == (model == "gemini-2.5-flash")
    assert ["responseJsonSchema" in request["generationConfig"] for request in server.requests] == [False, True]


async def test_check_names_what_is_missing(services: Services) -> None:
    provider = gemini_vendor.create(services)
    with pytest.raises(NotReady, match="GOOGLE_API_KEY or GEMINI_API_KEY"):
        await provider.check(opening("http://127.0.0.1:9").agent)
    services.environ = {"GEMINI_API_KEY": "k"}
    async with FakeServer(GeminiWire(), [], models=["gemini-9-flash", "other"]) as server:
        await provider.check(opening(server.base_url, model="models/gemini-9-flash").agent)
        with pytest.raises(NotReady, match=r"does not serve 'gemini-1-flash' \(retired.*serves: gemini-9-flash, other"):
            await provider.check(opening(server.base_url, model="gemini-1-flash").agent)
        services.environ = {"GEMINI_API_KEY": "k", "GOOGLE_GEMINI_BASE_URL": server.base_url}
        await provider.check(AgentConfig(name="a", provider="gemini", model="other"))
        assert server.requests == []
    with pytest.raises(NotReady, match="no server answers at"):
        await provider.check(opening(server.base_url).agent)


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (400, '{"error": {"details": [{"reason": "API_KEY_INVALID"}]}}', "check the key in MY_KEY"),
        (403, "{}", "check the key in MY_KEY"),
        (200, '{"models": [{"name": "models/m", "supportedGenerationMethods": ["embedContent"]}]}', "no model for"),
        (404, "", None),
        (503, "", r"is not ready \(503\)"),
        (302, "", r"redirects \(302\); set base_url"),
        (200, "no list", "is no Gemini server"),
        (200, "<html>", "answers with a web page"),
        (500, "", r"is not ready \(500\)"),
    ],
)
async def test_check_reads_the_apis_answers(services: Services, status: int, body: str, wrong: str | None) -> None:
    from aiohttp import web
    from aiohttp.test_utils import TestServer

    async def listed(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    async def one(_request: web.Request) -> web.Response:
        return web.json_response({"name": "models/m"})

    async def invalid(_request: web.Request) -> web.Response:
        return web.Response(status=400)

    app = web.Application()
    app.router.add_post("/v1beta/models/m:streamGenerateContent", invalid)
    app.router.add_get("/v1beta/models", listed)
    app.router.add_get("/v1beta/models/m", one)
    services.environ = {"MY_KEY": "k"}
    async with TestServer(app) as server:
        checking = gemini_vendor.create(services).check(
            opening(str(server.make_url("/")), "m", api_key_env="MY_KEY").agent
        )
        if wrong is None:
            await checking
            return
        with pytest.raises(NotReady, match=wrong):
            await checking
