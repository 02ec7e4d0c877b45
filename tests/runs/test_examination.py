"""What the doctor finds: keys, servers, models, sandbox, disk, agents; and that it shows no key."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from msgspec import structs

from flatfield.agent.provider_pool import ProviderPool
from flatfield.errors import NotReady
from flatfield.machine.models import ModelEntry
from flatfield.records import AgentConfig, Evaluation, Reply, Run, Sent, Task, TrialRecord, Turn
from flatfield.runs import readiness
from flatfield.runs.readiness import Examined, RunningServer, agent_spec, examine, find_servers
from flatfield.runs.store.store import Store
from flatfield.tasks.agents import Roster
from flatfield.tasks.project import Project
from flatfield.vendors import ollama, openai_chat
from flatfield.vendors.base import UsualServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from flatfield.clock import Clock
    from flatfield.http.services import Services
    from flatfield.machine.models.known import Fit
    from flatfield.testing.clocks import IdleTime

KEY = "sk-planted-0123456789"


@pytest.fixture
def services_clock(idle_time: IdleTime) -> Clock:
    """A server that answers is found, however late: its time is over only where none does."""
    return idle_time


def usually(monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
    """The one server that is looked for beside Ollama."""
    (usual, *_) = openai_chat.usual_servers({})
    server = structs.replace(usual, name=name, base_url=url, address=url)
    monkeypatch.setattr(openai_chat, "usual_servers", lambda _: (server,))


@pytest.fixture
def all_usual() -> tuple[UsualServer, ...]:
    return openai_chat.usual_servers({})


@pytest.fixture(autouse=True)
def nobody_listens(all_usual: tuple[UsualServer, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the servers that a test starts are there."""
    usually(monkeypatch, "LM Studio", "http://127.0.0.1:1/v1")
    monkeypatch.setattr(readiness, "find_sandbox", lambda _: None)
    monkeypatch.setattr("flatfield.runs.readiness.described", lambda _: "it passes its self-test")


@asynccontextmanager
async def listing(body: Any, status: int = 200) -> AsyncIterator[str]:
    async def models(_: web.Request) -> web.Response:
        if isinstance(body, str):
            return web.Response(text=body, status=status)
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def models(*names: str) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name} for name in names]}


def project(folder: Path, *agents: AgentConfig) -> Project:
    return Project(folder=folder, config=None, data=folder, roster=Roster(agents), notes=())


def parts(findings: tuple[Examined, ...]) -> dict[str, Examined]:
    return {finding.part: finding for finding in findings}


@pytest.mark.parametrize("form", ["{}", "http://{}", "http://{}/", "{}/", " http://{} ", "http://me:hidden@{}"])
async def test_ollama_is_found_where_its_variable_says(services: Services, form: str) -> None:
    async with listing(models("qwen3:8b", "gpt-oss:20b")) as place:
        services.environ = {"OLLAMA_HOST": form.format(place)}
        (server,) = await find_servers(services)
        finding = parts(await examine(project(services.cache), ProviderPool(services)))["servers"]
    assert (server.usual.name, server.models) == ("Ollama", ("qwen3:8b", "gpt-oss:20b"))
    assert finding.found == f"Ollama with 2 models at http://{place}/v1"
    assert finding.fix == f"use: --agents ollama:qwen3:8b@http://{place}"


