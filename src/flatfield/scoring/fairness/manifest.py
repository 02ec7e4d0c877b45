"""The fairness manifest: what each agent really received, side by side, what differs, and how to remove that.

Values come from what was sent: the recorded requests of every turn of every trial. Where no request is on record they
come from the configuration, and say "(configured)"; an agent without any trial that began "did not run".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import structs
from msgspec.structs import replace

from flatfield import plugins
from flatfield.agent.probes import worded
from flatfield.records import ManifestRow
from flatfield.scoring.fairness import conditions
from flatfield.scoring.fairness.received import (
    CAP,
    PROPERTIES,
    SETTINGS,
    carried,
    differ,
    headers,
    output_cap,
    parameter,
    system_prompt,
)
from flatfield.tasks.agents import control_names, member_name
from flatfield.tasks.cascades import HIDDEN
from flatfield.tasks.hop import limits_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig, Run, TrialRecord
    from flatfield.scoring.fairness.received import Heading, Property, Received

    Own = Mapping[str, Sequence[TrialRecord]]
    Take = Callable[[AgentConfig, Sequence[TrialRecord]], Received]


IGNORED = "its chat template ignores tools, so the model was never told of them"
OWN_WHY = "an agent that brings its own system prompt or fewer tools: its grades are of model, prompt and tools"
SCAFFOLD_WHY = "scaffold differs: another loop, other tools, another system prompt; grades are of model and scaffold"
ORDER = ("context", "model", "prompt")
AROUND = frozenset({"answered by", "service tier", "warm cache", "on device", "prices", "versions", "specialised"})
"""Rows of what is not sent: of the configuration, of replies, of where and when a trial was done."""


def manifest(run: Run, trials: Sequence[TrialRecord]) -> tuple[ManifestRow, ...]:
    """The rows, in the order context, model, prompt; controls are shown and never count as a difference.

    Of a cascade, each step is shown as an agent of its own, by both names.
    """
    checks = _checks(run)
    run, trials = _unfolded(run, trials)
    own: dict[str, list[TrialRecord]] = {agent.name: [] for agent in run.agents}
    for trial in trials:
        own.setdefault(trial.agent, []).append(trial)
    table = _Table(run, own)
    rows = [*_of_requests(table), *_of_settings(table), *_of_circumstances(table), *_of_cascades(table, checks)]
    return tuple(sorted(rows, key=lambda row: ORDER.index(row.heading)))


def _unfolded(run: Run, trials: Sequence[TrialRecord]) -> tuple[Run, tuple[TrialRecord, ...]]:
    """The run with the steps of its cascades in their place, each with its own turns of their trials."""
    cascades = {agent.name: agent for agent in run.agents if agent.steps}
    agents = tuple(replace(one, name=member_name(agent, one)) for agent in run.agents for one in agent.members)
    parts = [
        part
        for trial in trials
        for part in (_parts(cascades[trial.agent], trial) if trial.agent in cascades else (trial,))
    ]
    return replace(run, agents=agents), tuple(parts)


def _parts(cascade: AgentConfig, trial: TrialRecord) -> Iterator[TrialRecord]:
    at = 0
    members = {step.name: member_name(cascade, step) for step in cascade.steps}
    apart = any(step.priced for step in trial.steps)
    for step in trial.steps:
        turns = trial.turns[at : at + step.turns]
        at += step.turns
        name, priced = members.get(step.agent, step.agent), step.priced if apart else trial.priced
        yield replace(trial, agent=name, turns=turns, cost_usd=step.cost_usd, priced=priced, steps=())


def _checks(run: Run) -> dict[str, str]:
    """What checks each step of a cascade, by the step's name in the manifest; "" for agents that are none."""
    return {member_name(agent, one): agent.check or "" for agent in run.agents for one in agent.members}


def _of_cascades(table: _Table, checks: Mapping[str, str]) -> Iterator[ManifestRow]:
    if not any(checks.values()):
        return
    received = table.take(lambda agent, trials: conditions.checked(trials, checks[agent.name]))
    bounds = [name for name, check in checks.items() if check == HIDDEN]
    told = [f"an upper bound, as nobody has this check while working: {', '.join(bounds)}"] if bounds else []
    why = "a cascade goes on to its next step where this check fails; its limits hold for each step"
    yield table.row("context", "check between steps", received, [why, *told])


