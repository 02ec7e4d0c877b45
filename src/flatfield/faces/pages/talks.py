"""Transcripts and turns' times as a page keeps them: packed in portions, each of which is opened when somebody asks."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from flatfield.faces.wording import outcome, plain, printable
from flatfield.saying import dollars, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flatfield.records import ToolResult, TrialRecord, Turn

LONGEST = 20_000
"""Characters of one text; of a longer one beginning and end are kept, and it says how much is not."""
TAIL = 4_000
PORTION_BYTES = 1_000_000
"""A portion is closed when it is so large, unpacked: it is read in a tenth of a second."""
MOST_BYTES = 64_000_000
"""What all portions may come to, packed; of what is left out the page says so."""
KINDS = ("queue", "retry", "load", "first token", "model", "tools")
"""What a turn's time goes into, in this order."""


class Portions(Struct, frozen=True, kw_only=True):
    """Packed portions; `index`: each trial's agent, task, repeat and portion; `left_out`: how many have none."""

    packed: tuple[bytes, ...]
    index: tuple[tuple[str, str, int, int], ...]
    left_out: int


def pack(value: object) -> bytes:
    """Any value as JSON, compressed as a browser's DecompressionStream reads it."""
    return zlib.compress(encoded(value), 9)


def encoded(value: object) -> bytes:
    """Any value as JSON; half characters, which no JSON has, as their escapes."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(plain(value))


def portions(records: Iterable[TrialRecord]) -> Portions:
    """The trials' transcripts, in the order in which they come."""
    packed: list[bytes] = []
    index: list[tuple[str, str, int, int]] = []
    left_out = 0
    for portion, names in _gathered(records):
        if sum(map(len, packed)) > MOST_BYTES:
            left_out += len(names)
            continue
        index += [(*name, len(packed)) for name in names]
        packed.append(zlib.compress(portion, 6))
    return Portions(packed=tuple(packed), index=tuple(index), left_out=left_out)


def _gathered(records: Iterable[TrialRecord]) -> Iterator[tuple[bytes, list[tuple[str, str, int]]]]:
    """JSON lists of trials of about PORTION_BYTES, with whose they are."""
    parts: list[bytes] = []
    names: list[tuple[str, str, int]] = []
    size = 0
    for record in records:
        if record.imported and not record.turns:
            continue
        if size > PORTION_BYTES:
            yield b"[" + b",".join(parts) + b"]", names
            parts, names, size = [], [], 0
        parts.append(encoded(talk(record)))
        names.append((printable(record.agent), printable(record.task), record.repeat))
        size += len(parts[-1])
    if parts:
        yield b"[" + b",".join(parts) + b"]", names


def talk(record: TrialRecord) -> dict[str, Any]:
    """One trial as a page shows it: what was said and done, and where the time went."""
    return {
        "agent": printable(record.agent),
        "task": printable(record.task),
        "repeat": record.repeat,
        "ended": printable(outcome(record)),
        "sums": f"{seconds(record.active_seconds)} active, {dollars(record.cost_usd)}",
        "system": _text(record.system_prompt),
        "prompt": _text(record.prompt),
        "turns": [_turn(turn) for turn in record.turns],
        "answer": "" if record.turns else _text(record.answer),
        "changes": [f"{change.kind} {printable(change.path)}" for change in record.changes],
        "checks": [
            {"score": check.score, "said": printable(f"{check.label}: {check.reason}"), "output": _text(check.output)}
            for check in record.checks
        ],
        "times": list(_times(record)),
    }


def _turn(turn: Turn) -> dict[str, Any]:
    reply = turn.reply
    results = {result.call_id: result for result in turn.results}
    return {
        "reasoning": _text(reply.reasoning),
        "text": _text(reply.text),
        "calls": [
            {"name": printable(call.name), "given": _text(call.arguments), **_result(results.get(call.id))}
            for call in reply.calls
        ],
    }


def _result(result: ToolResult | None) -> dict[str, Any]:
    if result is None:
        return {"ok": False, "got": "not run", "took": ""}
    return {"ok": result.ok, "got": _text(result.text), "took": seconds(result.seconds)}


def _times(record: TrialRecord) -> Iterator[tuple[int, str, float, float]]:
    """Turn, kind, start and end in seconds, one after the other; kinds that took nothing are left out."""
    now = 0.0
    for number, turn in enumerate(record.turns, start=1):
        reply = turn.reply
        first = min(reply.first_token_seconds or 0.0, reply.model_seconds)
        amounts = (
            max(turn.queue_seconds, reply.queue_seconds),
            reply.retry_seconds,
            reply.load_seconds,
            first,
            reply.model_seconds - first,
            turn.tools_seconds,
        )
        for kind, amount in zip(KINDS, amounts, strict=True):
            if amount > 0.0:
                yield number, kind, round(now, 4), round(now + amount, 4)
                now += amount


def _text(text: str) -> str:
    shown = printable(text)
    if len(shown) <= LONGEST:
        return shown
    left_out = len(shown) - LONGEST
    return f"{shown[: LONGEST - TAIL]}\n… {left_out:,} characters are left out here …\n{shown[-TAIL:]}"
