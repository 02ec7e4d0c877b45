"""The ledger of trust: which folders the user trusts, with what, and which code flatfield's own agents wrote there.

It lies in flatfield's data folder, outside of every project, and is the same for all of them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, structs

from flatfield.errors import FlatfieldError
from flatfield.tasks.cache import replace_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAME = "trust.json"
CODE = """
.py .pyc .pyd .pyi .pyx .pyz .ipynb .so .dylib .dll .pth .sh .bash .zsh .fish .ps1 .bat .cmd .js
.jsx .mjs .cjs .ts .tsx .mts .cts .vue .rb .rake .pl .pm .php .lua .r .jl .go .rs .c .h .cc .cpp
.hpp .cs .java .kt .kts .groovy .gradle .scala .clj .swift .ex .exs .erl .hs .ml .awk .sed .tcl .mk
.cmake .nix .sql .wasm .exe
"""
"""Endings of files that are run, or made into what is run; in lower case, with blanks between them."""
CODE_NAMES = """
makefile gnumakefile dockerfile containerfile justfile rakefile gemfile package.json pyproject.toml
setup.cfg tox.ini pytest.ini build.xml pom.xml cmakelists.txt cargo.toml taskfile.yml compose.yaml
docker-compose.yml
"""
"""Names in lower case of files that say what is run."""
CODE_BEGINNINGS = (b"#!", b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""How scripts and programs begin, whatever they are called."""


class KeyHost(Struct, frozen=True, kw_only=True, order=True):
    """A key's variable and the host, with its port where that is not 443, that it may be sent to."""

    variable: str
    host: str


class TrustedFolder(Struct, frozen=True, kw_only=True):
    """A folder that the user trusts: its owner then (uid), when (ISO 8601), and what was seen in it.

    `keys`: which keys may go where; `programs`: digests of the commands of its agents.
    """

    folder: str
    owner: int
    since: str
    keys: tuple[KeyHost, ...] = ()
    programs: tuple[str, ...] = ()


class Unsettled(Struct, frozen=True, kw_only=True):
    """A folder that something of an agent's began to write in unseen, and of which nobody knows yet what it wrote.

    `seen`: folders in it that the user has looked at since.
    """

    folder: str
    seen: tuple[str, ...] = ()


class Contents(Struct, frozen=True, kw_only=True):
    """All that the ledger holds.

    `written`: code files (absolute paths) that an agent of flatfield's wrote and nobody has looked at since. `made`:
    code that flatfield itself wrote (`init`), path → SHA-256 in hex. `unsettled`: by mark, where a command or a program
    of an agent's is at work, or was when its process was killed. `typed`: by a run's id, what the user typed for
    it that its store cannot vouch for: folders outside of its project, and which key goes where.
    """

    folders: tuple[TrustedFolder, ...] = ()
    written: tuple[str, ...] = ()
    made: dict[str, str] = {}
    unsettled: dict[str, Unsettled] = {}
    typed: dict[str, tuple[str, ...]] = {}

    def of(self, folder: str) -> TrustedFolder | None:
        """What is said of exactly this folder."""
        return next((one for one in self.folders if one.folder == folder), None)

    def unsettled_about(self, folder: Path) -> tuple[str, ...]:
        """As `FOLDER/**`, where it is not known what an agent wrote: all that lies round a folder, or in it."""
        found = {
            one.folder
            for one in self.unsettled.values()
            if (folder.is_relative_to(one.folder) or Path(one.folder).is_relative_to(folder))
            and not any(folder.is_relative_to(seen) for seen in one.seen)
        }
        return tuple(f"{one}/**" for one in sorted(found))


