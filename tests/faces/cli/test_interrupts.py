"""The first Ctrl-C asks, the second one ends at once, and afterwards signals are what they were."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from flatfield.faces.cli import ending
from flatfield.faces.cli.ending import forgiving, interruptible

STUCK = """
import asyncio, threading
from flatfield.faces.cli.ending import interruptible

async def main():
    with interruptible(lambda: print("asked", flush=True)):
        print("ready", flush=True)
        await asyncio.to_thread(threading.Event().wait)

asyncio.run(main())
"""


NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@pytest.mark.parametrize("number", NUMBERS)
async def test_the_first_signal_asks_to_stop(number: signal.Signals) -> None:
    asked = asyncio.Event()
    with interruptible(asked.set):
        os.kill(os.getpid(), number)
        await asyncio.wait_for(asked.wait(), 60)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert [signal.getsignal(each) for each in NUMBERS[1:]] == [signal.SIG_DFL] * 3


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
async def test_what_is_ignored_stays_ignored(number: signal.Signals) -> None:
    asked = asyncio.Event()
    signal.signal(number, signal.SIG_IGN)
    try:
        with interruptible(asked.set):
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(asked.wait(), 60)
            assert signal.getsignal(number) is signal.SIG_IGN
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, signal.SIG_DFL)


async def test_one_hangup_may_come_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    now, left = [100.0], []
    monkeypatch.setattr(ending, "_leave", lambda: left.append(now[0]))
    asked = asyncio.Event()
    with interruptible(asked.set, lambda: now[0]):
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait_for(asked.wait(), 60)
        for seconds in (1.0, 2.0, 10.0):
            now[0] = 100.0 + seconds
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
    assert left == [110.0, 110.0]


@pytest.mark.parametrize(
    ("first", "second"),
    [(signal.SIGINT, signal.SIGINT), (signal.SIGHUP, signal.SIGTERM), (signal.SIGTERM, signal.SIGHUP)],
)
def test_the_second_signal_ends_what_hangs(first: signal.Signals, second: signal.Signals) -> None:
    running = subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    running.send_signal(first)
    assert running.stdout.readline() == "asked\n"
    running.send_signal(second)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err == "\nflatfield: ended at once; what was finished is stored\n"


def test_what_cannot_be_said_is_dropped() -> None:
    read, said = os.pipe()
    os.close(read)
    with os.fdopen(said, "w", buffering=1) as stream:
        beside = forgiving(stream)
        print("x", file=beside)
        beside.writelines(["a\n", "b\n"])
        beside.flush()
        assert beside.fileno() == said
        assert not beside.isatty()
        assert beside.encoding == stream.encoding
        os.dup2(os.open(os.devnull, os.O_WRONLY), said)
    print("x", file=beside)
    none = forgiving(None)
    print("x", file=none)
    none.close()
