"""Charts as Vega-Lite specs, which are data: performance against cost or time, differences, and turns' times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from flatfield.faces.pages.talks import KINDS
from flatfield.saying import dollars, seconds
from flatfield.scoring.scales import BANDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Spec = dict[str, Any]
Amount = Literal["usd", "seconds"]
Agent = dict[str, Any]
"""An agent of `payload.Packed.figures`."""

FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"
CHARACTER, LINE = 6.7, 15.0
"""Pixels of a label's character and line: labels are placed where they cover nothing."""
GROUNDS = {
    False: {"ground": "#fffdf9", "text": "#1d2228", "faint": "#5c6570", "grid": "#e6e1d6", "front": "#6a7380"},
    True: {"ground": "#191d23", "text": "#eceae4", "faint": "#a9b0b9", "grid": "#343a43", "front": "#9aa3ae"},
}
TIMES = {
    False: ("#9aa0a6", "#c2570c", "#c9b458", "#7fb2dd", "#0b62ad", "#00795c"),
    True: ("#767d86", "#f29b54", "#eacb3f", "#9fc9ee", "#62abf0", "#43c59e"),
}
"""The colour of each of KINDS."""


class Frame(Struct, frozen=True, kw_only=True):
    """How large a chart's plot is, in pixels, and on which ground."""

    width: int
    height: int
    dark: bool = False


class Axis(Struct, frozen=True, kw_only=True):
    """A logarithmic axis from `low` to `high`; what is free stands at `free`, left of the rest (None: none is)."""

    low: float
    high: float
    free: float | None

    def pixel(self, value: float, width: int) -> float:
        """Where a value stands."""
        return math.log(value / self.low) / math.log(self.high / self.low) * width

    def value(self, pixel: float, width: int) -> float:
        """What stands at a pixel."""
        return self.low * math.exp(pixel / width * math.log(self.high / self.low))


class Point(Struct, frozen=True, kw_only=True):
    """An agent where it stands: performance in 0..1, and seconds or dollars of a typical trial, each with its 95%."""

    agent: Agent
    x: float
    x_ends: tuple[float, float]
    y: float
    y_ends: tuple[float, float]


# Performance against cost or time.


def scatter(agents: Sequence[Agent], amount: Amount, frame: Frame) -> Spec | None:
    """Every agent with both known, its intervals, and the front; None where there is none."""
    points, axis, bottom = placed(agents, amount)
    if not points:
        return None
    tint = GROUNDS[frame.dark]
    x = _x(axis, amount, tint)
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"domain": [bottom, 1.0], "nice": False},
        "axis": {"title": "performance", "format": ".2~f", "grid": False, "tickCount": 6},
    }
    front = [_row(point, frame) for point in on_front(points)]
    return {
        **canvas(frame),
        "description": _description(points, amount),
        "datasets": {
            "agents": [_row(point, frame) for point in points],
            "front": front,
            "labels": list(_labels(points, axis, bottom, frame)),
            "bands": [{"y": least} for _, least in BANDS if bottom < least < 1.0],
            "letters": list(_letters(bottom, axis)),
        },
        "params": [{"name": "hot", "value": ""}],
        "layer": list(_layers(x, y, frame)),
    }


def placed(agents: Sequence[Agent], amount: Amount) -> tuple[list[Point], Axis, float]:
    """Every agent of which both are known; the axis that holds them, and the performance that it begins at."""
    known = [agent for agent in agents if agent["typical"]["performance"] and agent["typical"][amount]]
    if not known:
        return [], Axis(low=0.1, high=10.0, free=None), 0.0
    axis = _axis([agent["typical"][amount] for agent in known])
    points = [_point(agent, amount, axis) for agent in known]
    lowest = min(point.y_ends[0] for point in points)
    return points, axis, min(max(math.floor((lowest - 0.03) * 20) / 20, 0.0), 0.9)


def worth_showing(agents: Sequence[Agent]) -> Amount:
    """Dollars where agents differ in them, else seconds."""
    return "usd" if len({agent["typical"]["usd"][0] for agent in agents if agent["typical"]["usd"]}) > 1 else "seconds"


