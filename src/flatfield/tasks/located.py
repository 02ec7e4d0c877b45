"""Values as users wrote them, each with the line it stands on; what YAML and TOML both turn into."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar, a list of nodes or a map of nodes.

    `line` is the value's own; `keys` holds the line of each key of a map; `raw` is a scalar's own text where the
    format has one (YAML: `title: 2024` may be meant as text).
    """

    line: int
    value: object
    raw: str = ""
    keys: dict[str, int] = field(default_factory=dict)

    @property
    def map(self) -> dict[str, Node] | None:
        """Its entries when it is a map."""
        return self.value if isinstance(self.value, dict) else None

    @property
    def items(self) -> list[Node] | None:
        """Its items when it is a list."""
        return self.value if isinstance(self.value, list) else None


def plain(node: Node) -> object:
    """The value without its lines."""
    if node.map is not None:
        return {key: plain(entry) for key, entry in node.map.items()}
    if node.items is not None:
        return [plain(item) for item in node.items]
    return node.value


def shown(node: Node) -> str:
    """What stands there, in a few words, for a mistake's sentence."""
    if node.map is not None:
        return "a map"
    if node.items is not None:
        return "a list"
    if node.value is None:
        return "empty"
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    text = repr(node.value) if isinstance(node.value, str) else str(node.value)
    return text if len(text) <= 60 else f"{text[:57]}…"
