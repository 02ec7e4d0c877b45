"""Plays to the test kit what a real server was asked, answered with the same words, and holds the two together."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield import json_text, plugins
from flatfield.http.retrying import RetryPolicy
from flatfield.http.secrecy import Secrets
from flatfield.records import Usage
from flatfield.testing.fake_server import FakeReply, FakeServer, HostedWire, beliefs_of
from flatfield.testing.real import differing
from flatfield.testing.real.differing import Difference
from flatfield.testing.real.exercise import CUT, FIRST, SLIP, UNKNOWN_CALL, UNKNOWN_MODEL, Exercise, Heard
from flatfield.testing.real.forms import looked_at, looked_at_error, together
from flatfield.testing.wires import new_wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.http.services import Services
    from flatfield.records import AgentConfig, Reply
    from flatfield.testing.fake_server import Beliefs, VendorWire
    from flatfield.testing.real.forms import Look
    from flatfield.vendors.base import Provider

KEY, VARIABLE = "key-of-the-test-kit-0123456789", "TEST_KIT_KEY"
USUAL = Usage(input_tokens=100, cache_read_tokens=40, output_tokens=10, reasoning_tokens=4)
_CUT_BY_US = frozenset({"time", "repeats"})
BUSY = frozenset({408, 409, 429})
_CALLS = (("look", '{"at": "a"}'), ("look", '{"at": "b"}'))
_WRITTEN = structs.replace(USUAL, cache_write_tokens=20, cache_write_1h_tokens=10)


async def held(
    agent: AgentConfig, heard: Sequence[Heard], services: Services, answers: list[Mapping[str, str]]
) -> tuple[Difference, ...]:
    """Where the server that was heard does otherwise than the test kit believes, the gravest first.

    Raises:
        NotFound: no fake server speaks the protocol of the agent's provider.
        NotReady: a third party's wire cannot be imported.
    """
    played = await _played(agent, heard, services, answers)
    wire = new_wire(agent.provider)
    pairs = [(one, played[one.step]) for one in heard if one.step in played and not is_trouble(one)]
    found = [
        *(each for real, _ in pairs for each in _of_request(real, new_wire(agent.provider))),
        *(each for real, kit in pairs for each in _of_step(real, kit, wire)),
        *_of_replies([(real, kit) for real, kit in pairs if real.reply and kit.reply], wire),
        *_of_growth(heard),
        *_of_headers(heard, beliefs_of(wire)),
    ]
    return differing.in_order(found)


def look_of(provider: str, heard: Sequence[Heard]) -> Look:
    """How all replies of a server look."""
    beliefs = beliefs_of(new_wire(provider))
    return together(looked_at(each.body, beliefs) for each in heard if each.reply is not None)


def is_trouble(heard: Heard) -> bool:
    """Whether a step failed because the server was busy, not there or slow, which tells nothing of its protocol."""
    if heard.reply is not None:
        return heard.reply.finish in _CUT_BY_US
    if not heard.asked:
        return False
    if heard.status is None or heard.status in BUSY:
        return True
    return heard.status >= 500 and heard.step not in {UNKNOWN_CALL, UNKNOWN_MODEL}


# The kit's side: the same steps, the same words.


async def _played(
    agent: AgentConfig, heard: Sequence[Heard], services: Services, answers: list[Mapping[str, str]]
) -> dict[str, Heard]:
    """What the kit's server says to the same steps, by step."""
    wire = new_wire(agent.provider)
    script = {each.step: _mirrored(each.reply, beliefs_of(wire)) for each in heard}
    now: list[str] = []
    server = FakeServer(wire, lambda _request, _number: script[now[-1]], models=(agent.model,))
    server.absent = SLIP
    with TemporaryDirectory() as folder:
        async with server:
            calm = RetryPolicy(attempts=1, connect_seconds=10, stall_seconds=60)
            own = replace(
                services, environ={VARIABLE: KEY}, retry=calm, pressure=None, secrets=Secrets(), cache=Path(folder)
            )
            opened: Provider = plugins.load("provider", agent.provider).create(own)
            settings = {"base_url": server.base_url, "api_key_env": VARIABLE}
            if isinstance(wire, HostedWire):
                settings = wire.stand_in(opened, server.base_url, KEY, Path(folder))
            same = structs.replace(agent, headers={}, **settings)
            exercise = Exercise(
                same, opened.converse, lambda step, _most: now.append(step), answers, only=frozenset(script)
            )
            try:
                await exercise.run()
            finally:
                await opened.close()
            return {each.step: each for each in exercise.heard}


def _mirrored(reply: Reply | None, beliefs: Beliefs) -> FakeReply:
    """What the kit says where the server said this, or failed."""
    if reply is None:
        return FakeReply(text="lantern")
    refused = reply.finish == "refused"
    return FakeReply(
        text="" if refused else reply.text,
        refusal=reply.text or "no" if refused else "",
        reasoning=reply.reasoning,
        calls=tuple((call.name, call.arguments) for call in reply.calls),
        finish=beliefs.cut if reply.finish == "length" else None,
        usage=reply.usage or USUAL,
    )


