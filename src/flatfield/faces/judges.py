"""How a run is graded and what its judges are worth, as sentences for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from flatfield.machine.models import cache_folder
from flatfield.runs.judge_check import examination
from flatfield.scoring.judge.fitness import labelled_set
from flatfield.scoring.judge.judge import mode_of, rubric_of
from flatfield.scoring.performance import is_verified

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig, Run
    from flatfield.scoring.judge.fitness import Fitness, ListFitness


def grading_notes(run: Run, judges: Sequence[AgentConfig], environ: Mapping[str, str]) -> tuple[str, ...]:
    """What the user is to know of how a run is graded: what no judge grades, or what its judges are worth."""
    rubrics = [task for task in run.tasks if rubric_of(task)]
    if judges and not rubrics:
        return ("no task has a rubric, so there is nothing for the judge to grade",)
    alone = [task.id for task in rubrics if not is_verified(task)]
    if alone and not judges:
        return (f"without a judge, performance and overall are not measured on: {', '.join(alone)}",)
    return warnings_of(run, judges, environ)


def warnings_of(run: Run, judges: Sequence[AgentConfig], environ: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each judge that never passed the check on the labelled set that ships, as this run asks it."""
    modes = frozenset(mode_of(rubric) for rubric in map(rubric_of, run.tasks) if rubric)
    return tuple(_warnings(judges, modes, environ)) if judges else ()


def _warnings(
    judges: Sequence[AgentConfig], modes: frozenset[Literal["item", "list"]], environ: Mapping[str, str]
) -> Iterator[str]:
    cases, folder = labelled_set(), cache_folder(environ)
    for agent in judges:
        found = examination(agent, folder, cases)
        ways: list[tuple[str, Fitness | ListFitness | None]] = []
        if "item" in modes:
            ways.append(("its check", found.fitness))
        if "list" in modes:
            ways.append(("its check with lists, which rubrics that compare need", found.list_fitness))
        unknown = [check for check, figures in ways if figures is None or figures.passed is None]
        if unknown:
            yield (
                f"judge {agent.name} never passed {unknown[0]}, so nobody knows what its letters are worth:"
                f" flatfield judge check {agent.name}"
            )
        for check, figures in ways:
            if figures is not None and figures.passed is False:
                failed = next(each for each in figures.criteria if not each.holds)
                said = f"{failed.name}: {failed.found}"
                yield (
                    f"judge {agent.name} failed {check}, on {found.checked_at[:10]} ({said});"
                    " do not rely on its letters"
                )
