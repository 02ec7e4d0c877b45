"""What every report says, as sections of text and tables, in the order that each kind of report is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.reports._chains import long_chain, reliability
from flatfield.faces.reports._comparisons import comparisons
from flatfield.faces.reports._criteria import criteria
from flatfield.faces.reports._judging import judging
from flatfield.faces.reports._manifest import manifest_section
from flatfield.faces.reports._metrics import metrics, tasks_apart
from flatfield.faces.reports._notes import notes
from flatfield.faces.reports._published import published_section
from flatfield.faces.reports._ranking import full_ranking, grades, places, targets
from flatfield.faces.reports._responses import responses
from flatfield.faces.reports._skills import skills
from flatfield.faces.reports._summary import letters

if TYPE_CHECKING:
    from flatfield.faces.blocks import Section
    from flatfield.records import RunResult


def whole(result: RunResult) -> tuple[Section, ...]:
    """Everything, in the order of the original project's response format."""
    return (
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
    )
