"""Under what an agent's trials were done, beside the requests: limits, device, cache, prices, what it brings along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield import plugins
from flatfield.scoring.fairness.properties import UNKNOWN
from flatfield.scoring.fairness.received import Received, taken
from flatfield.scoring.fairness.requests import digest, ran

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.records import AgentConfig, Limits, Run, TrialRecord

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
        text += f"; ${agent.usd_per_hour:g} per hour of device time"
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
    dollars = "" if limit.cost_usd is None else f", ${limit.cost_usd:g}"
    return f"{limit.turns} turns, {limit.seconds:g} s, {limit.output_tokens} output tokens{dollars}"


def _is_free(trials: Sequence[TrialRecord]) -> bool:
    """Nothing but a model on the user's own device is ever priced at $0."""
    costs = [trial.cost_usd for trial in trials if trial.turns or trial.imported]
    return bool(costs) and all(cost == 0 for cost in costs)
