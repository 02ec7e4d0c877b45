"""What `eval --until-sure` spends, and how often it puts two agents in the wrong order: trials drawn from known truths.

    python -m bench.until_sure [--times N]

Agents pass by performance alone; `even`: all tasks alike; `flat`: each agent's chance on a task is uniform around its
mean; `lost`: some tasks nobody passes. At most 30 repeats. An order counts as wrong where the one that is said to be
ahead is not truly the better on these tasks, equal agents included.
"""

from __future__ import annotations

import argparse
import random

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flatfield.records import AgentConfig, Check, Evaluation, Run, RunResult, Task, TrialRecord, Weights
from flatfield.runs.evaluation.until_sure import MAX_REPEATS, next_step
from flatfield.runs.order import remaining
from flatfield.scoring.certainty.study import study_trials
from flatfield.scoring.grading import GradingTerms, grade_drawn
from flatfield.scoring.looks import order_of

Array = NDArray[np.float64]
NAMES = "abcdefgh"


class Setting(Struct, frozen=True, kw_only=True):
    """One kind of evaluation: how tasks differ, the agents' pass rates, tasks and planned repeats."""

    family: str
    rates: tuple[float, ...]
    tasks: int
    repeats: int


SETTINGS = (
    Setting(family="even", rates=(0.8, 0.5), tasks=8, repeats=3),
    Setting(family="even", rates=(0.6, 0.6), tasks=4, repeats=3),
    Setting(family="flat", rates=(0.6, 0.55), tasks=8, repeats=3),
    Setting(family="flat", rates=(0.8, 0.5), tasks=5, repeats=3),
    Setting(family="flat", rates=(0.7, 0.6), tasks=12, repeats=1),
    Setting(family="flat", rates=(0.5, 0.5, 0.5), tasks=8, repeats=3),
    Setting(family="lost", rates=(0.7, 0.7, 0.5), tasks=10, repeats=3),
    Setting(family="flat", rates=(0.9, 0.8, 0.7, 0.5, 0.2), tasks=6, repeats=2),
)


def chances(setting: Setting, r: np.random.Generator) -> Array:
    """Agents × tasks: the chance to pass."""
    rates = np.asarray(setting.rates)[:, None]
    shape = (len(setting.rates), setting.tasks)
    if setting.family == "even":
        return np.broadcast_to(rates, shape).copy()
    if setting.family == "flat":
        return np.asarray(rates + np.minimum(rates, 1.0 - rates) * r.uniform(-1.0, 1.0, shape))
    lost = 0.4 * (1.0 - rates)
    return np.where(r.random(shape) < lost, 0.02, np.minimum(rates / (1.0 - lost), 0.98))


def a_run(setting: Setting) -> Run:
    """The run before any trial."""
    tasks = tuple(Task(id=f"t{n}", title="t", prompt="p", digest=f"d{n}") for n in range(setting.tasks))
    return Run(
        id="20260101-000000-0000",
        created_at="",
        evaluation=Evaluation(repeats=setting.repeats, weights=Weights(performance=1.0, speed=0.0, cost=0.0)),
        tasks=tasks,
        agents=tuple(AgentConfig(name=name, provider="x") for name in NAMES[: len(setting.rates)]),
        repeats={task.id: setting.repeats for task in tasks},
    )


def play(setting: Setting, chance: Array, seed: int) -> RunResult:
    """All rounds, until nothing is bought any more."""
    run, draw = a_run(setting), random.Random(seed)  # noqa: S311 - a simulation
    done: dict[str, TrialRecord] = {}
    while True:
        for trial in remaining(run, ()).plans:
            if trial.id not in done:
                passed = draw.random() < chance[NAMES.index(trial.agent), int(trial.task[1:])]
                check = Check(verifier="answer", label="l", score=float(passed), reason="r")
                done[trial.id] = TrialRecord(
                    run=trial.run,
                    agent=trial.agent,
                    task=trial.task,
                    repeat=trial.repeat,
                    task_digest="",
                    agent_fingerprint="",
                    stop="answered",
                    checks=(check,),
                    active_seconds=1.0,
                )
        trials = tuple(done.values())
        study = study_trials(run, trials, ())
        grading = grade_drawn(run, trials, (), GradingTerms(), study)
        result = RunResult(run=run, trials=trials, verdicts=(), grading=grading, study=study)
        step = next_step(result, MAX_REPEATS)
        if not step.trials:
            return result
        run = step.run


def main() -> None:
    """Prints one row a setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=60)
    times = parser.parse_args().times
    print("| pass rates | tasks × repeats | trials | wrong orders | mean regret |\n|---|---|---:|---:|---:|")
    for setting in SETTINGS:
        spent = wrong = 0
        lost = 0.0
        for seed in range(times):
            chance = chances(setting, np.random.default_rng(seed))
            result = play(setting, chance, seed)
            true = dict(zip(NAMES, chance.mean(axis=1).tolist(), strict=False))
            order = order_of(result, MAX_REPEATS)
            apart = [pair for pair in order.pairs if pair.standing == "apart"]
            spent += len(result.trials)
            wrong += any(true[pair.first] <= true[pair.second] for pair in apart)
            lost += max(true.values()) - true[order.agents[0]]
        rates = ", ".join(f"{rate:g}" for rate in setting.rates)
        print(
            f"| {setting.family}: {rates} | {setting.tasks} × {setting.repeats} | {spent / times:.0f} |"
            f" {wrong} of {times} | {lost / times:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
