"""What says between a cascade's steps whether the work of one is good enough, so that the next is not needed."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flatfield import plugins
from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.files.copying import copy, plan_copy
from flatfield.agent.files.openat import discard
from flatfield.agent.workspace import SANDBOX_ROOT
from flatfield.errors import FlatfieldError
from flatfield.machine.sandbox.ownership import adopt
from flatfield.records import MIDPOINTS, Letter, Reply, Task, Verdict
from flatfield.runs.judging import in_lane, with_originals
from flatfield.scoring.forecast import total
from flatfield.scoring.judge.judge import judge, rubric_of
from flatfield.scoring.measures.scales import mean
from flatfield.scoring.verifying.own_project import ended, is_test, limits, put_back
from flatfield.scoring.verifying.verification import verify
from flatfield.tasks.cascades import HIDDEN, JUDGE, VISIBLE, command_of, is_upper_bound
from flatfield.vendors.base import THIS_DEVICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from flatfield.agent.files.copying import CopyPlan
    from flatfield.records import AgentConfig, Check, FileChange, Run, TrialRecord, VerifierSpec
    from flatfield.runs.trial import Ground
    from flatfield.scoring.protocols import VerifyContext
    from flatfield.vendors.base import Lane

GOOD_LETTER: Letter = "B"
"""From this letter of the judge on, a step's work is taken."""


class StepCheck(NamedTuple):
    """What a check said of a step's work, and what it took; `usd` None: no price known."""

    passed: bool
    reason: str
    seconds: float = 0.0
    usd: float | None = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckDesk:
    """What checks between steps are made with: the run, its judges, and the ground that its trials stand on."""

    run: Run
    judges: tuple[AgentConfig, ...]
    ground: Ground


def visible_verifiers(task: Task) -> tuple[VerifierSpec, ...]:
    """The task's checks that an agent could make itself: they run what lies in the workspace, and nothing hidden."""
    return tuple(spec for spec in task.verifiers if _is_visible(spec))


def _is_visible(spec: VerifierSpec) -> bool:
    traits = plugins.verifier_traits(spec.kind)
    return (
        traits.needs_sandbox and not traits.judged and not any(name in spec.options for name in traits.hidden_options)
    )


def needs_commands(agent: AgentConfig) -> bool:
    """Whether a cascade's check runs commands between the steps."""
    return agent.check == VISIBLE or bool(command_of(agent.check))


def missing_checks(run: Run, judges: Sequence[AgentConfig]) -> Iterator[str]:
    """Why cascades of a run cannot check their steps, each with the mend: nothing offers what they ask for."""
    for agent in run.agents:
        done = [task for task in run.tasks if agent.name in run.rosters.get(task.id, (agent.name,))]
        if agent.check == JUDGE and not judges:
            yield f"{agent.name} has its steps judged, and no judge is named; name one with --judge, or change `check`"
        elif agent.check in _OFFERED:
            offers, lacking = _OFFERED[agent.check]
            without = [task.id for task in done if not offers(task)]
            if without:
                fix = 'give it one, name another `check`, such as "command: …", or leave the cascade out'
                yield f"{agent.name} checks its steps by {lacking}, which {', '.join(without)} does not have; {fix}"


def upper_bounds(agents: Iterable[AgentConfig]) -> Iterator[str]:
    """What is to be said of cascades that no real one can be as good as."""
    for agent in agents:
        if is_upper_bound(agent):
            yield (
                f"{agent.name} is an upper bound: its steps are checked by the tasks' own hidden checks, which nobody "
                "has while working; a cascade with a check that one can have does no better"
            )


def _has_own(task: Task) -> bool:
    return any(not plugins.verifier_traits(spec.kind).judged for spec in task.verifiers)


_OFFERED = {
    VISIBLE: (visible_verifiers, "a command of the task's that uses no hidden file"),
    HIDDEN: (_has_own, "a check of the task's own"),
    JUDGE: (rubric_of, "a rubric for the judge"),
}


# ---------------------------------------------------------------------------- checks of the workspace as it was left


async def check_workspace(
    agent: AgentConfig, context: VerifyContext, files: CopyPlan, ground: Ground, lane: Lane
) -> StepCheck:
    """Check what a step left, in a copy of it that has the task's own test files: nothing of the work is changed.

    `files` is what the workspace held first; `lane` is the step's own: who has this device does not wait for itself.
    """
    apart = ground.lanes if ground.lanes is not None and lane.device != THIS_DEVICE else None
    async with apart.beside() if apart is not None else nullcontext():
        begun = ground.clock.now()
        try:
            async with _copied(context, files, ground.scratch) as copied:
                command = command_of(agent.check)
                passed, reason = await (_by_command(command, copied) if command else _by_visible(copied))
        except (OSError, FlatfieldError) as error:
            passed, reason = False, f"it could not be made: {error}"
        return StepCheck(passed, reason, ground.clock.now() - begun)


