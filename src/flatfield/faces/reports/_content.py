"""What every report says, as sections of text and tables, in the order that each kind of report is read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec.structs import replace

from flatfield.faces.advice import in_short
from flatfield.faces.blocks import Section
from flatfield.faces.comparisons import no_difference, sentence, tells_apart
from flatfield.faces.composed import routes
from flatfield.faces.reports._criteria import criteria, published_section
from flatfield.faces.reports._judging import judging
from flatfield.faces.reports._manifest import manifest_section
from flatfield.faces.reports._metrics import long_chain, metrics, reliability, tasks_apart
from flatfield.faces.reports._ranking import full_ranking, grades, letters, places, ranked, skills, targets
from flatfield.faces.reports._responses import responses
from flatfield.faces.varied import verdicts
from flatfield.faces.wording import dollars, many, seconds
from flatfield.scoring.comparing import asked_for
from flatfield.scoring.performance import trial_scores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import RunResult


MOST_AGENTS = 8
MOST_POINTS = 9
"""So many agents, and so much of the advice, are in a report in brief."""

# The comparisons that people ask for, one sentence each.


def comparisons(result: RunResult, *, brief: bool = False) -> Iterator[Section]:
    """The two best, cloud against local, each agent against the last run; the compact form has what changed since."""
    found = asked_for(result)
    earlier = result.earlier
    shown = [each for each in earlier if tells_apart(each)] if brief else list(earlier)
    points = [sentence(each) for each in (*found, *shown)]
    quiet = len(earlier) - len(shown)
    if quiet:
        points.append(no_difference(earlier[0].second_run, quiet))
    if points:
        text = (
            'The work is performance, in points of 100. Any two: flatfield compare A B. "Better" is performance alone.'
        )
        yield Section(title="In One Sentence", paragraphs=(text,), points=tuple(points))


# What else is to be known of a run: remarks, failures, versions, and how to run it again.


def notes(result: RunResult) -> Section:
    """The notes, those on grading among them."""
    run = result.run
    versions = ", ".join(f"{name} {value}" for name, value in run.versions.items())
    return Section(
        title="Notes",
        points=(
            *run.notes,
            *result.grading.notes,
            *_judging(result),
            f"run {run.id} of {run.created_at}, seed {run.evaluation.seed}" + (f"; {versions}" if versions else ""),
            f"reproduce: {run.command}" if run.command else "imported figures: there is nothing to run again",
        ),
    )


def _judging(result: RunResult) -> Iterator[str]:
    failed = [verdict for verdict in result.verdicts if verdict.letter is None]
    if failed:
        yield f"{many(len(failed), 'verdict')} without a letter; the first: {failed[0].reason}"


def whole(result: RunResult) -> tuple[Section, ...]:
    """Everything, in the order of the original project's response format."""
    return (
        *verdicts(result),
        responses(result),
        grades(result),
        letters(result),
        metrics(result),
        *skills(result),
        tasks_apart(result),
        *comparisons(result),
        *routes(result),
        *reliability(result),
        *long_chain(result),
        *targets(result),
        *published_section(result),
        *judging(result),
        criteria(result),
        manifest_section(result),
        notes(result),
        places(result),
    )


def in_brief(result: RunResult) -> tuple[Section, ...]:
    """The answer, and the sections of the original's response format with what stands first of each."""
    said = in_short(result)
    cards = ranked(result)
    left = len(cards) - MOST_AGENTS
    more = (f"and {many(left, 'more agent')} below them",) if left > 0 else ()
    varied = [replace(one, points=one.points[: MOST_POINTS // 2], tables=()) for one in verdicts(result)]
    points = said.points[: MOST_POINTS // 3 if varied else MOST_POINTS]
    return (
        Section(title="The Answer", paragraphs=(said.title,), points=points),
        *varied,
        Section(title="Agent Responses", paragraphs=(_responded(result),)),
        _first(replace(grades(result), paragraphs=(), points=more)),
        Section(title="Performance Metrics", paragraphs=(_used(result),)),
        Section(title="Grading Criteria", paragraphs=criteria(result, brief=True).paragraphs[:2]),
        _first(replace(places(result), paragraphs=(), points=more)),
    )


def _first(section: Section) -> Section:
    """The section with its first table alone, and the first agents in it."""
    return replace(section, tables=tuple(replace(one, rows=one.rows[:MOST_AGENTS]) for one in section.tables[:1]))


def _responded(result: RunResult) -> str:
    trials = [trial for trial in result.trials if trial.agent not in result.run.controls]
    scores = trial_scores(result.run, result.trials, result.verdicts)
    whole_ones = sum(scores.get(trial.id) == 1.0 for trial in trials)
    failed = sum(trial.failure is not None for trial in trials)
    lost = f", {failed:,} failed in the harness" if failed else ""
    return f"{whole_ones:,} of {many(len(trials), 'trial')} did all of the work{lost}."


def _used(result: RunResult) -> str:
    """What all agents took together, as far as it is known."""
    cards = result.grading.scorecards
    took = [card.active_seconds for card in cards if card.active_seconds is not None]
    usd = [card.known_usd for card in cards if card.known_usd is not None]
    unpriced = sum(card.ran - card.priced for card in cards if not card.control)
    parts = (
        f"{seconds(math.fsum(took))} of active time" if took else "nobody tells how long it took",
        dollars(math.fsum(usd)) if usd else "no cost is known",
    )
    lacking = f"; the cost of {many(unpriced, 'trial')} is not known" if unpriced else ""
    return f"All trials together: {', '.join(parts)}{lacking}."


def compact(result: RunResult) -> tuple[Section, ...]:
    """The same in fewer lines, the details first: on a terminal what matters stands last, above the prompt."""
    return (
        criteria(result, brief=True),
        manifest_section(result, brief=True),
        *published_section(result, brief=True),
        responses(result, brief=True),
        tasks_apart(result, brief=True),
        *judging(result, brief=True),
        notes(result),
        metrics(result, brief=True),
        *skills(result),
        *targets(result),
        *reliability(result, brief=True),
        *long_chain(result, brief=True),
        letters(result, brief=True),
        *comparisons(result, brief=True),
        *routes(result),
        full_ranking(result),
        *verdicts(result),
    )
