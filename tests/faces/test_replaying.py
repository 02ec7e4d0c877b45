"""A stored run as it happened: every event once, in order, at its time, with long pauses cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from flatfield.faces.live import GAP_SECONDS, FasterClock, Moment, plans, play, timeline
from flatfield.records import (
    Evaluation,
    Event,
    Grading,
    Reply,
    Run,
    RunResult,
    ToolCall,
    ToolResult,
    TrialRecord,
    Turn,
    Weights,
)
from flatfield.tasks.importers.nano_agent_2025_08 import load as load_published
from flatfield.testing.trials import a_trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.testing.clocks import FakeClock

BEGAN = datetime(2026, 1, 2, 10, 0, tzinfo=UTC)


def turn(seconds: float, *, ok: bool = True) -> Turn:
    call = ToolCall(id="1", name="read_file", arguments='{"file_path": "a"}')
    result = ToolResult(call_id="1", name="read_file", text="", ok=ok)
    return Turn(reply=Reply(text="", calls=(call,), model_seconds=seconds), results=(result,))


def trial(agent: str, repeat: int, start: float | None, wall: float, turns: Sequence[Turn] = ()) -> TrialRecord:
    return a_trial(
        agent,
        "t",
        repeat,
        wall_seconds=wall,
        turns=tuple(turns),
        started_at="" if start is None else (BEGAN + timedelta(seconds=start)).isoformat(),
    )


def result(*trials: TrialRecord) -> RunResult:
    run = Run(id="r", created_at="", evaluation=Evaluation(), tasks=(), agents=(), repeats={})
    grading = Grading(run="r", weights=Weights(), cells=(), scorecards=(), anchors=())
    return RunResult(run=run, trials=trials, verdicts=(), grading=grading)


def told(moments: Sequence[Moment]) -> list[tuple[float, str, str, int]]:
    return [(moment.at_seconds, moment.event.kind, moment.event.agent, moment.event.repeat) for moment in moments]


SPANS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 300)), min_size=1, max_size=8)


def test_events_come_at_their_times() -> None:
    moments = timeline(result(trial("b", 1, 3, 4), trial("a", 1, 0, 5, [turn(1), turn(2, ok=False)])))
    assert told(moments) == [
        (0, "trial_started", "a", 1),
        (1, "tool", "a", 1),
        (3, "trial_started", "b", 1),
        (3, "tool", "a", 1),
        (5, "trial_finished", "a", 1),
        (7, "trial_finished", "b", 1),
    ]
    assert moments[1].event.text == 'read_file {"file_path": "a"}'
    assert moments[3].event.text.endswith("→ error")
    assert moments[4].event.record is not None


def test_without_times_each_agent_does_one_after_the_other() -> None:
    moments = timeline(result(*(trial(agent, repeat, None, 5) for agent in "ab" for repeat in (1, 2))))
    ends = [(at, agent, repeat) for at, kind, agent, repeat in told(moments) if kind == "trial_finished"]
    assert sorted(ends) == [(5, "a", 1), (5, "b", 1), (10, "a", 2), (10, "b", 2)]


def test_a_pause_in_which_nothing_ran_is_cut() -> None:
    moments = timeline(result(trial("a", 1, 0, 10), trial("a", 2, 7200, 10)))
    assert [at for at, *_ in told(moments)] == [0, 10, 10 + GAP_SECONDS, 20 + GAP_SECONDS]


def test_a_long_trial_is_no_pause() -> None:
    assert timeline(result(trial("a", 1, 0, 7200)))[-1].at_seconds == 7200


@given(SPANS)
def test_each_trial_starts_once_ends_once_and_takes_its_time(spans: list[tuple[int, int]]) -> None:
    trials = [trial("a", number, start, wall) for number, (start, wall) in enumerate(spans)]
    moments = timeline(result(*trials))
    times = [moment.at_seconds for moment in moments]
    assert times == sorted(times)
    assert times[0] == 0
    starts = {m.event.repeat: m.at_seconds for m in moments if m.event.kind == "trial_started"}
    ends = {m.event.repeat: m.at_seconds for m in moments if m.event.kind == "trial_finished"}
    assert len(moments) == 2 * len(trials)
    for each in trials:
        assert abs(ends[each.repeat] - starts[each.repeat] - each.wall_seconds) < 1e-6


@given(SPANS)
def test_no_pause_is_longer_than_the_gap_and_none_is_made_longer(spans: list[tuple[int, int]]) -> None:
    trials = [trial("a", number, start, wall) for number, (start, wall) in enumerate(spans)]
    moments, running = timeline(result(*trials)), 0
    for one, following in pairwise(moments):
        running += {"trial_started": 1, "trial_finished": -1}[one.event.kind]
        if not running:
            assert following.at_seconds - one.at_seconds <= GAP_SECONDS + 1e-6
    span = max(start + wall for start, wall in spans) - min(start for start, _ in spans)
    assert moments[-1].at_seconds <= span + 1e-6


async def test_it_is_played_at_its_speed(clock: FakeClock) -> None:
    moments = timeline(result(trial("a", 1, 0, 40), trial("b", 1, 20, 60)))
    begun = clock.now()
    heard: list[tuple[float, Event]] = []
    await play(moments, lambda event: heard.append((clock.now() - begun, event)), FasterClock(clock, 10))
    assert [at for at, _ in heard] == [0, 2, 4, 8]
    assert [event for _, event in heard] == [moment.event for moment in moments]


async def test_a_slow_listener_is_caught_up_with(clock: FakeClock) -> None:
    moments = timeline(result(trial("a", 1, 0, 10)))
    faster = FasterClock(clock, 1)
    await clock.sleep(100)
    await play(moments, lambda _: None, faster)
    assert faster.now() == 100


def test_all_published_trials_are_played() -> None:
    imported = load_published()
    found = result(*imported.trials)
    assert len(plans(found)) == 45
    moments = timeline(found)
    assert sum(moment.event.kind == "trial_finished" for moment in moments) == 45
    slowest = max(
        sum(each.wall_seconds for each in imported.trials if each.agent == agent)
        for agent in {each.agent for each in imported.trials}
    )
    assert abs(moments[-1].at_seconds - slowest) < 1e-6
