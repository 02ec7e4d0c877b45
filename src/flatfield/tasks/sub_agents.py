"""Reads sub-agent files, as Claude Code has them: which agent the nano agent's call in one asks for."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flatfield.errors import InvalidFiles, NotFound
from flatfield.records import AgentConfig, Mistake
from flatfield.tasks import fields, frontmatter, source
from flatfield.tasks.agents import SETTINGS, is_name
from flatfield.tasks.calls import Argument, arguments
from flatfield.tasks.roster import known_models

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_SUB_AGENTS = ("name", "description", "model", "tools")
_PARAMETERS = ("agentic_prompt", "model", "provider")
"""The parameters of the original's tool, in its order: a call may give them without their names."""
_WHICH = ("model", "provider")
_OF_CALLS = (*_WHICH, "description")
_USUAL_MODEL = "gpt-5-mini"
"""The model that the original's tool takes when a call names none."""
_OWN_SERVER = "flatfield"
_CALL = re.compile(r"\bmcp__([A-Za-z0-9_-]*)prompt_nano_agent\s*\(")
_MOST_CALLS = 100
"""No file of an agent has more; one that mentions the tool without end is not read for as long."""
_PLACEHOLDER = re.compile(r"[\[\]{}<>|$]|^YOUR[_-]")
"""What stands in templates, which people copy and fill in: such a file is nobody's agent yet."""
_BLOCK = re.compile(r"[>|][+-]?[0-9]?[+-]?")
"""What opens a text that stands on the next lines, in YAML."""
_NEVER_ENTERED = "node_modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubAgents:
    """The agents of one folder; the mistakes of files that asked for one, by its name; and the files passed over.

    `untold` are the folders in it that cannot be read, each with the reason.
    """

    agents: tuple[AgentConfig, ...] = ()
    unread: dict[str, tuple[Mistake, ...]]
    skipped: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()


def read_folder(place: Path, shown: str) -> SubAgents:
    """All sub-agent files in a folder and below it, as Claude Code looks for them, in the order of their paths.

    No file stops another one: what is wrong with one is told when somebody asks for its agent. `shown` is what sources
    and mistakes call the folder.
    """
    found: dict[str, AgentConfig] = {}
    unread: dict[str, tuple[Mistake, ...]] = {}
    skipped: list[str] = []
    untold: list[str] = []
    for path in sorted(_files(place, untold)):
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
    return SubAgents(agents=agents, unread=unread, skipped=tuple(skipped), untold=tuple(untold))


def _twin(where: str, name: str, other: str) -> Mistake:
    return Mistake(path=where, line=1, problem=f"the name {name!r} is also that of {other}", fix="rename one of them")


