"""Which agent to use while nothing is measured here: from what others published of those that can be asked from here.

Agents are compared on one benchmark and in one scaffold alone, by the rules that grade trials: the share that was
solved, seconds and dollars per work done on the relative scale between the agents compared. What is not known of one
counts as the most that is known of another.
"""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.evidence.listed import ASIDE, KINDS, model_key
from flatfield.records import Evidence, KindOfWork, Preferences, Weights
from flatfield.saying import dollars, few, many, seconds
from flatfield.scoring.facts import agents_option
from flatfield.scoring.measures.scales import BANDS, HOLDS, LEAST_USD, blended, capped, relative_position, score_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SUITES: dict[KindOfWork, str] = {
    "code-repair": "suite:engineering",
    "test-writing": "suite:engineering",
    "code-writing": "suite:engineering",
    "research": "suite:basic",
    "customer-service": "suite:basic",
    "file-work": "suite:desk",
}
"""Which of the suites comes nearest to a kind of work."""
ON_DEVICE_SUITE = "suite:desk"
CHANCE = 1.96
"""Two shares that differ by less than so many standard errors are no different: 95%."""
MOST_CHOSEN = 2
"""So many agents the command measures: the first, and the one to compare it with."""
NAMED = 3
GIGABYTES = 0.6
"""What a billion parameters take in memory at four bits a weight, with what llama.cpp takes beside them."""
BESIDE_GIGABYTES = 1.0


class OnHand(Struct, frozen=True, kw_only=True):
    """A model that could be asked from here: `agent` is what `--agents` takes.

    `needs` names the variable with its key where that is missing, "" where nothing is. `local`: it runs on this device.
    `note`: what is to be known of the model, such as the day on which it retires.
    """

    agent: str
    model: str
    needs: str = ""
    local: bool = False
    note: str = ""


class WithinReach(Struct, frozen=True, kw_only=True):
    """What can be asked from here, this machine's memory (None: not known), and the day that ages are counted to."""

    models: tuple[OnHand, ...] = ()
    memory_bytes: int | None = None
    today: str


class PublishedCandidate(Struct, frozen=True, kw_only=True):
    """One agent that can be asked, what was published of its model, and what that is worth by what matters."""

    agent: str
    local: bool
    utility: float
    published: Evidence


class PublishedChoice(Struct, frozen=True, kw_only=True):
    """The answer from evidence. `answer` is the sentence that all faces say, `advice` what is to be said with it.

    `recommended` None: nobody of whom something was published can be asked from here, or does the job. `next_step` is
    what `command` is for, which would measure `to_measure` here on a task of the user's own; `suite` is what comes
    nearest to the kind of work (both empty: something has to be mended first). `candidates`: all that were compared,
    best first.
    """

    answer: str
    advice: tuple[str, ...]
    recommended: str | None
    runner_up: str | None
    kind: KindOfWork
    benchmark: str
    scaffold: str
    next_step: str
    command: str
    suite: str
    to_measure: tuple[str, ...]
    candidates: tuple[PublishedCandidate, ...]


class _Rivals(Struct, frozen=True, kw_only=True):
    """Who is compared, and beside them all that was published on that benchmark in that scaffold."""

    rows: tuple[Evidence, ...]
    candidates: tuple[PublishedCandidate, ...]
    beyond: tuple[str, ...]


def choose(
    rows: Iterable[Evidence],
    here: WithinReach,
    wanted: Preferences,
    kind: KindOfWork | None,
    check: str,
) -> PublishedChoice:
    """The answer for a kind of work; None: for the first that something can be said of.

    `check` is how work in the current folder is checked as a rule, for the command that would measure it there.
    """
    if wanted.local_only:
        here = structs.replace(here, models=tuple(one for one in here.models if one.local))
    groups = _groups(rows)
    kinds = (kind,) if kind else tuple(each for each in KINDS if each in groups)
    fields = {each: _best_field(groups.get(each, {}), here, wanted) for each in kinds}
    chosen = next((each for each in kinds if fields[each].candidates), kinds[0])
    field, first = fields[chosen], next(iter(fields[chosen].candidates), None)
    able = first is not None and first.published.share >= HOLDS
    step, suite, agents = _next_step(chosen, field, here)
    return PublishedChoice(
        answer=_answer(chosen, field, here, wanted),
        advice=tuple(_advice(chosen, field, here, wanted, asked=kind is not None)),
        recommended=first.agent if first and able else None,
        runner_up=field.candidates[1].agent if able and len(field.candidates) > 1 else None,
        kind=chosen,
        benchmark=field.rows[0].benchmark if field.rows else "",
        scaffold=field.rows[0].scaffold if field.rows else "",
        next_step=step,
        command=_command(agents, check) if agents else "flatfield doctor",
        suite=suite,
        to_measure=agents,
        candidates=field.candidates,
    )


