"""Looks through a workspace for what is protected in it: places, links' targets, secrets by their content."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.agent.files import protected
from flatfield.agent.files.guarding import LOOKING, Place, secret_of
from flatfield.agent.files.openat import LINKS_MAX
from flatfield.agent.files.protected import Claim

if TYPE_CHECKING:
    from collections.abc import Container

    from flatfield.agent.files.guarding import Parts, Protection


DEPTH_LIMIT = 100
PATH_LIMIT_BYTES = 4000
NOT_LOOKED_INTO = frozenset({"objects", "refs", "logs", "lfs"})
"""Of a git folder: none of them holds a configuration."""
CONFIGS = frozenset({"config", "config.worktree"})
KINDS = {stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}


class ProtectedFound(Struct, frozen=True, kw_only=True):
    """What was found, by path: protected places, and the names in other folders that protected shapes are made of.

    `deep` are folders too deep to be looked into.
    """

    places: dict[tuple[str, ...], Place]
    partial: dict[tuple[str, ...], frozenset[str]]
    deep: frozenset[tuple[str, ...]] = frozenset()


def remember_all(protection: Protection) -> None:
    """Look through the workspace once, so that what is protected is known under every name. About 10 µs a name."""
    for place in find(protection).places.values():
        protection.remember(place)


def find(
    protection: Protection, *, start: Parts = (), contents: bool = False, opens_beside: Container[Parts] | None = None
) -> ProtectedFound:
    """All that is protected below `start` and there; links are not followed.

    What protected links lead to is protected from then on, and found too. With `contents`, so are files that hold
    secrets (their beginnings are read), and sockets and FIFOs, behind which programs of this machine listen. Places
    inside other ones are found where they cannot be read either; folders whose claim is `closed` are looked through
    for contents only. With `opens_beside`, folders that are closed to their own user are opened, these aside.
    """
    search = _Search(protection, contents=contents, opens_beside=opens_beside)
    search.folder(start, inside=None)
    for parts in search.targets:
        search.target(parts)
    return ProtectedFound(places=search.places, partial=search.partial, deep=frozenset(search.deep))


class _Search:
    def __init__(self, protection: Protection, *, contents: bool, opens_beside: Container[Parts] | None) -> None:
        self.places: dict[Parts, Place] = {}
        self.partial: dict[Parts, frozenset[str]] = {}
        self.deep: set[Parts] = set()
        self.targets: list[Parts] = []
        self._protection = protection
        self._root = str(protection.root)
        self._contents = contents
        self._opens_beside = opens_beside

    def folder(self, start: Parts, inside: Claim | None) -> None:
        """Look through a folder and all below it; `inside` is what protects it."""
        pending = [(start, inside)]
        while pending:
            parts, claim = pending.pop()
            if claim and claim.closed:
                self._closed_folder(parts)
                continue
            if len(parts) > DEPTH_LIMIT or sum(len(os.fsencode(part)) + 1 for part in parts) > PATH_LIMIT_BYTES:
                self.deep.add(parts)
                continue
            pending += [(inner, above) for inner, above in self._entries(parts, claim)]

    def _entries(self, parts: Parts, inside: Claim | None) -> list[tuple[Parts, Claim | None]]:
        """Note what is protected in one folder; the folders in it that are to be looked into."""
        path = self._path(parts)
        try:
            found = self._stated(parts, path)
        except FileNotFoundError:
            return []
        except OSError:
            self._closed(parts, path)
            return []
        names = [name for name, _ in found]
        shape_claim = self._shape(parts, names)
        if parts and shape_claim and inside is None:
            self._add(parts, os.lstat(path), shape_claim)
        if parts and shape_claim:
            return [(parts, shape_claim)]
        inner = (self._entry((*parts, name), info, inside) for name, info in found)
        return [below for below in inner if below]

    def _closed_folder(self, start: Parts) -> None:
        """Note what could be read or reached though nothing there can be changed; nothing else is asked of an entry."""
        pending = [start] if self._contents else []
        while pending:
            parts = pending.pop()
            try:
                entries = os.scandir(self._path(parts))
            except OSError:  # a command cannot open it either: all of it is read-only there
                continue
            with entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending += [] if entry.name in NOT_LOOKED_INTO else [(*parts, entry.name)]
                    elif entry.name in CONFIGS or not (entry.is_file(follow_symlinks=False) or entry.is_symlink()):
                        self._content((*parts, entry.name), entry.stat(follow_symlinks=False))

    def _path(self, parts: Parts) -> str:
        """The whole path; thousands of them are needed, and a Path costs much more than a text."""
        return "/".join((self._root, *parts))

    def _stated(self, parts: Parts, path: str) -> list[tuple[str, os.stat_result]]:
        try:
            entries = os.scandir(path)
        except PermissionError:
            if self._opens_beside is None or parts in self._opens_beside:
                raise
            Path(path).chmod(stat.S_IMODE(os.lstat(path).st_mode) | stat.S_IRWXU)
            entries = os.scandir(path)
        with entries:
            return [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]

    def _shape(self, parts: Parts, names: list[str]) -> Claim | None:
        wanted = protected.shape_names()
        held = frozenset(name for name in names if protected.folded(name) in wanted)
        if not held:
            return None
        self.partial[parts] = held
        shape = protected.completes("", tuple(held))
        if shape is None or self._protection.is_opened(parts, parts):
            return None
        return Claim(at=parts, reason=shape.reason, closed=True)

    def _entry(self, parts: Parts, info: os.stat_result, inside: Claim | None) -> tuple[Parts, Claim | None] | None:
        """Note one entry if it is protected; what to look into, if it is a folder for that."""
        is_folder = stat.S_ISDIR(info.st_mode)
        claim = self._protection.claim(parts, "write", last_only=True)
        if claim and not claim.sealed:
            claim = self._protection.claim(parts, "read", last_only=True) or (claim if inside is None else None)
        if claim:
            self._add(parts, info, claim)
        elif not is_folder:
            self._content(parts, info)
        if not is_folder or (claim and claim.sealed):
            return None
        return parts, claim or inside

    def _content(self, parts: Parts, info: os.stat_result) -> None:
        if not self._contents or stat.S_ISLNK(info.st_mode) or self._protection.is_opened(parts, parts):
            return
        if not stat.S_ISREG(info.st_mode):
            self._add(parts, info, Claim(at=parts, reason="a program of this machine listens there", sealed=True))
            return
        try:
            descriptor = os.open(self._path(parts), LOOKING)
        except OSError:
            return
        try:
            content = secret_of(parts[-1], descriptor)
        finally:
            os.close(descriptor)
        if content:
            self._add(parts, info, Claim(at=parts, reason=content.reason, sealed=True))

    def _closed(self, parts: Parts, path: str) -> None:
        """Note a folder that cannot be looked into: a command of the same user could open it."""
        if parts:
            claim = Claim(at=parts, reason="it is closed to its own user", sealed=True)
            self._add(parts, os.lstat(path), claim)

    def _add(self, parts: Parts, info: os.stat_result, claim: Claim) -> None:
        path = self._path(parts)
        kind = KINDS.get(stat.S_IFMT(info.st_mode), "file")
        target = str(Path(path).readlink()) if kind == "link" else ""
        self.places[parts] = Place(
            at=parts,
            kind=kind,  # type: ignore[arg-type]  # one of the three
            claim=structs.replace(claim, at=parts),
            identity=(info.st_dev, info.st_ino),
            target=target,
        )
        if kind == "link":
            self._follow(parts, target, claim)

    def _follow(self, parts: Parts, target: str, claim: Claim) -> None:
        """Protect every link on a protected link's way, and what it leads to, as far as that lies inside."""
        reason = f"{'/'.join(parts)} leads to it: {claim.reason}"
        at, pending, links = list(parts[:-1]), target.split("/")[::-1], 0
        if target.startswith("/"):
            return self._absolute(target, structs.replace(claim, reason=reason))
        while pending and links <= LINKS_MAX:
            name = pending.pop()
            if name == "..":
                if not at:
                    return None
                at.pop()
            if name in {"", ".", ".."}:
                continue
            at.append(name)
            try:
                text = str(Path(self._path(tuple(at))).readlink())
            except OSError:
                continue
            self._also(tuple(at), structs.replace(claim, reason=reason))
            links += 1
            if text.startswith("/"):
                return self._absolute(text, structs.replace(claim, reason=reason))
            at.pop()
            pending += text.split("/")[::-1]
        if at:
            self._also(tuple(at), structs.replace(claim, reason=reason))
        return None

    def _absolute(self, target: str, claim: Claim) -> None:
        whole = os.path.realpath(target)
        if whole.startswith(f"{self._root}/"):
            self._also(tuple(whole[len(self._root) + 1 :].split("/")), claim)

    def _also(self, parts: Parts, claim: Claim) -> None:
        if self._protection.claim(parts, "read" if claim.sealed else "write") is None:
            self._protection.claim_also(structs.replace(claim, at=parts))
            self.targets.append(parts)

    def target(self, parts: Parts) -> None:
        """Note what a protected link leads to, if it is there."""
        try:
            info = os.lstat(self._path(parts))
        except OSError:
            return
        claim = self._protection.claim(parts, "write")
        if claim and parts not in self.places:
            self._add(parts, info, claim)
