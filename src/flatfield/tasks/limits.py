"""Which limits a trial has: the task's, with those that its evaluation sets in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from flatfield.records import Limits

if TYPE_CHECKING:
    from flatfield.records import Evaluation, Task


def limits_for(task: Task, evaluation: Evaluation) -> Limits:
    """The task's limits, with those that the HOP sets in their place: a HOP says how all its tasks are run."""
    known = {name: value for name, value in evaluation.limits.items() if name in Limits.__struct_fields__}
    return replace(task.limits, **known)