def _command(agents: Sequence[str], check: str) -> str:
    """The one command that measures them on a task of the user's own."""
    return f'flatfield try "YOUR TASK" --check {shlex.quote(check)} {agents_option(list(map(shlex.quote, agents)))}'


# Who is compared with whom.


Groups = dict[KindOfWork, dict[tuple[str, str], list[Evidence]]]


def _groups(rows: Iterable[Evidence]) -> Groups:
    """The rows by kind of work, and by benchmark and scaffold: only within one of these can agents be compared."""
    found: Groups = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[row.kind][row.benchmark, row.scaffold].append(row)
    return found


def _best_field(
    groups: Mapping[tuple[str, str], Sequence[Evidence]], here: WithinReach, wanted: Preferences
) -> _Rivals:
    """The benchmark and scaffold that tell most: two agents or more to compare, then many tasks, then many agents."""
    fields = [_field(rows, here, wanted) for rows in groups.values()]
    return max(
        fields,
        key=lambda one: (min(len(one.candidates), MOST_CHOSEN), one.rows[0].tasks, len(one.candidates), len(one.rows)),
        default=_Rivals(rows=(), candidates=(), beyond=()),
    )


def _field(rows: Sequence[Evidence], here: WithinReach, wanted: Preferences) -> _Rivals:
    ready = {model_key(one.model): one for one in reversed(here.models) if not one.needs}
    found = [(ready[key], row) for row in rows if (key := model_key(row.model)) in ready]
    kept = [(one, row) for one, row in found if _within(row, wanted)]
    beyond = dict.fromkeys(one.agent for one, _ in found if one not in [each for each, _ in kept])
    worth = _utilities([row for _, row in kept], wanted)
    ranked = sorted(zip(kept, worth, strict=True), key=lambda each: (-each[1], each[0][0].agent))
    best: dict[str, PublishedCandidate] = {}
    for (one, row), value in ranked:  # of one model under several settings, the best
        candidate = PublishedCandidate(agent=one.agent, local=one.local, utility=value, published=row)
        best.setdefault(one.agent, candidate)
    return _Rivals(rows=tuple(rows), candidates=tuple(best.values()), beyond=tuple(beyond))


def _within(row: Evidence, wanted: Preferences) -> bool:
    """Whether it keeps to the limits; what is not known keeps to none."""
    least = dict(BANDS)[wanted.min_performance] if wanted.min_performance else 0.0
    in_time = wanted.max_seconds is None or (row.seconds is not None and row.seconds <= wanted.max_seconds)
    in_price = wanted.max_cost_usd is None or (row.usd is not None and row.usd <= wanted.max_cost_usd)
    return row.share >= least and in_time and in_price


def _utilities(rows: Sequence[Evidence], wanted: Preferences) -> list[float]:
    """What each is worth: dollars a task, or an overall score, by the rules that grade trials."""
    usd, took = _at_most([row.usd for row in rows]), _at_most([row.seconds for row in rows])
    if wanted.solved_usd is not None:
        hour = wanted.hour_usd or 0.0
        return [
            row.share * wanted.solved_usd - (usd[i] or 0.0) - (took[i] or 0.0) / 3600.0 * hour
            for i, row in enumerate(rows)
        ]
    weights = wanted.weights or Weights()
    weights = Weights(
        performance=weights.performance,
        speed=weights.speed if None not in took else 0.0,
        cost=weights.cost if None not in usd else 0.0,
    )
    speed, cost = _scores(rows, took), _scores(rows, usd)
    blends = (blended(row.share, speed[i], cost[i], weights) for i, row in enumerate(rows))
    return [capped(row.share if blend is None else blend, row.share) for blend, row in zip(blends, rows, strict=True)]


