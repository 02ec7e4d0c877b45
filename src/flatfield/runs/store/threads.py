"""Work in a thread that is always waited for: a thread cannot be stopped, nor its files taken away under it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


async def to_the_end(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """The function's result; when this is cancelled meanwhile, the cancellation comes after the function has ended."""
    work, cancelled = await _ended(function, *arguments, **named)
    if cancelled is not None:
        work.exception()  # taken note of: the cancellation says more
        raise cancelled
    return work.result()


async def whatever_comes(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """The function's result, also when this is cancelled meanwhile: for the last step of what would be lost else."""
    work, _ = await _ended(function, *arguments, **named)
    return work.result()


async def _ended(
    function: Callable[P, T], *arguments: P.args, **named: P.kwargs
) -> tuple[asyncio.Future[T], asyncio.CancelledError | None]:
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **named))
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError as error:
            cancelled = error
    return work, cancelled
