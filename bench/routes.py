"""What single models, cascades and `auto` come to on trials that others published: quality, dollars and seconds.

    python -m bench.routes FOLDER [--benchmark swe-bench] [--folds 3]

The folder holds `openhands_index_trials.csv` and `openhands_index_scores.csv`, as `bench/evidence_table.py` takes them.
Models of one scaffold, OpenHands, are compared, on the tasks of which each one's outcome and price are known. Seconds
are each model's mean on the benchmark, as single ones are not told. Cascades are composed by a perfect check, which
nobody has: an upper bound. `auto` chooses for a repository by the tasks of the other folds alone, and so does the best
single agent that stands beside it.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.evidence.readers import _trials
from flatfield.records import AgentConfig, Preferences, RunResult
from flatfield.runs.routes.auto import choose
from flatfield.runs.routes.composing import compose
from flatfield.saying import dollars, seconds
from flatfield.scoring.grading import grade
from flatfield.scoring.measures.scales import mean
from flatfield.tasks.source import slug

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import TrialRecord

SCAFFOLD = "openhands"
POLICIES = ("best", "cheap")
SHOWN = 6
WORTH = (1.0, 5.0, 50.0)
"""What a solved task may be worth, in dollars: cascades are looked for at each."""


class Line(Struct, frozen=True, kw_only=True):
    """What somebody came to: the share that was solved, and dollars and seconds of a task."""

    who: str
    solved: float
    usd: float
    seconds: float


def rows(path: Path, benchmark: str) -> Iterator[dict[str, str]]:
    """The rows of one benchmark in the one scaffold."""
    with path.open(encoding="utf-8", newline="") as stream:
        yield from (row for row in csv.DictReader(stream) if (row["agent"], row["benchmark"]) == (SCAFFOLD, benchmark))


def read(folder: Path, benchmark: str) -> RunResult:
    """The trials of models whose prices can be believed, on the tasks that all of them have with a price."""
    scores = {row["model"]: row for row in rows(folder / "openhands_index_scores.csv", benchmark)}
    outcomes: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for row in rows(folder / "openhands_index_trials.csv", benchmark):
        if row["model"] in scores and float(row["cost_usd"] or 0.0) > 0.0 and row["resolved"]:
            outcomes[row["model"]][row["instance_id"]] = float(row["resolved"]), float(row["cost_usd"])
    most = max(map(len, outcomes.values()))
    kept = {
        model: each
        for model, each in outcomes.items()
        if len(each) > 0.98 * most
        and scores[model]["average_runtime_s"]
        and _trials.known_mean([usd for _, usd in each.values()], float(scores[model]["cost_per_instance_usd"]))[0]
    }
    tasks = sorted(set.intersection(*(set(each) for each in kept.values())))
    results = [
        _trials.TrialResult(
            agent=slug(model),
            model=model,
            task=slug(task),
            score=each[task][0],
            usd=each[task][1],
            seconds=float(scores[model]["average_runtime_s"]),
        )
        for model, each in kept.items()
        for task in tasks
    ]
    now = datetime.now(UTC).isoformat()
    found = _trials.imported(
        results, _trials.ImportedFrom(title=benchmark, origin=benchmark, now=now, digest=_trials.digest_of(benchmark))
    )
    tagged = tuple(structs.replace(task, tags=(task.id.rpartition("-")[0],)) for task in found.run.tasks)
    run = structs.replace(found.run, tasks=tagged)
    return RunResult(run=run, trials=found.trials, verdicts=(), grading=grade(run, found.trials, ()))


def of_trials(who: str, trials: Sequence[TrialRecord]) -> Line:
    """The means of trials."""
    return Line(
        who=who,
        solved=mean([trial.checks[0].score or 0.0 for trial in trials]),
        usd=mean([trial.cost_usd or 0.0 for trial in trials]),
        seconds=mean([trial.active_seconds for trial in trials]),
    )


def singles(result: RunResult) -> list[Line]:
    """Each model, the best first."""
    by_agent: dict[str, list[TrialRecord]] = defaultdict(list)
    for trial in result.trials:
        by_agent[trial.agent].append(trial)
    return sorted((of_trials(agent, trials) for agent, trials in by_agent.items()), key=lambda line: -line.solved)


def cascades(result: RunResult) -> Iterator[Line]:
    """The best cascades at each worth of a solved task, each once."""
    seen = set()
    for worth in WORTH:
        asked = structs.replace(result, preferences=Preferences(solved_usd=worth))
        for one in compose(asked).cascades[:2]:
            if one.name not in seen:
                seen.add(one.name)
                yield Line(who=one.name, solved=one.solved, usd=one.usd or 0.0, seconds=one.seconds or 0.0)


def as_good(result: RunResult, alone: Sequence[Line]) -> Iterator[tuple[Line, Line]]:
    """Of each of these single models the cheapest pair that solves as much as it does, by a perfect check."""
    cells: dict[str, list[TrialRecord]] = defaultdict(list)
    for trial in sorted(result.trials, key=lambda trial: trial.task):
        cells[trial.agent].append(trial)
    pairs = [pair(cells[first], cells[last]) for first, last in permutations(cells, 2)]
    for one in alone:
        yield one, min((each for each in pairs if each.solved >= one.solved), key=lambda each: each.usd)


def pair(first: Sequence[TrialRecord], last: Sequence[TrialRecord]) -> Line:
    """Two steps: on each task the first one's trial, and where it solved nothing, the last one's too."""
    solved, usd, took = 0.0, 0.0, 0.0
    for one, other in zip(first, last, strict=True):
        passed = one.checks[0].score or 0.0
        solved += passed or other.checks[0].score or 0.0
        usd += (one.cost_usd or 0.0) + (1.0 - passed) * (other.cost_usd or 0.0)
        took += one.active_seconds + (1.0 - passed) * other.active_seconds
    who = f"{first[0].agent} → {last[0].agent}"
    return Line(who=who, solved=solved / len(first), usd=usd / len(first), seconds=took / len(first))


def show_as_good(found: Iterator[tuple[Line, Line]]) -> None:
    """A table in Markdown: what it takes to solve as much as each of the best."""
    print("\n| as good as | the cheapest pair | solved | of its price | of its time |\n|---|---|---|---|---|")
    for one, other in found:
        shares = f"{other.usd / one.usd:.2f} | {other.seconds / one.seconds:.1f}"
        print(f"| {one.who} | {other.who} | {other.solved:.1%} | {shares} |", flush=True)


def routed(result: RunResult, policy: str, folds: int) -> tuple[Line, Line]:
    """`auto`, and the best single agent chosen the same way."""
    route = AgentConfig(name=f"auto:{policy}", provider="auto", route=policy, steps=result.run.agents)
    fold = {task.id: number % folds for number, task in enumerate(result.run.tasks)}
    cells = {(trial.agent, trial.task): trial for trial in result.trials}
    own, theirs = [], []
    for one in range(folds):
        others = tuple(trial for trial in result.trials if fold[trial.task] != one)
        known = structs.replace(result, trials=others)
        choices = {}
        for task in (each for each in result.run.tasks if fold[each.id] == one):
            if task.tags not in choices:  # of a repository, what is known is the same for each task of a fold
                choices[task.tags] = choose(route, task, known)
            own.append(cells[choices[task.tags].order[0].name, task.id])
            theirs.append(cells[choices[task.tags].single, task.id])
    return of_trials(route.name, own), of_trials(f"the best single one by the others ({policy})", theirs)


def show(title: str, lines: Sequence[Line]) -> None:
    """A table in Markdown."""
    print(f"\n| {title} | solved | $ a task | seconds a task |\n|---|---|---|---|")
    for line in lines:
        print(f"| {line.who} | {line.solved:.1%} | {dollars(line.usd)} | {seconds(line.seconds)} |", flush=True)


def main() -> None:
    """Read the trials, and say what each way comes to."""
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("folder", type=Path)
    wanted.add_argument("--benchmark", default="swe-bench")
    wanted.add_argument("--folds", type=int, default=3)
    given = wanted.parse_args()
    result = read(given.folder, given.benchmark)
    alone = singles(result)
    print(f"{given.benchmark}: {len(result.run.tasks)} tasks, {len(alone)} models in {SCAFFOLD}")
    cheap = sorted(alone, key=lambda line: line.usd)[: SHOWN // 2]
    show("single model", [*alone[:SHOWN], *(line for line in cheap if line not in alone[:SHOWN])])
    show_as_good(as_good(result, alone[:SHOWN]))
    show("cascade, by a perfect check", list(cascades(result)))
    for policy in POLICIES:
        show(f"by the kind of task (`{policy}`)", routed(result, policy, given.folds))


if __name__ == "__main__":
    main()
