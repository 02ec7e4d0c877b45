"""Sentences in one queue, said by one process that outlives whoever asked."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.faces.speech.speaker import OLD_SECONDS, WAITING_SENTENCES, Queue, free_turn, speak_all

if TYPE_CHECKING:
    from pathlib import Path

ASK = "from flatfield.faces.speech.speaker import say_aside; import sys; [say_aside(text) for text in sys.argv[1:]]"


@pytest.fixture
def voice(scripted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted voice is the one that is installed, and everything of the queue is in the test's folder."""
    scripted()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def begun(log: Path) -> list[str]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.removeprefix("begin ") for line in lines if line.startswith("begin ")]


def test_a_queue_keeps_the_order_and_forgets_old_news(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    for number in range(WAITING_SENTENCES + 3):
        queue.put(str(number), 1.0)
    assert [queue.take(2.0) for _ in range(WAITING_SENTENCES + 1)] == [*map(str, range(WAITING_SENTENCES)), None]
    queue.put("old", 1.0)
    queue.put("new", OLD_SECONDS)
    assert queue.take(OLD_SECONDS + 2) == "new"
    assert queue.is_empty(OLD_SECONDS + 2)


def test_a_queue_that_a_crash_cut_is_empty(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.put("one", 1.0)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text(file.read_text()[:-3])
    assert queue.take(1.0) is None
    queue.put("two", 1.0)
    assert queue.take(1.0) == "two"


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / f"flatfield-queue-{os.getuid()}.json").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic"):
        Queue(tmp_path).put("one", 1.0)
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.usefixtures("voice")
async def test_one_speaker_says_all_and_another_leaves(log: Path, tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    for text in ("one", "two", "three"):
        queue.put(text, 1.0)
    with free_turn(queue.speaker_lock) as free:
        assert free
        await speak_all(queue, lambda: 1.0)
    assert begun(log) == [], "somebody else speaks"
    await asyncio.gather(speak_all(queue, lambda: 1.0), speak_all(queue, lambda: 1.0))
    assert begun(log) == ["one", "two", "three"]


@pytest.mark.usefixtures("voice")
async def test_what_comes_as_the_speaker_leaves_is_said_too(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, late = Queue(tmp_path), ["late"]
    take = queue.take

    def taken(now: float) -> str | None:
        found = take(now)
        if found is None and late:
            queue.put(late.pop(), now)
        return found

    monkeypatch.setattr(queue, "take", taken)
    queue.put("early", 1.0)
    await speak_all(queue, lambda: 1.0)
    assert begun(log) == ["early", "late"]


async def test_it_outlives_whoever_asked_and_nothing_is_cut_off(scripted: Any, log: Path, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    os.mkfifo(heard)
    scripted(f'if [ "$last" = two ]; then echo both > {heard}; else cat {tmp_path / "go"}; fi')
    os.mkfifo(tmp_path / "go")
    environ = {**os.environ, "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    asking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", ASK, "one", "two"),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    out, _ = await asking.communicate()  # a speaker that held its output open would keep this waiting
    assert (asking.returncode, out) == (0, b"")
    assert "two" not in begun(log)
    with pytest.raises(ProcessLookupError):
        os.killpg(asking.pid, 0)
    await asyncio.to_thread((tmp_path / "go").write_text, "")
    assert await asyncio.to_thread(heard.read_text) == "both\n"
    assert begun(log) == ["one", "two"]
