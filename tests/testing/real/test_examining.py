"""Servers of every vendor, as the test kit believes them and with one fault each: what the report says of them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import Struct, structs

from flatfield import plugins
from flatfield.clock import SystemClock
from flatfield.http.retrying import RetryPolicy
from flatfield.records import AgentConfig, Price, Usage
from flatfield.runs.world import Outside, open_world
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.roster import as_agent, known_models
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault, HostedWire, beliefs_of
from flatfield.testing.real import playing
from flatfield.testing.real.examining import SLOW, LiveExamination, usual_agents
from flatfield.testing.real.exercise import CUT, FIRST, SLIP, UNKNOWN_CALL, UNKNOWN_MODEL
from flatfield.testing.wires import new_wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from flatfield.testing.clocks import IdleTime
    from flatfield.testing.fake_server import Step, VendorWire
    from flatfield.testing.real.examining import LiveReport, VendorReport
    from flatfield.vendors.base import Provider

    Event = dict[str, Any]

pytestmark = pytest.mark.whole

KEY = "planted-key-0123456789"
VENDORS = [each.name for each in plugins.all_traits() if not (each.is_control or each.is_scaffold)]
NAMES = tuple((plugins.default_tools()[0], json.dumps({"file_path": name})) for name in ("one.txt", "two.txt"))
GROWN = Usage(input_tokens=220, cache_read_tokens=100, output_tokens=6, reasoning_tokens=2)


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def model(request: Mapping[str, Any], wire: VendorWire) -> Step:
    """A model that does what it is asked: calls both files, answers with the word, counts until it is cut."""
    text = json.dumps(request)
    if "one to two hundred" in text:
        return FakeReply(text="one\ntwo", finish=beliefs_of(wire).cut)
    if "The word is: lantern" in text:
        return FakeReply(text="lantern", reasoning="It said so.", usage=GROWN)
    return FakeReply(text="Looking.", reasoning="Both at once.", calls=NAMES)


class Stage(Struct, kw_only=True):
    """One vendor's server with what a test changes of it, and what is known of it afterwards."""

    vendor: str
    folder: Any
    wire: Any
    script: Any = None
    environ: dict[str, str] = {}
    prices: Any = None
    clock: Any = None
    budget_usd: float = 0.05
    stream: bool = True
    told: list[str] = []

    async def report(self, *, named: bool = True) -> LiveReport:
        """What an examination of this server reports."""
        script = self.script or (lambda request, _number: model(request, self.wire))
        server = FakeServer(self.wire, script, models=("m", "small.gguf"), stream=self.stream)
        server.absent = SLIP
        async with server, self.examination() as (examination, opened):
            await examination.ask(self.agent(server, opened), named=named)
            return examination.report

    async def only(self, *, named: bool = True) -> VendorReport:
        """What it reports of the one vendor."""
        (found,) = (await self.report(named=named)).vendors
        return found

    @asynccontextmanager
    async def examination(self) -> AsyncIterator[tuple[LiveExamination, Callable[[str], Provider]]]:
        """An examination in a world of its own."""
        answers: list[Mapping[str, str]] = []
        environ = {"PLANTED": KEY, "FLATFIELD_CACHE": str(self.folder), **self.environ}
        outside = Outside(environ=environ, prices=self.prices or Prices(), clock=self.clock or SystemClock())
        brief = RetryPolicy(attempts=1)
        async with open_world(outside, retry=brief, heard=answers.append) as world:
            opened = lambda name: world.pool.of(AgentConfig(name="", provider=name))  # noqa: E731
            yield LiveExamination(world, answers, self.budget_usd, self.told.append), opened

    def agent(self, server: FakeServer, opened: Callable[[str], Provider]) -> AgentConfig:
        settings: dict[str, Any] = {"model": "m", "base_url": server.base_url, "api_key_env": "PLANTED"}
        if isinstance(self.wire, HostedWire):
            settings = self.wire.stand_in(opened(self.vendor), server.base_url, KEY, self.folder)
        return AgentConfig(name="a", provider=self.vendor, **settings)


