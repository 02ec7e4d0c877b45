"""What every provider does alike: conversations however they arrive, and each fault's attempts, waits and records."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest
from msgspec import Struct, field

from flatfield import plugins
from flatfield.agent.loop import NanoAgent, Outcome
from flatfield.agent.recalling import NOT_DONE, resumed
from flatfield.errors import ContextTooLong, ProviderError
from flatfield.http.retrying import RetryPolicy
from flatfield.http.services import Services
from flatfield.http.tape import rebuilt
from flatfield.http.transport import open_session
from flatfield.records import AgentConfig, Limits, Task, ToolCall, ToolResult, ToolSpec, TrialRecord, Usage
from flatfield.runs.store.codec import decode, encode
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault, HostedWire, Step
from flatfield.testing.wires import new_wire
from flatfield.vendors import _tool_protocols as json_protocol
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from flatfield.http.tape import Exchanged
    from flatfield.records import Reply, TurnBudget
    from flatfield.testing.clocks import FakeClock, IdleTime
    from flatfield.vendors.base import Conversation, Provider

    Price = Callable[[Reply], float | None]

pytestmark = pytest.mark.whole

KEY = "planted-key-0123456789"
READ = ToolSpec(
    name="read_file",
    description="Read a file.",
    parameters={
        "type": "object",
        "properties": {"file_path": {"type": "string"}},
        "required": ["file_path"],
        "additionalProperties": False,
    },
)
CALLS = (("read_file", '{"file_path": "é🙂.txt"}'), ("read_file", '{"file_path": "b"}'))
CALLING = FakeReply(text="Looking…", reasoning="Größe? 🙂", calls=CALLS)
ANSWER = FakeReply(text="Größe: 3 🙂")
THIRTY = Limits(seconds=30.0)
BRIEF = RetryPolicy(stall_seconds=5.0)


@pytest.fixture(params=[each.name for each in plugins.all_traits() if not (each.is_control or each.is_scaffold)])
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Watched:
    """A conversation whose errors are looked at on their way."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.raised: list[Exception] = []

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        try:
            return await self._conversation.turn(results, budget)
        except Exception as error:
            self.raised.append(error)
            raise


class Reading:
    async def run(self, call: ToolCall) -> ToolResult:
        return ToolResult(call_id=call.id, name=call.name, text=f"text of {call.arguments}")


def no_price(_reply: Reply) -> float | None:
    return None


def per_token(reply: Reply) -> float | None:
    """A dollar per thousand output tokens."""
    return reply.usage.output_tokens / 1000 if reply.usage else None


def wires(outcome: Outcome) -> list[Exchanged]:
    """All attempts of a trial, in order, as they went over the wire."""
    return list(rebuilt([*(wire for turn in outcome.turns for wire in turn.reply.wire), *outcome.left.wire]))


class Played(Struct, frozen=True, kw_only=True):
    outcome: Outcome
    server: FakeServer
    raised: list[Exception] = field(default_factory=list)

    @property
    def last(self) -> Reply:
        return self.outcome.turns[-1].reply


