"""The decision in words: the sentence that every face says, and the advice that follows it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flatfield.saying import dollars, few, likely, many, rounded, seconds, written
from flatfield.scoring.certainty.values import Bounds
from flatfield.scoring.facts import agents_option, planned
from flatfield.scoring.performance import is_open, places
from flatfield.scoring.prices.pricing import unknown_costs
from flatfield.scoring.scales import HOLDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flatfield.records import Grade, RunResult, Scorecard
    from flatfield.scoring.certainty.values import Reach, Standing
    from flatfield.scoring.facts import Facts, NextTrials
    from flatfield.scoring.performance import TaskCheck

SHOWN = 3
"""So many checks or agents are named where there are more."""
LONGEST = 60
"""Characters of a check's label that a sentence has room for."""
NOTHING = 0.0005
"""A loss below this share of the whole is none."""
LEAST_WITHIN = Bounds().least_probability
"""Who keeps to the limits with less probability is left out."""
EITHER = ": as far as this shows, take either"
ON_FRONT = 0.1
"""Who is on the front with less probability is not named."""
LIKELY = 0.5
"""With less probability it is not called the best, but the one with which you lose least."""
EDGE = 0.015
"""Weights that near to 0 or to all would change nothing that somebody asks for."""
OLD_DAYS = 2.0
"""From this age on it is said how old measurements are, and from STALE_DAYS on how to look whether they still hold."""
STALE_DAYS = 14.0


def graded(grade: Grade) -> str:
    """`A (B–S)`: the letter and its range on these tasks; `A (one trial)`."""
    if grade.letter is None:
        return f"no {grade.lacks}" if grade.lacks else "not measured"
    if grade.n == 1:
        return f"{grade.letter} (one trial)"
    if grade.at_worst == grade.at_best:
        return grade.letter
    return f"{grade.letter} ({grade.at_worst}–{grade.at_best})"


# The first sentence.


def answer(facts: Facts) -> str:
    """Which agent to use, in one sentence; where none is to be used, why."""
    known, result = facts.known, facts.result
    if known is None:
        return f"No agent to recommend: {_unmeasured(facts) or 'no trial was measured'}."
    chosen = next((one for one in facts.field if one.agent == facts.recommended), None)
    if chosen is not None:
        so_far = "So far, use" if unfinished(result) else "Use"
        return f"{so_far} {chosen.agent}: {_how_good(chosen, facts)}, and it {what_it_did(chosen, facts)}."
    if not facts.field:
        return f"No agent to recommend: {_nearest(facts)}."
    first = facts.field[0]
    if not known.pays and first.agent in facts.able:
        loss = dollars(-first.next.utility.mean)
        return f"Use none of them: none pays for itself; the best, {first.agent}, would lose {loss} a task."
    able = [one.agent for one in facts.standings if one.agent in facts.able]
    if able:
        return f"No agent within the limits does the job: {few(able)} would, but {_left_out(facts, able)}."
    return f"None does the job: {first.agent} comes nearest, it {what_it_did(first, facts)}."


def _how_good(chosen: Standing, facts: Facts) -> str:
    """`it is the best of 9 agents with probability 0.73`; in money also what it brings."""
    limits = " within the limits" if _limits(facts) else ""
    among = len(facts.field)
    if among == 1:
        some = " that does the job" if any(one.agent not in facts.able for one in _others(facts)) else ""
        only = f"it is the only agent{limits or some or ' that was measured'}"
    else:
        best = likely(chosen.best)
        only = f"it is the best of {among} agents{limits} with probability {best}"
        if chosen.best < LIKELY:
            only = f"of {among} agents{limits} you lose least with it (it is the best with probability {best})"
    if facts.result.preferences.solved_usd is None:
        return only
    return f"{only}, it brings about {signed_usd(chosen.next.utility.mean)} a task"


def _others(facts: Facts) -> list[Standing]:
    return [one for one in facts.standings if one.agent != facts.recommended]


