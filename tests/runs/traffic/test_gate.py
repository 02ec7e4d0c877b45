"""A gate never lets in more than its width, forgets nobody, and survives cancellation and changing widths."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flatfield.runs.traffic.servers import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


TURNS = 3
"""How many turns of the loop a visitor takes at most to come in, to leave, and to hand its place over."""
CHAIN = [*[("come", 0)] * 27, *[("leave", number) for number in (0, 3, 5, 6, 7, 8)], ("width", 4)]
"""Those who are told to leave before they are in go through the place that one leaves, one after the other."""


async def settle(visitors: int = 1) -> None:
    """Let all happen that follows from what was done; a place may pass through the hands of all visitors."""
    for _ in range(TURNS * (visitors + 1)):
        await asyncio.sleep(0)


@example(CHAIN)
@given(
    story=st.lists(
        st.one_of(
            st.just(("come", 0)),
            st.tuples(st.just("leave"), st.integers(0, 9)),
            st.tuples(st.just("cancel"), st.integers(0, 9)),
            st.tuples(st.just("width"), st.integers(1, 5)),
        ),
        max_size=60,
    )
)
def test_never_more_than_its_width_and_nobody_waits_for_ever(story: Sequence[tuple[str, int]]) -> None:
    asyncio.run(_told(story))


async def _told(story: Sequence[tuple[str, int]], kind: type[Gate] = Gate) -> None:
    width = 2
    gate = kind(lambda: width)
    inside: list[int] = []
    done: list[int] = []
    leave: dict[int, asyncio.Event] = {}
    tasks: dict[int, asyncio.Task[None]] = {}

    async def visit(number: int) -> None:
        await gate.enter()
        done.append(number)
        inside.append(number)
        try:
            await leave[number].wait()
        finally:
            inside.remove(number)
            gate.leave()

    most = width
    for number, (act, value) in enumerate(story):
        if act == "come":
            leave[number] = asyncio.Event()
            tasks[number] = asyncio.create_task(visit(number))
        elif act == "width":
            width, most = value, max(most, value)
            gate.admit()
        elif tasks:
            chosen = list(tasks)[value % len(tasks)]
            if act == "leave":
                leave[chosen].set()
            else:
                tasks[chosen].cancel()
        if number % 3 == 0:  # otherwise two things happen in one instant
            await settle(len(tasks))
            assert gate.held == len(inside) <= most
            waiting = [visitor for visitor, task in tasks.items() if not task.done() and visitor not in inside]
            assert not waiting or len(inside) >= width
    for event in leave.values():
        event.set()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert gate.idle
    assert set(done) >= {number for number, task in tasks.items() if not task.cancelled()}


class KeepsThePlace(Gate):
    """Lets nobody in when somebody leaves."""

    __slots__ = ()

    def leave(self) -> None:
        self.held -= 1


class LetsAllIn(Gate):
    """Has no width."""

    __slots__ = ()

    async def enter(self, on_wait: Callable[[], None] | None = None) -> None:
        self.held += 1


class IgnoresGrowth(Gate):
    """Lets in one when there is room for several."""

    __slots__ = ()

    def admit(self) -> None:
        if self._waiting and self.held < self._width():
            self.held += 1
            self._waiting.popleft().set_result(None)


COME = ("come", 0)


@pytest.mark.parametrize(
    ("kind", "story"),
    [
        (KeepsThePlace, [*[COME] * 4, *[("leave", 0)] * 3]),
        (LetsAllIn, [COME] * 4),
        (IgnoresGrowth, [*[COME] * 8, ("width", 5), ("leave", 9)]),
    ],
)
def test_the_story_notices_a_gate_that_is_none(kind: type[Gate], story: Sequence[tuple[str, int]]) -> None:
    asyncio.run(_told(story))
    with pytest.raises(AssertionError):
        asyncio.run(_told(story, kind))


async def test_who_came_first_goes_first() -> None:
    gate, order = Gate(lambda: 1), list[int]()

    async def visit(number: int) -> None:
        await gate.enter()
        order.append(number)
        await settle()
        gate.leave()

    await asyncio.gather(*map(visit, range(5)))
    assert order == [0, 1, 2, 3, 4]
