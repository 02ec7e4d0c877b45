"""What figures stand on of a trial, without what was said: so that memory holds a run of many thousands.

Reports, decisions and forecasts count turns, tokens, seconds and calls; none of them reads a transcript or an exchange.
What is equal in many trials (requests, headers, names) is kept once.
"""

from __future__ import annotations

import gc
import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import structs

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from flatfield.records import Reply, Sent, ToolCall, ToolResult, TrialRecord, Turn, Wire

T = TypeVar("T")
LONGEST_CHARACTERS = 4096
"""Texts in a call's arguments that are longer become digests: equal ones stay equal, and no path is so long."""


class SlimTrials:
    """Takes trials, one after the other; parts that are equal become one object."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def of(self, trial: TrialRecord) -> TrialRecord:
        """The trial without transcript, exchanges and the texts of files; its last reply keeps its words."""
        said = [self._turn(turn) for turn in trial.turns[:-1]]
        return structs.replace(
            trial,
            task=self._once(trial.task),
            agent=self._once(trial.agent),
            run=self._once(trial.run),
            task_digest=self._once(trial.task_digest),
            agent_fingerprint=self._once(trial.agent_fingerprint),
            system_prompt=self._once(trial.system_prompt),
            prompt=self._once(trial.prompt),
            priced=self._once(trial.priced),
            turns=(*said, *(self._last(turn, trial.answer) for turn in trial.turns[-1:])),
            unanswered=self._wires(trial.unanswered),
            changes=tuple(structs.replace(change, text=None) for change in trial.changes),
        )

    def _turn(self, turn: Turn, text: str = "", reasoning: str = "") -> Turn:
        reply: Reply = structs.replace(
            turn.reply,
            text=text,
            reasoning=reasoning,
            calls=tuple(map(self._call, turn.reply.calls)),
            request=self._sent(turn.reply.request),
            wire=self._wires(turn.reply.wire),
        )
        return structs.replace(turn, reply=reply, results=tuple(map(self._result, turn.results)))

    def _last(self, turn: Turn, answer: str) -> Turn:
        """The turn that a trial ended with: its words may be odd, and are mostly the trial's answer."""
        text = turn.reply.text
        reasoning = "" if text.strip() else turn.reply.reasoning
        return self._turn(turn, answer if text == answer else text, reasoning)

    def _call(self, call: ToolCall) -> ToolCall:
        return structs.replace(call, id="", name=self._once(call.name), arguments=_shortened(call.arguments))

    def _result(self, result: ToolResult) -> ToolResult:
        return structs.replace(result, call_id="", name=self._once(result.name), text="")

    def _sent(self, sent: Sent) -> Sent:
        found: Sent = self._known.setdefault(msgspec.json.encode(sent, enc_hook=repr), sent)
        return found

    def _wires(self, wires: Sequence[Wire]) -> tuple[Wire, ...]:
        return tuple(map(self._wire, wires))

    def _wire(self, wire: Wire) -> Wire:
        """Where an exchange went, under which headers, and how it failed."""
        key = (wire.url, wire.failure, wire.status, *wire.headers.items())
        known: Wire | None = self._known.get(key)
        if known is None:
            known = structs.replace(wire, kept_bytes=0, sent=b"", checksum=0, received=b"", received_headers={})
            self._known[key] = known
        return known

    def _once(self, text: str) -> str:
        found: str = self._known.setdefault(text, text)
        return found


def _shortened(arguments: str) -> str:
    """Arguments with digests in the place of long texts; as they are where they are no object."""
    if len(arguments) <= LONGEST_CHARACTERS:
        return arguments
    try:
        found = msgspec.json.decode(arguments, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return arguments
    return msgspec.json.encode({name: _digest(value) for name, value in found.items()}).decode()


def _digest(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if not isinstance(value, str) or len(value) <= LONGEST_CHARACTERS:
        return value
    return f"sha256:{hashlib.sha256(value.encode('utf-8', 'replace')).hexdigest()}"


@contextmanager
def unwatched() -> Iterator[None]:
    """Keep the collector from walking, again and again, through records of which none is to go."""
    watched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if watched:
            gc.enable()
