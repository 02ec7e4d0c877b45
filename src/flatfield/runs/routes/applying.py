"""Takes work that was done in a copy into the folder that it was copied from: all of it or nothing, also after a kill.

A journal outside the folder holds what every touched file was before, from before the first of them is written until
after the last one is. Whoever comes next finds it and puts all of them back, but for those that somebody changed since;
its lock ends with its process.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, structs

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.errors import FlatfieldError, ToolError
from flatfield.tasks.cache import data_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from flatfield.agent.files.changed import CodeWitness
    from flatfield.agent.files.guarding import Protection

_INDEX, _LOCK = "index.json", "lock"
LINK = "link:"
"""How the digest of a link begins; its text comes behind it."""
_DRAFT = re.compile(r"\.[0-9a-f]{16}")
"""What a file is called that is written beside the one whose place it takes."""


class Planned(Struct, frozen=True, kw_only=True):
    """One file to be written or removed (`after` None); `before` is the digest that it had in the copy, "" for none.

    A link has `link:` and its text for a digest. `executable`: whether it is to be one, None: as it was.
    """

    path: str
    before: str
    after: bytes | None
    executable: bool | None = None


class _Saved(Struct, frozen=True, kw_only=True):
    """What a file was: its bytes lie in the journal under `kept`, "" where there was none; `mode` are its bits.

    `link` is the text of one that was a link. `before` and `after` are the digests that it had and was to have;
    `changed` is when it was changed last, in Unix nanoseconds.
    """

    path: str
    before: str
    after: str
    kept: str = ""
    link: str | None = None
    mode: int = 0
    changed: int = 0


class _Index(Struct, frozen=True, kw_only=True):
    """A journal's files, and the folders that are not there yet, outermost first."""

    folder: str
    files: tuple[_Saved, ...]
    folders: tuple[str, ...]


def digest_of(data: bytes) -> str:
    """What tells the content of a file."""
    return hashlib.sha256(data).hexdigest()


def apply(
    changes: Sequence[Planned], protection: Protection, environ: Mapping[str, str], witness: CodeWitness | None = None
) -> None:
    """Write all changes into the folder that `protection` is of; where one cannot be, none is.

    `witness` is told of each file before it is written.

    Raises:
        FlatfieldError: a file was changed by somebody else meanwhile, or cannot be written; all is as it was.
    """
    folder = protection.root
    with _journal(folder, environ) as journal, ConfinedFiles(folder, protection=protection) as files:
        _roll_back(folder, journal)
        _refuse_changed(changes, folder)
        # What goes, goes first: a folder may take the place of a file, and a file that of a folder.
        in_order = sorted(changes, key=lambda change: change.after is not None)
        try:
            _save(in_order, folder, journal)
            for change in in_order:
                _write(change, files, witness)
        except (OSError, ToolError) as error:
            _roll_back(folder, journal)
            raise FlatfieldError(f"the work could not be taken over, and nothing of it was: {error}") from None
        except BaseException:
            _roll_back(folder, journal)
            raise
        (journal / _INDEX).unlink()  # from here on it is done
        _empty(journal)


def recover(folder: Path, environ: Mapping[str, str]) -> tuple[str, ...] | None:
    """Put back what a killed process had begun to write; None: there was nothing.

    Else the files that stay as they are, since somebody changed them after that.
    """
    if not (_place(folder, environ) / _INDEX).exists():
        return None
    with _journal(folder, environ) as journal:
        return _roll_back(folder, journal)


def _place(folder: Path, environ: Mapping[str, str]) -> Path:
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return data_folder(environ) / "applying" / name