def _repertoire(wire: VendorWire, beliefs: Beliefs) -> Iterator[Look]:
    """All forms that the kit's server can send at all."""
    replies = (
        FakeReply(text="word", reasoning="thought"),
        FakeReply(text="word", reasoning="thought", calls=_CALLS, usage=_WRITTEN),
        FakeReply(refusal="no"),
        FakeReply(text="word", finish=beliefs.cut),
        FakeReply(text="word", usage=Usage(input_tokens=1, output_tokens=1)),
    )
    for number, reply in enumerate(replies):
        yield looked_at(b"".join(wire.stream(reply, number)), beliefs)
        yield looked_at(json.dumps(wire.whole(reply, number)).encode(), beliefs)


# What differs, by what it is seen in.


def _of_request(real: Heard, wire: VendorWire) -> Iterator[Difference]:
    """A request that begins a conversation, held to the kit's rules; those that go on were played to it."""
    if real.step not in {FIRST, CUT, UNKNOWN_MODEL} or not real.request:
        return
    if broken := wire.violation(json_text.decoded(real.request), real.headers, ()):
        said = f"the kit refuses what flatfield sends: {broken}"
        yield Difference(kind="status", at="request", step=real.step, found=said)


def _of_step(real: Heard, kit: Heard, wire: VendorWire) -> Iterator[Difference]:
    """How one step went: taken or refused, with which status and in which form; its words, counts and stream."""
    beliefs = beliefs_of(wire)
    if real.reply is None or kit.reply is None:
        if real.status != kit.status:
            yield Difference(kind="status", at="answer", step=real.step, found=_status_told(real, kit))
        if real.reply is None and real.status is not None:
            refused = json.dumps(wire.error(real.status, real.problem)).encode()
            yield from differing.of_errors(
                real.step, looked_at_error(real.body, beliefs), looked_at_error(refused, beliefs)
            )
        return
    one, other = looked_at(real.body, beliefs), looked_at(kit.body, beliefs)
    yield from differing.of_words(real.step, one, other)
    yield from _of_usage(real, real.reply, one, other)
    if real.media_type != kit.media_type:
        said = f"the server says {real.media_type or 'nothing'}, the kit {kit.media_type}"
        yield Difference(kind="framing", at="Content-Type", step=real.step, found=said)
    if real.reply.first_token_seconds is None and kit.reply.first_token_seconds is not None:
        yield Difference(kind="framing", at="first token", step=real.step, found="no moment of a first token was seen")


def _status_told(real: Heard, kit: Heard) -> str:
    if real.reply is not None:
        why = "" if real.step in {UNKNOWN_CALL, UNKNOWN_MODEL} else f": {kit.problem}"
        return f"the server takes it, the kit refuses it with {kit.status}{why}"
    if kit.reply is not None:
        return f"the server refuses it with {real.status}, the kit takes it: {real.problem}"
    return f"the server refuses it with {real.status}, the kit with {kit.status}"


def _of_usage(real: Heard, reply: Reply, one: Look, other: Look) -> Iterator[Difference]:
    """What is counted: whether it was understood, whether it can be, whether its sums are the kit's."""
    usage = reply.usage
    if usage is None:
        if one.counts:
            yield Difference(kind="count", at="usage", step=real.step, found="the server counts, but no count was read")
        return
    yield from differing.of_counts(real.step, one, other)
    if usage.cache_read_tokens + usage.cache_write_tokens > usage.input_tokens:
        said = f"cached tokens ({usage.cache_read_tokens + usage.cache_write_tokens:,}) are more than all of the input"
        yield Difference(kind="count", at="usage", step=real.step, found=f"{said} ({usage.input_tokens:,})")
    if usage.reasoning_tokens > usage.output_tokens:
        said = f"reasoning tokens ({usage.reasoning_tokens:,}) are more than all of the output"
        yield Difference(kind="count", at="usage", step=real.step, found=f"{said} ({usage.output_tokens:,})")


def _of_growth(heard: Sequence[Heard]) -> Iterator[Difference]:
    """A turn's input holds all that was said before, so that it cannot be less than the last one's."""
    turns = [each for each in heard if each.step not in {UNKNOWN_CALL, CUT, UNKNOWN_MODEL}]
    for one, two in pairwise(turns):
        before = one.reply.usage if one.reply else None
        after = two.reply.usage if two.reply else None
        if before and after and after.input_tokens < before.input_tokens:
            said = f"its input is {after.input_tokens:,} tokens, that of the turn before {before.input_tokens:,}"
            yield Difference(kind="count", at="usage", step=two.step, found=f"{said}, which it holds")


def _of_replies(pairs: Sequence[tuple[Heard, Heard]], wire: VendorWire) -> Iterator[Difference]:
    """Events, fields and ids of all replies together."""
    if not pairs:
        return
    beliefs = beliefs_of(wire)
    real = together(looked_at(one.body, beliefs) for one, _ in pairs)
    kit = together(looked_at(other.body, beliefs) for _, other in pairs)
    yield from differing.of_forms(real, kit, together((kit, *_repertoire(wire, beliefs))), beliefs.optional)
    yield from differing.of_ids(real, kit)


def _of_headers(heard: Sequence[Heard], beliefs: Beliefs) -> Iterator[Difference]:
    """Names of headers that tell of limits."""
    replies = [each for each in heard if each.reply is not None]
    if not replies:
        return
    there, believed = {name for each in replies for name in each.limit_headers}, set(beliefs.limit_headers)
    for names, said in (
        (there - believed, "the kit does not know it"),
        (believed - there, "the server does not send it"),
    ):
        for name in sorted(names):
            yield Difference(kind="header", at=name, found=said)
