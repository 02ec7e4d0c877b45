"""Tells whether another model answered than the one that was asked for, as far as the replies say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import TrialRecord

_VERSION = re.compile(r"(?:[-@]\d{4}-?\d{2}-?\d{2}|-\d{3}|-latest|:latest|\.gguf)$")
"""What APIs add to the name of the very model that was asked for."""


def is_other(asked: str, answered: str) -> bool:
    """Whether two names are those of different models; "" says nothing. A date, a folder or a tag makes none."""
    return bool(asked and answered) and _plain(asked) != _plain(answered)


def others(trials: Sequence[TrialRecord]) -> Iterator[str]:
    """Which agents' models were answered for by others, in how many trials."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for trial in trials:
        for turn in trial.turns:
            sent = turn.reply.request
            if is_other(sent.model, sent.answered_by):
                found.setdefault((trial.agent, sent.model, sent.answered_by), set()).add(trial.id)
    for (agent, asked, answered), ids in found.items():
        trials_text = f"{len(ids)} trial{'' if len(ids) == 1 else 's'}"
        yield f"{agent} asked for {asked} and was answered by {answered} in {trials_text}: that is what was measured"


def _plain(name: str) -> str:
    segment = re.split(r"[/\\]", name.strip().lower())[-1]
    while (shorter := _VERSION.sub("", segment)) != segment:
        segment = shorter
    return segment
