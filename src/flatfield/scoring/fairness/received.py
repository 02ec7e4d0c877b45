"""What one agent received of one property: each value with the turns that carried it, task by task."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DID_NOT_RUN = "did not run"
MANY = 3
NAMED_TASKS = 2
"""So many tasks are named beside a value; more are counted."""


class Received(Struct, frozen=True, kw_only=True):
    """`by_task`: how many turns carried which value, in the order in which they came.

    `otherwise` is what is said where no turn is on record; None: the agent did not run.
    """

    by_task: dict[str, dict[str, int]] = field(default_factory=dict)
    otherwise: str | None = None

    @property
    def ran(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self.by_task) or self.otherwise is not None

    @property
    def varies(self) -> bool:
        """Whether turns or trials of one and the same task carried different values."""
        return any(len(turns) > 1 for turns in self.by_task.values())

    @property
    def values(self) -> frozenset[str]:
        """All values, whatever the task."""
        if not self.by_task:
            return frozenset() if self.otherwise is None else frozenset({self.otherwise})
        return frozenset(value for turns in self.by_task.values() for value in turns)

    def text(self) -> str:
        """One value alone; with its turns where they differ within a task, with its tasks where those differ."""
        if not self.by_task:
            return DID_NOT_RUN if self.otherwise is None else self.otherwise
        if self.varies:
            return _by_turns(self.by_task.values())
        tasks: dict[str, list[str]] = {}
        for task, turns in self.by_task.items():
            tasks.setdefault(next(iter(turns)), []).append(task)
        if len(tasks) == 1:
            return next(iter(tasks))
        return " | ".join(f"{value} ({_tasks(names)})" for value, names in tasks.items())


def taken(readings: Iterable[tuple[str, str]], otherwise: str | None) -> Received:
    """From pairs of task and value, one for each turn."""
    by_task: dict[str, dict[str, int]] = {}
    for task, value in readings:
        turns = by_task.setdefault(task, {})
        turns[value] = turns.get(value, 0) + 1
    return Received(by_task=by_task, otherwise=otherwise)


def differ(received: Mapping[str, Received]) -> bool:
    """Whether any two agents received different values on a task of both; without such a task, at all."""
    return any(_unlike(one, other) for one, other in combinations([r for r in received.values() if r.ran], 2))


def _unlike(one: Received, other: Received) -> bool:
    shared = one.by_task.keys() & other.by_task.keys()
    if not shared:
        return one.values != other.values
    return any(one.by_task[task].keys() != other.by_task[task].keys() for task in shared)


def _by_turns(tasks: Iterable[Mapping[str, int]]) -> str:
    total: dict[str, int] = {}
    for turns in tasks:
        for value, count in turns.items():
            total[value] = total.get(value, 0) + count
    if len(total) > MANY and all(value.isdecimal() for value in total):
        numbers = sorted(map(int, total))
        return f"{numbers[0]} to {numbers[-1]} ({len(total)} values in {sum(total.values())} turns)"
    return ", ".join(f"{value} ({count} turn{'' if count == 1 else 's'})" for value, count in total.items())


def _tasks(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= NAMED_TASKS else f"{len(names)} tasks"
