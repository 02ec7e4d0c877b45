"""What the suites' tests share: a workspace as an agent would leave it, and how it is measured."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

import flatfield.tasks
from flatfield.agent.toolbox import open_tools
from flatfield.agent.workspace import changes, open_workspace, prepare, snapshot
from flatfield.clock import SystemClock
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.plugins import default_tools
from flatfield.records import Check, Task, ToolCall, TrialRecord, VerifierSpec
from flatfield.scoring.protocols import VerifyContext
from flatfield.scoring.verifying.reading import Files, NotJson, NotThere
from flatfield.scoring.verifying.verification import verify
from flatfield.tasks.lop import read_task

Leave = Callable[..., Awaitable[VerifyContext]]
Measure = Callable[..., Awaitable[float]]


@pytest.fixture(scope="session")
def suites() -> Path:
    return Path(flatfield.tasks.__file__).parent / "suites"


@pytest.fixture(scope="session")
def task(suites: Path) -> Callable[[str], Task]:
    """`basic/level-0-fact` → the Task."""
    return cache(lambda name: read_task(suites / f"{name}.md"))


@pytest.fixture
def leave() -> Iterator[Leave]:
    """Makes the workspace of a finished trial: written, deleted (None) files and the answer, or the task's solution."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # the sandbox's user must be able to come here

        async def left(
            task: Task,
            files: Mapping[str, str | None] | None = None,
            answer: str = "",
            *,
            solved: bool = False,
            sandboxed: bool = False,
        ) -> VerifyContext:
            sandbox = find_sandbox(os.environ) if sandboxed else None
            root, _ = prepare(task, Path(name), Path(name))
            workspace = open_workspace(root)
            before = snapshot(workspace.files)
            toolbox = open_tools(task.tools or default_tools(), workspace, SystemClock())
            for index, step in enumerate(task.solution if solved else ()):
                if step.tool is None:
                    answer = step.answer
                    continue
                arguments = msgspec.json.encode(step.arguments).decode()
                result = await toolbox.run(ToolCall(id=str(index), name=step.tool, arguments=arguments))
                assert result.ok, result.text
            for path, text in (files or {}).items():
                if text is None:
                    workspace.files.remove(path)
                else:
                    workspace.files.write_bytes(path, text.encode("utf-8", "surrogateescape"))
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
            return VerifyContext(
                trial=trial, task=task, files=workspace.files, root=root, before=before, sandbox=sandbox
            )

        yield left


@pytest.fixture
def measure() -> Measure:
    """A trial's performance: the weighted mean of its checks, all of which must have been measured.

    `python` checks are called in this process, because there are many of them here; the oracle's and noop's tests go
    the whole way. `only` picks verifiers by kind.
    """

    async def performance(context: VerifyContext, *, whole_way: bool = False, only: str = "") -> float:
        task = context.task
        picked = tuple(spec for spec in task.verifiers if spec.kind == only or not only)
        mine = () if whole_way else tuple(spec for spec in picked if spec.kind == "python")
        others = msgspec.structs.replace(task, verifiers=tuple(spec for spec in picked if spec not in mine))
        checks = [*(_called(spec, context) for spec in mine), *await verify(others, context)]
        assert all(check.score is not None for check in checks), checks
        return sum((check.score or 0.0) * check.weight for check in checks) / sum(check.weight for check in checks)

    return performance


def _called(spec: VerifierSpec, context: VerifyContext) -> Check:
    file, _, function = spec.options["value"].partition("::")
    called = getattr(_module(Path(context.task.path).parent / file), function)
    try:
        score, reason = called(context.trial, Files(context.files))
    except (NotThere, NotJson) as error:
        score, reason = 0.0, str(error)
    assert isinstance(reason, str)
    assert reason
    return Check(verifier="python", label=function, score=score, reason=reason, weight=spec.weight)


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("suite_checks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
