"""What plays of a task show about it: whether its checks can be passed, failed, and passed without doing the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.records import Sabotage, Task, TrialRecord  # noqa: TC001 - msgspec
from flatfield.runs.witness import slowest
from flatfield.scoring.performance import checks_score, verified
from flatfield.scoring.scales import HOLDS
from flatfield.tasks.lop import check_prompt
from flatfield.vendors import noop, oracle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    """What checking one task showed; `holds` False: it does not measure what it says. Scores None: not measured.

    `runs`: how often the oracle played; `check_seconds`: how long the slowest check of its work took. `unbroken`: the
    labels of the checks that no sabotage made fail.
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