class Stage:
    """Plays scripts to one provider, with waits that take no time."""

    def __init__(self, provider: str, clock: FakeClock, folder: Path, context_tokens: int | None = None) -> None:
        self.context_tokens = context_tokens
        self.protocol: Literal["native", "json"] = "native"
        self.system_prompt = "Be brief."
        self.max_output_tokens: int | None = None
        self.provider = provider
        self.wire = new_wire(provider)
        self.clock = clock
        self.folder = folder

    async def play(
        self,
        script: Callable[[dict[str, Any], int], Step] | Sequence[Step],
        policy: RetryPolicy | None = None,
        limits: Limits = THIRTY,
        price: Price = no_price,
        **options: Any,
    ) -> Played:
        async with FakeServer(new_wire(self.provider), script, models=("gpt-5-mini",), **options) as server:
            played = await self.run(server, policy, limits, price)
        assert server.violations == []
        return played

    async def run(
        self,
        server: FakeServer,
        policy: RetryPolicy | None = None,
        limits: Limits = THIRTY,
        price: Price = no_price,
        earlier: tuple[TrialRecord, ...] = (),
    ) -> Played:
        """One trial; whatever happens in it, no key is told and nothing but a provider's error is raised.

        All that is sent, the vendor's own SDK would send too. It goes on with `earlier` trials.
        """
        async with open_session(self.clock) as session:
            environ = {"PLANTED": KEY}
            services = Services(session=session, clock=self.clock, environ=environ, cache=self.folder, retry=policy)
            opened = plugins.load("provider", self.provider).create(services)
            opening = self._opening(opened, server)
            results: tuple[ToolResult, ...] = ()
            if earlier:
                more = msgspec.structs.replace(opening, prompt="And now?")
                begun = await resumed(more, earlier, opened.converse)
                assert begun.note == f"goes on with {earlier[-1].id}", "word for word"
                watched, results = Watched(begun.conversation), begun.results
            else:
                watched = Watched(await opened.converse(opening))
            nano = NanoAgent(watched, Reading(), limits, price=price, observe=lambda _: None)
            outcome = await nano.run(results)
            await opened.close()
        for request in server.requests:
            self.wire.sdk_takes(request)
        assert KEY not in msgspec.json.encode(outcome).decode()
        assert all(KEY not in repr(sent) for sent in wires(outcome))
        assert all(KEY not in f"{error} {error!r}" for error in watched.raised)
        assert {type(error) for error in watched.raised} <= {ProviderError, ContextTooLong}
        return Played(outcome=outcome, server=server, raised=watched.raised)

    def _opening(self, opened: Provider, server: FakeServer) -> Opening:
        settings: dict[str, Any] = {"model": "gpt-5-mini", "base_url": server.base_url, "api_key_env": "PLANTED"}
        if isinstance(self.wire, HostedWire):
            settings = self.wire.stand_in(opened, server.base_url, KEY, self.folder)
        agent = AgentConfig(
            name="a",
            provider=self.provider,
            context_tokens=self.context_tokens,
            protocol=self.protocol,
            max_output_tokens=self.max_output_tokens,
            **settings,
        )
        task = Task(id="t", title="t", prompt="")
        return Opening(agent=agent, system_prompt=self.system_prompt, prompt="Do it.", tools=(READ,), task=task)


@pytest.fixture
def stage(provider: str, clock: FakeClock, tmp_path: Path, idle_time: IdleTime) -> Stage:
    """Limits that the event loop watches over strike only when nothing else can happen."""
    del idle_time
    return Stage(provider, clock, tmp_path)


# ---------------------------------------------------------------------------- conversations


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"piece_bytes": 1},
        {"piece_bytes": 7, "compress": True},
        {"stream": False},
        {"stream": False, "compress": True},
    ],
    ids=str,
)
async def test_a_tool_conversation_however_it_arrives(stage: Stage, options: dict[str, Any]) -> None:
    played = await stage.play([CALLING, ANSWER], **options)
    first, last = (turn.reply for turn in played.outcome.turns)
    assert (played.outcome.stop, played.outcome.answer) == ("answered", ANSWER.text)
    assert (first.text, first.reasoning, first.finish) == (CALLING.text, CALLING.reasoning, "tool_calls")
    assert [(call.name, json.loads(call.arguments)) for call in first.calls] == [
        (name, json.loads(arguments)) for name, arguments in CALLS
    ]
    assert (last.finish, last.attempts, last.retry_seconds) == ("stop", 1, 0.0)
    assert last.usage is not None
    assert (last.usage.input_tokens, last.usage.cache_read_tokens, last.usage.output_tokens) == (100, 40, 10)
    assert (last.first_token_seconds is not None) == options.get("stream", True)
    assert last.request.base_url


def recorded(played: Played, prompt: str = "Do it.") -> TrialRecord:
    """The trial as it comes back from the store."""
    record = TrialRecord(
        run="20260101-000000-abcd",
        agent="a",
        task="t",
        repeat=1,
        task_digest="",
        agent_fingerprint="",
        stop=played.outcome.stop,
        prompt=prompt,
        turns=played.outcome.turns,
    )
    return decode(encode(record), TrialRecord)


