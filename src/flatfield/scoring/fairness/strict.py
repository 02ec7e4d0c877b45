"""Where agents of one run differ in what could be the same for all, and how to remove each difference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from flatfield import plugins
from flatfield.tasks.roster import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig


# Which settings an agent's model takes at all, as its vendor knows it before anything is asked.


ANY_TEMPERATURE = 0.5
USUAL_EFFORT = "low"
"""An effort that every model with efforts takes."""


def accepts_temperature(agent: AgentConfig) -> bool:
    """Whether a temperature would be sent; of vendors that do not say what they refuse: yes."""
    return "temperature" not in _refused(replace(agent, temperature=agent.temperature or ANY_TEMPERATURE))


def accepts_effort(agent: AgentConfig) -> bool:
    """Whether a reasoning effort would be sent; of vendors that do not say what they refuse: yes."""
    return "reasoning_effort" not in _refused(replace(agent, reasoning_effort=agent.reasoning_effort or USUAL_EFFORT))


def _refused(agent: AgentConfig) -> frozenset[str]:
    """The settings of an agent that are not sent, as its vendor's function `refused` says, and its traits."""
    refused = getattr(plugins.vendor_if_there(agent.provider), "refused", None)
    told: frozenset[str] = refused(agent) if refused is not None else frozenset()
    return told.union(plugins.traits_or_usual(agent.provider).unsupported)


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
    if agent.source == SHIPPED or agent.source.endswith(".md"):
        holder = "flatfield itself" if agent.source == SHIPPED else agent.source
        table = f"in a table [agents.{_key(agent.name)}] of flatfield.toml"
        return f"{agent.name} {table} ({holder} holds no settings; `flatfield agents show {agent.name}` prints one)"
    if agent.source in {"", "command line"}:
        return f"{agent.name}, which is named on the command line, by a table [agents.NAME] in flatfield.toml"
    return f"{agent.name} in [agents.{_key(agent.name)}] at {agent.source}"


def _key(name: str) -> str:
    """A name as TOML writes it in a table's heading."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _listed(holders: Mapping[str, Sequence[AgentConfig]]) -> str:
    return ", ".join(f"{value} ({', '.join(agent.name for agent in group)})" for value, group in holders.items())
