"""A stored run as it happened: when each trial began, called its tools and ended, in seconds from the run's start."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.records import Event, TrialPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flatfield.clock import Clock
    from flatfield.records import EventKind, RunResult, TrialRecord

BANNER = "replay of published totals: when its trials began is not known; each agent does one after the other"
GAP_SECONDS = 60.0
"""A pause of a run in which nothing happened for longer than this (it was resumed, or extended) is left out."""


class Moment(Struct, frozen=True, kw_only=True):
    """Something that happened `at_seconds` after the run's start."""

    at_seconds: float
    event: Event


class FasterClock:
    """A clock that shows the run's own time while it is played back `speed` times as fast."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._begun = clock.now()

    def now(self) -> float:
        """Seconds of the run since the replay began."""
        return (self._clock.now() - self._begun) * self._speed

    def utc(self) -> datetime:
        """The wall clock, which nobody speeds up."""
        return self._clock.utc()

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of the run."""
        await self._clock.sleep(seconds / self._speed)


def timeline(result: RunResult) -> tuple[Moment, ...]:
    """All events of a run in their order; pauses between its trials are shortened."""
    starts = _starts(result)
    moments = [moment for trial in result.trials for moment in _moments(trial, starts[trial.id])]
    return _without_gaps(sorted(moments, key=lambda moment: moment.at_seconds))


def plans(result: RunResult) -> tuple[TrialPlan, ...]:
    """The trials that are played."""
    return tuple(
        TrialPlan(run=trial.run, agent=trial.agent, task=trial.task, repeat=trial.repeat) for trial in result.trials
    )


async def play(moments: Sequence[Moment], observe: Callable[[Event], None], clock: Clock) -> None:
    """Tell of each event at its time, on a clock that starts at 0."""
    for moment in moments:
        left = moment.at_seconds - clock.now()
        if left > 0:
            await clock.sleep(left)
        observe(moment.event)


def _starts(result: RunResult) -> dict[str, float]:
    """When each trial began, by its id; one whose time is not known begins when its agent's last one ended."""
    stamps = ((trial.id, _stamp(trial)) for trial in result.trials)
    known = {trial: stamp for trial, stamp in stamps if stamp is not None}
    first = min(known.values(), default=0.0)
    starts = {trial: stamp - first for trial, stamp in known.items()}
    ends: defaultdict[str, float] = defaultdict(float)
    for trial in result.trials:
        if trial.id not in starts:
            starts[trial.id] = ends[trial.agent]
            ends[trial.agent] += trial.wall_seconds
    return starts


def _stamp(trial: TrialRecord) -> float | None:
    """When it began, as POSIX seconds; None where its record holds no time."""
    try:
        return datetime.fromisoformat(trial.started_at).timestamp()
    except (ValueError, OverflowError):
        return None


def _moments(trial: TrialRecord, start: float) -> Iterator[Moment]:
    def moment(at_seconds: float, kind: EventKind, text: str = "", record: TrialRecord | None = None) -> Moment:
        event = Event(kind=kind, agent=trial.agent, task=trial.task, repeat=trial.repeat, text=text, record=record)
        return Moment(at_seconds=at_seconds, event=event)

    yield moment(start, "trial_started")
    at_seconds = start
    for turn in trial.turns:
        at_seconds += turn.queue_seconds + turn.reply.retry_seconds + turn.reply.model_seconds
        at_seconds += turn.tools_seconds + turn.sandbox_seconds
        for call, result in zip(turn.reply.calls, turn.results, strict=False):
            yield moment(at_seconds, "tool", f"{call.name} {call.arguments[:80]}{'' if result.ok else ' → error'}")
    yield moment(max(start + trial.wall_seconds, at_seconds), "trial_finished", record=trial)


def _without_gaps(moments: Sequence[Moment]) -> tuple[Moment, ...]:
    """The same, with pauses during which no trial ran cut to `GAP_SECONDS`."""
    kept: list[Moment] = []
    running, cut, last = 0, 0.0, 0.0
    for moment in moments:
        pause = moment.at_seconds - last
        if not running and pause > GAP_SECONDS:
            cut += pause - GAP_SECONDS
        last = moment.at_seconds
        running += {"trial_started": 1, "trial_finished": -1}.get(moment.event.kind, 0)
        kept.append(Moment(at_seconds=moment.at_seconds - cut, event=moment.event))
    return tuple(kept)
