"""A judge is examined on the labelled set; what it said is kept, and asked only once."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import FlatfieldError, NotReady
from flatfield.records import AgentConfig, LaneLimits
from flatfield.runs.judge_check import Examination, ExaminationDesk, examination, examine, examine_lists
from flatfield.runs.judging import courtroom
from flatfield.runs.world import Outside
from flatfield.scoring.judge.fitness import labelled_set
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.scoring.judge.fitness import Graded

pytestmark = pytest.mark.whole

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

    def hear(_outcome: Graded) -> None:
        nonlocal told
        told += 1
        if told >= stop_after:
            stop.set()

    outside = Outside(environ={"FLATFIELD_CACHE": str(folder)}, lane_limits=how.get("limits", {}))
    async with courtroom((agent,), outside, how.get("tell", print)) as world:
        desk = ExaminationDesk(world=world, folder=folder, stop=stop, tell=hear)
        kept = examination(agent, folder, SET)
        if "lists" in how:
            return await examine_lists(agent, SET.lists[: how["lists"]], kept, desk)
        return await examine(agent, SET.cases[:count], kept, desk)


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


def listing(letters: str = "CCCCCC") -> Callable[[dict[str, Any], int], FakeReply | Fault]:
    grades = [{"id": f"work_{place}", "reason": "r", "letter": letter} for place, letter in enumerate(letters, 1)]
    return lambda _request, _number: FakeReply(text=json.dumps({"grades": grades}))


async def test_lists_are_asked_in_two_orders_once_and_kept_beside_the_others(tmp_path: Path) -> None:
    def either(request: dict[str, Any], number: int) -> FakeReply | Fault:
        one = "work: final answer" in request["messages"][-1]["content"]
        return (always("C") if one else listing("SABCDF"))(request, number)

    async with FakeChat(either) as server:
        await sat(server, tmp_path, 2)
        found = await sat(server, tmp_path, 0, lists=2)
        assert (len(found.outcomes), len(found.listed), len(server.requests)) == (2, 12, 2 + 4)
        assert found.list_fitness is not None
        assert (found.list_fitness.n, found.list_fitness.total, found.passed) == (12, 48, None)
        for each in found.listed:
            assert sum(one.place for one in each.placed) == 7, "the second order is the first one's reverse"
        assert found.list_fitness.position.value is not None
        assert found.list_fitness.position.value > 0.3
        prompts = [request["messages"][-1]["content"] for request in server.requests[2:]]
        assert all(f"work_{place}: final answer" in prompt for prompt in prompts for place in range(1, 7))
        assert await sat(server, tmp_path, 0, lists=2) == found
        assert len(server.requests) == 6
        await sat(server, tmp_path, 0, lists=3)
        assert len(server.requests) == 8


async def test_a_server_that_fails_in_one_order_is_no_verdict_on_the_list(tmp_path: Path) -> None:
    def failing(request: dict[str, Any], number: int) -> FakeReply | Fault:
        return Fault(status=400, message="no") if number == 0 else listing()(request, number)

    async with FakeChat(failing) as server:
        found = await sat(server, tmp_path, 0, lists=1)
        assert [each.measured for each in found.listed] == [False] * 6
        assert (found.list_fitness, examination(judge_at(server), tmp_path, SET).listed) == (None, ())
        assert len((await sat(server, tmp_path, 0, lists=1)).listed) == 6


async def test_a_judge_that_answers_no_list_is_not_asked_about_all(tmp_path: Path) -> None:
    async with FakeChat(always("C")) as server:
        found = await sat(server, tmp_path, 0, lists=8)
    assert 6 <= len(found.listed) <= 24
    assert found.list_fitness is not None
    assert found.list_fitness.passed is False


async def test_what_was_kept_before_there_were_lists_is_read_and_what_was_said_of_other_lists_is_not(
    tmp_path: Path,
) -> None:
    async with FakeChat(always("C")) as server:
        await sat(server, tmp_path, 2)
        (path,) = (tmp_path / "judges").iterdir()
        kept = json.loads(path.read_text())
        old = {name: kept[name] for name in ("agent", "fingerprint", "set_digest", "total", "checked_at")}
        fields = ["case", "category", "wanted", "letter", "reason", "quoted", "cost_usd", "seconds", "output_tokens"]
        old["outcomes"] = [{name: each[name] for name in fields} for each in kept["outcomes"]]
        path.write_text(json.dumps(old))
        found = examination(judge_at(server), tmp_path, SET)
        assert (len(found.outcomes), found.listed, found.passed, found.lists_total) == (2, (), None, 48)
        path.write_text(json.dumps({**kept, "listed": kept["outcomes"], "lists_digest": "of other lists"}))
        assert examination(judge_at(server), tmp_path, SET).listed == ()


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
        async with courtroom((agent,), Outside(environ={"FLATFIELD_CACHE": str(tmp_path)}), print):
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
        async with courtroom((), Outside(environ=environ), print):
            pass
