"""One agent with one setting at a time otherwise: the agents of a run that asks what makes the difference.

`--over NAME=VALUE,VALUE` becomes a factor; each of its values that is not the agent's own becomes an agent. All are
checked before anything is asked of a server: a value that changes nothing, or a setting that is not taken.
"""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any, get_args

from msgspec import Struct, structs

from flatfield import plugins
from flatfield.errors import FlatfieldError, NotFound
from flatfield.http.secrecy import shown_url
from flatfield.records import AgentConfig, ToolProtocol, Variation
from flatfield.runs.probing import leaves_open
from flatfield.scoring.fairness.manifest import refused_settings
from flatfield.tasks import source
from flatfield.tasks.agents import (
    KEY_ELSEWHERE,
    KEY_IN_ADDRESS,
    SETTINGS,
    Roster,
    fingerprint,
    is_control,
    is_url,
    may_hold_a_key,
    near_provider,
    select_agents,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


# What `--over` says: which settings, and which values of each.


SCAFFOLD = "scaffold"
"""The factor that is no setting: which loop and tools are around the model."""
NANO = "nano"
"""Its value for the agent as it is."""
DEFAULT = "default"
"""A setting's value for "not set": what the vendor, the model or the task has."""
NONE = "none"
"""No system prompt, no tools at all."""
BETWEEN = "+"
"""Between the tools of one value."""
_NO_FACTOR = frozenset({"description"})
_BY_FILE_ALONE = frozenset({"headers"})
_EXAMPLE = "--over reasoning_effort=low,high"
_NO_LABEL = re.compile(r"[^\w.:@+-]+")


class Factor(Struct, frozen=True, kw_only=True):
    """A setting and its values, as the user wrote them, each once."""

    name: str
    values: tuple[str, ...]


class Varied(Struct, frozen=True, kw_only=True):
    """The agent as it is configured, then one agent for each value of each factor; and what is to be said of values."""

    agents: tuple[AgentConfig, ...]
    variations: tuple[Variation, ...]
    notes: tuple[str, ...] = ()


def factor_names() -> tuple[str, ...]:
    """What can be varied: an agent's settings, and the scaffold around it."""
    return (*(name for name in AgentConfig.__struct_fields__ if name in SETTINGS.keys() - _NO_FACTOR), SCAFFOLD)


def factor_values(name: str, roster: Iterable[AgentConfig] = ()) -> tuple[str, ...]:
    """The values of a factor that can be listed; of most there are none."""
    if name == SCAFFOLD:
        scaffolds = [each.name for each in plugins.all_traits() if each.is_scaffold]
        programs = (f"{each}:{program}" for each in scaffolds for program in _of_vendor(each, "programs", tuple)())
        return (NANO, *programs, *(agent.name for agent in roster if agent.provider in scaffolds))
    listed: dict[str, tuple[str, ...]] = {
        "provider": plugins.names("provider"),
        "tools": (*plugins.names("tool"), NONE),
        "on_device": ("true", "false"),
        "protocol": ("auto", *get_args(ToolProtocol)),
    }
    return listed.get(name, ())


def _of_vendor(provider: str, name: str, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """A function that a vendor's package may have."""
    found: Callable[..., Any] = getattr(plugins.load("provider", provider), name, otherwise)
    return found


def parse_factors(given: Sequence[str]) -> tuple[Factor, ...]:
    """The factors in their order; one that stands in several options has the values of all.

    Raises:
        FlatfieldError: names or values that cannot be; all of them.
    """
    if not given:
        raise FlatfieldError(f"name what is to be tried otherwise, such as {_EXAMPLE}; there are: {_names()}")
    found: dict[str, dict[str, None]] = {}
    problems: list[str] = []
    for text in given:
        name, equals, values = (part.strip() for part in text.partition("="))
        each = [value.strip() for value in values.split(",")] if name != "command" else [values]
        if name not in factor_names():
            close = source.did_you_mean(name, factor_names())
            problems.append(f"--over {text}: an agent has no setting {name!r}{close or f'; there are: {_names()}'}")
        elif not equals or not all(each):
            problems.append(f"--over {text}: write the values with commas between them, such as {_EXAMPLE}")
        else:
            found.setdefault(name, {}).update(dict.fromkeys(each))
    _refuse(problems)
    return tuple(Factor(name=name, values=tuple(values)) for name, values in found.items())


def _names() -> str:
    return ", ".join(factor_names())


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise FlatfieldError("\n  ".join(dict.fromkeys(problems)))


# The agents that a run of this kind has: the one that is asked about, and its variations.


def baseline_of(name: str, roster: Roster) -> AgentConfig:
    """The one agent that a name means, as it is configured.

    Raises:
        NotFound: there is none, or there are several.
        FlatfieldError: it is a control, or a cascade.
    """
    found = select_agents([name], roster)
    if len(found) > 1:
        raise NotFound(f"{name!r} means {', '.join(agent.name for agent in found)}: name the one that is to be varied")
    if is_control(found[0]):
        raise FlatfieldError(f"{name} is a control, which asks no model: name an agent whose settings do something")
    if found[0].steps:
        raise FlatfieldError(f"{name} is a cascade: vary one of its steps, {', '.join(a.name for a in found[0].steps)}")
    return found[0]


def vary(
    agent: AgentConfig, factors: Sequence[Factor], roster: Roster, folder: Path, environ: Mapping[str, str]
) -> Varied:
    """The agent and its variations; files are looked for from `folder`.

    Raises:
        FlatfieldError: values that cannot be, are not taken, or change nothing; all of them.
    """
    desk = _Desk(agent, roster, folder, environ)
    for factor in factors:
        desk.add(factor)
    _refuse(desk.problems)
    return Varied(agents=(agent, *desk.agents), variations=tuple(desk.variations), notes=tuple(desk.notes))


class _Desk:
    """Makes one agent after the other, and notes what is wrong with values."""

    def __init__(self, agent: AgentConfig, roster: Roster, folder: Path, environ: Mapping[str, str]) -> None:
        self._agent, self._roster, self._folder, self._environ = agent, roster, folder, environ
        self.agents: list[AgentConfig] = []
        self.variations: list[Variation] = []
        self.problems: list[str] = []
        self.notes: list[str] = []

    def add(self, factor: Factor) -> None:
        own: list[str] = []
        made = 0
        for value in factor.values:
            said = f"{factor.name}={_harmless(factor.name, value)}"
            try:
                agent = self._with(factor.name, value)
            except FlatfieldError as error:
                self.problems.append(f"--over {said}: {error}")
                continue
            problem = self._problem(factor.name, agent)
            if problem:
                self.problems.append(f"--over {said}: {problem}")
            elif self._is_own(agent):
                own.append(said)
            else:
                self._take(factor.name, value, agent)
            made += bool(problem) or not self._is_own(agent)
        if own and not made:
            self.problems.append(f"--over {own[0]}: that is what {self._agent.name} has as it is; name another value")
        else:
            told = [said for said in own if said != f"{SCAFFOLD}={NANO}"]
            self.notes += [f"{said} is what {self._agent.name} has as it is: no agent of its own" for said in told]

    def _with(self, name: str, value: str) -> AgentConfig:
        if name == SCAFFOLD:
            return self._in_scaffold(value)
        return structs.replace(self._agent, **{name: _setting(name, value, self._folder)})

    def _in_scaffold(self, value: str) -> AgentConfig:
        """The agent's model in another scaffold: with what such a one can be told of its settings."""
        agent = self._agent
        if plugins.traits_or_usual(agent.provider).is_scaffold:
            raise FlatfieldError(
                f"{agent.name} is a scaffold's own agent: name the one whose model the nano agent asks"
            )
        named = next((one for one in self._roster if one.name == value), None)
        if value == NANO:
            return agent
        if named is not None and plugins.traits_or_usual(named.provider).is_scaffold:
            return named
        provider, _, program = value.partition(":")
        if provider not in plugins.names("provider") or not plugins.traits_of(provider).is_scaffold or not program:
            kinds = " or ".join(f"{each.name}:PROGRAM" for each in plugins.all_traits() if each.is_scaffold)
            raise FlatfieldError(f"write {NANO}, {kinds}, or the name of an agent that is such a one")
        model = _of_vendor(provider, "with_model_of", lambda _agent, program: program)(agent, program)
        moved = structs.replace(agent, provider=provider, model=model)
        usual = AgentConfig(name="", provider="")
        return structs.replace(moved, **{field: getattr(usual, field) for field in refused_settings(moved)})

    def _problem(self, name: str, agent: AgentConfig) -> str:
        """Why the setting would do nothing, or cannot be had."""
        traits = plugins.traits_or_usual(agent.provider)
        if name == SCAFFOLD or getattr(agent, name) == getattr(self._agent, name):
            return ""
        if traits.is_control:
            return f"{agent.provider} is a control, which asks no model"
        if name in refused_settings(agent):
            return f"{agent.model or agent.name}, as {agent.provider} serves it, does not take {name}"
        if name == "context_tokens" and not traits.sizes_context:
            return (
                f"a model of {agent.provider} has the context that its server gives it: start a server with each "
                "size, and vary base_url"
            )
        if name in {"command", "output"} and not traits.is_scaffold:
            return f"{name} is for external agents, and {agent.name} is none"
        return ""

    def _is_own(self, agent: AgentConfig) -> bool:
        return self._identity(agent) == self._identity(self._agent)

    def _identity(self, agent: AgentConfig) -> tuple[str, bool]:
        """What tells agents apart; in which words a protocol is left open makes no difference."""
        is_open = leaves_open(agent, self._environ)
        return fingerprint(structs.replace(agent, protocol=None) if is_open else agent), is_open

    def _take(self, factor: str, value: str, agent: AgentConfig) -> None:
        if any(self._identity(agent) == self._identity(one) for one in self.agents):
            return  # the same in other words
        name = self._name(f"{self._agent.name}+{factor}:{_label(factor, value)}")
        origin = f"{self._agent.source}, with {factor}={_harmless(factor, value)}"
        self.agents.append(structs.replace(agent, name=name, source=origin))
        self.variations.append(
            Variation(
                agent=name,
                baseline=self._agent.name,
                factor=factor,
                value=_harmless(factor, value),
                was=_own_value(factor, self._agent),
            )
        )

    def _name(self, wanted: str) -> str:
        taken = {agent.name for agent in (*self._roster, *self.agents)}
        numbered = (f"{wanted}-{number}" for number in range(2, len(taken) + 3))
        return wanted if wanted not in taken else next(name for name in numbered if name not in taken)


def _label(factor: str, value: str) -> str:
    """The value as a part of a name: of an address its host, of a path its last part."""
    shown = value.partition("://")[2].partition("/")[0] if factor == "base_url" else value
    shown = shown.rstrip("/").rpartition("/")[2] if factor in {"system_prompt", "model"} else shown
    return source.replaced(_NO_LABEL, "-", shown).strip("-") or DEFAULT


def _harmless(factor: str, value: str) -> str:
    """The value as it may be shown: an address may hold a key, and a key may stand where its variable's name should."""
    if factor == "base_url":
        with suppress(ValueError):
            return shown_url(value)
    return value if factor != "api_key_env" or value.replace("_", "a").isalnum() else "…"


def _own_value(factor: str, agent: AgentConfig) -> str:
    """What the agent has of a factor, as a user would write it."""
    if factor == SCAFFOLD:
        return NANO
    value = getattr(agent, factor)
    if value is None or value == getattr(AgentConfig(name="", provider=""), factor):
        return DEFAULT
    if factor == "system_prompt":
        return "its own" if value else NONE
    if isinstance(value, tuple):
        return (shlex.join(value) if factor == "command" else BETWEEN.join(value)) or NONE
    if isinstance(value, bool):
        return "true" if value else "false"
    return _harmless(factor, f"{value:g}" if isinstance(value, float) else str(value))


# One value of a setting, read as flatfield.toml's is.


def _setting(name: str, text: str, folder: Path) -> object:
    """The value of a setting.

    Raises:
        FlatfieldError: it cannot be one.
    """
    if name in _BY_FILE_ALONE:
        raise FlatfieldError("write another agent with them into flatfield.toml, and compare the two with eval")
    if text == DEFAULT:
        if name in {"provider", "model"}:
            raise FlatfieldError(f"an agent has no {name} by default: name one")
        return () if name == "command" else None
    if name == "system_prompt":
        return _prompt(text, folder)
    found = source.Findings(path="")
    value = SETTINGS[name](_node(name, text), f"`{name}`", found)
    problems = [*(f"{one.problem}; {one.fix}" for one in found.mistakes), *_odd(name, value)]
    _refuse(problems)
    return value


def _odd(name: str, value: object) -> Iterator[str]:
    """What is wrong with a text that is to be an address, a variable or a provider."""
    if name == "base_url" and isinstance(value, str) and not is_url(value):
        yield "that is no address; write http://HOST[:PORT][/PATH]"
    elif name == "base_url" and isinstance(value, str) and may_hold_a_key(value):
        yield f"it holds {KEY_IN_ADDRESS}; {KEY_ELSEWHERE}"
    elif name == "api_key_env" and isinstance(value, str) and not value.replace("_", "a").isalnum():
        yield "that is not the name of an environment variable; name the variable, not the key"
    elif name == "provider" and isinstance(value, str) and value not in plugins.names("provider"):
        yield f"there is no provider {value!r}{near_provider(value)}"


def _node(name: str, text: str) -> source.Node:
    """The text as the value that it would be in flatfield.toml."""
    if name == "tools":
        parts = [] if text == NONE else [part.strip() for part in text.split(BETWEEN)]
        return source.Node(line=1, value=[source.Node(line=1, value=part) for part in parts])
    if name == "command":
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise FlatfieldError(f"that cannot be read as a shell's words: {error}") from None
        return source.Node(line=1, value=[source.Node(line=1, value=word) for word in words])
    return source.Node(line=1, value=_scalar(text), raw=text)


def _scalar(text: str) -> object:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return {"true": True, "false": False}.get(text, text)


def _prompt(text: str, folder: Path) -> str:
    """A system prompt: a file's text, without white space around it.

    Raises:
        FlatfieldError: there is no such file, it is empty, or no text.
    """
    if text == NONE:
        return ""
    path = folder / text
    found = source.decode(source.read_bytes(path), text).strip()
    if not found:
        raise FlatfieldError(f"{path} is empty; write {NONE} for no system prompt at all")
    return found
