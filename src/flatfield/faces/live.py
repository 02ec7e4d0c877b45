"""A run while it runs, and a stored one as it ran: one row per agent on a terminal, one line per trial elsewhere."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from flatfield.faces.wording import UNKNOWN, dollars, middle_cut, one_line, outcome, printable, rounded, seconds
from flatfield.records import Event, TrialPlan
from flatfield.scoring.measures.performance import ALL, checks_score, known_seconds
from flatfield.tasks.agents import short_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from rich.console import Console, Group
    from rich.live import Live

    from flatfield.clock import Clock
    from flatfield.records import EventKind, RunResult, TrialRecord


NAME_SHARE = 0.4
"""How much of the width the agents' names may take."""
ROOMY = 100
"""From this width on each agent's running trials have a column of their own."""
OTHER_LINES = 5
"""What of a terminal's height is not the agents': headings, sums, time, what is said above, the cursor."""
EVENT_CHARACTERS = 200
REFRESHES_PER_SECOND = 4
QUIET_SECONDS = 10.0
"""From then on it is said how long an agent that is at work has not been heard of."""
STILL_SECONDS = 60.0
"""Off a terminal, a line says that it goes on when none was written for so long."""
TRIED = 3
"""So many finished trials count as much for what is left as what was predicted before."""