def _at_most(amounts: Sequence[float | None]) -> list[float | None]:
    """The amounts, what is not known as the most that is; all None where nothing is."""
    most = max((amount for amount in amounts if amount is not None), default=None)
    return [most if amount is None else amount for amount in amounts]


def _scores(rows: Sequence[Evidence], amounts: Sequence[float | None]) -> list[float | None]:
    """The scores of amounts per work done between the least and the most of those who do the job."""
    works = [
        None if amount is None else math.inf if row.solved <= 0.0 else amount / row.share
        for amount, row in zip(amounts, rows, strict=True)
    ]
    known = [work for work in works if work is not None and LEAST_USD < work < math.inf]
    able = [
        work
        for work, row in zip(works, rows, strict=True)
        if work is not None and LEAST_USD < work < math.inf and row.share >= HOLDS
    ]
    ends = able or known
    return [_score(work, ends) for work in works]


def _score(work: float | None, ends: Sequence[float]) -> float | None:
    if work is None:
        return None
    if work < LEAST_USD or not ends:
        return 1.0 if work < math.inf else 0.0
    position = relative_position(work, min(ends), max(ends))
    return None if position is None else score_at(position)


# What is said.


def _answer(kind: KindOfWork, field: _Rivals, here: WithinReach, wanted: Preferences) -> str:
    first = next(iter(field.candidates), None)
    if first is None:
        can = "runs on this device" if wanted.local_only else "can be asked from here"
        limits = " and keeps to the limits" if field.beyond else ""
        return f"Nothing is measured here, and nobody whose results for {kind} were published {can}{limits}."
    row = first.published
    said = f"{first.agent}: {did(row, here.today)}"
    if row.share < HOLDS:
        return (
            f"Nothing is measured here; by what others published, nobody who can be asked from here does {kind} well,"
            f" and the best of them is {said}."
        )
    return f"Nothing is measured here yet; by what others published, use {said}."


def did(row: Evidence, today: str = "") -> str:
    """`84% of the 500 tasks of swe-bench for $0.742 and in 2 min 39 s each (OpenHands, 2026-06-01)`.

    With `today` also how long ago that was, and where it is from.
    """
    parts = (
        "" if row.usd is None else f"for {dollars(row.usd)}",
        "" if row.seconds is None else f"in {seconds(row.seconds)}",
    )
    amounts = " and ".join(filter(None, parts))
    each = f" {amounts} each" if amounts else ""
    age = aged(row, today) if today else row.date
    source = f"from {row.source}" if today else ""
    where = ", ".join(filter(None, (row.scaffold, how_set(row), age, source)))
    return f"{_percent(row)} of the {row.tasks:,} tasks of {row.benchmark}{each} ({where})"


def how_set(row: Evidence) -> str:
    """`diff, low`: what the publisher set, and what stands in brackets in the published name."""
    return ", ".join(filter(None, (row.setting, *(text[1:-1] for text in ASIDE.findall(row.agent)))))


