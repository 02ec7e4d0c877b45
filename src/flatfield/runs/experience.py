"""What this project's own trials say of an agent: how well it did, and at what."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.runs.verdicts.panel import counted_verdicts
from flatfield.scoring.performance import measure, settled
from flatfield.scoring.scales import mean
from flatfield.tasks.agents import is_same

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import AgentConfig, Run
    from flatfield.runs.store.store import Store

TRIALS = 2000
"""So many trials of the newest runs are read at most, and those of the newest in any case."""


class Experience(Struct, frozen=True, kw_only=True):
    """An agent's mean performance (0..1) over so many measured trials, and by the tags of their tasks, best first."""

    performance: float
    trials: int
    tags: tuple[tuple[str, float], ...] = ()


def experience(store: Store, roster: Sequence[AgentConfig]) -> dict[str, Experience]:
    """What there is to say of agents as they are configured now, by name; imported figures are none of ours.

    Raises:
        StoreError: the store cannot be read.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    tagged: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in _newest(store, {agent.name for agent in roster}):
        found = store.load_run(run)
        tags = {task.id: task.tags for task in found.tasks}
        same = _same(found, roster)
        trials = settled(store.trials(run)).trials
        for (agent, task), figures in measure(found, trials, counted_verdicts(store, found)[0]).figures.items():
            if agent not in same:
                continue
            each = [one.score for one in figures]
            scores[agent] += each
            for tag in tags.get(task, ()):
                tagged[agent][tag] += each
    return {
        agent: Experience(performance=mean(each), trials=len(each), tags=_best_first(tagged[agent]))
        for agent, each in scores.items()
        if each
    }


def _newest(store: Store, names: set[str]) -> Iterator[str]:
    read = 0
    for summary in store.runs():
        if summary.imported or summary.delegated or not summary.measured or not names & set(summary.agents):
            continue
        if read and read + summary.stored > TRIALS:
            return
        read += summary.stored
        yield summary.id


def _same(run: Run, roster: Sequence[AgentConfig]) -> set[str]:
    """The names of the run's agents that are configured now as they were then."""
    now = {agent.name: agent for agent in roster}
    return {agent.name for agent in run.agents if agent.name in now and is_same(now[agent.name], agent, run)}


def _best_first(tags: dict[str, list[float]]) -> tuple[tuple[str, float], ...]:
    means = ((tag, mean(each)) for tag, each in tags.items())
    return tuple(sorted(means, key=lambda one: (-one[1], -len(tags[one[0]]), one[0])))
