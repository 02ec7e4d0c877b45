"""Proves tasks: plays the solution, agents that do no work, and sabotages; what that shows of the checks."""

from __future__ import annotations

import asyncio
import os
import posixpath
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield import plugins
from flatfield.agent.files.copying import plan_copy
from flatfield.errors import FlatfieldError, NotReady
from flatfield.machine.models import cache_folder
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.records import Sabotage, SolutionStep, Task, TrialPlan, TrialRecord
from flatfield.runs.scratch import scratch_folder
from flatfield.runs.trial import Assignment, Ground, needs_commands, run_trial
from flatfield.runs.witness import SolutionSeconds, folder_in, slowest
from flatfield.runs.world import Outside, open_world
from flatfield.scoring.measures.performance import checks_score, is_verified, verified
from flatfield.scoring.measures.scales import HOLDS
from flatfield.scoring.verifying.verification import wanted_paths, wants
from flatfield.tasks.agents import fingerprint
from flatfield.tasks.lop import check_prompt
from flatfield.tasks.solution import DEFAULT_ANSWER, writing
from flatfield.vendors import noop, oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flatfield.agent.files.copying import CopyPlan
    from flatfield.machine.protocols import Sandbox
    from flatfield.records import AgentConfig
    from flatfield.tasks.access import Access


# What plays of a task show about it: whether its checks can be passed, failed, and passed without doing the work.


# Agents that do no work, as they are spoken of; the control that does none has its own name.
ECHO = "an echo of the prompt"
COPY = "a copy of the workspace"


class Played(Struct, frozen=True, kw_only=True):
    """The records of one task's plays: the oracle's runs, those of agents that do no work, and each sabotage's.

    `noop`, `echo` and `copy`: the control that does nothing, an echo of the prompt, a copy of the workspace.
    `declared`: the sabotages are the author's own, not derived from the solution.
    """

    task: Task
    oracle: tuple[TrialRecord, ...] = ()
    noop: TrialRecord | None = None
    echo: TrialRecord | None = None
    copy: TrialRecord | None = None
    sabotages: tuple[tuple[Sabotage, TrialRecord], ...] = ()
    declared: bool = False


class Spoiled(Struct, frozen=True, kw_only=True):
    """What one sabotage showed: its score (None: not measured), and the labels of the checks that it made fail."""

    name: str
    score: float | None
    failed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Finding(Struct, frozen=True, kw_only=True):
    """What checking one task showed; `holds` False: it does not measure what it says.

    Scores in 0..1, None where not measured: `oracle`, of its own solution; `noop`, of no work; `echo`, of answering
    with the prompt; `copy`, of writing the workspace's own files again. `runs`: how often the oracle played;
    `check_seconds`: how long the slowest check of its work took. `unbroken`: the labels of the checks that no sabotage
    made fail.
    """

    task: str
    holds: bool
    summary: str
    oracle: float | None = None
    noop: float | None = None
    echo: float | None = None
    copy: float | None = None
    runs: int = 0
    check_seconds: float | None = None
    warnings: tuple[str, ...] = ()
    sabotages: tuple[Spoiled, ...] = ()
    unbroken: tuple[str, ...] = ()


def assess(played: Played) -> Finding:
    """The finding; problems make it fail, warnings do not."""
    spoiled = tuple(_telling(played))
    unbroken = _unbroken(played, spoiled)
    problems = [*_oracle(played), *(text for each in spoiled for text in each.problems)]
    warnings = list(check_prompt(played.task))
    if played.noop is not None:
        problems += _problems(noop.AGENT.name, played.noop, 0.0)
    for name, record in ((ECHO, played.echo), (COPY, played.copy)):
        if record is not None:
            (problems if _passes(record) else warnings).extend(_idle(name, record))
    (problems if played.declared else warnings).extend(_holes(played, spoiled, unbroken))
    return Finding(
        task=played.task.id,
        holds=not problems,
        summary="; ".join(problems) or _summary(played, spoiled),
        oracle=checks_score(played.oracle[0].checks) if played.oracle else None,
        noop=_score(played.noop),
        echo=_score(played.echo),
        copy=_score(played.copy),
        runs=len(played.oracle),
        check_seconds=slowest(check for record in played.oracle for check in record.checks),
        warnings=tuple(warnings),
        sabotages=spoiled,
        unbroken=unbroken,
    )


