"""A judge is examined on the labelled set; what it said is kept, and asked only once."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.clock import SystemClock
from flatfield.errors import FlatfieldError, NotReady
from flatfield.records import AgentConfig, LaneLimits
from flatfield.runs.verdicts.courtroom import Bar, courtroom
from flatfield.runs.verdicts.fitness import Desk, Examination, examination, examine
from flatfield.scoring.judge.labelled_set import labelled_set
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.access import nobody
from flatfield.testing.fake_chat import FakeChat, FakeReply, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.scoring.judge.fitness import Outcome

SET = labelled_set()
HOLDER = Path(__file__).parents[1] / "holding_child.py"


def always(letter: str) -> Callable[[dict[str, Any], int], FakeReply | Fault]:
    return lambda _request, _number: FakeReply(text=json.dumps({"reason": "r", "evidence": [], "letter": letter}))


async def sat(
    server: FakeChat,
    folder: Path,
    count: int,
    stop_after: int = 99,
    **how: Any,
) -> Examination:
    agent = judge_at(server, **how.get("fields", {}))
    stop, told = asyncio.Event(), 0

    def hear(_outcome: Outcome) -> None:
        nonlocal told
        told += 1
        if told >= stop_after:
            stop.set()

    clock = SystemClock()
    environ = {"FLATFIELD_CACHE": str(folder)}
    bar = Bar(clock=clock, environ=environ, limits=how.get("limits", {}), access=nobody())
    room = courtroom((agent,), bar, how.get("tell", print))
    async with room as (pool, lanes):
        desk = Desk(pool=pool, lanes=lanes, prices=Prices(), clock=clock, folder=folder, stop=stop, tell=hear)
        return await examine(agent, SET.cases[:count], examination(agent, folder, SET), desk)


def bar_of(environ: dict[str, str]) -> Bar:
    return Bar(clock=SystemClock(), environ=environ, limits={}, access=nobody())


def judge_at(server: FakeChat, **fields: Any) -> AgentConfig:
    return AgentConfig(name="j", provider="openai-chat", model="fake-model", base_url=server.base_url, **fields)


async def test_every_case_is_asked_once_and_kept(tmp_path: Path) -> None:
    async with FakeChat(always("C")) as server:
        found = await sat(server, tmp_path, 6)
        assert (len(found.outcomes), len(server.requests), server.violations) == (6, 6, [])
        assert found.fitness is not None
        assert (found.fitness.n, found.fitness.total, found.fitness.passed) == (6, 48, None)
        assert sum(each.letter == each.wanted for each in found.outcomes) == 1
        assert found.outcomes[0].output_tokens == 10
        assert found.outcomes[0].seconds > 0
        assert await sat(server, tmp_path, 6) == found
        assert len(server.requests) == 6
        await sat(server, tmp_path, 8)
        assert len(server.requests) == 8
        renamed = AgentConfig(name="other", provider="openai-chat", model="fake-model", base_url=server.base_url)
        assert len(examination(renamed, tmp_path, SET).outcomes) == 8
        warmer = judge_at(server, temperature=1.0)
        assert examination(warmer, tmp_path, SET).outcomes == ()


async def test_stopped_keeps_what_was_said_and_goes_on(tmp_path: Path) -> None:
    async with FakeChat(always("C")) as server:
        found = await sat(server, tmp_path, 12, stop_after=2)
        assert 2 <= len(found.outcomes) < 12
        assert len(examination(judge_at(server), tmp_path, SET).outcomes) == len(found.outcomes)
        assert len((await sat(server, tmp_path, 12)).outcomes) == 12


async def test_a_server_that_fails_is_no_verdict_on_the_judge(tmp_path: Path) -> None:
    def failing(request: dict[str, Any], number: int) -> FakeReply | Fault:
        return Fault(status=400, message="no") if number == 0 else always("C")(request, number)

    async with FakeChat(failing) as server:
        found = await sat(server, tmp_path, 3)
        assert [each.measured for each in found.outcomes].count(False) == 1
        assert found.fitness is not None
        assert found.fitness.n == 2
        assert len(examination(judge_at(server), tmp_path, SET).outcomes) == 2
        assert len((await sat(server, tmp_path, 3)).outcomes) == 3


async def test_a_judge_that_is_not_ready_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    agent = AgentConfig(name="j", provider="openai", model="gpt-5")
    with pytest.raises(NotReady, match=r"judge 'j'.*OPENAI_API_KEY"):
        async with courtroom((agent,), bar_of({"FLATFIELD_CACHE": str(tmp_path)}), print):
            pass


async def test_what_is_kept_and_damaged_counts_for_nothing(tmp_path: Path) -> None:
    async with FakeChat(always("C")) as server:
        await sat(server, tmp_path, 1)
        (path,) = (tmp_path / "judges").iterdir()
        path.write_text(path.read_text()[:-9])
        assert examination(judge_at(server), tmp_path, SET).outcomes == ()


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "judges").write_text("in the way")
    async with FakeChat(always("C")) as server:
        with pytest.raises(FlatfieldError, match=r"judges.*cannot be written"):
            await sat(server, tmp_path, 1)


async def test_a_judge_that_cannot_pass_any_more_is_not_asked_on(tmp_path: Path) -> None:
    async with FakeChat(lambda _request, _number: FakeReply(text="I would say it is fine.")) as server:
        found = await sat(server, tmp_path, 48)
        assert 5 <= len(found.outcomes) < 10
        assert found.fitness is not None
        assert found.fitness.passed is False
        asked = len(server.requests)
        await sat(server, tmp_path, 48)
        assert len(server.requests) - asked <= 4


async def test_a_judge_on_a_device_waits_while_another_process_measures_there(tmp_path: Path) -> None:
    locks = tmp_path / "locks"
    locks.mkdir()
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(sys.executable, HOLDER, locks, "local", stdin=pipe, stdout=pipe)
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        holder.kill()

    try:
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"held\n"
        async with FakeChat(always("C")) as server:
            found = await sat(server, tmp_path, 1, fields={"on_device": True}, tell=tell)
    finally:
        if not told:
            holder.kill()
        await holder.communicate()
    assert told == [f"waiting for the device local: used by process {holder.pid}"]
    assert len(found.outcomes) == 1


async def test_a_judge_asks_its_server_no_more_at_once_than_the_user_says(tmp_path: Path) -> None:
    most = 0

    def counting(request: dict[str, Any], number: int) -> FakeReply | Fault:
        nonlocal most
        most = max(most, server.open_requests)
        return always("C")(request, number)

    async with FakeChat(counting) as server:
        await sat(server, tmp_path, 6, limits={"openai-chat": LaneLimits(concurrent=1)})
    assert (len(server.requests), most) == (6, 1)


async def test_a_judge_trusts_the_authorities_that_are_named(tmp_path: Path) -> None:
    environ = {"FLATFIELD_CACHE": str(tmp_path), "SSL_CERT_FILE": str(tmp_path / "none.pem")}
    with pytest.raises(NotReady, match=r"none\.pem"):
        async with courtroom((), bar_of(environ), print):
            pass
