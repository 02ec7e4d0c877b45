"""Whether judges have passed their check, as sentences for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.agent.models import cache_folder
from flatfield.runs.verdicts.fitness import examination
from flatfield.scoring.judge.labelled_set import labelled_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig


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