@pytest.fixture
def stage(vendor: str, tmp_path: Path) -> Stage:
    return Stage(vendor=vendor, folder=tmp_path, wire=new_wire(vendor), told=[])


def changed(wire: Any, change: Callable[[Event], object]) -> None:
    """Have a wire's server send events, and whole replies, that `change` was at."""
    stream, whole = wire.stream, wire.whole

    def framed(line: bytes) -> bytes:
        head, brace, rest = line.partition(b"{")
        if not brace or head.strip() not in {b"", b"data:"}:
            return line
        event = json.loads(brace + rest)
        change(event)
        return head + json.dumps(event).encode() + (b"\r" if rest.endswith(b"\r") else b"")

    def streamed(reply: FakeReply, number: int) -> list[bytes]:
        return [b"\n".join(map(framed, piece.split(b"\n"))) for piece in stream(reply, number)]

    def in_one(reply: FakeReply, number: int) -> Event:
        body: Event = whole(reply, number)
        change(body)
        return body

    wire.stream, wire.whole = streamed, in_one


def objects(value: Any) -> list[Event]:
    """Every object in a JSON value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    below = [each for part in inner for each in objects(part)]
    return [value, *below] if isinstance(value, dict) else below


def kinds(report: VendorReport) -> set[str]:
    return {each.kind for each in report.differences}


def places(report: VendorReport, kind: str) -> list[str]:
    return [each.at for each in report.differences if each.kind == kind]


# ---------------------------------------------------------------------------- as the kit believes


async def test_the_kits_own_server_is_as_believed(stage: Stage) -> None:
    report = await stage.only()
    assert report.differences == ()
    assert (report.state, report.why, report.notes) == ("asked", "", ())
    assert report.answered_by == "fake-model"
    steps = {each.step: each for each in report.steps}
    assert list(steps)[:2] == [FIRST, "turn 2"]
    assert set(steps) >= {UNKNOWN_CALL, CUT, UNKNOWN_MODEL}
    assert (steps[FIRST].calls, steps[FIRST].finish, steps["turn 2"].calls) == (2, "tool_calls", 0)
    assert steps["turn 2"].usage is not None
    assert steps["turn 2"].usage.input_tokens == GROWN.input_tokens
    assert steps[FIRST].first_token_seconds is not None
    assert steps[UNKNOWN_CALL].status == 400
    assert steps[CUT].finish == "length"


async def test_what_a_reply_does_not_hold_is_missed_nowhere_and_said(stage: Stage) -> None:
    stage.script = lambda _request, _number: FakeReply(text="lantern", usage=Usage(input_tokens=50, output_tokens=2))
    report = await stage.only()
    assert report.differences == ()
    for word in ("called no tool", "cache", "cap"):
        assert any(word in note for note in report.notes), word


async def test_counts_that_are_not_there_are_named(stage: Stage) -> None:
    stage.script = lambda _request, _number: FakeReply(text="lantern", usage=None)
    report = await stage.only()
    assert kinds(report) & {"missing", "event"}
    assert any("usage" in each.at.lower() or "count" in each.at for each in report.differences)


async def test_a_model_that_makes_one_call_after_the_other_is_as_believed(stage: Stage) -> None:
    def script(request: Event, _number: int) -> Step:
        text = json.dumps(request)
        if "It is in two.txt" in text and "The word is: lantern" not in text:
            return FakeReply(calls=NAMES[1:])
        said = model(request, stage.wire)
        return structs.replace(said, calls=NAMES[:1]) if isinstance(said, FakeReply) and said.calls else said

    stage.script = script
    report = await stage.only()
    assert report.differences == ()
    assert "turn 3" in {each.step for each in report.steps}
    assert any("parallel" in note for note in report.notes)


# ---------------------------------------------------------------------------- one fault each


async def test_a_field_more_is_named(stage: Stage) -> None:
    changed(stage.wire, lambda event: event.update(surprise={"inside": 1}))
    report = await stage.only()
    assert kinds(report) == {"more"}
    assert {at.rpartition(":")[2] for at in places(report, "more")} == {"surprise"}, "what is in it is not told apart"


async def test_a_field_that_is_gone_is_named(stage: Stage) -> None:
    def forget(event: Event) -> None:
        for each in objects(event):
            each.pop("model", None)
            each.pop("modelVersion", None)

    changed(stage.wire, forget)
    report = await stage.only()
    assert kinds(report) == {"missing"}
    assert all(at.endswith(("model", "modelVersion")) for at in places(report, "missing"))


async def test_a_field_that_is_there_only_at_times_is_named(stage: Stage) -> None:
    seen: list[Event] = []

    def forget(event: Event) -> None:
        for each in objects(event):
            if {"model", "modelVersion"} & each.keys():
                seen.append(each)
                if len(seen) % 2:
                    each.pop("model", None)
                    each.pop("modelVersion", None)

    changed(stage.wire, forget)
    report = await stage.only()
    assert kinds(report) == {"missing"}
    assert any(" of " in each.found for each in report.differences)


async def test_a_field_of_another_type_is_named(stage: Stage) -> None:
    def quote(event: Event) -> None:
        for each in objects(event):
            for name in ("created", "created_at", "index", "responseId", "stop_sequence"):
                if name in each and not isinstance(each[name], list):
                    each[name] = [each[name]]
                    return

    changed(stage.wire, quote)
    assert "type" in kinds(await stage.only())


async def test_an_id_by_another_name_is_named(stage: Stage) -> None:
    renamed: list[str] = []

    def rename(event: Event) -> None:
        for each in objects(event):
            if {"model", "modelVersion", "created_at"} & each.keys():
                name = next((name for name in ("id", "responseId", "created_at") if name in each), None)
                if name:
                    renamed.append(name)
                    each[f"{name}_renamed"] = each.pop(name)

    changed(stage.wire, rename)
    report = await stage.only()
    assert renamed
    assert kinds(report) == {"more", "missing"}
    assert {at.rpartition(":")[2].rpartition(".")[2] for at in places(report, "more")} == {f"{renamed[0]}_renamed"}


async def test_ids_that_begin_otherwise_are_named(stage: Stage) -> None:
    if not beliefs_of(stage.wire).ids:
        return  # its ids are anybody's: servers of this protocol make them as they like

    def mark(event: Event) -> None:
        for each in objects(event):
            if "id" in each and "model" in each:
                each["id"] = f"other-{each['id']}"

    changed(stage.wire, mark)
    report = await stage.only()
    assert kinds(report) == {"id"}
    assert "other…" in report.differences[0].found


async def test_other_sums_of_tokens_are_named(stage: Stage) -> None:
    """Each count on its own a thousand too high: one that follows from others, or cannot be, is named as wrong."""
    counts = beliefs_of(stage.wire).counts
    assert counts
    names = {
        name
        for event in events(stage.wire)
        for each in objects(event)
        for name, value in each.items()
        if isinstance(value, int) and not isinstance(value, bool) and ("token" in name.lower() or "count" in name)
    }
    named = set()
    for name in sorted(names):
        stage.wire = new_wire(stage.vendor)
        changed(stage.wire, partial(raise_count, name))
        if "count" in kinds(await stage.only()):
            named.add(name)
    assert named, f"none of {names}"


def raise_count(name: str, event: Event) -> None:
    for each in objects(event):
        if name in each and isinstance(each[name], int):
            each[name] += 1000


def events(wire: VendorWire) -> list[Event]:
    """What a wire sends of one reply."""
    body = b"".join(wire.stream(FakeReply(text="word", usage=GROWN), 0))
    lines = (line.removeprefix(b"data: ").strip() for line in body.splitlines())
    return [json.loads(line) for line in lines if line.startswith(b"{")]


async def test_input_that_shrinks_is_named(stage: Stage) -> None:
    """Servers that count only what is new leave out what was read from the cache."""

    def script(request: Event, _number: int) -> Step:
        said = model(request, stage.wire)
        shrunk = Usage(input_tokens=12, output_tokens=6)
        return structs.replace(said, usage=shrunk) if isinstance(said, FakeReply) and said.text == "lantern" else said

    stage.script = script
    report = await stage.only()
    assert kinds(report) == {"count"}
    assert "that of the turn before 100" in report.differences[0].found


async def test_an_error_of_another_form_is_named(stage: Stage) -> None:
    stage.wire.error = lambda _status, message: {"problem": {"said": message}}
    report = await stage.only()
    assert kinds(report) == {"error"}
    assert any(at.endswith("problem") for at in places(report, "error"))
    assert {each.step for each in report.differences} & {UNKNOWN_CALL, UNKNOWN_MODEL}


async def test_an_error_that_is_a_page_is_named(stage: Stage) -> None:
    stage.wire.error = lambda _status, message: [message]
    assert kinds(await stage.only()) == {"error"}


async def test_another_status_is_named(stage: Stage) -> None:
    if isinstance(stage.wire, HostedWire):
        return  # its models are files, which flatfield itself looks for
    stage.wire.beliefs = structs.replace(beliefs_of(stage.wire), unknown_model=418)
    report = await stage.only()
    assert "status" in kinds(report)
    (told,) = (each for each in report.differences if each.kind == "status")
    assert (told.step, told.found) == (UNKNOWN_MODEL, "the server refuses it with 418, the kit with 404")


async def test_a_server_that_takes_what_the_kit_refuses_is_named(stage: Stage) -> None:
    stage.wire.violation = lambda *_: None
    report = await stage.only()
    assert kinds(report) == {"status"}
    assert report.differences[0].step == UNKNOWN_CALL
    assert report.differences[0].found == "the server takes it, the kit refuses it with 400"


async def test_a_request_of_ours_that_breaks_the_kits_rules_is_named(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To its own host a vendor's package may send what it sends nowhere else."""

    def strict(provider: str) -> Any:
        wire: Any = new_wire(provider)
        wire.violation = lambda *_: "there is no such field"
        return wire

    monkeypatch.setattr(playing, "new_wire", strict)
    report = await stage.only()
    told = {(each.kind, each.at, each.step) for each in report.differences}
    assert {("status", "request", FIRST), ("status", "answer", FIRST), ("status", "answer", CUT)} <= told
    assert all("there is no such field" in each.found for each in report.differences if each.step == FIRST)


