"""Nothing outlives its driver: killed at any moment after a start, whatever it starts, the keeper with it or not."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flatfield.children import starting
from flatfield.children.starting import reap
from flatfield.runs.scratch import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KINDS = ("bubblewrap", "unsafe", "scaffold", "verifier", "speech", "generating", "server")
PATIENCE_SECONDS = 60.0
"""How long what should go may take on a busy machine; it takes a fraction of a second."""
pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are told by /proc"),
]


class Killing:
    """A program that starts drivers and kills them, and the tokens of what they started."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.tokens: list[str] = []

    def kill(self, kind: str, seconds: float | None = None, *, keeper: bool = False) -> str:
        """Have a driver start something and be killed so many seconds later, else when that is at work."""
        token = f"token{secrets.token_hex(8)}"
        self.tokens.append(token)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(
            json.dumps({"kind": kind, "token": token, "seconds": seconds, "keeper": keeper}) + "\n"
        )
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip().isdigit()
        return token

    def left(self) -> dict[str, str]:
        """What still runs of all that was started: by id, its arguments."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                arguments = (folder / "cmdline").read_bytes()
                parts = [arguments, (folder / "environ").read_bytes(), (folder / "mountinfo").read_bytes()]
                text = f"{b' '.join(parts).decode(errors='replace')} {(folder / 'cwd').readlink()}"
                if any(token in text for token in self.tokens):
                    found[folder.name] = arguments.decode(errors="replace")[:200]
        return found

    def wait_until_none_is_left(self) -> None:
        """Fail when something stays."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while left := self.left():
            assert time.monotonic() < ends, left
            time.sleep(0.05)


@pytest.fixture(scope="module")
def killing() -> Iterator[Killing]:
    with tempfile.TemporaryDirectory(prefix="killed-") as name:
        Path(name).chmod(0o755)
        argv = [sys.executable, str(Path(__file__).with_name("drivers.py")), name]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield Killing(process)


def _kinds() -> list[str]:
    return [kind for kind in KINDS if kind != "bubblewrap" or shutil.which("bwrap")]


def _attack(killing: Killing, kinds: Sequence[str], kills: int, most_seconds: float) -> None:
    chance = random.Random(kills)
    for number in range(kills):
        killing.kill(kinds[number % len(kinds)], chance.uniform(0, most_seconds))
    killing.wait_until_none_is_left()


@pytest.mark.slow
def test_nothing_is_left_after_a_kill_at_any_moment_of_a_start(killing: Killing) -> None:
    _attack(killing, _kinds(), 56, 0.03)


@pytest.mark.needs("bwrap")
def test_nothing_is_left_after_a_kill_at_any_moment_of_an_evaluation(killing: Killing) -> None:
    _attack(killing, ("eval",), 4, 1.0)
    sweep()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("most_seconds", [0.03, 0.3])
def test_nothing_is_left_after_a_thousand_kills(killing: Killing, most_seconds: float) -> None:
    _attack(killing, _kinds(), 1000, most_seconds)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.needs("bwrap")
def test_nothing_is_left_after_many_kills_of_an_evaluation(killing: Killing) -> None:
    _attack(killing, ("eval",), 200, 3.0)
    sweep()


@pytest.mark.parametrize("kind", _kinds())
def test_what_was_at_work_ends_with_its_driver(killing: Killing, kind: str) -> None:
    killing.kill(kind)
    killing.wait_until_none_is_left()


@pytest.mark.parametrize("kind", [kind for kind in _kinds() if kind != "bubblewrap"])
def test_what_is_left_without_a_keeper_is_ended_by_the_next_run_alone(
    killing: Killing, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = killing.kill(kind, keeper=True)
    monkeypatch.setattr(starting, "_place", lambda: token)
    left = {int(each) for each in killing.left()}
    assert left  # they bear the mark of a process that is no more
    assert set(reap()) & left
    killing.wait_until_none_is_left()


THREADED = """
import subprocess, sys, threading
from flatfield.children.starting import with_mark
children = []
def start():
    children.append(subprocess.Popen(["sleep", "300"], env=with_mark({"PATH": "/bin:/usr/bin"})))
thread = threading.Thread(target=start)
thread.start()
thread.join()
print(children[0].pid, flush=True)
sys.stdin.readline()
print(children[0].poll(), flush=True)
sys.stdin.readline()
"""


def test_a_child_lives_as_long_as_its_driver_not_as_the_thread_that_started_it() -> None:
    argv = [sys.executable, "-c", THREADED]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None
        child = int(driver.stdout.readline())
        assert reap() == ()  # nothing of a driver that lives
        driver.stdin.write("\n")
        driver.stdin.flush()
        assert driver.stdout.readline() == "None\n"
        os.kill(child, 0)
        handle = os.pidfd_open(child)
        driver.kill()
        _wait_for_end(handle)


def _wait_for_end(handle: int) -> None:
    import select

    try:
        assert select.select([handle], [], [], PATIENCE_SECONDS)[0], "it still runs"
    finally:
        os.close(handle)
