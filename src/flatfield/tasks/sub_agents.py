"""Agents as files: reads sub-agent files as Claude Code has them, and writes agents for users to copy."""

from __future__ import annotations

import json
import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from flatfield.errors import FlatfieldError, InvalidFiles, NotFound
from flatfield.json_text import escaped
from flatfield.records import AgentConfig, Mistake
from flatfield.tasks import frontmatter, source
from flatfield.tasks.agents import SETTINGS, is_name
from flatfield.tasks.roster import known_models

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


# Calls as they are written in prose: where one ends, and its arguments, each as it stands.


MOST_CHARACTERS = 100_000
"""A call that is not closed by then is taken as one that never is."""

_SIGNS = re.compile(r"[\"'`“„«‘#(\[{)\]},]")
_CLOSING = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“”", "«": "»", "‘": "’"}
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_PREFIX = re.compile(r"(?<!\w)(?:[rub]|f|fr|rf|br|rb)\Z", re.IGNORECASE)
_NAME = re.compile(r"[\"'`]?([A-Za-z_]\w*)[\"'`]?\s*[=:](?!=)\s*")
_LITERAL = re.compile(
    r"(?P<prefix>[rRuUbBfF]{0,2})"
    r"(?:\"{3}(?P<long>.*?)\"{3}|'{3}(?P<tall>.*?)'{3}|\"(?P<double>(?:[^\"\\]|\\.)*)\"|'(?P<single>(?:[^'\\]|\\.)*)')",
    re.DOTALL,
)
_BARE = re.compile(r"[“„«‘`].*|[A-Za-z0-9][\w.:/@+-]*", re.DOTALL)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*|None|null|true|false|True|False")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: its name, "" without one, and its value as it stands, without comments."""

    name: str
    value: str

    @property
    def text(self) -> str | None:
        """What stands in its quotes; None where the value is no plain text in straight quotes."""
        match = _LITERAL.fullmatch(self.value)
        if match is None or ("f" in match["prefix"].lower() and "{" in self.value):
            return None
        for kind in ("long", "tall"):
            if match[kind] is not None:
                return str(match[kind])
        inner = match["double"] if match["double"] is not None else match["single"]
        return str(inner) if "r" in match["prefix"].lower() else re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)

    @property
    def lacks_quotes(self) -> bool:
        """Whether it means a text but has other quotes or none; a word in capitals is a variable."""
        return _BARE.fullmatch(self.value) is not None and _VARIABLE.fullmatch(self.value) is None

    @property
    def is_none(self) -> bool:
        """Whether it says that there is no value."""
        return self.value in {"None", "null"}


def arguments(text: str, start: int) -> tuple[Argument, ...]:
    """The arguments of the call whose parenthesis opens before `start`; of one that is never closed, of its paragraph.

    A map in the parentheses gives them too.
    """
    pieces = _pieces(text[start : start + MOST_CHARACTERS])
    if pieces is None:
        paragraph = re.split(r"\n[ \t\r]*\n", text[start : start + MOST_CHARACTERS], maxsplit=1)[0]
        pieces = _pieces(f"{paragraph})") or ()
    if len(pieces) == 1 and pieces[0][:1] == "{" and pieces[0].endswith("}"):
        pieces = _pieces(f"{pieces[0][1:-1]})") or ()
    return tuple(map(_argument, pieces))


def _argument(piece: str) -> Argument:
    name = _NAME.match(piece)
    return Argument(name[1], piece[name.end() :]) if name else Argument("", piece)


