"""Reports and decisions of stored runs, as long as a client's model can take them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs, to_builtins

from flatfield import plugins
from flatfield.errors import FlatfieldError
from flatfield.faces.mcp.answers import Choice, Report
from flatfield.faces.storing import store_of
from flatfield.records import Weights
from flatfield.runs.results import load_result
from flatfield.scoring.decision import Constraints, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from flatfield.faces.mcp.desk import Desk

LONGEST_CHARACTERS = 20_000
"""What of a report is returned by the tool: clients cut long results themselves, at 25,000 tokens or less."""


def report_of(run: str, form: str, desk: Desk) -> Report:
    """The report of a run; a long one is shortened, as its format allows.

    Raises:
        NotFound: there is no such run.
    """
    result = load_result(store_of(desk.project()), run or None)
    text: str = plugins.load("report", form).render(result)
    complete = len(text) <= LONGEST_CHARACTERS
    return Report(
        run=result.run.id,
        format=form,
        text=text if complete else _SHORTER[form](text),
        complete=complete,
        resource=f"flatfield://runs/{result.run.id}/report/{form}",
    )


def _shorter_markdown(text: str) -> str:
    """The report without its longest sections, as many of them as must go; each leaves its heading."""
    head, *sections = re.split(r"(?m)^(?=## )", text)
    for section in sorted(sections, key=len, reverse=True):
        if len(head) + sum(map(len, sections)) <= LONGEST_CHARACTERS:
            break
        title = section.split("\n", 1)[0]
        sections[sections.index(section)] = f"{title}\n\n(left out here; the resource has it)\n\n"
    return _shorter_lines(head + "".join(sections))


def _shorter_json(text: str) -> str:
    """The report with its smallest values, as many as there is room for; `left_out` names the others."""
    report: dict[str, msgspec.Raw] = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    kept: dict[str, msgspec.Raw] = {}
    room = LONGEST_CHARACTERS - sum(len(name) + 8 for name in report)
    for name, value in sorted(report.items(), key=lambda item: len(bytes(item[1]))):
        if len(bytes(value)) <= room:
            kept[name] = value
            room -= len(bytes(value))
    left_out = [name for name in report if name not in kept]
    shown = {name: value for name, value in report.items() if name in kept}
    return msgspec.json.encode({**shown, "left_out": left_out}).decode()


def _shorter_lines(text: str) -> str:
    """The text's beginning, cut at a line's end."""
    return text if len(text) <= LONGEST_CHARACTERS else text[: text.rfind("\n", 0, LONGEST_CHARACTERS) + 1]


_SHORTER: Mapping[str, Callable[[str], str]] = {
    "markdown": _shorter_markdown,
    "json": _shorter_json,
    "csv": _shorter_lines,
}


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