def _score(record: TrialRecord | None) -> float | None:
    return None if record is None else checks_score(record.checks)


def _summary(played: Played, spoiled: Sequence[Spoiled]) -> str:
    if not played.oracle:
        return "has no solution: not proved"
    idle = ((noop.AGENT.name, played.noop), ("echo", played.echo), ("copy", played.copy))
    scores = [(name, score) for name, record in idle if (score := _score(record)) is not None]
    text = ", ".join([f"{oracle.AGENT.name} 1", *(f"{name} {score:.2g}" for name, score in scores)])
    if len(played.oracle) > 1:
        text += f"; alike in {len(played.oracle)} runs"
    if spoiled:
        noticed = sum(1 for each in spoiled if each.failed)
        kind = "sabotages" if played.declared else "derived sabotages"
        text += f"; {noticed} of {len(spoiled)} {kind} noticed"
    return text


# ---------------------------------------------------------------------------- the oracle


def _oracle(played: Played) -> Iterator[str]:
    if not played.oracle:
        return
    first = played.oracle[0]
    yield from _problems(oracle.AGENT.name, first, 1.0)
    score = checks_score(first.checks)
    for number, record in enumerate(played.oracle[1:], start=2):
        difference = _difference(first, record)
        if difference and checks_score(record.checks) == score == 1.0:
            yield f"oracle differs in run {number} of {len(played.oracle)}: {difference}"
            return
        if difference:
            yield f"oracle scores {_shown(score)} in run 1 and differs in run {number}: {difference}"
            return


def _difference(first: TrialRecord, other: TrialRecord) -> str:
    if (first.failure is None) != (other.failure is None):
        failure = first.failure or other.failure
        return f"only one of them was measured ({failure.message if failure else ''})"
    for one, two in zip(first.checks, other.checks, strict=False):
        if one.score != two.score:
            return f"{one.label} {_shown(one.score)}, then {_shown(two.score)} ({two.reason})"
        if one.reason != two.reason:
            return f"{one.label} says {one.reason!r}, then {two.reason!r}"
    return ""


def _problems(name: str, record: TrialRecord, wanted: float) -> Iterator[str]:
    """Why an agent's score is not the one that is wanted."""
    score = checks_score(record.checks)
    unmeasured = [check for check in verified(record.checks) if check.score is None]
    if record.failure is not None:
        yield f"{name} was not measured: {record.failure.message}"
    elif unmeasured:
        yield from (f"{name}: {check.label} was not measured: {check.reason}" for check in unmeasured)
    elif score is None:
        yield f"{name} has no score: the task has no verifier but a rubric"
    elif score != wanted:
        yield f"{name} scores {score:.2f}, not {wanted:g} ({_reasons(record, wanted)})"


def _reasons(record: TrialRecord, wanted: float) -> str:
    scored = (check for check in record.checks if check.score is not None and check.score != wanted)
    return "; ".join(f"{check.label} {check.score:g}: {check.reason}" for check in scored)


# ---------------------------------------------------------------------------- agents that do no work


def _passes(record: TrialRecord) -> bool:
    """Whether an agent that does no work passes: then the task measures nothing."""
    return (checks_score(record.checks) or 0.0) >= HOLDS


def _idle(name: str, record: TrialRecord) -> Iterator[str]:
    score = checks_score(record.checks)
    if score:
        passes = "passes: it" if score >= HOLDS else "gets points: it"
        yield f"{name} {passes} scores {score:.2f} ({_reasons(record, 0.0)})"
    elif score is None and record.failure is not None:
        yield f"{name} was not measured: {record.failure.message}"


# ---------------------------------------------------------------------------- sabotages


def _telling(played: Played) -> Iterator[Spoiled]:
    """How the sabotages went, without a derived one that proves nothing.

    Where files are the result, the oracle's answer is often a courtesy that nothing needs to look at.
    """
    works = any(step.tool is not None for step in played.task.solution)
    for sabotage, record in played.sabotages:
        found = _spoiled(sabotage, record, played)
        courtesy = works and not played.declared and sabotage.answer == ""
        if found.failed or found.problems or not courtesy:
            yield found


