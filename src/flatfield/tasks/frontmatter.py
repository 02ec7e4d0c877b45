"""YAML front matter: where it ends, and its values with YAML 1.2 scalars and their lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flatfield.tasks.source import Lines, Node, closest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import yaml

    from flatfield.tasks.source import Findings

# What Claude Code reads in the front matter of a command; flatfield passes over them. `agent` is not among them: it is
# more often a slip for `agents`, and skipping it would run another roster than was meant.
CLAUDE_KEYS = (
    "allowed-tools",
    "argument-hint",
    "color",
    "context",
    "description",
    "disable-model-invocation",
    "effort",
    "hooks",
    "model",
    "name",
    "user-invocable",
    "version",
)
CLAUDE_FOLDER = ".claude"
SLIP = 0.8
"""How alike a key is to one of ours, of at most 1, to be a slip for it: `agent` is, `tags` is not."""
_MAX_NODES = 20_000
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TAG = "tag:yaml.org,2002:"
_STRING_TAG = f"{_TAG}str"
_CORE_TAGS = frozenset({"map", "seq", "str", "null", "bool", "int", "float"})


@dataclass(frozen=True, slots=True)
class Split:
    """A Markdown file cut in two: `matter` between the `---` lines (None: there is none), and where the body starts."""

    matter: str | None
    body_start: int
    closed: bool = True


def split(text: str) -> Split:
    """Cut the front matter off; its first line is the file's line 2."""
    lines = Lines.of(text)
    if not text or lines.line(0).rstrip() != "---":
        return Split(None, 0)
    for index in range(1, len(lines)):
        if lines.line(index).rstrip() in {"---", "..."}:
            return Split(text[lines.start(1) : lines.start(index)], lines.start(index + 1))
    return Split(None, 0, closed=False)


def has_key(matter: str | None, key: str) -> bool:
    """Whether the front matter has `key` at its top, read without YAML so that a mistake elsewhere does not hide it."""
    return re.search(rf"(?m)^(['\"]?){re.escape(key)}\1[ \t]*:", matter or "") is not None


def foreign_keys(text: str, path: Path, ours: Iterable[str]) -> tuple[str, ...]:
    """Keys of a file below `.claude/` that are nobody's slip for one of ours: whoever reads commands has keys there.

    Elsewhere there are none: a key that means nothing is a mistake.
    """
    if CLAUDE_FOLDER not in path.absolute().parts:
        return ()
    keys = [line.partition(":")[0].strip(" \t'\"") for line in _key_lines(split(text).matter or "")]
    return tuple(key for key in keys if key not in (*CLAUDE_KEYS, *ours) and closest(key, ours, SLIP) is None)


def _key_lines(matter: str) -> list[str]:
    lines = Lines.of(matter)
    return [line for line in map(lines.line, range(len(lines))) if _opens_entry(line) and ":" in line]


def _opens_entry(line: str) -> bool:
    return bool(line) and not line[0].isspace() and not line.startswith(("-", "#", "]", "}"))


def read(text: str, found: Findings, *, drop: Callable[[str], bool] = CLAUDE_KEYS.__contains__) -> Node:
    """The front matter of a Markdown file as a map, empty without any; keys that `drop` accepts are left out unread.

    Mistakes go into `found`.
    """
    part = split(text)
    if not part.closed:
        found.add(1, "the front matter that opens here is never closed", "end it with a line that is only `---`")
    if part.matter is None:
        return Node(1, {})
    node = compose(_without(part.matter, drop), found, first_line=2)
    if node.map is not None:
        return node
    if node.value is not None:
        found.add(node.line, "the front matter is not a map", "write `key: value` lines")
    return Node(1, {})


def _without(matter: str, drop: Callable[[str], bool]) -> str:
    """Blank out top-level entries whose key `drop` accepts, keeping all lines.

    Claude Code takes `argument-hint: [a] [b]`, which is not YAML, so these entries must not reach the parser.
    """
    kept: list[str] = []
    skipping = False
    lines = Lines.of(matter)
    for index in range(len(lines)):
        line = lines.line(index)
        if _opens_entry(line):
            skipping = drop(line.partition(":")[0].strip(" \t'\""))
        kept.append("" if skipping else line)
    return "".join(f"{line}\n" for line in kept)


