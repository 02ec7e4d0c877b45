"""Under which conditions figures came about, where they bear on what the figures say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import Abandoned, Reply, TrialRecord, Turn

AT_ONCE_SECONDS = 0.001
"""What comes within so short a time of the first token came at once with it."""
LAG_SECONDS = 0.02
"""A lag of the event loop above which a turn's figures are marked."""


def output_tokens_per_second(trials: Sequence[TrialRecord]) -> float | None:
    """Output tokens over the seconds in which they came; None when no turn tells, or a turn's tokens are not known.

    Only turns that came in pieces tell: of one that came at once nobody knows how long it took to write. Such a turn
    counts from its first token; where the model reasoned, it counts whole: the first token that is seen may come after
    others that are not shown.
    """
    turns = [turn for trial in trials for turn in trial.turns]
    tokens, seconds = 0, 0.0
    for turn in turns:
        reply = turn.reply
        if reply.usage is None:
            return None
        first_seconds = _streamed_from(reply)
        if first_seconds is None:
            continue
        tokens += reply.usage.output_tokens
        seconds += reply.model_seconds - (0.0 if reply.usage.reasoning_tokens else first_seconds)
    return tokens / seconds if tokens and seconds > 0 else None


def _streamed_from(reply: Reply) -> float | None:
    """When the first token of a reply came that came in pieces; None for any other one."""
    first_seconds = reply.first_token_seconds
    if first_seconds is None or reply.model_seconds - first_seconds <= AT_ONCE_SECONDS:
        return None
    return first_seconds if reply.pieces is None or reply.pieces > 1 else None


def abandoned_of(trials: Sequence[TrialRecord]) -> tuple[Abandoned, ...]:
    """What attempts used that broke off after their first token, those of requests without a reply included."""
    replies = [turn.reply for trial in trials for turn in trial.turns]
    lost = [item for trial in trials for item in trial.abandoned_usage]
    return (*(item for reply in replies for item in reply.abandoned_usage), *lost)


def abandoned_sum(trials: Sequence[TrialRecord]) -> dict[str, int | float | bool | None]:
    """The same, added up: attempts, tokens, dollars (None: no price known), and whether any of it is estimated."""
    found = abandoned_of(trials)
    costs = [trial.abandoned_cost_usd for trial in trials]
    return {
        "attempts": len(found),
        "input_tokens": sum(item.usage.input_tokens for item in found),
        "output_tokens": sum(item.usage.output_tokens for item in found),
        "cost_usd": None if None in costs else sum(cost or 0.0 for cost in costs),
        "estimated": any(item.estimated for item in found),
    }


def turn_conditions(turns: Sequence[Turn]) -> Iterator[str]:
    """What is to be known of one trial's figures."""
    if text := _lagged(turns):
        yield text


def conditions(trials: Sequence[TrialRecord]) -> tuple[str, ...]:
    """What is to be known of a run's figures."""
    turns = [turn for trial in trials for turn in trial.turns]
    return tuple(text for text in (_lagged(turns), _abandoned(trials), _warmed(trials)) if text)


def _lagged(turns: Sequence[Turn]) -> str:
    timed = [turn for turn in turns if turn.reply.model_seconds > 0]  # a control's turns have no time to be wrong
    lags = [turn.lag_seconds for turn in timed if turn.lag_seconds is not None and turn.lag_seconds > LAG_SECONDS]
    if not lags:
        return ""
    return (
        f"{_many(len(lags), 'turn was', 'turns were')} measured while the event loop lagged by up to"
        f" {max(lags) * 1000:.0f} ms: their seconds may be too long by as much; fewer --jobs measure more exactly"
    )


def _abandoned(trials: Sequence[TrialRecord]) -> str:
    found = abandoned_of(trials)
    told = sum(turn.reply.abandoned for trial in trials for turn in trial.turns)
    if not found and told:
        return (
            f"{_many(told, 'attempt', 'attempts')} broke off after the first token and had to be made again: the vendor"
            " may bill what had come, which an older flatfield left out of all tokens and costs here"
        )
    if not found:
        return ""
    summed = abandoned_sum(trials)
    usd = summed["cost_usd"]
    cost = "no price known" if usd is None else f"${usd:.6g} of the cost"
    return (
        f"{_many(len(found), 'attempt', 'attempts')} broke off after the first token, which a vendor may bill:"
        f" {cost}, {summed['input_tokens']:,} input and {summed['output_tokens']:,} output tokens"
        f"{' (estimated)' if summed['estimated'] else ''}, which the token counts of turns and trials leave out"
    )


def _warmed(trials: Sequence[TrialRecord]) -> str:
    first = [trial.turns[0].reply.usage for trial in trials if trial.turns]
    warm = sum(usage is not None and usage.cache_read_tokens > 0 for usage in first)
    if not warm:
        return ""
    return (
        f"{_many(warm, 'trial', 'trials')} began with cached input: another trial, of this run or an earlier one, had"
        " warmed the vendor's cache"
    )


def _many(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"
