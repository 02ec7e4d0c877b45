"""What a trial's turns add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.agent.allowance import attempts_usd, reply_usd
from flatfield.records import total_usage
from flatfield.scoring.measures.performance import device_usd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flatfield.agent.loop import Outcome
    from flatfield.records import Reply, TrialRecord


def queue_seconds(outcome: Outcome | None) -> float:
    """What the turns waited for their server's lane."""
    return sum(turn.queue_seconds for turn in outcome.turns) + outcome.left.queue_seconds if outcome else 0.0


def with_sums(record: TrialRecord, outcome: Outcome, usd_per_hour: float | None) -> TrialRecord:
    """The record with the turns and what they add up to; `usd_per_hour` is what the agent's device costs."""
    turns = outcome.turns
    model_seconds = sum(turn.reply.model_seconds for turn in turns)
    tools_seconds = sum(turn.tools_seconds for turn in turns)
    active_seconds = model_seconds + tools_seconds
    lost = [outcome.abandoned_cost_usd] if outcome.left.abandoned else []
    return structs.replace(
        record,
        turns=turns,
        usage=total_usage(turn.reply.usage for turn in turns),
        cost_usd=_total([*(turn.cost_usd for turn in turns), *lost]),
        abandoned_cost_usd=_total([*(turn.abandoned_cost_usd for turn in turns), *lost]) if turns or lost else 0.0,
        abandoned_usage=outcome.left.abandoned,
        unanswered=outcome.left.wire,
        reported_cost_usd=_total([turn.reply.reported_cost_usd for turn in turns]),
        device_cost_usd=None if usd_per_hour is None else device_usd(active_seconds, usd_per_hour),
        queue_seconds=queue_seconds(outcome),
        retry_seconds=sum(turn.reply.retry_seconds for turn in turns) + outcome.left.retry_seconds,
        load_seconds=sum(turn.reply.load_seconds for turn in turns),
        first_token_seconds=turns[0].reply.first_token_seconds if turns else None,
        model_seconds=model_seconds,
        tools_seconds=tools_seconds,
        sandbox_seconds=sum(turn.sandbox_seconds for turn in turns),
        active_seconds=active_seconds,
    )


def priced_now(trial: TrialRecord, price: Callable[[Reply], float | None]) -> TrialRecord:
    """A stored trial whose cost nobody knew, with what it comes to by the prices that are known now, if it does."""
    if trial.cost_usd is not None or not trial.turns:
        return trial
    costs = [reply_usd(turn.reply, price) if turn.cost_usd is None else turn.cost_usd for turn in trial.turns]
    lost = attempts_usd(trial.abandoned_usage, trial.turns[-1].reply, price)
    return structs.replace(trial, cost_usd=_total([*costs, lost]))


def _total(costs: Sequence[float | None]) -> float | None:
    """Dollars over all turns; None when any turn's are unknown."""
    if not costs or any(cost is None for cost in costs):
        return None
    return sum(cost for cost in costs if cost is not None)
