"""How far a run's judges can be trusted: agreement beyond chance, self-preference, verbosity, stability."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from flatfield.records import MIDPOINTS, Interval, Letter
from flatfield.scoring.judge.judge import maker_of
from flatfield.scoring.judge.reply import LETTERS
from flatfield.scoring.performance import checks_score
from flatfield.scoring.scales import exact, letter_of, mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flatfield.records import Placed, Run, RunResult, TrialRecord, Verdict


# How far graders agree beyond chance: weighted kappa, Krippendorff's alpha, a rank correlation, as arithmetic.
#
# Grades are whole numbers in order (0 for S … 5 for F), or None where there is none.


LetterPair = tuple[int, int]
RESAMPLES = 2_000
_Z = 1.959963984540054


def weighted_kappa(pairs: Sequence[LetterPair]) -> float | None:
    """Agreement of two graders, a disagreement counting by its square: 1 full, 0 as by chance, below 0 worse.

    None where it is not defined: no pairs, or both graders always gave one and the same grade.

    Source: J. Cohen, Psychological Bulletin 70 (1968), 213, with quadratic weights.
    """
    if not pairs:
        return None
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    observed = sum((a - b) ** 2 for a, b in pairs) / len(pairs)
    expected = sum(n * m * (a - b) ** 2 for a, n in first.items() for b, m in second.items()) / len(pairs) ** 2
    return exact(1.0 - observed / expected) if expected else None


def ordinal_alpha(units: Iterable[Sequence[int | None]]) -> float | None:
    """Krippendorff's alpha with the ordinal metric; `units` are what was graded, each with its graders' grades.

    Grades that are missing do no harm; a unit with fewer than two is left out. None where it is not defined: nothing
    was graded twice, or all grades are the same.

    Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), sections C and D.
    """
    known = [[grade for grade in unit if grade is not None] for unit in units]
    paired = [unit for unit in known if len(unit) > 1]
    counts = Counter(grade for unit in paired for grade in unit)
    total = sum(counts.values())
    grades = sorted(counts)
    if len(grades) < 2:
        return None
    apart = {(a, b): _ordinal_distance(counts, a, b) for a in grades for b in grades}
    observed = sum(
        sum(apart[a, b] for i, a in enumerate(unit) for j, b in enumerate(unit) if i != j) / (len(unit) - 1)
        for unit in paired
    )
    expected = sum(counts[a] * counts[b] * apart[a, b] for a in grades for b in grades) / (total - 1)
    return exact(1.0 - observed / expected)


def _ordinal_distance(counts: Counter[int], a: int, b: int) -> float:
    low, high = min(a, b), max(a, b)
    between = sum(n for grade, n in counts.items() if low <= grade <= high)
    return float((between - (counts[a] + counts[b]) / 2.0) ** 2)


def spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None for fewer than three pairs or where one never varies.

    Source: C. Spearman, American Journal of Psychology 15 (1904), 72, as Pearson's correlation of ranks.
    """
    if len(pairs) < 3:
        return None
    x, y = (np.asarray(_ranks(side)) for side in zip(*pairs, strict=True))
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(float(x @ x) * float(y @ y))
    return exact(float(x @ y) / size) if size else None


def spearman_interval(value: float, n: int) -> Interval | None:
    """The 95% interval of a rank correlation of `n` pairs; None below ten pairs.

    Source: D. G. Bonett & T. A. Wright, Psychometrika 65 (2000), 23: Fisher's z with variance (1 + r²/2) / (n − 3).
    """
    if n < 10 or abs(value) >= 1.0:
        return None
    half = _Z * math.sqrt((1.0 + value * value / 2.0) / (n - 3))
    centre = math.atanh(value)
    return Interval(low=math.tanh(centre - half), high=math.tanh(centre + half), method=f"Fisher's z on {n} trials")


def kappa_interval(pairs: Sequence[LetterPair], seed: int = 0) -> Interval | None:
    """The 95% bootstrap interval of weighted kappa over the pairs; None below ten of them or where it is not defined.

    Source: A. C. Davison & D. V. Hinkley, Bootstrap Methods and their Application (1997), section 5.3, percentiles.
    """
    if len(pairs) < 10 or weighted_kappa(pairs) is None:
        return None
    data = np.asarray(pairs, dtype=float)
    chosen = np.random.default_rng(seed).integers(len(data), size=(RESAMPLES, len(data)))
    values = _kappas(data[:, 0][chosen], data[:, 1][chosen])
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Interval(low=float(low), high=float(high), method=f"bootstrap over {len(pairs)} trials")


