"""Pages over HTTP: who may open them, what stands there, and a run under way as another process sees it."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from msgspec.structs import replace

from flatfield.clock import SystemClock
from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.cli import view
from flatfield.faces.pages import serving
from flatfield.faces.pages.racing import Lookout
from flatfield.faces.pages.serving import PageAddress, Site, refused, serve
from flatfield.faces.storing import save_imported
from flatfield.records import Evaluation, Failure, Imported, Reply, ToolCall, Turn
from flatfield.runs.scratch import claimed
from flatfield.runs.store.store import Store
from flatfield.runs.store.underway import Begun, Underway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from flatfield.records import RunResult, TrialRecord

pytestmark = pytest.mark.whole

RUN = "20260102-101500-ab12"
LOOPBACK = PageAddress(host="127.0.0.1")


@pytest.fixture
def race(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> RunResult:
    """Two agents on two tasks."""
    trials = [trial(agent=a, task=t, score=s) for a, t, s in (("a", "t1", 1.0), ("a", "t2", 0.5), ("b", "t1", 0.0))]
    failed = trial(agent="b", task="t2", more={"failure": Failure(kind="provider", message="503")})
    made = make_result([*trials, failed], evaluation=Evaluation(title="<b>Race</b>"))
    return replace(made, trials=tuple(replace(one, attempt=one.id) for one in made.trials))


async def stored(folder: Path, result: RunResult, trials: int) -> Store:
    store = Store(folder)
    await save_imported(store, Imported(run=result.run, trials=result.trials[:trials]))
    return store


def in_flight(folder: Path, trial: TrialRecord, *calls: str) -> Underway:
    """The trial as a process that does it keeps it: it has made these calls."""
    kept = Underway(folder)
    begun = Begun(trial=replace(trial, turns=(), checks=(), cost_usd=None))
    for name in calls:
        reply = Reply(text="", calls=(ToolCall(id="1", name=name, arguments="{}"),))
        kept.add(trial.attempt, lambda: begun, Turn(reply=reply, cost_usd=0.25))
    return kept


# ---------------------------------------------------------------------------- who may open them


@pytest.mark.parametrize("host", ["127.0.0.1:8748", "localhost:9", "LOCALHOST", "[::1]:80", "127.0.0.1"])
def test_names_of_this_machine_may_come_in_whatever_the_port(host: str) -> None:
    assert refused([host], LOOPBACK) is None


@pytest.mark.parametrize(
    "hosts",
    [["evil.example:8748"], ["127.0.0.1.evil.example"], [], ["localhost", "localhost"], ["a b"], ["localhost:x"], [""]],
)
def test_another_name_is_refused_though_it_leads_here(hosts: list[str]) -> None:
    assert refused(hosts, LOOPBACK)


def test_off_loopback_the_token_decides_and_not_the_name() -> None:
    assert refused(["anything.example"], PageAddress(host="0.0.0.0", token="t")) is None


@asynccontextmanager
async def served(store: Store, showing: PageAddress = LOOPBACK) -> AsyncIterator[Callable[..., Any]]:
    """Asks a server of these pages: the status, the text and the headers of an answer."""
    until, opened = asyncio.Event(), socket.create_server(("127.0.0.1", 0))
    port = opened.getsockname()[1]
    site = Site(store, showing, SystemClock())
    serving_it = asyncio.ensure_future(serve(site, opened, until))
    async with aiohttp.ClientSession() as session:

        async def ask(path: str, **headers: str) -> tuple[int, str, Any]:
            async with session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as reply:
                return reply.status, await reply.text(), reply.headers

        try:
            yield ask
        finally:
            until.set()
            await serving_it


async def test_the_list_and_each_runs_page_are_there_and_strangers_are_not_let_in(
    tmp_path: Path, race: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PATIENCE_SECONDS", 60.0)
    async with served(await stored(tmp_path, race, 4)) as ask:
        status, text, headers = await ask("/")
        assert status == 200
        assert f'<a href="run/{RUN}/">&lt;b&gt;Race&lt;/b&gt;</a>' in text
        assert "3 of 4" in text
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        status, text, _ = await ask(f"/run/{RUN}/")
        assert (status, "data-draws" in text) == (200, True)
        assert "connect-src &#x27;self&#x27;" in text
        assert await_status(await ask("/", Host="evil.example")) == 421
        status, text, _ = await ask("/run/20990101-000000-0000/")
        assert (status, text) == (404, "there is no run '20990101-000000-0000': see / for those that there are\n")
        status, text, _ = await ask(f"/run/{RUN}/talk?agent=a&task=t1&repeat=1")
        assert (status, json.loads(text)["agent"]) == (200, "a")
        assert await_status(await ask(f"/run/{RUN}/talk?agent=a&task=../../x&repeat=1")) == 404
        status, text, _ = await ask(f"/run/{RUN}/parts")
        assert set(json.loads(text)) == {"figures", "draws", "reasons", "talks"}


def await_status(answer: tuple[int, str, Any]) -> int:
    return answer[0]


async def test_without_its_token_an_address_leads_nowhere(tmp_path: Path, race: RunResult) -> None:
    showing = PageAddress(host="0.0.0.0", token="secret-token")
    async with served(await stored(tmp_path, race, 1), showing) as ask:
        assert await_status(await ask("/secret-token/")) == 200
        for path in ("/", f"/run/{RUN}/", "/other-token/", f"/other-token/run/{RUN}/", "/events"):
            assert await_status(await ask(path)) in {403, 404}, path


async def test_a_page_that_takes_long_to_make_is_waited_for(
    tmp_path: Path, race: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PATIENCE_SECONDS", 0.0)
    async with served(await stored(tmp_path, race, 4)) as ask:
        _, text, _ = await ask(f"/run/{RUN}/")
        assert "Its page is being made" in text
        assert await_status(await ask(f"/run/{RUN}/parts")) == 200
        monkeypatch.setattr(serving, "PATIENCE_SECONDS", 60.0)
        _, text, _ = await ask(f"/run/{RUN}/")
        assert "data-draws" in text


async def test_a_run_that_gets_ready_has_a_page_that_waits(tmp_path: Path, race: RunResult) -> None:
    store = await stored(tmp_path, race, 1)
    async with served(store, replace(LOOPBACK, followed="20260102-999999-0000")) as ask:
        status, text, _ = await ask("/run/20260102-999999-0000/")
        assert (status, 'http-equiv="refresh"' in text) == (200, True)


# ---------------------------------------------------------------------------- a run under way


async def test_another_process_sees_trials_finish_and_calls_being_made(tmp_path: Path, race: RunResult) -> None:
    store = await stored(tmp_path, race, 2)
    watch = Lookout(store, RUN)
    with claimed(RUN, tmp_path):
        kept = in_flight(tmp_path, race.trials[2], "read_file", "write_file")
        seen = watch.look()
        assert not seen.is_over
        one, other = seen.head["agents"]
        assert (one["done"], one["planned"], one["passed"], one["running"]) == (2, 2, 1, 0)
        assert (other["done"], other["planned"], other["running"], other["last"]) == (0, 2, 1, "t1 #1: write_file")
        assert other["spent"] == "$0.500"
        assert "2 of 4 trials done, 1 passed, 1 at work" in seen.head["said"]
        assert [point["agent"] for point in seen.points] == ["a", "a"]
        async with store:
            await store.save_trial(race.trials[2])
            await store.save_trial(race.trials[3])
        kept.forget(race.trials[2].attempt)
        seen = watch.look()
        other = seen.head["agents"][1]
        assert (other["done"], other["passed"], other["unmeasured"], other["running"]) == (2, 0, 1, 0)
        assert len(seen.points) == 3
        kept.close()
    assert watch.look().is_over


def test_a_run_that_is_not_stored_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Lookout(Store(tmp_path), RUN).look()


async def test_events_tell_of_it_until_it_is_over(
    tmp_path: Path, race: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "LOOK_SECONDS", 0.01)
    store = await stored(tmp_path, race, 2)
    async with served(store) as ask:
        with claimed(RUN, tmp_path):
            telling = asyncio.ensure_future(ask(f"/run/{RUN}/events"))
            async with store:
                await store.save_trial(race.trials[2])
        status, text, headers = await telling
    events = [json.loads(part.partition("data: ")[2]) for part in text.split("\n\n") if part.startswith("event: race")]
    assert status == 200
    assert headers["Content-Type"].startswith("text/event-stream")
    assert events[0]["first"]
    assert sum(len(event["points"]) for event in events) == 3
    assert events[-1]["state"] == "over"
    assert events[-1]["whole"]


# ---------------------------------------------------------------------------- the command


def test_a_port_that_is_taken_is_told_and_the_usual_one_gives_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FlatfieldError, match=rf"nothing can listen at 127.0.0.1 port {port}: .*--port"):
            view._bound("127.0.0.1", port)
    with view._bound("127.0.0.1", 0) as opened:
        place = f"http://127.0.0.1:{opened.getsockname()[1]}/run/{RUN}/"
        assert view.address_of(LOOPBACK, opened, RUN) == place


def test_off_loopback_the_address_holds_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "desk")
    showing = view._showing("0.0.0.0")
    with view._bound("127.0.0.1", 0) as opened:
        assert view.address_of(showing, opened).startswith("http://desk:")
        assert view.address_of(showing, opened).endswith(f"/{showing.token}/")
    assert len(showing.token or "") >= 32


def test_no_browser_is_opened_where_nobody_sits_before_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    view.open_browser("http://x/")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "1")
    view.open_browser("http://x/")
    assert opened == []
    monkeypatch.delenv("SSH_CONNECTION")
    view.open_browser("http://x/")
    assert opened == ["http://x/"]