async def _by_command(command: str, context: VerifyContext) -> tuple[bool, str]:
    if context.sandbox is None:
        return False, context.sandbox_reason
    return ended(await context.sandbox.run(command, context.root, limits()))


async def _by_visible(context: VerifyContext) -> tuple[bool, str]:
    from msgspec import structs

    task = structs.replace(context.task, verifiers=visible_verifiers(context.task))
    return by_checks(await verify(task, replace(context, task=task)))


def by_checks(checks: Iterable[Check]) -> tuple[bool, str]:
    """Whether all checks found all of it done, and what the first one that did not says."""
    found = list(checks)
    failed = next((check for check in found if check.score is None or check.score < check.full_at), None)
    if failed is not None:
        return False, f"{failed.label or failed.verifier}: {failed.reason}"
    return bool(found), f"{len(found)} of {len(found)} checks passed" if found else "there was nothing to check"


@asynccontextmanager
async def _copied(context: VerifyContext, files: CopyPlan, scratch: Path) -> AsyncIterator[VerifyContext]:
    home = scratch / secrets.token_hex(8)
    try:
        user = context.sandbox.user if context.sandbox else None
        root = await asyncio.to_thread(laid_out, context.root, context.trial.changes, files, home, user)
        names = (SANDBOX_ROOT,)
        with ConfinedFiles(root, names=names, owner=user) as opened:
            yield replace(context, root=root, files=opened)
    finally:
        await asyncio.to_thread(discard, home)


def laid_out(left: Path, changes: Sequence[FileChange], files: CopyPlan, home: Path, user: int | None) -> Path:
    """A copy of what a step left, in the new folder `home`, but for test files: those are as they were."""
    home.mkdir()
    home.chmod(0o711)
    task = Task(id=left.name, title="", prompt="", workspace=str(left))
    root = copy(plan_copy(task, left), home)
    if user is not None:
        adopt(root, user)
    with ConfinedFiles(root, owner=user) as opened:
        restore_tests(files, opened, changes, home)
    return root


def restore_tests(plan: CopyPlan, files: ConfinedFiles, changes: Sequence[FileChange], beside: Path) -> None:
    """Put test files back as they were before the work; a conftest.py that came with it goes."""
    originals = {path: Path(plan.source) / path for path in plan.files if is_test(path)}
    for number, (path, text) in enumerate(plan.inline.items()):
        if is_test(path):
            originals[path] = beside / f"test-{number}"
            originals[path].write_text(text, encoding="utf-8")
    put_back(originals, files, changes)


# ---------------------------------------------------------------------------- checks of the finished record


async def check_record(agent: AgentConfig, record: TrialRecord, desk: CheckDesk) -> StepCheck:
    """Check a step by its finished record: by the task's own checks, or by the run's judges."""
    if agent.check == JUDGE:
        return await _by_judges(record, desk)
    passed, reason = by_checks(own_checks(record))
    return StepCheck(passed, reason, sum(check.took_seconds or 0.0 for check in record.checks))


def own_checks(record: TrialRecord) -> tuple[Check, ...]:
    """What a trial's task checks itself; what it leaves to the judge is not known when the next step is to begin."""
    return tuple(check for check in record.checks if not plugins.verifier_traits(check.verifier).judged)


async def _by_judges(record: TrialRecord, desk: CheckDesk) -> StepCheck:
    ground, replies = desk.ground, list[Reply]()
    shown = await asyncio.to_thread(with_originals, desk.run, (record,))
    verdicts: list[Verdict] = []
    for agent in desk.judges:
        on_device = ground.pool.of(agent).on_device(agent)

        def price(reply: Reply, agent: AgentConfig = agent, on_device: bool = on_device) -> float | None:  # noqa: FBT001
            return ground.prices.usd(agent, reply.usage, on_device, sent=reply.request)

        if ground.lanes is None:
            raise ValueError("a judge between steps is asked through lanes")
        converse = in_lane(ground.pool, ground.lanes, agent, replies.append)
        verdicts += await judge(shown, (record,), agent, converse, price, mode="item")
    letters = [verdict.letter for verdict in verdicts if verdict.letter is not None]
    score = mean(MIDPOINTS[letter] for letter in letters) if letters else None
    seconds, usd = sum(reply.model_seconds for reply in replies), total([verdict.cost_usd for verdict in verdicts])
    reason = "; ".join(f"{verdict.judge}: {verdict.letter or 'no letter'}, {verdict.reason}" for verdict in verdicts)
    return StepCheck(score is not None and score >= MIDPOINTS[GOOD_LETTER], reason, seconds, usd)
