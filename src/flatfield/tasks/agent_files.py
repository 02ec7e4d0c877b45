"""Writes agents as files that users can copy: as a table of flatfield.toml, or as a sub-agent file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from flatfield.errors import FlatfieldError
from flatfield.json_text import escaped
from flatfield.records import AgentConfig
from flatfield.tasks.agents import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TOOL = "mcp__flatfield__prompt_nano_agent"
OPTIONAL = (
    "temperature = 0.2",
    'reasoning_effort = "low"',
    "max_output_tokens = 8000",
    'api_key_env = "ANOTHER_KEY"',
)
"""What people set first, as comments of a table that is copied."""
_IN_FILES = frozenset({"name", "provider", "model", "description", "source", "folder"})
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(agent: AgentConfig) -> str:
    """The agent as a table `[agents.NAME]` that reads as the same agent, with usual settings as comments behind it."""
    lines = [f"[agents.{_key(agent.name)}]"]
    unset = AgentConfig(name="", provider="")
    for name in SETTINGS:
        value = getattr(agent, name)
        if value is not None and value != getattr(unset, name):
            lines.append(f"{name} = {_value(value)}")
    given = {line.partition(" ")[0] for line in lines}
    lines += [f"# {option}" for option in OPTIONAL if agent.model and option.partition(" ")[0] not in given]
    return "\n".join(lines) + "\n"


def as_sub_agent(agent: AgentConfig) -> str:
    """The agent as a file of `agents/`, which Claude Code takes as a sub-agent too.

    Raises:
        FlatfieldError: it has no model or has settings, which such a file cannot hold.
    """
    unset = AgentConfig(name="", provider="")
    settings = [
        name
        for name in AgentConfig.__struct_fields__
        if name not in _IN_FILES and getattr(agent, name) != getattr(unset, name)
    ]
    if settings or not agent.model:
        what = f"sets {', '.join(settings)}" if settings else "has no model"
        raise FlatfieldError(
            f"agent {agent.name} {what}, which a sub-agent file cannot hold: copy its table into flatfield.toml "
            f"instead, as `flatfield agents show {agent.name}` prints it"
        )
    about = agent.description or f"Hands a prompt to {agent.model}."
    return f"""---
name: {agent.name}
description: {json.dumps(about, ensure_ascii=False)}
tools: {TOOL}
---

Send the prompt as it is, word for word, and give back the answer as it is.

{TOOL}(agentic_prompt=PROMPT, model={json.dumps(agent.model)}, provider={json.dumps(agent.provider)})
"""


def write_sub_agents(agents: Sequence[AgentConfig], folder: Path) -> tuple[Path, ...]:
    """Write each agent as `NAME.md` into a folder, or none at all; a file that is there is never overwritten.

    Raises:
        FlatfieldError: a file is there, an agent cannot be written so, or the folder cannot.
    """
    texts = {folder / f"{agent.name.replace(':', '-')}.md": as_sub_agent(agent) for agent in agents}
    there = [str(path) for path in texts if path.exists()]
    if there:
        raise FlatfieldError(f"{', '.join(there)} is there already, and nothing was written: remove it, or use --dir")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise FlatfieldError(f"{error.filename} cannot be written: {error.strerror}; choose another --dir") from None
    return tuple(texts)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else escaped(json.dumps(name, ensure_ascii=False))


def _value(value: Any) -> str:  # noqa: ANN401 - any value of a setting
    """A value as TOML; JSON writes strings, numbers and truth values alike, but not tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return escaped(json.dumps(value, ensure_ascii=False))
