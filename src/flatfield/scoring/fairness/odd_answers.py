"""Tells last replies that are no plain answers: a call written as text, only reasoning, the same text without end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.vendors.base import looks_like_call

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import TrialRecord, Turn

AS_TEXT = (
    "the answer looks like a tool call written as text, which the server did not read: set protocol = "
    '"text" or "auto" for the agent, or start the server with the parser for this model\'s tool calls'
)
UNFIT = (
    "the answer looks like a tool call written as text, which was not run: its name or its arguments are those of "
    "no tool, it cannot be read, or the answer only speaks of it"
)
IN_REASONING = (
    "the answer is empty, all that the model wrote counts as reasoning: the server's reasoning parser may not be the "
    "one for this model"
)
REPEATS = (
    "the model wrote the same again and again, and its reply was ended there: it counts as one that used up its tokens"
)


def oddity(turns: Sequence[Turn]) -> str:
    """What is odd about the reply that these turns ended with, and what may mend it; "" for nothing.

    Of one that was cut nothing is said: it may have become a call.
    """
    if not turns or turns[-1].reply.calls:
        return ""
    reply = turns[-1].reply
    if reply.finish != "stop":
        return REPEATS if reply.finish == "repeats" else ""
    if reply.request.tools and looks_like_call(reply.text, reply.request.tools):
        return UNFIT if reply.request.protocol == "text" else AS_TEXT
    return IN_REASONING if not reply.text.strip() and reply.reasoning.strip() else ""


def oddities(trials: Sequence[TrialRecord]) -> Iterator[str]:
    """The same of a run's trials: how many of each agent, and what."""
    found: dict[tuple[str, str], int] = {}
    for trial in trials:
        if trial.failure is None and (odd := oddity(trial.turns)):
            found[trial.agent, odd] = found.get((trial.agent, odd), 0) + 1
    for (agent, odd), count in found.items():
        yield f"{agent}, in {count} trial{'' if count == 1 else 's'}: {odd}"
