"""The engineering suite: oracle 1, noop 0, every sabotage less; and a seed makes the same files each time."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

import flatfield.tasks
from flatfield.agent.toolbox import open_tools
from flatfield.agent.workspace import changes, open_workspace, prepare, snapshot
from flatfield.clock import SystemClock
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.plugins import default_tools
from flatfield.records import Check, Sabotage, Task, ToolCall, TrialRecord, VerifierSpec
from flatfield.scoring.protocols import VerifyContext
from flatfield.scoring.verifying.reading import Files, NotJson, NotThere
from flatfield.scoring.verifying.verification import verify
from flatfield.tasks import digest
from flatfield.tasks.lop import read_task

pytestmark = pytest.mark.whole

SUITE = Path(flatfield.tasks.__file__).parent / "suites" / "engineering"
TASKS = sorted(path.parent.name for path in SUITE.glob("*/task.md"))
SEEDED = [pytest.param(name, marks=pytest.mark.slow) if at % 12 else name for at, name in enumerate(TASKS)]
"""Each is made three times, by a program of its own: one of twelve in `make test`, all in `make test-slow`."""
MANY_PROCESSES = {
    *("write-tests", "slow-pipeline", "state-migration", "race-condition", "protocol-client", "adopt-api"),
    *("noisy-workspace", "failing-tool", "add-cli-option", "refactor-api", "merge-conflict", "trace-number"),
}
"""Whose sabotages need most of the commands that all need together: in `make test-slow`, with two of three others."""
QUICK = sorted(set(TASKS) - MANY_PROCESSES)[::3]
PLAYED = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TASKS]
Play = Callable[[Task, Sabotage | None, bool], Awaitable[dict[int, Check]]]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """Leaves a workspace as the oracle, a sabotaged oracle or noop would, and runs the task's verifiers on it."""
    monkeypatch.syspath_prepend(SUITE)  # where `checking` lies
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # the sandbox's user must be able to come here
        sandbox = find_sandbox(os.environ)

        async def play(task: Task, sabotage: Sabotage | None, idle: bool) -> dict[int, Check]:
            root, _ = prepare(task, Path(name), Path(name))
            workspace = open_workspace(root, sandbox=sandbox)
            before = snapshot(workspace.files)
            toolbox = open_tools(task.tools or default_tools(), workspace, SystemClock())
            skip = sabotage.skip if sabotage else ()
            steps = [step for at, step in enumerate(task.solution) if at not in skip and step.tool and not idle]
            answer = "" if idle else task.solution[-1].answer
            if sabotage:
                steps += sabotage.steps
                answer = answer if sabotage.answer is None else sabotage.answer
            for step in steps:
                arguments = msgspec.json.encode(step.arguments).decode()
                result = await toolbox.run(ToolCall(id="c", name=str(step.tool), arguments=arguments))
                assert result.ok, result.text
            trial = TrialRecord(
                run="r",
                agent="a",
                task=task.id,
                repeat=1,
                task_digest=task.digest,
                agent_fingerprint="f",
                stop="answered",
                answer=answer,
                changes=changes(before, workspace.files),
            )
            context = VerifyContext(
                trial=trial, task=task, files=workspace.files, root=root, before=before, sandbox=sandbox
            )
            # What a sabotage says it breaks is enough to know that it is noticed.
            picked = sabotage.breaks if sabotage and sabotage.breaks else range(len(task.verifiers))
            inside = {at: called(task.verifiers[at], context) for at in picked if sabotage and in_python(task, at)}
            outside = [at for at in picked if at not in inside]
            verifiers = tuple(task.verifiers[at] for at in outside)
            checks = await verify(msgspec.structs.replace(task, verifiers=verifiers), context) if outside else ()
            found = inside | dict(zip(outside, checks, strict=True))
            assert all(check.score is not None for check in found.values()), found
            return found

        yield play


def in_python(task: Task, at: int) -> bool:
    return task.verifiers[at].kind == "python"


def called(spec: VerifierSpec, context: VerifyContext) -> Check:
    """What a `python` check says, without a process of its own: there are too many sabotages for that."""
    file, _, function = spec.options["value"].partition("::")
    found = importlib.util.spec_from_file_location("suite_checks", Path(context.task.path).parent / file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    try:
        score, reason = getattr(module, function)(context.trial, Files(context.files))
    except (NotThere, NotJson) as error:
        score, reason = 0.0, str(error)
    return Check(verifier="python", label=function, score=score, reason=reason, weight=spec.weight)


def scores(checks: dict[int, Check]) -> list[float]:
    return [check.score or 0.0 for check in checks.values()]


@pytest.mark.needs("bwrap")
@pytest.mark.parametrize("name", PLAYED)
@pytest.mark.some(2)
async def test_the_oracle_scores_1_noop_0_and_every_sabotage_less(name: str, play: Play, cache: Path) -> None:
    task = read_task(SUITE / name / "task.md", int(os.environ.get("SUITE_SEED", "0")), cache=cache)
    assert task.id == name
    assert task.sabotages
    played = await asyncio.gather(
        play(task, None, False), play(task, None, True), *(play(task, item, False) for item in task.sabotages)
    )
    assert set(scores(played[0])) == {1.0}, played[0]
    assert set(scores(played[1])) == {0.0}, played[1]
    for item, checks in zip(task.sabotages, played[2:], strict=True):
        assert (max if item.breaks else min)(scores(checks)) < 1.0, (item.name, checks)
    noticed = {at for checks in played[2:] for at, check in checks.items() if (check.score or 0.0) < 1.0}
    assert noticed == set(range(len(task.verifiers)))


@pytest.mark.parametrize("name", SEEDED)
@pytest.mark.some(1)
def test_a_seed_makes_the_same_files_and_another_one_others(name: str, cache: Path, tmp_path: Path) -> None:
    path = SUITE / name / "task.md"
    made = [read_task(path, seed, cache=folder) for seed, folder in ((0, cache), (0, tmp_path), (1, tmp_path))]
    whole = [digest.of_task(b"", Path(task.path).parent, [Path(task.path).parent / "workspace"]) for task in made]
    assert made[0].digest == made[1].digest != made[2].digest
    assert whole[0] == whole[1] != whole[2]
    assert made[0].prompt == made[1].prompt
    assert "{{" not in "".join(task.prompt for task in made)
