"""One trial with real parts: every ending is a record that holds all that was used, and nothing is left behind."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from flatfield.agent import workspace
from flatfield.agent.files import copying, openat
from flatfield.agent.files.copying import plan_copy
from flatfield.agent.provider_pool import ProviderPool
from flatfield.clock import SystemClock
from flatfield.errors import NotReady
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.records import (
    AgentConfig,
    Evaluation,
    Event,
    LimitChanges,
    Limits,
    Price,
    Reply,
    SolutionStep,
    Task,
    ToolCall,
    TrialPlan,
    TrialRecord,
    Usage,
    VerifierSpec,
)
from flatfield.runs import trial
from flatfield.runs.store.writer import InTurns
from flatfield.runs.trial import Assignment, Ground, run_trial, tool_names
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.access import everything
from flatfield.tasks.hop import limits_for
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat
from flatfield.vendors.base import Lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from flatfield.machine.protocols import Sandbox
    from flatfield.testing.clocks import FakeClock, IdleTime

pytestmark = pytest.mark.whole

MODEL = "secret-model"
READ = ("read_file", '{"file_path": "a.txt"}')
TASK = Task(
    id="t",
    title="t",
    prompt="Do it.",
    digest="d",
    files={"a.txt": "alpha\n"},
    verifiers=(VerifierSpec(kind="answer", options={"contains": "42"}),),
)
ANSWER = FakeReply(text="It is 42.")
ONE_DOLLAR = Prices({MODEL: Price(input_mtok=1, output_mtok=1)})


def agent(base_url: str = "", **fields: Any) -> AgentConfig:
    values = {"name": "a", "provider": "openai-chat", "model": MODEL, "base_url": base_url or None} | fields
    return AgentConfig(**values)


class Field:
    """The ground that a test's trials stand on, and what they told."""

    ground: Ground

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def run(self, config: AgentConfig, task: Task = TASK, **fields: Any) -> TrialRecord:
        """One trial of this agent on this task."""
        assignment = Assignment(
            plan=TrialPlan(run="r", agent=config.name, task=task.id, repeat=1),
            agent=config,
            fingerprint="f",
            task=task,
            limits=fields.pop("limits", task.limits),
            model_name="agent_1",
            files=fields.pop("files", plan_copy(task, self.ground.scratch)),
        )
        assert not fields
        return await run_trial(assignment, self.ground)

    @property
    def left(self) -> list[str]:
        """What is still in the folder of workspaces."""
        return os.listdir(self.ground.scratch)  # noqa: PTH208 - names


@asynccontextmanager
async def field(tmp_path: Path, clock: Any = None, sandbox: Sandbox | None = None, **more: Any) -> AsyncIterator[Field]:
    clock = clock or SystemClock()
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    scratch.chmod(0o711)
    async with open_session(clock) as session:
        services = Services(session=session, clock=clock, environ={}, cache=tmp_path)
        async with ProviderPool(services) as pool:
            here = Field()
            here.ground = Ground(
                access=everything(),
                pool=pool,
                prices=more.get("prices", Prices()),
                clock=clock,
                scratch=scratch,
                sandbox=sandbox,
                sandbox_reason="bubblewrap is not installed",
                observe=here.events.append,
                turns=more.get("turns"),
            )
            yield here
            assert here.left == [], "every workspace is taken away"


# ---------------------------------------------------------------------------- a trial that goes well


