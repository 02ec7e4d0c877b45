"""A protocol that is left open is found out once for a model and its server, kept, and is then the agent's own."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from flatfield.agent.probes import all_probes
from flatfield.agent.provider_pool import ProviderPool
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.records import AgentConfig, Evaluation, Probed, ProbeStep, Reply, Run, Sent, Turn
from flatfield.runs.probing import Probing, as_carried_out, leaves_open, with_protocols
from flatfield.runs.readiness import examine
from flatfield.runs.traffic.lanes import Lanes
from flatfield.tasks.agents import Roster, as_configured, fingerprint, is_same
from flatfield.tasks.project import Project
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault
from flatfield.testing.trials import a_trial
from flatfield.testing.wires import new_wire

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.testing.clocks import FakeClock


def step_of(request: dict[str, Any]) -> tuple[str, ProbeStep | None, str]:
    """The probe's tool, what is to be called now, None for nothing, and the answer."""
    said = next(item for item in request["messages"] if item["role"] == "user")["content"]
    name, probe = next(each for each in all_probes() if each[1].prompt == said)
    done = sum(item["role"] == "assistant" for item in request["messages"])
    return name, probe.steps[done] if done < len(probe.steps) else None, probe.answer or "It is done."


def writes_calls_as_text(request: dict[str, Any], _number: int) -> FakeReply:
    """A model of which no call is native: it does what the probes ask, as JSON in the text."""
    name, step, answer = step_of(request)
    if step is None:
        return FakeReply(text=answer)
    fields = ", ".join(f'"{key}": "{value}"' for key, value in step.arguments.items())
    return FakeReply(text=f'```json\n{{"name": "{name}", "arguments": {{{fields}}}}}\n```')


def calls_natively(request: dict[str, Any], _number: int) -> FakeReply:
    """A model that does what the probes ask, natively."""
    name, step, answer = step_of(request)
    if step is None:
        return FakeReply(text=answer)
    return FakeReply(calls=((name, json.dumps(step.arguments)),))


def run_of(*agents: AgentConfig) -> Run:
    return Run(id="r", created_at="", evaluation=Evaluation(), tasks=(), agents=agents, repeats={})


async def resolved(
    run: Run,
    folder: Path,
    clock: FakeClock,
    said: list[str],
    environ: dict[str, str],
    stop: asyncio.Event | None = None,
) -> Run:
    async with open_session(clock) as session:
        services = Services(session=session, clock=clock, environ=environ, cache=folder)
        async with ProviderPool(services) as pool:
            probing = Probing(pool=pool, lanes=Lanes(clock), tell=said.append)
            return await with_protocols(run, run.agents, probing, stop or asyncio.Event())


def kept_in(folder: Path) -> list[Path]:
    return list((folder / "protocols").glob("*.json"))


async def test_it_is_found_out_kept_and_part_of_the_fingerprint(tmp_path: Path, clock: FakeClock) -> None:
    async with FakeServer(new_wire("ollama"), writes_calls_as_text) as server:
        agent = AgentConfig(name="a", provider="ollama", model="fake-model", base_url=server.base_url)
        said: list[str] = []
        first = await resolved(run_of(agent), tmp_path, clock, said, {})
        asked = len(server.requests)
        again = await resolved(run_of(agent), tmp_path, clock, said, {})
        assert len(server.requests) == asked  # nothing more
    assert first.agents[0].protocol == again.agents[0].protocol == "text"
    assert first.probed["a"].passed == {"native": 1, "text": 6}
    assert first.probed == again.probed
    assert fingerprint(first.agents[0]) != fingerprint(agent)
    assert len(kept_in(tmp_path)) == 1
    assert said == [
        f"a: finding out how it calls tools, with {len(all_probes())} small questions",
        "a: text, by 6 probes: native 1, text 6",
    ]


async def test_who_ends_it_meanwhile_waits_for_no_answer_and_nothing_is_kept(tmp_path: Path, clock: FakeClock) -> None:
    stop = asyncio.Event()

    def stalls(_request: dict[str, Any], _number: int) -> Fault:
        stop.set()
        return Fault(kind="stall")

    async with FakeServer(new_wire("ollama"), stalls) as server:
        agent = AgentConfig(name="a", provider="ollama", model="fake-model", base_url=server.base_url)
        other = structs.replace(agent, name="b")
        said: list[str] = []
        run = run_of(agent, other)
        assert await resolved(run, tmp_path, clock, said, {}, stop) == run
    assert len(said) == 1
    assert kept_in(tmp_path) == []


async def test_the_doctor_says_what_was_found_and_what_is_set_otherwise(tmp_path: Path, clock: FakeClock) -> None:
    async with FakeServer(new_wire("ollama"), writes_calls_as_text) as server, open_session(clock) as session:
        agent = AgentConfig(name="a", provider="ollama", model="fake-model", base_url=server.base_url)
        await resolved(run_of(agent), tmp_path, clock, [], {})
        services = Services(session=session, clock=clock, environ={}, cache=tmp_path)
        native = structs.replace(agent, name="n", protocol="native")
        roster = Roster((agent, native, structs.replace(agent, name="t", protocol="text")))
        project = Project(folder=tmp_path, config=None, data=tmp_path, roster=roster, notes=())
        found = {each.part: each for each in await examine(project, ProviderPool(services))}
    assert found["agent a"].found == "ready; calls tools by protocol text, by 6 probes: native 1, text 6"
    assert found["agent n"].found == (
        "ready; its model does not call tools by protocol native: native passes 1 of 6 probes, text 6"
    )
    assert found["agent n"].fix == 'set protocol = "text" or "auto" for it'
    assert (found["agent t"].found, found["agent t"].fix) == ("ready", "")


