"""Reads flatfield.toml: the agents of its `[agents.NAME]` tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.records import AgentConfig
from flatfield.tasks import agents, fields, source, toml
from flatfield.tasks.located import shown

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.tasks.located import Node
    from flatfield.tasks.source import Findings

_TABLES = ("agents",)


def read_config(path: Path, shown_as: str) -> tuple[AgentConfig, ...]:
    """The agents in a flatfield.toml, in its order; `shown_as` is what their source and mistakes call the file.

    Raises:
        NotFound: there is no such file.
        InvalidFiles: it has mistakes; all of them, with their lines.
    """
    found = source.Findings(shown_as)
    root = toml.read(source.decode(source.read_bytes(path), shown_as), found)
    for key, line in root.keys.items():
        if key not in _TABLES:
            found.add(line, f"flatfield.toml has no table `{key}`", source.right_key(key, _TABLES))
    tables = (root.map or {}).get("agents")
    if tables is not None and tables.map is None:
        found.add(tables.line, f"`agents` is {shown(tables)}", "write one table [agents.NAME] for each agent")
    entries = (tables.map or {}) if tables is not None else {}
    read = [_agent(name, node, f"{shown_as}:{node.line}", found) for name, node in entries.items()]
    found.settle()
    return tuple(agent for agent in read if agent is not None)


def _agent(name: str, node: Node, where: str, found: Findings) -> AgentConfig | None:
    what = f"agent {name}"
    before = len(found.mistakes)
    if not agents.NAME.fullmatch(name):
        found.add(node.line, f"{name!r} cannot be an agent's name", "use letters, digits and . _ : @ + - only")
    given = fields.read_map(node, agents.SETTINGS, found, what=what)
    entries = node.map or {}
    if node.map is not None and "provider" not in entries:
        found.add(node.line, f"{what} has no provider", 'write provider = "…", such as "ollama"')
    needs_model = given.get("provider", agents.CONTROLS[0]) not in agents.CONTROLS
    if needs_model and "model" not in entries:
        found.add(node.line, f"{what} has no model", 'write model = "…", as the provider calls it')
    if "base_url" in given and not agents.is_url(given["base_url"]):
        line = entries["base_url"].line
        found.add(line, f"base_url {given['base_url']!r} is no address", "write http://HOST[:PORT][/PATH]")
    if "api_key_env" in given and not given["api_key_env"].replace("_", "a").isalnum():
        # A key pasted here by mistake must not be printed.
        line = entries["api_key_env"].line
        found.add(line, "api_key_env is not the name of an environment variable", "name the variable, not the key")
    return AgentConfig(name=name, source=where, **given) if len(found.mistakes) == before else None
