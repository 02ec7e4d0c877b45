import asyncio
import random

import pytest
from {{package}}.seats import NotBooked, Seats, SoldOut


def test_a_rush(tools):
    assert tools.run(tools.rush())


def test_what_is_told_after_a_reading_that_began_before(tools):
    assert tools.run(tools.told("read"))


def test_what_is_told_after_a_reading_during_the_writing(tools):
    assert tools.run(tools.told("write"))


def test_what_is_returned_is_the_callers(tools):
    assert tools.run(tools.owned())


def test_nothing_is_lost(tools):
    async def crowd(seed):
        rng = random.Random(seed)
        storage = tools.Gated({"a": 4, "b": 4}, pauses=[rng.randint(1, 4) for _ in range(300)])
        seats = Seats(storage)

        async def customer(name):
            show = rng.choice("aAbB")
            other = "b" if show in "aA" else "a"
            try:
                seat = await seats.book(show, name)
                if rng.random() < 0.4:
                    seat, show = await seats.move(show, seat, other, name), other
                if rng.random() < 0.4:
                    await seats.cancel(show, seat, name)
                    return None
            except SoldOut:
                return None if "seat" not in locals() else (show.lower(), seat)
            return show.lower(), seat

        calls = []
        for at in range(10):
            calls.append(asyncio.ensure_future(customer(f"n{at}")))
            await tools.settle(rng.randint(0, 6))
        kept = {place: f"n{at}" for at, place in enumerate(await asyncio.gather(*calls)) if place}
        stored = {(show, int(seat)): name for show in "ab" for seat, name in (await storage.read(show))["holders"].items()}
        assert stored == kept
        for show in "ab":
            assert {int(seat): name for seat, name in (await seats.holders(show)).items()} == {s: n for (w, s), n in kept.items() if w == show}
        assert len(seats.locks) == 0

    for seed in range(15):
        tools.run(crowd(seed))


def test_moves_in_both_directions(tools):
    async def both():
        seats = Seats(tools.Gated({"a": 2, "b": 2}))
        await asyncio.gather(seats.book("a", "x"), seats.book("b", "y"))
        await asyncio.gather(seats.move("a", 1, "b", "x"), seats.move("b", 1, "a", "y"))
        assert set((await seats.holders("a")).values()) == {"y"}
        assert set((await seats.holders("b")).values()) == {"x"}
        assert await seats.move("A", next(iter(await seats.holders("a"))), "a", "y") == 1

    tools.run(both())


def test_other_shows_do_not_wait(tools):
    async def apart():
        storage = tools.Gated({"a": 2, "b": 2})
        seats = Seats(storage)
        storage.close("write", "a")
        slow = asyncio.ensure_future(seats.book("a", "x"))
        await tools.settle()
        quick = asyncio.ensure_future(seats.book("b", "y"))
        number = asyncio.ensure_future(seats.free("b"))
        await tools.settle()
        done = quick.done(), number.done(), slow.done()
        storage.open("write", "a")
        await asyncio.gather(slow, quick, number)
        assert done == (True, True, False)

    tools.run(apart())


def test_one_reading_for_all(tools):
    async def many():
        storage = tools.Gated({"a": 2})
        seats = Seats(storage)
        assert await asyncio.gather(*(seats.free("aA"[at % 2]) for at in range(6))) == [2] * 6
        assert await seats.holders("a") == {}
        assert storage.reads["a"] == 1
        await seats.book("a", "x")
        before = storage.reads["a"]
        assert [await seats.free("a") for _ in range(5)] == [1] * 5
        assert storage.reads["a"] <= before + 1

    tools.run(many())


def test_locks_in_use(tools):
    async def used():
        storage = tools.Gated({"a": 3, "b": 3})
        seats = Seats(storage)
        storage.close("write", "a")
        calls = [asyncio.ensure_future(seats.book("a", str(at))) for at in range(3)]
        await tools.settle()
        during = len(seats.locks)
        storage.open("write", "a")
        await asyncio.gather(*calls)
        assert (during, len(seats.locks)) == (1, 0)
        with pytest.raises(SoldOut):
            await seats.book("a", "late")
        with pytest.raises(NotBooked):
            await seats.move("b", 1, "a", "nobody")
        assert len(seats.locks) == 0

    tools.run(used())


def test_calls_that_are_cancelled(tools):
    async def given_up():
        storage = tools.Gated({"a": 3})
        seats = Seats(storage)
        storage.close("write", "a")
        first, second, third = (asyncio.ensure_future(seats.book("a", name)) for name in "xyz")
        await tools.settle()
        second.cancel()
        await tools.settle()
        first.cancel()
        await tools.settle()
        storage.open("write", "a")
        assert await third == 1
        assert first.cancelled()
        assert second.cancelled()
        assert len(seats.locks) == 0
        assert await seats.holders("a") == {"1": "z"}

    tools.run(given_up())


def test_a_reader_that_is_cancelled_does_no_harm(tools):
    async def readers():
        storage = tools.Gated({"a": 3})
        seats = Seats(storage)
        storage.close("read", "a")
        first, second = (asyncio.ensure_future(seats.free("a")) for _ in range(2))
        await tools.settle()
        first.cancel()
        await tools.settle()
        storage.open("read", "a")
        assert await second == 3
        assert await seats.free("a") == 3

    tools.run(readers())


def test_a_reading_that_fails_is_not_kept(tools):
    async def unknown():
        seats = Seats(tools.Gated({"a": 3}))
        for _ in range(2):
            with pytest.raises(KeyError):
                await seats.free("nowhere")
            with pytest.raises(KeyError):
                await seats.book("nowhere", "x")
        assert len(seats.locks) == 0

    class Broken(tools.Gated):
        async def read(self, key):
            if self.reads[key] == 0:
                self.reads[key] += 1
                raise OSError
            return await super().read(key)

    async def broken():
        seats = Seats(Broken({"a": 3}))
        with pytest.raises(OSError):
            await seats.free("a")
        assert await seats.free("a") == 3

    tools.run(unknown())
    tools.run(broken())
