"""A run while it runs: one row per agent on a terminal, one line per finished trial elsewhere."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Self

from flatfield.faces.wording import UNKNOWN, dollars, middle_cut, one_line, outcome, printable, seconds

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from flatfield.clock import Clock
    from flatfield.records import Event, TrialPlan, TrialRecord

NAME_SHARE = 0.4
"""How much of the width the agents' names may take."""
EVENT_CHARACTERS = 200
REFRESHES_PER_SECOND = 4


class LiveView:
    """`with LiveView(console, plans, clock) as view:` shows what `view.observe` is told.

    On a terminal a table, which goes when the run ends; elsewhere one line for each finished trial.
    """

    def __init__(self, console: Console, plans: tuple[TrialPlan, ...], clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._started = clock.now()
        self._planned = Counter(plan.agent for plan in plans)
        self._done: Counter[str] = Counter()
        self._unmeasured: Counter[str] = Counter()
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
        if event.kind == "planned":
            self._planned[event.agent] += 1
            self._last.setdefault(event.agent, "")
        elif event.kind == "trial_finished" and event.record is not None:
            self._finish(event.record)
        elif event.kind == "judging":
            self.say(f"judge {event.agent}: {event.text}")
        elif event.kind == "note":
            self.say(f"note: {event.text}")
        elif event.agent in self._last and (event.kind != "turn" or event.text.strip()):
            self._last[event.agent] = f"{event.task} #{event.repeat}: {_happening(event)}"

    def say(self, text: str) -> None:
        """A line above the table."""
        self._console.print(printable(text), style="dim", soft_wrap=True)

    def _finish(self, record: TrialRecord) -> None:
        self._done[record.agent] += 1
        self._unmeasured[record.agent] += record.failure is not None
        if record.cost_usd is not None:
            self._spent[record.agent] = self._spent.get(record.agent, 0.0) + record.cost_usd
        self._last[record.agent] = f"{record.task} #{record.repeat}: {outcome(record)}"
        if self._live is None:
            figures = "" if record.failure is not None else f" · {seconds(record.active_seconds)}"
            figures += "" if record.cost_usd is None else f" · {dollars(record.cost_usd)}"
            number = f"[{self._done.total()}/{self._planned.total()}]"
            line = f"{number} {record.agent} · {record.task} #{record.repeat} · {outcome(record)}{figures}"
            self._console.print(printable(" ".join(line.split())), soft_wrap=True)

    def table(self) -> Table:
        """The state of things: a row per agent, and the sums."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="dim", expand=True, padding=(0, 2, 0, 0))
        table.add_column("agent", no_wrap=True)
        table.add_column("trials", justify="right", no_wrap=True)
        table.add_column("spent", justify="right", no_wrap=True)
        table.add_column("last event", no_wrap=True, overflow="ellipsis", ratio=1)
        width = int(self._console.width * NAME_SHARE)
        for agent in sorted(self._planned):
            last = Text(one_line(self._last[agent], EVENT_CHARACTERS))
            table.add_row(Text(middle_cut(agent, width)), self._trials(agent), self._dollars(agent), last)
        spent = dollars(sum(self._spent.values())) if self._spent else UNKNOWN
        sums = f"{self._done.total()}/{self._planned.total()}"
        table.add_row("all", sums, spent, seconds(self._clock.now() - self._started), style="bold")
        return table

    def _trials(self, agent: str) -> str:
        failed = self._unmeasured[agent]
        return f"{self._done[agent]}/{self._planned[agent]}" + (f", {failed} failed" if failed else "")

    def _dollars(self, agent: str) -> str:
        return dollars(self._spent[agent]) if agent in self._spent else UNKNOWN


def _happening(event: Event) -> str:
    """What an agent is at, in a few words."""
    if event.kind == "trial_started":
        return "started"
    if event.kind == "waiting":
        return f"waits for its {event.text}" if event.text else "waits"
    if event.kind == "verifying":
        return "is verified"
    return event.text
