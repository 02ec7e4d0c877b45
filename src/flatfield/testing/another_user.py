"""Lets another user of the machine run flatfield: with what that user can reach, else with copies of it."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import flatfield
from flatfield.machine.sandbox.interpreter import _closure as closure
from flatfield.machine.sandbox.interpreter import _files as files
from flatfield.machine.sandbox.interpreter import first_closed


def python_for(user: int, place: Path) -> str:
    """An interpreter of our version that a user may run: ours, the system's, or a copy of ours in `place`."""
    name = f"python3.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix).resolve()
    if first_closed(prefix, user) is None:
        return str(prefix / "bin" / name)
    other = shutil.which(name, path="/usr/bin:/usr/local/bin")
    if other is not None:
        return other
    (place / "bin").mkdir(parents=True)
    shutil.copy(prefix / "bin" / name, place / "bin" / name)
    library = Path("lib", name)
    unused = shutil.ignore_patterns("test", "site-packages", "__pycache__", "config-*", "idlelib", "tkinter")
    shutil.copytree(prefix / library, place / library, ignore=unused)
    for shared in (prefix / "lib").glob("libpython*.so*"):
        shutil.copy(shared, place / "lib" / shared.name)
    return str(place / "bin" / name)


def libraries_for(user: int, place: Path) -> list[str]:
    """Where a user finds flatfield and what a sandbox needs of others: here, or copied to `place`."""
    ours = [
        Path(flatfield.__file__).parents[1],
        *map(Path, (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))),
    ]
    if all(first_closed(folder.resolve(), user) is None for folder in ours):
        return list(dict.fromkeys(map(str, ours)))
    shutil.copytree(ours[0] / "flatfield", place / "flatfield", ignore=shutil.ignore_patterns("__pycache__", "suites"))
    for name in {"msgspec", *closure("pytest")}:
        for source, inside in files(metadata.distribution(name)):
            target = place / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return [str(place)]
