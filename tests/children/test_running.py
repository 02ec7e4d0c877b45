"""One child process, run to its end: with an event loop or without, whatever it says."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from flatfield.children.running import Finished, Start, blocking, run_process

SAYS = ("/bin/sh", "-c", "printf 'a\\377b'; echo no >&2; exit 3")


def run(words: tuple[str, ...] = SAYS, output_bytes: int = 1000) -> Finished:
    return blocking(run_process(words, Start(environ={}), seconds=60, output_bytes=output_bytes))


def test_who_cannot_await_is_told_the_same() -> None:
    assert run() == Finished(exit_code=3, printed="a\ufffdb", complained="no\n", whole=b"a\xffb")


async def test_nor_can_a_function_that_a_loop_has_called() -> None:
    assert run().whole == b"a\xffb"
    assert asyncio.get_running_loop().is_running()


def test_half_of_what_was_said_is_not_taken_for_all_of_it() -> None:
    assert run(("/bin/sh", "-c", "printf 0123456789"), output_bytes=10).whole == b"0123456789"
    assert run(("/bin/sh", "-c", "printf 0123456789"), output_bytes=9).whole is None


def test_a_program_that_is_not_there_is_told_as_by_the_system() -> None:
    with pytest.raises(FileNotFoundError):
        run(("/nosuch/program",))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descriptors are listed by /proc")
def test_nothing_stays_open() -> None:
    run()
    before = len(list(Path("/proc/self/fd").iterdir()))
    run()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
