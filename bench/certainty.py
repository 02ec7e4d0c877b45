"""Whether what `scoring.certainty` says is so: coverage, P(best), regret, wrong orders and power.

    python -m bench.certainty [--part coverage|fresh|power|real] [--times N] [--seed N] [--quick]
                              [--jobs N] [--keep FOLDER] [--evidence FOLDER] [--write docs/grades.md]

`coverage`: evaluations of many settings, made up from truths that are not the posterior's own (bench/simulated.py).
The posterior's few prior figures were chosen with these settings in view. So `fresh` draws others by a seed: from the
same ranges, and of a family of truths more. `power`: how often two agents are told apart, beside a permutation test;
and how often two that are alike are. `real`: from some tasks of a published benchmark to the rest. There the truth is
what the agent did on all the other tasks, once each: so what is said of tasks like these gets the chance added that
lies in just those (`of_a_rest`).

What was simulated is kept in `--keep`, setting by setting, as long as neither the posterior nor the truths change.
`--write` puts the tables in the place of those that the page has.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

import flatfield.scoring.certainty
from bench import certainty_tables as tables
from bench.simulated import DRAWS, FAMILIES, Setting, Tally, Truth, World, simulate, table_of, trials
from flatfield.scoring.certainty.posterior import posterior_of
from flatfield.scoring.certainty.utility import TIE
from flatfield.scoring.certainty.values import APART

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flatfield.scoring.certainty.table import SumTable

Array = NDArray[np.float64]
AMONG = 8
"""Of so many published agents, drawn at random, one is picked."""
SEED = 0
FRESH_SEED = 20261130
FRESH = 42
"""So many settings are drawn."""
DRAWN_BY = ("amounts", "chance", "group", "posterior", "rates", "table", "utility")
"""The modules that draws come from, and what is asked of them here."""
SHAPES = ((5, 5), (3, 10), (10, 3), (25, 2), (25, 5))
"""Tasks and repeats of two agents that differ."""
ALIKE = (
    ("even", 0.5),
    ("even", 0.7),
    ("even", 0.9),
    ("probit", 0.7),
    ("lost", 0.9),
    ("flat", 0.6),
    ("graded", 0.6),
)
ALIKE_SHAPES = ((3, 2), (3, 5), (5, 3), (5, 5), (8, 3), (12, 2), (12, 5))
"""Tasks and repeats of two agents that are equal."""
ALIKE_DRAWS = 4000
"""As many as the product makes: what is asked for lies far out."""


def settings(*, quick: bool) -> list[Setting]:
    """Families × tasks × repeats, the number of agents, missing cells and unequal repeats going round."""
    found = []
    rounds = 0
    for family in FAMILIES:
        for tasks in (3, 10) if quick else (3, 5, 10, 25):
            for repeats in (1, 5) if quick else (1, 3, 10):
                agents = (2, 4, 9, 3)[rounds % 4]
                rounds += 1
                found.append(Setting(family=family, agents=agents, tasks=tasks, repeats=repeats))
                if repeats != 1:
                    continue
                found.append(Setting(family=family, agents=5, tasks=tasks, repeats=2, missing=0.25))
                found.append(Setting(family=family, agents=4, tasks=tasks, repeats=2, unequal=True))
    return found


def fresh(seed: int, count: int) -> list[Setting]:
    """Settings drawn from the ranges that the others go through, and of one family of truths more."""
    r = np.random.default_rng(seed)
    found: list[Setting] = []
    while len(found) < count:
        agents, tasks, repeats = int(r.integers(2, 10)), int(r.integers(3, 26)), int(r.integers(1, 11))
        missing, unequal = round(float(r.uniform(0.05, 0.4)), 2) if r.random() < 0.3 else 0.0, bool(r.random() < 0.3)
        family = (*FAMILIES, "skills")[len(found) % 6]
        made = Setting(family=family, agents=agents, tasks=tasks, repeats=repeats, missing=missing, unequal=unequal)
        if made not in found:
            found.append(made)
    return found


def groups(some: Sequence[Setting]) -> Iterator[tuple[str, Callable[[Setting], bool]]]:
    """The rows of a table of coverage."""
    for family in dict.fromkeys(one.family for one in some):
        yield f"`{family}`", lambda one, family=family: one.family == family  # type: ignore[misc]
    for low, high, name in (
        (3, 4, "3 or 4 tasks"),
        (5, 9, "5 to 9 tasks"),
        (10, 14, "10 to 14 tasks"),
        (15, 25, "15 to 25 tasks"),
    ):
        yield name, lambda one, low=low, high=high: low <= one.tasks <= high  # type: ignore[misc]
    yield "cells missing", lambda one: one.missing > 0.0
    yield "unequal repeats", lambda one: one.unequal
    yield "mean of all settings", lambda _: True


def all_simulated(some: Sequence[Setting], times: int, seed: int, jobs: int, keep: Path | None) -> list[Tally]:
    """What was counted in so many evaluations of each setting: that which is kept, or anew."""
    sources = _sources()
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [
            pool.submit(
                _simulated, one, times, seed + number, keep and keep / _name(sources, one, times, seed + number)
            )
            for number, one in enumerate(some)
        ]
        found = []
        for one in waiting:
            found.append(one.result())
            print(f"{len(found)} of {len(some)}: {found[-1].setting.name}", file=sys.stderr, flush=True)
    return found


def _simulated(setting: Setting, times: int, seed: int, path: Path | None) -> Tally:
    if path is not None and path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Tally)
    found = simulate(setting, times, seed)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(found))
    return found


def _name(sources: bytes, setting: Setting, times: int, seed: int) -> str:
    """The file in which such simulations are kept."""
    asked = msgspec.json.encode((setting, times, seed))
    return f"{hashlib.sha256(sources + asked).hexdigest()[:16]}.json"


def _sources() -> bytes:
    """What decides the outcome of a simulation."""
    posterior = Path(flatfield.scoring.certainty.__file__).parent
    files = [posterior / f"{name}.py" for name in DRAWN_BY]
    files += [posterior.parent / "scales.py", Path(__file__).parent / "simulated.py"]
    return b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)


def blocks_of(part: str, tallies: Sequence[Tally]) -> dict[str, str]:
    """The tables of simulated evaluations, by the marks of the page."""
    rows = groups([tally.setting for tally in tallies])
    return {
        part: f"Simulated: {tables.simulations(tallies)}.\n\n{tables.coverage(tallies, rows)}",
        f"{part}, best": tables.best(tallies),
        f"{part}, apart": tables.apart(tallies),
        f"{part}, regret": tables.regrets(tallies),
        f"{part}, every setting": tables.every(tallies),
    }


# ---------------------------------------------------------------------------- power


def power(times: int) -> str:
    """How often two agents that differ are told apart on these tasks, beside a permutation test within tasks."""
    lines = ["| truth | tasks × repeats | apart | permutation test | ratio |", "|---|---|---:|---:|---:|"]
    for family, rates in (("even", (0.8, 0.5)), ("probit", (0.8, 0.5)), ("lost", (0.9, 0.6)), ("flat", (0.6, 0.4))):
        for tasks, repeats in SHAPES:
            setting = Setting(family=family, agents=2, tasks=tasks, repeats=repeats)
            ours = theirs = 0
            for turn in range(times):
                r = np.random.default_rng([7, turn])
                table = table_of(trials(setting, World(setting, r, np.asarray(rates)).tasks(tasks), r), 2, tasks)
                ours += _told_apart(table, turn)
                theirs += permutation(table, r) <= 0.05
            lines.append(
                f"| {family} {rates[0]:g} / {rates[1]:g} | {tasks} × {repeats} | {ours / times:.1%} |"
                f" {theirs / times:.1%} | {ours / max(theirs, 1):.2f} |"
            )
    return "\n".join(lines)


def alike(times: int) -> str:
    """How often two agents with the very same chance on every task are told apart on these tasks: always wrongly."""
    heads = [f"{tasks} × {repeats}" for tasks, repeats in ALIKE_SHAPES]
    lines = [f"| both pass | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    for family, rate in ALIKE:
        row = []
        for tasks, repeats in ALIKE_SHAPES:
            setting = Setting(family=family, agents=2, tasks=tasks, repeats=repeats)
            wrong = 0
            for turn in range(times):
                r = np.random.default_rng([13, turn])
                one = World(setting, r, np.asarray([rate, rate])).tasks(tasks)
                both = Truth(chance=one.chance[[0, 0]], seconds=one.seconds, usd=one.usd)
                wrong += _told_apart(table_of(trials(setting, both, r), 2, tasks), turn, ALIKE_DRAWS)
            row.append(f"{wrong / times:.1%}")
        lines.append(f"| {family} {rate:g} | {' | '.join(row)} |")
    return "\n".join([*lines, "", f"{times} simulations each."])


def _told_apart(table: SumTable, seed: int, draws: int = DRAWS) -> bool:
    means = posterior_of(table, draws=draws, seed=seed).these.performance
    low, high = np.percentile(means[:, 0] - means[:, 1], [100.0 * (1.0 - APART), 100.0 * APART])
    return bool(low > 0.0 or high < 0.0)


def permutation(table: SumTable, r: np.random.Generator, draws: int = 999) -> float:
    """The two-sided p-value of the difference of two agents' passes, trials exchanged within tasks."""
    n = table.score.count.astype(int)
    passed = np.rint(table.score.count * table.score.mean).astype(int)
    both = passed.sum(axis=0)
    again = r.hypergeometric(both, n.sum(axis=0) - both, n[0], size=(draws, n.shape[1]))
    expected = both * n[0] / n.sum(axis=0)
    off = np.abs(((again - expected) / n[0]).sum(axis=1))
    seen = abs(float(((passed[0] - expected) / n[0]).sum()))
    return float((1 + (off >= seen - 1e-9).sum()) / (1 + draws))