def _layers(x: Spec, y: Spec, frame: Frame) -> Iterator[Spec]:
    """From the back to the front: bands and their letters, the front, intervals, points, names."""
    tint = GROUNDS[frame.dark]
    color = {"field": "color", "type": "nominal", "scale": None}
    yield from _ground(x, y, tint)
    rule, ink = {"type": "rule", "strokeWidth": 1.6, "aria": False}, {"color": color, "opacity": _lit(0.55)}
    for ends in (
        {"x": {**x, "field": "x0"}, "x2": {"field": "x1"}, "y": y},
        {"x": x, "y": {**y, "field": "y0"}, "y2": {"field": "y1"}},
    ):
        yield {"data": {"name": "agents"}, "mark": rule, "encoding": {**ends, **ink}}
    yield {
        "data": {"name": "agents"},
        "mark": {"type": "point", "filled": True, "size": 130, "stroke": tint["ground"], "strokeWidth": 1.2},
        "encoding": {
            "x": x,
            "y": y,
            "color": color,
            "shape": {"field": "shape", "type": "nominal", "scale": None},
            "opacity": _lit(1),
            "description": {"field": "said"},
        },
    }
    written = {"type": "text", "align": {"expr": "datum.align"}, "baseline": "middle", "fontSize": 12, "aria": False}
    halo = {"stroke": tint["ground"], "strokeWidth": 3.5, "strokeJoin": "round", "opacity": 0.85}
    at = {"x": x, "y": y, "text": {"field": "label"}}
    yield {
        "data": {"name": "labels"},
        "mark": {**written, **halo},
        "encoding": {**at, "color": {"value": tint["ground"]}},
    }
    yield {
        "data": {"name": "labels"},
        "mark": written,
        "encoding": {**at, "color": {"value": tint["text"]}, "opacity": _lit(1)},
    }


def _ground(x: Spec, y: Spec, tint: Mapping[str, str]) -> Iterator[Spec]:
    yield {
        "data": {"name": "bands"},
        "mark": {"type": "rule", "color": tint["grid"], "aria": False},
        "encoding": {"y": y},
    }
    yield {
        "data": {"name": "letters"},
        "mark": {"type": "text", "align": "left", "dx": 5, "fontWeight": 700, "color": tint["faint"], "aria": False},
        "encoding": {"x": x, "y": y, "text": {"field": "letter"}, "opacity": {"value": 0.7}},
    }
    dashes = {"type": "line", "interpolate": "step-after", "strokeDash": [5, 4], "color": tint["front"], "aria": False}
    yield {
        "data": {"name": "front"},
        "mark": dashes,
        "encoding": {"x": x, "y": y, "order": {"field": "x", "type": "quantitative"}},
    }


def _lit(usual: float) -> Spec:
    """How strong a mark is: one agent's alone where one is pointed at."""
    found = [{"test": "hot === datum.agent", "value": 1}, {"test": "hot === ''", "value": usual}]
    return {"condition": found, "value": 0.18}


def _axis(levels: Sequence[tuple[float, float, float]]) -> Axis:
    """From the least that is above 0 to the most; intervals that reach further than 30 times leave the picture."""
    means = [mean for mean, _, _ in levels if mean > 0.0]
    if not means:
        return Axis(low=0.1, high=10.0, free=1.0)
    low = max(min(low for mean, low, _ in levels if mean > 0.0), min(means) / 30.0)
    high = min(max(high for mean, _, high in levels if mean > 0.0), max(means) * 30.0)
    low, high = low / 1.15, high * 1.25
    if any(mean <= 0.0 for mean, _, _ in levels):
        step = max((high / low) ** 0.12, 1.6)
        return Axis(low=low / step / 1.4, high=high, free=low / step)
    return Axis(low=low, high=high, free=None)


def _point(agent: Agent, amount: Amount, axis: Axis) -> Point:
    y, y_low, y_high = agent["typical"]["performance"]
    mean, low, high = agent["typical"][amount]
    if mean <= 0.0:
        free = axis.free or axis.low
        return Point(agent=agent, x=free, x_ends=(free, free), y=y, y_ends=(y_low, y_high))
    ends = (max(low, axis.low), min(high, axis.high))
    return Point(agent=agent, x=mean, x_ends=ends, y=y, y_ends=(y_low, y_high))


def on_front(points: Sequence[Point]) -> list[Point]:
    """The agents that nobody matches on both axes and beats on one, the cheapest or fastest first."""
    return sorted(
        (
            one
            for one in points
            if not any(
                other.x <= one.x and other.y >= one.y and (other.x < one.x or other.y > one.y) for other in points
            )
        ),
        key=lambda point: point.x,
    )


def _row(point: Point, frame: Frame) -> Spec:
    agent = point.agent
    return {
        "agent": agent["name"],
        "x": point.x,
        "x0": point.x_ends[0],
        "x1": point.x_ends[1],
        "y": point.y,
        "y0": point.y_ends[0],
        "y1": point.y_ends[1],
        "color": agent["shade"][int(frame.dark)],
        "shape": agent["shape"],
        "said": _said(agent),
    }


