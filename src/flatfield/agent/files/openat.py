"""Opens, replaces and removes what lies beneath a folder so that no `..`, link or race leads out of it."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from functools import cache
from typing import TYPE_CHECKING

from flatfield.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable

    Opener = Callable[[int, str, int], int]
    Visit = Callable[[tuple[str, ...], int], None]
    from pathlib import Path


# Opens a path beneath a folder so that no `..`, link or race leads out: by openat2, else by a walk.
#
# Both openers take `(folder, path, flags)`: a folder's descriptor, a relative path and `os.open` flags; they return
# a descriptor that the caller closes. Links that stay beneath the folder are followed, except a last one under
# `O_NOFOLLOW`. `OSError` with `EXDEV` says that the path leads out, with `ELOOP` that its links go in a circle.


OPENAT2 = 437  # the same number on x86-64 and aarch64
RESOLVE_BENEATH = 0x08
RESOLVE_NO_MAGICLINKS = 0x02
ATTEMPTS = 1000  # EAGAIN means that somebody renamed something meanwhile: bounded, so that nobody can hold us for ever
LINKS_MAX = 40  # as the kernel's own limit
LOOK = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK)  # enough for fstat; O_PATH needs no right to read


def best_opener() -> Opener:
    """The kernel's openat2 where it works, else the walk."""
    return kernel_opener() or open_by_walking


@cache
def kernel_opener() -> Opener | None:
    """An opener on openat2; None on other systems, old kernels (ENOSYS) and where it is filtered (EPERM)."""
    if sys.platform != "linux" or os.uname().machine not in {"x86_64", "aarch64"}:
        return None
    opener = _openat2()
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(opener(root, ".", LOOK))
    except OSError:
        return None
    finally:
        os.close(root)
    return opener


def _openat2() -> Opener:
    import ctypes

    class OpenHow(ctypes.Structure):
        _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))

    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(OpenHow), ctypes.c_size_t)

    def open_by_kernel(folder: int, path: str, flags: int) -> int:
        how = OpenHow(flags | os.O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
        name = os.fsencode(path)
        code = errno.EAGAIN
        for _ in range(ATTEMPTS):
            descriptor = int(syscall(OPENAT2, folder, name, ctypes.byref(how), ctypes.sizeof(how)))
            if descriptor >= 0:
                return descriptor
            code = ctypes.get_errno()
            if code not in {errno.EAGAIN, errno.EINTR}:
                break
        raise OSError(code, os.strerror(code), path)

    return open_by_kernel


def open_by_walking(folder: int, path: str, flags: int, visit: Visit | None = None) -> int:
    """The same without openat2: one component at a time, links read and followed by ourselves.

    `..` goes back to the descriptor that we came from, never through the file system: a renamed folder leads nowhere.
    `visit` sees the real way, whatever links the path went through: each name on it, as parts from the folder on, with
    -1 before it is opened, and with its descriptor when it was and is no link. What it raises ends the walk.
    """
    held = [os.dup(folder)]
    names: list[str] = []
    pending = path.split("/")[::-1]
    links = 0
    try:
        while pending:
            name = pending.pop()
            if name in {"", "."}:
                continue
            if name == "..":
                if len(held) == 1:
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
                os.close(held.pop())
                names.pop()
                continue
            names.append(name)
            step = flags if not pending else LOOK | os.O_DIRECTORY
            keep_link = not pending and bool(flags & os.O_NOFOLLOW)
            opened = _visit(held[-1], tuple(names), step, keep_link=keep_link, visit=visit)
            if isinstance(opened, int):
                if not pending:
                    return opened
                held.append(opened)
                continue
            names.pop()
            links += 1
            pending.extend(_through(opened, links, path))
        return os.open(".", flags | os.O_CLOEXEC, dir_fd=held[-1])
    finally:
        for descriptor in held:
            os.close(descriptor)


def _through(target: str, links: int, path: str) -> list[str]:
    """The names that the last of so many links on a path leads to, the first one last."""
    if links > LINKS_MAX:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    if target.startswith("/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    return target.split("/")[::-1]


def _visit(folder: int, parts: tuple[str, ...], flags: int, *, keep_link: bool, visit: Visit | None) -> int | str:
    """What `_open_here` finds of the last part, seen by `visit`."""
    if visit is None:
        return _open_here(folder, parts[-1], flags, keep_link=keep_link)
    visit(parts, -1)
    opened = _open_here(folder, parts[-1], flags, keep_link=keep_link)
    if isinstance(opened, int):
        try:
            visit(parts, opened)
        except BaseException:
            os.close(opened)
            raise
    return opened


def _open_here(folder: int, name: str, flags: int, *, keep_link: bool) -> int | str:
    """A descriptor of `name` in `folder`, or the target of the link that it is."""
    try:
        descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if keep_link or error.errno not in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}:
            raise
        try:
            return os.readlink(name, dir_fd=folder)
        except OSError:  # not a link after all: the first error is the true one
            raise error from None
    if keep_link or not stat.S_ISLNK(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)  # O_PATH | O_NOFOLLOW opens the link itself
    return os.readlink(name, dir_fd=folder)


# Puts a file into an open folder in one step: readers see the old one or the new one, never a half.


NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def replace(folder: int, name: str, data: bytes, *, owner: int | None, where: str) -> None:
    """Write `data` to a temporary file in `folder` (a descriptor) and rename it to `name`.

    A replaced file's mode and owner are kept; a new one belongs to user `owner` when given. Whatever goes wrong, no
    temporary file stays behind. `where` is the path for messages.

    Raises:
        IsADirectoryError: a folder is there.
        PermissionError: the file there has no write bit.
        ToolError: a link, a device or a FIFO is there.
    """
    before = _replaceable(folder, name, where)
    mode = stat.S_IMODE(before.st_mode) & 0o777 if before else 0o666
    temporary = f".{secrets.token_hex(8)}"
    descriptor = os.open(temporary, NEW, mode, dir_fd=folder)
    try:
        _fill(descriptor, data, before, owner)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise


def create(folder: int, name: str, data: bytes, *, owner: int | None) -> None:
    """Write `data` to a new file in `folder` (a descriptor); it belongs to user `owner` when given.

    Raises:
        FileExistsError: something is there.
    """
    _fill(os.open(name, NEW, 0o666, dir_fd=folder), data, None, owner)


def _fill(descriptor: int, data: bytes, before: os.stat_result | None, owner: int | None) -> None:
    """Write a new file whole, and close it."""
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        _keep(descriptor, before, owner)
    finally:
        os.close(descriptor)


def special(where: str) -> ToolError:
    """The error for what is neither a file, a folder nor a link."""
    return ToolError(f"{where} is a device, FIFO or socket, not a file; only regular files can be read and written")


def _keep(descriptor: int, before: os.stat_result | None, owner: int | None) -> None:
    if before is None:
        if owner is not None:
            os.fchown(descriptor, owner, -1)
        return
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode) & 0o777)  # the umask may have taken bits away
    if before.st_uid != os.geteuid():
        with contextlib.suppress(PermissionError):  # only root may give a file back to its owner
            os.fchown(descriptor, before.st_uid, before.st_gid)


