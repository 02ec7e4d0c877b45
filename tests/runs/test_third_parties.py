"""What a third party's verifier or tool states about itself is what a whole evaluation goes by."""

from __future__ import annotations

import asyncio
import fcntl
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.clock import SystemClock
from flatfield.errors import NotReady
from flatfield.records import AgentConfig, Check, Evaluation, Event, TrialRecord
from flatfield.runs.evaluation.evaluate import Conduct, evaluate
from flatfield.runs.order import new_run
from flatfield.runs.store.store import Store
from flatfield.runs.world import Outside
from flatfield.tasks.access import everything
from flatfield.tasks.lop import read_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Install = Callable[..., Path]

pytestmark = pytest.mark.whole

ORACLE = AgentConfig(name="oracle", provider="oracle")
VERIFIER = """
from msgspec import Struct
from flatfield.machine.protocols import SandboxLimits
from flatfield.records import Check, VerifierTraits

{traits}

class Options(Struct, frozen=True, forbid_unknown_fields=True):
    run: str = "true"

def create(options):
    return Verifier(options)

class Verifier:
    def __init__(self, options):
        self.run = options.run

    async def verify(self, context):
        if context.sandbox is None:
            return Check(verifier="theirs", label="", score=1.0, reason="read")
        result = await context.sandbox.run(self.run, context.root, SandboxLimits())
        return Check(verifier="theirs", label="", score=float(result.exit_code == 0), reason=result.output)
"""
LOP = """---
id: t
verify:
  - theirs: {run: "touch left; echo ran"}
  - file: {path: left, absent: true}
solution: [{answer: "Done."}]
---
# T

## Variables

PROMPT: "Do it."
"""


class Sitting:
    """One evaluation of one task by the oracle, and what was said meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        (folder / "lop.md").write_text(LOP)

    def observe(self, event: Event) -> None:
        if event.kind == "note":
            self.said.append(event.text)

    async def trial(self, **conduct: Any) -> TrialRecord:
        clock, store = SystemClock(), Store(self.folder / "store")
        tasks = (read_task(self.folder / "lop.md"),)
        run = new_run(Evaluation(agents=(ORACLE.name,)), tasks, (ORACLE,), clock.utc(), command="")
        how: dict[str, Any] = {"source": self.folder, "observe": self.observe, "stop": asyncio.Event()}
        async with store:
            await evaluate(run, store, Conduct(outside=Outside(clock=clock, access=everything()), **how, **conduct))
        (record,) = store.trials(run.id)
        return record


@pytest.fixture
def sitting(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Sitting:
    assert temporary.is_dir()
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))
    return Sitting(tmp_path)


@pytest.fixture
def verifier(install: Install) -> Callable[[str], None]:
    def installed(traits: str) -> None:
        install("flatfield.verifiers", "theirs", VERIFIER.replace("{traits}", traits))

    return installed


def theirs(record: TrialRecord) -> Check:
    return record.checks[0]


async def test_one_that_only_reads_does_not_wait_for_a_model_on_this_device(
    sitting: Sitting, verifier: Callable[[str], None]
) -> None:
    verifier("TRAITS = VerifierTraits(runs_code=False)")
    with device_in_use(sitting.folder).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        record = await sitting.trial()
    assert theirs(record).score == 1.0
    assert not any("waiting for the device" in text for text in sitting.said)


async def test_one_that_says_nothing_waits_and_looks_for_no_sandbox(
    sitting: Sitting, verifier: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatfield.runs.evaluation.evaluate.find_sandbox", never)
    verifier("")
    with device_in_use(sitting.folder).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        doing = asyncio.create_task(sitting.trial())
        while not any("waiting for the device" in text for text in sitting.said):
            assert not doing.done()
            await asyncio.sleep(0.01)
    record = await doing
    assert [check.score for check in record.checks] == [1.0, 1.0]


async def test_one_that_needs_the_sandbox_gets_it_after_the_others(
    sitting: Sitting, verifier: Callable[[str], None]
) -> None:
    verifier("TRAITS = VerifierTraits(needs_sandbox=True)")
    record = await sitting.trial(unsafe_commands=True)
    assert (theirs(record).score, theirs(record).reason.strip()) == (1.0, "ran")
    assert record.checks[1].score == 1.0, "the file that it left was not there yet"


async def test_one_that_needs_the_sandbox_is_not_measured_where_there_is_none(
    sitting: Sitting, verifier: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatfield.runs.evaluation.evaluate.find_sandbox", never)
    verifier("TRAITS = VerifierTraits(needs_sandbox=True)")
    record = await sitting.trial()
    assert (theirs(record).score, theirs(record).reason) == (None, "the theirs was not run: none; install bubblewrap")
    assert record.checks[1].score == 1.0
    assert any("install bubblewrap" in text for text in sitting.said)


async def test_a_tool_that_needs_the_sandbox_is_not_given_to_anybody_where_there_is_none(
    sitting: Sitting, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatfield.runs.evaluation.evaluate.find_sandbox", never)
    install("flatfield.tools", "build_it", TOOL)
    (sitting.folder / "lop.md").write_text(
        LOP.replace("  - theirs", "  - answer: {contains: D}\n  - theirs")
        .replace('  - theirs: {run: "touch left; echo ran"}\n', "")
        .replace("verify:", "tools: [build_it]\nverify:")
    )
    record = await sitting.trial()
    assert record.failure is not None
    assert (record.failure.kind, record.failure.message) == ("sandbox", "none; install bubblewrap")


TOOL = """
from flatfield.records import ToolSpec, ToolTraits

TRAITS = ToolTraits(needs_sandbox=True)
SPEC = ToolSpec(name="build_it", description="Build it.", parameters={"type": "object", "properties": {}})

def create(workspace):
    raise AssertionError("nobody is given it")
"""


def never(_: Any) -> None:
    raise NotReady("none; install bubblewrap")


def device_in_use(folder: Path) -> Path:
    """The lock of this device, for a test to hold as another process would."""
    locks = folder / "cache" / "locks"
    locks.mkdir(parents=True)
    return locks / "local.lock"