async def test_a_trial_and_its_record(tmp_path: Path) -> None:
    calls = (READ, ("write_file", '{"file_path": "out/b.txt", "content": "beta"}'))
    prices = Prices({MODEL: Price(input_mtok=1, output_mtok=10)})
    async with field(tmp_path, prices=prices) as here, FakeChat([FakeReply(calls=calls), ANSWER]) as server:
        record = await here.run(agent(server.base_url, usd_per_hour=3.6))
    assert (record.id, record.stop, record.answer, record.failure) == ("r/a/t/1", "answered", "It is 42.", None)
    assert (record.task_digest, record.agent_fingerprint, record.prompt) == ("d", "f", "Do it.")
    assert [(check.verifier, check.score) for check in record.checks] == [("answer", 1.0)]
    assert [(change.path, change.kind, change.text) for change in record.changes] == [("out/b.txt", "added", "beta")]
    assert record.turns[0].results[0].text.startswith("alpha")
    assert record.usage == Usage(input_tokens=200, cache_read_tokens=80, output_tokens=20, reasoning_tokens=8)
    assert record.cost_usd == pytest.approx((200 * 1 + 20 * 10) / 1e6)
    assert record.active_seconds == pytest.approx(record.model_seconds + record.tools_seconds)
    assert record.device_cost_usd == pytest.approx(record.active_seconds / 1000)
    assert 0 < record.active_seconds <= record.wall_seconds
    assert record.first_token_seconds is not None
    kinds = [event.kind for event in here.events]
    assert kinds == ["trial_started", "tool", "tool", "turn", "turn", "verifying"]
    assert {event.agent for event in here.events} == {"a"}


async def test_waiting_is_in_the_wall_and_not_in_the_active_time(tmp_path: Path, clock: FakeClock) -> None:
    busy = Fault(status=429, headers={"Retry-After": "50"})
    async with field(tmp_path, clock) as here, FakeChat([busy, FakeReply(calls=(READ,)), busy, ANSWER]) as server:
        record = await here.run(agent(server.base_url))
    assert record.retry_seconds == pytest.approx(100)
    assert record.wall_seconds == pytest.approx(100)
    assert (record.active_seconds, record.queue_seconds) == (0, 0)
    assert [turn.reply.attempts for turn in record.turns] == [2, 2]


async def test_the_price_of_what_is_not_known_is_not_known(tmp_path: Path) -> None:
    script = [FakeReply(calls=(READ,)), FakeReply(text="42", usage=None)]
    async with field(tmp_path, prices=ONE_DOLLAR) as here, FakeChat(script) as server:
        record = await here.run(agent(server.base_url))
    assert (record.usage, record.cost_usd, record.device_cost_usd) == (None, None, None)
    assert record.turns[0].cost_usd is not None


async def test_an_agent_on_the_device_costs_nothing_at_the_api(tmp_path: Path) -> None:
    async with field(tmp_path) as here, FakeChat([ANSWER]) as server:
        assert (await here.run(agent(server.base_url, on_device=True))).cost_usd == 0
    async with field(tmp_path) as here, FakeChat([ANSWER]) as server:
        assert (await here.run(agent(server.base_url))).cost_usd is None


@pytest.mark.parametrize(("provider", "score"), [("oracle", 1.0), ("noop", 0.0)])
async def test_the_controls(tmp_path: Path, provider: str, score: float) -> None:
    task = structs.replace(
        TASK,
        verifiers=(VerifierSpec(kind="file", options={"path": "b", "equals": "1"}),),
        solution=(SolutionStep(tool="write_file", arguments={"file_path": "b", "content": "1"}),),
    )
    async with field(tmp_path) as here:
        record = await here.run(AgentConfig(name="control", provider=provider), task)
    assert (record.failure, record.checks[0].score) == (None, score)


@pytest.mark.usefixtures("reachable")
@pytest.mark.needs("bwrap")
async def test_commands_and_command_verifiers_in_the_sandbox(tmp_path: Path) -> None:
    task = structs.replace(
        TASK,
        tools=("run_command",),
        verifiers=(VerifierSpec(kind="command", options={"run": "grep -q beta b.txt"}),),
    )
    call = ("run_command", '{"command": "pwd; id -u; cat a.txt; echo beta > b.txt"}')
    async with field(tmp_path, sandbox=find_sandbox(os.environ)) as here, FakeChat(
        [FakeReply(calls=(call,)), ANSWER]
    ) as server:  # fmt: skip
        record = await here.run(agent(server.base_url), task)
    assert record.turns[0].results[0].text == "exit code 0\n/workspace\n1000\nalpha\n"
    assert (record.failure, record.checks[0].score) == (None, 1.0)
    assert [change.path for change in record.changes] == ["b.txt"]


