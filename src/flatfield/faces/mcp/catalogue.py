"""The LOPs that a server offers: those of the project's folder and the built-in suites'."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield import tasks
from flatfield.errors import NotFound
from flatfield.tasks.loading import suites
from flatfield.tasks.lop import looks_like_task

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDERS = (".", "tasks", "lops", ".claude/commands/perf", "commands/perf")
"""Where LOPs of a project are looked for, beside its flatfield.toml."""
SUITES = Path(tasks.__file__).parent / "suites"


class Offer(Struct, frozen=True, kw_only=True):
    """One LOP: its name here, what `evaluate` is to be given to run it, and its file."""

    name: str
    argument: str
    path: Path


def offers(folder: Path, further: Sequence[Path] = ()) -> tuple[Offer, ...]:
    """Every LOP by its file's name: the project's, then those of further folders; of two with one name the first."""
    found: dict[str, Offer] = {}
    for place in (*(folder / name for name in FOLDERS), *further):
        for path in sorted(place.glob("*.md")) if place.is_dir() else ():
            if _is_lop(path):
                shown = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
                found.setdefault(path.stem, Offer(name=path.stem, argument=shown, path=path))
    for suite in suites():
        for path in sorted((*(SUITES / suite).glob("*.md"), *(SUITES / suite).glob("*/*.md"))):
            name = path.parent.name if path.stem == "task" else path.stem
            if name not in found and _is_lop(path):
                found[name] = Offer(name=name, argument=str(path), path=path)
    return tuple(found.values())


def lop_text(folder: Path, name: str, further: Sequence[Path] = ()) -> str:
    """The text of the LOP of that name.

    Raises:
        NotFound: there is none; the message lists what there is.
    """
    known = {offer.name: offer for offer in offers(folder, further)}
    if name not in known:
        raise NotFound(f"there is no LOP {name!r}; there are: {', '.join(known)}")
    return known[name].path.read_text(encoding="utf-8")


def _is_lop(path: Path) -> bool:
    try:
        return looks_like_task(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return False
