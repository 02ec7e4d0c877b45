"""Tells answers that a server's parser may have made of something else: a call written as text, or only reasoning."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import Reply, TrialRecord, Turn

AS_TEXT = (
    "the answer looks like a tool call written as text, which the server did not read: start the server with the "
    'parser for this model\'s tool calls, or set protocol = "json" for the agent'
)
IN_REASONING = (
    "the answer is empty, all that the model wrote counts as reasoning: the server's reasoning parser may not be the "
    "one for this model"
)
_MARKED = re.compile(
    r"<tool_call>|<function[=_]|<\|tool_calls?|\[TOOL_CALLS\]|<\|python_tag\|>|<\|channel\|>\s*commentary\s+to="
    r"|<\u007ctool\u2581call"
)
_BARE = re.compile(
    r'"(?:name|tool|function)"\s*:\s*"(?:functions\.)?(\w+)"[^{}]*"(?:arguments|parameters|input)"\s*:\s*\{'
)


def oddity(turns: Sequence[Turn]) -> str:
    """What is odd about the answer that these turns ended with, and what may mend it; "" for nothing."""
    if not turns or turns[-1].reply.calls:
        return ""
    reply = turns[-1].reply
    if _is_call(reply):
        return AS_TEXT
    return IN_REASONING if reply.finish == "stop" and not reply.text.strip() and reply.reasoning.strip() else ""


def oddities(trials: Sequence[TrialRecord]) -> Iterator[str]:
    """The same of a run's trials: how many of each agent, and what."""
    found: dict[tuple[str, str], int] = {}
    for trial in trials:
        if trial.failure is None and (odd := oddity(trial.turns)):
            found[trial.agent, odd] = found.get((trial.agent, odd), 0) + 1
    for (agent, odd), count in found.items():
        yield f"{agent}, in {count} trial{'' if count == 1 else 's'}: {odd}"


def _is_call(reply: Reply) -> bool:
    """Whether the text has the marks of a call, or JSON that names one of the tools that were offered."""
    named = _BARE.search(reply.text)
    offered = reply.request.tools or ()
    return bool(_MARKED.search(reply.text)) or (named is not None and named[1] in offered)
