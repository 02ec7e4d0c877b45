"""What each setting did that was tried otherwise: work, time, cost against the same baseline; and why, by the records.

A cause is only named where the records hold it: what was sent, what came back, how trials ended. What was only tried
and not found to differ says so with its interval.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, structs

from flatfield.records import Comparison, ManifestRow, Variation  # noqa: TC001 - msgspec
from flatfield.scoring.certainty.study import ratio
from flatfield.scoring.certainty.values import Estimate  # noqa: TC001 - msgspec
from flatfield.scoring.comparing import compare, read_field, side_of, study_of
from flatfield.scoring.fairness.manifest import AROUND, manifest
from flatfield.scoring.fairness.received import AS_TEXT, UNFIT, is_other, oddity
from flatfield.scoring.measures.scales import mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import Run, RunResult, Stop, TrialRecord
    from flatfield.scoring.comparing import Field


CauseKind = Literal[
    "other model",
    "same request",
    "tools ignored by template",
    "tools never called",
    "calls as text",
    "context full",
    "conversation cut",
    "output cut",
    "repeats",
    "refused",
    "turns used up",
    "time used up",
    "dollars used up",
    "reasoning",
    "writing",
]
ENDS: dict[Stop, CauseKind] = {
    "context_limit": "context full",
    "token_limit": "output cut",
    "refused": "refused",
    "turn_limit": "turns used up",
    "time_limit": "time used up",
    "cost_limit": "dollars used up",
}
LEAST_TOKENS, MUCH_MORE = 50.0, 1.5
"""So many tokens a trial, and so many times as many as on the other side, are said."""
LEAST_SHARE, HALF = 0.1, 0.5
"""What so many more of the trials had, and at least half as many as the difference in work, is said."""
UNSEEN = frozenset({"api_key_env", "headers"})
"""Settings that no record shows: what they name are keys."""
SHORTER = 0.95
"""A conversation only grows: a request with so much less input than the one before it was cut by its server."""


class Cause(Struct, frozen=True, kw_only=True):
    """What the records show of one side, `agent`, and less or not of the other.

    `count` of `of` trials, and `other` of `other_of` on the other side. "tools never called": of the other side the
    calls; "reasoning", "writing": tokens a trial of both. `names`: the models that were asked for and that answered.
    """

    kind: CauseKind
    agent: str
    count: float = 0.0
    of: int = 0
    other: float = 0.0
    other_of: int = 0
    names: tuple[str, ...] = ()


class Effect(Struct, frozen=True, kw_only=True):
    """One variation against its baseline; `comparison` None: no task was measured on both sides.

    `seconds`, `usd`: how many times the baseline's (None: one costs nothing, or nobody knows). `differences`: what was
    really received otherwise, as rows of a manifest of these two alone. `same_model`: both asked for one and the same.
    `measured` trials of `planned`.
    """

    variation: Variation
    comparison: Comparison | None = None
    seconds: Estimate | None = None
    usd: Estimate | None = None
    differences: tuple[ManifestRow, ...] = ()
    causes: tuple[Cause, ...] = ()
    same_model: bool = True
    measured: int = 0
    planned: int = 0

    @property
    def did_otherwise(self) -> bool:
        """Whether more or less of the work was done, and not by chance."""
        return self.comparison is not None and self.comparison.verdict != "too close to call"

    @property
    def took_otherwise(self) -> bool:
        """Whether time or cost differ, and not by chance."""
        return any(found is not None and not found.low <= 1.0 <= found.high for found in (self.seconds, self.usd))


class FactorEffects(Struct, frozen=True, kw_only=True):
    """All values of one setting that were tried, that which did most first."""

    factor: str
    effects: tuple[Effect, ...]


def effects_of(result: RunResult) -> tuple[FactorEffects, ...]:
    """What the settings did, that which matters most first; () for a run that asks nothing of the kind."""
    if not result.run.variations:
        return ()
    field = read_field(result.run, result.trials, result.verdicts, result.study)
    by_factor: dict[str, list[Effect]] = {}
    for variation in result.run.variations:
        by_factor.setdefault(variation.factor, []).append(_effect(result, field, variation))
    found = [
        FactorEffects(factor=name, effects=tuple(sorted(each, key=_weight, reverse=True)))
        for name, each in by_factor.items()
    ]
    return tuple(sorted(found, key=lambda one: _weight(one.effects[0]), reverse=True))


def _weight(effect: Effect) -> tuple[int, float]:
    """How much an effect matters: in the work first, then in time and cost, then what was only not told apart."""
    if effect.comparison is None:
        return 0, 0.0
    if effect.did_otherwise:
        return 3, abs(effect.comparison.difference)
    if effect.took_otherwise:
        amounts = [found.mean for found in (effect.seconds, effect.usd) if found is not None]
        return 2, max(max(amount, 1.0 / amount) for amount in amounts)
    return 1, abs(effect.comparison.difference)


def _effect(result: RunResult, field: Field, variation: Variation) -> Effect:
    names = variation.agent, variation.baseline
    found = compare(side_of(field, names[0]), side_of(field, names[1]))
    cards = {card.agent: card for card in result.grading.scorecards}
    trials = {name: [one for one in result.trials if one.agent == name] for name in names}
    rows = _rows(result.run, names, [*trials[names[0]], *trials[names[1]]])
    card = cards.get(variation.agent)
    effect = Effect(
        variation=variation,
        differences=rows,
        measured=card.measured if card else 0,
        planned=card.trials if card else 0,
    )
    if found is None:
        return effect
    own, other = (_Side(name, [one for one in trials[name] if one.task in found.tasks]) for name in names)
    worse, better = (own, other) if found.difference <= 0.0 else (other, own)
    study = study_of(field, names, found.tasks)
    return structs.replace(
        effect,
        comparison=found,
        seconds=None if study is None else ratio(study, *names, "seconds"),
        usd=None if study is None else ratio(study, *names, "usd"),
        causes=tuple(
            cause
            for cause in _causes(worse, better, rows, abs(found.difference))
            if cause.kind != "same request" or variation.factor not in UNSEEN
        ),
        same_model=not any(is_other(asked, there) for asked in own.asked for there in other.asked),
    )


def _rows(run: Run, names: tuple[str, str], trials: Sequence[TrialRecord]) -> tuple[ManifestRow, ...]:
    """What two agents did not both receive."""
    agents = [next(agent for agent in run.agents if agent.name == name) for name in reversed(names)]
    rows = manifest(structs.replace(run, agents=tuple(agents)), trials)
    return tuple(row for row in rows if row.differs)


# Why one side did less, as far as its records say it.


class _Side:
    """One agent's measured trials, counted."""

    def __init__(self, agent: str, trials: Sequence[TrialRecord]) -> None:
        self.agent = agent
        self.trials = [trial for trial in trials if trial.failure is None]
        self.turns = [turn for trial in self.trials for turn in trial.turns]
        requests = [turn.reply.request for turn in self.turns]
        self.asked = sorted({request.model for request in requests if request.model})
        self.answered = sorted({request.answered_by for request in requests if request.answered_by})
        self.template_ignores = any(request.tools_ignored for request in requests)
        self.calls = sum(trial.tool_calls or 0 for trial in self.trials)
        self.as_text = sum(oddity(trial.turns) in {AS_TEXT, UNFIT} for trial in self.trials)
        self.was_offered = sum(
            any(turn.reply.request.tools and turn.reply.scaffold is None for turn in trial.turns)
            for trial in self.trials
        )
        self.repeats = sum(_repeats(trial) for trial in self.trials)
        self.cut = sum(map(_was_cut, self.trials))

    def ended(self, stop: Stop) -> int:
        """How many trials a limit ended; a reply that repeated itself was ended for that."""
        return sum(trial.stop == stop for trial in self.trials) - (self.repeats if stop == "token_limit" else 0)

    @property
    def tokens(self) -> dict[CauseKind, float]:
        """Tokens a trial, of those that told them; 0 where none did."""
        usages = [trial.usage for trial in self.trials if trial.usage is not None]
        return {
            "reasoning": mean(usage.reasoning_tokens for usage in usages) if usages else 0.0,
            "writing": mean(usage.output_tokens for usage in usages) if usages else 0.0,
        }


