"""One voice at a time, in order, in the background; a bad voice costs a note and nothing else."""

from __future__ import annotations

import asyncio
import math
import struct
import sys
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.faces.speech import speaker as module
from flatfield.faces.speech.speaker import WAITING_SENTENCES, Speaker, Voice, find_voice, speaking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.testing.clocks import IdleTime

pytestmark = pytest.mark.whole

WRITE = """
python3 - "$2" <<'END'
import sys, wave
with wave.open(sys.argv[1], "wb") as out:
    out.setnchannels(1); out.setsampwidth(2); out.setframerate(8000); out.writeframes(b"\\x01\\x02" * 100)
END
"""


async def spoken(voice: Voice | None, sentences: Sequence[str], lock: Path, path: Path | None = None) -> Speaker:
    speaker = Speaker(voice, path, lock)
    work = asyncio.create_task(speaker.work())
    for sentence in sentences:
        speaker.say(sentence)
    await speaker.finish()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return speaker


def one_at_a_time(log: Path) -> list[str]:
    """The sentences in their order; fails where one began before the other had ended."""
    lines = log.read_text().splitlines()
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    assert all((first.split()[0], second.split()[0]) == ("begin", "end") for first, second in pairs), lines
    return [first.removeprefix("begin ") for first, _ in pairs]


async def test_sentences_are_spoken_in_their_order(scripted: Any, log: Path, tmp_path: Path) -> None:
    speaker = await spoken(scripted(), ["one", "two", "three"], tmp_path / "lock")
    assert one_at_a_time(log) == ["one", "two", "three"]
    assert speaker.problems == []


async def test_two_speakers_are_never_heard_at_once(scripted: Any, log: Path, tmp_path: Path) -> None:
    voice, lock = scripted("sleep 0.05"), tmp_path / "lock"
    await asyncio.gather(spoken(voice, ["a1", "a2"], lock), spoken(voice, ["b1", "b2"], lock))
    assert sorted(one_at_a_time(log)) == ["a1", "a2", "b1", "b2"]


@pytest.mark.slow
async def test_nor_are_two_processes(scripted: Any, log: Path, tmp_path: Path) -> None:
    scripted("sleep 0.05")
    words = [sys.executable, "-m", "flatfield", "speak"]
    environ = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    one, two = [
        await asyncio.create_subprocess_exec(*words, text, env=environ, stderr=asyncio.subprocess.PIPE)
        for text in ("first words", "second words")
    ]
    ended = await asyncio.gather(one.communicate(), two.communicate())
    assert (one.returncode, two.returncode) == (0, 0), ended
    assert sorted(one_at_a_time(log)) == ["first words", "second words"]


async def test_saying_returns_at_once_and_old_news_is_left_out(scripted: Any, log: Path, tmp_path: Path) -> None:
    speaker = Speaker(scripted(), None, tmp_path / "lock")
    began = time.monotonic()
    for number in range(WAITING_SENTENCES + 5):
        speaker.say(str(number))
    assert time.monotonic() - began < 10, "no sentence is waited for"
    work = asyncio.create_task(speaker.work())
    await speaker.finish()
    work.cancel()
    assert one_at_a_time(log) == [str(number) for number in range(WAITING_SENTENCES)]


async def test_a_voice_that_hangs_is_ended(
    scripted: Any, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle_time: IdleTime
) -> None:
    monkeypatch.setattr(module, "SENTENCE_SECONDS", 5.0)
    idle_time.only(8.0, once=log.exists)
    speaker = await spoken(scripted('[ "$last" = fast ] || exec sleep 60'), ["slow", "fast"], tmp_path / "lock")
    noted = await asyncio.to_thread(log.read_text)
    assert "end fast" in noted, "what comes after it is said"
    assert "end slow" not in noted
    assert speaker.problems == ["'slow' could not be said: the voice hung"]


async def test_the_end_does_not_wait_for_another_that_never_stops(scripted: Any, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    async with module._turn(lock):
        speaker = Speaker(scripted(), None, lock)
        work = asyncio.create_task(speaker.work())
        speaker.say("hello")
        await speaker.finish(0.1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work


async def test_a_voice_that_is_gone_is_a_problem_and_no_more(tmp_path: Path) -> None:
    gone = Voice(name="espeak-ng", program=str(tmp_path / "gone"))
    speaker = await spoken(gone, ["a", "b"], tmp_path / "lock")
    assert len(speaker.problems) == 2
    assert "'a' could not be said" in speaker.problems[0]


async def test_a_failing_exit_code_proves_nothing(scripted: Any, tmp_path: Path) -> None:
    assert (await spoken(scripted("exit 1"), ["a"], tmp_path / "lock")).problems == []


@pytest.mark.parametrize(("path", "said"), [(None, "can speak"), (Path("x.wav"), "can write speech")])
async def test_without_a_voice_it_is_silent_and_says_so(path: Path | None, said: str, tmp_path: Path) -> None:
    speaker = await spoken(None, ["a"], tmp_path / "lock", path)
    assert len(speaker.problems) == 1
    assert said in speaker.problems[0]


async def test_sentences_of_a_file_stand_one_after_the_other(scripted: Any, log: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    speaker = await spoken(scripted(WRITE), ["one", "two", "three"], tmp_path / "lock", path)
    assert speaker.problems == []
    with wave.open(str(path)) as made:
        assert made.getnframes() == 300
        assert made.getframerate() == 8000


@pytest.mark.parametrize(("then", "problem"), [("", "wrote no file"), ('echo no > "$2"', "could not be said")])
async def test_a_file_that_a_voice_did_not_write_is_a_problem(
    then: str, problem: str, scripted: Any, tmp_path: Path
) -> None:
    path = tmp_path / "out.wav"
    speaker = await spoken(scripted(then), ["one"], tmp_path / "lock", path)
    assert problem in speaker.problems[0]
    assert not path.exists()


def loudness(frames: bytes) -> float:
    """The root mean square of 16-bit samples."""
    samples = struct.unpack(f"<{len(frames) // 2}h", frames)
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


@pytest.mark.needs("espeak-ng")
async def test_what_is_written_is_speech_of_plausible_length(tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    path.write_text("what was there before")
    sentences = ("gpt-5 mini: done in 12 seconds, grade A, a third of a cent", "The evaluation is graded")
    async with speaking(path) as speaker:
        for sentence in sentences:
            speaker.say(sentence)
    assert speaker.problems == []
    voice = find_voice(to_file=True)
    assert voice is not None
    with wave.open(str(path)) as made:
        rate, frames = made.getframerate(), made.readframes(made.getnframes())
        assert made.getsampwidth() == 2
        assert made.getnchannels() == 1
    seconds = len(frames) / 2 / rate
    words = sum(len(sentence.split()) for sentence in sentences)
    # People speak two to four words a second; "gpt-5" and its like are several.
    assert 0.2 * words <= seconds <= 0.8 * words, f"{seconds} s for {words} words"
    assert loudness(frames) > 500, "it is not silent"
    spoken_parts = [frames[start : start + rate // 5] for start in range(0, len(frames) - rate // 5, rate // 5)]
    loud = sum(loudness(part[: len(part) // 2 * 2]) > 300 for part in spoken_parts)
    assert loud / len(spoken_parts) > 0.5, "most of it is speech, not pauses"
