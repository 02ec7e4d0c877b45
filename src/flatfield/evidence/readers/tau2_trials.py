"""`tau2-trials`: what tau2-bench saved of its runs, trial by trial: files of results, or folders that hold such.

One file is one agent on one domain. Of a run that is saved in parts, `results.json` has an index of its trials, and a
folder `simulations` beside it the trials themselves.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.errors import InvalidFiles, NotFound
from flatfield.evidence.readers._trials import (
    ImportedFrom,
    TrialResult,
    digest_of,
    imported,
    json_file,
    without_zeros,
)
from flatfield.records import Gathered
from flatfield.saying import many
from flatfield.tasks.source import did_you_mean, names_in, slug

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from flatfield.records import ImportChoices

SOURCE = "sierra-research/tau2-bench"
PARTS = "simulations"
NOT_MEASURED = frozenset({"infrastructure_error", "context_window_exceeded", "unexpected_error", "user_error"})
"""Endings that the benchmark does not hold against the agent: no outcome came of them, or the customer failed."""


class Reward(Struct, frozen=True, kw_only=True):
    """What a trial was worth, 0 to 1."""

    reward: float | None = None


class Simulation(Struct, frozen=True, kw_only=True):
    """One trial, as far as it is read here; an index has `reward` itself."""

    task_id: str | int
    trial: int | None = None
    duration: float | None = None
    agent_cost: float | None = None
    termination_reason: str | None = None
    reward_info: Reward | None = None
    reward: float | None = None


class Player(Struct, frozen=True, kw_only=True):
    """Who serves, or who is served: a model and what it is told to do with it."""

    llm: str | None = None
    implementation: str = ""
    llm_args: dict[str, object] | None = None


class Domain(Struct, frozen=True, kw_only=True):
    """Which kind of customers the agent serves: the name of the set of tasks, such as `retail`."""

    domain_name: str


class Info(Struct, frozen=True, kw_only=True):
    """What all trials of a file have in common."""

    agent_info: Player
    environment_info: Domain
    user_info: Player = Player()


class Results(Struct, frozen=True, kw_only=True):
    """One file of results: what its trials have in common, and each trial."""

    info: Info
    simulations: tuple[Simulation, ...] = ()
    simulation_index: tuple[Simulation, ...] | None = None

    @property
    def domain(self) -> str:
        """The name of the set of tasks, such as `retail`."""
        return self.info.environment_info.domain_name

    @property
    def agent(self) -> str:
        """The model, and how much it is told to think where that is told."""
        served = self.info.agent_info
        effort = (served.llm_args or {}).get("reasoning_effort")
        return slug(f"{served.llm or served.implementation}{f'-{effort}' if effort else ''}")


def read(path: Path, how: ImportChoices) -> Gathered:
    """A run for each domain, with all agents whose files are there.

    Raises:
        NotFound: there is nothing of this form, or not the domain that is asked for.
        InvalidFiles: one of the files is not of this form.
    """
    files = tuple(_files(path))
    if not files:
        raise NotFound(f"{path} holds no file: name one of results, or a folder such as data/simulations")
    given, others = _given(files, alone=path.is_file())
    if not given:
        raise NotFound(f"{path} has no file of results in it: name one, or a folder such as data/simulations")
    there = dict.fromkeys(one.domain for one in given)
    if how.only and how.only not in there:
        raise NotFound(f"{how.only!r} is not there{did_you_mean(how.only, there)}; there are: {', '.join(there)}")
    runs, notes = [], [f"{many(others, 'other file')} passed over"] if others else []
    for domain in [how.only] if how.only else there:
        results, said = _results([one for one in given if one.domain == domain])
        kept, zeros = without_zeros(results)
        about = ImportedFrom(
            title=how.title or f"tau2-{domain}",
            origin=f"{SOURCE}, trials of {domain}",
            now=how.now,
            digest=digest_of(domain, *results),
            notes=(*said, *zeros),
        )
        runs.append(imported(kept, about))
        notes += [f"{domain}: {note}" for note in (*said, *zeros)]
    return Gathered(runs=tuple(runs), notes=tuple(notes))


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise NotFound(f"there is no {path}{did_you_mean(path.name, names_in(path.parent))}")
    if path.is_file():
        yield path
        return
    yield from (each for each in sorted(path.rglob("*.json")) if PARTS not in each.relative_to(path).parts[:-1])


def _given(files: Sequence[Path], *, alone: bool) -> tuple[list[Results], int]:
    """The results, and how many files of a folder are something else; a file that is named alone has to be one."""
    found, others = [], 0
    for each in files:
        try:
            found.append(_whole(each))
        except InvalidFiles:
            if alone:
                raise
            others += 1
    return found, others


def _whole(path: Path) -> Results:
    """A file with its trials; those of a run that is saved in parts are in its index, else beside it."""
    from msgspec.structs import replace

    found = json_file(path, Results)
    if found.simulations:
        return found
    if found.simulation_index is not None:
        return replace(found, simulations=found.simulation_index)
    parts = sorted((path.parent / PARTS).glob("*.json"))
    return replace(found, simulations=tuple(json_file(each, Simulation) for each in parts))


def _results(given: Sequence[Results]) -> tuple[tuple[TrialResult, ...], tuple[str, ...]]:
    """The trials of one domain, and what is to be said of them; of one agent's several files one after the other."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    results, lost = [], 0
    for one in given:
        for trial in one.simulations:
            task = slug(f"{one.domain}-{trial.task_id}")
            seen[one.agent, task] += 1
            reward = trial.reward if trial.reward_info is None else trial.reward_info.reward
            score = None if trial.termination_reason in NOT_MEASURED else reward
            lost += score is None
            results.append(
                TrialResult(
                    agent=one.agent,
                    model=one.info.agent_info.llm or one.agent,
                    task=task,
                    repeat=seen[one.agent, task],
                    score=None if score is None else min(max(score, 0.0), 1.0),
                    usd=trial.agent_cost,
                    seconds=trial.duration or None,
                )
            )
    customers = sorted({one.info.user_info.llm or "not named" for one in given})
    said = [f"the customer was played by {', '.join(customers)}"]
    if lost:
        said.append(f"{many(lost, 'trial')} without an outcome of the agent's: not measured")
    return tuple(results), tuple(said)