class _Table:
    """Takes one property of all agents and makes a row of it."""

    def __init__(self, run: Run, own: Own) -> None:
        self.run = run
        self.own = own
        self._controls = control_names(run)

    def take(self, take: Take) -> dict[str, Received]:
        return {agent.name: take(agent, self.own[agent.name]) for agent in self.run.agents}

    def compared(self, received: Mapping[str, Received]) -> list[AgentConfig]:
        """The agents that a difference is between."""
        return [a for a in self.run.agents if a.name not in self._controls and received[a.name].ran]

    def row(self, heading: Heading, label: str, received: Mapping[str, Received], why: Sequence[str]) -> ManifestRow:
        """`why` explains a difference; a value that varied within an agent's trials is told in any case."""
        contenders = self.compared(received)
        differs = differ({agent.name: received[agent.name] for agent in contenders})
        varies = tuple(agent.name for agent in contenders if received[agent.name].varies)
        notes = list(why) if differs else []
        if varies:
            notes.append(f"varied over turns or trials of the same task: {', '.join(varies)}")
        return ManifestRow(
            heading=heading,
            label=label,
            values={name: value.text() for name, value in received.items()},
            differs=differs,
            varies=varies,
            absent=tuple(name for name, value in received.items() if not value.ran),
            note="; ".join(notes),
        )


def _of_requests(table: _Table) -> Iterator[ManifestRow]:
    agents, own = table.run.agents, table.own
    sent = {agent.name: carried(own[agent.name]) for agent in agents}
    for item in PROPERTIES:
        received = {each.name: parameter(item, each, own[each.name], sent[each.name]) for each in agents}
        if item.configured in SETTINGS:
            yield _setting_row(table, item, received)
            continue
        row = table.row(item.heading, item.label, received, [item.why])
        if item.configured == "protocol":
            row = _with_reasons(table, row)
        yield row


def _of_settings(table: _Table) -> Iterator[ManifestRow]:
    limits = {task.id: limits_for(task, table.run.evaluation).output_tokens for task in table.run.tasks}
    received = table.take(lambda agent, trials: output_cap(agent, trials, limits))
    yield _setting_row(table, CAP, received)
    extra = table.take(headers)
    why = [f"{a.name} sends headers of its own" for a in table.compared(extra) if extra[a.name].values != {"none"}]
    yield table.row("model", "extra headers", extra, why)
    prompts = table.take(lambda _agent, trials: system_prompt(trials))
    yield table.row("prompt", "system prompt (digest)", prompts, list(_prompt_reasons(table, prompts)))


def _of_circumstances(table: _Table) -> Iterator[ManifestRow]:
    run, take = table.run, table.take
    by_task = {task.id: limits_for(task, run.evaluation) for task in run.tasks}
    rows: tuple[tuple[Heading, str, dict[str, Received], str], ...] = (
        ("context", "limits per trial", take(lambda _, trials: conditions.limits(trials, by_task)), ""),
        ("context", "scaffold", take(lambda _, trials: conditions.scaffold(run, trials)), SCAFFOLD_WHY),
        (
            "context",
            "warm cache",
            take(lambda _, trials: conditions.warmth(trials)),
            "another trial, of this run or an earlier one, had left input in the vendor's cache: cheaper and faster",
        ),
        (
            "model",
            "on device",
            take(lambda agent, trials: conditions.device(run, agent, trials)),
            "a model on the user's own device is as fast as the device; it costs $0 at the API",
        ),
        (
            "model",
            "prices",
            take(lambda agent, trials: conditions.prices(run, agent, trials)),
            "each model has its vendor's price; an agent whose price nobody knows has no cost grade",
        ),
        ("model", "versions", take(lambda _, trials: conditions.versions(run, trials)), ""),
        ("prompt", "specialised", take(conditions.specialised), OWN_WHY),
        (
            "prompt",
            "task prompts (digest)",
            take(lambda _, trials: conditions.prompts(trials)),
            "a task's prompt must be the same for all: these records are not comparable",
        ),
    )
    for heading, label, received, why in rows:
        yield table.row(heading, label, received, [why])


def _setting_row(table: _Table, item: Property, received: Mapping[str, Received]) -> ManifestRow:
    """A row of what an agent may set: who sets what, who leaves it, and who cannot have it."""
    row = table.row(item.heading, item.label, received, list(_choices(table, item, received)))
    unsent = list(_unsent(table, item, received))
    notes = [*([row.note] if row.note else []), *unsent]
    return _noted(row, "; ".join(notes))


