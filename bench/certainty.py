"""Whether what `scoring.certainty` says is so: coverage, P(best), regret, wrong orders and power.

    python -m bench.certainty [--quick] [--part coverage|choice|power|real] [--times N] [--evidence FOLDER]

Truths are made up by five families, none of which is the posterior's own prior; trials are drawn from them, and what
the posterior says is held against the truth. `probit`: a task's difficulty moves all agents' probit by an amount that
each agent feels differently; `lost`: a share of the tasks is lost to everybody, others to some; `flat`: each agent's
chance on a task is uniform around its mean, tasks have nothing in common; `even`: all tasks are alike; `graded`: as
`flat`, but a trial's score is one of six letters' midpoints, around its chance. Seconds and dollars: one trial in ten
takes four times as long (`probit`, `lost`), or their logarithms have heavy tails (the others); tasks differ by a factor
of up to 30.

The next task's truth is the mean over 3,000 other tasks of the same family; the utility's is what the grades' rules
make of the true means. On real data the truth is what the agent did on all the other tasks, once each: so what is said
of tasks like these gets the chance added that lies in just those (`of_a_rest`).
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flatfield.records import MIDPOINTS, Weights
from flatfield.scoring.certainty.posterior import DrawnMeans, Scale, posterior_of, relative_scores
from flatfield.scoring.certainty.table import SumTable, tabulate
from flatfield.scoring.certainty.utility import TIE, utility

Array = NDArray[np.float64]
FAMILIES = ("probit", "lost", "flat", "even", "graded")
LIKE = 3000
"""So many other tasks are the next ones' truth."""
DRAWS = 1000
AMONG = 8
"""Of so many published agents, drawn at random, one is picked."""
WEIGHTS = Weights()
QUESTIONS = ("performance", "seconds", "usd", "utility")


class Setting(Struct, frozen=True, kw_only=True):
    """One kind of evaluation; `missing`: the share of cells without a trial; `unequal`: repeats from 1 to twice."""

    family: str
    agents: int
    tasks: int
    repeats: int
    missing: float = 0.0
    unequal: bool = False

    @property
    def name(self) -> str:
        """As a table's row is called."""
        more = f", {self.missing:.0%} missing" if self.missing else ", unequal repeats" if self.unequal else ""
        return f"{self.family}, {self.agents} agents × {self.tasks} tasks × {self.repeats}{more}"


class Truth(Struct, frozen=True, kw_only=True):
    """Agents × tasks: the chance to pass, and the mean logarithm of seconds and dollars."""

    chance: Array
    seconds: Array
    usd: Array

    def means(self) -> DrawnMeans:
        """As a posterior with one draw that knows everything."""
        nobody = np.zeros(len(self.chance), dtype=bool)
        frozen: list[Scale | None] = [None] * self.chance.shape[1]
        work = np.log(np.maximum(self.chance, 1e-9))
        score = self.chance[:, :, None]
        speed = relative_scores((self.seconds - work)[:, :, None], score, nobody, frozen)
        cost = relative_scores((self.usd - work)[:, :, None], score, nobody, frozen, least=np.log(0.001))
        performance, seconds, usd = (x.mean(axis=1)[None] for x in (self.chance, self.seconds, self.usd))
        return DrawnMeans(
            performance=performance,
            speed=speed.mean(axis=1).T,
            cost=cost.mean(axis=1).T,
            solved=performance,
            seconds=np.exp(seconds),
            usd=np.exp(usd),
            expected_usd=None,
            expected_wait_seconds=np.exp(seconds),
        )


# ---------------------------------------------------------------------------- made-up truths


