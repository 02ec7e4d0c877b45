"""Which voice is taken, and how each program is asked: the text is one argument, never a shell's."""

from __future__ import annotations

from pathlib import Path

import pytest

from flatfield.faces.speech.speaker import Voice, find_voice

TEXT = 'it\'s $(done) & "well"'
ORDER = ("say", "spd-say", "espeak-ng", "powershell.exe", "notify-send", "osascript")


def found(*names: str, to_file: bool = False) -> Voice | None:
    return find_voice(to_file=to_file, which=lambda name: f"/bin/{name}" if name in names else None)


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_the_first_that_is_there_is_taken(first: int) -> None:
    voice = found(*ORDER[first:])
    assert voice is not None
    assert voice.program == f"/bin/{ORDER[first]}"
    assert voice.shows == (ORDER[first] in {"notify-send", "osascript"})


def test_to_a_file_only_what_can_write() -> None:
    voice = found("spd-say", "espeak-ng", "notify-send", to_file=True)
    assert voice is not None
    assert voice.name == "espeak-ng"
    assert found("spd-say", "notify-send", to_file=True) is None


def test_there_may_be_none() -> None:
    assert found() is None


@pytest.mark.parametrize("name", ORDER)
def test_the_text_is_one_argument_or_standard_input(name: str) -> None:
    voice = found(name)
    assert voice is not None
    words = voice.speak(TEXT)
    assert words.arguments[0] == f"/bin/{name}"
    if name == "powershell.exe":
        assert words.given == TEXT
        assert not any("done" in argument for argument in words.arguments)
    else:
        assert words.arguments[-1] == TEXT
        assert words.given == ""


@pytest.mark.parametrize("name", ["say", "espeak-ng", "powershell.exe"])
def test_the_file_is_named(name: str) -> None:
    voice = found(name)
    assert voice is not None
    words = voice.write(TEXT, Path("/tmp/it's.wav"))
    if name == "powershell.exe":
        assert "SetOutputToWaveFile('/tmp/it''s.wav')" in words.arguments[-1]
    else:
        assert words.arguments[-3:] == ("/tmp/it's.wav", "--", TEXT)
