"""A run while it runs: one row per agent on a terminal, one line per finished trial elsewhere."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Self

from flatfield.faces.wording import dollars, outcome, seconds

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.table import Table

    from flatfield.records import Event, TrialPlan

EVENT_WIDTH = 44
REFRESHES_PER_SECOND = 4


class LiveView:
    """`with LiveView(console, plans) as view:` shows what `view.observe` is told; the table goes when the run ends."""

    def __init__(self, console: Console, plans: tuple[TrialPlan, ...]) -> None:
        self._console = console
        self._planned = Counter(plan.agent for plan in plans)
        self._done: Counter[str] = Counter()
        self._unmeasured: Counter[str] = Counter()
        self._spent: dict[str, float] = {}
        self._last = dict.fromkeys(self._planned, "")
        self._total = 0

    def __enter__(self) -> Self:
        """Start showing."""
        self._live = None
        if self._console.is_terminal:
            from rich.live import Live

            self._live = Live(
                get_renderable=self._table,
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
        if event.kind in {"note", "judging"}:
            who = f"judge {event.agent}: " if event.kind == "judging" else ""
            self._console.print(f"{who}{event.text}", style="dim", markup=False)
            return
        if event.kind == "trial_finished" and event.record is not None:
            self._finish(event)
        elif event.kind != "turn" or event.text:
            self._last[event.agent] = f"{event.task}: {event.kind.replace('_', ' ')} {event.text}"

    def _finish(self, event: Event) -> None:
        record = event.record
        if record is None:
            return
        self._done[event.agent] += 1
        self._total += 1
        self._unmeasured[event.agent] += record.failure is not None
        if record.cost_usd is not None:
            self._spent[event.agent] = self._spent.get(event.agent, 0.0) + record.cost_usd
        self._last[event.agent] = f"{event.task}: {outcome(record)}"
        if self._live is None:
            total = sum(self._planned.values())
            self._console.print(
                f"[{self._total}/{total}] {event.agent} · {event.task} #{event.repeat} · {outcome(record)}"
                f" · {seconds(record.active_seconds)} · {dollars(record.cost_usd)}",
                markup=False,
            )

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("agent", no_wrap=True, overflow="ellipsis", max_width=28)
        table.add_column("trials", justify="right")
        table.add_column("spent", justify="right")
        table.add_column("last event", no_wrap=True, overflow="ellipsis", max_width=EVENT_WIDTH)
        for agent, planned in sorted(self._planned.items()):
            trials = f"{self._done[agent]}/{planned}"
            if self._unmeasured[agent]:
                trials += f" ({self._unmeasured[agent]} not measured)"
            table.add_row(Text(agent), trials, dollars(self._spent.get(agent)), Text(self._last[agent]))
        return table
