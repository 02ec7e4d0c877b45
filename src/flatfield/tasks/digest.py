"""A task's digest: a hash of the LOP and of every file it names, so that a changed task is another task."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_LEFT_BY_RUNS = frozenset({"__pycache__", ".pytest_cache"})
"""Folders that merely running the files leaves behind."""


def of_task(data: bytes, folder: Path, named: Iterable[Path]) -> str:
    """SHA-256 (hex) of the LOP's bytes and of the files and folders it names, wherever they lie.

    Raises:
        OSError: one of them cannot be read.
    """
    total = hashlib.sha256()
    _feed(total, b"lop", data)
    base = folder.resolve()
    for path in sorted({path.resolve() for path in named}):
        total.update(b"named\0")
        place = path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name
        _feed(total, b"path", place.encode("utf-8", "surrogateescape"))
        for file in [path] if path.is_file() else _entries(path):
            _feed(total, b"file", file.relative_to(path).as_posix().encode("utf-8", "surrogateescape"))
            _feed(total, *_content(file))
    return total.hexdigest()


def files_below(folder: Path) -> Iterator[Path]:
    """All regular files of a folder tree, in a fixed order, without what runs leave behind and without links."""
    return (path for path in _entries(folder) if path.is_file() and not path.is_symlink())


def _entries(folder: Path) -> Iterator[Path]:
    """Everything below `folder`, folders included (an empty one counts too); links are not followed."""
    for path in sorted(folder.iterdir()):
        if path.name in _LEFT_BY_RUNS:
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _entries(path)


def _content(path: Path) -> tuple[bytes, bytes]:
    if path.is_symlink():
        return b"link", str(path.readlink()).encode("utf-8", "surrogateescape")
    if path.is_dir():
        return b"folder", b""
    if not path.is_file():
        return b"other", b""
    with path.open("rb") as file:
        return b"content", hashlib.file_digest(file, "sha256").digest()


def _feed(total: hashlib._Hash, kind: bytes, data: bytes) -> None:
    # Lengths keep two different trees from hashing the same stream.
    total.update(kind + b"\0" + len(data).to_bytes(8, "big") + data)
