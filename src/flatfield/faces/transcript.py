"""One trial as text: every message, tool call, timing, token and check."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from flatfield.errors import NotFound
from flatfield.faces.wording import count, dollars, many, many_known, outcome, printable, seconds
from flatfield.http.tape import rebuilt
from flatfield.scoring.fairness.conditions import LAG_SECONDS, abandoned_sum, output_tokens_per_second
from flatfield.scoring.measures.performance import known_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.http.tape import Exchanged
    from flatfield.records import CascadeStep, Reply, ToolResult, TrialRecord, Turn, Usage, Verdict


# What went over the wire in one trial, as text: each request and each response, exactly, without keys.


def rebuilt_of(record: TrialRecord) -> Iterator[Exchanged]:
    """The trial's exchanges, in order, with the attempts that failed and the request that no reply came to.

    Raises:
        NotFound: none is on record.
        StoreError: one is damaged.
    """
    wires = [*(wire for turn in record.turns for wire in turn.reply.wire), *record.unanswered]
    if not wires:
        raise NotFound(
            f"trial {record.id} has no exchanges on record: controls and imported trials have none, nor have trials"
            " stored by an older flatfield, ended before their first request"
        )
    return rebuilt(wires)


def exchanges(record: TrialRecord) -> str:
    """All exchanges, one after the other; see `rebuilt_of`."""
    return printable("\n".join(_header_lines(record)))


def without_exchanges(record: TrialRecord) -> TrialRecord:
    """The record without them, for those who read it as JSON: packed, they say nothing."""
    bare = tuple(structs.replace(turn, reply=structs.replace(turn.reply, wire=())) for turn in record.turns)
    return structs.replace(record, turns=bare, unanswered=())


def _header_lines(record: TrialRecord) -> Iterator[str]:
    yield f"trial {record.id}"
    for number, sent in enumerate(rebuilt_of(record), start=1):
        failed = f"  ── failed: {' '.join(sent.failure.split())}" if sent.failure else ""
        yield from ("", f"── request {number}: POST {sent.url}{failed}")
        yield from (f"{name}: {value}" for name, value in sent.headers.items())
        status = f": {sent.status or 'no answer'} (the attempt failed)" if sent.failure else ""
        yield from ("", sent.request, "", f"── response {number}{status}")
        yield from (f"{name}: {value}" for name, value in sent.response_headers.items())
        yield from (("", sent.response) if sent.failure else (sent.response,))


def transcript(record: TrialRecord, verdicts: Sequence[Verdict] = ()) -> str:
    """The whole trial, to be read from top to bottom; what others wrote is indented, so that it fakes no heading."""
    return printable("\n".join(_lines(record, verdicts)))


def _lines(record: TrialRecord, verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield f"trial {record.id}: {_flat(outcome(record))}"
    yield f"started {record.started_at or 'at an unknown time'} · ended: {record.stop.replace('_', ' ')}"
    if record.imported:
        yield f"imported, not measured here; published: {msgspec.json.encode(record.published).decode()}"
    yield from (f"note: {_flat(text)}" for text in record.notes)
    yield from _text("system prompt", record.system_prompt)
    yield from _text("prompt", record.prompt)
    begins: dict[int, list[str]] = {}
    for number, lines in _steps(record):
        begins.setdefault(number, []).extend(lines)
    for number, turn in enumerate(record.turns, start=1):
        yield from begins.pop(number, ())
        yield from _turn(number, turn)
    yield from (line for lines in begins.values() for line in lines)  # of those that had no turn
    if not record.turns:
        yield from _text("answer", record.answer)
    if record.changes:
        yield from ("", "── files changed")
        yield from (f"  {change.kind:9}{change.path} ({count(change.size_bytes)} bytes)" for change in record.changes)
    if record.checks:
        yield from ("", "── checks", *_checks(record))
    mine = (record.agent, record.task, record.repeat)
    for verdict in verdicts:
        if (verdict.agent, verdict.task, verdict.repeat) == mine:
            yield from _text(f"judge {verdict.judge}: {verdict.letter or 'no grade'}", verdict.reason or "no reason")
            yield from (f"    quotes: {quote}" for quote in verdict.evidence)
    yield from ("", "── sums", *_sums(record))


def _steps(record: TrialRecord) -> Iterator[tuple[int, tuple[str, ...]]]:
    """What is said of each step of a cascade, by the number of its first turn."""
    at = 1
    for step in record.steps:
        spent = f"active {seconds(step.active_seconds)}, {dollars(step.cost_usd)}"
        check = f", check {seconds(step.check_seconds)}, {dollars(step.check_usd)}" if step.passed is not None else ""
        because = f": {_flat(step.reason)}" if step.reason else ""
        yield at, ("", f"══ step {_flat(step.agent)}: {_came_of(step, record)}{because} ({spent}{check})")
        at += step.turns


def _came_of(step: CascadeStep, record: TrialRecord) -> str:
    if step.passed:
        return "its work passed"
    if step is not record.steps[-1]:
        return "it failed, and the next one began" if step.passed is None else "went on"
    if record.failure is not None:
        return "the trial ended here, and nothing is taken"
    if step.passed is False:
        return "did not pass, and its work is taken as the last one's"
    return "its work is taken, as no step comes behind it"


def _text(heading: str, text: str) -> Iterator[str]:
    if text:
        yield from ("", f"── {heading}", _indented(text))


def _indented(text: str, by: str = "  ") -> str:
    return textwrap.indent(text.replace("\r\n", "\n"), by)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _turn(number: int, turn: Turn) -> Iterator[str]:
    reply = turn.reply
    first = f", first token {seconds(reply.first_token_seconds)}" if reply.first_token_seconds is not None else ""
    retried = f", retries {seconds(reply.retry_seconds)} ({reply.attempts} attempts)" if reply.attempts > 1 else ""
    used = _used(reply, f" · {dollars(turn.cost_usd)}")
    yield ""
    yield f"── turn {number}: {reply.finish} · model {seconds(reply.model_seconds)}{first}{retried} · {used}"
    for part in reply.by_model if len(reply.by_model) > 1 else ():
        yield f"  {_flat(part.request.model)}: {_used(part)}"
    if beside := ", ".join(_beside(turn)):
        yield f"  beside the model: {beside}"
    yield f"  request {msgspec.json.encode(reply.request).decode()}"
    if reply.reasoning:
        yield _indented(f"(reasoning) {reply.reasoning}")
    if reply.text:
        yield _indented(reply.text)
    results = {result.call_id: result for result in turn.results}
    for call in reply.calls:
        yield f"  → {_flat(call.name)} {_flat(call.arguments)}"
        yield from _result(results.get(call.id))


def _used(reply: Reply, cost: str = "") -> str:
    """A reply's tokens, what they cost where that is known, and what the API or scaffold says that they did."""
    usage, told = reply.usage, reply.reported_cost_usd
    tokens = "usage not reported"
    if usage is not None:
        tokens = f"{count(usage.input_tokens)} tokens in{_cached(usage)}, {count(usage.output_tokens)} out"
        tokens += f" ({count(usage.reasoning_tokens)} reasoning)" if usage.reasoning_tokens else ""
    who = "the scaffold" if reply.scaffold else "the API"
    return f"{tokens}{cost}" + (f", {who} reports {dollars(told)}" if told is not None else "")


