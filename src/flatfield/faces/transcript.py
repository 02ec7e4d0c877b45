"""One trial as text: every message, tool call, timing, token and check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from flatfield.faces.wording import count, dollars, outcome, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import TrialRecord, Turn, Verdict


def transcript(record: TrialRecord, verdicts: Sequence[Verdict] = ()) -> str:
    """The whole trial, for a person to read from top to bottom."""
    return "\n".join(_lines(record, verdicts))


def _lines(record: TrialRecord, verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield f"trial {record.id}: {outcome(record)}"
    yield f"started {record.started_at or 'at an unknown time'} · ended: {record.stop.replace('_', ' ')}"
    if record.system_prompt:
        yield from ("", "── system prompt", record.system_prompt)
    yield from ("", "── prompt", record.prompt)
    for number, turn in enumerate(record.turns, start=1):
        yield from _turn(number, turn)
    if record.changes:
        yield from ("", "── files changed")
        yield from (f"  {change.kind:9}{change.path} ({count(change.size_bytes)} bytes)" for change in record.changes)
    if record.checks:
        yield from ("", "── checks")
        for check in record.checks:
            score = "not measured" if check.score is None else f"{check.score:.2f}"
            yield f"  {score:>12}  {check.label} (weight {check.weight:g}): {check.reason}"
    mine = (record.agent, record.task, record.repeat)
    for verdict in verdicts:
        if (verdict.agent, verdict.task, verdict.repeat) == mine:
            yield from ("", f"── judge {verdict.judge}: {verdict.letter or 'no grade'}", f"  {verdict.reason}")
    yield from ("", "── sums", *_sums(record))


def _turn(number: int, turn: Turn) -> Iterator[str]:
    reply, usage = turn.reply, turn.reply.usage
    tokens = (
        "usage not reported" if usage is None else f"{count(usage.input_tokens)} in, {count(usage.output_tokens)} out"
    )
    first = f", first token {seconds(reply.first_token_seconds)}" if reply.first_token_seconds is not None else ""
    retried = f", retries {seconds(reply.retry_seconds)} ({reply.attempts} attempts)" if reply.attempts > 1 else ""
    yield ""
    yield f"── turn {number}: {reply.finish} · model {seconds(reply.model_seconds)}{first}{retried} · {tokens}"
    yield f"  request {msgspec.json.encode(reply.request).decode()}"
    if reply.reasoning:
        yield f"  (reasoning) {reply.reasoning}"
    if reply.text:
        yield reply.text
    results = {result.call_id: result for result in turn.results}
    for call in reply.calls:
        yield f"→ {call.name} {call.arguments}"
        result = results.get(call.id)
        if result is None:
            yield "← not run"
        else:
            yield f"← {'' if result.ok else 'error: '}{result.text}  ({seconds(result.seconds)})"


def _sums(record: TrialRecord) -> Iterator[str]:
    usage = record.usage
    yield (
        f"  active {seconds(record.active_seconds)} = model {seconds(record.model_seconds)}"
        f" + tools {seconds(record.tools_seconds)}; wall {seconds(record.wall_seconds)},"
        f" queue {seconds(record.queue_seconds)}, retries {seconds(record.retry_seconds)},"
        f" load {seconds(record.load_seconds)}"
    )
    if usage is not None:
        yield (
            f"  tokens: input {count(usage.input_tokens)} (cache read {count(usage.cache_read_tokens)}, write"
            f" {count(usage.cache_write_tokens)}), output {count(usage.output_tokens)}"
            f" (reasoning {count(usage.reasoning_tokens)})"
        )
    yield f"  cost: {dollars(record.cost_usd)}"