@pytest.mark.parametrize("options", [{}, {"stream": False}], ids=str)
async def test_a_conversation_goes_on_from_its_record_word_for_word(stage: Stage, options: dict[str, Any]) -> None:
    """The server is strict about what comes back: reasoning, signatures, ids of calls."""
    script = [CALLING, ANSWER, FakeReply(text="More.", reasoning="Hm."), FakeReply(text="The end.")]
    async with FakeServer(new_wire(stage.provider), script, models=("gpt-5-mini",), **options) as server:
        first = recorded(await stage.run(server))
        second = recorded(await stage.run(server, earlier=(first,)), "And now?")
        played = await stage.run(server, earlier=(first, second))
    assert server.violations == []
    assert (second.turns[0].reply.text, played.outcome.answer) == ("More.", "The end.")
    assert len(server.requests) == 4, "nothing that was answered before is asked for again"
    said = texts(server.requests[3])
    assert said.count("And now?") == 2
    assert [text for text in said if text in {"Do it.", ANSWER.text, "And now?", "More."}] == [
        "Do it.", ANSWER.text, "And now?", "More.", "And now?",
    ]  # fmt: skip
    assert set(texts(server.requests[1])) <= set(said)
    assert {result.text for result in first.turns[0].results} <= set(said)


async def test_a_conversation_that_a_limit_ended_goes_on_with_what_its_calls_returned(stage: Stage) -> None:
    async with FakeServer(new_wire(stage.provider), [CALLING, ANSWER], models=("gpt-5-mini",)) as server:
        first = recorded(await stage.run(server, limits=Limits(seconds=30.0, turns=1)))
        cut = msgspec.structs.replace(first.turns[0], results=first.turns[0].results[:1])
        played = await stage.run(server, earlier=(msgspec.structs.replace(first, turns=(cut,)),))
    assert server.violations == []
    assert (first.stop, played.outcome.answer) == ("turn_limit", ANSWER.text)
    assert {first.turns[0].results[0].text, NOT_DONE, "And now?"} <= set(texts(server.requests[1]))


async def test_a_conversation_in_the_json_protocol_goes_on_too(stage: Stage) -> None:
    stage.protocol = "json"
    call = '{"tool": "read_file", "arguments": {"file_path": "b"}}'
    script = [FakeReply(text=call), FakeReply(text='{"answer": "More."}')]
    async with FakeServer(new_wire(stage.provider), script, models=("gpt-5-mini",)) as server:
        first = recorded(await stage.run(server, limits=Limits(seconds=30.0, turns=1)))
        played = await stage.run(server, earlier=(first,))
    assert server.violations == []
    assert played.outcome.answer == "More."
    last = next(text for text in reversed(texts(server.requests[1])) if text.endswith("And now?"))
    assert first.turns[0].results[0].text in last, "one message of ours, as the roles alternate"


async def test_usage_that_is_missing_is_not_zero(stage: Stage) -> None:
    played = await stage.play([FakeReply(text="ok", usage=None)])
    assert (played.outcome.answer, played.last.usage) == ("ok", None)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "text/event-stream"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_wrong_content_type_does_no_harm(stage: Stage, stream: bool, content_type: str) -> None:
    wire = new_wire(stage.provider)
    body = b"".join(wire.stream(ANSWER, 0)).decode() if stream else json.dumps(wire.whole(ANSWER, 0))
    played = await stage.play([Fault(kind="whole", message=body, headers={"Content-Type": content_type})])
    assert (played.outcome.answer, played.last.attempts) == (ANSWER.text, 1)


def texts(value: Any) -> list[str]:
    """Every text in a JSON value, wherever it stands."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in texts(each)]


def numbers(value: Any) -> list[int]:
    """Every whole number in a JSON value, wherever it stands."""
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [number for each in inner for number in numbers(each)]


async def test_all_that_is_to_be_said_is_sent(stage: Stage) -> None:
    """Whatever a vendor's form is: prompts, tools, results and the cap are in the requests."""
    played = await stage.play([CALLING, ANSWER], limits=Limits(seconds=30.0, output_tokens=4321))
    first, second = played.server.requests
    assert {"Be brief.", "Do it.", READ.name, READ.description} <= set(texts(first))
    assert 4321 in numbers(first)
    assert 4311 in numbers(second), "what is left when the first reply has had its ten"
    said = texts(second)
    for result in played.outcome.turns[0].results:
        assert any(result.text in text for text in said)
    assert played.last.request.output_cap_tokens == 4311
    assert "Be brief." in said


async def test_the_agents_own_cap_holds(stage: Stage) -> None:
    stage.max_output_tokens = 77
    played = await stage.play([ANSWER])
    assert 77 in numbers(played.server.requests[0])
    assert played.last.request.output_cap_tokens == 77


