"""The scatter on a terminal: within its width, every agent numbered and named, and nothing in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from flatfield.faces.pages.scatter_text import scatter_lines, show_scatter
from flatfield.faces.reports import terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import RunResult

pytestmark = pytest.mark.whole


def console(*, is_terminal: bool, width: int = 80) -> Console:
    return Console(force_terminal=is_terminal, width=width, color_system=None, markup=False, highlight=False)


@pytest.mark.parametrize("width", [40, 62, 80])
def test_it_fits_and_names_everybody(width: int, published: RunResult) -> None:
    lines = scatter_lines(published, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for number, name in enumerate(published.grading.order, start=1):
        assert f"{number} {name}" in text
    chart = lines[2:-4]
    for number in range(1, 10):
        assert any(str(number) in line.partition("┤")[2] or str(number) in line.partition("│")[2] for line in chart), (
            number
        )
    assert "dollars of a typical trial" in text
    assert "gpt-5-nano*" in text
    assert "gpt-5-mini*" not in text


def test_where_all_are_free_it_is_time(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> None:
    trials = [
        trial(agent=name, more={"cost_usd": 0.0, "active_seconds": took}) for name, took in (("a", 2.0), ("b", 9.0))
    ]
    assert "active seconds of a typical trial" in "\n".join(scatter_lines(make_result(trials), 80))


def test_who_does_no_work_is_not_marked_for_being_the_fastest(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    took = (("works", 1.0, 9.0), ("idle", 0.0, 2.0))
    trials = [trial(agent=name, score=score, more={"active_seconds": seconds}) for name, score, seconds in took]
    text = "\n".join(scatter_lines(make_result(trials), 80))
    assert "1 works*  2 idle  (* does the job, and nobody is better at both)" in text
    nobody = "\n".join(scatter_lines(make_result([trial(agent=name, score=0.0) for name in "ab"]), 80))
    assert "1 a" in nobody
    assert "*" not in nobody


def test_of_many_the_best_have_numbers(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> None:
    trials = [trial(agent=f"m{n}", score=n / 40, more={"cost_usd": 0.001 * 1.3**n}) for n in range(40)]
    text = "\n".join(scatter_lines(make_result(trials), 80))
    assert "30 m" in text
    assert "31 m" not in text
    assert "without a number: " in text


def test_one_agent_has_nothing_to_stand_against(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    assert scatter_lines(make_result([trial()]), 80) == []


def test_it_is_drawn_on_terminals_alone(published: RunResult) -> None:
    for is_terminal in (True, False):
        screen = console(is_terminal=is_terminal)
        with screen.capture() as capture:
            show_scatter(published, screen)
        assert ("Performance against cost" in capture.get()) is is_terminal
    assert "Performance against cost" not in terminal.render(published)


def test_names_move_no_cursor(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> None:
    result = make_result([trial(agent="a\x1b[2J"), trial(agent="b\u202e")])
    text = "\n".join(scatter_lines(result, 80))
    assert "\x1b" not in text
    assert "\u202e" not in text