async def test_lm_studio_is_found_and_models_that_cannot_talk_are_passed_over(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listing(models("text-embedding-nomic", "qwen3")) as place:
        usually(monkeypatch, "LM Studio", f"http://{place}/v1")
        finding = parts(await examine(project(services.cache), ProviderPool(services)))["servers"]
    assert finding.fix == f"use: --agents openai-chat:qwen3@http://{place}/v1"


@pytest.mark.parametrize("body", [{"object": "list", "data": None}, {"data": []}])
async def test_a_server_without_models_is_there(services: Services, body: Any) -> None:
    async with listing(body) as place:
        services.environ = {"OLLAMA_HOST": place}
        finding = parts(await examine(project(services.cache), ProviderPool(services)))["servers"]
    assert (finding.state, finding.fix) == ("ok", "it serves no model yet")


@pytest.mark.parametrize("body", ["<html>", "[" * 100_000, "null", '{"models": []}', '"x"', "[1]", "\x00"])
async def test_what_is_no_model_server_is_none(services: Services, body: str) -> None:
    async with listing(body) as place:
        services.environ = {"OLLAMA_HOST": place}
        assert await find_servers(services) == ()
    async with listing(models("m"), status=500) as place:
        services.environ = {"OLLAMA_HOST": place}
        assert await find_servers(services) == ()


async def test_odd_entries_of_a_list_are_passed_over(services: Services) -> None:
    async with listing({"data": [{"id": "m"}, {"name": "x"}, "y", {"id": 7}]}) as place:
        services.environ = {"OLLAMA_HOST": place}
        (server,) = await find_servers(services)
    assert server.models == ("m", "7")


async def test_a_remote_server_is_asked_through_the_proxy(services: Services) -> None:
    asked: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        asked.append(str(request.url))
        return web.json_response(models("far"))

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", proxy)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        place = f"http://127.0.0.1:{runner.addresses[0][1]}"
        services.environ = {"OLLAMA_HOST": "http://gpu.example:11434", "HTTP_PROXY": place}
        (server,) = await find_servers(services)
    finally:
        await runner.cleanup()
    assert server.models == ("far",)
    assert asked == ["http://gpu.example:11434/v1/models"]


def test_how_a_servers_model_is_named(all_usual: tuple[UsualServer, ...]) -> None:
    (usual,) = ollama.usual_servers({})
    assert usual.base_url == "http://127.0.0.1:11434/v1"
    assert agent_spec(RunningServer(usual=usual, models=("qwen3:8b",))) == "ollama:qwen3:8b"
    (vllm,) = (server for server in all_usual if server.name == "vLLM")
    assert agent_spec(RunningServer(usual=vllm, models=("org/m",))) == "openai-chat:org/m@http://127.0.0.1:8000/v1"


async def test_nothing_is_there_and_each_part_says_what_to_do(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: Any) -> None:
        raise NotReady("bubblewrap is not installed; install it")

    monkeypatch.setattr(readiness, "find_sandbox", none)
    services.environ = {"OLLAMA_HOST": "127.0.0.1:1"}
    found = parts(await examine(project(tmp_path), ProviderPool(services)))
    assert {name: finding.state for name, finding in found.items() if finding.state != "ok"} == {
        "keys": "missing", "servers": "missing", "models on this device": "missing", "sandbox": "missing",
    }  # fmt: skip
    assert all(finding.fix for finding in found.values() if finding.state != "ok")
    assert "OPENAI_API_KEY" in found["keys"].fix
    assert "flatfield models pull" in found["models on this device"].fix
    assert "bubblewrap is not installed" in found["sandbox"].fix


async def test_a_disk_that_is_full_or_closed(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "GB free" in parts(await examine(project(tmp_path), ProviderPool(services)))["disk for runs"].found
    monkeypatch.setattr(readiness, "ENOUGH_BYTES", 10**18)
    found = parts(await examine(project(tmp_path), ProviderPool(services)))
    assert (found["disk for runs"].state, found["disk for workspaces"].state) == ("wrong", "wrong")
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "cannot be written" in parts(await examine(project(tmp_path), ProviderPool(services)))["disk for runs"].found


async def test_agents_and_no_key_is_shown(services: Services, tmp_path: Path) -> None:
    services.environ = {"OPENAI_API_KEY": KEY, "MY_KEY": KEY, "OLLAMA_HOST": "127.0.0.1:1", "ANTHROPIC_API_KEY": " "}
    async with listing(models("m")) as place:
        good = AgentConfig(
            name="good", provider="openai-chat", model="m", base_url=f"http://{place}/v1", api_key_env="MY_KEY"
        )
        bad = structs.replace(good, name="bad", model="x")
        lost = AgentConfig(name="lost", provider="nobody")
        findings = await examine(project(tmp_path, good, bad, lost), ProviderPool(services))
    found = parts(findings)
    assert found["keys"].found == "OPENAI_API_KEY"
    assert [found[f"agent {name}"].state for name in ("good", "bad", "lost")] == ["ok", "missing", "missing"]
    assert "does not serve 'x'" in found["agent bad"].fix
    assert "there is no provider 'nobody'" in found["agent lost"].fix
    assert KEY not in repr(findings)


async def test_calls_that_nobody_read_in_the_newest_run_are_said(services: Services, tmp_path: Path) -> None:
    call = '{"name": "read_file", "arguments": {"file_path": "a.txt"}}'
    turns = (Turn(reply=Reply(text=call, request=Sent(protocol="native", tools=("read_file",)))),)
    agents, tasks = (AgentConfig(name="a", provider="ollama", model="m"),), (Task(id="t", title="t", prompt="p"),)
    run = Run(
        id="20260102-030405-abcd", created_at="", evaluation=Evaluation(), tasks=tasks, agents=agents, repeats={"t": 1}
    )
    record = TrialRecord(
        run=run.id,
        agent="a",
        task="t",
        repeat=1,
        task_digest="",
        agent_fingerprint="",
        stop="answered",
        answer=call,
        turns=turns,
    )
    assert not any(part.startswith("run ") for part in parts(await examine(project(tmp_path), ProviderPool(services))))
    async with Store(tmp_path) as store:
        await store.save_run(run)
        await store.save_trial(record)
    found = parts(await examine(project(tmp_path), ProviderPool(services)))[f"run {run.id}"]
    assert found.state == "wrong"
    assert found.found.startswith("a, in 1 trial: the answer looks like a tool call written as text")


async def test_what_can_be_asked_from_here(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """By keys, by servers that answer, by files; what is retired, and controls, cannot be."""
    services.environ = {"OPENAI_API_KEY": KEY}
    roster = [
        AgentConfig(name="opened", provider="openai", model="gpt-5.5"),
        AgentConfig(name="closed", provider="anthropic", model="claude-opus-4-8"),
        AgentConfig(name="gone", provider="openai", model="gpt-5"),
        AgentConfig(name="noop", provider="noop"),
        AgentConfig(name="mine", provider="openai-chat", model="alpha", base_url="http://127.0.0.1:9/v1"),
        AgentConfig(name="not-pulled", provider="local", model="smollm2-135m"),
        AgentConfig(name="rented", provider="openai-chat", model="beta", base_url="http://x/v1", api_key_env="RENTED"),
    ]
    usual = UsualServer(name="it", base_url="http://127.0.0.1:8/v1", provider="openai-chat", address="http://a/v1")
    monkeypatch.setattr(readiness, "_usual_servers", lambda _: iter((usual,)))

    async def listed(_services: Services, base_url: str) -> tuple[str, ...]:
        return ("gamma",) if base_url == usual.base_url else ("alpha", "omega")

    monkeypatch.setattr(readiness, "listed_models", listed)
    here = await readiness.within_reach(roster, services, date(2027, 1, 1))
    assert [(one.agent, one.needs) for one in here.models] == [
        ("opened", ""),
        ("closed", "ANTHROPIC_API_KEY"),
        ("rented", "RENTED"),
        ("mine", ""),
        ("openai-chat:gamma@http://a/v1", ""),
    ]
    assert here.today == "2027-01-01"


async def test_model_files_can_be_asked_by_the_names_of_their_agents_or_as_they_could_be_typed(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[tuple[str, bool, Fit | None]] = [
        ("a", True, "yes"), ("b", True, None), ("c", False, "yes"), ("d", True, "no"),
    ]  # fmt: skip
    entries = [
        ModelEntry(name=name, path="", pulled=pulled, size_bytes=1, memory_bytes=1, fits=fits)
        for name, pulled, fits in files
    ]
    monkeypatch.setattr(readiness, "list_models", lambda _: tuple(entries))
    monkeypatch.setattr(readiness, "_usual_servers", lambda _: iter(()))
    roster = [AgentConfig(name=name, provider="local", model=model) for name, model in (("one", "a"), ("two", "a"))]
    here = await readiness.within_reach(roster, services, date(2027, 1, 1))
    assert [(one.agent, one.model, one.local) for one in here.models] == [
        ("one", "a", True),
        ("two", "a", True),
        ("local:b", "b", True),
    ]
