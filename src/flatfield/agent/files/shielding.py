"""Keeps a command in a user's own folder from what is protected there: before it runs by mounts, after it by a look."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Literal

from flatfield.agent.files.guarding import shown
from flatfield.agent.files.openat import LOOK, best_opener, remove_tree
from flatfield.agent.files.searching import find
from flatfield.errors import NotReady
from flatfield.machine.protocols import Mount

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flatfield.agent.files.guarding import Parts, Place, Protection
    from flatfield.agent.files.searching import ProtectedFound

OWN = ".flatfield"
TAKEN = "taken-away"
MOUNTS_MAX = 1000
"""Protected places and the folders on the way to them; each of those has to be pinned, because a folder that holds a
mount can be renamed, and the mount goes with it. For each mount bubblewrap reads the list of all: 200 take 0.2 seconds,
520 (260 packages with their own `node_modules`) about one, 1000 about four, 1500 twenty."""


def prepare(protection: Protection) -> ProtectedFound:
    """What is protected in the workspace now, before a command runs in it.

    The workspace gets a folder of flatfield's own, where it had none: what a command made under protected names is
    taken there.
    """
    _own_folder(protection)
    return find(protection, contents=True)


def _own_folder(protection: Protection) -> Path:
    own = protection.root / OWN
    try:
        with contextlib.suppress(FileExistsError):
            own.mkdir()
            (own / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise NotReady(f"{own} is needed for commands in this folder, and cannot be made: {error.strerror}") from error
    if not own.is_dir():
        raise NotReady(f"{own} is not a folder: it is needed for commands in this folder; move it away")
    return own


def kept(found: ProtectedFound) -> frozenset[str]:
    """The paths of what a command leaves as it is: by mounts, or because it is restored."""
    return frozenset("/".join(at) for at in found.places)


def mounts(found: ProtectedFound) -> tuple[Mount, ...]:
    """What keeps commands from all that was found; folders on the way to it are pinned, so that nothing moves it.

    Links are not among them, as nothing can be mounted on a link: `put_right` restores them.

    Raises:
        NotReady: it is too much.
    """
    wanted: dict[Parts, Mount] = {}
    for at, place in found.places.items():
        outer = _outer(found, at)
        for end in range(1, len(at)) if outer is None else ():
            wanted.setdefault(at[:end], Mount(path="/".join(at[:end]), how="pinned", is_folder=True))
        if place.kind != "link":
            how: Literal["hidden", "read-only"] = "hidden" if place.claim.sealed else "read-only"
            wanted[at] = Mount(path="/".join(at), how=how, is_folder=place.kind == "folder")
    if len(wanted) > MOUNTS_MAX:
        most, count = _fullest(list(wanted))
        where = f"{count} of them in {shown(most)}" if most else "all over it"
        raise NotReady(
            f"commands cannot be run here: the workspace holds protected files in too many places ({len(wanted)} with "
            f"the folders on the way, {MOUNTS_MAX} can be kept from commands), {where}; name a smaller folder as the "
            "workspace"
        )
    return tuple(wanted[at] for at in sorted(wanted))


def _fullest(places: list[Parts]) -> tuple[Parts, int]:
    """The innermost folder that holds more than half of all places, and how many; the root where there is none."""
    most: Parts = ()
    inside = places
    while True:
        counts = Counter(at[: len(most) + 1] for at in inside if len(at) > len(most) + 1)
        if not counts or counts.most_common(1)[0][1] * 2 <= len(places):
            return most, len(inside)
        most = counts.most_common(1)[0][0]
        inside = [at for at in inside if at[: len(most)] == most and len(at) > len(most)]


def _outer(found: ProtectedFound, at: Parts) -> Place | None:
    """The protected folder that a place lies in."""
    inside = (found.places.get(at[:end]) for end in range(1, len(at)))
    return next((place for place in inside if place and place.kind == "folder"), None)


@contextlib.contextmanager
def alone(protection: Protection) -> Iterator[bool]:
    """Whether no other command runs in this workspace, of this process or another; while it lasts, none can begin."""
    descriptor = os.open(_own_folder(protection), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------------------- after a command


def put_right(protection: Protection, before: ProtectedFound) -> tuple[str, ...]:
    """Take away what a command made under protected names, and restore links that it changed; what was done, in words.

    Nothing is deleted, as somebody else may have made it meanwhile: it lies in `.flatfield/taken-away` afterwards.
    """
    after = find(protection, opens_beside=before.places)
    room = _Room(protection)
    try:
        done = [*_made(protection, before, after, room), *_links(before, room)]
    finally:
        room.close()
    return tuple(dict.fromkeys(done))


def _made(protection: Protection, before: ProtectedFound, after: ProtectedFound, room: _Room) -> Iterator[str]:
    gone: set[Parts] = set()
    for at in sorted(after.places.keys() | after.deep):
        if any(at[:end] in gone or at[:end] in before.places for end in range(1, len(at) + 1)) or at in before.deep:
            continue
        place = after.places.get(at)
        reason = place.claim.reason if place else "it lies too deep to be looked into"
        if place is None or protection.claim(at, "write") or at not in after.partial:
            gone.add(at)
            yield _taken(at, reason, room)
            continue
        for name in sorted(after.partial[at] - before.partial.get(at, frozenset())):
            yield _taken((*at, name), f"with it, {shown(at)} would be protected: {reason}", room)


def _links(before: ProtectedFound, room: _Room) -> Iterator[str]:
    for at, place in sorted(before.places.items()):
        if place.kind == "link" and room.restore(at, place.target):
            yield f"{shown(at)} is protected: {place.claim.reason}; it was made again the link that it was"


def _taken(at: Parts, reason: str, room: _Room) -> str:
    """Take it away, and say so."""
    done = "what the command made there was taken away; leave it, and tell the user what should be there"
    try:
        room.take(at)
    except OSError as error:
        done = f"what the command made there could not be taken away ({error.strerror}): tell the user to delete it"
    return f"{shown(at)} is protected: {reason}; {done}"


class _Room:
    """The workspace's root, and a new folder in it for what is taken away, made with the first of it."""

    def __init__(self, protection: Protection) -> None:
        self._root = os.open(protection.root, LOOK | os.O_DIRECTORY | os.O_CLOEXEC)
        self._opener = best_opener()
        self._taken = -1

    def close(self) -> None:
        """Let go of both."""
        for descriptor in (self._root, self._taken):
            if descriptor >= 0:
                os.close(descriptor)

    def take(self, at: Parts) -> None:
        """Move a file, link or folder away; what cannot be moved is deleted."""
        folder = self._folder(at[:-1])
        try:
            os.rename(at[-1], f"{secrets.token_hex(4)}-{at[-1]}"[:200], src_dir_fd=folder, dst_dir_fd=self._place())
        except OSError:
            self._delete(folder, at[-1])
        finally:
            os.close(folder)

    def restore(self, at: Parts, target: str) -> bool:
        """Make a link again what it was; whether that was needed."""
        try:
            folder = self._folder(at[:-1])
        except OSError:  # the folder that it was in is gone: nothing to put it into
            return False
        try:
            with contextlib.suppress(OSError):
                if os.readlink(at[-1], dir_fd=folder) == target:
                    return False
            with contextlib.suppress(FileNotFoundError):
                self.take(at)
            os.symlink(target, at[-1], dir_fd=folder)
        finally:
            os.close(folder)
        return True

    def _folder(self, parts: Parts) -> int:
        """The folder itself, through no link."""
        descriptor = os.dup(self._root)
        for part in parts:
            inner = os.open(part, LOOK | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        return descriptor

    def _place(self) -> int:
        if self._taken < 0:
            name = f"{TAKEN}/{secrets.token_hex(4)}"
            own = self._folder((OWN,))
            try:
                for end in (len(TAKEN), len(name)):
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name[:end], 0o700, dir_fd=own)
                self._taken = self._opener(own, name, LOOK | os.O_DIRECTORY | os.O_NOFOLLOW)
            finally:
                os.close(own)
        return self._taken

    def _delete(self, folder: int, name: str) -> None:
        try:
            remove_tree(folder, name)
        except NotADirectoryError:
            os.unlink(name, dir_fd=folder)
