"""Puts a file into an open folder in one step: readers see the old one or the new one, never a half."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat

from flatfield.errors import ToolError


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
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, mode, dir_fd=folder)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            _keep(descriptor, before, owner)
        finally:
            os.close(descriptor)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise


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
