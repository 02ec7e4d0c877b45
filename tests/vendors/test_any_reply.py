"""Whatever a server sends, a trial ends, its record can be stored and shown, and the blame is not the harness's."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flatfield import plugins
from flatfield.agent.loop import NanoAgent
from flatfield.agent.toolbox import Toolbox
from flatfield.faces.transcript import transcript
from flatfield.http.retrying import RetryPolicy
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.records import AgentConfig, Limits, Task, ToolCall, ToolResult, ToolSpec, TrialRecord
from flatfield.runs.store.codec import decode, encode
from flatfield.runs.store.totals import with_sums
from flatfield.testing.clocks import FakeClock
from flatfield.testing.fake_server import FakeReply, FakeServer
from flatfield.testing.wires import new_wire
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flatfield.agent.loop import Outcome
    from flatfield.testing.fake_server import VendorWire

pytestmark = pytest.mark.whole

PROVIDERS = tuple(each.name for each in plugins.all_traits() if each.asks_server and not each.is_scaffold)
TOOL = ToolSpec(name="read_file", description="Read a file.", parameters={"type": "object", "properties": {}})
REPLY = FakeReply(
    text="Looking…", reasoning="Größe?", calls=(("read_file", '{"file_path": "é🙂.txt"}'), ("read_file", "{}"))
)
DEEP = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
ODD = (
    b"-1", b"1e400", b"1e308", b"9" * 30, b"9" * 5000, b"NaN", b"null", b"true", b"[]", b"{}", b'""', b'"\\ud800"',
    b'"\\u0000"', b'"\xff"', b'"' + b"x" * 10_000 + b'"', b'"[DONE]"', b'"error"', b"", DEEP, DEEP[:-5000],
    b'"' + DEEP.replace(b'"', b'\\"') + b'"',
)  # fmt: skip
_TOKEN = re.compile(rb'-?\d+(?:\.\d+)?|"(?:[^"\\]|\\.)*"|true|false|null|\{\}|\[\]')


class Mutated:
    """A wire whose streams are changed on their way, and that takes any request."""

    def __init__(self, wire: VendorWire, change: Any, content_type: str) -> None:
        self._wire = wire
        self._change = change
        self.content_type = content_type or wire.content_type

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire, name)

    def violation(self, _request: Mapping[str, Any], _headers: Mapping[str, str], _sent: Sequence[FakeReply]) -> None:
        return None

    def stream(self, reply: FakeReply, number: int) -> list[bytes]:
        whole = b"".join(self._wire.stream(reply, number))
        return [self._change(whole)] if number < 2 else [whole]


@st.composite
def changes(draw: st.DrawFn) -> Any:
    """What becomes of a stream: odd values in the place of some, pieces lost, doubled or put in."""
    values = draw(st.lists(st.tuples(st.floats(0, 0.999), st.sampled_from(ODD)), max_size=3))
    cuts = draw(
        st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.2), st.sampled_from(["drop", "double", "junk"])), max_size=1)
    )
    junk = draw(st.binary(max_size=40))

    def change(data: bytes) -> bytes:
        for place, value in values:
            found = list(_TOKEN.finditer(data))
            if found:
                token = found[int(place * len(found))]
                data = data[: token.start()] + value + data[token.end() :]
        for place, length, what in cuts:
            start = int(place * len(data))
            end = start + int(length * len(data))
            middle = {"drop": b"", "double": data[start:end] * 2, "junk": junk}[what]
            data = data[:start] + middle + data[end:]
        return data

    return change


class Reading:
    async def run(self, call: ToolCall) -> ToolResult:
        return ToolResult(call_id=call.id, name=call.name, text=f"text of {call.arguments[:50]}")


class Reader:
    spec = TOOL

    async def call(self, _arguments: Mapping[str, Any]) -> str:
        return "read"


async def played(
    provider: str, change: Any, content_type: str, protocol: Any, folder: Path, reply: FakeReply = REPLY
) -> Outcome:
    clock = FakeClock()
    wire = Mutated(new_wire(provider), change, content_type)
    async with (
        FakeServer(wire, lambda _request, _number: reply, models=("m",)) as server,
        open_session(clock) as session,
    ):
        services = Services(
            session=session, clock=clock, environ={"KEY": "k" * 20}, cache=folder, retry=RetryPolicy(attempts=2)
        )
        opened = plugins.load("provider", provider).create(services)
        agent = AgentConfig(
            name="a", provider=provider, model="m", base_url=server.base_url, api_key_env="KEY", protocol=protocol
        )
        opening = Opening(
            agent=agent, system_prompt="", prompt="Do it.", tools=(TOOL,), task=Task(id="t", title="t", prompt="")
        )
        nano = NanoAgent(
            await opened.converse(opening),
            Reading(),
            Limits(turns=3),
            price=lambda said: said.usage.output_tokens / 1e6 if said.usage else None,
            observe=lambda _turn: None,
        )
        async with asyncio.timeout(60):
            outcome = await nano.run()
        await opened.close()
    record = TrialRecord(
        run="r",
        agent="a",
        task="t",
        repeat=1,
        task_digest="",
        agent_fingerprint="",
        stop=outcome.stop,
        answer=outcome.answer,
    )
    kept = decode(encode(with_sums(record, outcome, agent.usd_per_hour)), TrialRecord)
    assert kept.failure is None, kept.failure
    transcript(kept).encode()
    return outcome


QUICK = settings(
    max_examples=8, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck), database=None
)
CONTENT = st.sampled_from(["", "", "", "application/json", "text/plain"])
PROTOCOL = st.sampled_from(["native", "native", "json"])


def check(provider: str, change: Any, content_type: str, protocol: str, folder: Path) -> None:
    outcome = asyncio.run(played(provider, change, content_type, protocol, folder))
    assert (outcome.stop != "error") or outcome.failed == "provider", outcome.problem


@pytest.mark.parametrize("provider", PROVIDERS)
@QUICK
@given(change=changes(), content_type=CONTENT, protocol=PROTOCOL)
@pytest.mark.some(3)
def test_a_trial_ends_with_a_record(
    provider: str, change: Any, content_type: str, protocol: str, tmp_path: Path
) -> None:
    check(provider, change, content_type, protocol, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("provider", PROVIDERS)
@settings(QUICK, max_examples=150)
@given(change=changes(), content_type=CONTENT, protocol=PROTOCOL)
def test_a_trial_ends_with_a_record_of_many(
    provider: str, change: Any, content_type: str, protocol: str, tmp_path: Path
) -> None:
    check(provider, change, content_type, protocol, tmp_path)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.some(2)
async def test_arguments_nested_without_end_are_told_to_the_model_and_the_trial_goes_on(
    provider: str, tmp_path: Path
) -> None:
    in_text = new_wire(provider).arguments_are_text
    arguments = DEEP.decode() if in_text else '{"file_path": "deep"}'
    reply = FakeReply(text="Looking…", calls=(("read_file", arguments), ("read_file", "{}")))
    sent: list[int] = []

    def deepen(data: bytes) -> bytes:
        deep = data if in_text else data.replace(b'"deep"', DEEP)
        sent.append(deep.count(b"{"))
        return deep

    outcome = await played(provider, deepen, "", "native", tmp_path, reply)
    assert outcome.stop == "turn_limit", outcome.problem
    assert [len(turn.reply.calls) for turn in outcome.turns] == [2, 2, 2]
    assert min(sent) > 10_000
    deep = outcome.turns[0].reply.calls[0]
    result = await Toolbox([Reader()], FakeClock()).run(deep)
    assert not result.ok
    assert "the arguments are nested too deeply" in result.text
