"""A gate never lets in more than its width, forgets nobody, and survives cancellation and changing widths."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from flatfield.runs.traffic.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Sequence


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


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


async def _told(story: Sequence[tuple[str, int]]) -> None:
    width = 2
    gate = Gate(lambda: width)
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
            await settle()
            assert gate.held == len(inside) <= most
            waiting = [task for task, each in tasks.items() if not each.done() and task not in inside]
            assert not waiting or len(inside) >= width
    for event in leave.values():
        event.set()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert gate.idle
    assert set(done) >= {number for number, task in tasks.items() if not task.cancelled()}


async def test_who_came_first_goes_first() -> None:
    gate, order = Gate(lambda: 1), list[int]()

    async def visit(number: int) -> None:
        await gate.enter()
        order.append(number)
        await settle()
        gate.leave()

    await asyncio.gather(*map(visit, range(5)))
    assert order == [0, 1, 2, 3, 4]
