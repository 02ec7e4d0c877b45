"""What a decision stands on: a run's posterior asked with what matters to the user, who may be recommended, and why."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from flatfield import plugins
from flatfield.saying import likely
from flatfield.scoring.certainty.study import certainty, study_run
from flatfield.scoring.certainty.values import Ask, Bounds, Money, Standing
from flatfield.scoring.grading import without_cost
from flatfield.scoring.measures.scales import BANDS, HOLDS
from flatfield.scoring.standing import did_as_well
from flatfield.scoring.standing import known as known_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.records import AgentConfig, Preferences, Run, RunResult, Scorecard, TrialRecord, Weights
    from flatfield.scoring.certainty.study import Study
    from flatfield.scoring.certainty.values import Certainty, Purchase

LONGEST = 40
"""Characters of names that stand in one word of a command."""


class Exclusion(Struct, frozen=True, kw_only=True):
    """An agent that may not be recommended, and why."""

    agent: str
    reason: str


class NextTrials(Struct, frozen=True, kw_only=True):
    """Further trials: the loss is lower by `gain` after them, on average; `command` does them, "" where nothing can.

    `kind`: what is missing of the agents, `each` more repeats of every task, or `each` new tasks. Dollars None: a price
    is not known.
    """

    kind: Literal["missing", "repeats", "tasks"]
    agents: tuple[str, ...]
    each: int
    trials: int
    usd: float | None
    seconds: float
    gain: float
    command: str


class Facts(Struct, frozen=True, kw_only=True):
    """What the words are made from. `able`: who does the job (C or better), `known`: None where nothing is measured.

    `standings`: all contenders, best first; `field`: who of them may be recommended. `prepaid`: who counts $0 because a
    flat rate pays, which is so in money alone.
    """

    result: RunResult
    known: Certainty | None
    cards: Mapping[str, Scorecard]
    local: frozenset[str]
    able: frozenset[str]
    standings: tuple[Standing, ...]
    field: tuple[Standing, ...]
    recommended: str | None
    prepaid: frozenset[str]
    excluded: tuple[Exclusion, ...]
    next_trials: tuple[NextTrials, ...]


def on_device(agents: Sequence[AgentConfig], trials: Sequence[TrialRecord]) -> frozenset[str]:
    """Whose models run on the user's device: always so at their vendor, stated by `on_device`, or every trial cost $0.

    That is only so where the vendor says that the model runs there, or a user's own price says $0.
    """
    costs: dict[str, list[float | None]] = {}
    for trial in trials:
        if trial.failure is None:
            costs.setdefault(trial.agent, []).append(trial.cost_usd)
    return frozenset(
        agent.name
        for agent in agents
        if all(plugins.traits_or_usual(one.provider).is_on_device or one.on_device for one in agent.members)
        or all(usd == 0.0 for usd in costs.get(agent.name, [None]))
    )


def measure_of(result: RunResult) -> Weights | Money:
    """What matters: dollars where they are given, else those weights that the letters have.

    Letters leave cost out where it cannot be graded for somebody who does the job. Dollars that nobody knows are
    estimated where money is what matters, which is said.
    """
    wanted = result.preferences
    if wanted.solved_usd is not None:
        return Money(solved_usd=wanted.solved_usd, hour_usd=wanted.hour_usd or 0.0)
    grading = result.grading
    asked = wanted.weights or grading.asked or grading.weights
    weights = without_cost(asked, (*grading.unpriced, *grading.without_scale))
    return weights if result.run.timed else replace(weights, speed=0.0)


def prepaid(result: RunResult) -> frozenset[str]:
    """Whose trials cost nothing more, because a flat rate pays for them; nobody's where money is not what matters."""
    if result.preferences.solved_usd is None:
        return frozenset()
    return frozenset(agent.name for agent in result.run.agents if agent.prepaid)


def facts_of(result: RunResult) -> Facts:
    """What there is to say of a run, by the preferences that it was read with."""
    cards = {card.agent: card for card in result.grading.scorecards if not card.control}
    local = on_device(result.run.agents, result.trials)
    found = study_run(result, result.frozen or result.run.anchors)
    among = tuple(name for name in cards if name in local) if result.preferences.local_only else tuple(cards)
    able = frozenset(name for name, card in cards.items() if (card.performance.score or 0.0) >= HOLDS)
    lacking = unproven(result, tuple(able))
    bounds = _bounds(result.preferences)
    doing = _among(found, bounds, among, able - lacking.keys()) if found else among
    known = certainty(found, Ask(measure=measure_of(result), bounds=bounds, among=doing)) if found else None
    standings = known.standings if known else ()
    field = tuple(one for one in standings if one.allowed)
    chosen = known.answer if known else None
    recommended = chosen if chosen in able else None
    return Facts(
        result=result,
        known=known,
        cards=cards,
        local=local,
        able=able,
        standings=standings,
        field=field,
        recommended=recommended,
        prepaid=prepaid(result),
        excluded=tuple(_excluded(cards, standings, among, able, lacking)),
        next_trials=tuple(_next(one, result) for one in known.purchases) if known and recommended else (),
    )


