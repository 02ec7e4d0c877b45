"""Reads flatfield.toml: `allow`, and the tables of agents, prices, lanes and profiles."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from flatfield import plugins
from flatfield.records import AgentConfig, KindOfWork, LaneLimits, Preferences, Price
from flatfield.tasks import agents, source, toml
from flatfield.tasks.agents import ROUTE, look_at
from flatfield.tasks.cascades import CASCADE, read_cascade, read_route, table_schemas
from flatfield.tasks.source import shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.tasks.cascades import WrittenCascade
    from flatfield.tasks.source import Findings, Node

_TABLES = {
    "agents": "write one table [agents.NAME] for each agent",
    "prices": 'write one table [prices."MODEL"] each',
    "profiles": "write one table [profiles.NAME] for each time that asks for other things",
    "lanes": 'write one table [lanes."PROVIDER"] or [lanes."HOST"] each',
}
_OF_CASCADES = ("steps", "check")
_ALLOW = "allow"
_EXAMPLE = 'allow = ["AGENTS.md", "docs/**/CLAUDE.md"]'
_NEEDED = ("input_mtok", "output_mtok")
RATES: dict[str, source.NodeReader] = {
    name: source.number(least=0)
    for name in ("input_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_mtok")
}
"""What a price may hold, in USD per million tokens."""

LANE_LIMITS: dict[str, source.NodeReader] = {
    name: source.integer(1) for name in ("concurrent", "requests_per_minute", "tokens_per_minute")
}
"""What a lane may hold."""
PREFERENCES: dict[str, source.NodeReader] = {
    "weights": source.weights,
    "solved_usd": source.number(above=0),
    "hour_usd": source.number(least=0),
    "min_performance": source.choice("S", "A", "B", "C", "D", "F"),
    "max_seconds": source.number(above=0),
    "max_cost_usd": source.number(least=0),
    "local_only": source.boolean,
}
"""What a profile may hold."""
_HOST = re.compile(
    r"localhost(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?|[A-Za-z0-9-]+:\d+"
)
"""A server as a lane names it: a host with a dot, or any with a port; a word alone is a provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a flatfield.toml says: agents in its order, prices by "PROVIDER:MODEL" or by model, and lanes' limits.

    `cascades` are agents too, whose steps are still names. `lanes` are by host and port, by host, or by provider.
    `profiles`: what matters, by name. `allow` are protected paths and globs, relative to the file's folder, that are
    open to agents which work in a user's own folder.
    """

    agents: tuple[AgentConfig, ...] = ()
    cascades: tuple[WrittenCascade, ...] = ()
    prices: dict[str, Price] = field(default_factory=dict)
    lanes: dict[str, LaneLimits] = field(default_factory=dict)
    profiles: dict[str, Preferences] = field(default_factory=dict)
    allow: tuple[str, ...] = ()


def read_config(path: Path, shown_as: str) -> Config:
    """What a flatfield.toml says; `shown_as` is what sources and mistakes call the file.

    Raises:
        NotFound: there is no such file.
        InvalidFiles: it has mistakes; all of them, with their lines.
    """
    found = source.Findings(shown_as)
    root = toml.read(source.decode(source.read_bytes(path), shown_as), found)
    for key, line in root.keys.items():
        if key not in (*_TABLES, _ALLOW):
            found.add(line, f"flatfield.toml has no table `{key}`", source.right_key(key, (*_TABLES, _ALLOW)))
    tables = [(unicodedata.normalize("NFC", name), node) for name, node in _entries(root, "agents", found)]
    read = [_agent(name, node, f"{shown_as}:{node.line}", found) for name, node in tables if _chains(node) is None]
    cascades = [reader(name, node, shown_as, found) for name, node in tables if (reader := _chains(node)) is not None]
    prices = {
        name: _price(name, node, f"{shown_as}:{node.line}", found) for name, node in _entries(root, "prices", found)
    }
    lanes = {name: _lane(name, node, f"{shown_as}:{node.line}", found) for name, node in _entries(root, "lanes", found)}
    profiles = {name: _profile(name, node, found) for name, node in _entries(root, "profiles", found)}
    allow = _allow(root, found)
    found.settle()
    return Config(
        allow=allow,
        agents=tuple(agent for agent in read if agent is not None),
        cascades=tuple(cascade for cascade in cascades if cascade is not None),
        prices={name: price for name, price in prices.items() if price is not None},
        lanes={name: lane for name, lane in lanes.items() if lane is not None},
        profiles={name: profile for name, profile in profiles.items() if profile is not None},
    )


def _entries(root: Node, table: str, found: Findings) -> list[tuple[str, Node]]:
    node = (root.map or {}).get(table)
    if node is not None and node.map is None:
        found.add(node.line, f"`{table}` is {shown(node)}", _TABLES[table])
    return list((node.map or {}).items()) if node is not None else []


def _allow(root: Node, found: Findings) -> tuple[str, ...]:
    """The paths that are open to agents: inside the folder, each once."""
    node = (root.map or {}).get(_ALLOW)
    if node is None:
        return ()
    paths: tuple[str, ...] = source.texts()(node, f"`{_ALLOW}`", found) or ()
    for item in node.items or ():
        path = item.value if isinstance(item.value, str) else ""
        if path.startswith(("/", "~")) or "\\" in path or "\0" in path:
            found.add(
                item.line, f"{path!r} in `{_ALLOW}` is no relative path", f"write it from this folder on: {_EXAMPLE}"
            )
        elif ".." in path.split("/"):
            found.add(item.line, f"{path!r} in `{_ALLOW}` leads out of the folder", f"name what lies in it: {_EXAMPLE}")
    return tuple(dict.fromkeys(paths))


def _agent(name: str, node: Node, where: str, found: Findings) -> AgentConfig | None:
    what = f"agent {name}"
    before = len(found.mistakes)
    if not agents.is_name(name):
        found.add(node.line, f"{name!r} cannot be an agent's name", "use letters, digits and . _ : @ + - only")
    given = source.read_map(node, agents.SETTINGS, found, what=what, skip=_OF_CASCADES)
    entries = node.map or {}
    for key in _OF_CASCADES:
        if key in entries:
            fix = f'write provider = "{CASCADE}", or remove it'
            found.add(node.keys[key], f"{what} has `{key}`, which is for cascades", fix)
    if node.map is not None and "provider" not in entries:
        there = ", ".join(plugins.names("provider"))
        found.add(node.line, f"{what} has no provider", f'write provider = "…", one of: {there}, {CASCADE}, {ROUTE}')
    _look_at_command(what, given, entries, found)
    _look_at_subscription(what, given, entries, found)
    # Its vendor is asked, and so imported, only where that matters.
    if entries.keys().isdisjoint({"model", "command"}) and "provider" in given and not _is_control(given["provider"]):
        found.add(node.line, f"{what} has no model", 'write model = "…", as the provider calls it')
    if "base_url" in given and not agents.is_url(given["base_url"]):
        line = entries["base_url"].line
        found.add(line, f"base_url {given['base_url']!r} is no address", "write http://HOST[:PORT][/PATH]")
    elif "base_url" in given and agents.may_hold_a_key(given["base_url"]):
        # It must not be printed: it may be the key.
        found.add(entries["base_url"].line, f"base_url holds {agents.KEY_IN_ADDRESS}", agents.KEY_ELSEWHERE)
    if "api_key_env" in given and not given["api_key_env"].replace("_", "a").isalnum():
        # A key pasted here by mistake must not be printed.
        line = entries["api_key_env"].line
        found.add(line, "api_key_env is not the name of an environment variable", "name the variable, not the key")
    if "headers" in given:
        look_at(entries["headers"], given["headers"], found)
    return AgentConfig(name=name, source=where, **given) if len(found.mistakes) == before else None


def _chains(node: Node) -> Callable[[str, Node, str, Findings], WrittenCascade | None] | None:
    """What reads the table of an agent that asks no model itself; None for all others."""
    provider = (node.map or {}).get("provider")
    readers = {CASCADE: read_cascade, ROUTE: read_route}
    return readers.get(str(provider.value)) if provider is not None else None


def _is_control(provider: str) -> bool:
    return plugins.traits_or_usual(provider).is_control


def _asks_server(provider: str) -> bool:
    return plugins.traits_or_usual(provider).asks_server


def _look_at_command(what: str, given: dict[str, Any], entries: dict[str, Node], found: Findings) -> None:
    """`command` and `output` are an external agent's, and an output is a command's."""
    for key in ("command", "output"):
        if key in entries and "provider" in given and not plugins.traits_or_usual(given["provider"]).is_scaffold:
            scaffolds = " or ".join(f'"{each.name}"' for each in plugins.all_traits() if each.is_scaffold)
            fix = f"write provider = {scaffolds}, or remove it"
            found.add(entries[key].line, f"{what} has `{key}`, which is for external agents", fix)
    if "output" in entries and "command" not in entries:
        found.add(entries["output"].line, f"{what} has `output` without `command`", "name the command, or remove it")


def _look_at_subscription(what: str, given: dict[str, Any], entries: dict[str, Node], found: Findings) -> None:
    """A flat rate pays only for agents of vendors that have one."""
    if not given.get("subscription") or "provider" not in given:
        return
    if not plugins.traits_or_usual(given["provider"]).takes_subscriptions:
        able = " or ".join(f'"{each.name}"' for each in plugins.all_traits() if each.takes_subscriptions)
        why = f"its provider bills every request; remove it (there are subscriptions for provider = {able})"
        found.add(entries["subscription"].line, f"{what} has `subscription`", why)


def _price(name: str, node: Node, where: str, found: Findings) -> Price | None:
    what = f"the price of {name}"
    before = len(found.mistakes)
    inner = next((f"{name}.{key}" for key, entry in (node.map or {}).items() if entry.map is not None), None)
    if inner is not None:  # [prices.gpt-5.5] is a table in a table
        found.add(node.line, f"{what} holds another table", f'put the whole name in quotes: [prices."{inner}"]')
        return None
    given = source.read_map(node, RATES, found, what=what)
    for key in _NEEDED:
        if node.map is not None and key not in node.map:
            found.add(node.line, f"{what} has no {key}", f"write {key} = …, in USD per million tokens")
    return Price(source=where, **given) if len(found.mistakes) == before else None


def _lane(name: str, node: Node, where: str, found: Findings) -> LaneLimits | None:
    what = f"the lane {name}"
    before = len(found.mistakes)
    inner = next((f"{name}.{key}" for key, entry in (node.map or {}).items() if entry.map is not None), None)
    if inner is not None:  # [lanes.api.openai.com] is a table in a table
        found.add(node.line, f"{what} holds another table", f'put the whole name in quotes: [lanes."{inner}"]')
        return None
    providers = plugins.names("provider")
    if name in providers and not _asks_server(name):
        found.add(
            node.line, f"{name} has no server that is asked", "remove the table: one trial runs on a device at a time"
        )
    elif name not in providers and not _HOST.fullmatch(name):
        servers = [provider for provider in providers if _asks_server(provider)]
        fix = f"{source.right_key(name, servers)}, or the host and port of a server"
        found.add(node.line, f"{name!r} is neither a provider nor a host", fix)
    given = source.read_map(node, LANE_LIMITS, found, what=what)
    if node.map is not None and not node.map:
        found.add(node.line, f"{what} says nothing", f"write {', '.join(LANE_LIMITS)}, or remove the table")
    return LaneLimits(source=where, **given) if len(found.mistakes) == before else None


def _profile(name: str, node: Node, found: Findings) -> Preferences | None:
    what = f"the profile {name}"
    before = len(found.mistakes)
    if name in get_args(KindOfWork):
        found.add(node.line, f"{what} is called as a kind of work is", "give it another name: --for takes both")
    given = source.read_map(node, PREFERENCES, found, what=what)
    keys = node.keys if node.map is not None else {}
    if node.map is not None and not node.map:
        found.add(node.line, f"{what} says nothing", f"write some of {', '.join(PREFERENCES)}, or remove the table")
    if "weights" in keys and "solved_usd" in keys:
        found.add(keys["solved_usd"], f"{what} has weights and money", "keep `weights`, or `solved_usd` and `hour_usd`")
    if "hour_usd" in keys and "solved_usd" not in keys:
        fix = "write solved_usd = …, what a solved task is worth in dollars"
        found.add(keys["hour_usd"], f"{what} has hour_usd without solved_usd", fix)
    return Preferences(profile=name, **given) if len(found.mistakes) == before else None


def file_schema() -> dict[str, Any]:
    """What the file may hold, as JSON Schema."""
    tables = {
        "agents": source.map_of(agents.SETTINGS, ("provider",)),
        "prices": source.map_of(RATES, _NEEDED),
        "lanes": source.map_of(LANE_LIMITS),
        "profiles": source.map_of(PREFERENCES),
    }
    tables["agents"]["properties"]["provider"] = {"type": "string", "enum": list(plugins.names("provider"))}
    tables["agents"] = {"anyOf": [tables["agents"], *table_schemas()]}
    properties = {name: {"type": "object", "additionalProperties": schema} for name, schema in tables.items()}
    return {
        "type": "object",
        "properties": {_ALLOW: source.schema_of(source.texts()), **properties},
        "additionalProperties": False,
    }
