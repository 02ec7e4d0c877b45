"""Loads what a command names: LOPs, a HOP, folders and built-in suites; all mistakes of all files at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from flatfield.errors import InvalidFiles, NotFound, Remedy
from flatfield.records import Evaluation, Mistake, Task
from flatfield.tasks import hop, lop, source
from flatfield.tasks.access import nobody
from flatfield.tasks.generating import TASK_FILE
from flatfield.tasks.hop import is_evaluation
from flatfield.tasks.lop import looks_like_task, read_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.tasks.access import Access

SUITE_PREFIX = "suite:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The tasks in the order they were named, the evaluation if one was, and what was passed over."""

    tasks: tuple[Task, ...]
    evaluation: Evaluation | None
    notes: tuple[str, ...]


class _Hop(NamedTuple):
    """A HOP, or its mistakes, and whether it says how to evaluate: one with mistakes, if it has a key for that."""

    found: Evaluation | InvalidFiles
    says_how: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one call of `load` has read so far; `named` says of each file whether it was named itself."""

    cwd: Path
    access: Access
    seed: int | None = None
    named: dict[Path, bool] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    evaluations: dict[Path, _Hop] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    astray: list[str] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def shown(self, path: Path) -> str:
        """A path as short as it can be said from the current directory."""
        here = self.cwd.absolute()
        return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)

    def keep(self, error: InvalidFiles) -> None:
        """Note mistakes under their files' short paths."""
        self.mistakes.extend(msgspec.structs.replace(m, path=self.shown(Path(m.path))) for m in error.mistakes)


def load(
    arguments: Sequence[str],
    cwd: Path,
    seed: int | None = None,
    *,
    access: Access | None = None,
    asks_how: bool = True,
) -> Loaded:
    """Read files, folders and `suite:NAME`; relative paths count from `cwd`.

    Of a folder, the Markdown files right in it, and the `task.md` of each folder in it. There, what is neither LOP nor
    HOP is passed over with a note (a README without), and so are HOPs when one is named as a file. Of several HOPs that
    were only found in folders, the one counts that says how to evaluate. `asks_how` False: nobody asks for a HOP, and
    several are none. `seed` is what LOPs that are generated are made from; None: the HOP's. `access` decides whether
    the functions that make them may run; None: nobody has trusted anything.

    Raises:
        NotFound: files, folders or suites that are not there; all of them.
        InvalidFiles: the mistakes of all files, tasks with the same id, or several HOPs.
        NotTrusted: a task is made by a function that may not be run.
    """
    reading = _Reading(cwd, access or nobody(), seed)
    for argument in arguments:
        _find(argument, reading)
    if reading.missing:
        helps = ("; what there is: `", Remedy.LIST_TASKS, "`; a new one: `flatfield new task NAME`")
        raise NotFound("\n".join(reading.missing), *(helps if reading.astray else ()))
    texts = {path: text for path in reading.named if (text := _text(path, reading)) is not None}
    evaluation = _one_evaluation(reading, asks_how=asks_how)
    for path, text in texts.items():
        _read_task(path, text, reading, evaluation or Evaluation())
    _check_ids(reading)
    if reading.mistakes:
        order = {reading.shown(path): at for at, path in enumerate(reading.named)}
        raise InvalidFiles(sorted(reading.mistakes, key=lambda mistake: order.get(mistake.path, len(order))))
    return Loaded(tasks=tuple(reading.tasks), evaluation=evaluation, notes=tuple(reading.notes))


def suites() -> tuple[str, ...]:
    """The names of the built-in suites."""
    folder = _suites_folder()
    return tuple(sorted(path.name for path in folder.iterdir() if any(path.glob("*.md")))) if folder.is_dir() else ()


def _suites_folder() -> Path:
    return Path(__file__).parent / "suites"


def _find(argument: str, reading: _Reading) -> None:
    """Turn one argument into files."""
    if argument.startswith(SUITE_PREFIX):
        name, _, task = argument.removeprefix(SUITE_PREFIX).partition("/")
        if name not in suites():
            close = source.did_you_mean(name, suites())
            reading.missing.append(f"there is no suite {name!r}{close}; there are: {', '.join(suites()) or 'none'}")
            return
        path = _suites_folder() / name / task
        if task and not path.exists():
            path = path.with_suffix(".md")
    else:
        path = reading.cwd.absolute() / Path(argument).expanduser()
    if path.is_dir():
        _find_in(path.resolve(), argument, reading)
    elif path.is_file():
        reading.named[path.resolve()] = True
    else:
        close = source.did_you_mean(path.name, source.names_in(path.parent))
        reading.missing.append(f"there is no file or folder {argument}{close}")
        if not close:
            reading.astray.append(argument)