# ---------------------------------------------------------------------------- real data


def real(folder: Path, times: int) -> str:
    """From some tasks of a published benchmark to the rest of them, of which there have to be many to be the truth."""
    lines = [
        "| benchmark | tasks | interval holds | said best (.7-.9): true | regret | of the highest mean | off ± 2 se |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    said: list[tuple[float, bool]] = []
    for benchmark in ("swe-bench", "swt-bench", "gaia"):
        solved, usd = read_trials(folder / "openhands_index_trials.csv", benchmark)
        for count in (10, 25, 50):
            if solved.shape[1] >= 3 * count:
                row, more = _real(benchmark, solved, usd, count, times)
                lines.append(row)
                said += more
                print(row, file=sys.stderr, flush=True)
    sure = np.asarray([one for one in said if 0.7 <= one[0] < 0.9], dtype=float)
    told = (
        f"Of {len(sure)} said with 0.7 to 0.9 ({sure[:, 0].mean():.2f} on average) {sure[:, 1].mean():.2f} were true."
    )
    return "\n".join([*lines, "", f"{times} draws of tasks each. {told}"])


def _real(benchmark: str, solved: Array, usd: Array, count: int, times: int) -> tuple[str, list[tuple[float, bool]]]:
    held: list[float] = []
    regrets: list[tuple[float, float]] = []
    said: list[tuple[float, bool]] = []
    for turn in range(times):
        r = np.random.default_rng([11, count, turn])
        chosen = r.permutation(solved.shape[1])
        mine, rest = chosen[:count], chosen[count:]
        able = np.flatnonzero((~np.isnan(solved[:, mine])).any(axis=1) & (~np.isnan(solved[:, rest])).any(axis=1))
        some = r.choice(able, size=AMONG, replace=False)
        seen = solved[np.ix_(some, mine)]
        known = ~np.isnan(seen)
        a, t = np.nonzero(known)
        passed, dollars = seen[a, t], usd[np.ix_(some, mine)][a, t]
        values = np.stack([passed, passed, np.full(len(a), 60.0), np.full(len(a), 60.0), dollars], axis=1)
        table = table_of((a, t, values), AMONG, count)
        means = posterior_of(table, draws=DRAWS, seed=turn).next.performance
        raw = np.where(known, seen, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        pick = means.mean(axis=0).argmax()
        means = means + of_a_rest(np.where(known, seen - raw[:, None], 0.0), len(rest), r)
        true = np.nanmean(solved[np.ix_(some, rest)], axis=1)
        low, high = np.percentile(means, [2.5, 97.5], axis=0)
        held.extend(((low <= true) & (true <= high)).tolist())
        regrets.append((float(true.max() - true[pick]), float(true.max() - true[raw.argmax()])))
        best = (means >= means.max(axis=1, keepdims=True) - TIE).mean(axis=0)
        said.extend(zip(best.tolist(), (true >= true.max() - TIE).tolist(), strict=True))
    both = np.asarray(said, dtype=float)
    sure = both[(both[:, 0] >= 0.7) & (both[:, 0] < 0.9)]
    values = np.asarray(regrets)
    off = values[:, 0] - values[:, 1]
    told = f"{sure[:, 0].mean():.0%}: {sure[:, 1].mean():.0%} of {len(sure)}" if len(sure) else "never"
    return (
        f"| {benchmark} | {count} | {np.mean(held):.1%} | {told} |"
        f" {values[:, 0].mean():.4f} | {values[:, 1].mean():.4f} |"
        f" {off.mean():+.4f} ± {2.0 * off.std() / np.sqrt(len(off)):.4f} |"
    ), said


def of_a_rest(off: Array, size: int, r: np.random.Generator) -> Array:
    """Draws × agents: how a mean over so many tasks misses the one over all tasks like them.

    `off`: agents × tasks, deviations from the agents' means. What is measured is what agents did on just these tasks,
    once each; what is said is of all tasks like them. So what is said is made to be of the same.
    """
    tasks = off.shape[1]
    return np.asarray(r.standard_normal((DRAWS, tasks)) @ off.T / np.sqrt((tasks - 1.0) * size))


def read_trials(path: Path, benchmark: str) -> tuple[Array, Array]:
    """Agents × tasks: solved or not, and dollars; NaN where it is not known. A cost of 0 is not known."""
    rows = [row for row in csv.DictReader(path.open()) if row["benchmark"] == benchmark]
    agents = sorted({f"{row['agent']}/{row['model']}" for row in rows})
    tasks = sorted({row["instance_id"] for row in rows})
    place, column = {a: i for i, a in enumerate(agents)}, {t: i for i, t in enumerate(tasks)}
    solved, usd = np.full((len(agents), len(tasks)), np.nan), np.full((len(agents), len(tasks)), np.nan)
    for row in rows:
        at = place[f"{row['agent']}/{row['model']}"], column[row["instance_id"]]
        if row["resolved"]:
            solved[at] = float(row["resolved"])
        if row["cost_usd"] and float(row["cost_usd"]) > 0.0:
            usd[at] = float(row["cost_usd"])
    return solved, usd


def main() -> None:
    """Runs the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--part", choices=["coverage", "fresh", "power", "real"])
    parser.add_argument("--times", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--evidence", type=Path, default=Path("evidence"))
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    times = asked.times or (40 if asked.quick else 300)
    blocks: dict[str, str] = {}
    if asked.part in {None, "coverage"}:
        some, seed = settings(quick=asked.quick), asked.seed if asked.seed is not None else SEED
        blocks |= blocks_of("coverage", all_simulated(some, times, seed, asked.jobs, asked.keep))
    if asked.part in {None, "fresh"}:
        seed = asked.seed if asked.seed is not None else FRESH_SEED
        some = fresh(seed, 6 if asked.quick else FRESH)
        blocks |= blocks_of("fresh", all_simulated(some, times, seed, asked.jobs, asked.keep))
    if asked.part in {None, "power"}:
        blocks |= {"power": power(times), "alike": alike(2 * times)}
    if asked.part in {None, "real"} and asked.evidence.is_dir():
        blocks["real"] = real(asked.evidence, max(times // 3, 10))
    for name, block in blocks.items():
        print(f"\n{name}\n\n{block}")
    if asked.write is not None:
        page = asked.write.read_text(encoding="utf-8")
        asked.write.write_text(tables.written(page, blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