async def test_a_server_that_refuses_what_the_kit_takes_is_named(stage: Stage) -> None:
    def script(request: Event, number: int) -> Step:
        return Fault(status=400, message="odd signature") if number == 1 else model(request, stage.wire)

    stage.script = script
    report = await stage.only()
    assert kinds(report) == {"status"}
    (told,) = report.differences
    assert told.step == "turn 2"
    assert told.found.startswith("the server refuses it with 400, the kit takes it: ")
    assert "odd signature" in told.found
    assert {each.step for each in report.steps} >= {CUT, UNKNOWN_MODEL}, "the rest is asked all the same"


async def test_another_word_for_an_end_is_named(stage: Stage) -> None:
    words = {"stop_reason", "finish_reason", "finishReason", "done_reason", "status"} & beliefs_of(stage.wire).words

    def rename(event: Event) -> None:
        for each in objects(event):
            for name in words & each.keys():
                each[name] = each[name] and f"{each[name]}_renamed"

    changed(stage.wire, rename)
    report = await stage.only()
    assert "word" in kinds(report)
    assert any("_renamed" in each.found for each in report.differences if each.kind == "word")


async def test_an_event_of_another_kind_is_named(stage: Stage) -> None:
    if beliefs_of(stage.wire).kinds != ("type",):
        return  # its events have no kinds
    stream = stage.wire.stream

    def more(reply: FakeReply, number: int) -> list[bytes]:
        first, *rest = stream(reply, number)
        return [first, b'event: news\ndata: {"type": "news", "of": "today"}\n\n', *rest]

    stage.wire.stream = more
    report = await stage.only()
    assert kinds(report) == {"event"}
    assert report.differences[0].at == "news:"


