"""Turns located values into typed ones, field by field, so that every mistake is found with its line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flatfield import plugins
from flatfield.tasks.located import Node, shown
from flatfield.tasks.source import right_key

if TYPE_CHECKING:
    from flatfield.tasks.source import Findings

Reader = Callable[[Node, str, "Findings"], Any]
"""Takes a node and its name; returns the value, or None after noting a mistake."""


def read_map(
    node: Node, readers: Mapping[str, Reader], found: Findings, *, what: str, skip: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Read each entry of a map with its reader; unknown keys are mistakes with the closest right key as fix.

    Entries with a mistake are left out of the result.
    """
    if node.map is None:
        found.add(node.line, f"{what} is {shown(node)}, not a map", f"write `key: value` with {', '.join(readers)}")
        return {}
    values: dict[str, Any] = {}
    for key, entry in node.map.items():
        if key in skip:
            continue
        if key not in readers:
            found.add(node.keys[key], f"{what} has no key `{key}`", right_key(key, readers))
            continue
        value = readers[key](entry, f"`{key}`", found)
        if value is not None:
            values[key] = value
    return values


def text(*, empty: bool = False) -> Reader:
    """Text; a number or word that YAML would read as something else counts as its own text."""

    def read(node: Node, name: str, found: Findings) -> str | None:
        value = node.value if isinstance(node.value, str) else node.raw
        if value or (empty and isinstance(node.value, str)):
            return value
        found.add(node.line, f"{name} is {shown(node)}, not text", f'write text, such as {name.strip("`")}: "…"')
        return None

    return read


def integer(least: int | None = None) -> Reader:
    """A whole number, `least` or more."""

    def read(node: Node, name: str, found: Findings) -> int | None:
        if isinstance(node.value, int) and not isinstance(node.value, bool) and (least is None or node.value >= least):
            return node.value
        bound = "" if least is None else f", {least} or more"
        found.add(node.line, f"{name} is {shown(node)}", f"write a whole number{bound}")
        return None

    return read


def number(*, above: float | None = None, least: float | None = None, most: float | None = None) -> Reader:
    """A finite number within the bounds."""

    def read(node: Node, name: str, found: Findings) -> float | None:
        value = node.value
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and abs(value) < 1e300
            and math.isfinite(value)
        ):
            low = (above is None or value > above) and (least is None or value >= least)
            if low and (most is None or value <= most):
                return float(value)
        bounds = ((" above {}", above), (" of at least {}", least), (" of at most {}", most))
        wanted = ",".join(form.format(f"{bound:g}") for form, bound in bounds if bound is not None)
        found.add(node.line, f"{name} is {shown(node)}", f"write a number{wanted}")
        return None

    return read


def boolean(node: Node, name: str, found: Findings) -> bool | None:
    """True or false."""
    if isinstance(node.value, bool):
        return node.value
    found.add(node.line, f"{name} is {shown(node)}", "write true or false")
    return None


def choice(*options: str) -> Reader:
    """One of a few words."""

    def read(node: Node, name: str, found: Findings) -> str | None:
        if isinstance(node.value, str) and node.value in options:
            return node.value
        found.add(node.line, f"{name} is {shown(node)}", f"write one of: {', '.join(options)}")
        return None

    return read


def texts(*, single: bool = False, empty: bool = True) -> Reader:
    """A list of texts as a tuple; with `single`, one text alone will do."""

    def read(node: Node, name: str, found: Findings) -> tuple[str, ...] | None:
        if single and isinstance(node.value, str) and node.value:
            return (node.value,)
        if node.items is None or not (node.items or empty):
            what = shown(node) if node.items is None else "an empty list"
            found.add(node.line, f"{name} is {what}", f"write a list, such as {name.strip('`')}: [a, b]")
            return None
        values = [text()(item, f"an item of {name}", found) for item in node.items]
        return tuple(value for value in values if value is not None)

    return read


def nested(readers: Mapping[str, Reader]) -> Reader:
    """A map whose entries have readers of their own."""

    def read(node: Node, name: str, found: Findings) -> dict[str, Any] | None:
        return read_map(node, readers, found, what=name) or None

    return read


def text_map(node: Node, name: str, found: Findings) -> dict[str, str] | None:
    """A map of texts, such as headers."""
    if node.map is None:
        found.add(node.line, f"{name} is {shown(node)}, not a map", "write `name: text` entries")
        return None
    values = {key: text(empty=True)(entry, f"`{key}` in {name}", found) for key, entry in node.map.items()}
    return {key: value for key, value in values.items() if value is not None}


def tools(node: Node, name: str, found: Findings) -> tuple[str, ...] | None:
    """A list of tools that exist, each once."""
    values: tuple[str, ...] | None = texts()(node, name, found)
    if values is None or node.items is None:
        return None
    known = plugins.names("tool")
    for index, item in enumerate(node.items):
        name_of = item.value if isinstance(item.value, str) else item.raw
        if name_of and name_of not in known:
            found.add(item.line, f"there is no tool `{name_of}`", right_key(name_of, known))
        elif name_of in values[:index]:
            found.add(item.line, f"the tool `{name_of}` stands twice", "keep it once")
    return values


LIMITS: dict[str, Reader] = {
    "turns": integer(1),
    "seconds": number(above=0),
    "output_tokens": integer(1),
    "cost_usd": number(above=0),
}
"""What `limits:` may hold, in a LOP and in a HOP."""