def _choices(table: _Table, item: Property, received: Mapping[str, Received]) -> Iterator[str]:
    """Why values differ, agent by agent."""
    chosen: dict[str, list[str]] = {}
    for agent in table.compared(received):
        configured = getattr(agent, item.configured)
        if configured is None:
            chosen.setdefault(f"not set for {{}}, so {_left(item)}", []).append(agent.name)
        elif not (received[agent.name].refused or received[agent.name].unsent):
            chosen.setdefault(f"set to {configured} for {{}}", []).append(agent.name)
    for text, names in chosen.items():
        yield text.format(", ".join(names))


def _left(item: Property) -> str:
    if item is CAP:
        return "the trial's limit holds, or less where the model's own cap is lower"
    return f"{item.absent} holds" if item.configured != "context_tokens" else "the model's or its server's own holds"


def _unsent(table: _Table, item: Property, received: Mapping[str, Received]) -> Iterator[str]:
    """Settings that an agent's configuration has and that requests did not carry, and whose doing that is."""
    for agent in table.run.agents:
        configured = getattr(agent, item.configured)
        if configured is None:
            continue
        if received[agent.name].refused:
            yield f"{agent.name} does not accept {item.label}: {configured} is configured, but was not sent"
        elif received[agent.name].unsent:
            some = " in every turn" if len(received[agent.name].values) > 1 else ""
            yield f"{agent.name}: {configured} is configured, but was not sent{some}: its API has no {item.label}"


def _with_reasons(table: _Table, row: ManifestRow) -> ManifestRow:
    """How each protocol was found out, and whose template ignores tools."""
    ignoring = [
        name
        for name, trials in table.own.items()
        if any(turn.reply.request.tools_ignored for trial in trials for turn in trial.turns)
    ]
    probed = [f"{name}: {worded(found)}" for name, found in table.run.probed.items()]
    notes = [*([row.note] if row.note else []), *probed, *(f"{name}: {IGNORED}" for name in ignoring)]
    return _noted(row, "; ".join(notes))


def _prompt_reasons(table: _Table, received: Mapping[str, Received]) -> Iterator[str]:
    for agent in table.compared(received):
        if agent.system_prompt is not None:
            yield f"{agent.name} brings {'its own system prompt' if agent.system_prompt else 'none'}"
        elif agent.protocol == "json":
            yield f"{agent.name} is told of its tools in the prompt, as the json protocol does"


def _noted(row: ManifestRow, note: str) -> ManifestRow:
    return structs.replace(row, note=note)


# Which settings an agent's model takes at all, as its vendor knows it before anything is asked.


ANY_TEMPERATURE = 0.5
USUAL_EFFORT = "low"
"""An effort that every model with efforts takes."""


def accepts_temperature(agent: AgentConfig) -> bool:
    """Whether a temperature would be sent; of vendors that do not say what they refuse: yes."""
    return "temperature" not in refused_settings(replace(agent, temperature=agent.temperature or ANY_TEMPERATURE))


def accepts_effort(agent: AgentConfig) -> bool:
    """Whether a reasoning effort would be sent; of vendors that do not say what they refuse: yes."""
    return "reasoning_effort" not in refused_settings(
        replace(agent, reasoning_effort=agent.reasoning_effort or USUAL_EFFORT)
    )


def refused_settings(agent: AgentConfig) -> frozenset[str]:
    """The settings of an agent that are not sent, as its vendor's function `refused` says, and its traits."""
    refused = getattr(plugins.vendor_if_there(agent.provider), "refused", None)
    told: frozenset[str] = refused(agent) if refused is not None else frozenset()
    return told.union(plugins.traits_or_usual(agent.provider).unsupported)


# ---------------------------------------------------------------------------- what could be the same for all


UNSET = "not set"
_FAMILY = re.compile(r"gpt-oss|[a-z]+")


def avoidable_differences(agents: Sequence[AgentConfig]) -> tuple[str, ...]:
    """One sentence for each setting that is not the same for all agents although it could be; leave controls out.

    Not avoidable, and no difference here: which API and host serves a model, on the device or not; that a model does
    not accept a setting that all agents have; what words different families of models have for their effort.
    """
    return tuple(sentence for check in _CHECKS for sentence in check(agents))


def family(agent: AgentConfig) -> str:
    """What a model's name begins with: `gpt`, `claude`, `qwen`; models of one family take the same efforts."""
    name = agent.model.rpartition("/")[2].lower()
    found = _FAMILY.match(name)
    return found.group() if found else name


