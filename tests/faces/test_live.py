"""The view of a run while it runs: a row per agent on a terminal, a line per finished trial elsewhere."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from flatfield.faces.live import LiveView
from flatfield.records import Check, Event, EventKind, Failure, TrialPlan, TrialRecord

if TYPE_CHECKING:
    from flatfield.testing.clocks import FakeClock

LONG = "openai-chat:qwen3-coder-30b-a3b-instruct@127.0.0.1:8080"


def plans(*agents: str, repeats: int = 2) -> tuple[TrialPlan, ...]:
    return tuple(TrialPlan(run="r", agent=a, task="t", repeat=n) for a in agents for n in range(1, repeats + 1))


def event(kind: EventKind, agent: str = "a", text: str = "", **more: Any) -> Event:
    return Event(kind=kind, agent=agent, task="t", repeat=1, text=text, **more)


def finished(agent: str = "a", score: float = 1.0, **more: Any) -> Event:
    check = Check(verifier="v", label="l", score=score, reason="r")
    values: dict[str, Any] = {
        "run": "r",
        "agent": agent,
        "task": "t",
        "repeat": 1,
        "task_digest": "",
        "agent_fingerprint": "",
    }
    values |= {"stop": "answered", "checks": (check,), "active_seconds": 1.5, "cost_usd": 0.002} | more
    return event("trial_finished", agent, record=TrialRecord(**values))


def console(width: int = 100, *, terminal: bool = False) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    made = Console(file=stream, width=width, force_terminal=terminal, emoji=False, markup=False, highlight=False)
    return made, stream


def table(view: LiveView, width: int = 100) -> list[str]:
    screen, stream = console(width)
    screen.print(view.table())
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_off_a_terminal_each_finished_trial_is_one_plain_line(clock: FakeClock) -> None:
    screen, stream = console()
    with LiveView(screen, plans("a", "b"), clock) as view:
        view.observe(event("trial_started"))
        view.observe(event("tool", text="read_file {}"))
        view.observe(finished("a"))
        view.observe(finished("b", failure=Failure(kind="provider", message="down\n" * 60), cost_usd=None))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "[1/4] a · t #1 · score 1.00 · 1.50 s · $0.00200"
    assert lines[1].startswith("[2/4] b · t #1 · not measured (provider): down down")
    assert len(lines) == 2


async def test_a_terminal_shows_a_row_per_agent_with_trials_spend_and_the_last_event(clock: FakeClock) -> None:
    view = LiveView(console()[0], plans("a", "b", "c"), clock)
    view.observe(finished("a"))
    view.observe(event("tool", "a", 'read_file {"file_path": "x"}'))
    view.observe(event("waiting", "b", "lane gpu"))
    view.observe(finished("c", failure=Failure(kind="provider", message="down"), cost_usd=None))
    await clock.sleep(65.0)
    assert [line.split() for line in table(view)] == [
        ["agent", "trials", "passed", "running", "spent", "last", "event"],
        ["a", "1/2", "1", "0", "$0.00200", "t", "#1:", "read_file", '{"file_path":', '"x"}'],
        ["b", "0/2", "–", "0", "–", "t", "#1:", "waits", "for", "its", "lane", "gpu"],
        ["c", "1/2,", "1", "failed", "–", "0", "–", "t", "#1:", "not", "measured", "(provider):", "down"],
        ["all", "2/6", "1", "0", "$0.00200"],
        ["65.0", "s,", "about", "2", "min", "left"],
    ]


def test_what_runs_is_counted_and_passed_is_not_half_done(clock: FakeClock) -> None:
    view = LiveView(console()[0], plans("a", "b"), clock)
    for agent in ("a", "b"):
        view.observe(event("trial_started", agent))
    assert table(view)[-2].split() == ["all", "0/4", "–", "2", "–"]
    view.observe(finished("a", score=0.5))
    assert [line.split()[:4] for line in table(view)[1:-1]] == [
        ["a", "1/2", "0", "0"],
        ["b", "0/2", "–", "1"],
        ["all", "1/4", "0", "1"],
    ]


def test_on_a_usual_terminal_what_runs_stands_beside_the_time(clock: FakeClock) -> None:
    view = LiveView(console(80)[0], plans("a", "b"), clock)
    for agent in ("a", "b"):
        view.observe(event("trial_started", agent))
    assert table(view, 80)[-1] == "2 running, 0.00 s"
    view.observe(finished("a"))
    assert table(view, 80)[-1].startswith("1 running, 0.00 s")


async def test_what_is_left_begins_with_the_forecast_and_goes_by_what_was_seen(clock: FakeClock) -> None:
    view = LiveView(console()[0], plans("a", repeats=100), clock, expected_seconds=3000.0)
    assert table(view)[-1] == "0.00 s, about 50 min left"
    await clock.sleep(10.0)
    view.observe(finished("a"))
    by_both = (99 * 10.0 * 1 + 0.99 * 3000.0 * 3) / 4
    assert table(view)[-1] == f"10.0 s, about {round(by_both / 60)} min left"
    nobody_knows = LiveView(console()[0], plans("a"), clock)
    assert table(nobody_knows)[-1] == "0.00 s"


async def test_what_is_left_becomes_less_before_anything_is_done(clock: FakeClock) -> None:
    view = LiveView(console()[0], plans("a"), clock, expected_seconds=300.0)
    assert table(view)[-1] == "0.00 s, about 5 min left"
    await clock.sleep(180.0)
    assert table(view)[-1] == "3 min 0 s, about 2 min left"
    await clock.sleep(180.0)
    assert table(view)[-1] == "6 min 0 s, longer than foreseen"


async def test_a_quiet_agent_is_said_to_be_at_work(clock: FakeClock) -> None:
    view = LiveView(console()[0], plans("a", "b"), clock)
    view.observe(event("trial_started", "a"))
    await clock.sleep(9.0)
    assert "quiet" not in " ".join(table(view))
    await clock.sleep(16.0)
    assert table(view)[1].endswith("quiet for 25 s, t #1: started")
    assert "quiet" not in table(view)[2], "it does not run"
    view.observe(event("tool", "a", "read_file {}"))
    assert "quiet" not in table(view)[1]


async def test_off_a_terminal_a_line_a_minute_says_that_it_goes_on(clock: FakeClock) -> None:
    screen, stream = console()
    with LiveView(screen, plans("a"), clock, expected_seconds=600.0) as view:
        view.still()
        view.observe(event("trial_started", "a"))
        await clock.sleep(59.0)
        view.still()
        assert stream.getvalue() == ""
        await clock.sleep(2.0)
        view.still()
        view.still()
        assert stream.getvalue() == "at work: 1 running, 0 of 2 done, 0 passed, 61.0 s, about 9 min left\n"


def test_more_agents_than_lines_leave_the_sums_in_sight(clock: FakeClock) -> None:
    screen = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    view = LiveView(screen, plans(*(f"agent-{number}" for number in range(43))), clock)
    view.observe(event("trial_started", "agent-42"))
    lines = table(view, 80)
    assert len(lines) < 24
    assert any(line.startswith("agent-42 ") for line in lines), "it is at work"
    assert lines[-3].split() == ["and", "25", "more"]
    assert lines[-2].startswith("all")


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_table_fits_and_each_agent_keeps_one_row(clock: FakeClock, width: int) -> None:
    view = LiveView(console(width)[0], plans(LONG, LONG.replace("30b", "7b"), "oracle"), clock)
    view.observe(event("turn", LONG, "a model's words \x1b[2J over\nmany lines " * 20))
    lines = table(view, width)
    assert len(lines) == 6
    assert max(map(len, lines)) <= width
    assert "a model's words" in lines[1] or "a model's" in lines[2] or width == 60
    assert "\x1b" not in "".join(lines)


def test_silent_turns_do_not_hide_the_last_tool(clock: FakeClock) -> None:
    view = LiveView(console()[0], plans("a"), clock)
    view.observe(event("tool", text="write_file {}"))
    view.observe(event("turn", text=" \n"))
    assert "write_file" in table(view)[1]
    for kind, said in (("verifying", "is verified"), ("trial_started", "started")):
        view.observe(event(kind))  # type: ignore[arg-type]
        assert said in table(view)[1]


def test_notes_and_judging_are_lines_of_their_own(clock: FakeClock) -> None:
    screen, stream = console()
    with LiveView(screen, plans("a"), clock) as view:
        view.observe(event("note", text="something \x07 long " + "x" * 120))
        view.observe(event("judging", "claude", "3 trials"))
    lines = stream.getvalue().splitlines()
    assert lines == ["note: something \\x07 long " + "x" * 120, "judge claude: 3 trials"]


def test_the_live_table_goes_when_the_run_ends(clock: FakeClock) -> None:
    screen, stream = console(terminal=True)
    with LiveView(screen, plans("a"), clock) as view:
        view.observe(finished("a"))
    text = stream.getvalue()
    assert "agent" in text
    assert text.endswith("\x1b[2K")
    assert "\x1b[?25h" in text


def test_nothing_to_do_shows_no_table(clock: FakeClock) -> None:
    screen, stream = console(terminal=True)
    with LiveView(screen, (), clock):
        pass
    assert stream.getvalue() == ""