def _said(agent: Agent) -> str:
    """`gpt-5: performance A (B–S), 12.3 s, $0.0123`."""
    took, usd = agent["typical"]["seconds"], agent["typical"]["usd"]
    cost = dollars(usd[0]) if usd else dollars(None)
    return f"{agent['short']}: performance {agent['performance']['said']}, {seconds(took[0] if took else None)}, {cost}"


def _description(points: Sequence[Point], amount: Amount) -> str:
    what = "dollars" if amount == "usd" else "seconds"
    best = ", ".join(point.agent["short"] for point in on_front(points)[:8])
    return (
        f"Performance of {len(points)} agents against the {what} of a typical trial."
        f" Nobody is better at both than: {best}."
    )


def _letters(bottom: float, axis: Axis) -> Iterator[Spec]:
    """Each letter in the middle of its band, beside the right edge."""
    upper = 1.0
    for letter, least in BANDS:
        low = max(least, bottom)
        if upper - low > 0.02:
            yield {"letter": letter, "y": (upper + low) / 2, "x": axis.high}
        upper = least
        if upper <= bottom:
            return


def _x(axis: Axis, amount: Amount, tint: Mapping[str, str]) -> Spec:
    title = "dollars of a typical trial" if amount == "usd" else "active seconds of a typical trial"
    shown = [value for value in ticks(axis) if axis.free is None or value > axis.free * 1.5]
    unit, nothing = "format(datum.value, '.3~r') + ' s'", "0 s"
    if amount == "usd":
        unit, nothing = "'$' + format(datum.value, datum.value < 0.01 ? '.1~g' : '.3~r')", "$0"
    said = unit if axis.free is None else f"{axis.free!r} >= datum.value ? '{nothing}' : {unit}"
    values = shown if axis.free is None else [axis.free, *shown]
    return {
        "field": "x",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [axis.low, axis.high], "nice": False},
        "axis": {
            "title": f"{title}, less is better",
            "values": values,
            "labelExpr": said,
            "gridColor": tint["grid"],
            "gridOpacity": 0.6,
            "labelOverlap": True,
            "labelSeparation": 5,
        },
    }


def ticks(axis: Axis) -> list[float]:
    """1, 2 and 5 of each power of ten; only the powers where the axis is long."""
    powers = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
    steps = (1,) if len(powers) > 5 else (1, 3) if len(powers) > 3 else (1, 2, 5)
    found = [step * 10.0**power for power in powers for step in steps]
    return [float(f"{value:.3g}") for value in found if axis.low <= value <= axis.high]


# Where labels go: to the side of their point where they cover nothing; those without room are told by the table.


class Box(Struct, frozen=True, kw_only=True):
    """A rectangle in pixels, from the upper left."""

    left: float
    top: float
    right: float
    bottom: float

    def is_within(self, frame: Frame) -> bool:
        """Whether it is inside the plot."""
        return self.left >= 0 and self.right <= frame.width and self.top >= -4 and self.bottom <= frame.height + 4

    def overlaps(self, other: Box) -> bool:
        """Whether they cover one another."""
        apart = self.right < other.left or other.right < self.left or self.bottom < other.top or other.bottom < self.top
        return not apart


def _labels(points: Sequence[Point], axis: Axis, bottom: float, frame: Frame) -> Iterator[Spec]:
    front = {point.agent["name"] for point in on_front(points)}

    def at(point: Point) -> tuple[float, float]:
        return axis.pixel(point.x, frame.width), (1.0 - point.y) / (1.0 - bottom) * frame.height

    taken = [Box(left=x - 7, top=y - 7, right=x + 7, bottom=y + 7) for x, y in map(at, points)]
    for point in sorted(points, key=lambda one: (one.agent["name"] not in front, -one.y)):
        x, y = at(point)
        for box, align, anchor in _places(x, y, len(point.agent["short"]) * CHARACTER):
            if box.is_within(frame) and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                height = (box.top + box.bottom) / 2
                yield {
                    "agent": point.agent["name"],
                    "label": point.agent["short"],
                    "align": align,
                    "x": axis.value(anchor, frame.width),
                    "y": 1.0 - height / frame.height * (1.0 - bottom),
                }
                break


def _places(x: float, y: float, width: float) -> Iterator[tuple[Box, str, float]]:
    """Where a label may stand, the best place first: its box, its alignment, and its anchor."""
    half = LINE / 2
    for lift in (-12.0, 13.0, -22.0, 24.0, 0.0):
        side = 11.0 if lift == 0.0 else 5.0
        yield Box(left=x + side, top=y + lift - half, right=x + side + width, bottom=y + lift + half), "left", x + side
        yield Box(left=x - side - width, top=y + lift - half, right=x - side, bottom=y + lift + half), "right", x - side


