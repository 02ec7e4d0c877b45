"""One file that a user wrote: its text and lines, its values with the line of each, and all mistakes found in it."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flatfield import plugins
from flatfield.errors import InvalidFiles, NotFound
from flatfield.records import Mistake, Weights
from flatfield.saying import written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from msgspec import Struct


# What a letter of any script is, with its marks: names of agents and tasks are made of them.


_MARKS = frozenset({"Mn", "Mc"})
_UNSEEN = re.compile("[\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Marks that nobody sees, so that two names would look alike."""
_JOINERS = frozenset("\u200c\u200d")
"""Nobody sees them either, but between the letters of Persian and Indic words they are part of the spelling."""


def lettered(text: str) -> str:
    """The text, as long as it was, with a plain letter for what is written as part of one.

    To a pattern a letter has no marks (vowel signs, tones, dots), which most scripts of India and beyond cannot do
    without. So it is matched against this text, and what it finds is cut from the real one.
    """
    if text.isascii():
        return text
    found: list[str] = []
    for at, char in enumerate(text):
        behind_letter = at > 0 and found[-1].isalnum()
        joins = char in _JOINERS and _joined(text[at - 1 : at]) and _joined(text[at + 1 : at + 2])
        found.append("x" if behind_letter and (joins or _is_mark(char)) else char)
    return "".join(found)


def replaced(pattern: re.Pattern[str], by: str, text: str) -> str:
    """The text with what a pattern finds in it replaced, where a letter is one with its marks."""
    parts: list[str] = []
    end = 0
    for match in pattern.finditer(lettered(text)):
        parts += [text[end : match.start()], by]
        end = match.end()
    return "".join([*parts, text[end:]])


def _joined(char: str) -> bool:
    return not char.isascii() and (char.isalpha() or _is_mark(char))


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in _MARKS and not _UNSEEN.match(char)


# ---------------------------------------------------------------------------- a file, its lines, its mistakes


# Not str.splitlines: that also splits at form feeds and U+2028, which neither editors nor markdown-it count as lines.
NEWLINE = re.compile(r"\r\n?|\n")


UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
"""The byte order marks that files in UTF-16 begin with; nothing in UTF-8 does."""

_NO_ID = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Lines:
    """Text and the offset at which each of its lines starts; line numbers given out count from 1."""

    text: str
    starts: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Lines:
        """Find the lines of `text`; a final newline does not open another line."""
        starts = [0, *(match.end() for match in NEWLINE.finditer(text))]
        if len(starts) > 1 and starts[-1] == len(text):
            starts.pop()
        return cls(text, tuple(starts))

    def __len__(self) -> int:
        return len(self.starts)

    def number(self, offset: int) -> int:
        """The number of the line that holds the character at `offset`."""
        return max(1, bisect_right(self.starts, offset))

    def start(self, index: int) -> int:
        """The offset where line `index` (from 0) starts; the text's end beyond the last."""
        return self.starts[index] if index < len(self.starts) else len(self.text)

    def line(self, index: int) -> str:
        """Line `index` (from 0) without its line ending."""
        return self.text[self.starts[index] : self.start(index + 1)].rstrip("\r\n")


@dataclass(frozen=True, slots=True)
class Findings:
    """The mistakes found so far in one file."""

    path: str
    mistakes: list[Mistake] = field(default_factory=list)

    def add(self, line: int, problem: str, fix: str) -> None:
        """Note one mistake; `line` counts from 1."""
        self.mistakes.append(Mistake(path=self.path, line=line, problem=problem, fix=fix))

    def settle(self) -> None:
        """Raise what was found.

        Raises:
            InvalidFiles: there is at least one mistake; they come in the order of their lines.
        """
        if self.mistakes:
            raise InvalidFiles(sorted(self.mistakes, key=lambda mistake: mistake.line))