def what_it_did(one: Standing, facts: Facts) -> str:
    """`did 89% of the work in 27.1 s and for $0.00337 a trial`."""
    card = facts.cards[one.agent]
    took, usd = per_trial(card)
    flat = one.agent in facts.prepaid
    price = "" if usd is not None else "; a subscription pays" if flat else "; its price is not known"
    cost = "" if usd is None else f"for {dollars(0.0 if flat else usd)}{' (subscription)' if flat else ''}"
    amounts = " and ".join(filter(None, ("" if took is None else f"in {seconds(took)}", cost)))
    time = f" {amounts} a trial" if amounts else ""
    alone = " (one trial)" if card.measured == 1 else ""
    return f"did {_work(card)}{time}{alone}{price}"


def per_trial(card: Scorecard) -> tuple[float | None, float | None]:
    """Mean active seconds of the trials that ran, and mean dollars of those whose price is known."""
    took = card.active_seconds / card.ran if card.active_seconds is not None and card.ran else None
    usd = card.known_usd / card.priced if card.known_usd is not None and card.priced else None
    return took, usd


def _work(card: Scorecard) -> str:
    share = card.performance.score or 0.0
    if share >= 1.0:
        return "all of the work"
    return "none of the work" if share <= 0.0 else f"{_percent(share)} of the work"


def _percent(share: float) -> str:
    return f"{min(max(round(share * 100), 1), 99)}%"


def _nearest(facts: Facts) -> str:
    """Why nobody may be chosen at all, and who comes nearest to the limits."""
    wanted = facts.result.preferences
    inside = [one for one in facts.standings if not wanted.local_only or one.agent in facts.local]
    if not inside:
        return "none of those measured runs on this device"
    one = max(inside, key=lambda one: one.within)
    return (
        f"none keeps to the limits ({_limits(facts)}); {one.agent} comes nearest, with probability {likely(one.within)}"
    )


def _limits(facts: Facts) -> str:
    """`performance A or better, at most 30 s for a typical trial`; "" where there are none."""
    wanted = facts.result.preferences
    parts = [
        f"performance {wanted.min_performance} or better" if wanted.min_performance else "",
        f"at most {written(wanted.max_seconds)} s for a typical trial" if wanted.max_seconds is not None else "",
        f"at most ${written(wanted.max_cost_usd)} for a typical trial" if wanted.max_cost_usd is not None else "",
        "on this device" if wanted.local_only else "",
    ]
    return ", ".join(part for part in parts if part)


def _unmeasured(facts: Facts) -> str:
    if not facts.cards and facts.result.run.agents:
        return "only controls took part"
    reasons: dict[str, list[str]] = {}
    for name, card in facts.cards.items():
        reasons.setdefault(card.performance.note or "not measured", []).append(name)
    return few((f"{few(agents)}: {reason}" for reason, agents in reasons.items()), between="; ")


# What is said with it: what it hides first, then how sure it is, what would change it, and what would make it surer.


def advice(facts: Facts) -> tuple[str, ...]:
    """What is to be said with the answer, a sentence or two each, the most important first."""
    result = facts.result
    begun = unfinished(result)
    if facts.known is None:
        return (f"Not all is done: {begun}.",) if begun else ()
    chosen = next((one for one in facts.field if one.agent == facts.recommended), None)
    return (
        *_missing(facts),
        *((f"Not all is done: {begun}.",) if begun else ()),
        *_asked(facts),
        *(_loss(chosen, facts) if chosen else ()),
        *(_second(chosen, facts) if chosen else ()),
        *(_weights(facts) if chosen else ()),
        *_outside(chosen, facts),
        *unchecked(result),
        *_costs(facts),
        *(_more(facts) if chosen else ()),
        *_when(facts),
    )


def details(facts: Facts) -> tuple[str, ...]:
    """What else is worth knowing: the front, and whether the agent can be believed."""
    chosen = facts.cards.get(facts.recommended or "")
    return (*_front(facts), *(_claims(chosen) if chosen else ()))