@pytest.mark.parametrize("system_prompt", ["Be brief.", "", " \n"])
async def test_all_are_told_the_same(stage: Stage, system_prompt: str) -> None:
    stage.system_prompt, stage.protocol = system_prompt, "json"
    played = await stage.play([FakeReply(text='{"answer": "3"}')])
    assert played.outcome.answer == "3"
    told = [text for text in texts(played.server.requests[0]) if "is one JSON object and nothing else" in text]
    expected = [part for part in (system_prompt, json_protocol.instructions((READ,))) if part.strip()]
    assert told == ["\n\n".join(expected)]


async def test_no_system_prompt_is_none_for_all(stage: Stage) -> None:
    stage.system_prompt = " \n"
    played = await stage.play([ANSWER])
    assert stage.system_prompt not in texts(played.server.requests[0])
    assert not {"system", "instructions", "systemInstruction"} & played.server.requests[0].keys()
    assert [each.get("role") for each in played.server.requests[0].get("messages", [{"role": "user"}])] == ["user"]


# ---------------------------------------------------------------------------- statuses


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
async def test_what_may_pass_is_tried_again(stage: Stage, status: int) -> None:
    played = await stage.play([CALLING, Fault(status=status, message=f"busy {KEY}"), ANSWER])
    assert (played.outcome.stop, played.outcome.answer) == ("answered", ANSWER.text)
    assert [turn.reply.attempts for turn in played.outcome.turns] == [1, 2]
    assert [played.last.retry_seconds] == pytest.approx(stage.clock.slept)
    assert (0.25 <= played.last.retry_seconds <= 0.5, played.last.model_seconds) == (True, 0.0)
    assert played.server.requests[1] == played.server.requests[2]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
async def test_what_is_final_is_not(stage: Stage, status: int) -> None:
    played = await stage.play([CALLING, Fault(status=status, message=f"no, {KEY}"), ANSWER])
    assert (played.outcome.stop, played.outcome.failed, len(played.outcome.turns)) == ("error", "provider", 1)
    assert f"answered {status}: " in played.outcome.problem
    assert "[key]" in played.outcome.problem
    assert [error.status for error in played.raised if isinstance(error, ProviderError)] == [status]
    assert (len(played.server.requests), stage.clock.slept) == (2, [])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed(stage: Stage, status: int) -> None:
    elsewhere = {"Location": f"http://me:{KEY}@127.0.0.1:9/v2?key={KEY}"}
    played = await stage.play([Fault(status=status, headers=elsewhere), ANSWER])
    assert (played.outcome.stop, played.outcome.failed) == ("error", "provider")
    assert "it redirects to http://127.0.0.1:9/v2, which is not followed" in played.outcome.problem
    assert len(played.server.requests) == 1


@pytest.mark.parametrize("status", [429, 503, 529])
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured(stage: Stage, form: str, status: int) -> None:
    at = stage.clock.utc() + timedelta(seconds=7)
    headers = {"Retry-After": "7" if form == "seconds" else format_datetime(at, usegmt=True)}
    played = await stage.play([Fault(status=status, headers=headers), ANSWER])
    assert stage.clock.slept == pytest.approx([7.0], abs=0.01)
    assert (played.last.attempts, played.last.model_seconds) == (2, 0.0)


@pytest.mark.parametrize("options", [{"piece_bytes": 1}, {"compress": True}, {"piece_bytes": 7, "compress": True}])
async def test_an_error_is_understood_however_it_arrives(stage: Stage, options: dict[str, Any]) -> None:
    played = await stage.play([Fault(status=503, message="é🙂 busy"), Fault(status=403, message="é🙂 no")], **options)
    assert [sent.status for sent in wires(played.outcome)] == [503, 403]
    assert "answered 403: " in played.outcome.problem
    assert "no" in played.outcome.problem


async def test_a_wait_that_is_too_long_is_not_begun(stage: Stage) -> None:
    played = await stage.play([Fault(status=429, headers={"Retry-After": "3600"}), ANSWER])
    assert (played.outcome.stop, played.outcome.failed, stage.clock.slept) == ("error", "provider", [])
    assert "it asks to wait 3600 s" in played.outcome.problem


