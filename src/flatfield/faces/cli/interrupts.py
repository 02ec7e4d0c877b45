"""Ctrl-C while something runs: the first one ends it cleanly, the second one at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from flatfield.faces.cli.codes import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def interruptible(stop: Callable[[], object]) -> Iterator[None]:
    """Inside a running event loop: call `stop` on the first SIGINT or SIGTERM, leave the process on the second.

    What was stored stays stored, and child processes end with this one.
    """
    loop = asyncio.get_running_loop()

    def first() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, _leave)
        stop()

    for number in SIGNALS:
        loop.add_signal_handler(number, first)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """End without waiting for anything: the loop may be the very thing that hangs."""
    cursor = _SHOW_CURSOR if os.isatty(sys.stderr.fileno()) else ""
    os.write(sys.stderr.fileno(), f"{cursor}\nflatfield: ended at once; what was finished is stored\n".encode())
    os._exit(INTERRUPTED)
