"""What a reply looks like, whatever it says: kinds of events, fields and their types, words, marks of ids, counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from flatfield import json_text
from flatfield.http.replies import EventDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flatfield.testing.fake_server import Beliefs

ROOT = ":"
"""What stands between an event's kind and the path in it."""
PLAIN, WHOLE, DONE, ERROR = "event", "whole", "[DONE]", "error"
"""The kind of an event that tells none, of a reply in one piece, of the mark that ends some streams, of a refusal."""
_MARK = re.compile(r"[A-Za-z]+(?=[_-])")
_PLAIN_NAME = re.compile(r"[A-Za-z_$@][A-Za-z0-9_.$-]{0,47}")
_OF_AN_ACCOUNT = re.compile(r"\d{5}")


class Form(Struct, kw_only=True):
    """How the objects in one place look: how many there were, and how many had each field, of which types."""

    objects: int = 0
    fields: dict[str, int] = field(default_factory=dict)
    types: dict[str, set[str]] = field(default_factory=dict)


class Look(Struct, kw_only=True):
    """How replies look. A place is a path such as `message_start:message.usage`, with the event's kind before it.

    `content[text]` is an item of a list whose `type` is "text", `delta(text_delta)` an object whose type is that.
    `words`, `marks` and `counts` are by place and field: all words of the protocol there, all marks that ids begin
    with ("" for none), the last number of each count. `framing`: how events are told apart on the wire.
    """

    forms: dict[str, Form] = field(default_factory=dict)
    words: dict[str, set[str]] = field(default_factory=dict)
    marks: dict[str, set[str]] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    framing: set[str] = field(default_factory=set)

    def add(self, other: Look) -> None:
        """Take in how other replies look."""
        for place, form in other.forms.items():
            own = self.forms.setdefault(place, Form())
            own.objects += form.objects
            for name, times in form.fields.items():
                own.fields[name] = own.fields.get(name, 0) + times
                own.types.setdefault(name, set()).update(form.types[name])
        for mine, theirs in ((self.words, other.words), (self.marks, other.marks)):
            for at, values in theirs.items():
                mine.setdefault(at, set()).update(values)
        self.counts |= other.counts
        self.framing |= other.framing


def looked_at(body: bytes, beliefs: Beliefs) -> Look:
    """How a reply looks, streamed or whole."""
    framing, events = _events(body)
    look = Look(framing={framing})
    for event in events:
        kind = DONE if event is None else WHOLE if framing == WHOLE else _kind(event, beliefs.kinds)
        _walk(event if isinstance(event, dict) else {}, f"{kind}{ROOT}", look, beliefs)
    return look


def looked_at_error(body: bytes, beliefs: Beliefs) -> Look:
    """How an error's body looks; the type of an error is a word of it, and makes no other object of it."""
    look = Look()
    try:
        value = json_text.decoded(body)
    except ValueError:
        value = None
    if isinstance(value, dict):
        _walk(value, f"{ERROR}{ROOT}", look, beliefs, kinds=False)
    else:
        look.framing.add("no JSON object")
    return look


def at_field(place: str, name: str) -> str:
    """Where a field of an object is."""
    return f"{place}{name}" if place.endswith(ROOT) else f"{place}.{name}"


def skeleton(look: Look) -> dict[str, dict[str, str]]:
    """All places with their fields and types, for who mends the test kit; no value stands in it."""
    return {
        place: {name: " or ".join(sorted(form.types[name])) for name in sorted(form.fields)}
        for place, form in sorted(look.forms.items())
    }


def _events(body: bytes) -> tuple[str, list[Any]]:
    """How events are framed, and each of them decoded; None stands for the mark that ends a stream."""
    start = body.lstrip()
    if start.startswith((b"data:", b"event:", b"id:", b"retry:", b":")):
        decoder = EventDecoder()
        data = [*decoder.feed(body), *decoder.close()]
        named = "server-sent events with names" if re.search(rb"(?m)^event:", body) else "server-sent events"
        return named, [None if each.strip() == DONE.encode() else _decoded(each) for each in data]
    lines = [_decoded(line) for line in start.split(b"\n") if line.strip()]
    if len(lines) > 1 and all(lines):
        return "JSON lines", lines
    return WHOLE, [_decoded(body)]


def _decoded(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value; an empty object for what is no JSON."""
    try:
        return json_text.decoded(data)
    except ValueError:
        return {}


def _kind(event: Any, kinds: Sequence[str]) -> str:  # noqa: ANN401 - any JSON value
    for path in kinds:
        value, last = event, path.rpartition(".")[2]
        for step in path.split("."):
            value = _inside(value, step)
        if value:
            return _plain(value) if last == "type" and isinstance(value, str) else last
    return PLAIN


def _inside(value: Any, step: str) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return value.get(step)
    return value[int(step)] if isinstance(value, list) and step.isdecimal() and len(value) > int(step) else None


def _walk(value: dict[str, Any], place: str, look: Look, beliefs: Beliefs, *, kinds: bool = True) -> None:
    """Take in an object and all that is below it, but for what the model or the client wrote."""
    form = look.forms.setdefault(place, Form())
    form.objects += 1
    for raw, item in value.items():
        name, at = _plain(raw), at_field(place, _plain(raw))
        form.fields[name] = form.fields.get(name, 0) + 1
        form.types.setdefault(name, set()).add(_type(item))
        if name in beliefs.written:
            continue
        if isinstance(item, str) and name in beliefs.words:
            look.words.setdefault(at, set()).add(_plain(item))
        if isinstance(item, str) and name in beliefs.ids:
            found = _MARK.match(item)
            look.marks.setdefault(at, set()).add(found[0] if found else "")
        if isinstance(item, int | float) and not isinstance(item, bool) and at.startswith(beliefs.counts or "\0"):
            look.counts[at] = item
        for below, where in _below(item, at, kinds=kinds):
            _walk(below, where, look, beliefs, kinds=kinds)


def _below(item: Any, at: str, *, kinds: bool) -> Iterator[tuple[dict[str, Any], str]]:  # noqa: ANN401 - any JSON value
    """The objects right below, each with its place."""
    if isinstance(item, dict):
        own = item.get("type") if kinds else None
        yield item, f"{at}({_plain(own)})" if isinstance(own, str) else at
    for each in item if isinstance(item, list) else ():
        if isinstance(each, dict):
            own = each.get("type") if kinds else None
            yield each, f"{at}[{_plain(own) if isinstance(own, str) else ''}]"


def _plain(name: str) -> str:
    """A name that a server chose, where it can be no account's and nobody's: a field, a word of a protocol."""
    return name if _PLAIN_NAME.fullmatch(name) and not _OF_AN_ACCOUNT.search(name) else "…"


def _type(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    names = {str: "text", list: "list", dict: "object", type(None): "null"}
    return names.get(type(value), "value")


def together(looks: Iterable[Look]) -> Look:
    """How all of them look."""
    whole = Look()
    for look in looks:
        whole.add(look)
    return whole
