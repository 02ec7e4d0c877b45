"""Marks name one process and no other; the keeper ends what bears them, and runs what it was told to."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flatfield.children import starting
from flatfield.children.keeper import kill, mark_of, marked
from flatfield.children.starting import at_the_end, began, end_marked, is_over, mark_arguments, new_mark, with_mark

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS = 60.0
SLEEP = ("sleep", "300")
pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are told by /proc"),
]


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for child in started:
        child.kill()
        child.wait()


def _bearing(mark: str, children: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(SLEEP, env={"TASK_PROCESS_MARK": mark, "PATH": os.environ["PATH"]})
    children.append(child)
    _until_loaded(child)
    return child


def _until_loaded(child: subprocess.Popen[bytes]) -> None:
    """A process shows its environment a moment after it can be known that it was started."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not Path(f"/proc/{child.pid}/environ").read_bytes():
        assert time.monotonic() < ends
        time.sleep(0.001)


def _dead() -> int:
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def test_each_mark_is_another_and_names_this_process() -> None:
    first, second = new_mark(), new_mark()
    assert first != second
    start = f"task-process-{os.geteuid()}-"
    assert first.startswith(start)
    assert first.split("-")[4:6] == [str(os.getpid()), began(os.getpid())]
    assert with_mark({"A": "1"}, first) == {"A": "1", "TASK_PROCESS_MARK": first}
    assert mark_arguments()[0] == "--unsetenv"


def test_a_process_that_waits_to_be_reaped_is_over_and_an_id_that_is_used_again_is_another_process() -> None:
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert began(child.pid) is None
    own = began(os.getpid())
    assert own is not None
    assert not is_over(os.getpid(), own)
    assert is_over(os.getpid(), "1")
    assert is_over(_dead(), "1")


def test_only_what_dead_processes_of_this_user_and_place_left_is_reaped(
    children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    user, namespace = os.geteuid(), secrets.randbits(40)  # one of its own: any other test's run would reap too
    place = f"task-process-{user}-{namespace}"
    monkeypatch.setattr(starting, "_place", lambda: place)
    left = [f"{place}-{_dead()}-5-aa", f"{place}-{os.getpid()}-1-bb"]
    kept = [
        f"{place}-{os.getpid()}-{began(os.getpid())}-ff",
        f"task-process-{user + 1}-{namespace}-{_dead()}-5-cc",
        f"task-process-{user}-1-{_dead()}-5-dd",
        f"{place}-{_dead()}",
        f"x{place}-{_dead()}-5-ee",
    ]
    gone, alive = ([_bearing(mark, children) for mark in marks] for marks in (left, kept))
    assert set(starting.reap()) >= {child.pid for child in gone}
    assert [child.wait(PATIENCE_SECONDS) for child in gone] == [-9, -9]
    assert [child.poll() for child in alive] == [None] * len(kept)


def test_a_mark_among_bubblewraps_arguments_is_found_and_elsewhere_in_arguments_it_is_not(
    children: list[subprocess.Popen[bytes]],
) -> None:
    mark = new_mark()
    shell = ("sh", "-c", "read x", "bwrap")
    given = (("--unsetenv", mark), ("--other", mark), (mark,))
    children += [subprocess.Popen([*shell, *arguments], stdin=subprocess.PIPE) for arguments in given]
    for child in children:
        _until_loaded(child)
    assert [pid for pid, _ in marked(mark)] == [children[0].pid]
    for child in children:
        assert child.stdin is not None
        child.stdin.close()


def test_what_has_another_mark_by_now_is_not_killed(children: list[subprocess.Popen[bytes]]) -> None:
    child = _bearing("task-process-of-another", children)
    kill(child.pid, new_mark())
    assert child.poll() is None
    assert mark_of(child.pid, "task-process-of") == "task-process-of-another"


def test_a_whole_group_goes_with_its_leader(children: list[subprocess.Popen[bytes]]) -> None:
    mark = new_mark()
    command = "env -i sleep 300 & echo $!; exec sleep 301"
    leader = subprocess.Popen(
        ["sh", "-c", command], env=with_mark(os.environ, mark), stdout=subprocess.PIPE, start_new_session=True
    )
    children.append(leader)
    assert leader.stdout is not None
    other = os.pidfd_open(int(leader.stdout.readline()))
    end_marked(mark)
    import select

    assert select.select([other], [], [], PATIENCE_SECONDS)[0]
    os.close(other)
    leader.stdout.close()


ENDING = """
import os, sys
from flatfield.children.starting import at_the_end
with at_the_end(["sh", "-c", "echo ran >> ran"] , {{"PATH": os.defpath}}):
    pass
with at_the_end(["sh", "-c", "echo $WORD >> {path}"], {{"PATH": os.defpath, "WORD": "said"}}):
    os.kill(os.getpid(), 9)
"""


def test_what_is_to_be_run_at_the_end_is_run_when_the_process_is_killed_and_once_more(tmp_path: Path) -> None:
    path = tmp_path / "said"
    done = subprocess.run([sys.executable, "-c", ENDING.format(path=path)], cwd=tmp_path, check=False)
    assert done.returncode == -9
    ends = time.monotonic() + PATIENCE_SECONDS
    while not path.exists() or path.read_text() != "said\nsaid\n":
        assert time.monotonic() < ends
        time.sleep(0.02)
    assert not (tmp_path / "ran").exists()


CUT = """
import os, sys
from flatfield.children import starting
lifelines, keeper = [], starting._keeper
def kept(process):
    lifelines.append(keeper(process))
    return lifelines[0]
starting._keeper = kept
with starting.at_the_end(["sh", "-c", "echo $WORD >> {path}"], {{"PATH": os.defpath, "WORD": "said"}}):
    os.write(lifelines[0], b'{{"number": 7, "argv": ["sh", "-c", "ech')
    os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
def test_a_line_that_its_process_did_not_finish_costs_none_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "said"
    done = subprocess.run([sys.executable, "-c", CUT.format(path=path)], cwd=tmp_path, check=False)
    assert done.returncode == -9
    ends = time.monotonic() + PATIENCE_SECONDS
    while not path.exists() or path.read_text() != "said\nsaid\n":
        assert time.monotonic() < ends
        time.sleep(0.02)


QUICK = """
from flatfield.children.starting import new_mark
new_mark()
"""


def test_a_keeper_holds_nobody_up_that_reads_what_its_process_prints() -> None:
    began_seconds = time.monotonic()
    done = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, check=True, timeout=PATIENCE_SECONDS)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert time.monotonic() - began_seconds < PATIENCE_SECONDS


def test_without_a_keeper_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    from flatfield.errors import NotReady

    def refused(process: int) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(starting, "_keeper", refused)
    with pytest.raises(NotReady, match="what we start cannot be started: Resource temporarily unavailable; end some"):
        new_mark()


def test_meanwhile_nothing_is_told_to_a_keeper_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    read, lifeline = os.pipe()
    os.close(read)
    monkeypatch.setattr(starting, "_keeper", lambda _: lifeline)
    with at_the_end(["true"], {}):
        pass
    os.close(lifeline)
