"""The store's SQL: one function for each thing that is written or asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from flatfield.errors import StoreError
from flatfield.records import Run, RunSummary, TrialPlan, TrialRecord, Verdict
from flatfield.runs.store.codec import decode, encode

if TYPE_CHECKING:
    import sqlite3

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
    names = (record.run, record.agent, record.task, record.repeat)
    replaced = connection.execute(
        "UPDATE trials SET superseded = 1 WHERE run = ? AND agent = ? AND task = ? AND repeat = ? AND superseded = 0"
        " AND record <> ? AND (failure IS NOT NULL OR task_digest <> ? OR agent_fingerprint <> ?)",
        (*names, text, record.task_digest, record.agent_fingerprint),
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
    where = "SELECT record FROM trials WHERE run = :run AND agent = :agent AND task = :task AND repeat = :repeat"
    rows = connection.execute(
        f"{where} AND superseded = 0 UNION ALL {where} AND superseded = 1",  # each by an index of its own
        {"run": trial.run, "agent": trial.agent, "task": trial.task, "repeat": trial.repeat},
    )
    return any(decode(text, _Attempted).attempt == trial.attempt for (text,) in rows)


def _insert(connection: sqlite3.Connection, record: TrialRecord, text: str, *, superseded: bool) -> bool:
    failure = record.failure.kind if record.failure else None
    stored = connection.execute(
        "INSERT INTO trials"
        " (run, agent, task, repeat, task_digest, agent_fingerprint, failure, cost_usd, superseded, record)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        (
            *(record.run, record.agent, record.task, record.repeat, record.task_digest, record.agent_fingerprint),
            *(failure, record.cost_usd, superseded, text),
        ),
    ).fetchone()
    return stored is not None


def insert_verdict(connection: sqlite3.Connection, verdict: Verdict) -> None:
    """Store a verdict in the place of an earlier one of the same judge on the same trial."""
    text = encode(verdict)
    key = (verdict.run, verdict.agent, verdict.task, verdict.repeat, verdict.judge)
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
    """All runs' ids, newest first."""
    rows = connection.execute("SELECT id FROM runs ORDER BY created_at DESC, number DESC")
    return tuple(run for (run,) in rows)


def newest_run(connection: sqlite3.Connection) -> str | None:
    """The id of the newest run that is an evaluation; None when there is none.

    Raises:
        msgspec.MsgspecError: a run's record cannot be read.
    """
    rows = connection.execute("SELECT id, record FROM runs ORDER BY created_at DESC, number DESC")
    return next((str(run) for run, text in rows if not decode(text, _Kind).delegated), None)


def run_record(connection: sqlite3.Connection, run: str) -> str:
    """The run's record; the run must exist."""
    (text,) = connection.execute("SELECT record FROM runs WHERE id = ?", (run,)).fetchone()
    return str(text)


def records(connection: sqlite3.Connection, table: Literal["trials", "verdicts"], run: str) -> list[str]:
    """The current records of a run, in a fixed order."""
    order = "task, agent, repeat" + (", judge" if table == "verdicts" else "")
    rows = connection.execute(
        f"SELECT record FROM {table} WHERE run = ? AND superseded = 0 ORDER BY {order}",  # noqa: S608 - all ours
        (run,),
    )
    return [text for (text,) in rows]


def superseded_verdicts(connection: sqlite3.Connection, run: str) -> list[str]:
    """The verdicts of a run that later ones took the place of, or whose trial was done again; oldest first."""
    rows = connection.execute("SELECT record FROM verdicts WHERE run = ? AND superseded = 1 ORDER BY id", (run,))
    return [text for (text,) in rows]


def trial_record(connection: sqlite3.Connection, trial: TrialPlan) -> str | None:
    """The current record of one trial; None when there is none."""
    row = connection.execute(
        "SELECT record FROM trials WHERE run = ? AND agent = ? AND task = ? AND repeat = ? AND superseded = 0",
        (trial.run, trial.agent, trial.task, trial.repeat),
    ).fetchone()
    return row and str(row[0])


def trial_ids(connection: sqlite3.Connection, run: str, limit: int) -> tuple[str, ...]:
    """The ids of some stored trials of a run."""
    rows = connection.execute(
        "SELECT agent, task, repeat FROM trials WHERE run = ? AND superseded = 0 ORDER BY task, agent, repeat LIMIT ?",
        (run, limit),
    )
    return tuple(f"{run}/{agent}/{task}/{repeat}" for agent, task, repeat in rows)


def spent_usd(connection: sqlite3.Connection, run: str) -> float:
    """All known costs of a run, superseded ones too."""
    (usd,) = connection.execute(
        "SELECT (SELECT total(cost_usd) FROM trials WHERE run = :run)"
        " + (SELECT total(cost_usd) FROM verdicts WHERE run = :run)",
        {"run": run},
    ).fetchone()
    return float(usd)


class _Kind(msgspec.Struct, frozen=True):
    """What tells an evaluation from a prompt that was handed to one agent."""

    delegated: bool = False


class _Attempted(msgspec.Struct, frozen=True):
    """What tells an attempt at a trial from another."""

    attempt: str = ""


class _Named(msgspec.Struct, frozen=True):
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
    agents: tuple[_Named, ...]
    repeats: dict[str, int]
    rosters: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    added: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    imported: bool = False
    delegated: bool = False


def summaries(connection: sqlite3.Connection) -> tuple[RunSummary, ...]:
    """One line about each run, newest first.

    Raises:
        msgspec.MsgspecError: a run's record cannot be read.
    """
    rows = connection.execute(
        "SELECT runs.record, count(trials.id), count(trials.id) - count(trials.failure) FROM runs"
        " LEFT JOIN trials ON trials.run = runs.id AND trials.superseded = 0"
        " GROUP BY runs.number ORDER BY runs.created_at DESC, runs.number DESC"
    ).fetchall()
    outlines = ((decode(text, _Outline), stored, measured) for text, stored, measured in rows)
    return tuple(_summary(run, stored, measured, spent_usd(connection, run.id)) for run, stored, measured in outlines)


def summary_of(run: Run) -> RunSummary:
    """One line about a run that is not stored yet.

    Raises:
        msgspec.MsgspecError: its record cannot be read.
    """
    return _summary(decode(encode(run), _Outline), 0, 0, 0.0)


def _summary(run: _Outline, stored: int, measured: int, usd: float) -> RunSummary:
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
