"""The fairness manifest: what each agent really received, side by side, under context, model and prompt.

Values come from what was sent (`Reply.request` of the recorded turns). Where no request is on record they come from the
configuration, and say "(configured)".
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from flatfield.records import ManifestRow
from flatfield.scoring.grading import control_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.records import AgentConfig, Run, TrialRecord

DEFAULT = "vendor's default"
NOT_SENT = "not sent"
UNKNOWN = "not known"
IGNORED = "the model's chat template ignores tools"
NOT_ACCEPTED = "not accepted"
MANY = 3


class Property(Struct, frozen=True, kw_only=True):
    """One row: the request's keys that carry it, the configuration's field behind it, and why agents may differ.

    `every_turn`: what the API told of each reply; all else is read from first turns, as later ones get what is left.
    """

    heading: Literal["context", "model", "prompt"]
    label: str
    keys: tuple[str, ...]
    configured: str = ""
    absent: str = UNKNOWN
    why: str
    every_turn: bool = False


PROPERTIES = (
    Property(
        heading="context",
        label="tool schemas (digest)",
        keys=("tools_digest",),
        why="the tasks or the agents' `tools` settings offer different tools",
    ),
    Property(
        heading="context",
        label="tool protocol",
        keys=("protocol",),
        configured="protocol",
        why="a small model may be configured to call tools as json; its grades are of model and protocol",
    ),
    Property(
        heading="context",
        label="tool template",
        keys=("tool_template",),
        absent="the API's own",
        why="a local model's chat template, or one brought for it, writes its tools into the prompt",
    ),
    Property(
        heading="context",
        label="context length (tokens)",
        keys=("context_tokens", "num_ctx"),
        configured="context_tokens",
        absent="the model's own",
        why="models have different contexts; a local one has what it was loaded with",
    ),
    Property(heading="model", label="API", keys=("api",), configured="provider", why="each vendor's own API is spoken"),
    Property(heading="model", label="model", keys=("model",), configured="model", why="this is what the run compares"),
    Property(
        heading="model",
        label="answered by",
        keys=("model_version",),
        absent="the model asked for, as far as the API says",
        why="the version that the API says it answered with; a retired name may be answered by a successor",
        every_turn=True,
    ),
    Property(
        heading="model",
        label="API version",
        keys=("anthropic_version",),
        absent="in the address, or none",
        why="an API whose version is a header: some settings are taken in one version only",
    ),
    Property(
        heading="model",
        label="service tier",
        keys=("service_tier",),
        absent="not reported",
        why="which tier the API says it served at: tiers differ in speed and price",
        every_turn=True,
    ),
    Property(
        heading="model",
        label="host",
        keys=("base_url", "host"),
        configured="base_url",
        absent="the vendor's",
        why="each model is asked where it is served",
    ),
    Property(
        heading="model",
        label="temperature",
        keys=("temperature",),
        configured="temperature",
        absent=DEFAULT,
        why="the vendor's default unless the agent sets it; some models do not accept temperature",
    ),
    Property(
        heading="model",
        label="output cap (tokens)",
        keys=("max_tokens", "max_output_tokens", "max_completion_tokens", "maxOutputTokens", "num_predict"),
        configured="max_output_tokens",
        absent=NOT_SENT,
        why="the trial's limit, or less where the agent is configured so; later turns are sent what is left of it",
    ),
    Property(
        heading="model",
        label="reasoning effort",
        keys=("reasoning_effort", "effort"),
        configured="reasoning_effort",
        absent=DEFAULT,
        why="the vendor's default unless the agent sets it; not every model reasons",
    ),
    Property(
        heading="model",
        label="thinking, as sent",
        keys=("thinking", "thinkingConfig", "think"),
        absent="nothing but the effort",
        why="some APIs take a budget or a switch for what others take as a word of effort",
    ),
    Property(
        heading="model",
        label="streaming",
        keys=("stream",),
        absent=UNKNOWN,
        why="an API that cannot stream its replies",
    ),
    Property(
        heading="prompt",
        label="system prompt (digest)",
        keys=("system_digest",),
        why="a line with the agent's neutral name, an own `system_prompt`, or tools described by the json protocol",
    ),
)


def manifest(run: Run, trials: Sequence[TrialRecord]) -> tuple[ManifestRow, ...]:
    """The rows, in the order context, model, prompt; controls are shown and never count as a difference."""
    own: dict[str, list[TrialRecord]] = {agent.name: [] for agent in run.agents}
    for trial in trials:
        own.setdefault(trial.agent, []).append(trial)
    controls = control_names(run)
    rows = []
    for item in PROPERTIES:
        values = {agent.name: _value(item, agent, own[agent.name]) for agent in run.agents}
        notes = [item.why] if _differs(values, controls) else []
        if item.configured == "protocol":
            notes += [f"{a.name}: {IGNORED}" for a in run.agents if _requested(own[a.name], "tools_ignored") == ["yes"]]
        notes += _unsent(item, run.agents, own)
        rows.append(_row(item.heading, item.label, values, controls, "; ".join(notes)))
    special = {agent.name: _specialised(agent) for agent in run.agents}
    why = "an agent that brings its own system prompt or fewer tools: its grades are of model, prompt and tools"
    rows.append(_row("prompt", "specialised", special, controls, why if _differs(special, controls) else ""))
    prices = {agent.name: _prices(run, agent, own[agent.name]) for agent in run.agents}
    why = "each model has its vendor's price; an agent whose price nobody knows has no cost grade"
    rows.append(_row("model", "prices", prices, controls, why if _differs(prices, controls) else ""))
    versions = ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items())) or UNKNOWN
    rows.append(_row("model", "versions", dict.fromkeys(own, versions), controls, ""))
    prompts = _prompts(run, own)
    why = "a task's prompt must be the same for all: these records are not comparable"
    rows.append(_row("prompt", "task prompts (digest)", prompts, controls, why if _differs(prompts, controls) else ""))
    return tuple(sorted(rows, key=lambda row: ("context", "model", "prompt").index(row.heading)))


def _value(item: Property, agent: AgentConfig, trials: Sequence[TrialRecord]) -> str:
    """What was sent, else what is configured, else what its absence means."""
    configured = getattr(agent, item.configured) if item.configured else None
    for key in item.keys:
        if sent := _requested(trials, key, every_turn=item.every_turn):
            if sent == [NOT_ACCEPTED] and configured is not None:
                return f"{NOT_ACCEPTED} ({configured} is configured)"
            return _joined(_host(url) for url in sent) if key == "base_url" else _joined(sent)
    recorded = any(turn.reply.request for trial in trials for turn in trial.turns)
    if recorded or configured is None:
        return NOT_SENT if recorded and configured is not None else item.absent
    return f"{_host(str(configured)) if item.configured == 'base_url' else configured} (configured)"


def _requested(trials: Sequence[TrialRecord], key: str, *, every_turn: bool = False) -> list[str]:
    """The different values of one request parameter, in words and in order; of first turns, unless of `every_turn`."""
    found: dict[str, None] = {}
    for trial in trials:
        for turn in trial.turns if every_turn else trial.turns[:1]:
            value: Any = turn.reply.request.get(key)
            if value is not None:
                found[_worded(value)] = None
    return list(found)


def _worded(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_worded(each)}" for name, each in value.items())
    return str(value)


def _joined(values: Any) -> str:  # noqa: ANN401 - any iterable of texts
    items = list(dict.fromkeys(values))
    if len(items) > MANY and all(item.isdecimal() for item in items):
        return f"{min(map(int, items))} to {max(map(int, items))}"
    return " | ".join(items)


def _host(url: str) -> str:
    return urlsplit(url).netloc or url


def _unsent(item: Property, agents: Sequence[AgentConfig], own: Mapping[str, Sequence[TrialRecord]]) -> list[str]:
    """Settings that an agent's configuration has and that its requests did not carry, and whose doing that is."""
    if item.configured not in {"temperature", "reasoning_effort", "max_output_tokens", "context_tokens"}:
        return []
    notes = []
    for agent in agents:
        configured, value = getattr(agent, item.configured), _value(item, agent, own[agent.name])
        if configured is not None and (value == NOT_SENT or value.startswith(NOT_ACCEPTED)):
            who = (
                f"the API does not accept {item.label}" if value == NOT_SENT else "its API or model does not accept it"
            )
            notes.append(f"{agent.name}: {configured} is configured, but was not sent: {who}")
    return notes