class Ledger:
    """Reads and changes the ledger at `path`; None: an empty one that nothing is written to.

    Raises:
        FlatfieldError: by every method: the file cannot be read or written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def contents(self) -> Contents:
        """What it holds now; a file that is not there holds nothing."""
        if self.path is None:
            return Contents()
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Contents)
        except (FileNotFoundError, NotADirectoryError):
            return Contents()
        except OSError as error:
            raise FlatfieldError(f"{self.path} cannot be read: {error.strerror}; give permission to read it") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise FlatfieldError(
                f"{self.path}, which says what folders are trusted, is damaged; delete it, and trust them again"
            ) from None

    def trust(self, added: TrustedFolder, seen: Iterable[str] = ()) -> None:
        """Trust a folder, with more keys and programs where it was trusted before; `seen` code needs no asking now."""
        with self._changing() as change:
            now = self.contents()
            before = now.of(added.folder)
            if before is not None and before.owner == added.owner:
                added = structs.replace(
                    added,
                    keys=tuple(sorted({*before.keys, *added.keys})),
                    programs=tuple(sorted({*before.programs, *added.programs})),
                )
            others = tuple(one for one in now.folders if one.folder != added.folder)
            looked_at = frozenset(seen)
            written = tuple(path for path in now.written if path not in looked_at)
            unsettled = dict(_less(now.unsettled, added.folder, looked_at))
            change(structs.replace(now, folders=(*others, added), written=written, unsettled=unsettled))

    def forget(self, folder: str) -> bool:
        """Trust a folder no more; whether it was trusted."""
        with self._changing() as change:
            now = self.contents()
            left = tuple(one for one in now.folders if one.folder != folder)
            change(structs.replace(now, folders=left))
            return len(left) < len(now.folders)

    def wrote(self, paths: Iterable[str]) -> None:
        """Remember code that an agent is about to write."""
        if self.path is None or not (new := sorted(set(paths) - set(self.contents().written))):
            return
        with self._changing() as change:
            now = self.contents()
            still = (path for path in now.written if os.path.lexists(path))
            change(
                structs.replace(
                    now,
                    written=tuple(sorted({*still, *new})),
                    made={path: digest for path, digest in now.made.items() if path not in new},
                )
            )

    def begins(self, folder: str) -> str:
        """Remember, before it begins, that something of an agent's writes unseen in a folder; the mark to settle."""
        if self.path is None:
            return ""
        mark = secrets.token_hex(8)
        with self._changing() as change:
            now = self.contents()
            change(structs.replace(now, unsettled={**now.unsettled, mark: Unsettled(folder=folder)}))
        return mark

    def settle(self, mark: str, paths: Iterable[str]) -> None:
        """Remember the code that was written under a mark, and that all of it is known, in one step."""
        if self.path is None:
            return
        with self._changing() as change:
            now = self.contents()
            new = frozenset(paths)
            change(
                structs.replace(
                    now,
                    written=tuple(sorted({*now.written, *new})),
                    made={path: digest for path, digest in now.made.items() if path not in new},
                    unsettled={key: one for key, one in now.unsettled.items() if key != mark},
                )
            )

    def made(self, files: Iterable[Path]) -> None:
        """Remember code that flatfield itself wrote, as it is now."""
        digests = {str(path.resolve()): sha256(path) for path in files}
        if not digests:
            return
        with self._changing() as change:
            now = self.contents()
            change(structs.replace(now, made=now.made | digests))

    def typed(self, run: str, words: Iterable[str]) -> None:
        """Remember what the user typed for a run: going on with it asks no more than beginning did."""
        with self._changing() as change:
            now = self.contents()
            all_of_it = tuple(dict.fromkeys((*now.typed.get(run, ()), *words)))
            change(structs.replace(now, typed=now.typed | {run: all_of_it}))

    @contextmanager
    def _changing(self) -> Iterator[_Change]:
        """Alone with the file: what is given to the change takes its place in one step."""
        if self.path is None:
            raise FlatfieldError("there is no place to remember what is trusted; set XDG_DATA_HOME")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield _Change(self.path)
            finally:
                os.close(lock)
        except OSError as error:
            raise FlatfieldError(
                f"{self.path} cannot be written: {error.strerror}; give permission there, or set XDG_DATA_HOME"
            ) from None


class _Change:
    """Puts new contents in the file's place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, contents: Contents) -> None:
        replace_whole(self._path, msgspec.json.format(msgspec.json.encode(contents), indent=1) + b"\n")


def _less(unsettled: dict[str, Unsettled], folder: str, looked_at: frozenset[str]) -> Iterator[tuple[str, Unsettled]]:
    """What is unsettled still when a user has looked at a folder."""
    for mark, one in unsettled.items():
        if f"{one.folder}/**" not in looked_at:
            yield mark, one
        elif not Path(one.folder).is_relative_to(folder):
            yield mark, structs.replace(one, seen=(*one.seen, folder))


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex; "" when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
