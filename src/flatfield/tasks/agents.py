"""Agents: what configures one, `PROVIDER:MODEL[@URL]`, selection by name or glob, and what tells two apart."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, overload
from urllib.parse import urlsplit

import msgspec

from flatfield import plugins
from flatfield.errors import InvalidFiles, NotFound, Remedy
from flatfield.records import TYPED, AgentConfig
from flatfield.tasks import source
from flatfield.tasks.near_names import did_you_mean
from flatfield.tasks.source import lettered, replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from flatfield.records import Mistake, Run
    from flatfield.tasks.source import Findings, Node


# An agent's own headers: which of them hold keys, and the variables that their values name.


_SECRET = re.compile(r"auth|cookie|key|passw|secret|signature|token", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_secret(header: str) -> bool:
    """Whether a header's name says that it holds a key: authorization, x-api-key, cookie, any token or secret."""
    return _SECRET.search(header) is not None


def variables(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that values name as `${NAME}`, each once."""
    return tuple(dict.fromkeys(name for value in headers.values() for name in _VARIABLE.findall(value)))


def filled(headers: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The headers as they are sent, with what the variables hold.

    Raises:
        KeyError: a variable is not set, or empty; its argument is the variable's name.
    """

    def value_of(match: re.Match[str]) -> str:
        value = environ.get(match[1], "").strip()
        if not value:
            raise KeyError(match[1])
        return value

    return {name: _VARIABLE.sub(value_of, value) for name, value in headers.items()}


def look_at(node: Node, headers: Mapping[str, str], found: Findings) -> None:
    """Finds keys that stand in the file, where runs would keep them, and variables that cannot be any."""
    for name, value in headers.items():
        line = (node.map or {})[name].line
        named = _VARIABLE.findall(value)
        if any(not _VARIABLE_NAME.fullmatch(variable) for variable in named):
            found.add(line, f"the header `{name}` names what cannot be an environment variable", "write ${NAME}")
        elif is_secret(name) and not named:
            # The value must not be printed: it may be the key.
            fix = f'name the variable that holds it: {name} = "${{NAME}}", after a word such as Bearer if it needs one'
            found.add(line, f"the header `{name}` holds a key, which would be stored with every run", fix)


_NAME = re.compile(r"[^\W_][\w.:@+-]*")
_NO_NAME = re.compile(r"[^\w.:@+-]+")
_NO_LETTERS = re.compile(r"[\W_]+")


def _outputs() -> list[str]:
    return list(dict.fromkeys(output for vendor in plugins.all_traits() for output in vendor.outputs))


@source.takes_what(lambda: {"type": "string", "enum": _outputs()})
def _output(node: Node, name: str, found: source.Findings) -> str | None:
    """In which form the command of an external agent reports: one that some vendor reads."""
    chosen: str | None = source.choice(*_outputs())(node, name, found)
    return chosen


SETTINGS: dict[str, source.NodeReader] = {
    "provider": source.text(),
    "model": source.text(),
    "base_url": source.text(),
    "api_key_env": source.text(),
    "headers": source.text_map,
    "temperature": source.number(least=0),
    "max_output_tokens": source.integer(1),
    "reasoning_effort": source.text(),
    "context_tokens": source.integer(1),
    "gpu_layers": source.integer(0),
    "protocol": source.choice("auto", "native", "text", "json"),
    "on_device": source.boolean,
    "usd_per_hour": source.number(least=0),
    "system_prompt": source.text(empty=True),
    "tools": source.tools,
    "command": source.texts(empty=False),
    "output": _output,
    "subscription": source.boolean,
    "description": source.text(empty=True),
}
"""What `[agents.NAME]` in flatfield.toml may hold, where it is no cascade."""

ROUTE = "auto"
"""What `provider` is of an agent that chooses another one: no vendor's name."""
POLICIES = ("balanced", "best", "cheap", "fast")
"""By what such a one chooses: as the run weighs things, by performance alone, or by it and cost, or speed."""
ROUTES = {ROUTE: "balanced", **{f"{ROUTE}:{policy}": policy for policy in POLICIES}}
"""Agents that anybody can name, and their policies."""

KEY_IN_ADDRESS = "a user name, a password or a query, which would be stored with every run"
KEY_ELSEWHERE = "name the variable that holds the key with api_key_env, or in headers as ${NAME}"

_RARE = ("command", "output", "gpu_layers", "steps", "check", "route")
"""Settings that few agents have: left out of a fingerprint where they are not used, so that older runs stay known."""
_BARE_ADDRESS = re.compile(r"@((?:localhost|\[[0-9A-Fa-f:]+\]|[\w-]+(?:\.[\w-]+)*):\d{1,5}(?:/.*)?|localhost(?:/.*)?)$")
"""An address at the end of a spec that lacks its scheme: a host with a port."""


@dataclass(frozen=True, slots=True)
class Roster(Sequence[AgentConfig]):
    """All agents that can be named, each name once; `unread` are the mistakes of agents' files, by the agent's name."""

    agents: tuple[AgentConfig, ...] = ()
    unread: Mapping[str, tuple[Mistake, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.agents)

    @overload
    def __getitem__(self, index: int) -> AgentConfig: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[AgentConfig, ...]: ...

    def __getitem__(self, index: int | slice) -> AgentConfig | tuple[AgentConfig, ...]:
        return self.agents[index]


def is_name(text: str) -> bool:
    """Whether an agent can be called so: letters of any script, but no `/` and no spaces; it is part of trials' ids."""
    return _NAME.fullmatch(lettered(text)) is not None


def is_control(agent: AgentConfig) -> bool:
    """Whether the agent is a control: it needs no model, and a glob does not select it."""
    return plugins.traits_or_usual(agent.provider).is_control


def control_names(run: Run) -> frozenset[str]:
    """The run's controls: those it names, and every agent whose provider is one."""
    return frozenset(run.controls) | {agent.name for agent in run.agents if is_control(agent)}


def wrapper_name(agent: str) -> str:
    """What the sub-agent that wraps an agent is called: `nano-agent-`, and only letters, digits and hyphens."""
    plain = replaced(_NO_LETTERS, "-", agent.lower()).strip("-")
    return plain if plain.startswith("nano-agent-") else f"nano-agent-{plain}"


def parse_agent(text: str) -> AgentConfig:
    """An agent written as `PROVIDER:MODEL[@URL]`, split at the first `:` and the last `@http`.

    Its name is the same without `/` and without the URL's scheme.

    Raises:
        NotFound: it has not that form.
    """
    provider, colon, rest = text.partition(":")
    model, at, url = rest.rpartition("@http")
    if not at:
        model, url = rest, ""
    if not colon or not provider or not (model or plugins.traits_or_usual(provider).is_control):
        raise NotFound(
            f"{text!r} is no agent: write a configured name or PROVIDER:MODEL[@URL], such as ollama:qwen3:8b"
        )
    if not at and "://" in model:
        raise NotFound(f"the address in {text!r} must begin with http:// or https://")
    if not at and (bare := _BARE_ADDRESS.search(model)):
        asked = f"{provider}:{model[: bare.start()]}@http://{bare[1]}"
        raise NotFound(f"{text!r} names a server without http:// in front; did you mean {asked}?")
    base_url = f"http{url}" if at else None
    if base_url is not None and not is_url(base_url):
        raise NotFound(f"{base_url!r} in {text!r} is no address; write http://HOST[:PORT][/PATH]")
    if base_url is not None and may_hold_a_key(base_url):
        raise NotFound(f"the address of {provider}:{model} holds {KEY_IN_ADDRESS}; {KEY_ELSEWHERE}")
    place = f"@{urlsplit(base_url).netloc}" if base_url else ""
    name = replaced(_NO_NAME, "-", f"{provider}:{model}{place}").strip("-:")
    return AgentConfig(name=name, provider=provider, model=model, base_url=base_url, source=TYPED)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each agent's name, and the shortest form of it that means no other one: of `PROVIDER:MODEL@HOST` the model."""
    forms = {name: _forms(name) for name in names}
    taken = Counter(form for each in forms.values() for form in set(each))
    return {name: next((form for form in each if taken[form] == 1), name) for name, each in forms.items()}


def called(name: str, agents: Iterable[str]) -> tuple[str, ...]:
    """The agents that a name means: the one that has it, the one whose short form it is, or all that begin so."""
    known = tuple(agents)
    if name in known:
        return (name,)
    short = tuple(agent for agent, form in short_names(known).items() if form == name)
    return short or tuple(agent for agent in known if agent.startswith(name))


def near_provider(name: str) -> str:
    """What to say behind a provider that is none: the one that was meant, by its name or another one, or all."""
    providers = plugins.names("provider")
    meant = plugins.provider_called(name) or source.closest(name, providers)
    return f"; did you mean {meant!r}?" if meant else f"; there are: {', '.join(providers)}"


def _forms(name: str) -> tuple[str, ...]:
    """A name from short to long: MODEL, MODEL@HOST, PROVIDER:MODEL, all of it."""
    provider, colon, rest = name.partition(":")
    if not colon or not rest or provider not in plugins.names("provider"):
        return (name,)
    model, at, _ = rest.rpartition("@")
    return (model, rest, f"{provider}:{model}", name) if at and model else (rest, name)


def may_hold_a_key(url: str) -> bool:
    """Whether an address has what belongs in no record: a user, a password, a query or a fragment."""
    parts = urlsplit(url)
    return "@" in parts.netloc or bool(parts.query or parts.fragment)


def is_url(text: str) -> bool:
    """Whether it is an http(s) address with a host."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def select_agents(items: Sequence[str], roster: Sequence[AgentConfig], writer: str = "") -> tuple[AgentConfig, ...]:
    """The agents that names, globs and specs select, in their order, each once.

    A name wins over a spec; `nano-agent-NAME` means the agent that such a sub-agent wraps. Globs leave out the
    controls, which are compared with nothing, and select among the user's own agents. Those that flatfield brings
    along, which are many and may cost money, are selected by a glob only where none of the user's matches and the glob
    begins as their names do (`claude-*`, never `*`).

    `writer` is the folder of the project whose files name them; "": the user typed them.

    Raises:
        NotFound: items that select nothing; all of them, with names that come close.
        InvalidFiles: an item names an agent whose file has mistakes.
    """
    chosen: dict[str, AgentConfig] = {}
    problems: list[NotFound] = []
    for item in items:
        try:
            for agent in _select(unicodedata.normalize("NFC", item.strip()), roster, writer):
                chosen[_free_name(agent, chosen)] = agent
        except NotFound as error:
            problems.append(error)
    if problems:
        raise together(problems)
    return tuple(msgspec.structs.replace(agent, name=name) for name, agent in chosen.items())


def with_key(agents: Sequence[AgentConfig], variable: str | None) -> tuple[AgentConfig, ...]:
    """The same, with the key of this variable for those that the user typed with an address.

    Raises:
        NotFound: it is no variable's name, or none of them was typed so.
    """
    if variable is None:
        return tuple(agents)
    if not variable.replace("_", "a").isalnum():  # a key pasted by mistake must not be printed
        raise NotFound("--key-env names the environment variable that holds the key, not the key: --key-env MY_KEY")
    keyed = {agent.name for agent in agents if agent.is_typed and agent.base_url and agent.api_key_env is None}
    if not keyed:
        raise NotFound(f"--key-env {variable} is for agents written as PROVIDER:MODEL@URL, and none is; leave it out")
    return tuple(
        msgspec.structs.replace(agent, api_key_env=variable) if agent.name in keyed else agent for agent in agents
    )


def key_typed(agent: AgentConfig) -> str:
    """Which key goes where, of an agent that says both; else ""."""
    return f"{agent.api_key_env} to {agent.base_url}" if agent.api_key_env and agent.base_url else ""


def fingerprint(agent: AgentConfig) -> str:
    """16 hex digits of SHA-256 over all that changes what it does: not its name, origin, description or who pays it."""
    same = msgspec.to_builtins(msgspec.structs.replace(agent, name="", source="", description=""))
    del same["folder"], same["subscription"]
    same["protocol"] = agent.protocol or "native"
    same["steps"] = [fingerprint(step) for step in agent.steps]
    for key in _RARE:
        if same[key] in (None, [], ()):
            del same[key]
    return hashlib.sha256(msgspec.json.encode(same, order="deterministic")).hexdigest()[:16]


def member_name(agent: AgentConfig, member: AgentConfig) -> str:
    """What one of an agent's members is called: of a cascade, both names; else the agent's own."""
    return f"{agent.name}: {member.name}" if agent.steps else agent.name


def as_configured(agent: AgentConfig, run: Run) -> AgentConfig:
    """A run's agent as its user wrote it: without the tool protocol, where that was left open and then found out."""
    return _without_protocol(agent, lambda member: member_name(agent, member) in run.probed)


def is_same(one: AgentConfig, agent: AgentConfig, run: Run) -> bool:
    """Whether an agent that is configured now is one of a run's, as it was configured then."""
    now = _without_protocol(one, lambda member: member.protocol == "auto")
    return fingerprint(now) == fingerprint(as_configured(agent, run))


def _without_protocol(agent: AgentConfig, is_open: Callable[[AgentConfig], bool]) -> AgentConfig:
    members = tuple(
        msgspec.structs.replace(member, protocol=None) if is_open(member) else member for member in agent.members
    )
    return msgspec.structs.replace(agent, steps=members) if agent.steps else members[0]


def together(errors: Sequence[NotFound]) -> NotFound:
    """Several errors as one, each in a line."""
    first, *others = errors
    return NotFound(*first.args, *(part for each in others for part in ("\n", *each.args)))


def listed(roster: Sequence[AgentConfig]) -> tuple[str, ...]:
    """Who can be named, as parts of an error: one's own by name, those that flatfield brings along by number."""
    own = [agent.name for agent in roster if not agent.is_shipped]
    shipped = len(roster) - len(own)
    if not shipped:
        return (", ".join(own) or "none",)
    return (", ".join([*own, f"{shipped} that flatfield brings along"]), " (see: ", Remedy.LIST_AGENTS, ")")


def _select(item: str, roster: Sequence[AgentConfig], writer: str) -> Iterator[AgentConfig]:
    unread = roster.unread if isinstance(roster, Roster) else {}
    if mistakes := next((found for name, found in unread.items() if item in {name, wrapper_name(name)}), None):
        raise InvalidFiles(mistakes)
    named = next((agent for agent in roster if agent.name == item), None)
    named = named or next((agent for agent in roster if wrapper_name(agent.name) == item), None)
    if named is not None:
        yield named
        return
    if item in ROUTES:
        yield AgentConfig(name=item, provider=ROUTE, route=ROUTES[item], source=TYPED)
        return
    if any(sign in item for sign in "*?["):
        matching = [a for a in roster if fnmatchcase(a.name, item) and not is_control(a)]
        own = [agent for agent in matching if not agent.is_shipped]
        if matching and not own and item[0] in "*?[":
            raise NotFound(
                f"{item!r} matches no agent of yours, and those that flatfield brings along are not taken all at once: "
                "name them, or begin the glob as their names do, such as claude-*"
            )
        if not matching:
            raise NotFound(f"no agent's name matches {item!r}; there are: ", *listed(roster))
        yield from own or matching
        return
    if ":" not in item:
        close = did_you_mean(item, roster)
        there = (close,) if close else ("; there are: ", *listed(roster))
        raise NotFound(f"there is no agent {item!r}", *there, " (or write PROVIDER:MODEL[@URL])")
    yield _typed(item, writer)


def _typed(item: str, writer: str) -> AgentConfig:
    """The agent that a spec is."""
    if item.startswith(f"{ROUTE}:"):
        meant = source.closest(item, ROUTES)
        fix = f"did you mean {meant!r}?" if meant else f"there are: {', '.join(ROUTES)}"
        raise NotFound(f"there is no route {item!r}; {fix}")
    agent = parse_agent(item)
    if writer:
        agent = msgspec.structs.replace(agent, folder=writer, source=f"a file of {writer}")
    if agent.provider not in plugins.names("provider"):
        raise NotFound(f"there is no provider {agent.provider!r} for {item!r}{near_provider(agent.provider)}")
    return agent


def _free_name(agent: AgentConfig, chosen: dict[str, AgentConfig]) -> str:
    """The agent's name, with a number when another agent already has it (two URLs may share host and model)."""
    name, number = agent.name, 2
    while name in chosen and fingerprint(chosen[name]) != fingerprint(agent):
        name, number = f"{agent.name}-{number}", number + 1
    return name
