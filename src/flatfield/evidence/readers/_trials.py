"""What readers share: results of single trials as a run, costs that tell nothing, and tables with named columns."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, structs

from flatfield import json_text
from flatfield.errors import FlatfieldError, InvalidFiles, NotFound
from flatfield.records import (
    AgentConfig,
    Check,
    Evaluation,
    Gathered,
    Imported,
    Mistake,
    Run,
    Task,
    TrialRecord,
    Weights,
)
from flatfield.saying import few
from flatfield.tasks.agents import fingerprint, is_name
from flatfield.tasks.source import did_you_mean, names_in, read_bytes, slug

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from flatfield.records import ImportChoices

T = TypeVar("T")

PROVIDER = "imported"
"""What stands in the place of a provider: nobody was asked."""
NOTE = "results of others, not measured here"
UNTIMED = "how long a trial took is not told: speed counts nowhere"
REPRICED = 2.0
"""Costs of trials that add up to so many times the published total, or to the inverse part of it, are not the same."""


class TrialResult(Struct, frozen=True, kw_only=True):
    """One trial as somebody else saw it; None: not told."""

    agent: str
    model: str
    task: str
    repeat: int = 1
    score: float | None
    usd: float | None = None
    seconds: float | None = None


class ImportedFrom(Struct, frozen=True, kw_only=True):
    """What a run of such trials is called, where they are from, and the moment of the import.

    `digest` tells the same import from another one.
    """

    title: str
    origin: str
    now: str
    digest: str
    notes: tuple[str, ...] = ()


def imported(results: Sequence[TrialResult], about: ImportedFrom) -> Imported:
    """The results as a run that is marked imported: what nobody told stays unknown and counts nowhere.

    A cost of 0 beside others that are not is taken for one that is not known.
    """
    agents = _agents(results)
    tasks = {name: _task(name, about) for name in dict.fromkeys(one.task for one in results)}
    timed = any(one.seconds is not None for one in results)
    priced = any(one.usd is not None for one in results)
    prints = {name: fingerprint(agent) for name, agent in agents.items()}
    stamp = about.now[:19].replace("-", "").replace(":", "").replace("T", "-")
    run = Run(
        id=f"{stamp}-{about.digest[:4]}",
        created_at=about.now,
        evaluation=Evaluation(title=about.title, agents=tuple(agents), weights=_weights(timed=timed, priced=priced)),
        tasks=tuple(tasks.values()),
        agents=tuple(agents.values()),
        repeats=_repeats(results),
        versions={"import": about.digest},
        notes=(NOTE, *about.notes, *(() if timed else (UNTIMED,))),
        imported=True,
        origin=about.origin,
        timed=timed,
    )
    trials = tuple(
        TrialRecord(
            run=run.id,
            agent=one.agent,
            task=one.task,
            repeat=one.repeat,
            task_digest=tasks[one.task].digest,
            agent_fingerprint=prints[one.agent],
            stop="answered",
            cost_usd=one.usd,
            wall_seconds=one.seconds or 0.0,
            active_seconds=one.seconds or 0.0,
            checks=() if one.score is None else (_check(one.score),),
            imported=True,
        )
        for one in results
    )
    return Imported(run=run, trials=trials)


def _agents(results: Iterable[TrialResult]) -> dict[str, AgentConfig]:
    models = {one.agent: one.model for one in results}
    return {
        name: AgentConfig(name=name, provider=PROVIDER, model=model, source=PROVIDER) for name, model in models.items()
    }


def _task(name: str, about: ImportedFrom) -> Task:
    digest = hashlib.sha256(f"{about.origin}/{name}".encode()).hexdigest()[:16]
    return Task(id=name, title=name, prompt="", digest=digest, notes=(NOTE,))


def _repeats(results: Iterable[TrialResult]) -> dict[str, int]:
    most: dict[str, int] = defaultdict(int)
    for one in results:
        most[one.task] = max(most[one.task], one.repeat)
    return dict(most)


def _weights(*, timed: bool, priced: bool) -> Weights:
    usual = Weights()
    return Weights(
        performance=usual.performance, speed=usual.speed if timed else 0.0, cost=usual.cost if priced else 0.0
    )


def _check(score: float) -> Check:
    return Check(verifier="published", label="published result", score=score, reason="as published")


def without_zeros(results: Iterable[TrialResult]) -> tuple[tuple[TrialResult, ...], tuple[str, ...]]:
    """The results without costs of 0, and what is to be said of those: nothing costs nothing at an API."""
    kept = tuple(results)
    zeros: dict[str, int] = defaultdict(int)
    trials: dict[str, int] = defaultdict(int)
    for one in kept:
        trials[one.agent] += 1
        zeros[one.agent] += one.usd == 0.0
    named = few(f"{name} {count} of {trials[name]}" for name, count in zeros.items() if count)
    said = (f"a cost of 0 is no price, so it counts as not known; of trials: {named}",) if named else ()
    return tuple(structs.replace(one, usd=None) if one.usd == 0.0 else one for one in kept), said


def known_mean(costs: Collection[float | None], published: float | None) -> tuple[float | None, str]:
    """What one task costs, of single costs (None and 0: not known) and the published mean; and what is odd about it.

    The mean of those that are known; the published one where none is. None where the two tell of different money.
    """
    known = [cost for cost in costs if cost]
    if not known:
        return (published or None), ("" if published else "no cost is told")
    mean = sum(known) / len(known)
    total = sum(known) / max(len(costs), 1)
    if published and not 1.0 / REPRICED <= total / published <= REPRICED:
        times = f"{total / published:.1f}"
        return (
            None,
            f"cost left out: single ones come to {times} times the published mean, and nobody says which is right",
        )
    missing = len(costs) - len(known)
    return mean, (f"cost of {len(known)} of {len(costs)} tasks" if missing else "")


def digest_of(*parts: object) -> str:
    """16 hex digits of SHA-256 over what an import is made of."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else repr(part).encode())
    return found.hexdigest()[:16]