# ---------------------------------------------------------------------------- what a model may do


async def test_nothing_tells_where_it_works_and_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roots: list[Path] = []

    def copy(*arguments: Any) -> Path:
        roots.append(copying.copy(*arguments))
        return roots[-1]

    monkeypatch.setattr(trial, "copy", copy)
    calls = (
        ("list_directory", "{}"),
        ("get_file_info", '{"file_path": "a.txt"}'),
        ("read_file", '{"file_path": "../x"}'),
    )
    async with field(tmp_path) as here, FakeChat([FakeReply(calls=calls), ANSWER]) as server:
        await here.run(agent(server.base_url, name="own-name"))
        inside = roots[0].relative_to(here.ground.scratch)
    assert all(set(part) <= set("0123456789abcdef") for part in inside.parts)
    seen = json.dumps([server.requests[1]["messages"], str(inside)]).lower()
    assert not any(word in seen for word in ("flatfield", MODEL, "own-name", str(here.ground.scratch)))


@pytest.mark.parametrize(
    ("replies", "stop", "turns"),
    [
        ([FakeReply(calls=(("read_file", '{"file_path": '),)), ANSWER], "answered", 2),
        ([FakeReply(calls=(("read_file", "[1]"), ("read_file", '{"path": 7}'))), ANSWER], "answered", 2),
        ([FakeReply(calls=(("launch_rocket", "{}"), ("", "{}"), ("read file", ""))), ANSWER], "answered", 2),
        ([FakeReply(calls=(READ,) * 50), ANSWER], "answered", 2),
        ([FakeReply(calls=(READ,))] * 20, "turn_limit", 20),
        ([FakeReply()], "answered", 1),
        ([FakeReply(finish="content_filter")], "refused", 1),
        ([FakeReply(text="half", finish="length")], "token_limit", 1),
    ],
    ids=["no JSON", "wrong arguments", "unknown tools", "50 calls", "for ever", "nothing", "refusal", "cut"],
)
async def test_whatever_a_model_does_its_trial_ends_with_a_record(
    tmp_path: Path, replies: list[FakeReply | Fault], stop: str, turns: int
) -> None:
    async with field(tmp_path) as here, FakeChat(replies) as server:
        record = await here.run(agent(server.base_url))
    assert (record.stop, len(record.turns), record.failure) == (stop, turns, None)
    assert server.violations == []
    assert all(len(turn.results) == len(turn.reply.calls) for turn in record.turns if stop != "token_limit")
    assert record.checks[0].score == (1.0 if stop == "answered" and turns == 2 else 0.0)


async def test_ten_megabytes_of_text(tmp_path: Path) -> None:
    event = json.dumps({"choices": [{"delta": {"content": "x" * 1_000_000}}]})
    flood = Fault(kind="whole", message=f"data: {event}\n\n" * 10, headers={"Content-Type": "text/event-stream"})
    async with field(tmp_path) as here, FakeChat([flood]) as server:
        record = await here.run(agent(server.base_url))
    assert (record.stop, record.failure) == ("token_limit", None)
    assert len(record.answer) <= 8 * 1024 * 1024


async def test_the_json_protocol_from_end_to_end(tmp_path: Path) -> None:
    steps = ['{"tool": "read_file", "arguments": {"file_path": "a.txt"}}', "Hm, let me think.", '{"answer": "42"}']
    async with field(tmp_path) as here, FakeChat([FakeReply(text=step) for step in steps]) as server:
        record = await here.run(agent(server.base_url, protocol="json"))
    assert (record.stop, record.answer, record.checks[0].score) == ("answered", "42", 1.0)
    assert [result.ok for turn in record.turns for result in turn.results] == [True, False]


