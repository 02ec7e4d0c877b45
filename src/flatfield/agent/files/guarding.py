"""Guards one workspace's protected paths, however they are reached: by name, through links, under another name."""

from __future__ import annotations

import os
import re
import stat
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, structs

from flatfield.agent.files import protected
from flatfield.agent.files.protected import Claim
from flatfield.errors import FlatfieldError, ProtectedPath

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Parts = tuple[str, ...]

Use = Literal["read", "write"]
LOOKING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Place(Struct, frozen=True, kw_only=True):
    """A protected path that is there; `identity` is its device and inode, `target` a link's text."""

    at: tuple[str, ...]
    kind: Literal["file", "folder", "link"]
    claim: Claim
    identity: tuple[int, int]
    target: str = ""


class Protection:
    """What is protected below `root`, and what of it a user opened.

    `allow` are paths and globs (`*` in a name, `**` for any folders), relative to the root or absolute; each opens what
    it names where that is protected, with what lies below. `config` is the configuration in force, whatever its name;
    `homes` are folders whose `agents/*.md` are agents. Paths are given by their parts below the root.

    `remember` what is there before use: then it is known under other names too.
    """

    def __init__(
        self, root: Path, *, allow: Sequence[str] = (), config: Path | None = None, homes: Sequence[Path] = ()
    ) -> None:
        self.root = root.resolve()
        self.allow = tuple(allow)
        self._above = self.root.parts
        self._opened = tuple(_pattern(pattern, self.root) for pattern in allow)
        homes_inside = (self._inside(home) for home in (self.root, *homes))
        self._homes = {_folded(home) for home in homes_inside if home is not None}
        self._exact: dict[Parts, Claim] = {}
        self._folders: dict[tuple[int, int], Place] = {}
        self._files: dict[tuple[int, int], Place] = {}
        for path in (config, config.resolve()) if config else ():
            if at := self._inside(path):
                self.claim_also(Claim(at=at, reason="it is the configuration of flatfield that is in force"))

    def _inside(self, path: Path) -> Parts | None:
        """The parts of a path below the root, the folders above it resolved; None outside."""
        whole = path.parent.resolve() / path.name if path.name not in {"", ".."} else path.resolve()
        return whole.parts[len(self._above) :] if whole.is_relative_to(self.root) else None

    def claim_place(self, path: Path, reason: str) -> None:
        """Keep a place of flatfield's own, should it lie in the workspace, from being read and written; for ever."""
        if at := self._inside(path):
            self.claim_also(Claim(at=at, reason=reason, sealed=True, always=True))

    def claim_also(self, claim: Claim) -> None:
        """Protect one more path."""
        self._exact.setdefault(_folded(claim.at), claim)

    def remember(self, place: Place) -> None:
        """Know a protected file or folder again when it is reached under another name."""
        if place.kind != "link":
            (self._folders if place.kind == "folder" else self._files)[place.identity] = place

    # ------------------------------------------------------------------ by name

    def claim(self, parts: Sequence[str], use: Use, *, last_only: bool = False) -> Claim | None:
        """What keeps a path from being read or written, by its names alone; None when nothing does.

        With `last_only`, what protects a folder on the way is left out: for those who have asked there.
        """
        return next(
            (
                claim
                for claim in self._claims(parts, last_only=last_only)
                if (use == "write" or claim.sealed) and (claim.always or not self.is_opened(claim.at, parts))
            ),
            None,
        )

    def _claims(self, parts: Sequence[str], *, last_only: bool = False) -> Iterator[Claim]:
        """All that protects a path by its names, opened or not."""
        ends = range(len(parts) if last_only else 1, len(parts) + 1) if self._exact else ()
        own = (self._exact.get(_folded(parts[:end])) for end in ends)
        for claim in chain(protected.claims(parts, last_only=last_only), own):
            if claim is not None and (not claim.beside or self._stands_beside(claim)):
                yield claim

    def opens_nothing(self, pattern: str) -> bool:
        """Whether a path that the user opened is not protected at all, as far as its names tell; False for globs."""
        path = Path(*_pattern(pattern, self.root))
        if "*" in pattern or path == self.root or not path.is_relative_to(self.root):
            return False
        return not any(self._claims(path.parts[len(self._above) :])) and not _shaped_on_disk(path)

    def _stands_beside(self, claim: Claim) -> bool:
        if _folded(claim.beside_at) in self._homes:
            return True
        return os.path.lexists(self.root.joinpath(*claim.beside_at, claim.beside))

    def is_opened(self, at: Sequence[str], parts: Sequence[str]) -> bool:
        """Whether the user named what is protected at `at`, or something below it on the way to `parts`."""
        ends = range(max(1, len(at)), len(parts) + 1)
        return any(_names(pattern, (*self._above, *parts[:end])) for pattern in self._opened for end in ends)

    def opens_below(self, parts: Sequence[str]) -> bool:
        """Whether the user named something that may lie below a path."""
        return any(_may_name_below(pattern, (*self._above, *parts)) for pattern in self._opened)

    def check(self, parts: Sequence[str], use: Use, *, last_only: bool = False) -> None:
        """Raise ProtectedPath when a path may not be used so."""
        claim = self.claim(parts, use, last_only=last_only)
        if claim:
            raise refusal(claim, use)

    # ------------------------------------------------------------------ by what was opened

    def check_opened(self, parts: Parts, descriptor: int, use: Use) -> None:
        """Raise ProtectedPath when what was opened is protected under another name, or is a folder of a known shape."""
        info = os.fstat(descriptor)
        is_folder = stat.S_ISDIR(info.st_mode)
        place = (self._folders if is_folder else self._files).get((info.st_dev, info.st_ino))
        if place and self._is_other(place, parts, use) and not self.is_opened(parts, parts):
            reason = f"it is the same as {shown(place.at)}: {place.claim.reason}"
            raise refusal(structs.replace(place.claim, at=parts, reason=reason), use)
        if is_folder and use == "write" and (claim := self._shaped(parts, descriptor, None)):
            raise refusal(claim, use)

    def _is_other(self, place: Place, parts: Parts, use: Use) -> bool:
        """Whether `parts` is another name of a place that may not be used so."""
        if place.at == parts or (use == "read" and not place.claim.sealed):
            return False
        # A file's number is given to a new one when it was deleted; a folder's is held to be the same whatever happens.
        return place.kind == "folder" or _still_there(self.root, place)

    def _shaped(self, parts: Parts, folder: int, more: str | None) -> Claim | None:
        """The claim of an open folder that has a protected shape, or gets it with the name `more`; else None."""

        def there(name: str) -> bool:
            return (more is not None and protected.folded(more) == protected.folded(name)) or _exists(name, folder)

        for shape in protected.table().shape:
            if any(all(map(there, needed)) for needed in shape.folder):
                return None if self.is_opened(parts, parts) else Claim(at=parts, reason=shape.reason)
        return None

    def check_content(self, parts: Parts, descriptor: int, use: Use) -> None:
        """Raise ProtectedPath when an open regular file holds a secret; its offset stays where it is."""
        content = secret_of(parts[-1], descriptor)
        if content and not self.is_opened(parts, parts):
            raise refusal(Claim(at=parts, reason=content.reason, sealed=True), use)

    def check_new(self, above: Parts, name: str, folder: int) -> None:
        """Raise ProtectedPath when `name` may not be made or replaced in an open folder, which lies at `above`."""
        parts = (*above, name)
        self.check(parts, "write")
        if protected.folded(name) in protected.shape_names() and (claim := self._shaped(above, folder, name)):
            reason = f"with it, {shown(above)} would be protected: {claim.reason}"
            raise refusal(structs.replace(claim, at=parts, reason=reason), "write")
        try:
            descriptor = os.open(name, LOOKING, dir_fd=folder)
        except OSError:  # nothing is there, or nothing that a file could take the place of
            return
        try:
            self.check_opened(parts, descriptor, "write")
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                self.check_content(parts, descriptor, "write")
        finally:
            os.close(descriptor)