def _files(place: Path, untold: list[str]) -> Iterator[Path]:
    """The files that end in `.md`, and links that lead nowhere; `untold` gets the folders that cannot be read."""

    def tell(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            at = Path(error.filename or place).relative_to(place).as_posix()
            untold.append(f"{at}: {error.strerror or error}")

    for at, folders, names in os.walk(place, onerror=tell):
        folders[:] = [name for name in folders if not name.startswith(".") and name != _NEVER_ENTERED]
        yield from (path for name in names if name.endswith(".md") and not _is_no_file(path := Path(at, name)))


def _is_no_file(path: Path) -> bool:
    """Whether it is something else than a file, such as a pipe, which would be read forever."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:  # told when its agent is asked for
        return False


def _name_in(path: Path) -> str:
    """The name that a file with mistakes gives its agent, as far as it can be told."""
    text = _text(path.read_bytes())
    trial = source.Findings("")
    node = (frontmatter.read(text, trial, drop=lambda key: key != "name").map or {}).get("name")
    if node is not None and isinstance(node.value, str) and node.value.strip():
        return unicodedata.normalize("NFC", node.value.strip())
    line = re.search(r"(?m)^name[ \t]*:[ \t]*(.+?)[ \t\r]*$", text)
    return line.group(1).strip("'\"") if line and not _BLOCK.fullmatch(line.group(1)) else path.stem


def _text(data: bytes) -> str:
    """What the bytes say, to look for a call: UTF-8, or UTF-16 where they begin as such, as far as they are."""
    return data.decode("utf-16" if data.startswith(source.UTF16_MARKS) else "utf-8", errors="replace")


def read_agent_file(path: Path) -> AgentConfig | None:
    """The agent that a sub-agent file describes; None when it calls no nano agent, or one that is configured elsewhere.

    Only `name` and `description` of the front matter are read: its `model` and `tools` are the wrapper's. Settings that
    `[agents.NAME]` has are a mistake there and in the call, for they would be lost; other words in a call are its own.

    Raises:
        NotFound: there is no such file.
        InvalidFiles: it calls a nano agent, but has mistakes; all of them, with their lines.
    """
    found = source.Findings(str(path))
    data = source.read_bytes(path)
    if _CALL.search(_text(data)) is None:
        return None
    text = source.decode(data, str(path))
    part = frontmatter.split(text)
    call = _call(text, part.body_start, found)
    if call is None:
        return None
    given = call.texts
    line = source.Lines.of(text).number(call.start)
    for key in _WHICH:
        if not given.get(key):
            bare = key in call.given and call.given[key].lacks_quotes
            problem = f"the {key} in the call is not in straight quotes" if bare else f"the call names no {key}"
            found.add(line, problem, f'write {key}="…" in its parentheses, in quotes')
    fix = f"move it to [agents.{path.stem}] in flatfield.toml"
    for key in SETTINGS:
        problem = f"`{key}` is not read in a sub-agent file"
        if key not in _OF_SUB_AGENTS and frontmatter.has_key(part.matter, key):
            found.add(_line_of(text, key), problem, fix)
        if key not in _OF_CALLS and key in call.given and not call.given[key].is_none:
            found.add(line, problem, fix)
    matter = frontmatter.read(text, found, drop=lambda key: key != "name").map or {}
    name = fields.text()(matter["name"], "`name`", found) if "name" in matter else path.stem
    if name is not None and not is_name(name := unicodedata.normalize("NFC", name.strip())):
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


def _call(text: str, start: int, found: source.Findings) -> _Call | None:
    """The call that says which agent this is; None when no call asks for a model.

    A call that names its model wins over a mention. What a call of the original's server leaves out, that server adds;
    a call of flatfield's own that names no model means an agent that is configured elsewhere.
    """
    calls = (_Call.at(text, match) for match in islice(_CALL.finditer(text, start), _MOST_CALLS))
    asking = [call for call in calls if call.asks]
    if not asking:
        return None
    naming = [call for call in asking if call.names("model")]
    first = next((call for call in naming if call.names("provider")), (naming or asking)[0])
    lines = source.Lines.of(text)
    for call in naming:
        if any(call.names(key) and first.names(key) and call.texts[key] != first.texts[key] for key in _WHICH):
            problem = f"this call asks for another model or provider than the one in line {lines.number(first.start)}"
            found.add(lines.number(call.start), problem, "keep one of the calls, or give each agent a file of its own")
            break
    return first


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call of the tool: where it begins, whose tool it is, and its arguments by name."""

    start: int
    own: bool
    given: dict[str, Argument]

    @classmethod
    def at(cls, text: str, match: re.Match[str]) -> _Call:
        """The call that a match of its beginning opens; what is given by its place gets its name."""
        given: dict[str, Argument] = {}
        for position, argument in enumerate(arguments(text, match.end())):
            place = _PARAMETERS[position] if position < len(_PARAMETERS) else ""
            is_prose = argument.text is None and " " in argument.value and argument.value[0] not in "\"'"
            if argument.name or (place and not is_prose):
                given[argument.name or place] = argument
        return cls(start=match.start(), own=_OWN_SERVER in match[1], given=given)

    @property
    def asks(self) -> bool:
        """Whether it asks for a model, by name or by what the original's tool takes."""
        return bool(self.given.keys() & {*(_WHICH if self.own else _PARAMETERS)})

    @property
    def texts(self) -> dict[str, str]:
        """Model and provider in quotes, and what the original's tool takes where nothing is given."""
        told = {key: self.given[key].text or "" for key in _WHICH if key in self.given}
        usual = None if self.own else next((known for known in known_models() if known.model == _USUAL_MODEL), None)
        return ({"model": usual.model, "provider": usual.provider} if usual else {}) | told

    def names(self, key: str) -> bool:
        """Whether it names one itself, and no placeholder for it."""
        text = self.given[key].text if key in self.given else ""
        return bool(text and re.search(r"\w", text)) and not _PLACEHOLDER.search(text or "")


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
