"""Decides which trials a run consists of, in which order, and which of them are still to be done."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.errors import InvalidFiles, NotFound
from flatfield.records import Failure, Mistake, TrialPlan, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime
    from random import Random

    from flatfield.records import Evaluation, Run, Task


# Names runs and trials: `YYYYMMDD-HHMMSS-xxxx` and `RUN/agent/task/repeat`.


def new_run_id(now: datetime, random: Random) -> str:
    """`YYYYMMDD-HHMMSS-xxxx` from a moment in UTC and 16 random bits, in hexadecimal digits.

    The random part keeps runs that start in the same second apart; ids sort by time.
    """
    return f"{now:%Y%m%d-%H%M%S}-{random.getrandbits(16):04x}"


NEWEST = frozenset({"last", "newest", "latest"})
"""Words that mean the newest run, or the trial that was stored last, wherever one is named."""


def parse_trial_id(text: str) -> TrialPlan:
    """The trial that `RUN/agent/task/repeat` names; agent and task may hold anything but "/".

    Raises:
        NotFound: it is not written like a trial's id.
    """
    run, agent, task, repeat = (text.split("/") + [""] * 4)[:4]
    if text.count("/") != 3 or not (run and agent and task and repeat.isascii() and repeat.isdigit()):
        raise NotFound(f"{text!r} is not a trial's id: write RUN/agent/task/repeat, as `flatfield report` shows it")
    return TrialPlan(run=run, agent=agent, task=task, repeat=int(repeat))


class Remaining(Struct, frozen=True, kw_only=True):
    """What is still to be done of a run: in the plan's order, and why, in sentences."""

    plans: tuple[TrialPlan, ...]
    done: int
    notes: tuple[str, ...] = ()


def repeats(tasks: Sequence[Task], evaluation: Evaluation | None, asked: int | None = None) -> dict[str, int]:
    """How often each task is done: as `asked` on the command line, else as the LOP says, else the HOP, else once."""
    default = (evaluation.repeats if evaluation else None) or 1
    return {task.id: asked or task.repeats or default for task in tasks}


def roster(run: Run, task: str) -> tuple[str, ...]:
    """The names of the agents that a task is done by: its own roster, else all that take part in the run."""
    return run.rosters.get(task, tuple(agent.name for agent in run.agents))


def plan(run: Run) -> tuple[TrialPlan, ...]:
    """All trials of a run: each task × its roster × its repeats, in an order shuffled by the evaluation's seed.

    Repeats come one after the other, and each holds every agent once on every task of its own: a run that ends early
    has tried all of them equally often. Within a repeat, (task, agent) pairs sorted by name are sorted again by numbers
    drawn in this order from one `random.Random(seed).random()`, the generator that Python keeps the same for ever. So
    the order depends on names, repeats and seed alone, not on the order in which files were given.

    Raises:
        InvalidFiles: ids would not tell trials apart: a name twice, an empty one, or one with "/".
    """
    mistakes = tuple(_name_mistakes(run))
    if mistakes:
        raise InvalidFiles(mistakes)
    draw = random.Random(run.evaluation.seed)  # noqa: S311 - shuffles, keeps no secrets
    often = how_often(run)
    pairs = sorted(often)
    return tuple(
        TrialPlan(run=run.id, agent=agent, task=task, repeat=repeat)
        for repeat in range(1, max(often.values(), default=0) + 1)
        for task, agent in sorted(pairs, key=lambda _: draw.random())
        if repeat <= often[task, agent]
    )


def how_often(run: Run) -> dict[tuple[str, str], int]:
    """The repeats of each (task, agent): the task's, and those that were added because the order was not settled."""
    planned = {task: run.repeats.get(task, n) for task, n in repeats(run.tasks, run.evaluation).items()}
    return {
        (task.id, agent): planned[task.id] + run.added_to(task.id, agent)
        for task in run.tasks
        for agent in roster(run, task.id)
    }


def remaining(run: Run, stored: Sequence[TrialRecord], only: Collection[str] = ()) -> Remaining:
    """What is missing of a run: not stored, stored as "not measured", or done with another task or agent.

    Trials that failed, whatever the reason, are done again: an interrupted one was not finished, and for a missing
    key, a server or sandbox that was down, the user will have done something. A task or an agent that has changed
    since is told by its digest or fingerprint, and all its trials are done again, as the answers to two versions of a
    question cannot be compared. With `only`, trials of other agents than these are no part of the answer.

    Raises:
        InvalidFiles: as for `plan`.
    """
    digests, fingerprints = _keys(run)
    found = {record.id: record for record in stored}
    trials = [trial for trial in plan(run) if not only or trial.agent in only]
    missing: list[TrialPlan] = []
    why: Counter[str] = Counter()
    for trial in trials:
        record = found.get(trial.id)
        if record is None:
            missing.append(trial)
            continue
        if record.task_digest != digests[trial.task]:
            reason = f"task {trial.task} has changed"
        elif record.agent_fingerprint != fingerprints[trial.agent]:
            reason = f"agent {trial.agent} has changed"
        elif record.failure is not None:
            reason = f"not measured before ({record.failure.kind})"
        else:
            continue
        missing.append(trial)
        why[reason] += 1
    notes = tuple(f"{reason}: {_count(n)} done again" for reason, n in sorted(why.items()))
    return Remaining(plans=tuple(missing), done=len(trials) - len(missing), notes=notes)


def unmeasured(run: Run, trial: TrialPlan, failure: Failure) -> TrialRecord:
    """The record of a trial that could not be done at all."""
    digests, fingerprints = _keys(run)
    return TrialRecord(
        run=trial.run,
        agent=trial.agent,
        task=trial.task,
        repeat=trial.repeat,
        task_digest=digests[trial.task],
        agent_fingerprint=fingerprints[trial.agent],
        stop="error",
        failure=failure,
    )


def _keys(run: Run) -> tuple[dict[str, str], dict[str, str]]:
    from flatfield.tasks.agents import fingerprint

    return {task.id: task.digest for task in run.tasks}, {agent.name: fingerprint(agent) for agent in run.agents}


def _count(trials: int) -> str:
    return "1 trial is" if trials == 1 else f"{trials} trials are"


def _name_mistakes(run: Run) -> Iterator[Mistake]:
    tasks = [("task", task.id, task.path) for task in run.tasks]
    agents = [("agent", agent.name, agent.source) for agent in run.agents]
    for named in (tasks, agents):
        counts = Counter(name for _, name, _ in named)
        for kind, name, path in named:
            where = path or f"{kind} {name!r}"
            if not name or "/" in name:
                fix = f"name the {kind} without it: trials are named RUN/agent/task/repeat"
                yield Mistake(path=where, line=1, problem=f'{kind} name {name!r} is empty or holds "/"', fix=fix)
            elif counts[name] > 1:
                fix = f"give each {kind} a name of its own"
                yield Mistake(path=where, line=1, problem=f"{counts[name]} {kind}s are named {name!r}", fix=fix)
