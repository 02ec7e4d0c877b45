"""Reports and decisions of stored runs, as long as a client's model can take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs, to_builtins

from flatfield import plugins
from flatfield.errors import FlatfieldError
from flatfield.faces.mcp.answers import Choice, Report
from flatfield.faces.storing import store_of
from flatfield.faces.wording import beginning
from flatfield.records import Weights
from flatfield.runs.results import load_result
from flatfield.scoring.decision import Constraints, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from flatfield.faces.mcp.desk import Desk
    from flatfield.records import ReportTraits

LONGEST_CHARACTERS = 20_000
"""What of a report is returned by the tool: clients cut long results themselves, at 25,000 tokens or less."""


def formats() -> Mapping[str, ReportTraits]:
    """The formats of reports that a client can be given, by their names: all but those that are drawn on a terminal."""
    found = {name: plugins.report_traits(name) for name in plugins.names("report")}
    return {name: traits for name, traits in found.items() if not traits.on_terminal}


def report_of(run: str, form: str, desk: Desk) -> Report:
    """The report of a run; a long one is shortened by its format's `shorter(text, characters)`, else to its beginning.

    Raises:
        NotFound: there is no such run.
    """
    result = load_result(store_of(desk.project()), run or None)
    module = plugins.load("report", form)
    text: str = module.render(result)
    complete = len(text) <= LONGEST_CHARACTERS
    shorter: Callable[[str, int], str] = getattr(module, "shorter", beginning)
    return Report(
        run=result.run.id,
        format=form,
        text=text if complete else shorter(text, LONGEST_CHARACTERS),
        complete=complete,
        resource=f"flatfield://runs/{result.run.id}/report/{form}",
    )


def choose(run: str, weights: Mapping[str, float] | None, constraints: Mapping[str, Any], desk: Desk) -> Choice:
    """The recommendation for a run.

    Raises:
        NotFound: there is no such run.
        FlatfieldError: all weights are 0.
    """
    if weights is not None and not any(weights.values()):
        raise FlatfieldError("weights are all 0: at least one must be above")
    wanted = Constraints(**constraints, weights=Weights(**weights) if weights is not None else None)
    result = load_result(store_of(desk.project()), run or None, weights=wanted.weights)
    decision = decide(result, structs.replace(wanted))
    return Choice.model_validate(to_builtins(decision))
