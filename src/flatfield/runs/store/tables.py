"""The store's SQL: one function for each thing that is written or asked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from flatfield.errors import StoreError
from flatfield.json_text import plain
from flatfield.records import (
    Failure,
    Run,
    RunSummary,
    TrialPlan,
    TrialRecord,
    Verdict,
)
from flatfield.runs.store.codec import encode, is_measured, readable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator

    from flatfield.runs.store.underway import Lost


T = TypeVar("T")


def insert_run(connection: sqlite3.Connection, run: Run, *, update: bool) -> None:
    """Store a run; without `update`, one that is there already may only be the same.

    Raises:
        StoreError: there is another run with this id.
    """
    text = encode(run)
    replaced = "DO UPDATE SET record = excluded.record" if update else "DO NOTHING"
    connection.execute(
        f"INSERT INTO runs (id, created_at, record) VALUES (?, ?, ?) ON CONFLICT (id) {replaced}",  # noqa: S608 - ours
        (run.id, run.created_at, text),
    )
    if run_record(connection, run.id) != text:
        raise StoreError(f"there is another run {run.id} in the store: start this one again to get a new id")


def insert_trial(connection: sqlite3.Connection, record: TrialRecord) -> bool:
    """Store a trial unless it is there; whether it was stored. What it takes the place of: see `Store`."""
    text = encode(record)
    names = _key(record)
    versions = (plain(record.task_digest), plain(record.agent_fingerprint))
    there = trial_record(connection, record)
    replaced = connection.execute(
        "UPDATE trials SET superseded = 1 WHERE run = ? AND agent = ? AND task = ? AND repeat = ? AND superseded = 0"
        " AND record <> ? AND (? OR task_digest <> ? OR agent_fingerprint <> ?)",
        (*names, text, there is not None and there.failure is not None, *versions),
    ).rowcount
    if replaced:  # verdicts speak of the answer that they judged
        connection.execute(
            "UPDATE verdicts SET superseded = 1"
            " WHERE run = ? AND agent = ? AND task = ? AND repeat = ? AND superseded = 0",
            names,
        )
    return _insert(connection, record, text, superseded=False)


def insert_lost(connection: sqlite3.Connection, lost: Lost) -> bool:
    """Store an attempt whose process ended, unless its record is there; False: its run is not in this store.

    Where a measured trial has taken its place, it is kept as superseded: its money was spent.
    """
    trial = lost.trial
    if lost.run is not None:
        insert_run(connection, lost.run, update=False)
    if connection.execute("SELECT 1 FROM runs WHERE id = ?", (trial.run,)).fetchone() is None:
        return False
    if not has_attempt(connection, trial) and not insert_trial(connection, trial):
        _insert(connection, trial, encode(trial), superseded=True)
    return True


def has_attempt(connection: sqlite3.Connection, trial: TrialRecord) -> bool:
    """Whether this attempt at a trial is stored, superseded or not."""
    where = "SELECT record FROM trials WHERE run = ?1 AND agent = ?2 AND task = ?3 AND repeat = ?4"
    rows = connection.execute(
        f"{where} AND superseded = 0 UNION ALL {where} AND superseded = 1",  # each by an index of its own
        _key(trial),
    )
    return any(readable(text, _Attempted, lambda _: _Attempted()).attempt == trial.attempt for (text,) in rows)


def _insert(connection: sqlite3.Connection, record: TrialRecord, text: str, *, superseded: bool) -> bool:
    failure = record.failure.kind if record.failure else None
    stored = connection.execute(
        "INSERT INTO trials"
        " (run, agent, task, repeat, task_digest, agent_fingerprint, failure, cost_usd, superseded, record)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        (
            *(*_key(record), plain(record.task_digest), plain(record.agent_fingerprint)),
            *(failure, record.cost_usd, superseded, text),
        ),
    ).fetchone()
    return stored is not None


def insert_verdict(connection: sqlite3.Connection, verdict: Verdict) -> None:
    """Store a verdict in the place of an earlier one of the same judge on the same trial."""
    text = encode(verdict)
    key = (*_key(verdict), plain(verdict.judge))
    connection.execute(
        "UPDATE verdicts SET superseded = 1"
        " WHERE run = ? AND agent = ? AND task = ? AND repeat = ? AND judge = ? AND superseded = 0 AND record <> ?",
        (*key, text),
    )
    connection.execute(
        "INSERT INTO verdicts (run, agent, task, repeat, judge, cost_usd, record) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (*key, verdict.cost_usd, text),
    )


def run_ids(connection: sqlite3.Connection) -> tuple[str, ...]:
    """All runs' ids, the one made last first, whatever a clock said."""
    rows = connection.execute("SELECT id FROM runs ORDER BY number DESC")
    return tuple(run for (run,) in rows)


