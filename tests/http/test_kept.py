"""What outlives a run is let go when nobody works with it."""

from __future__ import annotations

from flatfield.http.services import Kept


class Thing:
    """Says whether it was closed."""

    is_closed = False

    async def close(self) -> None:
        self.is_closed = True


async def test_what_nobody_works_with_goes_at_once() -> None:
    kept = Kept()
    thing = kept.get("a", Thing)
    async with kept.in_use():
        assert kept.get("a", Thing) is thing
    assert not thing.is_closed
    await kept.let_go()
    assert thing.is_closed
    assert kept.get("a", Thing) is not thing


async def test_what_is_worked_with_goes_when_the_last_one_is_done() -> None:
    kept = Kept()
    thing = kept.get("a", Thing)
    async with kept.in_use():
        async with kept.in_use():
            await kept.let_go()
        assert not thing.is_closed
    assert thing.is_closed
    later = kept.get("a", Thing)
    async with kept.in_use():
        pass
    assert not later.is_closed  # who asked for it to go did not mean this one