class Way:
    """Follows one walk to a path of a workspace; `parts` is where it really leads.

    A protected folder may be passed where a user opened something below it; `check_end` then asks for that.
    """

    def __init__(self, protection: Protection, use: Use) -> None:
        self.parts: tuple[str, ...] = ()
        self._protection = protection
        self._use = use
        self._put_off: dict[Parts, ProtectedPath] = {}

    def __call__(self, parts: tuple[str, ...], descriptor: int) -> None:
        """See one step; raises ProtectedPath for one that may not be taken."""
        try:
            if descriptor < 0:
                self._protection.check(parts, self._use, last_only=True)
            else:
                self.parts = parts
                self._protection.check_opened(parts, descriptor, self._use)
        except ProtectedPath as error:
            if not self._protection.opens_below(parts):
                raise
            self._put_off.setdefault(parts, error)

    def check_end(self, parts: Parts) -> None:
        """Raise what was put off, unless a user opened this very end, or a folder on the last part of the way to it."""
        for step, error in self._put_off.items():
            if not self._protection.is_opened(step, parts):
                raise error


# ---------------------------------------------------------------------------- the workspace itself


def check_workspace(root: Path, allow: Sequence[str] = ()) -> None:
    """Refuse a workspace that lies in a protected place, or is one, unless `allow` names it: `.`.

    A worktree that an assistant checked out below its own folder (`.claude/worktrees/NAME`) is a workspace like any
    other: nothing is executed or obeyed for its place. So is a checkout (a folder with `.git`) below a bare repository
    or a virtual environment.

    Raises:
        FlatfieldError: it is protected.
    """
    root = root.resolve()
    if any(_names(_pattern(pattern, root), root.parts) for pattern in allow):
        return
    worktree = protected.in_worktree(root.parts)
    for claim in protected.claims(root.parts[worktree:]):
        if not claim.beside:
            raise _no_workspace(root, Path(*root.parts[: worktree + len(claim.at)]), claim.reason)
    for folder in (root, *root.parents):
        if shape := _shaped_on_disk(folder):
            raise _no_workspace(root, folder, shape.reason)
        if os.path.lexists(folder / ".git"):
            return


