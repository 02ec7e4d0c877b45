"""Signals while something runs: the first one ends it cleanly, the second one at once; a terminal may be gone."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from flatfield.faces.cli.codes import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

ALWAYS = (signal.SIGINT, signal.SIGTERM)
UNLESS_IGNORED = (signal.SIGHUP, signal.SIGQUIT)
"""Who starts a command with `nohup` or in the background has these ignored on purpose."""
ONE_HANGUP_SECONDS = 5.0
"""A terminal that closes may say so twice: the shell once, the kernel once when the shell has ended."""
_SHOW_CURSOR = "\x1b[?25h"
_STDERR = 2
_OUTPUTS = (1, _STDERR)


@contextmanager
def interruptible(stop: Callable[[], object], now: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Inside a running event loop: call `stop` on the first signal, leave the process on the second.

    What was stored stays stored, and child processes end with this one. When the terminal is gone, what is written to
    it goes nowhere from then on, so that what runs can be ended and stored all the same.
    """
    loop = asyncio.get_running_loop()
    ended = [number for number in UNLESS_IGNORED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in ended}
    hung_up_at: float | None = None

    def first(number: signal.Signals) -> None:
        nonlocal hung_up_at
        if number is signal.SIGHUP:
            hung_up_at = now()
        _forget_lost_outputs()
        for each in (*ALWAYS, *ended):
            loop.remove_signal_handler(each)
            signal.signal(each, second)
        stop()

    def second(number: int, _frame: FrameType | None) -> None:
        same = hung_up_at is not None and now() - hung_up_at < ONE_HANGUP_SECONDS
        if number != signal.SIGHUP or not same:
            _leave()

    for number in (*ALWAYS, *ended):
        loop.add_signal_handler(number, first, number)
    try:
        yield
    finally:
        for number in (*ALWAYS, *ended):
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number, handler in before.items():
            signal.signal(number, handler)


def _forget_lost_outputs() -> None:
    """Let what is written to a terminal that is gone, or to a pipe that nobody reads, go nowhere."""
    for number in _OUTPUTS:
        try:
            os.write(number, b"")
        except OSError:
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, number)
                os.close(nowhere)


def _leave() -> NoReturn:
    """End without waiting for anything: the loop may be the very thing that hangs."""
    with suppress(OSError):
        cursor = _SHOW_CURSOR if os.isatty(_STDERR) else ""
        os.write(_STDERR, f"{cursor}\nflatfield: ended at once; what was finished is stored\n".encode())
    os._exit(INTERRUPTED)
