"""The LOPs that a server offers: those of the project's folder and the built-in suites'."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield import tasks
from flatfield.errors import NotFound
from flatfield.tasks.hop import is_evaluation
from flatfield.tasks.loading import suites
from flatfield.tasks.lop import looks_like_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FOLDERS = (".", "tasks", "lops", ".claude/commands/perf", "commands/perf")
"""Where LOPs of a project are looked for, beside its flatfield.toml."""
SUITES = Path(tasks.__file__).parent / "suites"


class Offer(Struct, frozen=True, kw_only=True):
    """One LOP: its name here, what `evaluate` is to be given to run it, its file, and whether a suite has it."""

    name: str
    argument: str
    path: Path
    suite: bool = False


def offers(folder: Path, further: Sequence[Path] = ()) -> tuple[Offer, ...]:
    """Every LOP by its file's name: the project's, then those of further folders; of two with one name the first."""
    found: dict[str, Offer] = {}
    for path in _files(folder, further):
        if _is(looks_like_task, path):
            found.setdefault(path.stem, Offer(name=path.stem, argument=_shown(path, folder), path=path))
    for path in (path for suite in suites() for path in suite_files(suite)):
        name = path.parent.name if path.stem == "task" else path.stem
        if name not in found:
            found[name] = Offer(name=name, argument=str(path), path=path, suite=True)
    return tuple(found.values())


def suite_files(suite: str) -> tuple[Path, ...]:
    """The LOPs of a built-in suite."""
    files = sorted((*(SUITES / suite).glob("*.md"), *(SUITES / suite).glob("*/*.md")))
    return tuple(path for path in files if _is(looks_like_task, path))


def hops(folder: Path, further: Sequence[Path] = ()) -> tuple[str, ...]:
    """The HOPs in the same places, as `evaluate` is given them."""
    return tuple(_shown(path, folder) for path in _files(folder, further) if _is(is_evaluation, path))


def _files(folder: Path, further: Sequence[Path]) -> Iterator[Path]:
    for place in (*(folder / name for name in FOLDERS), *further):
        yield from sorted(place.glob("*.md")) if place.is_dir() else ()


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def lop_text(folder: Path, name: str, further: Sequence[Path] = ()) -> str:
    """The text of the LOP of that name.

    Raises:
        NotFound: there is none; the message lists what there is.
    """
    known = {offer.name: offer for offer in offers(folder, further)}
    if name not in known:
        raise NotFound(f"there is no LOP {name!r}; there are: {', '.join(known)}")
    return known[name].path.read_text(encoding="utf-8")


def _is(kind: Callable[[str], bool], path: Path) -> bool:
    try:
        return kind(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return False