def _specialised(agent: AgentConfig) -> str:
    """What an agent brings of its own; the digests of prompt and tools show what of it was sent."""
    own = [] if agent.system_prompt is None else ["own system prompt"]
    if agent.tools is not None:
        own.append(f"own tools: {', '.join(agent.tools) or 'none'}")
    return "; ".join(own) or "no"


def _prices(run: Run, agent: AgentConfig, trials: Sequence[TrialRecord]) -> str:
    """Which prices the agent's trials were paid at."""
    source = run.versions.get("prices") or f"genai-prices {run.versions.get('genai-prices', UNKNOWN)}"
    known = [trial.cost_usd for trial in trials if trial.cost_usd is not None]
    text = "no price known"
    if known:
        text = source if any(known) else "$0: on the user's own device"
    return text if agent.usd_per_hour is None else f"{text}; ${agent.usd_per_hour:g} per hour of device time"


def _prompts(run: Run, own: Mapping[str, Sequence[TrialRecord]]) -> dict[str, str]:
    """A digest of the user messages, over the tasks that every agent with records of prompts has done."""
    by_agent = {name: {(t.task, t.prompt) for t in trials if t.prompt} for name, trials in own.items()}
    done = [{task for task, _ in pairs} for pairs in by_agent.values() if pairs]
    shared = set.intersection(*done) if done else set()
    digests = {}
    for agent in run.agents:
        pairs = sorted(pair for pair in by_agent[agent.name] if pair[0] in shared)
        text = repr(pairs).encode()
        digests[agent.name] = hashlib.sha256(text).hexdigest()[:12] if pairs else UNKNOWN
    return digests


def _differs(values: Mapping[str, str], controls: frozenset[str]) -> bool:
    return len({value for agent, value in values.items() if agent not in controls}) > 1


def _row(
    heading: Literal["context", "model", "prompt"],
    label: str,
    values: dict[str, str],
    controls: frozenset[str],
    note: str,
) -> ManifestRow:
    return ManifestRow(heading=heading, label=label, values=values, differs=_differs(values, controls), note=note)