def _spoiled(sabotage: Sabotage, record: TrialRecord, played: Played) -> Spoiled:
    """How one sabotage went: which checks it made fail, compared with the oracle's first run."""
    whole = played.oracle[0].checks
    pairs = list(zip(whole, record.checks, strict=False))
    failed = {
        at
        for at, (good, bad) in enumerate(pairs)
        if good.score is not None and bad.score is not None and bad.score < good.score
    }
    problems = list(_trouble(sabotage, record))
    if not problems:
        problems += [
            f"sabotage {sabotage.name!r}: {bad.label} was not measured: {bad.reason}"
            for good, bad in pairs
            if bad.score is None and good.score is not None
        ]
        problems += [
            f"sabotage {sabotage.name!r} does not break {whole[at].label}"
            for at in sabotage.breaks
            if at < len(whole) and at not in failed
        ]
    return Spoiled(
        name=sabotage.name,
        score=checks_score(record.checks),
        failed=tuple(whole[at].label for at in sorted(failed)),
        problems=tuple(problems),
    )


def _trouble(sabotage: Sabotage, record: TrialRecord) -> Iterator[str]:
    """Why a sabotage says nothing: its trial failed, or a step of its own does not work."""
    if record.failure is not None:
        yield f"sabotage {sabotage.name!r} was not measured: {record.failure.message}"
        return
    results = record.turns[0].results if record.turns else ()
    own = results[len(results) - len(sabotage.steps) :] if sabotage.steps else ()
    for number, result in enumerate(own, start=1):
        if not result.ok:
            yield f"step {number} of sabotage {sabotage.name!r} does not work: {result.text}"


def _unbroken(played: Played, spoiled: Sequence[Spoiled]) -> tuple[str, ...]:
    if not spoiled:
        return ()
    broken = {text for each in spoiled for text in each.failed}
    labels = [check.label for check in verified(played.oracle[0].checks)]
    return tuple(dict.fromkeys(text for text in labels if text not in broken))


def _holes(played: Played, spoiled: Sequence[Spoiled], unbroken: Sequence[str]) -> Iterator[str]:
    """Sabotages that nothing noticed, and checks that no sabotage made fail."""
    for found in spoiled:
        if not found.failed and not found.problems:
            yield f"sabotage {found.name!r} still scores {_shown(found.score)}: no check notices it"
    fix = "" if played.declared else "; write `sabotages:` that do"
    for text in unbroken:
        yield f"no sabotage makes {text} fail{fix}"


def _shown(score: float | None) -> str:
    return "nothing" if score is None else f"{score:.4g}"


# Agents that do no work: what a task gives away to them, it gives away to everybody.


COPIED_BYTES = 1024**2
"""No more of a workspace's text than this is answered and rewritten."""


def echoing(task: Task) -> Task:
    """The task as done by an agent that answers with the prompt."""
    return structs.replace(task, solution=(SolutionStep(answer=task.prompt),))


def copying(task: Task, plan: CopyPlan) -> Task:
    """The task as done by an agent that rewrites every text of the workspace as it is, and answers with all of them.

    It guesses well which files are wanted: those that a check names and the workspace has not are written too, empty.
    """
    texts = dict(_texts(plan))
    guessed = {path: "" for path in _guesses(task) if path not in plan.files}
    steps = (writing(path, text) for path, text in (texts | guessed).items())
    return structs.replace(task, solution=(*steps, SolutionStep(answer="\n".join(texts.values()))))


def _guesses(task: Task) -> Iterator[str]:
    """The files that checks look for; of a folder, some file in it."""
    for path in wanted_paths(task):
        yield posixpath.normpath(f"{path}empty" if path.endswith("/") else path)


def _texts(plan: CopyPlan) -> Iterator[tuple[str, str]]:
    room = COPIED_BYTES
    for path in plan.files:
        if path in plan.inline:
            continue
        file = Path(plan.source, path)
        try:
            text = file.read_bytes().decode() if file.stat().st_size <= room else None
        except (OSError, UnicodeDecodeError):  # not readable or no text: nothing to answer with
            continue
        if text is not None:
            room -= len(text.encode())
            yield path, text
    yield from ((path, text) for path, text in plan.inline.items() if len(text.encode()) <= room)


