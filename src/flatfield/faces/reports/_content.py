"""What every report says, in the one order of all faces: the answer, the ranking, letters, what failed, all else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from flatfield.faces.advice import in_short
from flatfield.faces.blocks import Section
from flatfield.faces.comparisons import no_difference, sentence, tells_apart
from flatfield.faces.composed import routed
from flatfield.faces.reports._criteria import criteria, published_section
from flatfield.faces.reports._judging import judging
from flatfield.faces.reports._manifest import manifest_section
from flatfield.faces.reports._metrics import long_chain, metrics, reliability, tasks_apart
from flatfield.faces.reports._ranking import CONTROL, letters, ranking, skills, targets
from flatfield.faces.reports._responses import every_trial, failures
from flatfield.faces.varied import verdicts
from flatfield.faces.wording import dollars, many, seconds
from flatfield.scoring.comparing import asked_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import RunResult


ALL = 1_000_000


class Shown(Struct, frozen=True, kw_only=True):
    """How much of each part is shown: the answer's points, agents ranked, with letters, that failed; tasks, notes.

    `beside`: so many tasks stand side by side; more make more tables.
    """

    points: int = ALL
    agents: int = ALL
    letters: int = ALL
    failed: int = ALL
    tasks: int = ALL
    notes: int = ALL
    beside: int = 9


# What stands first, on every face.


class First(Struct, frozen=True, kw_only=True):
    """The answer, what varied settings did, the ranking, the letters by task, and what failed."""

    answer: Section
    varied: tuple[Section, ...]
    ranking: Section
    letters: Section
    failures: Section

    @property
    def sections(self) -> tuple[Section, ...]:
        """All of them, in the order of all faces."""
        return (self.answer, *self.varied, self.ranking, self.letters, self.failures)


def first(result: RunResult, room: Shown) -> First:
    """All that stands first, uncut; `room` says how the tasks stand."""
    said, ranks = in_short(result), ranking(result)
    return First(
        answer=Section(title="The Answer", paragraphs=(said.title,), points=said.points),
        varied=tuple(verdicts(result)),
        ranking=replace(ranks, after=(*ranks.after, *routed(result))),
        letters=letters(result, room.tasks, room.beside),
        failures=failures(result),
    )


def cut(found: First, room: Shown) -> First:
    """What of it there is room for: of the answer's points the last two stay, which say what would make it surer."""
    points = found.answer.points
    kept = points if len(points) <= room.points else (*points[: room.points - 2], *points[-2:])
    return First(
        answer=replace(found.answer, points=kept),
        varied=tuple(replace(one, points=one.points[: room.points]) for one in found.varied),
        ranking=_of_agents(found.ranking, room.agents),
        letters=_of_agents(found.letters, room.letters),
        failures=replace(found.failures, points=_first_points(found.failures.points, room.failed, "agent")),
    )


def _of_agents(section: Section, most: int) -> Section:
    """The section with the first agents of its tables; controls are few."""
    tables = [replace(one, rows=one.rows[:most]) if CONTROL not in one.columns else one for one in section.tables]
    left = max((len(one.rows) - most for one in section.tables if CONTROL not in one.columns), default=0)
    more = (f"and {many(left, 'more agent')} below them",) if left > 0 else ()
    return replace(section, tables=tuple(tables), after=(*more, *section.after))


def _first_points(points: tuple[str, ...], most: int, thing: str) -> tuple[str, ...]:
    left = len(points) - most
    return points if left <= 0 else (*points[:most], f"and {many(left, f'more {thing}')}")


# The comparisons that people ask for, one sentence each.


def comparisons(result: RunResult) -> Iterator[Section]:
    """The two best, cloud against local, each agent against the last run."""
    points = [*map(sentence, asked_for(result)), *_since(result)]
    if points:
        text = (
            "Who did more of the work, in points of 100, whatever it took. Any other two: flatfield compare A B --run"
            f" {result.run.id}"
        )
        yield Section(title="Two at a Time", paragraphs=(text,), points=tuple(points))


def _since(result: RunResult) -> Iterator[str]:
    """What is other than in the last run of the same tasks."""
    shown = [each for each in result.earlier if tells_apart(each)]
    yield from map(sentence, shown)
    if quiet := len(result.earlier) - len(shown):
        yield no_difference(result.earlier[0].second_run, quiet)


# What else is to be known of a run: remarks, failures, versions, and how to run it again.


def notes(result: RunResult) -> Section:
    """The notes, those on grading among them."""
    run = result.run
    versions = ", ".join(f"{name} {value}" for name, value in run.versions.items())
    return Section(
        title="Notes",
        points=(
            *_remarks(result),
            f"run {run.id} of {run.created_at}, seed {run.evaluation.seed}" + (f"; {versions}" if versions else ""),
            f"to run it again: {run.command}" if run.command else "imported figures: there is nothing to run again",
        ),
    )


def remarks(result: RunResult, most: int) -> Iterator[Section]:
    """What somebody has to see who reads no more than the beginning: the last run, how rounds ended, what came last."""
    run = result.run
    others = (note for note in reversed(run.notes) if note not in run.rounds_ended)
    found = (*_since(result), *run.rounds_ended, *reversed(result.grading.notes), *_judging(result), *others)
    if found and most > 0:
        yield Section(title="Notes", points=_first_points(found, most, "note"))


def _remarks(result: RunResult) -> Iterator[str]:
    yield from (*result.run.notes, *result.grading.notes, *_judging(result))


def _judging(result: RunResult) -> Iterator[str]:
    failed = [verdict for verdict in result.verdicts if verdict.letter is None]
    if failed:
        yield f"{many(len(failed), 'verdict')} without a letter; the first: {failed[0].reason}"


# All the rest.


def rest(result: RunResult) -> tuple[Section, ...]:
    """Everything that does not stand first."""
    return (
        metrics(result),
        *skills(result),
        tasks_apart(result),
        *comparisons(result),
        *reliability(result),
        *long_chain(result),
        *targets(result),
        *published_section(result),
        *judging(result),
        every_trial(result),
        criteria(result),
        manifest_section(result),
        notes(result),
    )


def folded(result: RunResult, room: Shown) -> tuple[Section, ...]:
    """Of all the rest what has room: sums, the rules in short, and notes."""
    return (
        Section(title="Performance Metrics", paragraphs=(_used(result),)),
        criteria(result, brief=True),
        *remarks(result, room.notes),
    )


def _used(result: RunResult) -> str:
    """What all agents took together, as far as it is known."""
    cards = result.grading.scorecards
    took = [card.active_seconds for card in cards if card.active_seconds is not None]
    usd = [card.known_usd for card in cards if card.known_usd is not None]
    unpriced = sum(card.ran - card.priced for card in cards if not card.control)
    parts = (
        f"{seconds(math.fsum(took))} of work (the models' and their tools' time)" if took else "no time is known",
        dollars(math.fsum(usd)) if usd else "no cost is known",
    )
    lacking = f"; the cost of {many(unpriced, 'trial')} is not known" if unpriced else ""
    return f"All trials together: {', '.join(parts)}{lacking}."
