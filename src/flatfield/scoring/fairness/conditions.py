"""Under which conditions figures came about: limits, devices, caches, prices, and what devices gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield import plugins
from flatfield.saying import dollars, written
from flatfield.scoring.fairness.received import UNKNOWN, Received, digest, ran, taken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import Abandoned, AgentConfig, Limits, Reply, Run, TrialRecord, Turn


# Under what an agent's trials were done, beside the requests: limits, device, cache, prices, what it brings along.


DEVICE = "device"
"""What a run's `versions` call the machine that it was carried out on."""


def limits(trials: Sequence[TrialRecord], by_task: Mapping[str, Limits]) -> Received:
    """What each trial could use at most."""
    readings = [(trial.task, _limits(by_task[trial.task])) for trial in trials if trial.turns and trial.task in by_task]
    return taken(readings, UNKNOWN if ran(trials) else None)


def device(run: Run, agent: AgentConfig, trials: Sequence[TrialRecord]) -> Received:
    """Whether the model ran on the user's own device, and on which."""
    own = plugins.traits_or_usual(agent.provider).is_on_device or bool(agent.on_device) or _is_free(trials)
    where = run.versions.get(DEVICE, "" if run.imported else "this device")
    return _one(trials, f"yes: {where}" if own and where else "yes" if own else "no")


def warmth(trials: Sequence[TrialRecord]) -> Received:
    """How many trials began with input that another trial had left in the vendor's cache."""
    first = [trial.turns[0].reply.usage for trial in trials if trial.turns]
    known = [usage for usage in first if usage is not None]
    if not known:
        return _one(trials, UNKNOWN)
    warm = sum(usage.cache_read_tokens > 0 for usage in known)
    return _one(trials, f"{warm} of {len(known)} trials began with cached input" if warm else "none")


def prices(run: Run, agent: AgentConfig, trials: Sequence[TrialRecord]) -> Received:
    """What the tokens were priced at, where from, and when; an unknown price is none, never $0."""
    counted = [trial for trial in trials if trial.turns or trial.imported]
    known = [trial for trial in counted if trial.cost_usd is not None]
    source = run.versions.get("prices") or f"genai-prices {run.versions.get('genai-prices', UNKNOWN)}"
    text = "no price known"
    if known:
        said = dict.fromkeys(trial.priced for trial in known if trial.priced)
        text = " | ".join(said) or (
            source if any(trial.cost_usd for trial in known) else "$0: on the user's own device"
        )
    days = sorted({trial.started_at[:10] for trial in known if trial.started_at and trial.cost_usd})
    if days:
        text += f", as of {days[0]}" if len(days) == 1 else f", as of {days[0]} to {days[-1]}"
    if known and len(known) < len(counted):
        text += f"; no price known for {len(counted) - len(known)} of {len(counted)} trials"
    if agent.usd_per_hour is not None:
        text += f"; ${written(agent.usd_per_hour)} per hour of device time"
    return _one(trials, text)


def specialised(agent: AgentConfig, trials: Sequence[TrialRecord]) -> Received:
    """What an agent brings of its own; the digests of prompt and tools show what of it was sent."""
    own = (
        ["own system prompt" if agent.system_prompt else "no system prompt"] if agent.system_prompt is not None else []
    )
    if agent.tools is not None:
        own.append(f"only these tools: {', '.join(agent.tools) or 'none'}")
    return _one(trials, "; ".join(own) or "no")


def prompts(trials: Sequence[TrialRecord]) -> Received:
    """Digests of the tasks' prompts: of one task the same for all."""
    began = (trial for trial in trials if trial.prompt and (trial.turns or trial.imported))
    return taken(((trial.task, digest(trial.prompt)) for trial in began), UNKNOWN if ran(trials) else None)


def versions(run: Run, trials: Sequence[TrialRecord]) -> Received:
    """What the run depends on beside its files."""
    shown = [f"{name} {version}" for name, version in sorted(run.versions.items()) if name not in {DEVICE, "prices"}]
    return _one(trials, ", ".join(shown) or UNKNOWN)


def checked(trials: Sequence[TrialRecord], check: str) -> Received:
    """What says whether a cascade goes on behind this step."""
    return _one(trials, check or "none: no cascade")


def scaffold(run: Run, trials: Sequence[TrialRecord]) -> Received:
    """The loop and its tools: this program's, the same for all; but external agents are scaffolds themselves."""
    works = ((trial.task, turn.reply.scaffold) for trial in trials for turn in trial.turns)
    own = [(task, f"{work.name} {work.version or '(version not known)'}") for task, work in works if work is not None]
    text = (
        "the publisher's"
        if any(trial.imported for trial in trials)
        else f"the nano agent of flatfield {run.versions.get('flatfield', UNKNOWN)}"
    )
    return taken(own, None) if own else _one(trials, text)


def _one(trials: Sequence[TrialRecord], text: str) -> Received:
    return Received(otherwise=text if ran(trials) else None)


def _limits(limit: Limits) -> str:
    dollars = "" if limit.cost_usd is None else f", ${written(limit.cost_usd)}"
    return f"{limit.turns} turns, {written(limit.seconds)} s, {limit.output_tokens} output tokens{dollars}"


def _is_free(trials: Sequence[TrialRecord]) -> bool:
    """Nothing but a model on the user's own device is ever priced at $0."""
    costs = [trial.cost_usd for trial in trials if trial.turns or trial.imported]
    return bool(costs) and all(cost == 0 for cost in costs)


# What models on the user's own device took of it: how fast they read and write, memory, loading, context.


class DeviceFigures(Struct, frozen=True, kw_only=True):
    """One agent's figures over all its trials; None where no server told them.

    `read_tokens_per_second` of prompts, without what was cached; `written_tokens_per_second` of replies. `loads`: how
    often the model was loaded, which took `load_seconds` in all. Of `peak_memory_bytes` a GPU holds
    `gpu_memory_bytes`. `context_tokens` is what a conversation was offered, `most_context_tokens` the most that one
    used, `did_not_fit` in how many trials it was not enough. `gpu_layers` of its `model_layers` were on a GPU.
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


# ---------------------------------------------------------------------------- what bears on the figures


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
    """What `abandoned_of` finds, added up: attempts, tokens, dollars (None: price not known), if any is estimated."""
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
    cost = "no price known" if usd is None else f"{dollars(usd)} of the cost"
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