async def test_it_gives_up_and_the_record_says_so(stage: Stage) -> None:
    played = await stage.play([CALLING, *[Fault(status=503, message="down")] * 20])
    assert (played.outcome.stop, played.outcome.failed, len(played.outcome.turns)) == ("error", "provider", 1)
    assert "attempts: 180 s are waited at most)" in played.outcome.problem
    assert 100 < sum(stage.clock.slept) <= 180
    assert played.outcome.left.retry_seconds == pytest.approx(sum(stage.clock.slept))


async def test_a_conversation_that_is_too_long_ends_the_trial_in_its_own_way(stage: Stage) -> None:
    fault = Fault(status=400, message=stage.wire.too_long)
    played = await stage.play([CALLING, fault])
    assert (played.outcome.stop, len(played.outcome.turns)) == ("context_limit", 1)
    assert [type(error) for error in played.raised] == [ContextTooLong]


# ---------------------------------------------------------------------------- connections and streams


HTML = Fault(kind="whole", message="<!doctype html><p>Log in", headers={"Content-Type": "text/html"})
NOTHING = Fault(kind="whole")


@pytest.mark.parametrize(
    "fault",
    [Fault(kind="cut"), Fault(kind="garbage"), Fault(kind="error_event", message=KEY), HTML, NOTHING],
    ids=["cut", "garbage", "error_event", "html", "nothing"],
)
async def test_a_broken_reply_is_tried_again_and_none_of_it_is_kept(stage: Stage, fault: Fault) -> None:
    played = await stage.play([fault, ANSWER])
    assert (played.outcome.answer, played.last.attempts, len(stage.clock.slept)) == (ANSWER.text, 2, 1)
    stage.clock.slept.clear()
    played = await stage.play([fault] * 6)
    assert (played.outcome.stop, played.outcome.failed, len(stage.clock.slept)) == ("error", "provider", 5)


@pytest.mark.parametrize("kind", ["slow_headers", "stall"])
async def test_silence_is_tried_again(stage: Stage, kind: str) -> None:
    played = await stage.play([Fault(kind=kind), ANSWER], policy=BRIEF)
    assert (played.outcome.answer, played.last.attempts) == (ANSWER.text, 2)


@pytest.mark.parametrize(("kind", "text"), [("slow_headers", ""), ("stall", "beginn")])
async def test_time_that_is_over_keeps_what_came(stage: Stage, kind: str, text: str) -> None:
    played = await stage.play([Fault(kind=kind)], limits=Limits(seconds=10.0))
    assert (played.outcome.stop, played.outcome.answer, played.last.finish) == ("time_limit", text, "time")
    assert len(played.server.requests) == 1


@pytest.mark.parametrize(
    ("fault", "billed"),
    [(Fault(kind="cut"), True), (Fault(kind="error_event"), True), (Fault(status=503), False), (HTML, False)],
    ids=["cut", "error_event", "503", "html"],
)
async def test_what_an_abandoned_attempt_used_is_told_apart(stage: Stage, fault: Fault, billed: bool) -> None:
    played = await stage.play([fault, ANSWER], price=per_token)
    turn = played.outcome.turns[0]
    assert turn.reply.usage is not None
    assert (turn.reply.usage.output_tokens, turn.reply.abandoned, turn.reply.model_seconds) == (10, int(billed), 0.0)
    found = turn.reply.abandoned_usage
    assert [(item.kept, item.usage.input_tokens > 0, item.usage.output_tokens > 0) for item in found] == [
        (False, True, True)
    ] * billed
    assert turn.cost_usd == pytest.approx(10 / 1000 + (turn.abandoned_cost_usd or 0.0))
    assert ((turn.abandoned_cost_usd or 0.0) > 0) == billed


async def test_a_trial_that_fails_keeps_what_it_used_and_how_it_failed(stage: Stage) -> None:
    played = await stage.play([CALLING, Fault(kind="cut"), Fault(status=403, message=f"no, {KEY}")], price=per_token)
    outcome = played.outcome
    assert (outcome.stop, len(outcome.turns), len(outcome.left.wire), len(outcome.left.abandoned)) == ("error", 1, 2, 1)
    assert (outcome.abandoned_cost_usd or 0.0) > 0
    good, cut, refused = wires(outcome)
    assert (good.failure, cut.status, refused.status) == ("", 200, 403)
    assert (bool(cut.failure), "beginn" in cut.response) == (True, True)
    assert [json.loads(each.request) for each in (good, cut, refused)] == played.server.requests