async def test_the_doctor_says_nothing_of_a_protocol_that_was_not_asked_for(tmp_path: Path, clock: FakeClock) -> None:
    async with FakeServer(new_wire("ollama"), calls_natively) as server, open_session(clock) as session:
        agent = AgentConfig(name="a", provider="ollama", model="fake-model", base_url=server.base_url)
        run = await resolved(run_of(agent), tmp_path, clock, [], {})
        assert run.probed["a"].passed == {"native": len(all_probes())}
        services = Services(session=session, clock=clock, environ={}, cache=tmp_path)
        roster = Roster(tuple(structs.replace(agent, name=name, protocol=name) for name in ("text", "json")))
        project = Project(folder=tmp_path, config=None, data=tmp_path, roster=roster, notes=())
        found = {each.part: each for each in await examine(project, ProviderPool(services))}
    assert {(found[f"agent {name}"].found, found[f"agent {name}"].fix) for name in ("text", "json")} == {("ready", "")}


async def test_a_protocol_that_is_set_is_not_asked_for(tmp_path: Path, clock: FakeClock) -> None:
    async with FakeServer(new_wire("ollama"), []) as server:
        agent = AgentConfig(name="a", provider="ollama", model="fake-model", base_url=server.base_url, protocol="json")
        run = await resolved(run_of(agent), tmp_path, clock, [], {})
        assert server.requests == []
    assert (run.agents, run.probed) == ((agent,), {})


async def test_a_server_that_does_not_say_what_it_serves_is_asked_nothing(tmp_path: Path, clock: FakeClock) -> None:
    agent = AgentConfig(name="a", provider="ollama", model="m", base_url="http://127.0.0.1:9")
    said: list[str] = []
    run = await resolved(run_of(agent), tmp_path, clock, said, {})
    assert (run.agents[0].protocol, said) == ("text", [])  # it takes native calls too
    assert run.probed["a"].problem == "its server does not say which model and build it serves"
    assert not (tmp_path / "protocols").exists()


@pytest.mark.parametrize(
    ("fields", "environ", "is_open"),
    [
        ({"provider": "local"}, {}, True),
        ({"provider": "ollama"}, {}, True),
        ({"provider": "openai-chat", "base_url": "http://127.0.0.1:8080/v1"}, {}, True),
        ({"provider": "openai-chat"}, {"OPENAI_BASE_URL": "http://localhost:1234/v1"}, True),
        ({"provider": "openai-chat"}, {}, False),
        ({"provider": "openai-chat", "base_url": "https://openrouter.ai/api/v1"}, {}, False),
        ({"provider": "anthropic", "protocol": "auto"}, {}, True),
        ({"provider": "anthropic"}, {}, False),
        ({"provider": "local", "protocol": "native"}, {}, False),
        ({"provider": "local", "tools": ()}, {}, False),
        ({"provider": "oracle"}, {}, False),
    ],
)
def test_whose_protocol_is_found_out(fields: dict[str, Any], environ: dict[str, str], is_open: bool) -> None:
    assert leaves_open(AgentConfig(name="a", model="m", **fields), environ) is is_open


def test_a_fingerprint_from_before_stays(clock: FakeClock) -> None:
    agent = AgentConfig(name="a", provider="openai", model="m")
    assert fingerprint(agent) == fingerprint(AgentConfig(name="a", provider="openai", model="m", protocol="native"))


def test_a_delegated_run_says_which_protocol_its_agent_had() -> None:
    turn = Turn(reply=Reply(text="", request=Sent(protocol="text")))
    record = a_trial("a", "prompt", turns=(turn,))
    run = run_of(AgentConfig(name="a", provider="local", model="m"))
    assert as_carried_out(run, record).agents[0].protocol == "text"
    fixed = run_of(AgentConfig(name="a", provider="local", model="m", protocol="json"))
    assert as_carried_out(fixed, record) == fixed
    assert Probed(protocol="text").passed == {}


def test_an_agent_whose_protocol_was_found_out_is_still_the_users_own() -> None:
    configured = AgentConfig(name="a", provider="local", model="m")
    run = structs.replace(run_of(structs.replace(configured, protocol="text")), probed={"a": Probed(protocol="text")})
    assert as_configured(run.agents[0], run) == configured
    for one, same in ((configured, True), (structs.replace(configured, protocol="auto"), True)):
        assert is_same(one, run.agents[0], run) is same
    assert not is_same(structs.replace(configured, protocol="json"), run.agents[0], run)
    assert not is_same(structs.replace(configured, model="other"), run.agents[0], run)