# Changes a task's solution on purpose: as its author says, or, where nothing is said, in the obvious ways.


NAME_CHARACTERS = 60


def sabotaged(task: Task, sabotage: Sabotage) -> Task:
    """The task with the sabotage's changes to its solution."""
    kept = [step for at, step in enumerate(task.solution) if at not in sabotage.skip]
    calls = [step for step in kept if step.tool is not None]
    answer = "".join(step.answer for step in kept if step.tool is None)
    last = SolutionStep(answer=answer if sabotage.answer is None else sabotage.answer)
    return structs.replace(task, solution=(*calls, *sabotage.steps, last))


def derived(task: Task) -> tuple[Sabotage, ...]:
    """Each step that leaves something behind left out in turn, and an empty answer where the answer says something."""
    return tuple(_derived(task))


def _derived(task: Task) -> Iterator[Sabotage]:
    for at, step in enumerate(task.solution):
        # Doing without a call that only looks changes no result.
        if step.tool is not None and not plugins.tool_traits(step.tool).looks_only:
            yield Sabotage(name=f"without {_named(step)}", skip=(at,))
    if "".join(step.answer for step in task.solution) not in {"", DEFAULT_ANSWER}:
        yield Sabotage(name="an empty answer", answer="")


def _named(step: SolutionStep) -> str:
    """A step in a few words: its tool and its first argument."""
    first = " ".join(str(next(iter(step.arguments.values()), "")).split())
    text = f"{step.tool} {first}".strip()
    return text if len(text) <= NAME_CHARACTERS else f"{text[: NAME_CHARACTERS - 1]}…"


# Plays tasks with agents that are known beforehand, several at once, without storing anything.


MOST_AT_ONCE = 8
NAME = "agent_1"
"""What the agent is told it is called, where a prompt asks for it."""


class Play(Struct, frozen=True, kw_only=True):
    """One trial to be done: `task`, with the solution that is to be played, by `agent`, on a copy of `files`."""

    task: Task
    agent: AgentConfig
    files: CopyPlan
    repeat: int = 1


async def play(
    plays: Sequence[Play], access: Access, tell: Callable[[int], None], say: Callable[[str], None] = lambda _text: None
) -> tuple[TrialRecord, ...]:
    """The records of all plays, in their order; `tell` is given the number of those that are done, one by one.

    Verifiers that run code wait while another process measures a model on this device; `say` is told of that. `access`
    decides whether those of a task's author may run at all.
    """
    async with AsyncExitStack() as stack:
        ground = await _ground(stack, [each.task for each in plays], access, say)
        room = asyncio.Semaphore(min(os.cpu_count() or 1, MOST_AT_ONCE))
        done = 0

        async def one(each: Play) -> TrialRecord:
            nonlocal done
            async with room:
                record = await run_trial(_assignment(each), ground)
            done += 1
            tell(done)
            return record

        async with asyncio.TaskGroup() as group:
            started = [group.create_task(one(each)) for each in plays]
        return tuple(each.result() for each in started)


def _assignment(each: Play) -> Assignment:
    return Assignment(
        plan=TrialPlan(run="check", agent=each.agent.name, task=each.task.id, repeat=each.repeat),
        agent=each.agent,
        fingerprint=fingerprint(each.agent),
        task=each.task,
        limits=each.task.limits,
        model_name=NAME,
        files=each.files,
    )


async def _ground(stack: AsyncExitStack, tasks: Sequence[Task], access: Access, say: Callable[[str], None]) -> Ground:
    world = await stack.enter_async_context(open_world(Outside(access=access), say))
    scratch = await asyncio.to_thread(stack.enter_context, scratch_folder())
    sandbox, reason = await _sandbox(tasks)
    return Ground(
        pool=world.pool,
        prices=world.outside.prices,
        clock=world.outside.clock,
        scratch=scratch,
        sandbox=sandbox,
        sandbox_reason=reason,
        observe=lambda _event: None,
        lanes=world.lanes,
        access=access,
    )