def _find_in(folder: Path, argument: str, reading: _Reading) -> None:
    files = sorted(path for path in (*folder.glob("*.md"), *folder.glob(f"*/{TASK_FILE}")) if path.is_file())
    for path in files:
        reading.named.setdefault(path, False)
    if not files:
        below = sorted({path.parent.relative_to(folder).as_posix() for path in folder.glob("*/*.md")})
        hint = f"name a folder below it: {', '.join(below)}" if below else "name a folder with LOPs in it"
        reading.missing.append(f"there is no Markdown file in {argument}; {hint}")


def _text(path: Path, reading: _Reading) -> str | None:
    """A file's text, unless it is a HOP, which is read, or has mistakes, which are kept.

    A file that nobody named and that means to be neither LOP nor HOP has no mistakes: it is passed over.
    """
    data = source.read_bytes(path)
    likely = data.decode(errors="replace").removeprefix("\ufeff")
    is_hop = is_evaluation(likely)
    try:
        if not (reading.named[path] or is_hop or looks_like_task(likely)):
            return likely
        text = source.decode(data, str(path))
        if not is_hop:
            return text
        _say_foreign(hop.foreign_keys(text, path), path, reading)
        found = hop.parse_evaluation(text, path)
        reading.evaluations[path] = _Hop(found, hop.says_how(found))
    except InvalidFiles as error:
        if is_hop:
            reading.evaluations[path] = _Hop(error, hop.has_own_key(likely))
        else:
            reading.keep(error)
    return None


def _read_task(path: Path, text: str, reading: _Reading, evaluation: Evaluation) -> None:
    try:
        if reading.named[path] or looks_like_task(text):
            _say_foreign(lop.foreign_keys(text, path), path, reading)
            seed = evaluation.seed if reading.seed is None else reading.seed
            reading.tasks.append(read_task(path, seed, access=reading.access))
        elif path.stem.lower() != "readme":
            reading.notes.append(f"{reading.shown(path)} passed over: it has no `## Variables` with a PROMPT")
    except InvalidFiles as error:
        reading.keep(error)


def _one_evaluation(reading: _Reading, *, asks_how: bool) -> Evaluation | None:
    """The HOP to go by; several are mistakes, unless one is meant: named as a file, or the only one that says how."""
    named = [path for path in reading.evaluations if reading.named[path]]
    chosen = named or list(reading.evaluations)
    if not named and len(chosen) > 1:
        chosen = [path for path in chosen if reading.evaluations[path].says_how]
    if not asks_how and len(chosen) > 1:
        chosen = []
    others = [reading.shown(path) for path in reading.evaluations if path not in chosen]
    if others:
        why = f"{reading.shown(chosen[0])} is the HOP" if chosen else "they say nothing of how to evaluate"
        reading.notes.append(f"{', '.join(others)} passed over: {why}")
    if len(chosen) > 1:
        for path in chosen:
            problem = f"this is one of {len(chosen)} HOPs"
            reading.mistakes.append(Mistake(path=reading.shown(path), line=1, problem=problem, fix="name one HOP"))
    for found in (reading.evaluations[path].found for path in chosen):
        if isinstance(found, InvalidFiles):
            reading.keep(found)
        elif len(chosen) == 1:
            return found
    return None


def _say_foreign(keys: Sequence[str], path: Path, reading: _Reading) -> None:
    if keys:
        reading.notes.append(f"{reading.shown(path)}: {', '.join(keys)} in its front matter passed over")


def _check_ids(reading: _Reading) -> None:
    """A task's id is part of its trials' ids, so no two tasks of a run may share one."""
    first: dict[str, str] = {}
    for task in reading.tasks:
        path = reading.shown(Path(task.generated_from or task.path))
        if task.id in first:
            problem = f"the id {task.id!r} is also that of {first[task.id]}"
            reading.mistakes.append(Mistake(path=path, line=1, problem=problem, fix="rename the file or set `id:`"))
        first.setdefault(task.id, path)
