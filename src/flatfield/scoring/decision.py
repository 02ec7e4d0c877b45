"""Which agent to use: the decision that all faces show, made of a run's facts and their words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from flatfield.scoring.answer import advice, answer, details, if_missing_fail, runner_up
from flatfield.scoring.facts import Exclusion, NextTrials, facts_of

if TYPE_CHECKING:
    from flatfield.records import RunResult
    from flatfield.scoring.certainty.values import Reach, Regret, Standing

ON_FRONT = 0.5
"""Who is on the front with this probability is named as being on it."""


class Decision(Struct, frozen=True, kw_only=True):
    """Which agent to use. `answer` is the sentence that all faces say; `advice` what is to be said with it, in order.

    `details`: what else is worth knowing of it where there is room.

    `recommended` None: nobody does the job, keeps to the limits, or pays for itself. `probability`: that nobody who may
    be recommended is better by more than a hundredth. `regret` is what is lost if somebody is, in `unit`: overall score
    in 0..1, or dollars per task. `if_missing_fail`: who it would be if all that is missing had failed, None: nobody.
    `standings`: all contenders, best first. `front`: who is probably beaten on work, time and money together by nobody.
    `prepaid`: whose trials count $0 because a subscription pays, in money alone. `runs`: whose trials it stands on.
    """

    run: str
    runs: tuple[str, ...]
    answer: str
    advice: tuple[str, ...]
    details: tuple[str, ...]
    recommended: str | None
    runner_up: str | None
    probability: float | None
    regret: Regret | None
    unit: Literal["score", "usd"]
    if_missing_fail: str | None
    standings: tuple[Standing, ...]
    front: tuple[str, ...]
    prepaid: tuple[str, ...]
    reaches: tuple[Reach, ...]
    next_trials: tuple[NextTrials, ...]
    excluded: tuple[Exclusion, ...]


class Answered:
    """Keeps the decision on a result, so that all its faces share one. On another result it is made anew."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[object, ...], Decision] | None = None

    def decision(self, result: RunResult) -> Decision:
        """The decision on this result."""
        parts = tuple(getattr(result, name) for name in result.__struct_fields__ if name != "answered")
        if self._kept is None or any(one is not other for one, other in zip(parts, self._kept[0], strict=True)):
            self._kept = parts, _made(result)
        return self._kept[1]


def decide(result: RunResult) -> Decision:
    """The decision on a run by the preferences that it was read with."""
    return result.answered.decision(result) if isinstance(result.answered, Answered) else _made(result)


def _made(result: RunResult) -> Decision:
    facts = facts_of(result)
    known, chosen = facts.known, facts.recommended
    first = next((one for one in facts.field if one.agent == chosen), None)
    second = runner_up(facts)
    return Decision(
        run=result.run.id,
        runs=(result.run.id, *result.pooled),
        answer=answer(facts),
        advice=advice(facts),
        details=details(facts),
        recommended=chosen,
        runner_up=second.agent if second else None,
        probability=first.best if first else None,
        regret=first.regret if first else None,
        unit="score" if result.preferences.solved_usd is None else "usd",
        if_missing_fail=if_missing_fail(facts),
        standings=facts.standings,
        front=tuple(one.agent for one in facts.standings if one.front >= ON_FRONT),
        prepaid=tuple(name for name in facts.cards if name in facts.prepaid),
        reaches=known.reaches if known and chosen else (),
        next_trials=facts.next_trials,
        excluded=facts.excluded,
    )