def newest_run(connection: sqlite3.Connection) -> str | None:
    """The id of the evaluation that was made last, or of a later run whose record cannot be read; None: there is none.

    Figures that were taken over from elsewhere count only where there is no other one.
    """
    rows = connection.execute("SELECT id, record FROM runs ORDER BY number DESC")
    kinds = ((str(run), readable(text, _Kind, lambda _: _Kind())) for run, text in rows)
    imported: str | None = None
    for run, kind in kinds:
        if not kind.delegated and not kind.imported:
            return run
        imported = imported or (None if kind.delegated else run)
    return imported


def run_record(connection: sqlite3.Connection, run: str) -> str:
    """The run's record; the run must exist."""
    (text,) = connection.execute("SELECT record FROM runs WHERE id = ?", (run,)).fetchone()
    return str(text)


_TRIAL = "record, run, agent, task, repeat, task_digest, agent_fingerprint"
_VERDICT = "record, run, agent, task, repeat, judge"


class TrialRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the columns say of a trial, without its record; a `failure` has no message here."""

    run: str
    agent: str
    task: str
    repeat: int
    task_digest: str
    agent_fingerprint: str
    failure: Failure | None = None
    imported: bool = False

    @property
    def id(self) -> str:
        """`RUN/agent/task/repeat`."""
        return f"{self.run}/{self.agent}/{self.task}/{self.repeat}"


def trials(connection: sqlite3.Connection, run: str) -> Iterator[TrialRecord]:
    """The current trials of a run, in a fixed order, one after the other."""
    rows = connection.execute(
        f"SELECT {_TRIAL} FROM trials WHERE run = ? AND superseded = 0 ORDER BY task, agent, repeat",  # noqa: S608 - ours
        (run,),
    )
    return map(_trial, rows)


def later_trials(connection: sqlite3.Connection, run: str, number: int) -> Iterator[tuple[int, TrialRecord]]:
    """The current trials of a run that were stored after this number, oldest first, each with its own number."""
    rows = connection.execute(
        f"SELECT id, {_TRIAL} FROM trials WHERE run = ? AND id > ? AND superseded = 0 ORDER BY id",  # noqa: S608 - ours
        (run, number),
    )
    return ((row, _trial(tuple(fields))) for row, *fields in rows)


def version(connection: sqlite3.Connection, run: str | None) -> tuple[object, ...]:
    """What is another one as soon as something is stored of the run; None: of any."""
    if run is None:
        tables = "(SELECT max(number) FROM runs), (SELECT max(id) FROM trials), (SELECT max(id) FROM verdicts)"
        return tuple(connection.execute(f"SELECT {tables}").fetchone())
    row = connection.execute(
        "SELECT (SELECT max(id) FROM trials WHERE run = ?1), (SELECT max(id) FROM verdicts WHERE run = ?1),"
        " (SELECT record FROM runs WHERE id = ?1)",
        (run,),
    ).fetchone()
    return (*row[:2], hash(row[2]))


def trial_rows(connection: sqlite3.Connection, run: str, unread: Collection[int]) -> Iterator[TrialRow]:
    """The same as their columns have them; those of `unread` are not measured, whatever their columns say."""
    rows = connection.execute(
        "SELECT id, agent, task, repeat, task_digest, agent_fingerprint, failure FROM trials"
        " WHERE run = ? AND superseded = 0 ORDER BY task, agent, repeat",
        (run,),
    )
    for row, agent, task, repeat, digest, fingerprint, kind in rows:
        yield TrialRow(
            run=run,
            agent=agent,
            task=task,
            repeat=repeat,
            task_digest=digest,
            agent_fingerprint=fingerprint,
            failure=_failed("harness" if row in unread else kind),
        )


def _failed(kind: Any) -> Failure | None:  # noqa: ANN401 - a word of any version
    return Failure(kind=kind, message="") if kind else None


def unread_trials(connection: sqlite3.Connection, run: str) -> frozenset[int]:
    """The rows of trials that count as measured by their columns, and not by their record: they are to be done again.

    It cannot be read, or held a number that cannot be. What was said in a record is passed over, so that this takes a
    tenth of what reading the trials does.
    """
    rows = connection.execute(
        f"SELECT id, {_TRIAL} FROM trials WHERE run = ? AND superseded = 0 AND failure IS NULL",  # noqa: S608 - ours
        (run,),
    )
    return frozenset(row for row, *fields in rows if not is_measured(fields[0]) and _trial(tuple(fields)).failure)


def verdicts(connection: sqlite3.Connection, run: str) -> list[Verdict]:
    """The current verdicts on a run's trials, in a fixed order."""
    rows = connection.execute(
        f"SELECT {_VERDICT} FROM verdicts WHERE run = ? AND superseded = 0 ORDER BY task, agent, repeat, judge",  # noqa: S608 - ours
        (run,),
    )
    return [_verdict(row) for row in rows]