def _repeats(trial: TrialRecord) -> bool:
    return bool(trial.turns) and trial.turns[-1].reply.finish == "repeats"


def _was_cut(trial: TrialRecord) -> bool:
    """Whether a later request counted clearly fewer input tokens than an earlier one of the same conversation."""
    usages = [turn.reply.usage for turn in trial.turns if turn.reply.scaffold is None]
    inputs = [usage.input_tokens for usage in usages if usage is not None and usage.input_tokens]
    return any(later < SHORTER * earlier for earlier, later in pairwise(inputs))


def _causes(worse: _Side, better: _Side, rows: Sequence[ManifestRow], gap: float) -> Iterator[Cause]:
    """What speaks for the difference in the work, which is `gap`, the plainest first."""
    if not worse.trials or not better.trials:
        return
    yield from _other_model(worse, better)
    yield from _other_model(better, worse)
    if worse.turns and better.turns and all(row.label in AROUND for row in rows):
        yield Cause(kind="same request", agent=worse.agent)
    yield from _no_calls(worse, better)
    counts: list[tuple[CauseKind, int, int]] = [("calls as text", worse.as_text, better.as_text)]
    counts += [(kind, worse.ended(stop), better.ended(stop)) for stop, kind in ENDS.items()]
    counts += [("conversation cut", worse.cut, better.cut), ("repeats", worse.repeats, better.repeats)]
    shares = [
        (count / len(worse.trials) - other / len(better.trials), kind, count, other) for kind, count, other in counts
    ]
    for more, kind, count, other in sorted(shares, key=lambda each: -each[0]):
        if more >= max(LEAST_SHARE, HALF * gap):
            yield _counted(kind, worse, better, count, other)
    yield from _tokens(worse, better)


