"""The run before: the last one that did the same tasks."""

from __future__ import annotations

from itertools import dropwhile, islice
from typing import TYPE_CHECKING

from flatfield.runs.verdicts.panel import counted_verdicts
from flatfield.scoring.comparing import against_earlier, read_field
from flatfield.scoring.performance import settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Comparison, Run, TrialRecord, Verdict
    from flatfield.runs.store.store import Store


def earlier_run(store: Store, run: Run) -> str | None:
    """The newest run from before this one that an agent of it took part in, on a task of it; None where there is none.

    Delegated prompts and imported figures are none.

    Raises:
        StoreError: the store cannot be read.
    """
    agents, tasks = {agent.name for agent in run.agents} - set(run.controls), {task.id for task in run.tasks}
    before = (
        summary
        for summary in islice(dropwhile(lambda summary: summary.id != run.id, store.runs()), 1, None)
        if summary.measured
        and not (summary.imported or summary.delegated)
        and agents & set(summary.agents)
        and tasks & set(summary.tasks)
    )
    found = next(before, None)
    return found.id if found else None


def compare_with_earlier(
    store: Store, run: Run, trials: Sequence[TrialRecord], verdicts: Sequence[Verdict]
) -> tuple[Comparison, ...]:
    """Each agent against itself in the run before; none for imported figures and delegated prompts.

    Raises:
        StoreError: the store cannot be read.
    """
    before = None if run.imported or run.delegated else earlier_run(store, run)
    if before is None:
        return ()
    earlier = store.load_run(before)
    then = read_field(earlier, settled(store.trials(before)).trials, counted_verdicts(store, earlier)[0])
    return against_earlier(read_field(run, trials, verdicts), then)
