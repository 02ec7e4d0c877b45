"""An agent's settings, its key and its server's readiness: what is sent where, and what is refused before it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import web
from msgspec import structs

from flatfield.errors import NotReady
from flatfield.records import AgentConfig, Task, ToolSpec, TurnBudget
from flatfield.testing.fake_server import FakeReply, FakeServer
from flatfield.testing.wires.anthropic import AnthropicWire
from flatfield.vendors.anthropic import create, endpoint_of
from flatfield.vendors.anthropic.models import accepts_of
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.records import Reply

TOOL = ToolSpec(name="read_file", description="Read.", parameters={"type": "object", "properties": {}})
KEY, TOKEN = "planted-key-value", "planted-token-value"


def agent(**settings: Any) -> AgentConfig:
    return AgentConfig(**{"name": "a", "provider": "anthropic", "model": "claude-opus-5-5"} | settings)


def opening(config: AgentConfig, tools: tuple[ToolSpec, ...] = (TOOL,)) -> Opening:
    task = Task(id="t", title="t", prompt="")
    return Opening(agent=config, system_prompt="Be brief.", prompt="Do it.", tools=tools, task=task)


async def sent(services: Services, tokens: int = 16_000, **settings: Any) -> tuple[dict[str, Any], str, Reply]:
    """What one turn with these settings sends: body, API version, and the reply that records it."""
    async with FakeServer(AnthropicWire(), [FakeReply(text="ok")]) as server:
        talk = await create(services).converse(opening(agent(base_url=server.base_url, **settings)))
        reply = await talk.turn((), TurnBudget(seconds=30, output_tokens=tokens))
    assert server.violations == []
    return server.requests[0], server.headers[0]["anthropic-version"], reply


ADAPTIVE = {"type": "adaptive"}
NEW, OLD = "2026-10-21", "2023-06-01"


@pytest.mark.parametrize(
    ("model", "settings", "expected", "noted"),
    [
        ("claude-opus-5-5", {}, {}, {}),
        ("claude-opus-5-5", {"reasoning_effort": "xhigh"}, {"effort": "xhigh", "thinking": ADAPTIVE}, {}),
        ("claude-opus-5-5", {"reasoning_effort": "none"}, {}, {"reasoning_effort": "not accepted"}),
        ("claude-sonnet-5-5", {"reasoning_effort": "none"}, {"thinking": {"type": "between_tools"}}, {}),
        ("claude-haiku-5-5", {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, {}),
        ("claude-haiku-5-5", {"reasoning_effort": "minimal"}, {}, {"reasoning_effort": "not accepted"}),
        ("claude-opus-4-7", {"temperature": 0.2}, {}, {"temperature": "not accepted"}),
        ("claude-sonnet-4-6", {"temperature": 0.2}, {"temperature": 0.2}, {}),
        ("anthropic/claude-sonnet-4.6", {"reasoning_effort": "max"}, {"effort": "max", "thinking": ADAPTIVE}, {}),
        ("claude-sonnet-4-6", {"reasoning_effort": "xhigh"}, {}, {"reasoning_effort": "not accepted"}),
        (
            "claude-sonnet-4-6",
            {"reasoning_effort": "low", "temperature": 0.2},
            {"effort": "low", "thinking": ADAPTIVE},
            {"temperature": "not accepted"},
        ),
        (
            "claude-opus-4-5-20251101",
            {"reasoning_effort": "medium"},
            {"effort": "medium", "thinking": {"type": "enabled", "budget_tokens": 4096}},
            {},
        ),
        (
            "claude-haiku-4-5",
            {"reasoning_effort": "high", "temperature": 0.0},
            {"thinking": {"type": "enabled", "budget_tokens": 8192}},
            {"temperature": "not accepted"},
        ),
        ("claude-3-haiku-20240307", {"reasoning_effort": "low"}, {}, {"reasoning_effort": "not accepted"}),
        ("claude-3-haiku-20240307", {"temperature": 0.0}, {"temperature": 0.0}, {}),
        ("claude-opus-9", {"temperature": 0.0}, {}, {"temperature": "not accepted"}),
        (
            "smollm2",
            {"temperature": 0.7, "context_tokens": 99},
            {"temperature": 0.7},
            {"context_tokens": "not accepted"},
        ),
    ],
)
async def test_settings_in_the_form_of_each_generation(
    services: Services, model: str, settings: dict[str, Any], expected: dict[str, Any], noted: dict[str, Any]
) -> None:
    body, version, reply = await sent(services, model=model, **settings)
    effort = body.get("output_config", {}).get("effort")
    told = {name: body[name] for name in ("thinking", "temperature") if name in body} | (
        {"effort": effort} if effort else {}
    )
    assert told == expected
    assert version == (OLD if "temperature" in expected else NEW)
    assert set(reply.request.not_accepted) == set(noted)
    shown = {"thinking": reply.request.thinking, "temperature": reply.request.temperature} | reply.request.parameters
    assert {name: shown.get(name) for name in body.keys() & {"thinking", "temperature", "output_config"}} == {
        name: body[name] for name in body.keys() & {"thinking", "temperature", "output_config"}
    }
    assert reply.request.api_version == version


@pytest.mark.parametrize(
    ("model", "own", "left", "cap"),
    [
        ("claude-opus-5-5", None, 16_000, 16_000),
        ("claude-opus-5-5", 77, 16_000, 77),
        ("claude-opus-5-5", 77, 5, 5),
        ("claude-3-haiku-20240307", None, 16_000, 4096),
        ("claude-opus-4-1-20250805", 50_000, 60_000, 32_000),
        ("unheard-of", None, 900_000, 900_000),
    ],
)
async def test_the_output_cap_is_the_least_of_all(
    services: Services, model: str, own: int | None, left: int, cap: int
) -> None:
    body, _, reply = await sent(services, left, model=model, max_output_tokens=own)
    assert body["max_tokens"] == reply.request.output_cap_tokens == cap


@pytest.mark.parametrize(("left", "budget_tokens"), [(9000, 8192), (8192, 4096), (2048, 1024), (2047, None), (1, None)])
async def test_a_thinking_budget_stays_under_the_cap(services: Services, left: int, budget_tokens: int | None) -> None:
    body, _, reply = await sent(services, left, model="claude-sonnet-4-5", reasoning_effort="high")
    assert body.get("thinking", {}).get("budget_tokens") == budget_tokens
    assert reply.request.thinking == body.get("thinking")


async def test_a_schema_where_the_model_can_be_held_to_it(services: Services) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    bounded = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
    free = {"type": "array", "items": {"type": "object", "additionalProperties": True}}
    asked = [("claude-sonnet-5", schema), ("claude-sonnet-5", bounded), ("claude-sonnet-5", free), ("small", schema)]
    shown = []
    async with FakeServer(AnthropicWire(), [FakeReply(text="{}")] * len(asked)) as server:
        for model, wanted in asked:
            start = opening(agent(base_url=server.base_url, model=model, reasoning_effort="low"), ())
            talk = await create(services).converse(structs.replace(start, response_schema=wanted))
            reply = await talk.turn((), TurnBudget(seconds=30, output_tokens=2000))
            shown.append(reply.request.parameters["response_schema"])
    assert shown == ["json_schema", "prompt only", "prompt only", "prompt only"]
    closed = {"type": "json_schema", "schema": schema | {"additionalProperties": False}}
    assert server.requests[0]["output_config"] == {"effort": "low", "format": closed}
    assert all("format" not in request.get("output_config", {}) for request in server.requests[1:])
    assert all("tools" not in request for request in server.requests)
    assert server.violations == []


async def test_the_record_shows_what_was_sent_and_no_key(services: Services) -> None:
    services.environ = {"MY_KEY": KEY}
    body, _, reply = await sent(services, api_key_env="MY_KEY", headers={"X-Team": TOKEN, "anthropic-beta": "b"})
    shown = reply.request
    assert (shown.api, shown.model, shown.stream) == ("Anthropic Messages", "claude-opus-5-5", True)
    assert shown.protocol == "native"
    assert len(shown.system) == len(shown.tools_digest) == 12
    assert not {"tools", "system", "messages"} & set(shown.parameters)
    assert KEY not in msgspec.json.encode(shown).decode()
    assert TOKEN not in msgspec.json.encode(shown).decode()
    assert body["model"] == "claude-opus-5-5"


@pytest.mark.parametrize(
    ("environ", "settings", "expected"),
    [
        ({"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_AUTH_TOKEN": TOKEN}, {}, {"x-api-key": KEY}),
        ({"ANTHROPIC_API_KEY": " ", "ANTHROPIC_AUTH_TOKEN": TOKEN}, {}, {"authorization": f"Bearer {TOKEN}"}),
        ({"ANTHROPIC_API_KEY": KEY}, {"base_url": "https://api.anthropic.com/"}, {"x-api-key": KEY}),
        ({"ANTHROPIC_API_KEY": KEY}, {"base_url": "http://gateway.example"}, {}),
        ({"K": "other"}, {"base_url": "http://gateway.example", "api_key_env": "K"}, {"x-api-key": "other"}),
        ({"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "http://gateway.example"}, {}, {"x-api-key": KEY}),
        ({"ANTHROPIC_BASE_URL": "http://gateway.example"}, {}, {}),
        ({"ANTHROPIC_API_KEY": KEY}, {"headers": {"Authorization": "Bearer own"}}, {"authorization": "Bearer own"}),
    ],
)
def test_a_key_goes_where_it_belongs(
    environ: dict[str, str], settings: dict[str, Any], expected: dict[str, str]
) -> None:
    endpoint = endpoint_of(agent(**settings), environ)
    secret = {name: value for name, value in endpoint.headers.items() if name.lower() in {"x-api-key", "authorization"}}
    assert secret == expected
    assert not endpoint.base_url.endswith("/")


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({}, "ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN"),
        ({"api_key_env": "NONE_SUCH", "base_url": "http://x"}, "NONE_SUCH"),
    ],
)
async def test_a_key_that_is_missing(services: Services, settings: dict[str, Any], variable: str) -> None:
    with pytest.raises(NotReady, match=f"set the environment variable {variable}"):
        await create(services).check(agent(**settings))


async def test_own_headers_win_whatever_their_case(services: Services) -> None:
    _, version, reply = await sent(services, headers={"Anthropic-Version": OLD})
    assert version == reply.request.api_version == OLD


async def test_check_names_what_is_missing(services: Services) -> None:
    provider = create(services)
    served = ["claude-opus-5-5", "claude-haiku-5-5", "retired-claude-opus-4-1"]
    async with FakeServer(AnthropicWire(), [], models=served) as server:
        await provider.check(agent(base_url=server.base_url))
        with pytest.raises(
            NotReady,
            match=r"'claude-opus-5.1' \(retired, misspelt, or not open to this key\); it serves: claude-opus-5-5",
        ):
            await provider.check(agent(base_url=server.base_url, model="claude-opus-5.1"))
        with pytest.raises(
            NotReady, match=r"was retired on 2026-08-05; choose another: claude-opus-5-5, claude-haiku-5-5$"
        ):
            await provider.check(agent(base_url=server.base_url, model="retired-claude-opus-4-1"))
    with pytest.raises(NotReady, match="no server answers at"):
        await provider.check(agent(base_url=server.base_url))


async def test_check_of_an_alias_a_bad_key_and_a_server_without_a_list(services: Services) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("x-api-key") == "bad":
            return web.json_response({}, status=401)
        if request.path == "/none/v1/models":
            return web.json_response({}, status=404)
        models = {"data": [{"id": "claude-sonnet-4-5-20250929"}]}
        return web.json_response(models if request.path == "/v1/models" else {"id": "claude-sonnet-4-5-20250929"})

    async def invalid(_request: web.Request) -> web.Response:
        return web.Response(status=400)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    app.router.add_post("/{path:.*}", invalid)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        services.environ = {"K": "bad"}
        await create(services).check(agent(base_url=url, model="claude-sonnet-4-5"))
        await create(services).check(agent(base_url=f"{url}/none", model="any"))
        with pytest.raises(NotReady, match=r"refuses the request \(401\); check the key in K"):
            await create(services).check(agent(base_url=url, api_key_env="K"))
    finally:
        await runner.cleanup()


def test_lanes_and_devices(services: Services) -> None:
    provider = create(services)
    assert provider.lane(agent()).name == "anthropic:api.anthropic.com claude-opus-5-5"
    assert provider.lane(agent()) != provider.lane(agent(model="another"))
    assert provider.lane(agent(on_device=True)).width == 1
    assert provider.on_device(agent(on_device=True))
    assert not provider.on_device(agent(base_url="http://127.0.0.1:1"))


def test_models_that_the_sdk_names_are_known() -> None:
    from typing import get_args

    from anthropic.types import model

    names = get_args(get_args(model.Model)[0])
    assert names
    assert {accepts_of(name).name for name in names} - {"claude", ""}
    assert all(accepts_of(name).max_output_tokens for name in names)
