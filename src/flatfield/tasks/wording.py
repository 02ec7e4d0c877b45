"""Points out lines of a prompt that talk about the harness instead of the task."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flatfield.tasks.source import Lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import Task

_WORDINGS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\bjson response structure\b",
        r"\b(respond|reply|answer)\b.{0,30}\b(entire|complete|full|whole|exact)\b.{0,20}\b(json|response|structure)\b",
        r"\bmcp__\w",
        r"\b(nano[- ]agent|sub[- ]?agent)s?\b.{0,40}\b(tool|server|response|mcp|prompt)\b",
        r"\bmcp server\b",
        r"\bprompt_nano_agent\b",
        r"\bexecution_time_seconds\b",
        r"\b(not|never|don't)\b.{0,15}\b(change|alter|modify)\b.{0,15}\b(this|the) prompt\b",
        r"\bflatfield\b",
    )
)


def check_prompt(task: Task) -> tuple[str, ...]:
    """One note for each line of the prompt that speaks of the harness, and one for quotes that are likely not meant.

    The prompt is sent unchanged all the same.
    """
    lines = Lines.of(task.prompt)
    harness = (
        f"line {index + 1} of the prompt of {task.id} talks about the harness, not the task: "
        f"{_short(lines.line(index))!r}; it is sent unchanged, but you may want to take it out"
        for index in range(len(lines))
        if any(wording.search(lines.line(index)) for wording in _WORDINGS)
    )
    return (*_quotes(task), *harness)


def _quotes(task: Task) -> Iterator[str]:
    """A value stands between one quote and one quote: of three, as programs write them, two are part of it."""
    ends = [
        where for where, has in (("begins", task.prompt.startswith('""')), ("ends", task.prompt.endswith('""'))) if has
    ]
    if ends:
        yield (
            f"the prompt of {task.id} {' and '.join(ends)} with two quotes, which are sent to the model: a value"
            ' stands between one `"` and one `"`, also over several lines; take the others out'
        )


def _short(line: str) -> str:
    line = line.strip()
    return line if len(line) <= 100 else f"{line[:97]}…"