def _missing(facts: Facts) -> Iterator[str]:
    """How much is missing, and whether the answer would be another one if all of it had failed."""
    if facts.known is None:
        return
    planned = sum(card.trials for card in facts.cards.values())
    lost = planned - sum(card.measured for card in facts.cards.values())
    if lost <= 0:
        return
    instead = if_missing_fail(facts)
    lacking = few(
        (
            f"{name} {card.trials - card.measured:,}"
            for name, card in facts.cards.items()
            if card.trials > card.measured
        ),
        SHOWN,
    )
    head = f"{lost:,} of {many(planned, 'trial')} {'is' if lost == 1 else 'are'} missing ({lacking})"
    if facts.recommended is None:
        yield f"{head}."
    elif instead == facts.recommended:
        yield f"{head}; the answer is the same even if all of them had failed."
    elif facts.known.if_missing_fail == facts.recommended:
        yield f"This may change: {head}. If all of them had failed, {facts.recommended} would not do the job."
    else:
        then = f"use {instead}" if instead else "use none of them"
        yield f"This may change: {head}. If all of them had failed, the answer would be: {then}."


def if_missing_fail(facts: Facts) -> str | None:
    """Who it would be if all that is missing had failed; None: nobody, also where the one now would not do the job."""
    instead = facts.known.if_missing_fail if facts.known else None
    if instead is None or instead != facts.recommended:
        return instead
    card = facts.cards[instead]
    return instead if (card.performance.score or 0.0) * card.measured / max(1, card.trials) >= HOLDS else None


def _asked(facts: Facts) -> Iterator[str]:
    """What was asked for, where it is not the run's own weights."""
    wanted = facts.result.preferences
    profile = f"Profile {wanted.profile}: " if wanted.profile else ""
    if wanted.solved_usd is not None:
        worth = f"a solved task (all its checks passed) is worth ${written(wanted.solved_usd)}"
        hour = f", an hour of waiting costs ${written(wanted.hour_usd)}" if wanted.hour_usd else ""
        said = f"{profile}{worth}{hour}."
        yield said[0].upper() + said[1:]
    elif wanted.weights is not None:
        shares = (wanted.weights.performance, wanted.weights.speed, wanted.weights.cost)
        parts = (
            f"{name} {round(100 * share / sum(shares))}%"
            for name, share in zip(("performance", "speed", "cost"), shares, strict=True)
            if share
        )
        limits = f"; {_limits(facts)}" if profile and _limits(facts) else ""
        yield f"{profile or 'Asked for: '}{few(parts)}{limits}."
    elif profile:
        yield f"{profile}{_limits(facts)}."


def _loss(chosen: Standing, facts: Facts) -> Iterator[str]:
    """What is lost on average, and in a bad case, if another agent is the best."""
    if len(facts.field) < 2:
        return
    lost = chosen.regret
    if lost.worst < NOTHING * _whole(facts):
        yield "There is nothing to lose: no other agent would be better, even in a bad case (1 of 20)."
        return
    yield (
        f"What this choice may lose on tasks like these: {_much(lost.mean, facts)} on average (nothing where it is the"
        f" best), {_much(lost.worst, facts)} in a bad case (1 of 20)."
    )


def _second(chosen: Standing, facts: Facts) -> Iterator[str]:
    """The runner-up, and what it is better at."""
    other = runner_up(facts)
    if other is None:
        return
    better = list(_better(facts.cards[other.agent], facts.cards[chosen.agent]))
    what = f"it is {few(better, between=' and ')}" if better else "it is better at none of work, time and money"
    probably = f"the best with probability {likely(other.best)}"
    if _as_good(chosen, other, facts):
        yield f"{other.agent} is as good on average, and {probably}{f'; {what}' if better else EITHER}."
        return
    behind = _much(chosen.next.utility.mean - other.next.utility.mean, facts)
    yield f"Next is {other.agent}, {probably} and on average {behind} behind; {what}."


def _as_good(chosen: Standing, other: Standing, facts: Facts) -> bool:
    return chosen.next.utility.mean - other.next.utility.mean < 0.01 * _whole(facts)


def runner_up(facts: Facts) -> Standing | None:
    """Who of the others is most probably the best; None where nobody is recommended or nobody else may be."""
    others = [one for one in facts.field if one.agent != facts.recommended]
    return max(others, key=lambda one: one.best) if facts.recommended and others else None


