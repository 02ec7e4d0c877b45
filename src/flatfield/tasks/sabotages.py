"""Reads a LOP's `sabotages:` list: the solution with changes, each of which the task's checks must notice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flatfield import plugins
from flatfield.records import Sabotage, SolutionStep
from flatfield.tasks import fields
from flatfield.tasks.located import shown
from flatfield.tasks.solution import read_step
from flatfield.tasks.source import closest
from flatfield.tasks.verify import label

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flatfield.records import VerifierSpec
    from flatfield.tasks.located import Node
    from flatfield.tasks.solution import Solution
    from flatfield.tasks.source import Findings


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


def read(node: Node | None, base: Base, found: Findings) -> Sabotages:
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
    readers: dict[str, fields.Reader] = {
        "name": fields.text(),
        "breaks": lambda node, _name, found: _breaks(node, base.verifiers, found),
        "skip": lambda node, _name, found: _skip(node, base.solution, found),
        "steps": lambda node, _name, found: _steps(node, base, folders, found),
        "answer": fields.text(empty=True),
    }
    values: dict[str, Any] = fields.read_map(item, readers, found, what="a sabotage")
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