def aged(row: Evidence, today: str) -> str:
    """`2026-06-01, 6 months ago`; "" where no day is told."""
    if not row.date:
        return ""
    try:
        days = (date.fromisoformat(today[:10]) - date.fromisoformat(row.date)).days
    except ValueError:
        return row.date
    months = round(days / 30.44)
    ago = (
        many(max(days, 0), "day")
        if months < 2
        else many(months, "month")
        if months < 24
        else many(months // 12, "year")
    )
    return f"{row.date}, {ago} ago"


def _percent(row: Evidence) -> str:
    return f"{row.share:.0%}"


def _advice(kind: KindOfWork, field: _Rivals, here: WithinReach, wanted: Preferences, *, asked: bool) -> Iterator[str]:
    yield from _next(field)
    named = [one.agent for one in field.candidates[:MOST_CHOSEN]]
    yield from (f"{one.note}." for one in here.models if one.note and one.agent in named)
    yield from _absent(field, here, wanted)
    if field.beyond:
        yield f"Left out, for nobody tells that they keep to the limits: {few(field.beyond, NAMED)}."
    yield from _unknown(field)
    yield from _fitting(kind, field, here)
    if field.candidates:
        row = field.candidates[0].published
        yield (
            f"From {row.source} ({row.licence}): another program around the model, {row.scaffold}, and tasks that are"
            " not yours."
        )
    if not asked:
        others = ", ".join(each for each in KINDS if each != kind)
        yield f"This is for {kind}; other kinds of work: {others}."


def _next(field: _Rivals) -> Iterator[str]:
    if len(field.candidates) < MOST_CHOSEN:
        return
    first, second = field.candidates[0].published, field.candidates[1].published
    chance = "; what they solved differs by no more than chance" if _no_different(first, second) else ""
    yield f"Next is {field.candidates[1].agent}: {did(second)}{chance}."


def _no_different(one: Evidence, other: Evidence) -> bool:
    both = (one.solved + other.solved) / (one.tasks + other.tasks)
    error = math.sqrt(both * (1.0 - both) * (1.0 / one.tasks + 1.0 / other.tasks))
    return abs(one.share - other.share) < CHANCE * error


def _absent(field: _Rivals, here: WithinReach, wanted: Preferences) -> Iterator[str]:
    """Who did more and cannot be asked, and what is missing for that."""
    if wanted.local_only:
        return
    most = max((one.published.share for one in field.candidates), default=0.0)
    lacking = {model_key(one.model): one for one in reversed(here.models) if one.needs}
    ready = {model_key(one.model) for one in here.models if not one.needs}
    better = sorted((row for row in field.rows if row.share > most), key=lambda row: -row.share)
    keyed = [row for row in better if model_key(row.model) in lacking and model_key(row.model) not in ready]
    for row in keyed[:1]:
        one = lacking[model_key(row.model)]
        yield f"With {one.needs} set, {one.agent} could be asked: {did(row)}."
    named = few(
        (f"{row.agent} ({_percent(row)})" for row in better if row not in keyed and model_key(row.model) not in ready),
        NAMED,
    )
    if named:
        yield f"More was published of these, which are none of your agents: {named}."


def _unknown(field: _Rivals) -> Iterator[str]:
    for what, counts, name in (("cost", "dearest", "usd"), ("seconds", "slowest", "seconds")):
        lacking = [one.agent for one in field.candidates if getattr(one.published, name) is None]
        if len(lacking) == len(field.candidates) and lacking:
            yield f"Nobody told the {what} of any of them, so that counts for nothing."
        elif lacking:
            yield f"Nobody told the {what} of {few(lacking, NAMED)}: they count as the {counts}."


def _fitting(kind: KindOfWork, field: _Rivals, here: WithinReach) -> Iterator[str]:
    """Models with open weights that this machine could hold and that no server here has."""
    if here.memory_bytes is None:
        return
    ready = {model_key(one.model) for one in here.models if not one.needs}
    room = here.memory_bytes / 1e9
    fitting = sorted(
        (row for row in field.rows if row.weights_b and _gigabytes(row) <= room and model_key(row.model) not in ready),
        key=lambda row: -row.share,
    )
    if fitting:
        named = few((f"{row.agent} ({_percent(row)}, about {_gigabytes(row):.0f} GB)" for row in fitting), NAMED)
        yield f"Open weights that would fit this machine's {room:.0f} GB at four bits, for {kind}: {named}."


def _gigabytes(row: Evidence) -> float:
    return (row.weights_b or 0.0) * GIGABYTES + BESIDE_GIGABYTES


def _next_step(kind: KindOfWork, field: _Rivals, here: WithinReach) -> tuple[str, str, tuple[str, ...]]:
    """What would measure it here: who leads, else who is here at all, else whose key is missing; on which suite."""
    chosen = field.candidates[:MOST_CHOSEN]
    if chosen:
        suite = ON_DEVICE_SUITE if all(one.local for one in chosen) else SUITES[kind]
        return f"To measure {'it' if len(chosen) == 1 else 'both'} here", suite, tuple(one.agent for one in chosen)
    ready = [one for one in here.models if not one.needs]
    if ready:
        alike = tuple(one.agent for one in ready if one.local == ready[0].local)
        return "To measure what can be asked from here", ON_DEVICE_SUITE, alike[:MOST_CHOSEN]
    lacking = {model_key(one.model): one for one in reversed(here.models)}
    for row in sorted(field.rows, key=lambda row: -row.share):
        if (one := lacking.get(model_key(row.model))) is not None:
            return f"With {one.needs} set, to measure it here", SUITES[kind], (one.agent,)
    return "What is missing, and how to mend it", "", ()