def read_bytes(path: Path) -> bytes:
    """All bytes of a file that the user named.

    Raises:
        NotFound: it is not there, is a folder, or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}{did_you_mean(path.name, names_in(path.parent))}") from None
    except IsADirectoryError:
        raise NotFound(f"{path} is a folder, not a file; name a file in it") from None
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror or error}; check its path and permissions") from None


def decode(data: bytes, path: str) -> str:
    """The text of `data`, without a byte order mark; line endings stay as they are.

    Raises:
        InvalidFiles: the bytes are not UTF-8.
    """
    if data.startswith(UTF16_MARKS):
        problem = "the file is UTF-16, not UTF-8"
        raise InvalidFiles([Mistake(path=path, line=1, problem=problem, fix="save the file as UTF-8")])
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problem = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise InvalidFiles([Mistake(path=path, line=line, problem=problem, fix="save the file as UTF-8")]) from None


def closest(name: str, known: Iterable[str], alike: float = 0.6) -> str | None:
    """The known name that `name` was probably meant to be; `-`, `_`, spaces and case do not count.

    `alike`: how much of it must be the same, of at most 1.
    """
    plain = {_plain(item): item for item in known}
    matches = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=alike)
    return plain[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known name comes close."""
    close = closest(name, known)
    return f"; did you mean {close!r}?" if close else ""


def right_key(name: str, known: Iterable[str]) -> str:
    """The fix for an unknown key: the closest right one, else all of them."""
    keys = list(known)
    close = closest(name, keys)
    return f"did you mean `{close}`?" if close else f"use one of: {', '.join(keys)}"


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]+", "", name).lower()


def names_in(folder: Path) -> list[str]:
    """What lies in a folder; nothing when it cannot be read."""
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []


def slug(name: str) -> str:
    """A file's name as an id: what is no letter of any script, digit, `.`, `_` or `-` becomes `-`."""
    return replaced(_NO_ID, "-", unicodedata.normalize("NFC", name)).strip("-._") or "task"


# Values as users wrote them, each with the line it stands on; what YAML and TOML both turn into.


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


# Turns located values into typed ones, field by field, so that every mistake is found with its line.


NodeReader = Callable[[Node, str, "Findings"], Any]
"""Takes a node and its name; returns the value, or None after noting a mistake."""


@dataclass(frozen=True, slots=True)
class Described:
    """A reader that says what it takes, as a JSON Schema: what editors complete and check before it reads."""

    read: NodeReader
    schema: Callable[[], Mapping[str, Any]]

    def __call__(self, node: Node, name: str, found: Findings) -> Any:  # noqa: ANN401 - as any reader
        """Read the node."""
        return self.read(node, name, found)


def takes(**schema: Any) -> Callable[[NodeReader], NodeReader]:  # noqa: ANN401 - any JSON
    """Say of a reader what it takes; what is None is left out."""
    said = {key: value for key, value in schema.items() if value is not None}
    return takes_what(lambda: said)


def takes_what(schema: Callable[[], Mapping[str, Any]]) -> Callable[[NodeReader], NodeReader]:
    """The same, where it is found out when somebody asks: it depends on what is installed."""
    return lambda read: Described(read, schema)


def schema_of(reader: NodeReader) -> dict[str, Any]:
    """What a reader takes, as a JSON Schema; a text where it does not say."""
    return dict(reader.schema()) if isinstance(reader, Described) else {"type": "string"}


