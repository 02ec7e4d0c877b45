"""Puts a task's own Python packages where sandboxed commands can import them: a copy that everybody can read."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.errors import FlatfieldError

if TYPE_CHECKING:
    from flatfield.machine.protocols import Sandbox

FOLDER = "packages"
LIMIT_BYTES = 512 * 1024**2
LIMIT_FILES = 20_000
"""No folder of more is copied for a trial: neither packages nor a workspace."""


def with_packages(sandbox: Sandbox | None, source: str | None, home: Path) -> Sandbox | None:
    """The sandbox that shows a copy, made in `home`, of a task's packages; the same one for a task without any.

    Raises:
        FlatfieldError: they cannot be copied, or are too large.
    """
    if sandbox is None or source is None:
        return sandbox
    target = home / FOLDER
    try:
        unpack(Path(source), target)
    except (OSError, zipfile.BadZipFile) as error:
        raise FlatfieldError(f"the packages of {source} cannot be made ready: {error}; correct that folder") from error
    return sandbox.with_packages(target)


def unpack(source: Path, target: Path) -> None:
    """Copy a folder of packages, wheels unpacked; links and what is neither file nor folder are left out.

    Raises:
        FlatfieldError: more than a workspace may hold.
        OSError, BadZipFile: something cannot be read or written.
    """
    target.mkdir()
    for parent, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        here = target / Path(parent).relative_to(source)
        here.mkdir(exist_ok=True)
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix == ".whl" and path.parent == source:
                with zipfile.ZipFile(path) as wheel:
                    _check_size(source, [each.file_size for each in wheel.infolist()])
                    wheel.extractall(target)
            elif path.is_file() and not path.is_symlink():
                shutil.copyfile(path, here / name)
    sizes = []
    for parent, _, names in os.walk(target):
        Path(parent).chmod(0o755)
        for name in names:
            Path(parent, name).chmod(0o644)
            sizes.append(Path(parent, name).stat().st_size)
    _check_size(source, sizes)


def _check_size(source: Path, sizes: list[int]) -> None:
    if sum(sizes) > LIMIT_BYTES or len(sizes) > LIMIT_FILES:
        raise FlatfieldError(
            f"the packages of {source} are more than {LIMIT_BYTES / 1024**2:,.0f} MB or {LIMIT_FILES:,} files; "
            "leave out what the task does not need"
        )