def _better(card: Scorecard, than: Scorecard) -> Iterator[str]:
    mine, theirs = card.performance.score or 0.0, than.performance.score or 0.0
    if mine > theirs + 0.005:
        yield f"better at the work ({_percent(mine)} against {_percent(theirs)})"
    (took, usd), (their_took, their_usd) = per_trial(card), per_trial(than)
    if took is not None and their_took is not None and took < 0.95 * their_took:
        yield f"faster ({seconds(took)} against {seconds(their_took)})"
    if usd is not None and their_usd is not None and usd < 0.95 * their_usd:
        yield f"cheaper ({dollars(usd)} against {dollars(their_usd)})"


def _weights(facts: Facts) -> Iterator[str]:
    """How far each weight can move before another agent is the answer."""
    other = runner_up(facts)
    if facts.known is None or not facts.known.reaches or other is None or _as_good(facts.field[0], other, facts):
        return
    turns = [text for one in facts.known.reaches for text in _turns(one)]
    if turns:
        yield f"The answer changes if {few(turns, between=', or if ')}."
    elif facts.result.preferences.solved_usd is None:
        yield "It stays the answer whatever performance, speed and cost count."
    else:
        yield "It stays the answer if a solved task, or an hour, is worth a thousand times less or more."


def _turns(one: Reach) -> Iterator[str]:
    if one.weight in {"solved_usd", "hour_usd"}:
        named = "a solved task is worth" if one.weight == "solved_usd" else "an hour of waiting costs"
        if one.below is not None:
            yield f"{named} less than {_about(one.low)} (now ${written(one.now)}): then {one.below}"
        if one.above is not None:
            yield f"{named} more than {_about(one.high)} (now ${written(one.now)}): then {one.above}"
        return
    if one.below is not None and one.low > EDGE:
        yield f"{one.weight} counts less than {one.low:.0%} (now {one.now:.0%}): then {one.below}"
    if one.above is not None and one.high < 1.0 - EDGE:
        yield f"{one.weight} counts more than {one.high:.0%} (now {one.now:.0%}): then {one.above}"


def _about(usd: float) -> str:
    """`$79`: as exactly as it was looked for."""
    return f"${written(float(f'{usd:.2g}'))}"


def _front(facts: Facts) -> Iterator[str]:
    """Who is beaten by nobody, of those that do the job; he who is recommended alone needs no sentence for it."""
    doing = [one for one in facts.standings if one.agent in facts.able]
    on = sorted((one for one in doing if one.front >= ON_FRONT), key=lambda one: -one.front)
    if [one.agent for one in on] not in ([], [facts.recommended]):
        named = few(f"{one.agent} ({likely(one.front)})" for one in on)
        yield f"Nobody beats these on work, time and money together (with probability): {named}."


def _outside(chosen: Standing | None, facts: Facts) -> Iterator[str]:
    """How probably the limits are kept, and who was left out for what."""
    limits, wanted = _limits(facts), facts.result.preferences
    bounded = (wanted.min_performance, wanted.max_seconds, wanted.max_cost_usd) != (None, None, None)
    if bounded and chosen is not None:
        yield f"{chosen.agent} keeps to the limits ({limits}) with probability {likely(chosen.within)}."
    if not facts.field:
        return
    beyond = {one.agent: one.within for one in facts.standings if one.within < LEAST_WITHIN}
    reasons: dict[str, list[str]] = {}
    for one in facts.excluded:
        if one.agent not in beyond:
            reasons.setdefault(one.reason, []).append(one.agent)
    if beyond:
        kept = few(f"{agent} ({likely(within)})" for agent, within in beyond.items())
        yield f"Left out, with the probability to keep to the limits: {kept}."
    if reasons:
        yield f"Left out: {few((f'{few(agents)} ({reason})' for reason, agents in reasons.items()))}."
    if facts.result.preferences.solved_usd is not None:
        for other in facts.standings:
            if other.agent not in beyond and other.agent not in facts.able and other.next.utility.mean > 0.0:
                brings = signed_usd(other.next.utility.mean)
                yield f"{other.agent} would bring about {brings} a task, though it does not do the job."


