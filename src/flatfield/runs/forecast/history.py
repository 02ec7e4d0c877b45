"""What past runs in the store say of trials to come: their costs and times, their scores, what judges cost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.scoring.forecast import Past, total
from flatfield.scoring.grading import control_names
from flatfield.scoring.performance import measure, settled
from flatfield.tasks.agents import as_configured, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.records import AgentConfig, LaneLimits, Run, TrialRecord, Usage
    from flatfield.runs.store.store import Store
    from flatfield.scoring.prices.pricing import Prices
    from flatfield.scoring.statistics.power import Scores

RUNS = 20
"""So many of the newest runs that share an agent or a task are read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """With what it is predicted: providers tell lanes and devices; `source` is the folder that plain LOPs copy."""

    pool: ProviderPool
    prices: Prices
    lanes: Mapping[str, LaneLimits]
    source: Path

    def price(self, agent: AgentConfig) -> Callable[[Usage], float | None]:
        """Dollars of one request of the agent."""
        on_device = self.pool.of(agent).on_device(agent)
        return lambda usage: self.prices.usd(agent, usage, on_device)


class History(Struct, frozen=True, kw_only=True):
    """Past trials; from how many runs; each run's scores, controls left out; each judge's dollars per verdict."""

    past: tuple[Past, ...]
    runs: int
    scores: tuple[Scores, ...]
    verdicts: dict[str, list[float | None]]


def read_history(run: Run, judges: Sequence[AgentConfig], store: Store, desk: Desk) -> History:
    """What the newest runs that share an agent or a task show.

    Raises:
        StoreError: the store cannot be read.
    """
    agents, tasks = {agent.name for agent in (*run.agents, *judges)}, {task.id for task in run.tasks}
    alike = (
        summary.id
        for summary in store.runs()
        if not summary.imported and (agents & set(summary.agents) or tasks & set(summary.tasks))
    )
    past: list[Past] = []
    scores: list[Scores] = []
    verdicts: dict[str, list[float | None]] = {}
    runs = tuple(islice(alike, RUNS))
    for each in runs:
        found, trials, said = store.load_run(each), settled(store.trials(each)).trials, store.verdicts(each)
        past += _past(found, trials, desk)
        controls = control_names(found)
        by_agent: dict[str, dict[str, Sequence[float]]] = {}
        for (agent, task), figures in measure(found, trials, said).figures.items():
            if agent not in controls:
                by_agent.setdefault(agent, {})[task] = [each.score for each in figures]
        scores.append(by_agent)
        for verdict in said:
            verdicts.setdefault(verdict.judge, []).append(verdict.cost_usd)
    return History(past=tuple(past), runs=len(runs), scores=tuple(scores), verdicts=verdicts)


def _past(run: Run, trials: Sequence[TrialRecord], desk: Desk) -> Iterator[Past]:
    """The run's measured trials; those that had no price then are priced by what is known now."""
    agents = {agent.name: agent for agent in run.agents}
    for trial in trials:
        agent = agents.get(trial.agent)
        if trial.failure is not None or agent is None:
            continue
        usd = trial.cost_usd
        if usd is None and trial.turns:
            price = desk.price(agent)
            used = [turn.reply.usage for turn in trial.turns]
            usd = total([None if usage is None else price(usage) for usage in used])
        yield Past(
            agent=fingerprint(as_configured(agent, run)) if trial.agent in run.probed else trial.agent_fingerprint,
            model=model_of(agent),
            task=trial.task,
            digest=trial.task_digest,
            usd=usd,
            active_seconds=trial.active_seconds,
            wall_seconds=trial.wall_seconds,
        )


def model_of(agent: AgentConfig) -> str:
    """What tells models apart, whatever their settings: provider, model and address."""
    return f"{agent.provider}:{agent.model}@{agent.base_url or ''}"
