"""Changes a JSON text that people wrote: what stays the same keeps its bytes, its order and its layout."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield import json_text
from flatfield.errors import InvalidFiles
from flatfield.records import Mistake

if TYPE_CHECKING:
    from collections.abc import Sequence

FIX = "mend it (JSON has no comments, and no comma behind the last item), so that ours can be added to it"
_SPACE = re.compile(r"[ \t\r\n]*")


class JsonPart(Struct, frozen=True, kw_only=True):
    """A value and its place in the text; `head` is where its key begins, where it has one."""

    value: Any
    head: int
    start: int
    end: int
    keys: tuple[str, ...] = ()
    parts: tuple[JsonPart, ...] = ()

    def part(self, *path: str | int) -> JsonPart:
        """What lies at keys and indexes; of a key that is there twice, the last one, as parsers take it."""
        found = self
        for step in path:
            index = step if isinstance(step, int) else len(found.keys) - 1 - found.keys[::-1].index(step)
            found = found.parts[index]
        return found


class _Layout(Struct, frozen=True, kw_only=True):
    """How the text is laid out: its line ends, and how far each level is indented; "" where all is in one line."""

    newline: str
    unit: str


def parsed(text: str, path: str) -> JsonPart:
    """The text's value, with the place of all that is in it.

    Raises:
        InvalidFiles: it is no JSON; the mistake names the line.
    """
    if json_text.is_deeper(text):
        raise InvalidFiles([Mistake(path=path, line=1, problem="this is nested too deeply", fix=FIX)])
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        problem = f"this is not JSON: {error.msg[0].lower()}{error.msg[1:]}, column {error.colno}"
        raise InvalidFiles([Mistake(path=path, line=error.lineno, problem=problem, fix=FIX)]) from None
    at = _skipped(text, 0)
    return _part(text, at, at)


def line_of(text: str, part: JsonPart) -> int:
    """The line that a part begins in, from 1."""
    return text.count("\n", 0, part.head) + 1


def rewritten(text: str, root: JsonPart, value: object) -> str:
    """The text with `value` in the place of the one that it holds."""
    lead = text[root.start + 1 : root.parts[0].head] if root.parts else "\n  "
    layout = _Layout(newline="\r\n" if "\r\n" in text else "\n", unit=lead.rpartition("\n")[2] if "\n" in lead else "")
    return text[: root.start] + _written(text, root, value, "", layout) + text[root.end :]


def _part(text: str, head: int, start: int) -> JsonPart:
    decode = json.JSONDecoder().raw_decode
    value, end = decode(text, start)
    if not isinstance(value, dict | list):
        return JsonPart(value=value, head=head, start=start, end=end)
    keys: list[str] = []
    parts: list[JsonPart] = []
    at = _skipped(text, start + 1)
    while at < end - 1:
        item = at
        if isinstance(value, dict):
            key, at = decode(text, at)
            keys.append(key)
            at = _skipped(text, _skipped(text, at) + 1)
        parts.append(_part(text, item, at))
        at = _skipped(text, parts[-1].end)
        at = _skipped(text, at + 1) if text[at] == "," else at
    return JsonPart(value=value, head=head, start=start, end=end, keys=tuple(keys), parts=tuple(parts))


def _skipped(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _written(text: str, part: JsonPart | None, value: object, pad: str, layout: _Layout) -> str:
    """The text of a value in the place of `part`; `pad` is how far the line that it begins in is indented."""
    if part is None or not isinstance(value, dict | list) or not isinstance(part.value, type(value)):
        return text[part.start : part.end] if part and _same(part.value, value) else _dumped(value, pad, layout)
    if _same(part.value, value):
        return text[part.start : part.end]
    lead = text[part.start + 1 : part.parts[0].head] if part.parts else ""
    inner = lead.rpartition("\n")[2] if "\n" in lead else pad + layout.unit
    keys = list(value) if isinstance(value, dict) else [None] * len(value)
    items = list(value.values()) if isinstance(value, dict) else value
    before = _before(part, value)
    texts = [_written(text, old, item, inner, layout) for old, item in zip(before, items, strict=True)]
    if part.parts and tuple(before[: len(part.parts)]) == part.parts:
        return _in_place(text, part, keys, texts, lead)
    return _anew([_with_key(key, each) for key, each in zip(keys, texts, strict=True)], part.value, pad, layout)


def _before(part: JsonPart, value: dict[str, Any] | list[Any]) -> list[JsonPart | None]:
    """For each item of the new value what it was before: of a list the same item, else the one at its place."""
    if isinstance(value, dict):
        return [part.part(key) if key in part.keys else None for key in value]
    free = list(part.parts)
    found: list[JsonPart | None] = []
    for item in value:
        same = next((old for old in free if _same(old.value, item)), None)
        found.append(same)
        if same is not None:
            free.remove(same)
    for index, old in enumerate(part.parts[: len(found)]):
        if found[index] is None and old in free:
            found[index] = old
    return found


def _in_place(text: str, part: JsonPart, keys: Sequence[str | None], texts: Sequence[str], lead: str) -> str:
    """All parts where they stand, each with its new text, and behind them what is new."""
    made, at = "", part.start
    for old, new in zip(part.parts, texts, strict=False):
        made += text[at : old.start] + new
        at = old.end
    further = zip(keys[len(part.parts) :], texts[len(part.parts) :], strict=True)
    return made + "".join(f",{lead or ' '}{_with_key(*each)}" for each in further) + text[at : part.end]


def _anew(texts: Sequence[str], kind: object, pad: str, layout: _Layout) -> str:
    opening, closing = "{}" if isinstance(kind, dict) else "[]"
    if not texts or not layout.unit:
        return opening + ", ".join(texts) + closing
    inner = layout.newline + pad + layout.unit
    return f"{opening}{inner}{f',{inner}'.join(texts)}{layout.newline}{pad}{closing}"


def _with_key(key: str | None, text: str) -> str:
    return text if key is None else f"{json.dumps(key, ensure_ascii=False)}: {text}"


def _dumped(value: object, pad: str, layout: _Layout) -> str:
    text = json.dumps(value, indent=layout.unit or None, ensure_ascii=False)
    return text.replace("\n", layout.newline + pad)


def _same(one: object, other: object) -> bool:
    """Whether two values are the same JSON: 1 is not true, and keys stand in one order."""
    return json.dumps(one) == json.dumps(other)
