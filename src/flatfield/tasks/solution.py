"""Reads a LOP's `solution:` list, which the oracle plays: tool calls, copied folders and the final answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flatfield import plugins
from flatfield.errors import NotReady
from flatfield.records import SolutionStep, ToolSpec
from flatfield.tasks import digest, fields
from flatfield.tasks.located import Node, plain, shown
from flatfield.tasks.source import right_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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


def read(node: Node | None, folder: Path, allowed: Sequence[str], found: Findings) -> Solution:
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
        return [SolutionStep(answer=fields.text(empty=True)(value, "`answer`", found) or "")]
    if key == "copy":
        _check_allowed(plugins.file_writer(), item.keys[key], allowed, found)
        return _copy(value, folder, folders, found)
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
    values = fields.read_map(node, readers, found, what=f"`{tool}`")
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


def _reader(schema: dict[str, Any]) -> fields.Reader:
    """What reads one argument: a text where the schema asks for one; the tool checks other kinds when it runs."""
    if schema.get("type") == "string":
        return fields.text(empty=True)
    return lambda node, _name, _found: plain(node)


def writing(path: str, content: str) -> SolutionStep:
    """The step that writes a whole file."""
    tool = plugins.file_writer()
    traits = plugins.tool_traits(tool)
    return SolutionStep(tool=tool, arguments={traits.path_argument: path, traits.content_argument: content})


def _copy(node: Node, folder: Path, folders: list[Path], found: Findings) -> list[SolutionStep]:
    """One step that writes a file for each file of a folder, in the order of their paths."""
    name = fields.text()(node, "`copy`", found)
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
            content = file.read_bytes().decode("utf-8")
        except (UnicodeDecodeError, OSError):
            found.add(
                node.line, f"{name}/{relative} is not a readable UTF-8 text", "copy texts only: a tool writes them"
            )
            continue
        steps.append(writing(relative, content))
    if not steps:
        found.add(node.line, f"the folder {name!r} holds no file to copy", "put the solution's files there")
    return steps
