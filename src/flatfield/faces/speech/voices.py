"""Which voices this machine has, and how each is asked to speak or to write a WAV file; the text is never a shell's."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_POWERSHELL = (
    "Add-Type -AssemblyName System.Speech; $s = New-Object System.Speech.Synthesis.SpeechSynthesizer; "
    "{target}$s.Speak([Console]::In.ReadToEnd())"
)
_NOTIFY = 'on run argv\ndisplay notification (item 1 of argv) with title "flatfield"\nend run'
_SPOKEN = {
    "say": ("--",),
    "spd-say": ("--wait", "--"),
    "espeak-ng": ("--",),
    "notify-send": ("--app-name=flatfield", "--", "flatfield"),
    "osascript": ("-e", _NOTIFY),
}
_WRITTEN = {
    "say": ("--file-format=WAVE", "--data-format=LEI16@22050", "-o"),
    "espeak-ng": ("-w",),
}


class Words(Struct, frozen=True, kw_only=True):
    """How a program is started: its arguments, and what it reads from its standard input."""

    arguments: tuple[str, ...]
    given: str = ""


class Voice(Struct, frozen=True, kw_only=True):
    """One program that speaks; `writes` says whether it can write a WAV file, `shows` that it only shows the text."""

    name: str
    program: str
    writes: bool = True
    shows: bool = False

    def speak(self, text: str) -> Words:
        """How it is asked to say something aloud, or to show it."""
        if self.name == "powershell":
            return _powershell(self.program, _POWERSHELL.format(target=""), text)
        return Words(arguments=(self.program, *_SPOKEN[self.name], text))

    def write(self, text: str, path: Path) -> Words:
        """How it is asked to write a WAV file."""
        if self.name == "powershell":
            target = f"$s.SetOutputToWaveFile('{str(path).replace(chr(39), chr(39) * 2)}'); "
            return _powershell(self.program, _POWERSHELL.format(target=target), text)
        return Words(arguments=(self.program, *_WRITTEN[self.name], str(path), "--", text))


def find_voice(*, to_file: bool = False, which: Callable[[str], str | None] = shutil.which) -> Voice | None:
    """The first voice that is installed, else what can show a text; with `to_file`, the first that can write.

    None: there is none.
    """
    for name, writes in (("say", True), ("spd-say", False), ("espeak-ng", True), ("powershell", True)):
        program = _found(name, which)
        if program is not None and (writes or not to_file):
            return Voice(name=name, program=program, writes=writes)
    if to_file:
        return None
    for name in ("notify-send", "osascript"):
        program = which(name)
        if program is not None:
            return Voice(name=name, program=program, writes=False, shows=True)
    return None


def _found(name: str, which: Callable[[str], str | None]) -> str | None:
    if name != "powershell":
        return which(name)
    return which("powershell.exe") or which("powershell")


def _powershell(program: str, script: str, text: str) -> Words:
    return Words(arguments=(program, "-NoProfile", "-NonInteractive", "-Command", script), given=text)
