"""Which agents may be meant by a name that is none: offered, and taken only where it can be no other one."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from typing import TYPE_CHECKING

from flatfield import plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import AgentConfig

OFFERED = 6
ALIKE = 0.75
_PARTS = re.compile(r"[a-z]+|\d+")
_HEAD = re.compile(r"(?P<provider>[\w. -]+)[/:](?P<model>.+)")


def meant(name: str, roster: Sequence[AgentConfig]) -> tuple[AgentConfig, ...]:
    """The agents that `PROVIDER/MODEL` means: the model's name is whole, and its provider is named."""
    head = _HEAD.fullmatch(name)
    if head is None:
        return ()
    called = head["provider"].strip().lower()
    provider = plugins.provider_called(called) or called
    return tuple(one for one in roster if one.provider == provider and head["model"] in (one.model, one.name))


def near(name: str, roster: Sequence[AgentConfig], provider: str | None = None) -> tuple[AgentConfig, ...]:
    """The agents that a name may stand for, the best first: the same letters, all of its words, or nearly so."""
    head = _HEAD.fullmatch(name)
    asked = tuple(_PARTS.findall((head["model"] if head else name).lower()))
    some = _newest_first([one for one in roster if provider in (None, one.provider)])
    if not asked:
        return ()
    same = [one for one in some if "".join(asked) in map(_letters, (one.model, one.name))]
    words = Counter(asked)
    holding = [one for one in some if any(words <= Counter(_parts(text)) for text in (one.model, one.name))]
    plain = {_letters(text): one for one in reversed(some) for text in filter(None, (one.model, one.name))}
    close = [plain[text] for text in difflib.get_close_matches("".join(asked), plain, n=OFFERED, cutoff=ALIKE)]
    return tuple({one.name: one for one in (same or holding or close)}.values())[:OFFERED]


def did_you_mean(name: str, roster: Sequence[AgentConfig]) -> str:
    """`; did you mean 'a' or 'b'?`, or nothing when no agent's name comes close.

    Names of several agents with spaces between them lack their commas.
    """
    words, known = name.split(), {one.name for one in roster}
    if len(words) > 1 and known.issuperset(words):
        return f"; several names have commas between them: {','.join(words)!r}"
    *others, last = [repr(one.name) for one in near(name, roster)] or [""]
    return f"; did you mean {', '.join(others)}{' or ' if others else ''}{last}?" if last else ""


def _newest_first(agents: Sequence[AgentConfig]) -> list[AgentConfig]:
    """The user's own, then those that flatfield brings along, of which each family's newest stands last."""
    return [one for one in agents if not one.is_shipped] + [one for one in reversed(agents) if one.is_shipped]


def _parts(text: str) -> list[str]:
    return _PARTS.findall(text.lower())


def _letters(text: str) -> str:
    return "".join(_parts(text))