def _pieces(text: str) -> tuple[str, ...] | None:
    """What stands between the commas up to the parenthesis that closes, without comments; None where none does."""
    pieces: list[str] = [""]
    expected: list[str] = []
    hopeless: set[str] = set()
    at = 0
    while match := _SIGNS.search(text, at):
        sign, here = match[0], match.start()
        pieces[-1] += text[at:here]
        at = match.end()
        if sign == "#" and (not pieces[-1] or pieces[-1][-1].isspace()):
            at = _line_end(text, here)
            continue
        if sign == "," and not expected:
            pieces.append("")
            continue
        if sign == ")" and ")" not in expected:
            return tuple(piece.strip() for piece in pieces if piece.strip())
        if sign in _CLOSING and sign not in hopeless:
            at = _string_end(text, here, hopeless)
        elif sign in _BRACKETS:
            expected.append(_BRACKETS[sign])
        elif sign in expected:  # what was opened in it and never closed is none of ours
            del expected[len(expected) - 1 - expected[::-1].index(sign) :]
        pieces[-1] += text[here:at]
    return None


def _line_end(text: str, at: int) -> int:
    return found if (found := text.find("\n", at)) >= 0 else len(text)


def _string_end(text: str, at: int, hopeless: set[str]) -> int:
    """Behind the string that opens at `at`; behind the sign where it opens none: an apostrophe, or nothing closes it.

    Signs that nothing closes get into `hopeless`: nothing closes a later one either, and it is not looked for again.
    """
    before = text[max(0, at - 3) : at]
    if before[-1:].isalnum() and not _PREFIX.search(before):
        return at + 1
    sign = text[at]
    if text.startswith(sign * 3, at):
        end = text.find(sign * 3, at + 3)
        if end < 0:
            hopeless.add(sign)
        return end + 3 if end >= 0 else at + 3
    close = re.compile(rf"(?:[^\\{re.escape(_CLOSING[sign])}]|\\.)*[{re.escape(_CLOSING[sign])}]", re.DOTALL)
    match = close.match(text, at + 1)
    if match is None:
        hopeless.add(sign)
    return match.end() if match else at + 1


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
    name = source.text()(matter["name"], "`name`", found) if "name" in matter else path.stem
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


def _call(text: str, start: int, found: source.Findings) -> _PromptCall | None:
    """The call that says which agent this is; None when no call asks for a model.

    A call that names its model wins over a mention. What a call of the original's server leaves out, that server adds;
    a call of flatfield's own that names no model means an agent that is configured elsewhere.
    """
    calls = (_PromptCall.at(text, match) for match in islice(_CALL.finditer(text, start), _MOST_CALLS))
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
class _PromptCall:
    """One call of the tool: where it begins, whose tool it is, and its arguments by name."""

    start: int
    own: bool
    given: dict[str, Argument]

    @classmethod
    def at(cls, text: str, match: re.Match[str]) -> _PromptCall:
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


# Writes agents as files that users can copy: as a table of flatfield.toml, or as a sub-agent file.


TOOL = "mcp__flatfield__prompt_nano_agent"
OPTIONAL = (
    "temperature = 0.2",
    'reasoning_effort = "low"',
    "max_output_tokens = 8000",
    'api_key_env = "ANOTHER_KEY"',
)
"""What people set first, as comments of a table that is copied."""
_IN_FILES = frozenset({"name", "provider", "model", "description", "source", "folder"})
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(agent: AgentConfig) -> str:
    """The agent as a table `[agents.NAME]` that reads as the same agent, with usual settings as comments behind it."""
    lines = [f"[agents.{_key(agent.name)}]"]
    unset = AgentConfig(name="", provider="")
    if agent.route is not None:
        lines += [f"prefer = {_value(agent.route)}"]
        lines += [f"among = {_value([step.name for step in agent.steps])}"] if agent.steps else []
    elif agent.steps:
        lines += [f"steps = {_value([step.name for step in agent.steps])}", f"check = {_value(agent.check)}"]
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
    return name if _BARE_KEY.fullmatch(name) else escaped(json.dumps(name, ensure_ascii=False))


def _value(value: Any) -> str:  # noqa: ANN401 - any value of a setting
    """A value as TOML; JSON writes strings, numbers and truth values alike, but not tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return escaped(json.dumps(value, ensure_ascii=False))