async def test_time_is_over(tmp_path: Path, idle_time: IdleTime) -> None:
    async with field(tmp_path, idle_time) as here, FakeChat([FakeReply(calls=(READ,)), Fault(kind="stall")]) as server:
        record = await here.run(agent(server.base_url), limits=Limits(seconds=10.0))
    assert (record.stop, record.answer, record.failure) == ("time_limit", "beginn", None)
    assert record.active_seconds == pytest.approx(10.0, abs=0.1)


async def test_a_conversation_that_no_longer_fits_is_the_models_limit_and_says_why(tmp_path: Path) -> None:
    full = Fault(status=400, message="context_length_exceeded: 9000 > 8000")
    async with field(tmp_path) as here, FakeChat([FakeReply(calls=(READ,)), full]) as server:
        record = await here.run(agent(server.base_url))
    assert (record.stop, record.failure, len(record.turns)) == ("context_limit", None, 1)
    assert "9000 > 8000" in record.notes[0]
    assert record.checks[0].score == 0.0


# ---------------------------------------------------------------------------- failures of the harness


async def test_a_provider_that_goes_down_keeps_turns_and_usage(tmp_path: Path, clock: FakeClock) -> None:
    call = ("write_file", '{"file_path": "b", "content": "1"}')
    script: list[FakeReply | Fault] = [FakeReply(calls=(call,)), *[Fault(status=503)] * 20]
    async with field(tmp_path, clock, prices=ONE_DOLLAR) as here, FakeChat(script) as server:
        record = await here.run(agent(server.base_url))
    assert record.failure is not None
    assert (record.failure.kind, record.stop, len(record.turns)) == ("provider", "error", 1)
    assert "503" in record.failure.message
    assert record.usage == Usage(input_tokens=100, cache_read_tokens=40, output_tokens=10, reasoning_tokens=4)
    assert record.cost_usd == pytest.approx(110e-6)
    assert record.retry_seconds == pytest.approx(sum(clock.slept))
    assert [change.path for change in record.changes] == ["b"]
    assert record.checks == ()


async def test_an_agent_that_is_not_ready(tmp_path: Path) -> None:
    async with field(tmp_path) as here:
        no_key = await here.run(agent("http://127.0.0.1:1/v1", api_key_env="NO_SUCH_KEY"))
        nobody = await here.run(agent(provider="nobody"))
    assert no_key.failure is not None
    assert (no_key.failure.kind, no_key.turns, no_key.cost_usd) == ("not_ready", (), None)
    assert "NO_SUCH_KEY" in no_key.failure.message
    assert nobody.failure is not None
    assert nobody.failure.kind == "not_ready"


async def test_without_a_sandbox_commands_are_not_measured(tmp_path: Path) -> None:
    spec = VerifierSpec(kind="command", options={"run": "true"})
    async with field(tmp_path) as here, FakeChat([ANSWER]) as server:
        offered = await here.run(agent(server.base_url), structs.replace(TASK, tools=("read_file", "run_command")))
        verified = await here.run(agent(server.base_url), structs.replace(TASK, verifiers=(*TASK.verifiers, spec)))
    assert offered.failure is not None
    assert (offered.failure.kind, offered.failure.message) == ("sandbox", "bubblewrap is not installed")
    assert (verified.failure, [check.score for check in verified.checks]) == (None, [1.0, None])
    assert "bubblewrap is not installed" in verified.checks[1].reason