def _for_an_hour(usage: Usage) -> str:
    hour = usage.cache_write_1h_tokens
    return f", of it {count(hour)} for an hour" if hour else ""


def _cached(usage: Usage) -> str:
    """The parts of the input that a cache has to do with."""
    parts = ((usage.cache_read_tokens, "from cache"), (usage.cache_write_tokens, "into cache"))
    known = [f"{count(tokens)} {what}" for tokens, what in parts if tokens]
    return f" ({', '.join(known)})" if known else ""


def _beside(turn: Turn) -> Iterator[str]:
    """What a turn took that is not the model's time, where it took any."""
    reply = turn.reply
    amounts = (
        ("tools", turn.tools_seconds),
        ("sandbox", turn.sandbox_seconds),
        ("queue", turn.queue_seconds),
        ("load", reply.load_seconds),
    )
    yield from (f"{what} {seconds(amount)}" for what, amount in amounts if amount)
    if turn.lag_seconds is not None and turn.lag_seconds > LAG_SECONDS:
        yield f"the event loop lagged by {seconds(turn.lag_seconds)}"


def _result(result: ToolResult | None) -> Iterator[str]:
    if result is None:
        yield "  ← not run"
        return
    yield f"  ← {'ok' if result.ok else 'error'}, {seconds(result.seconds)}"
    yield _indented(result.text, "    ")


def _checks(record: TrialRecord) -> Iterator[str]:
    for check in record.checks:
        score = "not measured" if check.score is None else f"{check.score:.2f}"
        yield f"  {score}  {_flat(check.label)} (weight {check.weight:g}): {_flat(check.reason)}"
        if check.output:
            yield _indented(check.output, "    ")


def _checked(record: TrialRecord) -> str:
    """What checks between a cascade's steps took."""
    return f" + checks {seconds(sum(step.check_seconds for step in record.steps))}" if record.steps else ""


def _sums(record: TrialRecord) -> Iterator[str]:
    usage, active = record.usage, known_seconds(record)
    yield (
        f"  {many_known(record.turn_count, 'turn')}, {many_known(record.tool_calls, 'tool call')};"
        f" active {seconds(active)} = model {seconds(record.model_seconds)}"
        f" + tools {seconds(record.tools_seconds)}{_checked(record)}"
    )
    yield (
        f"  wall {seconds(None if active is None else record.wall_seconds)}, queue {seconds(record.queue_seconds)},"
        f" retries {seconds(record.retry_seconds)}, load {seconds(record.load_seconds)}"
        + (f", sandbox {seconds(record.sandbox_seconds)}" if record.sandbox_seconds else "")
    )
    if usage is not None:
        yield (
            f"  tokens: input {count(usage.input_tokens)} (cache read {count(usage.cache_read_tokens)}, write"
            f" {count(usage.cache_write_tokens)}{_for_an_hour(usage)}), output {count(usage.output_tokens)}"
            f" (reasoning {count(usage.reasoning_tokens)})"
        )
    speed = output_tokens_per_second([record])
    if speed is not None:
        yield f"  {speed:,.1f} output tokens a second, from the first one where it was seen"
    device = f"; device {dollars(record.device_cost_usd)}" if record.device_cost_usd is not None else ""
    told = record.reported_cost_usd
    reported = f"; the API reports {dollars(told)}" if told is not None else ""
    yield f"  cost: {dollars(record.cost_usd)}{reported}{device}"
    if record.priced:
        yield f"  priced at {_flat(record.priced)}"
    spent = abandoned_sum([record])
    if spent["attempts"]:
        yield (
            f"  of which abandoned attempts: {dollars(record.abandoned_cost_usd)}"
            f"{', estimated' if spent['estimated'] else ''}: {many(int(spent['attempts']), 'attempt')},"
            f" {count(int(spent['input_tokens'] or 0))} tokens in, {count(int(spent['output_tokens'] or 0))} out"
        )