async def test_a_server_that_does_not_stream_is_named(stage: Stage) -> None:
    stage.stream = False
    assert "framing" in kinds(await stage.only())


async def test_headers_that_tell_of_limits_are_named(stage: Stage) -> None:
    believed = beliefs_of(stage.wire)
    stage.wire.beliefs = structs.replace(believed, limit_headers=("X-RateLimit-Odd",))
    report = await stage.only()
    assert kinds(report) == {"header"}
    assert set(places(report, "header")) == {"x-ratelimit-odd", *believed.limit_headers}


# ---------------------------------------------------------------------------- what cannot be asked, and what it costs


@pytest.mark.parametrize("fault", [Fault(status=401, message="no such key"), Fault(status=503)], ids=["key", "down"])
async def test_a_server_that_does_not_answer_is_not_held_against_the_kit(stage: Stage, fault: Fault) -> None:
    stage.script = lambda _request, _number: fault
    report = await stage.only()
    assert (report.state, report.differences, report.steps) == ("not asked", (), ())
    assert str(fault.status) in report.why


async def test_a_server_that_is_busy_later_is_asked_in_part(stage: Stage) -> None:
    stage.script = lambda request, number: Fault(status=429) if number == 1 else model(request, stage.wire)
    report = await stage.only()
    assert report.state == "partly"
    assert "429" in report.why
    assert report.differences == ()


