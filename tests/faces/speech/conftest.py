"""A voice that is a script: it notes when it began and ended each sentence, and what it said."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from flatfield.faces.speech.speaker import Voice

if TYPE_CHECKING:
    from pathlib import Path

Made = Callable[..., Voice]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


@pytest.fixture
def scripted(tmp_path: Path, log: Path) -> Made:
    """A voice called as espeak-ng is, whose script does what is given between its two notes."""

    def make(then: str = "", name: str = "espeak-ng") -> Voice:
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f'#!/bin/sh\nfor last; do :; done\necho "begin $last" >> {log}\n{then}\necho "end $last" >> {log}\n'
        )
        program.chmod(0o755)
        return Voice(name="espeak-ng", program=str(program))

    return make
