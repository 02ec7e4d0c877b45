"""What models on the user's own device took of it: how fast they read and write, memory, loading, context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import TrialRecord, Turn


class DeviceFigures(Struct, frozen=True, kw_only=True):
    """One agent's figures over all its trials; None where no server told them.

    `read_tokens_per_second` of prompts, without what was cached; `written_tokens_per_second` of replies. `loads`: how
    often the model was loaded, which took `load_seconds` in all. Of `peak_memory_bytes` a GPU holds
    `gpu_memory_bytes`. `context_tokens` is what a conversation was offered, `most_context_tokens` the most that one
    used, `did_not_fit` in how many trials it was not enough.
    """

    agent: str
    read_tokens_per_second: float | None = None
    written_tokens_per_second: float | None = None
    loads: int = 0
    load_seconds: float = 0.0
    peak_memory_bytes: int | None = None
    gpu_memory_bytes: int | None = None
    context_tokens: int | None = None
    most_context_tokens: int | None = None
    did_not_fit: int = 0
    gpu_layers: int | None = None
    model_layers: int | None = None


def device_figures(trials: Sequence[TrialRecord]) -> tuple[DeviceFigures, ...]:
    """The figures of each agent of which a server told what its device did, in the order in which they come."""
    by_agent: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        by_agent.setdefault(trial.agent, []).append(trial)
    return tuple(
        _of(agent, own)
        for agent, own in by_agent.items()
        if any(turn.reply.device is not None for trial in own for turn in trial.turns)
    )


def _of(agent: str, trials: Sequence[TrialRecord]) -> DeviceFigures:
    turns = [turn for trial in trials for turn in trial.turns]
    works = [turn.reply.device for turn in turns if turn.reply.device is not None]
    loads = [turn.reply.load_seconds for turn in turns if turn.reply.load_seconds > 0]
    most = max(works, key=lambda work: work.peak_memory_bytes or 0)
    requests = [turn.reply.request for turn in turns]
    return DeviceFigures(
        agent=agent,
        read_tokens_per_second=_rate([(work.read_tokens, work.read_seconds) for work in works]),
        written_tokens_per_second=_rate([(work.written_tokens, work.written_seconds) for work in works]),
        loads=len(loads),
        load_seconds=sum(loads),
        peak_memory_bytes=most.peak_memory_bytes,
        gpu_memory_bytes=most.gpu_memory_bytes,
        context_tokens=next((each.context_tokens for each in requests if each.context_tokens is not None), None),
        most_context_tokens=max(filter(None, map(_context, turns)), default=None),
        did_not_fit=sum(trial.stop == "context_limit" for trial in trials),
        gpu_layers=next((each.gpu_layers for each in requests if each.gpu_layers is not None), None),
        model_layers=next((each.model_layers for each in requests if each.model_layers is not None), None),
    )


def _context(turn: Turn) -> int | None:
    usage = turn.reply.usage
    return None if usage is None else usage.input_tokens + usage.output_tokens


def _rate(parts: Sequence[tuple[int, float]]) -> float | None:
    """Tokens a second over all of them; None where there is no time to divide by."""
    seconds = sum(seconds for _, seconds in parts)
    return sum(tokens for tokens, _ in parts) / seconds if seconds > 0 else None