def _among(found: Study, bounds: Bounds, among: Sequence[str], able: frozenset[str]) -> tuple[str, ...]:
    """Who may be recommended: of those within the limits who do the job, or all where none of them does."""
    from flatfield.scoring.certainty.choice import within

    kept = dict(zip(found.posterior.agents, within(found.posterior.next, bounds).tolist(), strict=True))
    doing = tuple(name for name in among if name in able and kept.get(name, 0.0) >= bounds.least_probability)
    return doing or tuple(among)


def unproven(result: RunResult, names: Sequence[str]) -> dict[str, str]:
    """Whose checks were not all measured while somebody of whom less is missing did as well, and who that is.

    What is not measured never helps: such an agent never stands before the other.
    """
    state = known_parts(names, result.grading.cells)
    lacking = {cell.agent for cell in result.grading.cells if cell.down > 0.0}
    found = {}
    for name in sorted(lacking & set(names)):
        better = [one for one in names if one != name and did_as_well(state[one], state[name])]
        if better:
            found[name] = min(better)
    return found


def _bounds(wanted: Preferences) -> Bounds:
    return Bounds(
        min_performance=dict(BANDS)[wanted.min_performance] if wanted.min_performance else None,
        max_seconds=wanted.max_seconds,
        max_usd=wanted.max_cost_usd,
    )


def _excluded(
    cards: Mapping[str, Scorecard],
    standings: Sequence[Standing],
    among: Sequence[str],
    able: frozenset[str],
    unproven: Mapping[str, str],
) -> list[Exclusion]:
    """Who may not be recommended, and the first reason for it."""
    kept = {one.agent: one for one in standings}
    found = []
    for name, card in cards.items():
        standing = kept.get(name)
        if standing is None:
            reason = card.performance.note or "not measured"
        elif standing.allowed:
            continue
        elif name not in among:
            reason = "does not run on this device"
        elif standing.within < Bounds().least_probability:
            reason = f"keeps to the limits with probability {likely(standing.within)}"
        elif name not in able:
            reason = "does not do the job"
        elif name in unproven:
            reason = f"not all of its checks were measured, and {unproven[name]} did as well"
        else:
            continue
        found.append(Exclusion(agent=name, reason=reason))
    return found


def _next(one: Purchase, result: RunResult) -> NextTrials:
    return NextTrials(
        kind=one.kind,
        agents=one.agents,
        each=one.each,
        trials=one.trials,
        usd=one.usd,
        seconds=one.seconds,
        gain=one.gain,
        command=_command(one, result),
    )


def _command(one: Purchase, result: RunResult) -> str:
    """What to type for these trials; "" where the run was not measured here."""
    run = result.run
    if run.imported:
        return ""
    if one.kind == "missing":
        return f"flatfield eval --resume {run.id}"
    if one.kind == "tasks":
        return _on_new_task(one.agents, run)
    now = planned(result, one.agents)
    if not now:
        return f"flatfield eval --extend {run.id} {agents_option(typed(one.agents, run))}"
    repeats = now + one.each
    return f"flatfield eval --resume {run.id} --repeats {repeats} {agents_option(one.agents)}"


def _on_new_task(agents: Sequence[str], run: Run) -> str:
    """The same agents on another task; variations are configured nowhere, so they are made again."""
    varied = {one.agent: one for one in run.variations}
    baselines = {one.baseline for one in run.variations}
    if not varied.keys() & set(agents) or not set(agents) <= varied.keys() | baselines:
        return f"flatfield eval NEW-TASK.md {agents_option(typed(agents, run))}"
    over = (f"--over {shlex.quote(f'{varied[name].factor}={varied[name].value}')}" for name in agents if name in varied)
    (named,) = typed([run.variations[0].baseline], run)
    return " ".join(["flatfield vary", shlex.quote(named), "NEW-TASK.md", *over])


def typed(names: Sequence[str], run: Run) -> list[str]:
    """What is typed for agents of the run where it is not the run itself that knows their names."""
    known = {agent.name: agent.typed_as for agent in run.agents}
    return [known.get(name, name) for name in names]


def agents_option(names: Sequence[str]) -> str:
    """`--agents a,b`, or the option once for each where that would be a long word, which no line could break."""
    joined = ",".join(names)
    return f"--agents {joined}" if len(joined) <= LONGEST else " ".join(f"--agents {name}" for name in names)


def planned(result: RunResult, agents: Sequence[str]) -> int:
    """The most repeats of a task that one of the agents has in the run (of a pool: has done in it)."""
    run = result.run
    if result.pooled:
        return max((one.repeat for one in result.trials if one.run == run.id and one.agent in agents), default=0)
    return max(
        (run.repeats.get(task.id, 1) + run.added_to(task.id, name) for task in run.tasks for name in agents), default=1
    )
