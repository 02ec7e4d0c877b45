"""Reads what the recorded requests of one agent carried: parameters, output caps, system prompts, headers."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from flatfield import plugins
from flatfield.http.secrecy import PUBLIC, shown_url
from flatfield.scoring.fairness.properties import CAP, NOT_SENT, UNKNOWN
from flatfield.scoring.fairness.received import Received, taken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig, Sent, TrialRecord, Turn
    from flatfield.scoring.fairness.properties import Property

NOT_ACCEPTED = "not accepted"
ITS_NAME = "a line with its name"
FLOOR_TOKENS = 16
"""Some APIs refuse a smaller output cap, so that a trial's last turn is sent this much though less is left."""
_NAME_LINE = re.compile(r"(?:^|\n)Your model name is [^\n]+\.$")


def ran(trials: Sequence[TrialRecord]) -> bool:
    """Whether an agent did anything that can be compared."""
    return any(trial.turns or trial.imported for trial in trials)


def parameter(item: Property, agent: AgentConfig, trials: Sequence[TrialRecord]) -> Received:
    """One parameter of all turns; from the configuration, and said so, where no request is on record."""
    configured = getattr(agent, item.configured) if item.configured else None
    readings = [(trial.task, _reading(item, turn.reply.request, configured)) for trial, turn in _sent(trials)]
    return taken(readings, _otherwise(item, configured, trials))


def output_cap(agent: AgentConfig, trials: Sequence[TrialRecord], limits: Mapping[str, int]) -> Received:
    """The caps of first turns, and of later turns that were sent neither that nor what was left of it.

    `limits`: the output tokens that a trial may use, by task.
    """
    readings = [(trial.task, value) for trial in trials for value in _caps(trial, agent, limits.get(trial.task, 0))]
    return taken(readings, _otherwise(CAP, agent.max_output_tokens, trials))


def system_prompt(trials: Sequence[TrialRecord]) -> Received:
    """Digests of what all turns of a trial have before its task: with the line that names the agent told apart."""
    return taken(((trial.task, _system(trial, turn)) for trial, turn in _sent(trials)), _known(trials))


def headers(agent: AgentConfig, trials: Sequence[TrialRecord]) -> Received:
    """Extra headers by name; their values may be keys, so those are not shown."""
    own = {name.lower() for name in agent.headers}
    usual = set(PUBLIC) | set(plugins.traits_or_usual(agent.provider).key_headers)
    readings = [
        (trial.task, _names(wire.headers, own, usual))
        for trial in trials
        for turn in trial.turns
        for wire in turn.reply.wire
    ]
    configured = f"{', '.join(sorted(agent.headers))} (configured)" if agent.headers else "none"
    return taken(readings, configured if ran(trials) else None)


def digest(text: str) -> str:
    """The first 12 hex digits of SHA-256, as providers tell long texts apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _sent(trials: Sequence[TrialRecord]) -> Iterator[tuple[TrialRecord, Turn]]:
    return ((trial, turn) for trial in trials for turn in trial.turns if turn.reply.request.is_on_record)


def _known(trials: Sequence[TrialRecord]) -> str | None:
    return UNKNOWN if ran(trials) else None


def _otherwise(item: Property, configured: object, trials: Sequence[TrialRecord]) -> str | None:
    if not ran(trials):
        return None
    if configured is None:
        return item.absent
    return f"{shown_url(str(configured)) if item.configured == 'base_url' else configured} (configured)"


def _reading(item: Property, request: Sent, configured: object) -> str:
    """What one request says; a setting that it lacks though it is configured was not sent."""
    if item.configured and item.configured in request.not_accepted:
        return NOT_ACCEPTED if configured is None else f"{NOT_ACCEPTED} ({configured} is configured)"
    value = getattr(request, item.name)
    if value in (None, ""):
        return item.absent if configured is None else NOT_SENT
    return _worded(shown_url(value) if item.configured == "base_url" and "://" in str(value) else value)


def _worded(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_worded(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_worded, value)) or "none"
    return str(value)


def _caps(trial: TrialRecord, agent: AgentConfig, limit_tokens: int) -> Iterator[str]:
    first: int | None = None
    left: int | None = limit_tokens or None
    for turn in trial.turns:
        request, usage = turn.reply.request, turn.reply.usage
        if not request.is_on_record:
            continue
        value = request.output_cap_tokens
        if value is None:
            yield _reading(CAP, request, agent.max_output_tokens)
            continue
        first = value if first is None else first
        own = usage.output_tokens if usage else 0
        known = left is None or left - own <= value <= max(left, FLOOR_TOKENS)
        yield str(first) if value == first or (value < first and known) else f"{value} after {first}"
        left = None if left is None or usage is None else left - own


def _system(trial: TrialRecord, turn: Turn) -> str:
    if turn.reply.scaffold is not None:
        return turn.reply.request.system_words or UNKNOWN
    sent = turn.reply.request.system
    if not sent:
        return UNKNOWN
    shared = _NAME_LINE.sub("", trial.system_prompt)
    parts = [digest(shared) if shared else "none", *([ITS_NAME] if shared != trial.system_prompt else [])]
    if sent != digest(trial.system_prompt):
        json = turn.reply.request.protocol == "json"
        parts.append("the json protocol's instructions" if json else f"sent as {sent}")
    return " + ".join(parts)


def _names(sent: Mapping[str, str], own: set[str], usual: set[str]) -> str:
    """The headers that are the agent's own, or not those that every request to its vendor has."""
    extra = {name.lower(): value for name, value in sent.items() if name.lower() not in usual or name.lower() in own}
    shown = [f"{name}: {value}" if name in PUBLIC else name for name, value in sorted(extra.items())]
    return ", ".join(shown) or "none"
