"""Readiness: what a server's answers mean before anything is spent, the same for all vendors."""

from __future__ import annotations

import contextlib
import tomllib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from flatfield import plugins
from flatfield.errors import NotReady
from flatfield.records import AgentConfig, Traits
from flatfield.testing.fake_server import FakeServer
from flatfield.testing.wires import new_wire
from flatfield.vendors.base import (
    Address,
    Catalogue,
    Listed,
    closest,
    is_own,
    listed_ids,
    ready,
    with_version,
    without_version,
)
from flatfield.vendors.gemini.traits import catalogue as gemini_catalogue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from flatfield.http.services import Services

ASKED = [traits.name for traits in plugins.all_traits() if traits.asks_server and not traits.is_scaffold]
KEY = "planted-key-0123456789"


@pytest.fixture(params=ASKED)
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def answering(
    status: int, body: str = "", headers: Mapping[str, str] | None = None, posted: int | None = None
) -> AsyncIterator[str]:
    """A server that answers everything alike, but perhaps what is posted; its host and port."""

    async def answer(request: web.Request) -> web.Response:
        if posted is not None and request.method == "POST":
            return web.Response(status=posted, text="{}")
        return web.Response(status=status, text=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def written(provider: str, url: str, **settings: Any) -> AgentConfig:
    """An agent whose address somebody wrote, in the vendor's form, with a key of its own."""
    path = "/v1" if plugins.traits_of(provider).url.endswith("/v1") else ""
    given: dict[str, Any] = {"model": "m", "base_url": f"{url}{path}", "api_key_env": "MY_KEY"} | settings
    return AgentConfig(name="a", provider=provider, **given)


async def check(services: Services, agent: AgentConfig) -> None:
    services.environ = {"MY_KEY": KEY, **services.environ}
    await plugins.load("provider", agent.provider).create(services).check(agent)


# ---------------------------------------------------------------------------- an address that somebody wrote


async def test_who_wants_a_key_that_no_file_names_is_told_the_line_that_sends_it(services: Services) -> None:
    services.environ = {"OPENAI_API_KEY": KEY}
    async with answering(401, "{}") as url:
        agent = AgentConfig(name=f"openai-chat:m@{url}", provider="openai-chat", model="m", base_url=f"{url}/v1")
        with pytest.raises(NotReady) as raised:
            await check(services, agent)
    message = str(raised.value)
    line = message.partition("`")[2].partition("`")[0]
    assert tomllib.loads(line) == {
        "agents": {
            "mine": {
                "provider": "openai-chat",
                "model": "m",
                "base_url": f"{url}/v1",
                "api_key_env": "OPENAI_API_KEY",
            }
        }
    }
    assert "no key was sent" in message
    assert "say --key-env OPENAI_API_KEY" in message
    assert KEY not in message


@pytest.mark.parametrize(
    ("status", "body", "headers", "problem"),
    [
        (503, "Loading model", None, r"is not ready \(503\); wait until it has loaded its model, or restart it"),
        (500, "", None, r"is not ready \(500\)"),
        (302, "", {"Location": "/login"}, r"redirects \(302\); set base_url to where it leads"),
        (200, "<!doctype html><p>Log in", {"Content-Type": "text/html"}, "it answers with a web page"),
        (200, "no list", None, "its list of models is no JSON"),
        (401, "{}", None, r"refuses the request \(401\); check the key in MY_KEY"),
        (403, "{}", None, r"refuses the request \(403\); check the key in MY_KEY"),
    ],
    ids=["loading", "failing", "redirect", "login", "nonsense", "key", "forbidden"],
)
async def test_what_can_not_work_ends_it_before_the_first_dollar(
    services: Services, provider: str, status: int, body: str, headers: dict[str, str] | None, problem: str
) -> None:
    async with answering(status, body, headers) as url:
        with pytest.raises(NotReady, match=problem) as caught:
            await check(services, written(provider, url))
    assert KEY not in str(caught.value)


async def test_a_server_without_a_list_may_still_do(services: Services, provider: str) -> None:
    """All but those whose servers always have one: then it is another server."""
    async with answering(404, "{}", posted=400) as url:
        agent = written(provider, url)
        if plugins.traits_of(provider).own_server:
            with pytest.raises(NotReady, match="answers 404 to"):
                await check(services, agent)
        else:
            await check(services, agent)


async def test_a_base_path_that_is_wrong_is_told_with_the_right_one(services: Services, provider: str) -> None:
    versioned = plugins.traits_of(provider).url.endswith("/v1")
    async with answering(404, "{}") as url:
        wrong = new_wire(provider).wrong_path
        with pytest.raises(NotReady, match=r"base_url (ends in /v1|has no (version|path))") as caught:
            await check(services, written(provider, url, base_url=f"{url}{wrong}"))
    meant = f"{url}/v1" if versioned else url
    assert f"did you mean {meant}?" in str(caught.value) or plugins.traits_of(provider).own_server


async def test_a_path_that_leads_nowhere_ends_it_too(services: Services, provider: str) -> None:
    async with answering(404, "{}") as url:
        with pytest.raises(NotReady, match=r"knows neither a list of models \(404\) nor /|answers 404 to"):
            await check(services, written(provider, url, base_url=f"{url}/anywhere/v7"))


async def test_no_server_at_all(services: Services, provider: str) -> None:
    async with answering(200) as url:
        pass
    with pytest.raises(NotReady, match=r"no (server|Ollama) answers at .*, from its base_url \(connection refused\)"):
        await check(services, written(provider, url))


async def test_a_mistyped_model_is_told_its_neighbours_first(services: Services, provider: str) -> None:
    names = [f"other-{number}" for number in range(10)] + ["great-model"]
    async with FakeServer(new_wire(provider), [], models=names) as server:
        agent = AgentConfig(
            name="a", provider=provider, model="graet-model", base_url=server.base_url, api_key_env="MY_KEY"
        )
        with pytest.raises(
            NotReady, match=r"(serves|pulled): great-model(:latest)?, other-0(:latest)?, .*, … \(11 in all\)"
        ):
            await check(services, agent)
        assert server.requests == []


# ---------------------------------------------------------------------------- the vendor's own host


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (503, "", None),
        (500, "", None),
        (404, "", None),
        (429, "", None),
        (200, '{"data": []}', None),
        (302, "", r"redirects \(302\); something else answers there: check the network"),
        (200, "<html>captive portal", "it answers with a web page"),
        (401, "", r"refuses the request \(401\); check the key in THE_KEY"),
    ],
)
async def test_a_vendors_own_host_is_believed_to_be_there(
    services: Services, status: int, body: str, problem: str | None
) -> None:
    services.environ = {"THE_KEY": KEY}
    agent = AgentConfig(name="a", provider="v", model="m")
    async with answering(status, body) as url:
        vendor = Traits(name="v", url=url, key_variables=("THE_KEY",))
        asked = ready(agent, Address(base_url=url, headers={"X": KEY}), services, vendor, CATALOGUE)
        if problem is None:
            await asked
            return
        with pytest.raises(NotReady, match=problem):
            await asked


