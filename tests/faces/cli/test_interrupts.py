"""The first Ctrl-C asks, the second one ends at once, and afterwards signals are what they were."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

from flatfield.faces.cli.interrupts import interruptible

STUCK = """
import asyncio, threading
from flatfield.faces.cli.interrupts import interruptible

async def main():
    with interruptible(lambda: print("asked", flush=True)):
        print("ready", flush=True)
        await asyncio.to_thread(threading.Event().wait)

asyncio.run(main())
"""


async def test_the_first_signal_asks_to_stop() -> None:
    asked = asyncio.Event()
    with interruptible(asked.set):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(asked.wait(), 5)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_second_signal_ends_what_hangs() -> None:
    running = subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    running.send_signal(signal.SIGINT)
    assert running.stdout.readline() == "asked\n"
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=10)
    assert running.returncode == 130
    assert err == "\nflatfield: ended at once; what was finished is stored\n"
