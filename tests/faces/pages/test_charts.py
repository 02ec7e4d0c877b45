"""Charts are Vega-Lite that its schema accepts; points stand where they should, and labels cover nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest

from flatfield.faces.pages import charts
from flatfield.faces.pages.charts import Axis, Frame


def agent(
    name: str, performance: float, usd: float | None, seconds: float = 10.0, wide: float = 0.05
) -> dict[str, Any]:
    spread = None if usd is None else (usd, usd * 0.7, usd * 1.4)
    return {
        "name": name,
        "short": name,
        "shape": "circle",
        "shade": ("#000000", "#ffffff"),
        "performance": {"said": "A"},
        "typical": {
            "performance": (performance, max(performance - wide, 0.0), min(performance + wide, 1.0)),
            "seconds": (seconds, seconds * 0.8, seconds * 1.2),
            "usd": spread,
        },
    }


FEW = [agent("free", 0.6, 0.0), agent("cheap", 0.8, 0.001), agent("dear", 0.9, 0.3), agent("worse", 0.7, 0.4)]
FRAME = Frame(width=600, height=350)


@pytest.mark.whole
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.some(1)
def test_specs_are_vega_lite(dark: bool) -> None:
    import altair as alt

    frame = Frame(width=600, height=350, dark=dark)
    for spec in (charts.scatter(FEW, "usd", frame), charts.differences(frame), charts.timelines(frame)):
        assert spec is not None
        alt.Chart.from_dict(spec)


def test_the_front_is_who_nobody_beats_on_both() -> None:
    spec = charts.scatter(FEW, "usd", FRAME)
    assert spec is not None
    assert [row["agent"] for row in spec["datasets"]["front"]] == ["free", "cheap", "dear"]


def test_what_is_free_stands_left_of_all_that_is_not() -> None:
    spec = charts.scatter(FEW, "usd", FRAME)
    assert spec is not None
    at = {row["agent"]: row["x"] for row in spec["datasets"]["agents"]}
    assert 0.0 < at["free"] < at["cheap"] < at["dear"]
    axis = spec["layer"][1]["encoding"]["x"]["axis"]
    assert axis["values"][0] == at["free"]
    assert "'$0'" in axis["labelExpr"]


def test_who_has_no_price_is_in_time_alone() -> None:
    both = [*FEW, agent("unknown", 0.9, None)]
    for amount, count in (("usd", 4), ("seconds", 5)):
        spec = charts.scatter(both, amount, FRAME)  # type: ignore[arg-type]
        assert spec is not None
        assert len(spec["datasets"]["agents"]) == count
    assert charts.scatter([agent("unknown", 0.9, None)], "usd", FRAME) is None


def test_labels_cover_neither_points_nor_one_another() -> None:
    crowd = [agent(f"a-model-with-a-name-{n}", 0.5 + (n * 7 % 40) / 100, 0.01 * 1.2 ** (n * 5 % 23)) for n in range(40)]
    spec = charts.scatter(crowd, "usd", FRAME)
    assert spec is not None
    labels, points = spec["datasets"]["labels"], spec["datasets"]["agents"]
    assert 8 <= len(labels) < 40
    _, axis, bottom = charts.placed(crowd, "usd")
    boxes = [_box(label, axis, bottom) for label in labels]
    dots = [(axis.pixel(row["x"], FRAME.width), (1 - row["y"]) / (1 - bottom) * FRAME.height) for row in points]
    for at, (left, top, right, under) in enumerate(boxes):
        assert not any(left < x < right and top < y < under for x, y in dots)
        for others in boxes[at + 1 :]:
            assert right <= others[0] or others[2] <= left or under <= others[1] or others[3] <= top


def _box(label: dict[str, Any], axis: Axis, bottom: float) -> tuple[float, float, float, float]:
    x, y = axis.pixel(label["x"], FRAME.width), (1 - label["y"]) / (1 - bottom) * FRAME.height
    width = len(label["label"]) * charts.CHARACTER
    left = x if label["align"] == "left" else x - width
    return left, y - charts.LINE / 2, left + width, y + charts.LINE / 2


@pytest.mark.parametrize(("low", "high"), [(0.0001, 900.0), (1.0, 2.1), (3.0, 47.0)])
def test_ticks_are_round_numbers_inside(low: float, high: float) -> None:
    found = charts.ticks(Axis(low=low, high=high, free=None))
    assert found
    assert all(low <= value <= high for value in found)
    assert all(float(f"{value:.1g}") == value for value in found)


def test_pixels_and_values_are_two_ways_to_say_one_thing() -> None:
    axis = Axis(low=0.01, high=10.0, free=None)
    assert axis.pixel(0.01, 500) == 0.0
    assert math.isclose(axis.value(axis.pixel(0.37, 500), 500), 0.37)
