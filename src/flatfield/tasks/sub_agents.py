"""Reads sub-agent files, as Claude Code has them: which agent the nano agent's call in one asks for."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flatfield.errors import InvalidFiles, NotFound
from flatfield.records import AgentConfig, Mistake
from flatfield.tasks import fields, frontmatter, source
from flatfield.tasks.agents import SETTINGS, is_name
from flatfield.tasks.roster import known_models

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_SUB_AGENTS = ("name", "description", "model", "tools")
_PARAMETERS = ("agentic_prompt", "model", "provider")
"""The parameters of the original's tool, in its order: a call may give them without their names."""
_USUAL_MODEL = "gpt-5-mini"
"""The model that the original's tool takes when a call names none."""
_OWN_SERVER = "flatfield"
_CALL = re.compile(r"\bmcp__([A-Za-z0-9_-]*)prompt_nano_agent\s*\(")
_GAP = r"(?:\s|\#[^\n]*(?:\n|\Z))*"
_ARGUMENT = re.compile(
    rf"""{_GAP} (?: ["']? (?P<name>[A-Za-z_]\w*) ["']? \s* [=:] {_GAP} )?
    (?P<value> \"{{3}}.*?\"{{3}} | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | [^,()"'\#]* ) {_GAP} \}}? {_GAP}
    (?: , {_GAP} (?P<last>\))? | (?P<end>\)) )""",
    re.DOTALL | re.VERBOSE,
)
_PLACEHOLDER = re.compile(r"[\[\]{}<>|$]|^YOUR[_-]")
"""What stands in templates, which people copy and fill in: such a file is nobody's agent yet."""
_NEVER_ENTERED = "node_modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubAgents:
    """The agents of one folder; the mistakes of files that asked for one, by its name; and the files passed over."""

    agents: tuple[AgentConfig, ...] = ()
    unread: dict[str, tuple[Mistake, ...]]
    skipped: tuple[str, ...] = ()


def read_folder(place: Path, shown: str) -> SubAgents:
    """All sub-agent files in a folder and below it, as Claude Code looks for them, in the order of their paths.

    No file stops another one: what is wrong with one is told when somebody asks for its agent. `shown` is what sources
    and mistakes call the folder.
    """
    found: dict[str, AgentConfig] = {}
    unread: dict[str, tuple[Mistake, ...]] = {}
    skipped: list[str] = []
    for path in sorted(_files(place)):
        inside = path.relative_to(place).as_posix()
        where = f"{shown}/{inside}"
        try:
            agent = read_agent_file(path)
        except InvalidFiles as error:
            if (name := _name_in(path)) and not _PLACEHOLDER.search(name):
                unread[name] = tuple(msgspec.structs.replace(mistake, path=where) for mistake in error.mistakes)
                continue
            agent = None
        except NotFound as error:
            fix = "correct its permissions, or remove it"
            unread[path.stem] = (Mistake(path=where, line=1, problem=str(error), fix=fix),)
            continue
        if agent is None or any(map(_PLACEHOLDER.search, (agent.model, agent.provider))):
            skipped.append(inside)
        elif agent.name in found or agent.name in unread:
            unread.setdefault(agent.name, (_twin(where, agent.name, found[agent.name].source),))
        else:
            found[agent.name] = msgspec.structs.replace(agent, source=where)
    agents = tuple(agent for name, agent in found.items() if name not in unread)
    return SubAgents(agents=agents, unread=unread, skipped=tuple(skipped))


def _twin(where: str, name: str, other: str) -> Mistake:
    return Mistake(path=where, line=1, problem=f"the name {name!r} is also that of {other}", fix="rename one of them")