def kappa_p(pairs: Sequence[LetterPair], seed: int = 0) -> float:
    """How often grades dealt out at random agree at least as well (a permutation test); 1 where kappa is not defined.

    Source: the add-one estimate of B. Phipson & G. K. Smyth, Statistical Applications in Genetics 9 (2010), 39.
    """
    value = weighted_kappa(pairs)
    if value is None:
        return 1.0
    data = np.asarray(pairs, dtype=float)
    chance = np.random.default_rng(seed)
    dealt = chance.permuted(np.tile(data[:, 1], (RESAMPLES, 1)), axis=1)
    values = _kappas(np.broadcast_to(data[:, 0], dealt.shape), dealt)
    return (1.0 + float(np.sum(values >= value - 1e-12))) / (RESAMPLES + 1.0)


def _kappas(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Weighted kappa of each row: 1 − mean squared difference / the same of independent draws from both margins."""
    observed = ((first - second) ** 2).mean(axis=1)
    expected = first.var(axis=1) + second.var(axis=1) + (first.mean(axis=1) - second.mean(axis=1)) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1.0 - observed / expected, np.nan)


def difference_interval(
    groups: Sequence[tuple[Sequence[float], Sequence[float]]], seed: int = 0
) -> tuple[float, Interval | None] | None:
    """Mean difference between first and second members, within groups, each weighted by its smaller side.

    `groups` hold two samples each; one with an empty side says nothing. None when none is left; the interval is a
    bootstrap within the samples, None below five values on either side in all.
    """
    used = [(np.asarray(a), np.asarray(b)) for a, b in groups if len(a) and len(b)]
    if not used:
        return None
    weights = np.array([min(len(a), len(b)) for a, b in used], dtype=float)

    def blend(values: Sequence[float] | np.ndarray) -> np.ndarray:
        return np.average(np.asarray(values), axis=0, weights=weights)

    value = exact(float(blend([float(a.mean() - b.mean()) for a, b in used])))
    if min(sum(len(side) for side in sides) for sides in zip(*used, strict=True)) < 5:
        return value, None
    chance = np.random.default_rng(seed)

    def redrawn(sample: np.ndarray) -> np.ndarray:
        return np.asarray(sample[chance.integers(len(sample), size=(RESAMPLES, len(sample)))].mean(axis=1))

    values = blend([redrawn(a) - redrawn(b) for a, b in used])
    low, high = np.percentile(values, [2.5, 97.5])
    return value, Interval(low=float(low), high=float(high), method="bootstrap within tasks")


def at_least(hits: int, n: int, share: float) -> float:
    """P(X ≥ hits) for X binomial with n and `share`: how likely so many hits are by luck.

    Source: the exact one-sided binomial test.
    """
    return min(1.0, math.fsum(math.comb(n, k) * share**k * (1.0 - share) ** (n - k) for k in range(hits, n + 1)))


def _ranks(values: Iterable[float]) -> list[float]:
    items = list(values)
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(items), start=1):
        places.setdefault(value, []).append(place)
    return [mean(places[value]) for value in items]


# ---------------------------------------------------------------------------- all of it, of a run's judges


TrialKey = tuple[str, str, int]
"""(agent, task, repeat)."""


class TrustFigure(Struct, frozen=True, kw_only=True):
    """A figure, the number of trials behind it, and its interval; `value` None where it is not defined."""

    value: float | None
    n: int
    interval: Interval | None = None


class SelfPreference(Struct, frozen=True, kw_only=True):
    """How much more a judge gives its own vendor's trials than others', within the same tasks: `difference`, in score.

    `beyond_verifiers`: of what it gives beyond the verifiers' score, so that better work is no preference.
    """

    vendor: str
    own: int
    others: int
    difference: float
    beyond_verifiers: bool
    interval: Interval | None = None


class Moved(Struct, frozen=True, kw_only=True):
    """A letter that was another one when the same judge graded the same trial before."""

    trial: str
    before: Letter
    after: Letter
    listwise: bool


class JudgeFigures(Struct, frozen=True, kw_only=True):
    """One judge of a run. `quoted`: verdicts with evidence that was found; `cost_usd` None: not known for some.

    `same_as_verifiers`: how many of its letters are those that the verifiers' scores come to. `verifiers`: weighted
    kappa with the verifiers' letters. `verbosity`: rank correlation of score and length. `stability`: the share of
    trials, judged one by one more than once, whose letters are all the same. `position`: how much more the same answer
    gets, in score, nearer to the front of a list than nearer to its end. `spent_usd` covers verdicts that do not count,
    too.
    """

    judge: str
    verdicts: int
    letters: int
    quoted: int
    verifiers: TrustFigure
    same_as_verifiers: int
    verbosity: TrustFigure
    stability: TrustFigure
    position: TrustFigure
    moved: tuple[Moved, ...]
    self_preference: SelfPreference | None
    why_no_self_preference: str
    cost_usd: float | None
    spent_usd: float
    output_tokens: int | None


class Trust(Struct, frozen=True, kw_only=True):
    """All judges of a run, and their agreement with each other (Krippendorff's alpha; n: trials graded by two or more).

    `set_aside`: verdicts that are kept and do not count, by judge.
    """

    judges: tuple[JudgeFigures, ...]
    panel: TrustFigure
    set_aside: dict[str, int]


def trust(result: RunResult) -> Trust | None:
    """The figures of a run's judges; None when nobody judged."""
    names = list(dict.fromkeys(verdict.judge for verdict in result.verdicts))
    if not names:
        return None
    aside: dict[str, int] = {}
    for verdict in result.set_aside:
        aside[verdict.judge] = aside.get(verdict.judge, 0) + 1
    return Trust(
        judges=tuple(_figures(name, result) for name in sorted(names)),
        panel=_panel(result.verdicts),
        set_aside=aside,
    )


def written_characters(trial: TrialRecord) -> int:
    """How much a trial wrote: its answer and the files that it added or modified, in characters."""
    return len(trial.answer) + sum(len(change.text or "") for change in trial.changes)


def _figures(name: str, result: RunResult) -> JudgeFigures:
    own = [verdict for verdict in result.verdicts if verdict.judge == name]
    graded = {_key(verdict): verdict.letter for verdict in own if verdict.letter is not None}
    trials = {(trial.agent, trial.task, trial.repeat): trial for trial in result.trials}
    pairs = _with_verifiers(graded, trials)
    lengths = [(float(written_characters(trials[key])), MIDPOINTS[graded[key]]) for key in graded if key in trials]
    tie = spearman(lengths)
    costs = [verdict.cost_usd for verdict in own]
    vendor = next((verdict.judge_vendor for verdict in own if verdict.judge_vendor), None)
    preference = self_preference(vendor, graded, result)
    tokens = [verdict.usage.output_tokens for verdict in own if verdict.usage]
    every = [verdict for verdict in (*own, *result.set_aside) if verdict.judge == name]
    return JudgeFigures(
        judge=name,
        verdicts=len(own),
        letters=len(graded),
        quoted=sum(bool(verdict.evidence) for verdict in own),
        verifiers=TrustFigure(value=weighted_kappa(pairs), n=len(pairs), interval=kappa_interval(pairs)),
        same_as_verifiers=sum(a == b for a, b in pairs),
        verbosity=TrustFigure(
            value=tie, n=len(lengths), interval=None if tie is None else spearman_interval(tie, len(lengths))
        ),
        stability=_stability(own, result.set_aside),
        position=position_bias(verdict.placed for verdict in own),
        moved=moved(own, result.set_aside),
        self_preference=preference if isinstance(preference, SelfPreference) else None,
        why_no_self_preference="" if isinstance(preference, SelfPreference) else preference,
        cost_usd=sum(usd for usd in costs if usd is not None) if None not in costs else None,
        spent_usd=sum(verdict.cost_usd or 0.0 for verdict in every),
        output_tokens=sum(tokens) if len(tokens) == len(own) else None,
    )


def _key(verdict: Verdict) -> TrialKey:
    return verdict.agent, verdict.task, verdict.repeat


def _with_verifiers(graded: Mapping[TrialKey, Letter], trials: Mapping[TrialKey, TrialRecord]) -> list[LetterPair]:
    pairs = []
    for key, letter in graded.items():
        score = checks_score(trials[key].checks) if key in trials else None
        if score is not None:
            pairs.append((LETTERS.index(letter_of(score)), LETTERS.index(letter)))
    return pairs


def _panel(verdicts: Sequence[Verdict]) -> TrustFigure:
    units: dict[TrialKey, list[int]] = {}
    for verdict in verdicts:
        if verdict.letter is not None:
            units.setdefault(_key(verdict), []).append(LETTERS.index(verdict.letter))
    return TrustFigure(value=ordinal_alpha(units.values()), n=sum(len(unit) > 1 for unit in units.values()))


def _sittings(now: Iterable[Verdict], before: Sequence[Verdict]) -> list[tuple[Verdict, list[Verdict]]]:
    """Each verdict with the earlier ones of the same judge on the same version of the trial, oldest first."""
    found = []
    for verdict in now:
        same = [
            each
            for each in before
            if (each.judge, *_key(each), each.mode, each.trial_started_at)
            == (verdict.judge, *_key(verdict), verdict.mode, verdict.trial_started_at)
            and each.letter is not None
        ]
        if verdict.letter is not None and same:
            found.append((verdict, sorted(same, key=lambda each: each.judged_at)))
    return found


def _stability(now: Sequence[Verdict], before: Sequence[Verdict]) -> TrustFigure:
    """Of trials judged one by one: what a listwise letter is also depends on who else takes part."""
    sat = _sittings([verdict for verdict in now if verdict.mode == "item"], before)
    same = sum(len({verdict.letter, *(each.letter for each in earlier)}) == 1 for verdict, earlier in sat)
    return TrustFigure(value=same / len(sat) if sat else None, n=len(sat))


def position_bias(answers: Iterable[Sequence[Placed]]) -> TrustFigure:
    """What the same answer gets, in score, nearer to the front of a list less what it gets nearer to the end.

    `answers`: what each got in both orders. Where it stood in the middle both times, it says nothing.
    """
    gains: list[float] = []
    for placed in answers:
        places = sorted(placed, key=lambda each: each.place)
        if len(places) > 1 and places[0].place < places[-1].place:
            gains.append(MIDPOINTS[places[0].letter] - MIDPOINTS[places[-1].letter])
    found = difference_interval([(gains, [0.0] * len(gains))])
    return TrustFigure(value=found[0] if found else None, n=len(gains), interval=found[1] if found else None)


def moved(now: Sequence[Verdict], before: Sequence[Verdict]) -> tuple[Moved, ...]:
    """Letters that differ from the same judge's last one for the same trial."""
    return tuple(
        Moved(
            trial=f"{verdict.agent}/{verdict.task}/{verdict.repeat}",
            before=earlier[-1].letter,
            after=verdict.letter,
            listwise=verdict.mode == "list",
        )
        for verdict, earlier in _sittings(now, before)
        if verdict.letter is not None and earlier[-1].letter is not None and earlier[-1].letter != verdict.letter
    )


def self_preference(vendor: str | None, graded: Mapping[TrialKey, Letter], result: RunResult) -> SelfPreference | str:
    """The preference, or why there is none to be told."""
    if vendor is None:
        return "its vendor is not known"
    makers = _makers(result.run)
    scores = {key: MIDPOINTS[letter] for key, letter in graded.items() if makers.get(key[0])}
    checked = {
        (trial.agent, trial.task, trial.repeat): score
        for trial in result.trials
        if (score := checks_score(trial.checks)) is not None
    }
    controlled = {key: score - checked[key] for key, score in scores.items() if key in checked}
    found = _compared(controlled, makers, vendor) if controlled else None
    beyond = found is not None
    values = controlled if beyond else scores
    found = found or _compared(scores, makers, vendor)
    if found is None:
        return f"no task was done both by models of its vendor ({vendor}) and by others"
    tasks = {task for agent, task, _ in values if makers[agent] == vendor}
    return SelfPreference(
        vendor=vendor,
        own=sum(makers[agent] == vendor for agent, _, _ in values),
        others=sum(makers[agent] != vendor and task in tasks for agent, task, _ in values),
        difference=found[0],
        beyond_verifiers=beyond,
        interval=found[1],
    )


def _makers(run: Run) -> dict[str, str | None]:
    return {agent.name: maker_of(agent) for agent in run.agents}


def _compared(
    values: Mapping[TrialKey, float], makers: Mapping[str, str | None], vendor: str
) -> tuple[float, Interval | None] | None:
    groups: dict[str, tuple[list[float], list[float]]] = {}
    for (agent, task, _), value in values.items():
        groups.setdefault(task, ([], []))[0 if makers[agent] == vendor else 1].append(value)
    return difference_interval(list(groups.values()))
