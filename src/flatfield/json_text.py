"""Reads JSON that others wrote: nested without end, half a character, a number without bounds are errors like others.

A parser calls itself once a level, and how many levels it has left depends on who called it. So depth is cut by
counting brackets before anything is parsed: what one place can read, every other can read too.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, AnyStr, Final

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST: Final = 64
"""How many arrays and objects may stand within each other in a value: far more than people or tools write."""
DEEPEST_KEPT: Final = 128
"""The same for what a server sends around a value, and for a stored record around all its values."""
LEFT_OUT: Final = "(left out: nested too deeply)"
LARGEST: Final = 2**63
"""A whole number beyond this is written as a fraction: no parser has to keep more digits."""
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_AS_PARENTHESES = bytes.maketrans(b"[]{}", b"()()")
_NO_BRACKETS = bytes(each for each in range(256) if each not in b"[]{}")
_SURROGATES: Final = 0xD800
_PRIVATE: Final = 0x10F000
"""From here on stand the marks of halves, in the last plane for private use."""
_MARKS = re.compile("[\U0010f000-\U0010f7ff]")
_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|([\[{])|([\]}])', re.DOTALL)


def decoded(text: str | bytes, kind: Any = Any, deepest: int = DEEPEST) -> Any:  # noqa: ANN401 - as `kind` says
    """The value of a JSON text, of a type that msgspec knows.

    Raises:
        ValueError: it is no JSON, not of that type (the message says where), too deep, or holds a number out of range.
    """
    if is_deeper(text, deepest):
        raise ValueError(f"nested more than {deepest} levels deep")
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def is_deeper(text: str | bytes, than: int = DEEPEST) -> bool:
    """Whether more than so many arrays and objects stand within each other; of no JSON, whether it looks like that."""
    if _may_not_be(text, than):
        return False
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    brackets = _STRINGS.sub(b"", data).translate(_AS_PARENTHESES, _NO_BRACKETS)
    for _ in range(than):  # each pass takes the innermost ones away, in C: the scan below takes ten times as long
        if b"(" not in brackets:
            return False
        brackets = brackets.replace(b"()", b"")
    return b"(" in brackets


def shallow(text: AnyStr, deepest: int = DEEPEST_KEPT) -> AnyStr:
    """The same JSON with `LEFT_OUT` in the place of every array and object that lies deeper."""
    if _may_not_be(text, deepest):
        return text
    if isinstance(text, bytes):
        return "".join(_kept(text.decode("latin-1"), deepest)).encode("latin-1")
    return "".join(_kept(text, deepest))


def escaped(text: str) -> str:
    """JSON with escapes for what nobody sees in it, or sees wrongly: control characters, and what turns text around.

    It stays the same JSON: outside of strings these characters cannot stand, and the lower ones never stand raw.
    """
    return _UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _may_not_be(text: str | bytes, than: int) -> bool:
    """Whether it cannot be deeper, as it has not that many brackets at all: nearly every text, told fast."""
    if isinstance(text, bytes):
        return text.count(b"{") + text.count(b"[") <= than
    return text.count("{") + text.count("[") <= than


def _levels(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Each bracket, with the depth of what it opens or closes."""
    depth = 0
    for found in _TOKENS.finditer(text):
        if found.lastindex == 1:
            depth += 1
            yield depth, found
        elif found.lastindex == 2:
            yield depth, found
            depth = max(0, depth - 1)


def _kept(text: str, deepest: int) -> Iterator[str]:
    copied, cutting = 0, False
    for depth, found in _levels(text):
        if depth != deepest + 1:
            continue
        if found.lastindex == 1:
            yield text[copied : found.start()]
            cutting = True
        elif cutting:
            yield f'"{LEFT_OUT}"'
            copied, cutting = found.end(), False
    yield "" if cutting else text[copied:]


def plain(value: Any, levels: int = DEEPEST) -> Any:  # noqa: ANN401 - any value
    """What JSON can hold of a value, records included.

    Half a character becomes its escape, a foreign object its `repr`, as does a number that JSON has not; what lies
    deeper than so many levels is left out.
    """
    if isinstance(value, Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if not isinstance(value, dict | list | tuple | set | frozenset):
        return _scalar(value)
    if not levels:
        return LEFT_OUT
    if isinstance(value, dict):
        return {_text(str(key)): plain(item, levels - 1) for key, item in value.items()}
    return [plain(item, levels - 1) for item in value]


def _scalar(value: Any) -> Any:  # noqa: ANN401 - anything but a container
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, int):
        return value if abs(value) < LARGEST else _as_float(value)
    return (
        msgspec.to_builtins(value)
        if isinstance(value, bytes)
        else _text(value if isinstance(value, str) else repr(value))
    )


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _as_float(value: int) -> float | str:
    try:
        return float(value)
    except OverflowError:
        return f"a number of {value.bit_length()} bits"


def halves_marked(data: bytes) -> bytes:
    """JSON whose lone halves of characters (a stream was cut within one) are characters for private use.

    A parser refuses a half; so marked it goes through, and `halves_joined` makes the whole character of two.
    """
    if b"\\ud" not in data and b"\\uD" not in data:
        return data
    return _ESCAPES.sub(lambda found: _mark(int(found[1], 16)) if found[1] else found[0], data)


def readable(data: bytes) -> bytes:
    """JSON as a parser takes it, whoever sent it: `shallow`, and with `halves_marked`."""
    if b"\\u" not in data and data.count(b"{") + data.count(b"[") <= DEEPEST_KEPT:  # nearly every event of a stream
        return data
    return halves_marked(shallow(data))


def halves_joined(text: str) -> str:
    """A text without the marks of `halves_marked`: two halves are a character, one alone is replaced."""
    if not _MARKS.search(text):
        return text
    halves = _MARKS.sub(lambda found: chr(ord(found[0]) - _PRIVATE + _SURROGATES), text)
    return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _mark(half: int) -> bytes:
    code = half - _SURROGATES + _PRIVATE - 0x10000
    return b"\\u%04x\\u%04x" % (0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF))