async def test_a_workspace_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(trial, "copy", full)
    async with field(tmp_path) as here:
        record = await here.run(agent("http://127.0.0.1:1/v1"))
    assert record.failure is not None
    assert record.failure.kind == "workspace"
    assert "No space left" in record.failure.message
    assert "workspace was made" in record.failure.message


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), RuntimeError("a bug")])
async def test_what_fails_after_the_agent_loses_nothing_of_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def unreadable(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(trial, "changes", unreadable)
    async with field(tmp_path) as here, FakeChat([FakeReply(calls=(READ,)), ANSWER]) as server:
        record = await here.run(agent(server.base_url))
    assert record.failure is not None
    assert record.failure.kind == ("harness" if isinstance(error, RuntimeError) else "workspace")
    assert (len(record.turns), record.answer) == (2, "It is 42.")
    assert record.usage is not None


async def test_a_workspace_that_cannot_be_removed_costs_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stubborn(home: Path) -> None:
        openat.discard(home)
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(trial, "discard", stubborn)
    async with field(tmp_path) as here, FakeChat([ANSWER]) as server:
        record = await here.run(agent(server.base_url))
    assert (record.failure, record.checks[0].score) == (None, 1.0)
    assert "could not be removed" in record.notes[0]


class Broken:
    """A provider of somebody's, with a bug in its second turn, or that is not ready at all."""

    def __init__(self, ready: bool) -> None:
        self.ready = ready
        self.turns = 0

    async def converse(self, _opening: Any) -> Broken:
        if not self.ready:
            raise NotReady("the model's server does not start")
        return self

    def on_device(self, _agent: Any) -> bool:
        return False

    def lane(self, _agent: Any) -> Lane:
        return Lane(name="x", width=1)

    async def turn(self, *_: Any) -> Reply:
        self.turns += 1
        if self.turns == 2:
            raise KeyError("choices")
        call = ToolCall(id="1", name=READ[0], arguments=READ[1])
        return Reply(text="", calls=(call,), finish="tool_calls", usage=Usage(output_tokens=5))

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("ready", [True, False])
async def test_a_providers_bug_is_the_harness_failing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ready: bool
) -> None:
    broken = Broken(ready)
    monkeypatch.setattr(ProviderPool, "of", lambda *_: broken)
    async with field(tmp_path) as here:
        record = await here.run(agent())
    assert record.failure is not None
    if ready:
        assert record.failure.kind == "harness"
        assert "KeyError: 'choices'" in record.failure.message
        assert record.usage == Usage(output_tokens=5)
    else:
        assert (record.failure.kind, record.turns) == ("not_ready", ())


# ---------------------------------------------------------------------------- interruptions


async def test_stopped_while_the_model_speaks(tmp_path: Path) -> None:
    speaking = asyncio.Event()

    def script(_: dict[str, Any], number: int) -> FakeReply | Fault:
        if number == 0:
            return FakeReply(calls=(READ,))
        speaking.set()
        return Fault(kind="stall")

    async with field(tmp_path) as here, FakeChat(script) as server:
        running = asyncio.create_task(here.run(agent(server.base_url)))
        await speaking.wait()
        running.cancel()
        record = await running
    assert record.failure is not None
    assert (record.failure.kind, record.stop, len(record.turns)) == ("interrupted", "cancelled", 1)
    assert record.usage is not None


@pytest.mark.parametrize("in_turns", [False, True])
@pytest.mark.parametrize("step", ["copy", "snapshot", "changes", "verify_quietly", "discard"])
async def test_stopped_at_any_step_leaves_a_record_and_no_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, in_turns: bool
) -> None:
    loop = asyncio.get_running_loop()
    turns = InTurns(loop) if in_turns else None
    real = getattr(trial, step)

    def slowly(*arguments: Any, **named: Any) -> Any:
        loop.call_soon_threadsafe(running.cancel)
        return real(*arguments, **named)

    async def waiting(*_: Any) -> Any:
        running.cancel()
        await asyncio.Event().wait()

    monkeypatch.setattr(trial, step, waiting if step == "verify_quietly" else slowly)
    async with field(tmp_path, turns=turns) as here, FakeChat([FakeReply(calls=(READ,)), ANSWER]) as server:
        running = asyncio.create_task(here.run(agent(server.base_url)))
        record = await running
    if step == "discard":
        assert (record.failure, record.checks[0].score) == (None, 1.0)
        return
    assert record.failure is not None
    assert record.failure.kind == "interrupted"
    before = step in {"copy", "snapshot"}
    assert (record.stop, len(record.turns)) == (("cancelled", 0) if before else ("answered", 2))


LARGE = {f"{number}.txt": "a" for number in range(trial.SMALL_FILES + 1)}
COMMAND = (VerifierSpec(kind="command", options={"run": "true"}),)