def _no_workspace(root: Path, place: Path, reason: str) -> FlatfieldError:
    inside = "is" if place == root else f"lies in {place}, which is"
    return FlatfieldError(
        f"the workspace {root} {inside} protected: {reason}; name another folder, or open this one with --allow ."
    )


# ---------------------------------------------------------------------------- what a user opens


@lru_cache(maxsize=256)
def _pattern(pattern: str, root: Path) -> Parts:
    """A path or glob as absolute parts; `.` and `..` are resolved in the text."""
    return Path(os.path.normpath(root / Path(pattern).expanduser())).parts


def _names(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a glob names exactly this path; case counts."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_names(pattern[1:], parts[skipped:]) for skipped in range(len(parts) + 1))
    return bool(parts) and _glob(pattern[0]).fullmatch(parts[0]) is not None and _names(pattern[1:], parts[1:])


def _may_name_below(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    for at, part in enumerate(parts):
        if at < len(pattern) and pattern[at] == "**":
            return True
        if at >= len(pattern) or _glob(pattern[at]).fullmatch(part) is None:
            return False
    return len(pattern) > len(parts)


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


# ---------------------------------------------------------------------------- words and small things


def refusal(claim: Claim, use: Use) -> ProtectedPath:
    """The error that tells a model why, and what to do next."""
    what = "leave it as it is, and tell the user what should change in it"
    if use == "read":
        what = "go on without it, and tell the user what you would need to know from it"
    return ProtectedPath(f"{shown(claim.at)} is protected: {claim.reason}; {what}")


def secret_of(name: str, descriptor: int) -> protected.KnownContent | None:
    """What is secret in an open regular file; its offset stays where it is."""
    try:
        beginning = os.pread(descriptor, protected.BEGINNING_BYTES, 0)
        if not protected.secret_in(name, beginning):
            return None
        return protected.secret(name, os.pread(descriptor, protected.HELD_BYTES, 0))
    except OSError:
        return None


def _still_there(root: Path, place: Place) -> bool:
    try:
        info = os.lstat(root.joinpath(*place.at))
    except OSError:
        return False
    return (info.st_dev, info.st_ino) == place.identity


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


def _shaped_on_disk(folder: Path) -> protected.Shape | None:
    try:
        return protected.completes("", os.listdir(folder))  # noqa: PTH208 - names alone
    except OSError:
        return None


def _folded(parts: Sequence[str]) -> Parts:
    return tuple(map(protected.folded, parts))


def shown(parts: Sequence[str]) -> str:
    """A path as one line of plain text."""
    path = "/".join(parts) or "the workspace"
    text = os.fsencode(path).decode(errors="replace")
    return text if text.isprintable() else ascii(path)