def _other_model(side: _Side, other: _Side) -> Iterator[Cause]:
    """Another model answered than was asked for, and on this side alone."""
    for asked in side.asked:
        for answered in side.answered:
            if is_other(asked, answered) and all(is_other(answered, there) for there in other.answered):
                yield Cause(kind="other model", agent=side.agent, names=(asked, answered))


def _no_calls(worse: _Side, better: _Side) -> Iterator[Cause]:
    """It was offered tools and called none, and the other side did; a call written as text is another thing."""
    if worse.template_ignores and not better.template_ignores:
        yield _counted("tools ignored by template", worse, better, worse.was_offered, 0)
    elif worse.was_offered and not worse.calls and not worse.as_text and better.calls:
        yield _counted("tools never called", worse, better, worse.was_offered, better.calls)


def _tokens(worse: _Side, better: _Side) -> Iterator[Cause]:
    """What took more tokens on one side, whichever; where it is the reasoning, that is all that is said."""
    kinds: tuple[CauseKind, ...] = ("reasoning", "writing")
    for kind in kinds:
        low, high = sorted((worse.tokens[kind], better.tokens[kind]))
        if high >= LEAST_TOKENS and high >= MUCH_MORE * low:
            yield _counted(kind, worse, better, worse.tokens[kind], better.tokens[kind])
            return


def _counted(kind: CauseKind, worse: _Side, better: _Side, count: float, other: float) -> Cause:
    return Cause(
        kind=kind, agent=worse.agent, count=count, of=len(worse.trials), other=other, other_of=len(better.trials)
    )
