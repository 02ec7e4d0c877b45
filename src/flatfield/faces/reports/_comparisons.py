"""The comparisons that people ask for, one sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section
from flatfield.faces.compared import sentence
from flatfield.faces.wording import many
from flatfield.scoring.comparing import asked_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import RunResult


def comparisons(result: RunResult, *, brief: bool = False) -> Iterator[Section]:
    """The two best, cloud against local, each agent against the last run; the compact form has what changed since."""
    found = asked_for(result)
    earlier = result.earlier
    shown = [each for each in earlier if each.verdict in {"first", "second"}] if brief else list(earlier)
    points = [sentence(each) for each in (*found, *shown)]
    quiet = len(earlier) - len(shown)
    if quiet:
        run = earlier[0].second_run
        points.append(f"No difference to run {run} that could be told from chance for {many(quiet, 'agent')}.")
    if points:
        text = (
            'The work is performance, in points of 100. Any two: flatfield compare A B. "Better" is performance alone.'
        )
        yield Section(title="In One Sentence", paragraphs=(text,), points=tuple(points))