def _temperature(agents: Sequence[AgentConfig]) -> Iterator[str]:
    able = [agent for agent in agents if accepts_temperature(agent)]
    yield from _uneven(
        "temperature", able, lambda a: a.temperature, "set the same temperature for all, or for none of them"
    )


def _output_cap(agents: Sequence[AgentConfig]) -> Iterator[str]:
    fix = "leave max_output_tokens out, the trial's limit holds for all; or set the same for all"
    yield from _uneven("output cap", agents, lambda a: a.max_output_tokens, fix)


def _effort(agents: Sequence[AgentConfig]) -> Iterator[str]:
    families: dict[str, list[AgentConfig]] = {}
    for agent in agents:
        if accepts_effort(agent):
            families.setdefault(family(agent), []).append(agent)
    for name, members in families.items():
        fix = "set the same reasoning_effort for all of them, or for none"
        yield from _uneven(f"reasoning effort of {name} models", members, lambda a: a.reasoning_effort, fix)


def _context(agents: Sequence[AgentConfig]) -> Iterator[str]:
    sized = [agent for agent in agents if plugins.traits_or_usual(agent.provider).sizes_context]
    fix = "set the same context_tokens for all that load their model here, or for none"
    yield from _uneven("context length", sized, lambda a: a.context_tokens, fix)


def _tools(agents: Sequence[AgentConfig]) -> Iterator[str]:
    fix = "leave `tools` out, so that all have the task's"
    yield from _uneven(
        "tools", agents, lambda a: None if a.tools is None else ", ".join(sorted(a.tools)), fix, "task's"
    )


def _system_prompt(agents: Sequence[AgentConfig]) -> Iterator[str]:
    prompts = {text: n for n, text in enumerate(dict.fromkeys(a.system_prompt for a in agents if a.system_prompt), 1)}

    def shown(agent: AgentConfig) -> str | None:
        if agent.system_prompt is None:
            return None
        number = prompts.get(agent.system_prompt)
        return "none at all" if number is None else f"own prompt {number}" if len(prompts) > 1 else "an own prompt"

    yield from _uneven("system prompt", agents, shown, "leave `system_prompt` out, so that all have the same", "shared")


def _protocol(agents: Sequence[AgentConfig]) -> Iterator[str]:
    """Of agents whose protocol is found out, it is as it has to be."""
    fix = "set the same protocol for all; json works with every model that can be held to a schema"
    settled = [
        agent
        for agent in agents
        if agent.protocol in {"native", "text", "json"}
        or (agent.protocol is None and plugins.traits_or_usual(agent.provider).finds_protocol == "never")
    ]
    yield from _uneven("tool protocol", settled, lambda a: a.protocol or "native", fix)


_CHECKS = (_temperature, _output_cap, _effort, _context, _tools, _system_prompt, _protocol)


def _uneven(
    what: str,
    agents: Sequence[AgentConfig],
    value_of: Callable[[AgentConfig], object],
    fix: str,
    absent: str = UNSET,
) -> Iterator[str]:
    """A sentence when the agents' values are not all the same: each value with those who have it, and the fix.

    The fix ends with where it is to be made: for those who have it otherwise than most, or, when most leave it unset,
    for those who set it.
    """
    holders: dict[str, list[AgentConfig]] = {}
    for agent in agents:
        value = value_of(agent)
        holders.setdefault(absent if value is None else str(value), []).append(agent)
    if len(holders) > 1:
        usual = max(holders, key=lambda value: (len(holders[value]), value == absent))
        others = [agent for value, group in holders.items() if value != usual for agent in group]
        yield f"{what}: {_listed(holders)}; {fix}. Change {', '.join(map(place, others))}"


def place(agent: AgentConfig) -> str:
    """Where an agent's settings are, or would have to be, written."""
    if agent.is_shipped or agent.source.endswith(".md"):
        holder = "flatfield itself" if agent.is_shipped else agent.source
        table = f"in a table [agents.{_key(agent.name)}] of flatfield.toml"
        return f"{agent.name} {table} ({holder} holds no settings; `flatfield agents show {agent.name}` prints one)"
    if agent.is_typed:
        return f"{agent.name}, which is named on the command line, by a table [agents.NAME] in flatfield.toml"
    return f"{agent.name} in [agents.{_key(agent.name)}] at {agent.source}"


def _key(name: str) -> str:
    """A name as TOML writes it in a table's heading."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _listed(holders: Mapping[str, Sequence[AgentConfig]]) -> str:
    return ", ".join(f"{value} ({', '.join(agent.name for agent in group)})" for value, group in holders.items())
