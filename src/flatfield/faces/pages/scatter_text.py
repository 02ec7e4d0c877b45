"""The scatter for a terminal: performance against cost or time in characters, with intervals, numbers and a legend."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flatfield.faces.drawing import packed, say
from flatfield.faces.pages.charts import on_front, placed, ticks, worth_showing
from flatfield.faces.pages.payload import typical
from flatfield.saying import few
from flatfield.scoring.decision import decide
from flatfield.scoring.measures.scales import BANDS
from flatfield.tasks.agents import short_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from flatfield.faces.pages.charts import Agent, Amount, Axis, Point
    from flatfield.records import RunResult
    from flatfield.scoring.certainty.values import Standing

WIDTH, HEIGHT = 80, 17
MOST = 30
"""So many agents have a number; of more, those on the front and then the best."""
LEAST = 2
"""With fewer there is nothing to compare."""


def show_scatter(result: RunResult, console: Console, order: Sequence[str] = ()) -> None:
    """Draw it where there is a terminal to see it; a file or a pipe gets tables alone.

    `order`: in which agents are numbered; else as the report ranks them.
    """
    if not console.is_terminal or console.width < WIDTH // 2:
        return
    for line in scatter_lines(result, min(console.width, WIDTH), order):
        say(line, console)


def scatter_lines(result: RunResult, width: int, order: Sequence[str] = ()) -> list[str]:
    """The lines; none where fewer than two agents have a place."""
    decision = decide(result)
    standings = {one.agent: one for one in decision.standings}
    agents = _agents(result, standings)
    amount = worth_showing(agents)
    points, axis, bottom = placed(agents, amount)
    if len(points) < LEAST:
        return []
    eligible = {name for name, one in standings.items() if one.allowed} if decision.recommended else set()
    front = {point.agent["name"] for point in on_front(points)} & eligible
    ranked = [*dict.fromkeys([*order, *result.grading.order]), *sorted(point.agent["name"] for point in points)]
    chosen = sorted(points, key=lambda point: ranked.index(point.agent["name"]))
    if len(chosen) > MOST:
        best = sorted(chosen, key=lambda point: point.agent["name"] not in front)[:MOST]
        chosen = [point for point in chosen if point in best]
    numbers = {point.agent["name"]: str(number) for number, point in enumerate(chosen, start=1)}
    title = f"Performance against {'cost' if amount == 'usd' else 'time'}"
    drawn = _drawn(chosen, numbers, (axis, bottom), amount, width)
    return ["", title, *drawn, *_legend(points, numbers, front, width)]


def _agents(result: RunResult, standings: Mapping[str, Standing]) -> list[Agent]:
    cards = [card for card in result.grading.scorecards if not card.control]
    short = short_names(card.agent for card in cards)
    return [
        {
            "name": card.agent,
            "short": short.get(card.agent, card.agent),
            "typical": typical(card, standings.get(card.agent)),
        }
        for card in cards
    ]


def _drawn(
    points: Sequence[Point], numbers: dict[str, str], scale: tuple[Axis, float], amount: Amount, width: int
) -> list[str]:
    import plotext

    axis, bottom = scale
    figure = plotext.figure
    figure.clear()
    figure.plot_size(width, HEIGHT)
    figure.ruler("x").lim(math.log10(axis.low), math.log10(axis.high))
    figure.ruler("y").lim(bottom, 1.0)
    for point in points:
        x, (low, high) = math.log10(point.x), point.x_ends
        if low < high:
            figure.draw(figure.segment((math.log10(low), math.log10(high)), (point.y, point.y), marker="─"))
        if point.y_ends[0] < point.y_ends[1]:
            figure.draw(figure.segment((x, x), point.y_ends, marker="│"))
    for at, number in reversed(_apart(points, numbers, scale, width)):
        figure.draw(figure.text(*at, number))
    marks = _marks(axis, amount)
    figure.ruler("x").ticks([math.log10(value) for value, _ in marks], [text for _, text in marks])
    bands = [(least, letter) for letter, least in BANDS if bottom < least < 1.0]
    figure.ruler("y").ticks([least for least, _ in bands], [letter for _, letter in bands])
    figure.axes(active=False, side=1)
    figure.label("dollars of a typical trial" if amount == "usd" else "active seconds of a typical trial")
    lines = plotext.uncolorize(str(figure.build())).splitlines()
    figure.clear()
    return [line.rstrip() for line in lines]


def _apart(
    points: Sequence[Point], numbers: dict[str, str], scale: tuple[Axis, float], width: int
) -> list[tuple[tuple[float, float], str]]:
    """Where each number stands: at its point, or to the right of numbers that stand there already."""
    axis, bottom = scale
    taken: set[tuple[int, int]] = set()
    found = []
    for point in points:
        number = numbers[point.agent["name"]]
        column, row = round(axis.pixel(point.x, width - 3)), round((point.y - bottom) / (1.0 - bottom) * (HEIGHT - 4))
        while any((column + each, row) in taken for each in range(len(number) + 1)):
            column += 1
        taken |= {(column + each, row) for each in range(len(number) + 1)}
        found.append(((math.log10(axis.value(column, width - 3)), point.y), number))
    return found


def _marks(axis: Axis, amount: Amount) -> Iterator[tuple[float, str]] | list[tuple[float, str]]:
    """Where the axis has numbers, at most one of each power of ten, and what is free."""
    sign, unit = ("$", "") if amount == "usd" else ("", " s")
    after = axis.free * 1.5 if axis.free else 0.0
    found = [(value, f"{sign}{value:g}{unit}") for value in ticks(axis) if value > after]
    whole = [mark for mark in found if math.log10(mark[0]) % 1.0 == 0.0]
    shown = whole if len(whole) > 1 else found
    return [(axis.free, f"{sign}0{unit}"), *shown] if axis.free else shown


def _legend(points: Sequence[Point], numbers: dict[str, str], front: set[str], width: int) -> Iterator[str]:
    names = {point.agent["name"]: point.agent["short"] for point in points}
    items = [f"{number} {names[name]}{'*' if name in front else ''}" for name, number in numbers.items()]
    meaning = ("(* does the job, and nobody is better at both)",) if front else ()
    yield from packed((*items, *meaning), width)
    left_out = [names[name] for name in names if name not in numbers]
    if left_out:
        yield from packed((f"without a number: {few(left_out, 3)}",), width)
