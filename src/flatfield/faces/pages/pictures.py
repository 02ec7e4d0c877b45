"""A run as a picture: the answer, performance against cost or time, and letters by task; drawn without a browser."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from flatfield.faces.pages.charts import GROUNDS, Frame, canvas, scatter, worth_showing
from flatfield.faces.pages.colors import LETTERS, looks
from flatfield.faces.pages.page import need_library
from flatfield.faces.pages.payload import packed
from flatfield.faces.wording import middle_cut, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.faces.pages.charts import Spec
    from flatfield.records import RunResult

MOST_TASKS, MOST_AGENTS = 40, 60
"""Letters of more do not fit into a picture."""
NAME = 32
"""Characters of a name in a picture."""
PNG_SCALE = 2.0
"""Pixels of a PNG for each of the picture's: sharp on screens that have many."""


def as_svg(result: RunResult) -> str:
    """The picture of a run, as SVG.

    Raises:
        NotReady: the library that draws it is not there.
    """
    need_library()
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(_of(result))
    return drawn


def as_png(result: RunResult) -> bytes:
    """The picture of a run, as PNG.

    Raises:
        NotReady: the library that draws it is not there.
    """
    need_library()
    import vl_convert

    drawn: bytes = vl_convert.vegalite_to_png(_of(result), scale=PNG_SCALE)
    return drawn


def _of(result: RunResult) -> Spec:
    figures = packed(result, looks(result.run.agents)).figures
    names = {agent["name"] for agent in figures["agents"]}
    ranked = [name for name in map(printable, result.grading.order) if name in names]
    spec: Spec = _shown(picture(figures, [*ranked, *sorted(names.difference(ranked))]))
    return spec


def _shown(part: Any) -> Any:  # noqa: ANN401 - any part of a spec
    """The same with every text on one line and nothing unseen in it: the library ends the process at some of that."""
    if isinstance(part, str):
        return " ".join(printable(part).split())
    if isinstance(part, dict):
        return {name: _shown(value) for name, value in part.items()}
    return [_shown(each) for each in part] if isinstance(part, list | tuple) else part


def picture(figures: Mapping[str, Any], order: Sequence[str]) -> Spec:
    """What a picture of a run shows, on a light ground: the answer above, the scatter, and letters by task."""
    agents, frame = figures["agents"], Frame(width=620, height=330)
    amount = worth_showing(agents)
    parts = [
        {**part, "title": {"text": title, "anchor": "start", "fontSize": 13}}
        for part, title in (
            (scatter(agents, amount, frame), f"Performance against {'cost' if amount == 'usd' else 'time'}"),
        )
        if part
    ]
    grid = letter_grid(figures, order)
    datasets: dict[str, Any] = {}
    for number, part in enumerate(parts):
        datasets |= _renamed(part, number)
    config = canvas(frame)["config"]
    for part in (*parts, *([grid] if grid else [])):
        for key in ("config", "background", "params"):
            part.pop(key, None)
    return {
        "background": GROUNDS[False]["ground"],
        "padding": 18,
        "title": {
            "text": textwrap.wrap(figures["said"]["answer"], 96),
            "subtitle": textwrap.wrap(f"{figures['run']['title']} · {figures['run']['counted']}", 120),
            "anchor": "start",
            "fontSize": 15,
            "subtitleFontSize": 12,
            "subtitleColor": GROUNDS[False]["faint"],
            "offset": 14,
        },
        "datasets": datasets,
        "params": [{"name": "hot", "value": ""}],
        # No limit: the library cuts between the halves of a character, and then fails.
        "config": {**config, "axis": {**config["axis"], "labelLimit": 0}, "concat": {"spacing": 26}},
        "vconcat": [*parts, *([grid] if grid else [])] or [_nothing()],
        "resolve": {"scale": {"color": "independent", "x": "independent", "y": "independent"}},
    }


def _renamed(part: Spec, number: int) -> dict[str, Any]:
    """Take a part's datasets out of it, under names that no other part has."""
    datasets = part.pop("datasets")
    for layer in part["layer"]:
        layer["data"] = {"name": f"{layer['data']['name']}{number}"}
    return {f"{name}{number}": rows for name, rows in datasets.items()}


def _nothing() -> Spec:
    return {
        "data": {"values": [{}]},
        "width": 620,
        "height": 40,
        "mark": {"type": "text", "text": "Nothing is measured yet.", "align": "left", "x": 0, "fontSize": 13},
    }


def letter_grid(figures: Mapping[str, Any], order: Sequence[str]) -> Spec | None:
    """Performance letters, agents by tasks; None where they are too many for a picture, or none."""
    cells, tasks = figures["cells"], [task["id"] for task in figures["tasks"]]
    if not order or not tasks or len(tasks) > MOST_TASKS or len(order) > MOST_AGENTS:
        return None
    short = {agent["name"]: middle_cut(agent["short"], NAME) for agent in figures["agents"]}
    rows = [
        {
            "task": middle_cut(task, NAME),
            "agent": short[name],
            "letter": cells["performance"][place * len(cells["agents"]) + column],
        }
        for place, task in enumerate(tasks)
        for column, name in enumerate(cells["agents"])
        if name in order
    ]
    at = {
        "x": {"field": "task", "type": "nominal", "sort": None, "axis": {"title": None, "labelAngle": -40}},
        "y": {"field": "agent", "type": "nominal", "sort": [short[name] for name in order], "axis": {"title": None}},
    }
    ground = {"type": "rect", "cornerRadius": 3, "stroke": GROUNDS[False]["ground"], "strokeWidth": 2}
    return {
        "title": {"text": "Performance by task", "anchor": "start", "fontSize": 13},
        "data": {"values": rows},
        "width": {"step": min(34.0, 620.0 / len(tasks))},
        "height": {"step": 22},
        "layer": [
            {"mark": ground, "encoding": {**at, "color": _by_letter(0, "#ece8df")}},
            {
                "mark": {"type": "text", "fontWeight": 700, "fontSize": 11},
                "encoding": {**at, "text": {"field": "letter"}, "color": _by_letter(1, "#5c6570")},
            },
        ],
        "resolve": {"scale": {"color": "independent"}},
    }


def _by_letter(which: int, unmeasured: str) -> Spec:
    """Each letter's ground (0) or text (1); what is not measured has its own, who takes no part has none."""
    shades = [*(colors[which] for colors in LETTERS.values()), unmeasured, "#00000000"]
    return {
        "field": "letter",
        "type": "nominal",
        "scale": {"domain": [*LETTERS, "·", " "], "range": shades},
        "legend": None,
    }