@pytest.mark.parametrize(
    ("fields", "calls", "hands"),
    [
        ({}, 1, ["loop", "loop", "loop"]),
        ({"files": {"a.txt": "x" * trial.SMALL_CHARACTERS, "b.txt": "x"}}, 1, ["thread"] * 3),
        ({"files": LARGE}, 1, ["thread"] * 3),
        ({"verifiers": COMMAND}, 1, ["thread"] * 3),
        ({"tools": ("read_file", "run_command")}, 1, ["thread"] * 3),
        ({}, trial.SMALL_CALLS + 1, ["loop", "thread", "thread"]),
    ],
)
async def test_only_small_workspaces_are_gone_through_in_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], calls: int, hands: list[str]
) -> None:
    """Small when it was made, and without anything but a few calls of file tools to make it larger."""
    seen: list[str] = []

    def noting(real: Any) -> Any:
        def noted(*arguments: Any, **named: Any) -> Any:
            seen.append("loop" if threading.current_thread() is threading.main_thread() else "thread")
            return real(*arguments, **named)

        return noted

    for step in ("copy", "changes", "discard"):
        monkeypatch.setattr(trial, step, noting(getattr(trial, step)))
    sandbox: Any = NoSandbox() if fields.get("tools") else None
    async with (
        field(tmp_path, turns=InTurns(asyncio.get_running_loop()), sandbox=sandbox) as here,
        FakeChat([FakeReply(calls=(READ,) * calls), ANSWER]) as server,
    ):
        assert (await here.run(agent(server.base_url), structs.replace(TASK, **fields))).failure is None
    assert seen == hands


@pytest.mark.parametrize(
    ("call", "looked"),
    [(READ, True), (("write_file", '{"file_path": "a.txt", "content": "beta\\n"}'), False), (("no_such", "{}"), True)],
)
async def test_what_was_only_looked_at_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: tuple[str, str], looked: bool
) -> None:
    """A change within the clock's tick, of the same length, is seen where somebody could have made one."""
    told: list[bool] = []

    def changes(*arguments: Any, only_looked: bool) -> Any:
        told.append(only_looked)
        return workspace.changes(*arguments, only_looked=only_looked)

    monkeypatch.setattr(trial, "changes", changes)
    async with field(tmp_path) as here, FakeChat([FakeReply(calls=(call,)), ANSWER]) as server:
        record = await here.run(agent(server.base_url), structs.replace(TASK, tools=("read_file", "write_file")))
    assert told == [looked]
    assert [change.kind for change in record.changes] == ([] if looked else ["modified"])


class NoSandbox:
    """Offers commands, of which none is run."""

    user = None


# ---------------------------------------------------------------------------- what holds for a trial


def test_limits_of_the_evaluation_stand_in_the_tasks_place() -> None:
    task = structs.replace(TASK, limits=Limits(turns=3, seconds=9.0, cost_usd=0.5))
    assert limits_for(task, Evaluation()) == task.limits
    changed = limits_for(task, Evaluation(limits=LimitChanges(turns=7, output_tokens=50)))
    assert changed == Limits(turns=7, seconds=9.0, output_tokens=50, cost_usd=0.5)


def test_an_agent_may_go_without_tools_but_not_bring_any() -> None:
    assert tool_names(agent(), TASK)[0] == "read_file"
    assert tool_names(agent(), structs.replace(TASK, tools=("run_command",))) == ("run_command",)
    assert tool_names(agent(tools=("write_file", "run_command")), TASK) == ("write_file",)
    assert tool_names(agent(), structs.replace(TASK, tools=())) == ()


# ---------------------------------------------------------------------------- external agents

WRITING = """
import os, json, sys
os.mkdir("made"); open("made/b.txt", "w").write("beta")
print(json.dumps({"text": "It is 42.", "turns": 3, "tool_calls": 2}))
"""


def external(code: str) -> AgentConfig:
    return AgentConfig(name="x", provider="cli", command=(sys.executable, "-SEc", code), output="json")