@contextmanager
def _journal(folder: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """The folder's journal, for us alone; who else is at it is waited for, which takes no longer than writing does."""
    journal = _place(folder, environ)
    try:
        journal.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(journal / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FlatfieldError(f"{journal} cannot be written: {error.strerror}; make it writable") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield journal
    finally:
        os.close(lock)


def _refuse_changed(changes: Sequence[Planned], folder: Path) -> None:
    """Raises FlatfieldError where a file is not any more what it was when the copy was made."""
    changed = [change.path for change in changes if not _is_as_then(folder / change.path, change.before)]
    if changed:
        raise FlatfieldError(
            f"{', '.join(changed)} changed here while the agent worked on a copy: nothing of its work was taken over"
        )


def _is_as_then(path: Path, before: str) -> bool:
    """Whether that is there which was. A folder is as good as nothing for a file in its place, once it is empty."""
    return _digest(path) == before or (not before and path.is_dir() and not path.is_symlink())


def _digest(path: Path) -> str:
    """The digest of a regular file or a link, "" where nothing is, another text for whatever else is there."""
    try:
        info = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if stat.S_ISLNK(info.st_mode):
        return f"{LINK}{path.readlink()}"
    return digest_of(path.read_bytes()) if stat.S_ISREG(info.st_mode) else "other"


def _save(changes: Sequence[Planned], folder: Path, journal: Path) -> None:
    """Keep what files are now; the index is written last, when all that it names is on the disk."""
    saved, missing = [], dict[str, None]()
    for number, change in enumerate(changes):
        path = folder / change.path
        for parent in reversed(path.relative_to(folder).parents):
            if str(parent) != "." and not (folder / parent).is_dir():
                missing[str(parent)] = None
        saved.append(_saved(change, path, journal, f"{number}-{secrets.token_hex(4)}"))
    index = _Index(folder=str(folder), files=tuple(saved), folders=tuple(missing))
    draft = journal / f"{_INDEX}.draft"
    _on_disk(draft, msgspec.json.encode(index))
    draft.rename(journal / _INDEX)


def _saved(change: Planned, path: Path, journal: Path, name: str) -> _Saved:
    after = "" if change.after is None else digest_of(change.after)
    known = _Saved(path=change.path, before=change.before, after=after)
    if not change.before:
        return known
    if change.before.startswith(LINK):
        return structs.replace(known, link=str(path.readlink()))
    _on_disk(journal / name, path.read_bytes())
    info = path.stat()
    return structs.replace(known, kept=name, mode=stat.S_IMODE(info.st_mode), changed=info.st_mtime_ns)


def _on_disk(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _write(change: Planned, files: ConfinedFiles, witness: CodeWitness | None) -> None:
    path = files.root / change.path
    if change.after is None:
        files.remove(change.path)
        return
    if change.before.startswith(LINK):
        files.remove(change.path)
    elif path.is_dir():  # what was in it has gone
        path.rmdir()
    if witness is not None:
        witness.writes(change.path, change.after)
    files.write_bytes(change.path, change.after)
    if change.executable is not None:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | (mode & 0o444) >> 2 if change.executable else mode & ~0o111)


def _roll_back(folder: Path, journal: Path) -> tuple[str, ...] | None:
    """Make every file of the journal what it was; those that are something else by now stay, and are told.

    None: there was no journal.
    """
    try:
        index = msgspec.json.decode((journal / _INDEX).read_bytes(), type=_Index)
    except FileNotFoundError:
        return None
    began = (journal / _INDEX).stat().st_mtime
    stays = {saved.path for saved in index.files if not _is_ours(folder / saved.path, saved)}
    ours = [saved for saved in index.files if saved.path not in stays]
    for saved in index.files:
        _remove_drafts((folder / saved.path).parent, began)
    for saved in ours:
        path = folder / saved.path
        if not saved.before and _digest(path) and not path.is_dir():
            path.unlink()
    for name in reversed(index.folders):
        with suppress(OSError):  # somebody else put something into it
            (folder / name).rmdir()
    for saved in ours:
        if (folder / saved.path).is_dir():  # somebody's: with what we made, it would have gone
            stays.update({saved.path} if saved.before else ())
        elif saved.before:
            _restore(folder / saved.path, saved, journal)
    (journal / _INDEX).unlink()
    _empty(journal)
    return tuple(sorted(stays))


def _is_ours(path: Path, saved: _Saved) -> bool:
    """Whether a file is what it was, what it was to be, or on the way from one to the other: gone, or a folder."""
    digest = _digest(path)
    on_the_way = (digest == "" and saved.before.startswith(LINK)) or path.is_dir()
    return digest in {saved.before, saved.after} or on_the_way


def _remove_drafts(folder: Path, began: float) -> None:
    for draft in folder.iterdir() if folder.is_dir() else ():
        if _DRAFT.fullmatch(draft.name) and draft.lstat().st_mtime >= began:
            draft.unlink()


def _restore(path: Path, saved: _Saved, journal: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{secrets.token_hex(8)}")
    if saved.link is not None:
        whole.symlink_to(saved.link)
    else:
        _on_disk(whole, (journal / saved.kept).read_bytes())
        whole.chmod(saved.mode)
        os.utime(whole, ns=(saved.changed, saved.changed))
    whole.rename(path)


def _empty(journal: Path) -> None:
    for each in journal.iterdir():
        if each.name != _LOCK:
            with suppress(OSError):
                shutil.rmtree(each) if each.is_dir() else each.unlink()
