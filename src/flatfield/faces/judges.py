"""How a run is graded and what its judges are worth, as sentences for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.machine.models import cache_folder
from flatfield.runs.verdicts.fitness import examination
from flatfield.scoring.judge.judge import rubric_of
from flatfield.scoring.judge.labelled_set import labelled_set
from flatfield.scoring.performance import is_verified

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig, Run


def grading_notes(run: Run, judges: Sequence[AgentConfig], environ: Mapping[str, str]) -> tuple[str, ...]:
    """What the user is to know of how a run is graded: what no judge grades, or what its judges are worth."""
    rubrics = [task for task in run.tasks if rubric_of(task)]
    if judges and not rubrics:
        return ("no task has a rubric, so there is nothing for the judge to grade",)
    alone = [task.id for task in rubrics if not is_verified(task)]
    if alone and not judges:
        return (f"without a judge, performance and overall are not measured on: {', '.join(alone)}",)
    return warnings_of(judges, environ)


def warnings_of(judges: Sequence[AgentConfig], environ: Mapping[str, str]) -> tuple[str, ...]:
    """One sentence for each judge that never passed the check on the labelled set that ships."""
    return tuple(_warnings(judges, environ)) if judges else ()


def _warnings(judges: Sequence[AgentConfig], environ: Mapping[str, str]) -> Iterator[str]:
    cases, folder = labelled_set(), cache_folder(environ)
    for agent in judges:
        found = examination(agent, folder, cases)
        figures = found.fitness
        if figures is None or figures.passed is None:
            yield (
                f"judge {agent.name} never passed its check, so nobody knows what its letters are worth:"
                f" flatfield judge check {agent.name}"
            )
        elif not figures.passed:
            failed = next(each for each in figures.criteria if not each.holds)
            yield (
                f"judge {agent.name} failed its check on {found.checked_at[:10]} ({failed.name}: {failed.found});"
                f" do not rely on its letters"
            )