async def test_a_stream_that_a_limit_ends_is_billed_as_far_as_it_came(stage: Stage) -> None:
    played = await stage.play([Fault(kind="stall")], limits=Limits(seconds=10.0), price=per_token)
    turn = played.outcome.turns[0]
    assert (played.outcome.stop, turn.reply.abandoned) == ("time_limit", 0)
    assert (turn.cost_usd or 0.0) > 0
    assert any(item.kept for item in turn.reply.abandoned_usage) or turn.reply.usage is not None


async def test_a_server_that_ignores_the_output_cap_is_cut_off(stage: Stage) -> None:
    flood = FakeReply(text="word " * 20_000, usage=None)
    played = await stage.play([flood], limits=Limits(output_tokens=50), piece_bytes=4096)
    assert played.outcome.stop == "token_limit"
    played = await stage.play([flood], limits=Limits(cost_usd=0.05), piece_bytes=4096, price=per_token)
    assert played.outcome.stop == "cost_limit"
    assert len(played.server.requests) == 1


async def test_a_server_that_is_gone(stage: Stage) -> None:
    async with FakeServer(new_wire(stage.provider), []) as server:
        pass
    played = await stage.run(server)
    assert (played.outcome.stop, played.outcome.failed) == ("error", "provider")
    assert "attempts: 180 s are waited at most" in played.outcome.problem
    assert 100 < sum(stage.clock.slept) <= 180


async def test_cancelling_lets_go_of_the_server(stage: Stage) -> None:
    async with FakeServer(new_wire(stage.provider), [CALLING, Fault(kind="stall")]) as server:
        trial = asyncio.create_task(stage.run(server))
        while len(server.requests) < 2:  # noqa: ASYNC110 - the second turn must be under way
            await asyncio.sleep(0)
        trial.cancel()
        played = await trial
        async with asyncio.timeout(60):
            while server.open_requests:  # noqa: ASYNC110 - the server notices by and by
                await asyncio.sleep(0)
    assert (played.outcome.stop, len(played.outcome.turns)) == ("cancelled", 1)
    _, stopped = wires(played.outcome)
    assert stopped.failure.startswith("interrupted")
    assert json.loads(stopped.request) == server.requests[1]


async def test_what_had_come_when_a_trial_was_interrupted_is_kept_and_billed(stage: Stage, idle_time: IdleTime) -> None:
    async with FakeServer(new_wire(stage.provider), [Fault(status=503), Fault(kind="stall")]) as server:
        trial = asyncio.create_task(stage.run(server, price=per_token))
        while len(server.requests) < 2:  # noqa: ASYNC110 - the second attempt must be under way
            await asyncio.sleep(0)
        await idle_time.sleep(1.0)  # until what the server wrote is read
        trial.cancel()
        outcome = (await trial).outcome
    refused, stopped = wires(outcome)
    assert (outcome.stop, outcome.turns, refused.status) == ("cancelled", (), 503)
    assert "beginn" in stopped.response
    assert [item.usage.output_tokens > 0 for item in outcome.left.abandoned] == [True]
    assert (outcome.abandoned_cost_usd or 0.0) > 0


@pytest.mark.parametrize(("output_tokens", "stop"), [(40, "token_limit"), (10, "context_limit")])
async def test_a_full_context_is_told_from_a_cap(
    provider: str, clock: FakeClock, tmp_path: Path, output_tokens: int, stop: str
) -> None:
    """llama.cpp and Ollama call both endings "length"; the others have a word of their own, or none."""
    stage = Stage(provider, clock, tmp_path, context_tokens=8192)
    if not stage.wire.full_is_length:
        pytest.skip("this API tells by a word of its own, or refuses the request before")
    full = Usage(input_tokens=8192 - output_tokens, output_tokens=output_tokens)
    played = await stage.play([FakeReply(text="half", finish="length", usage=full)], limits=Limits(output_tokens=40))
    assert (played.outcome.stop, played.outcome.answer) == (stop, "half")


# ---------------------------------------------------------------------------- the suite itself


def test_a_provider_without_a_wire_is_told_how_to_get_one() -> None:
    with pytest.raises(Exception, match=r"provider 'novel': write its wire as .*/wires/novel\.py"):
        new_wire("novel")