async def test_a_reply_that_does_not_end_is_not_held_against_the_kit(stage: Stage, idle_time: IdleTime) -> None:
    stage.clock = idle_time

    def script(request: Event, number: int) -> Step:
        return Fault(kind="stall") if number == 1 else model(request, stage.wire)

    stage.script = script
    report = await stage.only()
    assert (report.state, report.why) == ("partly", SLOW)
    assert report.differences == ()


async def test_without_a_price_only_who_is_named_is_asked(stage: Stage) -> None:
    if plugins.traits_of(stage.vendor).is_usually_on_device:
        return  # it costs nothing
    asked = await stage.only(named=False)
    assert asked.state == "not asked"
    assert "name it with --agents to ask it all the same" in asked.why
    assert (await stage.only(named=True)).cost_usd is None, "nobody knows, which is not 0"


async def test_nothing_is_asked_beyond_the_budget(stage: Stage) -> None:
    """Each step is counted at its most before it is asked; what was not spent is there for the next one."""
    if plugins.traits_of(stage.vendor).is_usually_on_device:
        return
    price = Price(input_mtok=1.0, output_mtok=10.0, source="test")
    stage.prices = Prices({f"{stage.vendor}:m": price})
    needed = (2000 + 1024 * 10) / 1e6
    stage.budget_usd = needed * 1.02
    report = await stage.report()
    (vendor,) = report.vendors
    assert 0 < report.spent_usd <= stage.budget_usd
    assert vendor.cost_usd == pytest.approx(report.spent_usd)
    assert vendor.state == "partly"
    assert "--budget-usd" in vendor.why
    assert [each.step for each in vendor.steps] == [FIRST]
    stage.budget_usd = 0.001
    report = await stage.report()
    assert (report.vendors[0].state, report.spent_usd) == ("not asked", 0.0)