def _replaceable(folder: int, name: str, where: str) -> os.stat_result | None:
    """What a write would replace, None for nothing; raises when it must not be replaced."""
    try:
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(info.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), where)
    if stat.S_ISLNK(info.st_mode):
        raise ToolError(f"{where} is a link; write to the file it stands for, by its own path")
    if not stat.S_ISREG(info.st_mode):
        raise special(where)
    if not info.st_mode & 0o222:
        raise PermissionError(errno.EACCES, "the file is read-only", where)
    return info


# Deletes a folder with all that is in it, however deep and whatever its modes: an agent may have made it.


OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def discard(root: Path) -> None:
    """Delete a workspace; nothing there is fine. Nobody may be working in it any more."""
    with contextlib.suppress(FileNotFoundError):
        parent = os.open(root.parent, OPEN_FOLDER)
        try:
            remove_tree(parent, root.name)
        finally:
            os.close(parent)


def remove_tree(parent: int, name: str) -> None:
    """Delete folder `name` in the open folder `parent`; links are deleted, never followed.

    Inner folders are first moved up to the top. A recursion would meet the limits on open files, on the length of paths
    and on Python's stack, all of which a model can exceed.
    """
    top = _open(parent, name)
    try:
        while names := _listed(top):
            for inner, is_folder in names:
                if is_folder:
                    _empty(top, inner)
                else:
                    os.unlink(inner, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _empty(top: int, name: str) -> None:
    """Delete a folder in `top`; the folders in it become folders in `top`."""
    folder = _open(top, name)
    try:
        for inner, is_folder in _listed(folder):
            if is_folder:
                os.close(_open(folder, inner))  # to move a folder one must be allowed to write in it
                os.rename(inner, secrets.token_hex(8), src_dir_fd=folder, dst_dir_fd=top)
            else:
                os.unlink(inner, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=top)


def _open(parent: int, name: str) -> int:
    """A descriptor of the folder, made writable for us first."""
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode) and mode & 0o700 != 0o700:
        os.chmod(name, 0o700, dir_fd=parent)
    return os.open(name, OPEN_FOLDER, dir_fd=parent)


def _listed(folder: int) -> list[tuple[str, bool]]:
    """The names in an open folder, and whether each is a folder: the listing says so, none is looked at again."""
    with os.scandir(folder) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