async def _sandbox(tasks: Sequence[Task]) -> tuple[Sandbox | None, str]:
    if not any(map(needs_commands, tasks)):
        return None, "none of these tasks needs commands"
    try:
        return await asyncio.to_thread(find_sandbox, os.environ), ""
    except NotReady as error:
        return None, str(error)


# ---------------------------------------------------------------------------- the proof


DEEP_RUNS = 5
"""How often a deep check plays the solution, to see whether it is always graded alike."""


async def check_tasks(
    tasks: Sequence[Task],
    source: Path,
    access: Access,
    *,
    deep: bool = False,
    tell: Callable[[int, int], None] = lambda _done, _of: None,
    say: Callable[[str], None] = lambda _text: None,
) -> tuple[Finding, ...]:
    """Look at every task; `source` is the folder that plain LOPs copy, `access` decides whether their own code may run.

    `tell` hears how many plays are done, of all, and `say` what is waited for.
    Each task with a solution is played by the oracle once and, if `deep`, four times more and with each sabotage; each
    task with verifiers is also played by noop, an echo of the prompt and a copy of the workspace. How long the checks
    of a task that holds take is kept for its runs.

    Raises:
        FlatfieldError: a workspace is too large, or cannot be copied.
        NotTrusted: a task's own code may not run.
    """
    access.allow([want for task in tasks for want in wants(task, access)])
    scripts = await asyncio.to_thread(lambda: [_Script(task, source, deep=deep) for task in tasks])
    plays = [each for script in scripts for each in script.plays]
    records = iter(await play(plays, access, lambda done: tell(done, len(plays)), say) if plays else ())
    findings = tuple(assess(script.played(records)) for script in scripts)
    await asyncio.to_thread(_keep_seconds, tasks, findings)
    return findings


def _keep_seconds(tasks: Sequence[Task], findings: Sequence[Finding]) -> None:
    """Runs of these tasks, on this machine, know then how long their checks may take."""
    kept = SolutionSeconds(folder_in(cache_folder(os.environ)))
    for task, finding in zip(tasks, findings, strict=True):
        if finding.holds and finding.check_seconds is not None:
            kept.keep(task.digest, finding.check_seconds)


class _Script:
    """What is to be played of one task, in an order that its records are told apart by."""

    def __init__(self, task: Task, source: Path, *, deep: bool) -> None:
        self._task = task
        self._verified = is_verified(task)
        self._runs = (DEEP_RUNS if deep else 1) if task.solution else 0
        self._sabotages: tuple[Sabotage, ...] = ()
        if deep and task.solution and self._verified:
            self._sabotages = task.sabotages or derived(task)
        self.plays: tuple[Play, ...] = ()
        if self._runs or self._verified:
            self.plays = tuple(self._plays(_copied(task, source)))

    def _plays(self, files: CopyPlan) -> Iterator[Play]:
        for repeat in range(1, self._runs + 1):
            yield Play(task=self._task, agent=oracle.AGENT, files=files, repeat=repeat)
        if self._verified:
            yield Play(task=self._task, agent=noop.AGENT, files=files)
            yield Play(task=echoing(self._task), agent=oracle.FORGIVING_AGENT, files=files)
            yield Play(task=copying(self._task, files), agent=oracle.FORGIVING_AGENT, files=files)
        for sabotage in self._sabotages:
            yield Play(task=sabotaged(self._task, sabotage), agent=oracle.FORGIVING_AGENT, files=files)

    def played(self, records: Iterator[TrialRecord]) -> Played:
        """Take this task's records, the next ones of all."""
        return Played(
            task=self._task,
            oracle=tuple(next(records) for _ in range(self._runs)),
            noop=next(records) if self._verified else None,
            echo=next(records) if self._verified else None,
            copy=next(records) if self._verified else None,
            sabotages=tuple((sabotage, next(records)) for sabotage in self._sabotages),
            declared=bool(self._task.sabotages),
        )


def _copied(task: Task, source: Path) -> CopyPlan:
    """What the task's workspaces hold.

    Raises:
        FlatfieldError: it is too large, not there, or cannot be read.
    """
    try:
        return plan_copy(task, source)
    except OSError as error:
        raise FlatfieldError(
            f"the workspace of {task.id} cannot be copied: {error.filename or source}: {error.strerror}; "
            "make it readable, or move it away"
        ) from error