def compose(text: str, found: Findings, *, first_line: int = 1) -> Node:
    """YAML text as a tree of nodes; what is not YAML becomes one mistake and an empty node."""
    import yaml

    lines = Lines.of(text)
    try:
        root = _composed(text)
        if root is None:
            return Node(first_line, None)
        return _Walk(lines, found, first_line).node(root)
    except yaml.reader.ReaderError as error:
        line = first_line + lines.number(error.position) - 1
        found.add(line, f"character U+{ord(text[error.position]):04X} is not allowed in YAML", "remove it")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first_line + (lines.number(mark.index) - 1 if mark else 0)
        found.add(line, f"this is not YAML: {error.problem or error.context}", _yaml_fix(error.problem or ""))
    except RecursionError:
        found.add(first_line, "the front matter is nested too deeply or refers to itself", "write it out flat")
    return Node(first_line, None)


def _composed(text: str) -> yaml.Node | None:
    """YAML's nodes; a tab between a key and its value, which YAML 1.2 allows (6.2) but PyYAML does not, is a space.

    A tab that indents stays a mistake.
    """
    import yaml

    while True:
        try:
            root: yaml.Node | None = yaml.compose(text, Loader=yaml.BaseLoader)
        except yaml.MarkedYAMLError as error:
            at = error.problem_mark.index if error.problem_mark else len(text)
            indents = not text[:at].rpartition("\n")[2].strip()
            if text[at : at + 1] != "\t" or indents:
                raise
            text = f"{text[:at]} {text[at + 1 :]}"
        else:
            return root


def _yaml_fix(problem: str) -> str:
    if "mapping values are not allowed" in problem:
        return "quote a value that holds `: `"
    if "'\\t'" in problem:
        return "indent with spaces, not tabs"
    if "%" in problem or "cannot start any token" in problem:
        return "quote a value that starts with a special character"
    return "check quotes, brackets and indentation at this line"


class _Walk:
    """Turns PyYAML's nodes into ours, counting them, so that aliases cannot blow up a small file."""

    def __init__(self, lines: Lines, found: Findings, first_line: int) -> None:
        self._lines = lines
        self._found = found
        self._first_line = first_line
        self._count = 0

    def node(self, source: yaml.Node) -> Node:
        import yaml

        self._count += 1
        if self._count > _MAX_NODES:
            raise RecursionError
        line = self._line(source)
        value: object = source.value
        if source.tag.removeprefix(_TAG) not in _CORE_TAGS:
            self._found.add(line, f"the tag {source.tag!r} means nothing here", "remove it")
        if isinstance(source, yaml.MappingNode):
            return self._map(source, line)
        if isinstance(source, yaml.SequenceNode):
            return Node(line, [self.node(item) for item in source.value])
        text = _whole(str(value))
        if not _is_text(text):
            self._found.add(line, "an escape stands for half a character", "write the character itself, or both halves")
            text = ""
        if isinstance(source, yaml.ScalarNode) and source.style is None and source.tag == _STRING_TAG:
            return Node(line, scalar(text), text)
        return Node(line, text, text)

    def _map(self, source: yaml.Node, line: int) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, int] = {}
        for key, value in source.value:
            key_line = self._line(key)
            if not isinstance(key.value, str):
                self._found.add(key_line, "a key is a list or a map", "use a word as key")
            elif key.value in entries:
                self._found.add(
                    key_line, f"`{key.value}` stands twice", f"keep one (the other is on line {keys[key.value]})"
                )
            else:
                keys[key.value] = key_line
                entries[_whole(key.value)] = self.node(value)
        return Node(line, entries, keys=keys)

    def _line(self, source: yaml.Node) -> int:
        return self._first_line + self._lines.number(source.start_mark.index) - 1


def _whole(text: str) -> str:
    """Text in which two escapes that make one character, as JSON writes an emoji, are this character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def scalar(text: str) -> bool | int | float | str | None:
    """A plain scalar by YAML 1.2's core schema (yaml.org/spec/1.2.2, section 10.3.2): `yes` and `12:30` are strings."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text
