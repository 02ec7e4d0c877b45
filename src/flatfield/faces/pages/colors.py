"""Which colour an agent has: that of its model's family, the same in every picture; and the colours of letters."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield import plugins

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.records import AgentConfig, Traits


class Shade(Struct, frozen=True, kw_only=True):
    """One colour, on a light and on a dark ground."""

    light: str
    dark: str


SHADES: Mapping[str, Shade] = {
    "orange": Shade(light="#c2570c", dark="#f29b54"),
    "green": Shade(light="#00795c", dark="#43c59e"),
    "purple": Shade(light="#7b3fa0", dark="#c18be0"),
    "blue": Shade(light="#0b62ad", dark="#62abf0"),
    "cyan": Shade(light="#0a7d92", dark="#55cfe3"),
    "yellow": Shade(light="#8a6d00", dark="#eacb3f"),
    "pink": Shade(light="#bf3f7f", dark="#f291bd"),
    "red": Shade(light="#a3241f", dark="#f58079"),
}
"""Under the names that traits use. Told apart with every common kind of colour blindness by hue or lightness; shapes
and names stand beside, so that no colour is alone in saying which agent is meant."""
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")
"""Those of a family's members, in the order of their names."""
LETTERS: Mapping[str, tuple[str, str]] = {
    "S": ("#0b3c5d", "#ffffff"),
    "A": ("#1c6a86", "#ffffff"),
    "B": ("#8fc1c4", "#0c2226"),
    "C": ("#ecd98f", "#2b2303"),
    "D": ("#e59f5c", "#2c1503"),
    "F": ("#a33b2b", "#ffffff"),
}
"""Ground and text of each letter: from blue over sand to rust, dark at both ends, for all kinds of colour vision."""


class Appearance(Struct, frozen=True, kw_only=True):
    """How an agent is drawn: its family's name and colours, and a shape that no other of the family has."""

    family: str
    shade: Shade
    shape: str


def looks(agents: Sequence[AgentConfig]) -> dict[str, Appearance]:
    """By agent's name, the same for the same agents in whatever order they stand."""
    makers = tuple(vendor for vendor in plugins.all_traits() if vendor.maker and vendor.makes)
    members: dict[str, int] = {}
    found = {}
    for agent in sorted(agents, key=lambda each: each.name):
        family, shade = _family(agent, makers)
        place = members.get(family, 0)
        members[family] = place + 1
        found[agent.name] = Appearance(family=family, shade=shade, shape=SHAPES[place % len(SHAPES)])
    return found


def _family(agent: AgentConfig, makers: Sequence[Traits]) -> tuple[str, Shade]:
    """Who makes the model, by the words in its name; else the name's first word, with a colour that no maker has."""
    model = agent.model.lower().rpartition("/")[2]
    for vendor in makers:
        if re.search(rf"(?<![a-z0-9])(?:{vendor.makes})", model):
            return vendor.maker, SHADES.get(vendor.color, _by_hash(vendor.maker, ()))
    word = re.match(r"[a-z]+", model)
    family = word.group() if word else agent.provider
    return family, _by_hash(family, [vendor.color for vendor in makers])


def _by_hash(family: str, taken: Sequence[str]) -> Shade:
    free = [name for name in SHADES if name not in taken] or list(SHADES)
    return SHADES[free[hashlib.sha256(family.encode()).digest()[0] % len(free)]]
