"""TOML text as values with their lines; tomllib alone knows no lines."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from flatfield.tasks.source import Lines, Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.tasks.source import Findings


def read(text: str, found: Findings) -> Node:
    """The document as a map; what is not TOML becomes one mistake and an empty map."""
    lines = Lines.of(text)
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem, _, where = str(error).partition(" (at ")
        line = re.search(r"line (\d+)", where)
        number = int(line.group(1)) if line else len(lines)
        found.add(number, f"this is not TOML: {problem}", "check quotes, brackets and `key = value` at this line")
        return Node(1, {})
    root = Node(1, {})
    table = root
    for number, statement in _statements(lines):
        values = tomllib.loads(statement)
        if not statement.lstrip().startswith("["):
            _merge(table, values, number)
            continue
        table = _open(root, values, number)
    return root


def _statements(lines: Lines) -> Iterator[tuple[int, str]]:
    """Each table header or `key = value` with the number of its first line.

    In a valid document a statement is over at the first line end where what was read so far parses on its own.
    """
    first, chunk = 0, ""
    for index in range(len(lines)):
        chunk += lines.line(index) + "\n"
        try:
            values = tomllib.loads(chunk)
        except tomllib.TOMLDecodeError:
            continue
        if values:
            yield first + 1, chunk
        first, chunk = index + 1, ""


def _open(root: Node, header: dict[str, object], number: int) -> Node:
    """The table that a header names; `[[x]]` makes a list whose last item it is."""
    table = root
    while header:
        key, value = next(iter(header.items()))
        entries = table.map if table.map is not None else {}
        table.keys.setdefault(key, number)
        if isinstance(value, list):
            entries.setdefault(key, Node(number, []))
            inner = Node(number, {})
            items = entries[key].items
            if items is not None:
                items.append(inner)
            return inner
        inner = entries.setdefault(key, Node(number, {}))
        table = inner.items[-1] if inner.items else inner
        header = value if isinstance(value, dict) else {}
    return table


def _merge(table: Node, values: dict[str, object], number: int) -> None:
    entries = table.map if table.map is not None else {}
    for key, value in values.items():
        table.keys.setdefault(key, number)
        present = entries.get(key)
        if present is not None and isinstance(value, dict):
            _merge(present, value, number)
        else:
            entries[key] = _node(value, number)


def _node(value: object, number: int) -> Node:
    if isinstance(value, dict):
        return Node(
            number, {key: _node(item, number) for key, item in value.items()}, keys=dict.fromkeys(value, number)
        )
    if isinstance(value, list):
        return Node(number, [_node(item, number) for item in value])
    return Node(number, value)
