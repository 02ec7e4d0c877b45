"""One file that a user wrote: its text with every character kept, its lines, and the mistakes found in it."""

from __future__ import annotations

import difflib
import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flatfield.errors import InvalidFiles, NotFound
from flatfield.records import Mistake
from flatfield.tasks.letters import replaced

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Not str.splitlines: that also splits at form feeds and U+2028, which neither editors nor markdown-it count as lines.
NEWLINE = re.compile(r"\r\n?|\n")


UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
"""The byte order marks that files in UTF-16 begin with; nothing in UTF-8 does."""

_NO_ID = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Lines:
    """Text and the offset at which each of its lines starts; line numbers given out count from 1."""

    text: str
    starts: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Lines:
        """Find the lines of `text`; a final newline does not open another line."""
        starts = [0, *(match.end() for match in NEWLINE.finditer(text))]
        if len(starts) > 1 and starts[-1] == len(text):
            starts.pop()
        return cls(text, tuple(starts))

    def __len__(self) -> int:
        return len(self.starts)

    def number(self, offset: int) -> int:
        """The number of the line that holds the character at `offset`."""
        return max(1, bisect_right(self.starts, offset))

    def start(self, index: int) -> int:
        """The offset where line `index` (from 0) starts; the text's end beyond the last."""
        return self.starts[index] if index < len(self.starts) else len(self.text)

    def line(self, index: int) -> str:
        """Line `index` (from 0) without its line ending."""
        return self.text[self.starts[index] : self.start(index + 1)].rstrip("\r\n")


@dataclass(frozen=True, slots=True)
class Findings:
    """The mistakes found so far in one file."""

    path: str
    mistakes: list[Mistake] = field(default_factory=list)

    def add(self, line: int, problem: str, fix: str) -> None:
        """Note one mistake; `line` counts from 1."""
        self.mistakes.append(Mistake(path=self.path, line=line, problem=problem, fix=fix))

    def settle(self) -> None:
        """Raise what was found.

        Raises:
            InvalidFiles: there is at least one mistake; they come in the order of their lines.
        """
        if self.mistakes:
            raise InvalidFiles(sorted(self.mistakes, key=lambda mistake: mistake.line))


def read_bytes(path: Path) -> bytes:
    """All bytes of a file that the user named.

    Raises:
        NotFound: it is not there, is a folder, or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}{did_you_mean(path.name, names_in(path.parent))}") from None
    except IsADirectoryError:
        raise NotFound(f"{path} is a folder, not a file; name a file in it") from None
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror or error}; check its path and permissions") from None


def decode(data: bytes, path: str) -> str:
    """The text of `data`, without a byte order mark; line endings stay as they are.

    Raises:
        InvalidFiles: the bytes are not UTF-8.
    """
    if data.startswith(UTF16_MARKS):
        problem = "the file is UTF-16, not UTF-8"
        raise InvalidFiles([Mistake(path=path, line=1, problem=problem, fix="save the file as UTF-8")])
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problem = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise InvalidFiles([Mistake(path=path, line=line, problem=problem, fix="save the file as UTF-8")]) from None


def closest(name: str, known: Iterable[str], alike: float = 0.6) -> str | None:
    """The known name that `name` was probably meant to be; `-`, `_`, spaces and case do not count.

    `alike`: how much of it must be the same, of at most 1.
    """
    plain = {_plain(item): item for item in known}
    matches = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=alike)
    return plain[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known name comes close."""
    close = closest(name, known)
    return f"; did you mean {close!r}?" if close else ""


def right_key(name: str, known: Iterable[str]) -> str:
    """The fix for an unknown key: the closest right one, else all of them."""
    keys = list(known)
    close = closest(name, keys)
    return f"did you mean `{close}`?" if close else f"use one of: {', '.join(keys)}"


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]+", "", name).lower()


def names_in(folder: Path) -> list[str]:
    """What lies in a folder; nothing when it cannot be read."""
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []


def slug(name: str) -> str:
    """A file's name as an id: what is no letter of any script, digit, `.`, `_` or `-` becomes `-`."""
    return replaced(_NO_ID, "-", unicodedata.normalize("NFC", name)).strip("-._") or "task"
