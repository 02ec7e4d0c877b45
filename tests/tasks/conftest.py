"""What tests of the tasks' room share: a folder to write files in, and a way to look at mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from flatfield.errors import InvalidFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import Mistake


class Write(Protocol):
    """Writes a file below the test's folder and returns its path."""

    def __call__(self, name: str, text: str) -> Path: ...


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    return write


@pytest.fixture
def lop(write: Write) -> Callable[..., Path]:
    """A LOP with front matter: `lop("level: 1")`."""

    def lop(matter: str = "id: t", prompt: str = "Do it.", name: str = "t.md") -> Path:
        return write(name, f'---\n{matter}\n---\n# T\n\n## Variables\n\nPROMPT: "{prompt}"\n')

    return lop


@pytest.fixture
def mistakes() -> Callable[..., list[Mistake]]:
    """The mistakes that a call raises."""

    def mistakes(call: Callable[..., object], *arguments: object) -> list[Mistake]:
        with pytest.raises(InvalidFiles) as caught:
            call(*arguments)
        return list(caught.value.mistakes)

    return mistakes


@pytest.fixture
def nano_agent() -> Path:
    """A folder in the form of the original project."""
    return Path(__file__).parents[1] / "fixtures" / "nano_agent"