def look_at_folder(path: Path) -> None:
    """See that there is such a folder, before it is said that nothing lies in it.

    Raises:
        NotFound: there is none.
    """
    if not path.is_dir():
        if path.exists():
            raise NotFound(f"{path} is a file, not a folder; name the folder that it lies in")
        raise NotFound(f"there is no folder {path}{did_you_mean(path.name, names_in(path.parent))}")


def json_file(path: Path, kind: type[T]) -> T:
    """A JSON file as a record of this type; keys that it has no field for are passed over.

    Raises:
        NotFound: there is no such file.
        InvalidFiles: it is no JSON, or something else stands there.
    """
    data = read_bytes(path)
    try:
        found: T = json_text.decoded(data, kind)
    except ValueError as error:
        fix = "fetch the file again; a newer form of it may need a newer flatfield"
        raise InvalidFiles([Mistake(path=str(path), line=_line(data), problem=str(error), fix=fix)]) from None
    return found


def _line(data: bytes) -> int:
    """The line in which a text stops being JSON; 1 where it is JSON of another form."""
    try:
        json.loads(data)
    except json.JSONDecodeError as error:
        return error.lineno
    except (UnicodeDecodeError, RecursionError):
        pass
    return 1


# Rows of any table with columns that the user names; all mistakes at once, with their lines.


YES, NO = {"true", "yes", "passed", "resolved"}, {"false", "no", "failed", "unresolved"}
MOST_MISTAKES = 20
"""So many are listed: a table with a wrong column has one in every row."""
JOINED = "+"
"""Between the parts of an agent's name that come from several columns."""

Row = tuple[int, "Mapping[str, object]"]
"""The line that a row begins in, and its cells by column; None and "" are empty."""


def gathered(path: Path, rows: Iterable[Row], columns: Sequence[str], how: ImportChoices, data: bytes) -> Gathered:
    """The rows as a run; `data`, what they were read from, and how, tell the same import from another one.

    Raises:
        FlatfieldError: a column is not named that is needed, or nothing is left.
        InvalidFiles: a column is not there, or cells are none of what they should be.
    """
    _look_at_columns(path, columns, how)
    reader = _TableReader(path, how)
    results = tuple(reader.results(rows))
    reader.settle()
    if not results:
        kept = f" where {', '.join('='.join(pair) for pair in how.where)}" if how.where else ""
        raise FlatfieldError(f"{path} has no row{kept}: look at the file, and at --where")
    said: tuple[str, ...] = ()
    if not how.free_zeros:
        results, said = without_zeros(results)
    title = how.title or path.stem.replace("_", " ")
    digest = digest_of(data, structs.replace(how, title="", now=""))
    about = ImportedFrom(title=title, origin=path.name, now=how.now, digest=digest, notes=said)
    return Gathered(runs=(imported(results, about),), notes=said)


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


class _TableReader:
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
