"""Makes neutral what tells a model's family by its form: control tokens, reasoning tags, calls written as text, ids.

Every chat template has tokens of its own, and a server whose parser is not the model's leaves them in the text. What
the task itself holds of them was given to every agent, tells nothing, and stays.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from flatfield.vendors.base import MARKUP, OPENS_CALL, REASONING_TAGS, marked_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flatfield.records import TrialRecord


# Takes the effect out of texts that a model server would read as the end of a message.


_CONTROL = re.compile(
    r"<(?=[|｜/]?[\w|｜▁]{1,40}[|｜]>)"  # <|im_end|>, <｜end▁of▁sentence｜>
    r"|<(?=/?(?:start_of_turn|end_of_turn|bos|eos|s|system|assistant|human|think)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS)\])"
    r"|<(?=</?SYS>>)"
)


def defused(text: str) -> str:
    """`text` with a space inside what chat templates use as control tokens: `< |im_end|>`, `[ INST]`.

    A server that tokenises a whole rendered conversation takes such tokens for real ones wherever they stand, also in
    what a task holds; a space keeps them readable and makes them text. Those of an agent are neutral before this.
    """
    return _CONTROL.sub(lambda match: f"{match[0]} ", text)


TOKEN = "[control token]"  # noqa: S105 - what stands for a token of a template
REASONING, REASONED = "[reasoning]", "[end of reasoning]"
CALL, CALLED = "[tool call]", "[end of tool call]"
_EDGE_CHARACTERS = 200_000
_LEAST_ID_CHARACTERS = 6

_ROLE = r"(?:assistant|model|user|system|developer|tool|ipython|ai|analysis|final|commentary|json)"
_ONE = re.compile(MARKUP)
_RUN = re.compile(rf"{MARKUP}(?:\s*(?:{_ROLE}\b\s*)?{MARKUP})*(?:{_ROLE}(?=[ \t]*(?:\n|\Z)))?")
_RUN_ON_A_LINE = re.compile(rf"{MARKUP}(?:(?:{_ROLE}\b)?{MARKUP})*(?:{_ROLE}(?=[ \t]*(?:\n|\Z)))?")
_TAGS = rf"(?:{REASONING_TAGS}|thoughts|reflection|mm:think)"
_CHANNEL = r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*analysis\s*<\|message\|>"
_CHANNEL_REASONING = re.compile(rf"{_CHANNEL}(.*?)<\|end\|>", re.DOTALL)
_OPENS = re.compile(
    rf"<{_TAGS}>|\[THINK\]|◁think▷|<\|START_THINKING\|>|<\|begin_of_thought\|>|{_CHANNEL}|<\|channel>\s*thought\b"
)
_CLOSES = re.compile(
    rf"</{_TAGS}>|\[/THINK\]|◁/think▷|<\|END_THINKING\|>|<\|end_of_thought\|>|<channel\|>|<｜end▁of▁thinking｜>"
)
_EMPTY = re.compile(rf"{re.escape(REASONING)}\s*{re.escape(REASONED)}")
_BEFORE = re.compile(rf"(?:{re.escape(TOKEN)}\s*)+(?={re.escape(CALL)}|{re.escape(REASONING)})")
_AFTER = re.compile(rf"({re.escape(CALLED)}|{re.escape(REASONED)})(?:\s*{re.escape(TOKEN)})+")
_AROUND = re.compile(rf"\s*({'|'.join(map(re.escape, (TOKEN, REASONING, REASONED, CALL, CALLED)))})\s*")

_ID = re.compile(
    r"\b(?:(?:srv)?toolu_\w{4,}|tooluse_[\w-]{8,}|chatcmpl-(?:tool-)?[A-Za-z0-9-]{4,}|function-call-\d{3,}"
    r"|(?:call|msg|resp|rs|fc|gen)[_-](?=[A-Za-z-]*\d|[a-z-]*[A-Z])[A-Za-z0-9-]{8,}|functions\.\w+:\d+)(?![\w-])"
)
"""Ids of calls and replies: each is the fashion of one vendor or server."""
_NAMESPACE = re.compile(r"\b(?:functions|default_api)[.:](?=[A-Za-z_])")


def forms_in(texts: Iterable[str]) -> frozenset[str]:
    """The tokens, tags and ids that these texts hold."""
    patterns = (_ONE, _OPENS, _CLOSES, _ID)
    return frozenset(match[0] for text in texts for pattern in patterns for match in pattern.finditer(text))


class Forms:
    """Makes one trial's texts neutral."""

    def __init__(self, given: frozenset[str] = frozenset(), trial: TrialRecord | None = None) -> None:
        """`given`: the forms that every agent was given (`forms_in`), which stay. `trial`: whose calls' ids go."""
        self._given = given
        self._reads_calls = not any(map(OPENS_CALL.match, given))
        self._ids = _own_ids(trial)
        known = sorted(self._ids, key=len, reverse=True)
        self._known = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, known))})(?![\w-])") if known else None

    def said(self, text: str) -> str:
        """What an agent said, in the form in which any model would have said it.

        Calls and reasoning are told as such, a run of tokens is one, with one space around it.
        """
        return self._by_edges(text, self._said)

    def made(self, text: str) -> str:
        """What an agent wrote into files and calls, where line ends mean something: only tokens, tags and ids."""
        return self._by_edges(text, self._made)

    def name(self, text: str) -> str:
        """A tool's name as the agent called it, without a model's own name space before it."""
        return _NAMESPACE.sub("", self.made(text))

    def _by_edges(self, text: str, neutral: Callable[[str], str]) -> str:
        """Of a very long text, whose middle is cut out anyway, only the edges."""
        if len(text) <= 2 * _EDGE_CHARACTERS:
            return neutral(text)
        middle = text[_EDGE_CHARACTERS:-_EDGE_CHARACTERS]
        return f"{neutral(text[:_EDGE_CHARACTERS])}{middle}{neutral(text[-_EDGE_CHARACTERS:])}"

    def _said(self, text: str) -> str:
        was = text
        text = self._reasoning(self._numbered(_with_calls(text) if self._reads_calls else text))
        text = _RUN.sub(self._run, text)
        text = _EMPTY.sub("", _NAMESPACE.sub("", text) if CALL in text else text)
        if text == was:
            return text
        text = _AFTER.sub(r"\1", _BEFORE.sub("", text))
        return _AROUND.sub(r" \1 ", text).strip()

    def _made(self, text: str) -> str:
        return _RUN_ON_A_LINE.sub(self._run, self._reasoning(self._numbered(text)))

    def _reasoning(self, text: str) -> str:
        if "<|channel|>" not in self._given:
            text = _CHANNEL_REASONING.sub(rf"{REASONING}\1{REASONED}", text)
        opened = _OPENS.sub(lambda match: match[0] if match[0] in self._given else REASONING, text)
        return _CLOSES.sub(lambda match: match[0] if match[0] in self._given else REASONED, opened)

    def _run(self, match: re.Match[str]) -> str:
        tokens = {each[0] for each in _ONE.finditer(match[0])}
        if tokens & self._given:
            return _ONE.sub(lambda each: each[0] if each[0] in self._given else TOKEN, match[0])
        return TOKEN

    def _numbered(self, text: str) -> str:
        """Ids by the place of their call; one of no call of this trial has no number."""
        if self._known:
            text = self._known.sub(lambda match: self._ids[match[0]], text)
        return _ID.sub(lambda match: match[0] if match[0] in self._given else "call_id", text)


def _own_ids(trial: TrialRecord | None) -> Mapping[str, str]:
    """The neutral name of each id of a trial's calls; one that may be a word or a number is none."""
    found: dict[str, str] = {}
    for number, call in enumerate((call for turn in trial.turns for call in turn.reply.calls) if trial else (), 1):
        if len(call.id) >= _LEAST_ID_CHARACTERS and re.search(r"\d", call.id) and re.search(r"[^\W\d]", call.id):
            found.setdefault(call.id, f"call_{number}")
    return found


def _with_calls(text: str) -> str:
    """`text` with each call that was written as text in one form: its name, and an argument a line."""
    parts: list[str] = []
    done = 0
    for found in marked_calls(text):
        parts.append(text[done : found.start])
        parts += [_told(call.name, call.values or {}) for call in found.calls]
        done = found.end
    return "".join((*parts, text[done:]))


def _told(name: str, values: Mapping[str, Any]) -> str:
    lines = (f"{key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items())
    return "\n".join((f"{CALL} {name}", *lines, CALLED))
