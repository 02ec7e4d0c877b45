"""What every report says, as sections of text and tables, in the order that each kind of report is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section
from flatfield.faces.comparisons import no_difference, sentence, tells_apart
from flatfield.faces.reports._criteria import criteria, published_section
from flatfield.faces.reports._judging import judging
from flatfield.faces.reports._manifest import manifest_section
from flatfield.faces.reports._metrics import long_chain, metrics, reliability, tasks_apart
from flatfield.faces.reports._ranking import full_ranking, grades, letters, places, skills, targets
from flatfield.faces.reports._responses import responses
from flatfield.faces.varied import verdicts
from flatfield.faces.wording import many
from flatfield.scoring.comparing import asked_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import RunResult


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
        full_ranking(result),
        *verdicts(result),
    )