def _files(place: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(place):
        folders[:] = [name for name in folders if not name.startswith(".") and name != _NEVER_ENTERED]
        yield from (Path(at, name) for name in names if name.endswith(".md"))


def _name_in(path: Path) -> str:
    """The name that a file with mistakes gives its agent, as far as it can be told."""
    text = path.read_bytes().decode(errors="replace")
    line = re.search(r"(?m)^name[ \t]*:[ \t]*(.+?)[ \t\r]*$", text)
    return line.group(1).strip("'\"") if line else path.stem


def read_agent_file(path: Path) -> AgentConfig | None:
    """The agent that a sub-agent file describes; None when it calls no nano agent, or one that is configured elsewhere.

    Only `name` and `description` of the front matter are read: its `model` and `tools` are the wrapper's.

    Raises:
        NotFound: there is no such file.
        InvalidFiles: it calls a nano agent, but has mistakes; all of them, with their lines.
    """
    found = source.Findings(str(path))
    data = source.read_bytes(path)
    if _CALL.search(data.decode(errors="replace")) is None:
        return None
    text = source.decode(data, str(path))
    part = frontmatter.split(text)
    call = _call(text, part.body_start)
    if call is None:
        return None
    start, given = call
    line = source.Lines.of(text).number(start)
    for key in ("model", "provider"):
        if not given.get(key):
            found.add(line, f"the call names no {key}", f'write {key}="…" in its parentheses, in quotes')
    for key in SETTINGS:
        if key not in _OF_SUB_AGENTS and frontmatter.has_key(part.matter, key):
            fix = f"move it to [agents.{path.stem}] in flatfield.toml"
            found.add(_line_of(text, key), f"`{key}` is not read in a sub-agent file", fix)
    matter = frontmatter.read(text, found, drop=lambda key: key != "name").map or {}
    name = fields.text()(matter["name"], "`name`", found) if "name" in matter else path.stem
    if name is not None and not is_name(name := unicodedata.normalize("NFC", name)):
        number = matter["name"].line if "name" in matter else 1
        found.add(
            number,
            f"{name!r} cannot be an agent's name",
            f"use letters, digits and . _ - only, such as {source.slug(name)}",
        )
    found.settle()
    return AgentConfig(
        name=str(name),
        description=_description(text),
        source=str(path),
        provider=given["provider"],
        model=given["model"],
    )


def _call(text: str, start: int) -> tuple[int, dict[str, str]] | None:
    """Where the nano agent is called and with which arguments; None when no call asks for a model.

    A call that names its model wins over a mention. What a call of the original's server leaves out, that server adds;
    a call of flatfield's own that names no model means an agent that is configured elsewhere.
    """
    calls = [(match, _arguments(text, match.end())) for match in _CALL.finditer(text, start)]
    asking = [(match, given) for match, given in calls if _asks(match, given)]
    if not asking:
        return None
    whole = (call for call in asking if call[1].get("model") and call[1].get("provider"))
    match, given = next(whole, asking[0])
    return match.start(), given if _OWN_SERVER in match[1] else _filled(given)


def _asks(call: re.Match[str], given: dict[str, str]) -> bool:
    if _OWN_SERVER in call[1]:
        return "model" in given or "provider" in given
    return bool(given.keys() & {*_PARAMETERS})


def _filled(given: dict[str, str]) -> dict[str, str]:
    """The arguments with what the original's tool takes where they name no model or no provider."""
    usual = next((known for known in known_models() if known.model == _USUAL_MODEL), None)
    if usual is None:
        return given
    return {"model": usual.model, "provider": usual.provider} | given


def _arguments(text: str, start: int) -> dict[str, str]:
    """The arguments of a call by name; values in quotes without them, other ones ""."""
    given: dict[str, str] = {}
    opening = re.compile(rf"{_GAP}{{?").match(text, start)
    start = opening.end() if opening else start
    position = 0
    while match := _ARGUMENT.match(text, start):
        name = match["name"] or (_PARAMETERS[position] if position < len(_PARAMETERS) else "")
        value = match["value"].strip().rstrip("}").strip()
        is_prose = value[:1] not in {'"', "'"} and (not value or " " in value)
        if name and (match["name"] or not is_prose):
            given[name] = _unquoted(value)
        position += 1
        if match["end"] or match["last"]:
            break
        start = match.end()
    return given


def _unquoted(value: str) -> str:
    if value[:3] == '"""':
        return value[3:-3]
    return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if value[:1] in {'"', "'"} else ""


def _description(text: str) -> str:
    """The front matter's description, as YAML if it is YAML, else as the line stands: Claude Code takes both."""
    trial = source.Findings("")
    node = (frontmatter.read(text, trial, drop=lambda key: key != "description").map or {}).get("description")
    if node is not None and isinstance(node.value, str):
        return node.value.strip()
    line = re.search(r"(?m)^description[ \t]*:[ \t]*(.*)$", text) if trial.mistakes else None
    return line.group(1).strip() if line else ""


def _line_of(text: str, key: str) -> int:
    match = re.search(rf"(?m)^(['\"]?){re.escape(key)}\1[ \t]*:", text)
    return source.Lines.of(text).number(match.start()) if match else 1
