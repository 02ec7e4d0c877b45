"""Reads a LOP's `solution:` list, which the oracle plays, and its `sabotages:`, which its checks must notice."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flatfield import plugins
from flatfield.errors import NotReady
from flatfield.records import Sabotage, SolutionStep, ToolSpec
from flatfield.tasks import digest, source
from flatfield.tasks.source import Node, closest, plain, right_key, shown
from flatfield.tasks.verify import label

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flatfield.records import VerifierSpec
    from flatfield.tasks.source import Findings


DEFAULT_ANSWER = "Done."
"""What the oracle answers when the solution has no `- answer:`."""


@dataclass(frozen=True, slots=True)
class Solution:
    """The steps, the folders beside the LOP whose files they hold, and the item of the list that each step is from.

    `numbers` count the items from 1; `written`: how many there are.
    """

    steps: tuple[SolutionStep, ...] = ()
    folders: tuple[Path, ...] = ()
    numbers: tuple[int, ...] = ()
    written: int = 0


def read_solution(node: Node | None, folder: Path, allowed: Sequence[str], found: Findings) -> Solution:
    """Read the list; `folder` is the LOP's, `allowed` the tools that the task gives. Mistakes go into `found`."""
    if node is None:
        return Solution()
    if not node.items:
        found.add(node.line, f"`solution` is {shown(node)}, not a list of steps", 'write items such as `- answer: "…"`')
        return Solution()
    steps: list[SolutionStep] = []
    numbers: list[int] = []
    folders: list[Path] = []
    for number, item in enumerate(node.items, start=1):
        if number < len(node.items) and "answer" in (item.map or {}):
            found.add(item.keys["answer"], "`answer` is not the last step", "move it to the end")
        taken = read_step(item, folder, allowed, folders, found)
        steps += taken
        numbers += [number] * len(taken)
    if steps and steps[-1].tool is not None:
        steps.append(SolutionStep(answer=DEFAULT_ANSWER))
        numbers.append(0)
    return Solution(tuple(steps), tuple(folders), tuple(numbers), len(node.items))


def read_step(
    item: Node, folder: Path, allowed: Sequence[str], folders: list[Path], found: Findings
) -> list[SolutionStep]:
    """What one item of a list of steps stands for; a folder that it copies is added to `folders`."""
    keys = list(item.map or {})
    if item.map is None or len(keys) != 1:
        found.add(item.line, f"a step is {shown(item)}, not one key with its value", "write one tool per `- ` item")
        return []
    key, value = keys[0], item.map[keys[0]]
    if key == "answer":
        return [SolutionStep(answer=source.text(empty=True)(value, "`answer`", found) or "")]
    if key == "copy":
        _check_allowed(plugins.file_writer(), item.keys[key], allowed, found)
        return _copy(value, folder, folders, allowed, found)
    if key not in plugins.names("tool"):
        known = [*plugins.names("tool"), "copy", "answer"]
        found.add(item.keys[key], f"there is no tool `{key}` to take a step with", right_key(key, known))
        return []
    _check_allowed(key, item.keys[key], allowed, found)
    return [SolutionStep(tool=key, arguments=_arguments(key, value, found))]


def _check_allowed(tool: str, line: int, allowed: Sequence[str], found: Findings) -> None:
    if tool not in allowed:
        found.add(line, f"the task does not give the tool `{tool}`", f"add {tool} to `tools:`")


def _arguments(tool: str, node: Node, found: Findings) -> dict[str, Any]:
    if node.map is None and node.value is None:
        node = Node(node.line, {})
    if node.map is None:
        found.add(node.line, f"the arguments of `{tool}` are {shown(node)}, not a map", "write `{name: value}`")
        return {}
    parameters = _parameters(tool)
    if parameters.get("additionalProperties", True) is not False:
        return {key: plain(entry) for key, entry in node.map.items()}
    properties: dict[str, Any] = parameters.get("properties", {})
    readers = {name: _reader(schema) for name, schema in properties.items()}
    values = source.read_map(node, readers, found, what=f"`{tool}`")
    for name in parameters.get("required", ()):
        if name not in node.map:
            found.add(node.line, f"`{tool}` needs `{name}`", f"write `{name}: …` in it")
    return values


