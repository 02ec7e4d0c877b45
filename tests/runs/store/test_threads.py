"""Work beside the loop, or in its turns, ends before anything else goes on, also when it is not wanted any more."""

from __future__ import annotations

import asyncio
import threading

import pytest

from flatfield.runs.store.writer import InTurns, to_the_end, whatever_comes


async def test_results_and_errors_come_out() -> None:
    assert await to_the_end(None, divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await to_the_end(None, divmod, 7, 0)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancellation_comes_when_the_work_is_done(fails: bool) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(60)
        ended.set()
        if fails:
            raise OSError("too late to matter")

    task = asyncio.create_task(to_the_end(None, work))
    await asyncio.to_thread(begun.wait, 60)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_what_must_not_be_lost_comes_out_of_a_cancellation_too() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(value: int) -> int:
        begun.set()
        go_on.wait(60)
        return value

    task = asyncio.create_task(whatever_comes(None, work, 7))
    await asyncio.to_thread(begun.wait, 60)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    assert await task == 7
    with pytest.raises(ZeroDivisionError):
        await whatever_comes(None, divmod, 7, 0)


async def test_in_each_turn_of_the_loop_one_piece_is_done() -> None:
    """What is ready beside them, as replies are that came in, comes in between."""
    loop, seen = asyncio.get_running_loop(), list[str]()
    turns = InTurns(loop)

    async def beside() -> None:
        for _ in range(8):
            seen.append("-")
            await asyncio.sleep(0)

    pieces = [whatever_comes(turns, seen.append, name) for name in "abc"]
    await asyncio.gather(*pieces, beside())
    assert "".join(seen).strip("-") == "a-b-c"


async def test_what_goes_wrong_in_a_turn_is_told_to_who_waits_and_the_next_goes_on() -> None:
    turns = InTurns(asyncio.get_running_loop())
    first, second = await asyncio.gather(
        to_the_end(turns, divmod, 7, 0), to_the_end(turns, divmod, 7, 2), return_exceptions=True
    )
    assert isinstance(first, ZeroDivisionError)
    assert second == (3, 1)


async def test_a_piece_that_is_not_wanted_any_more_is_done_all_the_same() -> None:
    turns, done = InTurns(asyncio.get_running_loop()), list[int]()
    task = asyncio.create_task(to_the_end(turns, done.append, 1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [1]
