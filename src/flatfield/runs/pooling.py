"""Several runs as one: the trials of the same tasks by the same agents, told by their digests and fingerprints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from flatfield.errors import NotFound
from flatfield.records import Preferences, RunResult, TrialRecord, Verdict
from flatfield.runs.order import how_often
from flatfield.runs.results import graded_run, only, read_run
from flatfield.runs.store.figures import unwatched
from flatfield.saying import few, many
from flatfield.scoring.certainty.study import study_trials
from flatfield.scoring.decision import Answered
from flatfield.scoring.grading import GradingTerms, grade_drawn
from flatfield.scoring.measures.performance import settled
from flatfield.tasks.agents import fingerprint, is_control

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import AgentConfig, Run, Task
    from flatfield.runs.results import RunRead
    from flatfield.runs.store.store import Store

T = TypeVar("T", TrialRecord, Verdict)
MOST_TRIALS = 20_000
"""Older runs are pooled until so many trials are."""
NAMED = 3
"""So many of what is not pooled are named in a sentence."""


class _Pool(Struct, kw_only=True):
    """What is pooled until now: agents by fingerprint, tasks by digest, planned trials by (task, agent), records.

    `changed`: the agents and tasks that are others now, with their runs. `apart`: how many runs have none in common
    with the pool. `full`: it holds as many trials as it may.
    """

    agents: dict[str, AgentConfig]
    tasks: dict[str, Task]
    planned: dict[tuple[str, str], int]
    trials: list[TrialRecord]
    verdicts: list[Verdict]
    runs: list[str]
    changed: list[str]
    apart: int
    full: bool


@unwatched()
def load_pooled(
    store: Store, preferences: Preferences | None = None, *, task: str | None = None, run: str | None = None
) -> RunResult:
    """The newest run (or `run`), with all trials of others that belong to it; it alone where it is imported.

    An older run belongs to it where it has one of the same agents or tasks: told by what they are, not by their names.
    Its trials of an agent or a task that was changed since are left out, which `not_pooled` says; so are imported
    figures and delegated prompts.

    Raises:
        NotFound: there is no run, or no such task or tag in it.
        StoreError: the store cannot be read.
    """
    newest, wanted = read_run(store, run, task=task), preferences or Preferences()
    if newest.run.imported:
        return graded_run(store, newest, wanted)
    pool = _begun(newest)
    for summary in store.runs():
        if summary.id == newest.run.id or summary.imported or summary.delegated or not summary.measured:
            continue
        if len(pool.trials) + summary.stored > MOST_TRIALS:
            pool.full = True
            break
        _add(store, summary.id, task, pool)
    if len(pool.runs) > 1:
        return _graded(newest.run, pool, wanted)
    return replace(graded_run(store, newest, wanted), not_pooled=tuple(_left_out(pool)))


def _begun(newest: RunRead) -> _Pool:
    pool = _Pool(agents={}, tasks={}, planned={}, trials=[], verdicts=[], runs=[], changed=[], apart=0, full=False)
    _take(newest.run, newest.trials, newest.verdicts, pool)
    return pool


def _add(store: Store, run: str, task: str | None, pool: _Pool) -> None:
    """Take in what belongs to the pool of an older run; nothing where it shares no agent and no task with it."""
    older = store.load_run(run)
    try:
        older = older if task is None else only(older, task)
    except NotFound:
        return
    agents = {fingerprint(agent) for agent in older.agents if not is_control(agent)}
    if agents & set(pool.agents) or {one.digest for one in older.tasks} & set(pool.tasks):
        _take(older, settled(store.figures(run)).trials, store.counted_verdicts(older)[0], pool)
    else:
        pool.apart += 1


def _take(run: Run, trials: Sequence[TrialRecord], verdicts: Sequence[Verdict], pool: _Pool) -> None:
    """Take in a run's trials, under the names that the pool has for its agents and tasks."""
    names, ids = _names(run, pool), _ids(run, pool)
    before = dict(pool.planned)
    for (task, agent), count in how_often(run).items():
        if agent in names and task in ids:
            key = (ids[task], names[agent])
            pool.planned[key] = pool.planned.get(key, 0) + count
    pool.runs.append(run.id)
    pool.trials += [_moved(one, names, ids, before) for one in trials if one.agent in names and one.task in ids]
    pool.verdicts += [_moved(one, names, ids, before) for one in verdicts if one.agent in names and one.task in ids]


def _moved(one: T, names: dict[str, str], ids: dict[str, str], before: dict[tuple[str, str], int]) -> T:
    """The record under the pool's names, its repeat behind those that were there before."""
    agent, task = names[one.agent], ids[one.task]
    return replace(one, agent=agent, task=task, repeat=one.repeat + before.get((task, agent), 0))


def _names(run: Run, pool: _Pool) -> dict[str, str]:
    """By a run's own name of an agent the pool's; without those whose name another agent has there."""
    found = {}
    for agent in run.agents:
        known = pool.agents.get(fingerprint(agent))
        if known is None and any(one.name == agent.name for one in pool.agents.values()):
            pool.changed.append(f"{agent.name} of run {run.id}")
            continue
        pool.agents.setdefault(fingerprint(agent), agent)
        found[agent.name] = known.name if known else agent.name
    return found


def _ids(run: Run, pool: _Pool) -> dict[str, str]:
    """By a run's own id of a task the pool's; without those whose id another task has there."""
    found = {}
    for task in run.tasks:
        known = pool.tasks.get(task.digest)
        if known is None and any(one.id == task.id for one in pool.tasks.values()):
            pool.changed.append(f"{task.id} of run {run.id}")
            continue
        pool.tasks.setdefault(task.digest, task)
        found[task.id] = known.id if known else task.id
    return found


def _graded(newest: Run, pool: _Pool, wanted: Preferences) -> RunResult:
    """The pool as one run, under the newest one's name."""
    added: dict[str, dict[str, int]] = {}
    for (task, agent), count in pool.planned.items():
        added.setdefault(task, {})[agent] = count
    agents = tuple(pool.agents.values())
    run = replace(
        newest,
        agents=agents,
        tasks=tuple(pool.tasks.values()),
        repeats=dict.fromkeys(added, 0),
        added=added,
        rosters={task: tuple(doing) for task, doing in added.items()},
        controls=tuple(agent.name for agent in agents if is_control(agent)),
        anchors=(),
    )
    trials, verdicts = tuple(pool.trials), tuple(pool.verdicts)
    study = study_trials(run, trials, verdicts)
    return RunResult(
        run=run,
        trials=trials,
        verdicts=verdicts,
        grading=grade_drawn(run, trials, verdicts, GradingTerms(weights=wanted.weights), study),
        study=study,
        answered=Answered(),
        preferences=wanted,
        pooled=tuple(pool.runs[1:]),
        not_pooled=tuple(_left_out(pool)),
        read_at=datetime.now(UTC).isoformat(),
    )


def _left_out(pool: _Pool) -> Iterator[str]:
    if pool.changed:
        yield f"Not counted, for it has changed since: {few(pool.changed, NAMED)}."
    if pool.apart:
        yield f"Not counted, for no agent and no task is the same: {many(pool.apart, 'other run')}."
    if pool.full:
        yield f"Runs older than {pool.runs[-1]} are not counted: these have {len(pool.trials):,} trials."
