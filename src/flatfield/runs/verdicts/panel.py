"""Which of a run's verdicts count, of all that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flatfield.records import Run, Verdict
    from flatfield.runs.store.store import Store


def counted_verdicts(store: Store, run: Run) -> tuple[tuple[Verdict, ...], tuple[Verdict, ...]]:
    """The verdicts that count, and those that are kept but do not.

    The latest of each judge count; where the run was judged again, only those of its panel.

    Raises:
        StoreError: the store cannot be read.
    """
    latest = store.verdicts(run.id)
    counted = tuple(verdict for verdict in latest if not run.panel or verdict.judge in run.panel)
    others = tuple(verdict for verdict in latest if verdict not in counted)
    return counted, (*store.earlier_verdicts(run.id), *others)