def _claims(card: Scorecard) -> Iterator[str]:
    if card.wrong_claims:
        yield (
            f"Check what it tells you: {card.agent} said that it was done in {many(card.claims, 'trial')}, and in"
            f" {card.wrong_claims:,} of them the checks say that not all was done."
        )


def _costs(facts: Facts) -> Iterator[str]:
    """Whose price is not known, and what that does to the answer."""
    grading = facts.result.grading
    if facts.prepaid:
        named = few(_at_api_prices(facts.cards[name]) for name in facts.cards if name in facts.prepaid)
        yield f"A subscription pays for {named}: one more trial costs nothing, so each counts $0."
    lacking = [agent for agent in facts.result.run.agents if agent.name in grading.unpriced]
    if not facts.result.run.timed:
        yield "Speed counts for nothing: it is not told how long the trials took."
    then = (
        "; for the answer they cost what such agents usually do, within a wide range"
        if facts.result.preferences.solved_usd is not None
        else ""
    )
    if lacking and facts.result.run.imported:
        reasons: Iterable[str] = (f"no cost was published for {few(agent.name for agent in lacking)}",)
    else:
        reasons = unknown_costs(lacking, facts.result.trials) if lacking else ()
    for reason in reasons:
        yield f"{'Cost is left out for all' if not then else 'Cost is only estimated'}: {reason}{then}."
    if grading.without_scale and not then:
        yield (
            f"Cost is left out for all: nobody but {few(grading.without_scale)} costs anything, so there is no"
            " price to compare with; targets: {cost_usd: …} in a task would grade it."
        )


def _at_api_prices(card: Scorecard) -> str:
    usd = per_trial(card)[1]
    return card.agent if usd is None else f"{card.agent} (at the API {dollars(usd)} a trial)"


def _more(facts: Facts) -> Iterator[str]:
    """The next trials that are worth it most, and the command that does them."""
    if facts.result.run.imported:
        # Its agents are others': no command names them, as nothing here need be called so.
        yield "To be surer, measure a task of yours: flatfield try \"YOUR TASK\" --check 'pytest -q'"
        return
    if len(facts.cards) == 1:
        yield f"To compare it with another one: flatfield eval --extend {facts.result.run.id} --agents OTHER"
    if len(facts.field) < 2:
        return
    one = facts.next_trials[0] if facts.next_trials else None
    if one is None or one.gain < NOTHING * _whole(facts):
        yield "More trials would hardly change this."
        return
    amount = f"{many(one.trials, 'trial')}, about {rounded(one.seconds)}"
    amount += f" and {dollars(one.usd)}" if one.usd is not None else "; price not known"
    gain = f"lowers the average loss by {_much(one.gain, facts)}"
    yield f"To be surer, {_bought(one)} ({amount}); that {gain}: {one.command}"


def _bought(one: NextTrials) -> str:
    agents = few(one.agents)
    if one.kind == "missing":
        return f"do what is missing of {agents}"
    if one.kind == "tasks":
        return f"measure {agents} on {many(one.each, 'new task')}"
    return f"do every task {'once' if one.each == 1 else f'{one.each} times'} more with {agents}"


def _when(facts: Facts) -> Iterator[str]:
    """Where the figures come from, how old they are, and the hours of those whose seconds depend on the hour."""
    result = facts.result
    if result.run.imported:
        yield f"Imported from {result.run.origin}, not measured here."
        return
    if result.pooled:
        yield (
            f"From {many(1 + len(result.pooled), 'run')}, {many(len(result.run.tasks), 'task')} and"
            f" {many(sum(card.measured for card in facts.cards.values()), 'trial')}; name a run to look at it alone."
        )
    yield from result.not_pooled
    yield from _age(facts)