class LiveView:
    """`with LiveView(console, plans, clock) as view:` shows what `view.observe` is told.

    On a terminal a table, which goes when the run ends; elsewhere one line for each finished trial. `expected_seconds`
    is how long all of it was predicted to take; None: nobody knows.
    """

    def __init__(
        self,
        console: Console,
        plans: tuple[TrialPlan, ...],
        clock: Clock,
        expected_seconds: float | None = None,
    ) -> None:
        self._console = console
        self._clock = clock
        self._started = clock.now()
        self._expected_seconds = expected_seconds
        self._planned = Counter(plan.agent for plan in plans)
        self._done: Counter[str] = Counter()
        self._passed: Counter[str] = Counter()
        self._scored: Counter[str] = Counter()
        self._unmeasured: Counter[str] = Counter()
        self._running: dict[str, set[tuple[str, int]]] = {agent: set() for agent in self._planned}
        self._heard: dict[str, float] = {}
        self._said = self._started
        self._spent: dict[str, float] = {}
        self._last = dict.fromkeys(self._planned, "")
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Start showing."""
        if self._console.is_terminal and self._planned:
            from rich.live import Live

            self._live = Live(
                get_renderable=self.table,
                console=self._console,
                refresh_per_second=REFRESHES_PER_SECOND,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        if self._live is not None:
            self._live.stop()

    def observe(self, event: Event) -> None:
        """Take one event."""
        if event.agent in self._last:
            self._heard[event.agent] = self._clock.now()
        if event.kind == "planned":
            self._planned[event.agent] += 1
            self._last.setdefault(event.agent, "")
        elif event.kind == "trial_finished" and event.record is not None:
            self._finish(event.record)
        elif event.kind == "judging":
            self.say(f"judge {event.agent}: {event.text}")
        elif event.kind == "note":
            self.say(f"note: {event.text}")
        elif event.agent in self._last:
            if event.kind == "trial_started":
                self._running.setdefault(event.agent, set()).add((event.task, event.repeat))
            if event.kind != "turn" or event.text.strip():
                self._last[event.agent] = f"{event.task} #{event.repeat}: {_happening(event)}"

    def say(self, text: str) -> None:
        """A line above the table."""
        self._said = self._clock.now()
        self._console.print(printable(text), style="dim", soft_wrap=True)

    def still(self) -> None:
        """Off a terminal, say that it goes on, where nothing was written for a while."""
        running = sum(map(len, self._running.values()))
        if self._live is None and running and self._clock.now() - self._said >= STILL_SECONDS:
            self.say(f"at work: {running} running, {self._sums()}, {self._time()}")

    def _finish(self, record: TrialRecord) -> None:
        self._done[record.agent] += 1
        self._running.get(record.agent, set()).discard((record.task, record.repeat))
        self._unmeasured[record.agent] += record.failure is not None
        score = None if record.failure is not None else checks_score(record.checks)
        self._scored[record.agent] += score is not None
        self._passed[record.agent] += score is not None and score >= ALL
        if record.cost_usd is not None:
            self._spent[record.agent] = self._spent.get(record.agent, 0.0) + record.cost_usd
        self._last[record.agent] = f"{record.task} #{record.repeat}: {outcome(record)}"
        if self._live is None:
            figures = "" if record.failure is not None else f" · {seconds(known_seconds(record))}"
            figures += "" if record.cost_usd is None else f" · {dollars(record.cost_usd)}"
            number = f"[{self._done.total()}/{self._planned.total()}]"
            line = f"{number} {record.agent} · {record.task} #{record.repeat} · {outcome(record)}{figures}"
            self._said = self._clock.now()
            # As it is: a console takes 65 µs or more for a line that it changes nothing of, on the trials' event loop.
            self._console.file.write(f"{printable(' '.join(line.split()))}\n")

    def table(self) -> Group:
        """The state of things: a row per agent, as many as there is height for, the sums, and the time."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        roomy = self._console.width >= ROOMY
        table = Table(box=None, pad_edge=False, header_style="dim", expand=True, padding=(0, 2, 0, 0))
        table.add_column("agent", no_wrap=True)
        for column in ("trials", "passed", *(("running",) if roomy else ()), "spent"):
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("last event", no_wrap=True, overflow="ellipsis", ratio=1)
        names, shown = short_names(self._planned), self._shown()
        width = int(self._console.width * NAME_SHARE)
        for agent in shown:
            running = (str(len(self._running.get(agent, ()))),) if roomy else ()
            figures = (self._trials(agent), self._passes(agent), *running, self._dollars(agent))
            table.add_row(Text(middle_cut(names[agent], width)), *figures, Text(self._event(agent)))
        if more := len(self._planned) - len(shown):
            table.add_row(f"and {more} more", style="dim")
        count = str(sum(map(len, self._running.values())))
        spent = dollars(sum(self._spent.values())) if self._spent else UNKNOWN
        done = f"{self._done.total()}/{self._planned.total()}"
        passed = str(self._passed.total()) if self._scored.total() else UNKNOWN
        table.add_row("all", done, passed, *((count,) if roomy else ()), spent, style="bold")
        beside = "" if roomy else f"{count} running, "
        return Group(table, Text(f"{beside}{self._time()}", style="bold"))

    def _shown(self) -> list[str]:
        """The agents that there is height for: those at work first, then those with most to do; by name."""
        most = max(self._console.height - OTHER_LINES, 1) if self._console.is_terminal else len(self._planned)
        if len(self._planned) <= most:
            return sorted(self._planned)

        def urgency(agent: str) -> tuple[bool, int]:
            return not self._running.get(agent), self._done[agent] - self._planned[agent]

        return sorted(sorted(self._planned, key=urgency)[: most - 1])

    def _event(self, agent: str) -> str:
        """The last that was heard of an agent, and how long ago that was where it is at work and quiet."""
        quiet = self._clock.now() - self._heard.get(agent, self._started)
        silence = f"quiet for {quiet:.0f} s, " if self._running.get(agent) and quiet >= QUIET_SECONDS else ""
        return one_line(f"{silence}{self._last[agent]}", EVENT_CHARACTERS)

    def _time(self) -> str:
        """How long it has taken, and about how long it will."""
        passed, done, planned = self._clock.now() - self._started, self._done.total(), self._planned.total()
        share = (planned - done) / planned if planned else 0.0
        predicted = None if self._expected_seconds is None else self._expected_seconds * share
        measured = passed / done * (planned - done) if done else None
        if measured is None:
            left = None if predicted is None else predicted - passed
        else:
            left = measured if predicted is None else (measured * done + predicted * TRIED) / (done + TRIED)
        if left is None or not share:
            return seconds(passed)
        return f"{seconds(passed)}, " + (f"about {rounded(left)} left" if left > 0 else "longer than foreseen")

    def _sums(self) -> str:
        done, planned = self._done.total(), self._planned.total()
        spent = f", {dollars(sum(self._spent.values()))} spent" if self._spent else ""
        return f"{done} of {planned} done, {self._passed.total()} passed{spent}"

    def _trials(self, agent: str) -> str:
        failed = self._unmeasured[agent]
        return f"{self._done[agent]}/{self._planned[agent]}" + (f", {failed} failed" if failed else "")

    def _passes(self, agent: str) -> str:
        return str(self._passed[agent]) if self._scored[agent] else UNKNOWN

    def _dollars(self, agent: str) -> str:
        return dollars(self._spent[agent]) if agent in self._spent else UNKNOWN


@contextmanager
def at_work(console: Console, clock: Clock) -> Iterator[Callable[[], None]]:
    """On a terminal, a line that says how long one agent has been at work; call what is yielded when it is heard of."""
    started = heard_at = clock.now()

    def heard() -> None:
        nonlocal heard_at
        heard_at = clock.now()

    if not console.is_terminal:
        yield heard
        return
    from rich.live import Live
    from rich.text import Text

    def line() -> Text:
        quiet = clock.now() - heard_at
        silence = f", quiet for {quiet:.0f} s" if quiet >= QUIET_SECONDS else ""
        return Text(f"at work for {clock.now() - started:.0f} s{silence}", style="dim")

    with Live(get_renderable=line, console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True):
        yield heard


def _happening(event: Event) -> str:
    """What an agent is at, in a few words."""
    if event.kind == "trial_started":
        return "started"
    if event.kind == "waiting":
        return f"waits for its {event.text}" if event.text else "waits"
    if event.kind == "verifying":
        return "is verified"
    return event.text


# A stored run as it happened: when each trial began, called its tools and ended, in seconds from the run's start.


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