CATALOGUE = Catalogue(kind="Acme", path="/models", read=listed_ids, form="base_url ends in /v1", corrected=with_version)


def test_whose_host_it_is() -> None:
    vendor = Traits(name="v", url="https://api.acme.example/v1")
    own = ["https://api.acme.example/v1", "https://me@api.acme.example", "https://eu.api.acme.example/v1"]
    assert [is_own(url, vendor) for url in own] == [True, True, True]
    spelt = ["https://api.acme.example:443/v1", "https://eu.api.acme.example:443", "https://API.Acme.example/v1"]
    assert [is_own(url, vendor) for url in spelt] == [True, True, True]
    assert [is_own(f"https://api.acme.example:{port}", vendor) for port in ("8443", "x")] == [False, False]
    others = ["https://acme.example", "https://api.acme.example.evil/v1", "http://api.acme.example@evil/v1", ""]
    assert [is_own(url, vendor) for url in others] == [False] * 4
    assert not is_own("http://127.0.0.1:1", Traits(name="v"))
    assert is_own("https://ollama.com", Traits(name="v", url="http://127.0.0.1:11434", key_host="ollama.com"))


# ---------------------------------------------------------------------------- parts


def test_the_closest_names_come_first() -> None:
    assert closest("gpt-5-mino", ["b", "gpt-5-mini", "a"]) == "gpt-5-mini, b, a"
    assert closest("x", []) == ""
    assert closest("x", [f"m{n}" for n in range(9)]).endswith("m7, … (9 in all)")


def test_an_address_is_corrected_only_where_it_looks_wrong() -> None:
    assert with_version("http://h:1") == "http://h:1/v1"
    assert with_version("http://h/v1/chat/completions") == "http://h/v1"
    assert with_version("https://openrouter.ai/api/v1") == ""
    assert without_version("https://h/anthropic/v1") == "https://h/anthropic"
    assert without_version("https://h/anthropic") == ""
    assert gemini_catalogue().corrected("https://h/v1beta/models/m:streamGenerateContent/v1beta") == "https://h"


async def test_a_model_that_is_not_in_the_list_is_asked_for_where_that_can_be(services: Services) -> None:
    agent = AgentConfig(name="a", provider="v", model="alias", base_url="http://x")
    aliases = Catalogue(
        kind="Acme",
        path="/models",
        read=listed_ids,
        form="",
        single=lambda model: (f"/models/{model}", None),
        read_single=lambda _body: Listed(id="m", unusable="was retired"),
    )
    async with answering(200, '{"data": [{"id": "other"}]}') as url:
        with pytest.raises(NotReady, match="'alias' was retired; choose another: other"):
            await ready(agent, Address(base_url=url), services, Traits(name="v"), aliases)
        with contextlib.suppress(NotReady):
            await ready(agent, Address(base_url=url), services, Traits(name="v"), CATALOGUE)
            pytest.fail("it is not served")