def _parameters(tool: str) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments; an open one where its file states none: it checks them when it runs."""
    try:
        spec = getattr(plugins.load("tool", tool), "SPEC", None)
    except NotReady:
        return {}
    return spec.parameters if isinstance(spec, ToolSpec) else {}


def _reader(schema: dict[str, Any]) -> source.NodeReader:
    """What reads one argument: a text where the schema asks for one; the tool checks other kinds when it runs."""
    if schema.get("type") == "string":
        return source.text(empty=True)
    return lambda node, _name, _found: plain(node)


def writing(path: str, content: str) -> SolutionStep:
    """The step that writes a whole file."""
    tool = plugins.file_writer()
    traits = plugins.tool_traits(tool)
    return SolutionStep(tool=tool, arguments={traits.path_argument: path, traits.content_argument: content})


def running(command: str) -> SolutionStep:
    """The step that runs a command line."""
    tool = plugins.command_runner()
    return SolutionStep(tool=tool, arguments={plugins.tool_traits(tool).command_argument: command})


def writing_bytes(path: str, data: bytes) -> list[SolutionStep]:
    """The steps that write a file which is no text: as a text in base64, of which a command makes the file."""
    packed = f"{path}.base64"
    there, text = shlex.quote(path), shlex.quote(packed)
    command = f"base64 -d < {text} > {there} && rm -f -- {text}"
    return [writing(packed, base64.encodebytes(data).decode()), running(command)]


def _copy(node: Node, folder: Path, folders: list[Path], allowed: Sequence[str], found: Findings) -> list[SolutionStep]:
    """The steps that write each file of a folder, in the order of their paths."""
    name = source.text()(node, "`copy`", found)
    if name is None:
        return []
    base, path = folder.resolve(), (folder / name).resolve()
    if not path.is_dir() or path == base or not path.is_relative_to(base):
        found.add(node.line, f"there is no folder {name!r} to copy", "name a folder beside the LOP")
        return []
    folders.append(path)
    steps: list[SolutionStep] = []
    for file in digest.files_below(path):
        relative = file.relative_to(path).as_posix()
        try:
            data = file.read_bytes()
        except OSError:
            found.add(node.line, f"{name}/{relative} is not readable", "give permission to read it")
            continue
        text = _text(data)
        if text is not None:
            steps.append(writing(relative, text))
        elif plugins.command_runner() in allowed:
            steps += writing_bytes(relative, data)
        else:
            fix = f"copy texts only: a tool writes them; or add {plugins.command_runner()} to `tools:`"
            found.add(node.line, f"{name}/{relative} is not a readable UTF-8 text", fix)
    if not steps:
        found.add(node.line, f"the folder {name!r} holds no file to copy", "put the solution's files there")
    return steps


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


# Reads a LOP's `sabotages:` list: the solution with changes, each of which the task's checks must notice.


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """What sabotages change and are told by: the LOP's solution, its checks, its tools and its folder."""

    solution: Solution
    verifiers: tuple[VerifierSpec, ...]
    allowed: Sequence[str]
    folder: Path


@dataclass(frozen=True, slots=True)
class Sabotages:
    """The sabotages, and the folders beside the LOP whose files their steps hold."""

    items: tuple[Sabotage, ...] = ()
    folders: tuple[Path, ...] = ()


def read_sabotages(node: Node | None, base: Base, found: Findings) -> Sabotages:
    """Read the list. Mistakes go into `found`, their items are left out."""
    if node is None:
        return Sabotages()
    if not node.items:
        found.add(
            node.line, f"`sabotages` is {shown(node)}, not a list", 'write items such as `- {name: "…", skip: [1]}`'
        )
        return Sabotages()
    if not base.solution.steps:
        found.add(node.line, "there is no `solution` for `sabotages` to change", "add `solution:`, or take them out")
        return Sabotages()
    folders: list[Path] = []
    items: dict[str, Sabotage] = {}
    for item in node.items:
        sabotage = _item(item, base, folders, found)
        if sabotage is None:
            continue
        if sabotage.name in items:
            other = items[sabotage.name].line
            found.add(item.line, f"two sabotages are called {sabotage.name!r}", f"rename one (the other: line {other})")
        items[sabotage.name] = sabotage
    return Sabotages(tuple(items.values()), tuple(folders))