def chances(family: str, rates: Array, tasks: int, r: np.random.Generator, kind: Array) -> Array:
    """Agents × tasks: the chance to pass, about `rates` on average; `kind`: by agent, how it feels difficulty."""
    agents = len(rates)
    if family == "probit":
        alike = 0.5 + kind
        level = _probit(rates) * np.sqrt(1.0 + alike**2 + 0.4**2)
        shift = alike[:, None] * r.standard_normal(tasks)[None, :] + 0.4 * r.standard_normal((agents, tasks))
        return _normal(level[:, None] + shift)
    if family == "lost":
        lost = 0.6 * (1.0 - rates)
        hard = r.random(tasks)[None, :] < 0.6 * lost[:, None]
        own = r.random((agents, tasks)) < 0.4 * lost[:, None] / (1.0 - 0.6 * lost[:, None])
        return np.where(hard | own, 0.02, np.minimum(rates / (1.0 - lost), 0.98)[:, None])
    if family in {"flat", "graded"}:
        room = np.minimum(rates, 1.0 - rates)[:, None]
        if family == "graded":
            room = np.minimum(rates - MIDPOINTS["F"], MIDPOINTS["S"] - rates).clip(0.0, 0.3)[:, None]
        return rates[:, None] + room * r.uniform(-1.0, 1.0, (agents, tasks))
    return np.repeat(rates[:, None], tasks, axis=1)


def noise(family: str, shape: tuple[int, ...], r: np.random.Generator) -> Array:
    """What one trial adds to the logarithm of its amount, 0 on average."""
    if family in {"probit", "lost"}:
        slow = r.random(shape) < 0.1
        return np.asarray(np.where(slow, np.log(4.0), 0.0) - 0.1 * np.log(4.0) + 0.25 * r.standard_normal(shape))
    return np.asarray(0.3 * r.standard_t(3, shape))


class World:
    """The agents of one simulation, and tasks of their family."""

    def __init__(self, setting: Setting, r: np.random.Generator, rates: Array | None = None) -> None:
        agents = setting.agents
        least = MIDPOINTS["F"] if setting.family == "graded" else 0.1
        self.rates = r.uniform(least, 0.95, agents) if rates is None else rates
        self._family = setting.family
        self._kind = r.uniform(0.0, 1.0, agents)
        self._slow, self._dear = r.normal(3.0, 0.6, agents), r.normal(-3.0, 0.8, agents)
        self._r = r

    def tasks(self, count: int) -> Truth:
        """So many tasks, drawn anew. Long tasks are long and dear for everybody."""
        r, agents = self._r, len(self.rates)
        long = r.uniform(-1.2, 1.2, count) if self._family in {"lost", "even"} else 0.6 * r.standard_normal(count)
        own = 0.25 * r.standard_t(5, (2, agents, count))
        return Truth(
            chance=chances(self._family, self.rates, count, r, self._kind),
            seconds=self._slow[:, None] + long[None, :] + own[0],
            usd=self._dear[:, None] + 0.7 * long[None, :] + own[1],
        )