async def test_an_external_agents_edits_and_turns_are_on_record(tmp_path: Path) -> None:
    async with field(tmp_path) as here:
        record = await here.run(external(WRITING))
    assert (record.stop, record.answer, record.failure) == ("answered", "It is 42.", None)
    assert [check.score for check in record.checks] == [1.0]
    assert [(change.path, change.text) for change in record.changes] == [("made/b.txt", "beta")]
    assert (record.turn_count, record.tool_calls, len(record.turns)) == (3, 2, 1)
    assert (record.usage, record.cost_usd) == (None, None), "not measured"
    limits, obeys = record.notes
    assert limits.startswith("json was held to the limit of seconds alone")
    assert obeys.startswith("json was not kept from all that a workspace says: ")


async def test_an_external_agents_crash_is_not_measured(tmp_path: Path) -> None:
    async with field(tmp_path) as here:
        record = await here.run(external("import sys; sys.exit('no login')"))
    assert record.failure is not None
    assert record.failure.kind == "provider"
    assert "no login" in record.failure.message


async def test_an_external_agent_ends_with_its_time(tmp_path: Path) -> None:
    async with field(tmp_path) as here:
        record = await here.run(external("import time; time.sleep(600)"), limits=Limits(seconds=0.3))
    assert (record.stop, record.failure, record.turn_count) == ("time_limit", None, None)
    assert record.active_seconds == pytest.approx(0.3)


WITHOUT_ITS_FOLDER = {
    "gone": ("shutil.rmtree(here)", 0.0),
    "gone with what is above it": ("shutil.rmtree(os.path.dirname(here))", 0.0),
    "a file": ("shutil.rmtree(here); open(here, 'w').write('x')", 0.0),
    "a link": ("os.rename(here, here + '-'); os.symlink(here + '-', here)", 0.0),
    "another folder with the work": ("shutil.rmtree(here); os.mkdir(here); open(here + '/b.txt', 'w').write('x')", 1.0),
}


@pytest.mark.parametrize(("code", "score"), WITHOUT_ITS_FOLDER.values(), ids=WITHOUT_ITS_FOLDER)
async def test_an_external_agent_that_takes_its_folder_away_is_graded_by_what_is_left(
    tmp_path: Path, code: str, score: float
) -> None:
    task = structs.replace(TASK, verifiers=(VerifierSpec(kind="file", options={"path": "b.txt", "equals": "x"}),))
    work = f"import os, shutil, json; here = os.getcwd(); open('b.txt', 'w').write('x'); {code}"
    async with field(tmp_path) as here:
        record = await here.run(external(f"{work}; print(json.dumps(dict(text='done')))"), task)
    assert record.failure is None
    assert [check.score for check in record.checks] == [score]


@pytest.mark.usefixtures("reachable")
@pytest.mark.needs("bwrap")
async def test_a_command_checks_what_is_left_of_a_folder_that_was_taken_away(tmp_path: Path) -> None:
    task = structs.replace(TASK, verifiers=(VerifierSpec(kind="command", options={"run": "test -e b.txt"}),))
    code = "import os, shutil; open('b.txt', 'w').write('x'); shutil.rmtree(os.getcwd()); print('{\"text\": \"done\"}')"
    async with field(tmp_path, sandbox=find_sandbox(os.environ)) as here:
        record = await here.run(external(code), task)
    assert record.failure is None
    assert [check.score for check in record.checks] == [0.0], record.checks


@pytest.mark.usefixtures("reachable")
@pytest.mark.needs("bwrap")
async def test_what_an_external_agent_made_is_the_sandboxs_to_change(tmp_path: Path) -> None:
    task = structs.replace(TASK, verifiers=(VerifierSpec(kind="command", options={"run": "touch made/c"}),))
    async with field(tmp_path, sandbox=find_sandbox(os.environ)) as here:
        record = await here.run(external(WRITING), task)
    assert [check.score for check in record.checks] == [1.0], record.checks
