"""What every report says, in the one order of all faces: the answer, the ranking, letters, what failed, all else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from flatfield.faces.advice import in_short
from flatfield.faces.blocks import Section
from flatfield.faces.comparisons import no_difference, sentence, tells_apart
from flatfield.faces.reports._criteria import criteria, published_section
from flatfield.faces.reports._judging import judging
from flatfield.faces.reports._manifest import manifest_section
from flatfield.faces.reports._metrics import long_chain, metrics, reliability, tasks_apart
from flatfield.faces.reports._ranking import letters, ranking, skills, targets
from flatfield.faces.reports._responses import every_trial, failures
from flatfield.faces.varied import verdicts
from flatfield.faces.wording import dollars, many, seconds
from flatfield.scoring.comparing import asked_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import RunResult


ALL = 1_000_000


class Room(Struct, frozen=True, kw_only=True):
    """How much of each part is shown: the answer's points, agents of a table, agents that failed, tasks, notes.

    `beside`: so many tasks stand side by side; more make more tables.
    """

    points: int = ALL
    agents: int = ALL
    failed: int = ALL
    tasks: int = ALL
    notes: int = ALL
    beside: int = 9


# What stands first, on every face.


def first(result: RunResult, room: Room) -> tuple[Section, ...]:
    """The answer, the ranking, the letters by task, and what failed."""
    said = in_short(result)
    varied = [replace(one, points=one.points[: room.points]) for one in verdicts(result)]
    return (
        Section(title="The Answer", paragraphs=(said.title,), points=_cut(said.points, room.points)),
        *varied,
        ranking(result, room.agents),
        letters(result, room.agents, room.tasks, room.beside),
        failures(result, room.failed),
    )


def _cut(points: tuple[str, ...], most: int) -> tuple[str, ...]:
    """So many points at most: the first ones, and the last two, which say what would make it surer."""
    return points if len(points) <= most else (*points[: most - 2], *points[-2:])


# The comparisons that people ask for, one sentence each.


def comparisons(result: RunResult) -> Iterator[Section]:
    """The two best, cloud against local, each agent against the last run."""
    earlier = result.earlier
    shown = [each for each in earlier if tells_apart(each)]
    points = [sentence(each) for each in (*asked_for(result), *shown)]
    if quiet := len(earlier) - len(shown):
        points.append(no_difference(earlier[0].second_run, quiet))
    if points:
        text = (
            "Who did more of the work, in points of 100, whatever it took. Any other two: flatfield compare A B --run"
            f" {result.run.id}"
        )
        yield Section(title="Two at a Time", paragraphs=(text,), points=tuple(points))


# What else is to be known of a run: remarks, failures, versions, and how to run it again.


def notes(result: RunResult, most: int = ALL) -> Section:
    """The notes, those on grading among them; of many the first ones."""
    run = result.run
    versions = ", ".join(f"{name} {value}" for name, value in run.versions.items())
    points = (
        *run.notes,
        *result.grading.notes,
        *_judging(result),
        f"run {run.id} of {run.created_at}, seed {run.evaluation.seed}" + (f"; {versions}" if versions else ""),
        f"to run it again: {run.command}" if run.command else "imported figures: there is nothing to run again",
    )
    left = len(points) - most
    return Section(title="Notes", points=points if left <= 0 else (*points[:most], f"and {many(left, 'more note')}"))


def remarks(result: RunResult, most: int) -> Iterator[Section]:
    """The notes that somebody has to see who reads no more than the beginning."""
    found = (*result.run.notes, *result.grading.notes, *_judging(result))
    if found and most > 0:
        more = (f"and {many(len(found) - most, 'more note')}",) if len(found) > most else ()
        yield Section(title="Notes", points=(*found[:most], *more))


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


def whole(result: RunResult) -> tuple[Section, ...]:
    """Everything."""
    return (*first(result, Room()), *rest(result))


def folded(result: RunResult, room: Room) -> tuple[Section, ...]:
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