def trials(setting: Setting, truth: Truth, r: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Agents' and tasks' places and the values of drawn trials; every agent has one cell at least."""
    agents, tasks = truth.chance.shape
    count = np.full((agents, tasks), setting.repeats)
    if setting.unequal:
        count = r.integers(1, 2 * setting.repeats + 1, (agents, tasks))
    if setting.missing:
        gone = r.random((agents, tasks)) < setting.missing
        gone[np.arange(agents), r.integers(tasks, size=agents)] = False
        count = np.where(gone, 0, count)
    a, t = np.nonzero(count)
    times = count[a, t]
    a, t = np.repeat(a, times), np.repeat(t, times)
    passed = (r.random(len(a)) < truth.chance[a, t]).astype(float)
    if setting.family == "graded":
        passed = letters(truth.chance[a, t], r)
    seconds = np.exp(truth.seconds[a, t] + noise(setting.family, a.shape, r))
    usd = np.exp(truth.usd[a, t] + noise(setting.family, a.shape, r))
    if setting.missing:
        usd = np.where(r.random(len(a)) < setting.missing / 2.0, np.nan, usd)
    return a, t, np.stack([passed, passed, seconds, seconds, usd], axis=1)


def letters(chance: Array, r: np.random.Generator) -> Array:
    """Midpoints of bands with these means: the one below or the one above a score that lies around the chance."""
    points = np.asarray(sorted(MIDPOINTS.values()))
    # Clipping would move the mean: what is added is symmetric, and no larger than what there is room for.
    room = np.minimum(chance - points[0], points[-1] - chance).clip(0.0, 0.15)
    around = np.clip(chance, points[0], points[-1]) + room * r.uniform(-1.0, 1.0, chance.shape)
    upper = np.searchsorted(points, around).clip(1, len(points) - 1)
    low, high = points[upper - 1], points[upper]
    return np.asarray(np.where(r.random(chance.shape) < (around - low) / (high - low), high, low))


def table_of(places: tuple[NDArray[np.intp], NDArray[np.intp], Array], agents: int, tasks: int) -> SumTable:
    """The trials as a table; columns without a trial go."""
    a, t, values = places
    kept, column = np.unique(t, return_inverse=True)
    names = tuple(f"task {i}" for i in kept)
    assert len(kept) <= tasks
    return tabulate(a, column, values, tuple(f"agent {i}" for i in range(agents)), names)


def raw_utility(table: SumTable, weights: Weights) -> Array:
    """What the highest mean is taken of: the grades' own rules on the trials' averages, of what was measured."""
    known = table.score.count > 0.0
    score = np.where(known, table.score.mean, 0.0)
    n = np.maximum(known.sum(axis=1), 1)
    nobody = np.zeros(len(known), dtype=bool)
    frozen: list[Scale | None] = [None] * known.shape[1]
    with np.errstate(divide="ignore"):
        work = np.log(score)
    parts = [score.sum(axis=1) / n]
    for cells in (table.log_seconds, table.log_usd):
        there = known & (cells.count > 0.0)
        amounts = np.where(there, cells.mean - work, np.inf)
        found = relative_scores(amounts[:, :, None], score[:, :, None], nobody, frozen)[:, :, 0]
        found = np.where(np.isfinite(amounts), found, 0.0)
        parts.append((found * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1))
    means = DrawnMeans(
        performance=parts[0][None],
        speed=parts[1][None],
        cost=parts[2][None],
        solved=parts[0][None],
        seconds=parts[1][None],
        usd=None,
        expected_usd=None,
        expected_wait_seconds=parts[1][None],
    )
    return np.asarray(utility(means, weights)[0])


# ---------------------------------------------------------------------------- what is counted


class Tally:
    """How often what was said held, by setting and question; and all that was said with which probability."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.bands: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.said: list[tuple[float, bool]] = []
        self.regrets: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
        self.apart: dict[str, list[tuple[bool, bool]]] = defaultdict(list)


def simulate(setting: Setting, times: int, seed: int, tally: Tally) -> None:
    """So many evaluations of one setting."""
    for turn in range(times):
        r = np.random.default_rng([seed, turn])
        world = World(setting, r)
        here, like = world.tasks(setting.tasks), world.tasks(LIKE)
        drawn = trials(setting, here, r)
        table = table_of(drawn, setting.agents, setting.tasks)
        found = posterior_of(table, draws=DRAWS, seed=turn)
        columns = [int(name.split()[1]) for name in table.tasks]
        these = Truth(chance=here.chance[:, columns], seconds=here.seconds[:, columns], usd=here.usd[:, columns])
        true_next = like.means()
        for name, said, true in (("these", found.these, these.means()), ("next", found.next, true_next)):
            _hold(tally, setting, name, said, true, world.rates)
        for weights, label in ((Weights(performance=1.0, speed=0.0, cost=0.0), "performance"), (WEIGHTS, "overall")):
            values, truth = utility(found.next, weights), utility(true_next, weights)[0]
            _differ(tally, setting, label, values, truth)
            _choose(tally, setting, label, values, truth, raw_utility(table, weights))


def _hold(tally: Tally, setting: Setting, name: str, said: DrawnMeans, true: DrawnMeans, rates: Array) -> None:
    for question in QUESTIONS:
        draws, truth = _values(said, question), _values(true, question)[0]
        low, high = np.percentile(draws, [2.5, 97.5], axis=0)
        inside = (low <= truth) & (truth <= high)
        tally.held[setting.name, f"{name} {question}"].extend(inside.tolist())
        if question == "performance":
            for rate, one in zip(rates, inside, strict=True):
                tally.bands[f"{min(int(rate * 5) / 5, 0.8):.1f}", name].append(float(one))


def _values(means: DrawnMeans, question: str) -> Array:
    if question == "utility":
        return utility(means, WEIGHTS)
    found = getattr(means, question)
    assert found is not None
    return np.asarray(found)


def _differ(tally: Tally, setting: Setting, label: str, said: Array, true: Array) -> None:
    """Whether the interval of two agents' difference holds the true one, and whether it says wrongly who is better."""
    one, other = np.asarray(list(combinations(range(len(true)), 2))).T
    low, high = np.percentile(said[:, one] - said[:, other], [2.5, 97.5], axis=0)
    gap = true[one] - true[other]
    tally.held[setting.name, f"next difference, {label}"].extend(((low <= gap) & (gap <= high)).tolist())
    told, wrong = (low > 0.0) | (high < 0.0), ((low > 0.0) & (gap < 0.0)) | ((high < 0.0) & (gap > 0.0))
    tally.apart[label].extend(zip(told.tolist(), wrong.tolist(), strict=True))


def _choose(tally: Tally, setting: Setting, label: str, said: Array, true: Array, raw: Array) -> None:
    best = said >= said.max(axis=1, keepdims=True) - TIE
    really = true >= true.max() - TIE
    tally.said.extend(zip(best.mean(axis=0).tolist(), really.tolist(), strict=True))
    pick, highest = int(np.argmax(said.mean(axis=0))), int(np.argmax(raw))
    told = float((said.max(axis=1) - said[:, pick]).mean())
    tally.regrets[setting.name, label].append((float(true.max() - true[pick]), float(true.max() - true[highest]), told))


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


def coverage(times: int, *, quick: bool) -> None:
    """Prints the tables of everything but power and real data."""
    tally = Tally()
    for number, setting in enumerate(settings(quick=quick)):
        simulate(setting, times, number, tally)
    _print_coverage(tally)
    _print_choice(tally)


def _print_coverage(tally: Tally) -> None:
    columns = list(dict.fromkeys(column for _, column in tally.held))
    print("| setting |", " | ".join(columns), "|")
    print("|---|" + "---:|" * len(columns))
    for name in dict.fromkeys(setting for setting, _ in tally.held):
        print(f"| {name} |", " | ".join(f"{np.mean(tally.held[name, c]):.1%}" for c in columns), "|")
    every = [np.mean([np.mean(v) for (_, c), v in tally.held.items() if c == column]) for column in columns]
    least = [np.min([np.mean(v) for (_, c), v in tally.held.items() if c == column]) for column in columns]
    print("| mean |", " | ".join(f"{x:.1%}" for x in every), "|")
    print("| least |", " | ".join(f"{x:.1%}" for x in least), "|")
    print("\nby pass rate:", {f"{k[1]} {k[0]}": f"{np.mean(v):.1%}" for k, v in sorted(tally.bands.items())})


def _print_choice(tally: Tally) -> None:
    said = np.asarray(tally.said, dtype=float)
    print("\n| said P(best) | cases | said on average | true |\n|---|---:|---:|---:|")
    for low, high in ((0.0, 0.05), (0.05, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.85), (0.85, 0.95), (0.95, 1.001)):
        mine = said[(said[:, 0] >= low) & (said[:, 0] < high)]
        if len(mine):
            print(f"| {low:.2f}-{min(high, 1):.2f} | {len(mine)} | {mine[:, 0].mean():.3f} | {mine[:, 1].mean():.3f} |")
    print("\n| setting | measure | regret of the pick | of the highest mean | difference ± 2 se | regret told |")
    print("|---|---|---:|---:|---:|---:|")
    for (name, label), rows in tally.regrets.items():
        values = np.asarray(rows)
        off = values[:, 0] - values[:, 1]
        error = 2.0 * off.std() / np.sqrt(len(off))
        print(
            f"| {name} | {label} | {values[:, 0].mean():.4f} | {values[:, 1].mean():.4f} |"
            f" {off.mean():+.4f} ± {error:.4f} | {values[:, 2].mean():.4f} |"
        )
    for label, pairs in tally.apart.items():
        told, wrong = np.asarray(pairs, dtype=float).T
        print(
            f"\n{label}: told apart {told.mean():.1%} of {len(told)} pairs, wrongly {wrong.mean():.2%} of all,"
            f" {wrong.sum() / max(told.sum(), 1):.2%} of those told apart"
        )


# ---------------------------------------------------------------------------- power


def power(times: int) -> None:
    """How often two agents that differ are told apart on these tasks, beside a permutation test within tasks."""
    print("\n| truth | tasks × repeats | apart | permutation test | ratio |\n|---|---|---:|---:|---:|")
    differing = (("even", (0.8, 0.5)), ("probit", (0.8, 0.5)), ("lost", (0.9, 0.6)), ("flat", (0.6, 0.4)))
    for family, rates in (*differing, ("even", (0.7, 0.7)), ("even", (0.9, 0.9))):
        for tasks, repeats in ((5, 5), (3, 10), (10, 3), (25, 2), (25, 5)):
            setting = Setting(family=family, agents=2, tasks=tasks, repeats=repeats)
            ours = theirs = 0
            for turn in range(times):
                r = np.random.default_rng([7, turn])
                drawn = trials(setting, World(setting, r, np.asarray(rates)).tasks(tasks), r)
                table = table_of(drawn, 2, tasks)
                means = posterior_of(table, draws=DRAWS, seed=turn).these.performance
                low, high = np.percentile(means[:, 0] - means[:, 1], [2.5, 97.5])
                ours += bool(low > 0.0 or high < 0.0)
                theirs += permutation(table, r) <= 0.05
            print(
                f"| {family} {rates[0]:g} / {rates[1]:g} | {tasks} × {repeats} | {ours / times:.1%} |"
                f" {theirs / times:.1%} | {ours / max(theirs, 1):.2f} |"
            )


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


def real(folder: Path, times: int) -> None:
    """From some tasks of a published benchmark to the rest of them, of which there have to be many to be the truth."""
    print(
        "\n| benchmark | tasks | interval holds | said best (0.7-0.9): true | regret of the pick |"
        " of the highest mean | difference ± 2 se |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for benchmark in ("swe-bench", "swt-bench", "gaia"):
        solved, usd = read_trials(folder / "openhands_index_trials.csv", benchmark)
        for count in (10, 25, 50):
            if solved.shape[1] < 3 * count:
                continue
            _real(benchmark, solved, usd, count, times)


def _real(benchmark: str, solved: Array, usd: Array, count: int, times: int) -> None:
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
    print(
        f"| {benchmark} | {count} | {np.mean(held):.1%} | {told} |"
        f" {values[:, 0].mean():.4f} | {values[:, 1].mean():.4f} |"
        f" {off.mean():+.4f} ± {2.0 * off.std() / np.sqrt(len(off)):.4f} |",
        flush=True,
    )


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


def _normal(x: Array) -> Array:
    """The normal distribution function (Abramowitz & Stegun 7.1.26, error below 2e-7)."""
    z = np.abs(x) / np.sqrt(2.0)
    t = 1.0 / (1.0 + 0.3275911 * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    upper = 1.0 - 0.5 * series * np.exp(-z * z)
    return np.asarray(np.where(x >= 0.0, upper, 1.0 - upper))


def _probit(p: Array) -> Array:
    from statistics import NormalDist

    return np.asarray([NormalDist().inv_cdf(float(x)) for x in p])


def main() -> None:
    """Runs the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--part", choices=["coverage", "power", "real"])
    parser.add_argument("--times", type=int)
    parser.add_argument("--evidence", type=Path, default=Path("evidence"))
    asked = parser.parse_args()
    times = asked.times or (40 if asked.quick else 300)
    if asked.part in {None, "coverage"}:
        coverage(times, quick=asked.quick)
    if asked.part in {None, "power"}:
        power(times)
    if asked.part in {None, "real"} and asked.evidence.is_dir():
        real(asked.evidence, max(times // 3, 10))


if __name__ == "__main__":
    main()