def _age(facts: Facts) -> Iterator[str]:
    """When it was measured, which hosted agents' seconds depend on, and what to type to see whether it is still so."""
    result = facts.result
    moments = [moment for trial in result.trials if (moment := _moment(trial.started_at))]
    if not moments:
        return
    hosted = any(name not in facts.local for name in facts.cards)
    days = _days(max(moments), result.read_at)
    if days < OLD_DAYS and not hosted:
        return
    ago = f" {many(int(days), 'day')} ago" if days >= OLD_DAYS else ""
    hours = "; hosted agents may be slower or faster at other hours" if hosted else ""
    yield f"Measured{ago}: {_span(min(moments), max(moments))} UTC{hours}."
    top = [one.agent for one in facts.field[:2]]
    if days >= STALE_DAYS and facts.recommended:
        more = planned(result, top) + 1
        yield f"Still true? flatfield eval --resume {result.run.id} --repeats {more} {agents_option(top)}"


def _moment(text: str) -> datetime | None:
    """A record's moment in UTC; None where it has none, or one that cannot be read."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _days(moment: datetime, now: str) -> float:
    read = _moment(now)
    return (read - moment).total_seconds() / 86_400 if read else 0.0


def _span(first: datetime, last: datetime) -> str:
    """`2026-01-02 10:15 to 10:40`."""
    begun = f"{first:%Y-%m-%d %H:%M}"
    ended = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
    return begun if ended in begun else f"{begun} to {ended}"


# What trials and checks lack.


def unfinished(result: RunResult) -> str:
    """Whose trials are not all done yet; failed ones count as done. "" when all are."""
    done = Counter(
        trial.agent for trial in result.trials if trial.failure is None or trial.failure.kind != "interrupted"
    )
    return few(
        f"{card.agent} has done {done[card.agent]:,} of {many(card.trials, 'trial')}"
        for card in result.grading.scorecards
        if not card.control and done[card.agent] < card.trials
    )


def unchecked(result: RunResult) -> Iterator[str]:
    """Which checks with a weight came to no score, of the trials that were measured otherwise, and on whose trials."""
    if not any(map(is_open, result.trials)):
        return
    contenders = {card.agent for card in result.grading.scorecards if not card.control}
    found: dict[TaskCheck, list[tuple[str, bool]]] = {}
    for trial in result.trials:
        for place, check in places(trial) if trial.failure is None and trial.agent in contenders else ():
            found.setdefault(place, []).append((trial.agent, check.score is not None))
    parts = [_part(place, each) for place, each in found.items() if not all(done for _, done in each)]
    if parts:
        more = f", and {len(parts) - SHOWN:,} more" if len(parts) > SHOWN else ""
        yield f"Checks were not measured: {', '.join(parts[:SHOWN])}{more}."


def _part(place: TaskCheck, found: Sequence[tuple[str, bool]]) -> str:
    """`pytest of t on 1 of 2 trials (a)`."""
    task, _, verifier, label = place
    named = label or verifier
    check = f"{named if len(named) <= LONGEST else f'{named[: LONGEST - 1]}…'} of {task}"
    lacking = [agent for agent, done in found if not done]
    if len(lacking) == len(found):
        return f"{check} on any trial"
    agents = list(dict.fromkeys(lacking))
    whose = ", ".join(agents[:SHOWN]) + (" and others" if len(agents) > SHOWN else "")
    return f"{check} on {len(lacking):,} of {many(len(found), 'trial')} ({whose})"


def _left_out(facts: Facts, agents: Sequence[str]) -> str:
    reasons = {one.agent: one.reason for one in facts.excluded}
    return few(dict.fromkeys(reasons.get(agent, "is left out") for agent in agents))


# Amounts.


def _whole(facts: Facts) -> float:
    """What the measure spans: an overall score of 1, or what a solved task is worth."""
    return facts.result.preferences.solved_usd or 1.0


def _much(amount: float, facts: Facts) -> str:
    """`1.7 points` of 100, or `$0.46 a task`."""
    if facts.result.preferences.solved_usd is not None:
        return f"{signed_usd(amount)} a task"
    points = amount * 100
    return f"{points:.1f} points of 100" if points < 9.95 else f"{points:.0f} points of 100"


def signed_usd(amount: float) -> str:
    """`$0.46`, `-$12.30`: what somebody gains or loses."""
    shown = f"${abs(amount):,.2f}" if abs(amount) >= 0.1 else dollars(abs(amount))
    return f"-{shown}" if amount < 0 else shown
