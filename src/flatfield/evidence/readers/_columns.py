"""Rows of any table with columns that the user names, as results of trials; all mistakes at once, with their lines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flatfield.errors import FlatfieldError, InvalidFiles
from flatfield.evidence.readers import _trials
from flatfield.evidence.readers._trials import ImportedFrom, TrialResult
from flatfield.records import Gathered, Mistake
from flatfield.tasks.agents import is_name
from flatfield.tasks.source import did_you_mean, slug

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from flatfield.records import ImportChoices

YES, NO = {"true", "yes", "passed", "resolved"}, {"false", "no", "failed", "unresolved"}
MOST_MISTAKES = 20
"""So many are listed: a table with a wrong column has one in every row."""
JOINED = "+"
"""Between the parts of an agent's name that come from several columns."""

Row = tuple[int, "Mapping[str, object]"]
"""The line that a row begins in, and its cells by column; None and "" are empty."""


def gathered(path: Path, rows: Iterable[Row], columns: Sequence[str], how: ImportChoices, digest: str) -> Gathered:
    """The rows as a run.

    Raises:
        FlatfieldError: a column is not named that is needed, or nothing is left.
        InvalidFiles: a column is not there, or cells are none of what they should be.
    """
    _look_at_columns(path, columns, how)
    reader = _Reader(path, how)
    results = tuple(reader.results(rows))
    reader.settle()
    if not results:
        kept = f" where {', '.join('='.join(pair) for pair in how.where)}" if how.where else ""
        raise FlatfieldError(f"{path} has no row{kept}: look at the file, and at --where")
    said: tuple[str, ...] = ()
    if not how.free_zeros:
        results, said = _trials.without_zeros(results)
    title = how.title or path.stem.replace("_", " ")
    about = ImportedFrom(title=title, origin=path.name, now=how.now, digest=digest, notes=said)
    return Gathered(runs=(_trials.imported(results, about),), notes=said)


def _look_at_columns(path: Path, columns: Sequence[str], how: ImportChoices) -> None:
    for option, name in (("--agent-column", how.agent), ("--task-column", how.task), ("--score-column", how.score)):
        if not name:
            raise FlatfieldError(f"{option} is not given: name the column of {path}; it has: {', '.join(columns)}")
    wanted = (*how.agent, how.task, how.score, how.cost, how.seconds, how.repeat, how.model, *dict(how.where))
    raise_all(
        [
            Mistake(
                path=str(path),
                line=1,
                problem=f"there is no column {name!r}{did_you_mean(name, columns)}",
                fix=f"name one of: {', '.join(columns)}",
            )
            for name in dict.fromkeys(wanted)
            if name and name not in columns
        ]
    )


def raise_all(mistakes: Sequence[Mistake]) -> None:
    """Raise what there is, if anything.

    Raises:
        InvalidFiles: there are mistakes.
    """
    if mistakes:
        raise InvalidFiles(mistakes)


class _Reader:
    """Reads cells, and keeps what is wrong with them."""

    def __init__(self, path: Path, how: ImportChoices) -> None:
        self._path = str(path)
        self._how = how
        self._mistakes: list[Mistake] = []
        self._lines: dict[tuple[str, str, int], int] = {}
        self._seen: Counter[tuple[str, str]] = Counter()

    def settle(self) -> None:
        """Raise the first mistakes."""
        raise_all(self._mistakes[:MOST_MISTAKES])

    def results(self, rows: Iterable[Row]) -> Iterator[TrialResult]:
        """The rows that are kept, as results."""
        how = self._how
        for line, row in rows:
            if any(_text(row.get(column)) != value for column, value in how.where):
                continue
            before = len(self._mistakes)
            agent, task = self._agent(line, row), self._task(line, row)
            usd = self._amount(line, row, how.cost)
            seconds = self._amount(line, row, how.seconds)
            score = self._score(line, row)
            repeat = self._repeat(line, row, (agent, task))
            if len(self._mistakes) == before:
                model = _text(row.get(how.model)) if how.model else agent
                yield TrialResult(
                    agent=agent, model=model, task=task, repeat=repeat, score=score, usd=usd, seconds=seconds or None
                )

    def _add(self, line: int, problem: str, fix: str) -> None:
        self._mistakes.append(Mistake(path=self._path, line=line, problem=problem, fix=fix))

    def _agent(self, line: int, row: Mapping[str, object]) -> str:
        parts = [_text(row.get(column)) for column in self._how.agent]
        name = JOINED.join(part if is_name(part) else slug(part) for part in parts if part)
        if not name:
            self._add(line, f"{' and '.join(self._how.agent)}: no agent stands here", "write its name, or drop the row")
        return name

    def _task(self, line: int, row: Mapping[str, object]) -> str:
        name = _text(row.get(self._how.task)).replace("/", "__")  # a trial's id is RUN/agent/task/repeat
        if not name:
            self._add(line, f"{self._how.task}: no task stands here", "write its name, or drop the row")
        return name

    def _score(self, line: int, row: Mapping[str, object]) -> float | None:
        column = self._how.score
        text = _text(row.get(column))
        if not text:
            return None
        if text.lower() in YES | NO:
            return float(text.lower() in YES)
        value = _number(text)
        full = self._how.full_score
        if value is None or not 0.0 <= value <= full:
            fix = f"write 0 to {full:g}, true or false, or nothing; --full-score 100 for a score in percent"
            self._add(line, f"{column}: {text!r} is no score from 0 to {full:g}", fix)
            return None
        return value / full

    def _amount(self, line: int, row: Mapping[str, object], column: str) -> float | None:
        text = _text(row.get(column)).removeprefix("$") if column else ""
        if not text:
            return None
        value = _number(text)
        if value is None or value < 0.0:
            self._add(line, f"{column}: {text!r} is no number of 0 or more", "write a number, or nothing")
        return value

    def _repeat(self, line: int, row: Mapping[str, object], key: tuple[str, str]) -> int:
        """As its column says, where there is one; without, the next of this agent on this task."""
        column = self._how.repeat
        if not column:
            self._seen[key] += 1
            return self._seen[key]
        text = _text(row.get(column))
        if not text.isdecimal():
            self._add(line, f"{column}: {text!r} is no whole number", "number the repeats of a task: 1, 2, 3")
            return 0
        repeat = int(text)
        there = self._lines.setdefault((*key, repeat), line)
        if there != line:
            self._add(line, f"repeat {repeat} of {' on '.join(key)} stands in line {there} too", "keep one of them")
        return repeat


def _text(cell: object) -> str:
    """A cell as text; whole numbers of JSON without a point."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell).strip()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124 - NaN alone is no number