def superseded_verdicts(connection: sqlite3.Connection, run: str) -> list[Verdict]:
    """The verdicts of a run that later ones took the place of, or whose trial was done again; oldest first."""
    rows = connection.execute(
        f"SELECT {_VERDICT} FROM verdicts WHERE run = ? AND superseded = 1 ORDER BY id",  # noqa: S608 - ours
        (run,),
    )
    return [_verdict(row) for row in rows]


def trial_record(connection: sqlite3.Connection, trial: TrialPlan | TrialRecord) -> TrialRecord | None:
    """The current record of one trial; None when there is none."""
    row = connection.execute(
        f"SELECT {_TRIAL} FROM trials"  # noqa: S608 - ours
        " WHERE run = ? AND agent = ? AND task = ? AND repeat = ? AND superseded = 0",
        _key(trial),
    ).fetchone()
    return None if row is None else _trial(row)


def newest_trial(connection: sqlite3.Connection) -> TrialPlan | None:
    """The trial that was stored last, of a run that was carried out here; None: there is none."""
    rows = connection.execute("SELECT id, record FROM runs")
    imported = {str(run) for run, text in rows if readable(text, _Kind, lambda _: _Kind()).imported}
    rows = connection.execute("SELECT run, agent, task, repeat FROM trials WHERE superseded = 0 ORDER BY id DESC")
    found = next((row for row in rows if row[0] not in imported), None)
    return None if found is None else TrialPlan(run=found[0], agent=found[1], task=found[2], repeat=found[3])


def _key(trial: TrialPlan | TrialRecord | Verdict) -> tuple[str, str, str, int]:
    """What a trial is told by, as its record has it: half a character of a name is stored as its escape."""
    return plain(trial.run), plain(trial.agent), plain(trial.task), trial.repeat


def _trial(row: tuple[str, str, str, str, int, str, str]) -> TrialRecord:
    """The trial of a row; where its record cannot be read, one that is "not measured", with the reason."""
    text, run, agent, task, repeat, digest, fingerprint = row

    def unread(reason: str) -> TrialRecord:
        return TrialRecord(
            run=run,
            agent=agent,
            task=task,
            repeat=repeat,
            task_digest=digest,
            agent_fingerprint=fingerprint,
            stop="error",
            failure=Failure(kind="harness", message=reason),
        )

    return readable(text, TrialRecord, unread)


def _verdict(row: tuple[str, str, str, str, int, str]) -> Verdict:
    """The verdict of a row; where its record cannot be read, one without a letter, with the reason."""
    text, run, agent, task, repeat, judge = row

    def unread(reason: str) -> Verdict:
        return Verdict(run=run, agent=agent, task=task, repeat=repeat, judge=judge, letter=None, reason=reason)

    return readable(text, Verdict, unread)


