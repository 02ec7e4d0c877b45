"""Opens a path beneath a folder so that no `..`, link or race leads out: by openat2, else by a walk.

Both openers take `(folder, path, flags)`: a folder's descriptor, a relative path and `os.open` flags; they return a
descriptor that the caller closes. Links that stay beneath the folder are followed, except a last one under
`O_NOFOLLOW`. `OSError` with `EXDEV` says that the path leads out, with `ELOOP` that its links go in a circle.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Opener = Callable[[int, str, int], int]
    Visit = Callable[[tuple[str, ...], int], None]

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

    class How(ctypes.Structure):
        _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))

    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(How), ctypes.c_size_t)

    def open_by_kernel(folder: int, path: str, flags: int) -> int:
        how = How(flags | os.O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
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