def read_map(
    node: Node, readers: Mapping[str, NodeReader], found: Findings, *, what: str, skip: tuple[str, ...] = ()
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


def text(*, empty: bool = False) -> NodeReader:
    """Text; a number or word that YAML would read as something else counts as its own text."""

    @takes(type="string", minLength=None if empty else 1)
    def read(node: Node, name: str, found: Findings) -> str | None:
        value = node.value if isinstance(node.value, str) else node.raw
        if value or (empty and isinstance(node.value, str)):
            return value
        found.add(node.line, f"{name} is {shown(node)}, not text", f'write text, such as {name.strip("`")}: "…"')
        return None

    return read


def integer(least: int | None = None) -> NodeReader:
    """A whole number, `least` or more."""

    @takes(type="integer", minimum=least)
    def read(node: Node, name: str, found: Findings) -> int | None:
        if isinstance(node.value, int) and not isinstance(node.value, bool) and (least is None or node.value >= least):
            return node.value
        bound = "" if least is None else f", {least} or more"
        found.add(node.line, f"{name} is {shown(node)}", f"write a whole number{bound}")
        return None

    return read


def number(*, above: float | None = None, least: float | None = None, most: float | None = None) -> NodeReader:
    """A finite number within the bounds."""

    @takes(type="number", exclusiveMinimum=above, minimum=least, maximum=most)
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
        wanted = ",".join(form.format(written(bound)) for form, bound in bounds if bound is not None)
        found.add(node.line, f"{name} is {shown(node)}", f"write a number{wanted}")
        return None

    return read


@takes(type="boolean")
def boolean(node: Node, name: str, found: Findings) -> bool | None:
    """True or false."""
    if isinstance(node.value, bool):
        return node.value
    found.add(node.line, f"{name} is {shown(node)}", "write true or false")
    return None


def choice(*options: str) -> NodeReader:
    """One of a few words."""

    @takes(type="string", enum=list(options))
    def read(node: Node, name: str, found: Findings) -> str | None:
        if isinstance(node.value, str) and node.value in options:
            return node.value
        found.add(node.line, f"{name} is {shown(node)}", f"write one of: {', '.join(options)}")
        return None

    return read


def texts(*, single: bool = False, empty: bool = True) -> NodeReader:
    """A list of texts as a tuple; with `single`, one text alone will do."""
    items = {"type": "array", "items": {"type": "string", "minLength": 1}, **({} if empty else {"minItems": 1})}

    @takes(**({"anyOf": [items, {"type": "string", "minLength": 1}]} if single else items))
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


def nested(readers: Mapping[str, NodeReader], kind: type[Struct]) -> NodeReader:
    """A map whose entries have readers of their own, and are the fields of a record."""

    @takes_what(lambda: map_of(readers))
    def read(node: Node, name: str, found: Findings) -> Struct:
        return kind(**read_map(node, readers, found, what=name))

    return read


def map_of(readers: Mapping[str, NodeReader], required: Sequence[str] = ()) -> dict[str, Any]:
    """The schema of a map whose entries have these readers, and no others."""
    said: dict[str, Any] = {
        "type": "object",
        "properties": {key: schema_of(reader) for key, reader in readers.items()},
        "additionalProperties": False,
    }
    return said | ({"required": list(required)} if required else {})


_WEIGHTS: dict[str, NodeReader] = dict.fromkeys(("performance", "speed", "cost"), number(least=0))


@takes_what(lambda: map_of(_WEIGHTS))
def weights(node: Node, name: str, found: Findings) -> Weights | None:
    """How much performance, speed and cost count; at least one of them does."""
    before = len(found.mistakes)
    given = Weights(**read_map(node, _WEIGHTS, found, what=name))
    if len(found.mistakes) == before and given.performance + given.speed + given.cost <= 0:
        found.add(node.line, f"{name} are all 0", "give at least one of performance, speed, cost a weight above 0")
        return None
    return given


@takes(type="object", additionalProperties={"type": "string"})
def text_map(node: Node, name: str, found: Findings) -> dict[str, str] | None:
    """A map of texts, such as headers."""
    if node.map is None:
        found.add(node.line, f"{name} is {shown(node)}, not a map", "write `name: text` entries")
        return None
    values = {key: text(empty=True)(entry, f"`{key}` in {name}", found) for key, entry in node.map.items()}
    return {key: value for key, value in values.items() if value is not None}


@takes_what(lambda: {"type": "array", "items": {"type": "string", "enum": list(plugins.names("tool"))}})
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


LIMITS: dict[str, NodeReader] = {
    "turns": integer(1),
    "seconds": number(above=0),
    "output_tokens": integer(1),
    "cost_usd": number(above=0),
}
"""What `limits:` may hold, in a LOP and in a HOP."""