def trial_ids(connection: sqlite3.Connection, run: str, limit: int) -> tuple[str, ...]:
    """The ids of some stored trials of a run."""
    rows = connection.execute(
        "SELECT agent, task, repeat FROM trials WHERE run = ? AND superseded = 0 ORDER BY task, agent, repeat LIMIT ?",
        (run, limit),
    )
    return tuple(f"{run}/{agent}/{task}/{repeat}" for agent, task, repeat in rows)


def spent_usd(connection: sqlite3.Connection, run: str) -> float | None:
    """All known costs of a run, superseded ones too; 0 before there is anything, None where none is known."""
    usd, stored = connection.execute(
        "SELECT sum(cost_usd), count(*) FROM (SELECT cost_usd FROM trials WHERE run = :run"
        " UNION ALL SELECT cost_usd FROM verdicts WHERE run = :run)",
        {"run": run},
    ).fetchone()
    return known_sum([usd]) if stored else 0.0


def known_sum(costs: Iterable[float | None]) -> float | None:
    """The sum of those that are known; None where none is."""
    known = [float(cost) for cost in costs if cost is not None]
    return math.fsum(known) if known else None


class _Kind(msgspec.Struct, frozen=True):
    """What tells an evaluation from a prompt that was handed to one agent, and from figures of others."""

    delegated: bool = False
    imported: bool = False


class _Attempted(msgspec.Struct, frozen=True):
    """What tells an attempt at a trial from another."""

    attempt: str = ""


class _SummedAgent(msgspec.Struct, frozen=True):
    """What a summary needs of an agent."""

    name: str


class _Identified(msgspec.Struct, frozen=True):
    """What a summary needs of a task."""

    id: str


class _Titled(msgspec.Struct, frozen=True):
    """What a summary needs of an evaluation."""

    title: str = ""


class _Outline(msgspec.Struct, frozen=True):
    """What a summary needs of a run; the rest of its record, often large, is skipped while reading."""

    id: str
    created_at: str
    evaluation: _Titled
    tasks: tuple[_Identified, ...]
    agents: tuple[_SummedAgent, ...]
    repeats: dict[str, int]
    rosters: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    added: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    imported: bool = False
    delegated: bool = False


def summaries(connection: sqlite3.Connection) -> tuple[RunSummary, ...]:
    """One line about each run, the one made last first; of one whose record cannot be read, that alone."""
    rows = connection.execute(
        "SELECT runs.record, runs.id, runs.created_at, count(trials.id), count(trials.id) - count(trials.failure)"
        " FROM runs LEFT JOIN trials ON trials.run = runs.id AND trials.superseded = 0"
        " GROUP BY runs.number ORDER BY runs.number DESC"
    ).fetchall()
    return tuple(
        _summary(_outline(text, run, created_at), stored, measured, spent_usd(connection, run))
        for text, run, created_at, stored, measured in rows
    )


def _outline(text: str, run: str, created_at: str) -> _Outline:
    def unread(reason: str) -> _Outline:
        return _Outline(
            id=run, created_at=created_at, evaluation=_Titled(title=f"({reason})"), tasks=(), agents=(), repeats={}
        )

    return readable(text, _Outline, unread)


def summary_of(run: Run) -> RunSummary:
    """One line about a run that is not stored yet."""
    return _summary(_outline(encode(run), run.id, run.created_at), 0, 0, 0.0)


def _summary(run: _Outline, stored: int, measured: int, usd: float | None) -> RunSummary:
    return RunSummary(
        id=run.id,
        created_at=run.created_at,
        title=run.evaluation.title,
        agents=tuple(agent.name for agent in run.agents),
        tasks=tuple(task.id for task in run.tasks),
        planned=sum(run.repeats.get(task.id, 1) * len(run.rosters.get(task.id, run.agents)) for task in run.tasks)
        + sum(more for agents in run.added.values() for more in agents.values()),
        stored=stored,
        measured=measured,
        cost_usd=usd,
        imported=run.imported,
        delegated=run.delegated,
    )
