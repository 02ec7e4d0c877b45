"""Whether a judge is fit to compare: its letters for whole lists against the known ones, and the rule to pass.

A list holds all cases of one task in one request, in two opposite orders, as a run asks by a rubric that compares.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.records import Interval  # noqa: TC001 - msgspec resolves annotations at runtime
from flatfield.scoring.judge.agreement import kappa_interval, kappa_p, weighted_kappa
from flatfield.scoring.judge.fitness import (
    LEAST_ANSWERED,
    Criterion,
    agrees,
    beats_chance,
    cost_of,
    not_talked_round,
    pairs_of,
    share,
)
from flatfield.scoring.judge.reply import LETTERS
from flatfield.scoring.judge.trust import Estimate, position_bias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.scoring.judge.fitness import Outcome

LEAST_IN_ORDER = 0.8
MOST_POSITION_BIAS = 0.1
_ORDERS = 2


class ListFitness(Struct, frozen=True, kw_only=True):
    """What checking a judge with lists showed. A trial's letter is the mean of both orders, as in a run.

    `n` trials of `total` were asked about, `both` got a letter in both orders. `in_order`: the share of all `pairs` of
    one list which the judge's letters put in the known order; equal letters count half, a missing one nothing.
    `position`: what the same trial gets, in score, nearer to the front less nearer to the end. `passed` None: not all
    of the set was judged, and it may still pass.
    """

    n: int
    total: int
    both: int
    exact: float
    within_one: float
    kappa: float | None
    kappa_interval: Interval | None
    kappa_p: float
    pairs: int
    in_order: float | None
    position: Estimate
    quoted: int
    criteria: tuple[Criterion, ...]
    passed: bool | None
    cost_usd: float | None
    seconds: float


def list_fitness(outcomes: Sequence[Outcome], total: int) -> ListFitness | None:
    """The figures of a judge's outcomes of lists, of `total` trials there are in lists; None without any."""
    found = [each for each in outcomes if each.measured]
    if not found:
        return None
    n = len(found)
    pairs = pairs_of(found)
    kappa, interval, p = weighted_kappa(pairs), kappa_interval(pairs), kappa_p(pairs)
    both = sum(map(_in_both, found))
    orders = tuple(_orders(found))
    in_order = sum(orders) / len(orders) if orders else None
    position = position_bias(each.placed for each in found)
    criteria = (
        share("gives a letter in both orders", both, n, LEAST_ANSWERED),
        agrees(kappa, interval),
        beats_chance(p),
        _ordered(in_order, len(orders)),
        _even_handed(position),
        not_talked_round(found),
    )
    return ListFitness(
        n=n,
        total=total,
        both=both,
        exact=sum(wanted == given for wanted, given in pairs) / n,
        within_one=sum(abs(wanted - given) <= 1 for wanted, given in pairs) / n,
        kappa=kappa,
        kappa_interval=interval,
        kappa_p=p,
        pairs=len(orders),
        in_order=in_order,
        position=position,
        quoted=sum(each.quoted > 0 for each in found),
        criteria=criteria,
        passed=_verdict(found, total, criteria),
        cost_usd=cost_of(found),
        seconds=sum(each.seconds for each in found),
    )


def is_hopeless_at_lists(outcomes: Sequence[Outcome], total: int) -> bool:
    """Whether the judge cannot pass any more: too many trials lack a letter in one of the orders."""
    return sum(each.measured and not _in_both(each) for each in outcomes) > (1.0 - LEAST_ANSWERED) * total


def _verdict(found: Sequence[Outcome], total: int, criteria: Sequence[Criterion]) -> bool | None:
    if len(found) == total:
        return all(each.holds for each in criteria)
    return False if is_hopeless_at_lists(found, total) else None


def _in_both(each: Outcome) -> bool:
    return len(each.placed) >= _ORDERS


def _orders(found: Sequence[Outcome]) -> Iterator[float]:
    """For each two trials of one list: 1 as known, 0.5 alike, 0 the other way round or without a letter."""
    lists: dict[str, list[Outcome]] = {}
    for each in found:
        lists.setdefault(each.task, []).append(each)
    for group in lists.values():
        for first, second in itertools.combinations(group, 2):
            if first.wanted != second.wanted:
                yield _as_known(first, second)


def _as_known(first: Outcome, second: Outcome) -> float:
    if first.letter is None or second.letter is None:
        return 0.0
    known = LETTERS.index(first.wanted) - LETTERS.index(second.wanted)
    given = LETTERS.index(first.letter) - LETTERS.index(second.letter)
    return 0.5 if given == 0 else float((given > 0) == (known > 0))


def _ordered(in_order: float | None, pairs: int) -> Criterion:
    name = f"{LEAST_IN_ORDER:.0%} of the pairs of a list in the known order (alike: half)"
    if in_order is None:
        return Criterion(name=name, found="no pairs", holds=False)
    return Criterion(name=name, found=f"{in_order:.0%} of {pairs}", holds=in_order >= LEAST_IN_ORDER)


def _even_handed(position: Estimate) -> Criterion:
    name = f"position: the same trial gets at most {MOST_POSITION_BIAS:g} more or less in score nearer to the front"
    if position.value is None:
        return Criterion(name=name, found="not known: no letters in both orders", holds=False)
    ends = f" ({position.interval.low:+.2f} to {position.interval.high:+.2f})" if position.interval else ""
    holds = abs(position.value) <= MOST_POSITION_BIAS
    return Criterion(name=name, found=f"{position.value:+.2f}{ends}, n={position.n}", holds=holds)