# Two agents task by task, and where the time of turns went; the page gives them their rows.


def differences(frame: Frame) -> Spec:
    """First minus second by task, sorted; rows: `task`, `off` in -1..1, `better` (first, second, level)."""
    tint = GROUNDS[frame.dark]
    shades = ("#0b62ad", "#c2570c", tint["faint"]) if not frame.dark else ("#62abf0", "#f29b54", tint["faint"])
    return {
        **canvas(frame),
        "height": {"step": 18},
        "data": {"name": "rows", "values": []},
        "mark": {"type": "bar", "height": {"band": 0.7}, "minBandSize": 1},
        "encoding": {
            "y": {
                "field": "task",
                "type": "nominal",
                "sort": None,
                "axis": {"title": None, "labelLimit": _room(frame)},
            },
            "x": {
                "field": "off",
                "type": "quantitative",
                "scale": {"domain": [-1, 1]},
                "axis": {"title": "difference in performance", "format": "+.1~f", "orient": "top"},
            },
            "color": {
                "field": "better",
                "type": "nominal",
                "scale": {"domain": ["first", "second", "level"], "range": list(shades)},
                "legend": None,
            },
            "description": {"field": "said"},
        },
    }


def timelines(frame: Frame) -> Spec:
    """Turns of some trials; rows: `trial`, `turn`, `kind` (of KINDS), `start` and `end` in seconds."""
    return {
        **canvas(frame),
        "height": {"step": 26},
        "data": {"name": "rows", "values": []},
        "mark": {"type": "bar", "height": {"band": 0.72}, "stroke": GROUNDS[frame.dark]["ground"], "strokeWidth": 0.6},
        "encoding": {
            "y": {
                "field": "trial",
                "type": "nominal",
                "sort": None,
                "axis": {"title": None, "labelLimit": _room(frame)},
            },
            "x": {"field": "start", "type": "quantitative", "axis": {"title": "seconds", "grid": True}},
            "x2": {"field": "end"},
            "color": {
                "field": "kind",
                "type": "nominal",
                "scale": {"domain": list(KINDS), "range": list(TIMES[frame.dark])},
                "legend": {"orient": "top", "title": None, "columns": 3 if frame.width < 400 else 6},
            },
            "description": {"field": "said"},
        },
    }


def dots(amount: Amount, frame: Frame) -> Spec:
    """Single trials as they finish; rows: `x` in seconds or dollars, `y` 0..1, `color`, `shape`, and what is `said`."""
    tint = GROUNDS[frame.dark]
    unit = "datum.label ? datum.label + ' s' : ''" if amount == "seconds" else "datum.label ? '$' + datum.label : ''"
    title = "active seconds of the trial" if amount == "seconds" else "dollars of the trial"
    return {
        **canvas(frame),
        "height": 200,
        "data": {"name": "rows", "values": []},
        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.7},
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "scale": {"type": "log", "nice": False, "padding": 16},
                "axis": {
                    "title": f"{title}, less is better",
                    "format": "~r",
                    "tickCount": 6,
                    "grid": False,
                    "labelExpr": unit,
                    "labelOverlap": True,
                    "labelSeparation": 5,
                },
            },
            "y": {
                "field": "y",
                "type": "quantitative",
                "scale": {"domain": [-0.06, 1.06], "nice": False},
                "axis": {
                    "title": "score",
                    "values": [0, 0.25, 0.5, 0.75, 1],
                    "format": ".2~f",
                    "gridColor": tint["grid"],
                },
            },
            "color": {"field": "color", "type": "nominal", "scale": None},
            "shape": {"field": "shape", "type": "nominal", "scale": None},
            "description": {"field": "said"},
        },
    }


def _room(frame: Frame) -> int:
    """Pixels for names beside a plot."""
    return 70 if frame.width < 300 else 220


def canvas(frame: Frame) -> Spec:
    """What all charts have: their size, and the colours of the ground that they stand on."""
    tint = GROUNDS[frame.dark]
    return {
        "width": frame.width,
        "height": frame.height,
        "background": "transparent",
        "config": {
            "font": FONT,
            "view": {"stroke": None},
            "axis": {
                "labelColor": tint["faint"],
                "titleColor": tint["faint"],
                "labelFontSize": 11,
                "titleFontSize": 12,
                "titleFontWeight": 500,
                "domainColor": tint["grid"],
                "tickColor": tint["grid"],
                "gridColor": tint["grid"],
            },
            "legend": {"labelColor": tint["text"], "labelFontSize": 12},
            "title": {"color": tint["text"]},
        },
    }