def _item(item: Node, base: Base, folders: list[Path], found: Findings) -> Sabotage | None:
    before = len(found.mistakes)
    readers: dict[str, source.NodeReader] = {
        "name": source.text(),
        "breaks": lambda node, _name, found: _breaks(node, base.verifiers, found),
        "skip": lambda node, _name, found: _skip(node, base.solution, found),
        "steps": lambda node, _name, found: _steps(node, base, folders, found),
        "answer": source.text(empty=True),
    }
    values: dict[str, Any] = source.read_map(item, readers, found, what="a sabotage")
    if item.map is None or len(found.mistakes) > before:
        return None
    if "name" not in values:
        found.add(item.line, "a sabotage has no `name`", 'write what goes wrong, such as `name: "forgets the header"`')
        return None
    if not {"skip", "steps", "answer"} & set(values):
        found.add(item.line, "a sabotage changes nothing", "give it `skip`, `steps` or `answer`")
        return None
    return Sabotage(line=item.line, **values)


def _steps(node: Node, base: Base, folders: list[Path], found: Findings) -> tuple[SolutionStep, ...] | None:
    if not node.items:
        found.add(node.line, f"`steps` is {shown(node)}, not a list of steps", "write them as in `solution:`")
        return None
    steps: list[SolutionStep] = []
    for item in node.items:
        if "answer" in (item.map or {}):
            found.add(item.line, "`answer` is no step of a sabotage", "write `answer:` beside `steps:`")
            continue
        steps += read_step(item, base.folder, base.allowed, folders, found)
    return tuple(steps)


def _skip(node: Node, solution: Solution, found: Findings) -> tuple[int, ...]:
    """Positions of the steps that a list of numbers (of the solution's items) and paths (written to) stands for."""
    positions: set[int] = set()
    items = [node] if node.items is None else node.items
    for item in items:
        if isinstance(item.value, int) and not isinstance(item.value, bool):
            chosen = [at for at, number in enumerate(solution.numbers) if number == item.value and number > 0]
        else:
            chosen = [at for at, step in enumerate(solution.steps) if _writes(step, item.value)]
        if not chosen:
            fix = f"write the number of a step, 1 to {solution.written}, or the path of a file that the solution writes"
            found.add(item.line, f"the solution has no step {shown(item)} to skip", fix)
        positions.update(chosen)
    return tuple(sorted(positions))


def _writes(step: SolutionStep, path: object) -> bool:
    argument = plugins.tool_traits(step.tool).path_argument if step.tool else ""
    return bool(argument) and step.arguments.get(argument) == path


def _breaks(node: Node, verifiers: Sequence[VerifierSpec], found: Findings) -> tuple[int, ...]:
    """Positions of the checks that a list of numbers (of `verify`'s items) and parts of labels stands for."""
    labels = [label(spec) for spec in verifiers]
    positions: set[int] = set()
    if found.mistakes:  # in `verify` perhaps: then its items cannot be counted
        return ()
    items = [node] if node.items is None else node.items
    for item in items:
        if isinstance(item.value, int) and not isinstance(item.value, bool):
            chosen = [item.value - 1] if 1 <= item.value <= len(labels) else []
        else:
            chosen = [at for at, text in enumerate(labels) if item.value and str(item.value) in text]
        if not chosen:
            close = closest(str(item.value), labels)
            fix = (
                f"did you mean {close!r}?" if close else f"write its number, 1 to {len(labels)}, or a part of its label"
            )
            found.add(item.line, f"`verify` has no check {shown(item)}", fix)
        positions.update(chosen)
    return tuple(sorted(positions))


# What a step and a sabotage may hold, as JSON Schema.


def step_schema() -> dict[str, Any]:
    """One step of a list: a tool with its arguments, `copy` or `answer`."""
    text = source.schema_of(source.text(empty=True))
    tools = {name: _open(_parameters(name)) for name in plugins.names("tool")}
    return {
        "type": "object",
        "properties": {**tools, "copy": text, "answer": text},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def sabotage_schema(step: dict[str, Any]) -> dict[str, Any]:
    """One sabotage; `step` is the schema of its steps."""
    either = {"anyOf": [{"type": ["integer", "string"]}, {"type": "array", "items": {"type": ["integer", "string"]}}]}
    return {
        "type": "object",
        "properties": {
            "name": source.schema_of(source.text()),
            "breaks": either,
            "skip": either,
            "steps": {"type": "array", "items": step, "minItems": 1},
            "answer": source.schema_of(source.text(empty=True)),
        },
        "additionalProperties": False,
        "required": ["name"],
        "anyOf": [{"required": [key]} for key in ("skip", "steps", "answer")],
    }


def _open(parameters: dict[str, Any]) -> dict[str, Any]:
    """A tool's arguments; those of one that needs none may be left empty."""
    return parameters if parameters.get("required") else {"anyOf": [parameters, {"type": "null"}]}