async def test_what_is_broken_off_counts_at_its_most(stage: Stage) -> None:
    if plugins.traits_of(stage.vendor).is_usually_on_device:
        return
    stage.prices = Prices({f"{stage.vendor}:m": Price(input_mtok=1.0, output_mtok=10.0, source="test")})
    begun = asyncio.Event()

    def script(_request: Event, _number: int) -> Step:
        begun.set()
        return Fault(kind="slow_headers")

    server = FakeServer(stage.wire, script, models=("m",))
    async with server, stage.examination() as (examination, opened):
        work = asyncio.ensure_future(examination.ask(stage.agent(server, opened), named=True))
        await begun.wait()
        work.cancel()
        await asyncio.wait({work})
        assert work.cancelled()
        report = examination.report
    assert report.vendors == ()
    assert report.spent_usd == pytest.approx((2000 + 1024 * 10) / 1e6)


@pytest.mark.parametrize("vendor", [each.name for each in plugins.all_traits() if each.price_name and each.maker])
async def test_prices_of_a_vendors_own_server_are_known(vendor: str, tmp_path: Path) -> None:
    """So that the budget holds where it counts."""
    stage = Stage(vendor=vendor, folder=tmp_path, wire=new_wire(vendor), told=[], budget_usd=0.0)
    known = next(as_agent(each) for each in reversed(known_models()) if each.provider == vendor)
    async with stage.examination() as (examination, _):
        await examination.ask(known, named=False)
    (found,) = examination.report.vendors
    assert found.place == "the vendor's own server"
    assert "could cost $0.0" in found.why


async def test_nobodys_affairs_are_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, accounts, mail addresses, the user's name and home: of what a server says, none of them is left."""
    monkeypatch.setenv("LOGNAME", "josephine")
    secrets = (
        KEY,
        "org-Ab12Cd34Ef",
        "josephine",
        "jo@example.org",
        "123456789012",
        "/home/someone",
        "sk-proj-a1B2c3D4e5F6",
    )
    words = " ".join(secrets)

    def script(request: Event, number: int) -> Step:
        return Fault(status=400, message=words) if number == 1 else model(request, stage.wire)

    stage.script = script
    changed(stage.wire, lambda event: event.update({"org-Ab12Cd34Ef": {"123456789": words}, "josephine/x": KEY}))
    stage.wire.error = lambda _status, message: {"error": {"message": message, "type": words}, KEY: 1}
    told = msgspec.json.encode(await stage.report()).decode()
    assert "status" in told
    for secret in secrets:
        assert secret not in told


async def test_one_that_fails_stops_nobody(tmp_path: Path) -> None:
    stage = Stage(vendor="", folder=tmp_path, wire=new_wire(VENDORS[0]), told=[])
    missing = [AgentConfig(name=name, provider=name, model="m", base_url="http://127.0.0.1:9") for name in VENDORS]
    async with stage.examination() as (examination, _):
        for agent in (*missing, AgentConfig(name="x", provider="no-such-provider", model="m")):
            await examination.ask(agent, named=True)
        report = examination.report
    assert [each.provider for each in report.vendors] == [*VENDORS, "no-such-provider"]
    assert {each.state for each in report.vendors} == {"not asked"}
    assert all(each.why for each in report.vendors)


async def test_the_cheapest_known_model_of_each_vendor_with_a_key_is_asked(tmp_path: Path) -> None:
    with_keys = [each for each in plugins.all_traits() if each.key_variables and each.price_name and each.maker]
    environ = {"OLLAMA_HOST": "http://127.0.0.1:9", **{each.key_variables[0]: KEY for each in with_keys}}
    async with open_world(Outside(environ={**environ, "FLATFIELD_CACHE": str(tmp_path)})) as world:
        found = await usual_agents(world)
    asked = {each.provider: each.model for each in found}
    assert {each.name for each in with_keys} <= set(asked)
    async with open_world(Outside(environ={"OLLAMA_HOST": "http://127.0.0.1:9"})) as world:
        assert not {each.provider for each in await usual_agents(world)} & {each.name for each in with_keys}
