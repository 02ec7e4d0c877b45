"""Tells keys from words, and finds them in bytes: whole or cut, in the forms that servers and addresses put them in."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Span = tuple[int, int]
"""Where something begins and ends, in bytes."""

HIDDEN = "[key]"
_HIDDEN = HIDDEN.encode()
LEAST_OF_A_PIECE = 12
"""From how many characters on the ends of a key are looked for alone: of a short one they would be words."""
LEAST_OF_AN_END = 8
"""A part of a key at its beginning or end tells too much of it from so many characters on, less a vendor's prefix."""
LEAST_REPEATED = 4
PLACEHOLDER_CHARACTERS = 20
"""What is made of words and is shorter stands in for a key where a server asks for none."""

_WORDS = re.compile(r"[A-Za-z][a-z]{0,11}(?:[-_. ]+[A-Za-z][a-z]{0,11})*|[A-Z]{1,12}(?:[-_. ]+[A-Z]{1,12})*")
_STANDS_IN = re.compile(
    r"(?<![a-z])(?:your|dummy|example|fake|placeholder|change-?me|replace|insert|needed|required|none|here)(?![a-z])",
    re.IGNORECASE,
)
_CHOSEN = re.compile(
    r"(?:[A-Za-z][a-z]{0,11}|[A-Z]{1,12})"
    r"(?:[-_. ]+(?:[A-Za-z][a-z]{0,11}|[A-Z]{1,12})|[A-Z][a-z]{2,11})*[-_. ]*\d{0,4}"
)
"""What people choose: words, and perhaps a number behind them. Its ends are words too."""
_PREFIX = re.compile(
    rb"AIza|A[KS]IA|(?:(?:[a-z]{2,12}|(?:api|admin|oat|ort|sid)\d\d|lsv\d|v\d|r8)[-_]){0,3}",
)
"""What all keys of a vendor begin with: `sk-proj-`, `sk-ant-api03-`, `github_pat_`; a word in front tells nothing."""
_UNMISTAKABLE = re.compile(rb"\d|[a-z][A-Z]")


def is_placeholder(value: str) -> bool:
    """Whether it is no key but a word in the place of one: `sk-no-key-required`, `lm-studio`, `YOUR_API_KEY`, `xxxx`.

    Real keys have digits or both cases, or are long.
    """
    word = value.strip("<>{}[]$ ")
    significant = word[_prefix_length(word.encode("utf-8", "surrogatepass")) :]
    if len(significant) >= LEAST_REPEATED and len(set(significant)) <= 2:
        return True
    return bool(_WORDS.fullmatch(word)) and (len(word) < PLACEHOLDER_CHARACTERS or bool(_STANDS_IN.search(word)))


class Needles:
    """What is looked for of some keys, worked out once: many bytes are looked through for the same ones."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        whole: set[bytes] = set()
        cut: set[tuple[bytes, bytes, bytes]] = set()
        for key in keys:
            if is_placeholder(key):
                continue
            ends = not _CHOSEN.fullmatch(key) and not any(each.isspace() for each in key)
            for form, skipped in _forms(key.encode("utf-8", "surrogatepass")):
                head, tail = _ends(form, skipped) if ends and len(form) >= LEAST_OF_A_PIECE else (form, form)
                if head != form or tail != form:
                    cut.add((form, head, tail))
                else:
                    whole.add(form)
        self._whole, self._cut = tuple(whole), tuple(cut)
        self.longest = max((*map(len, whole), *(len(form) for form, _, _ in cut)), default=0)
        """No span is longer, in bytes."""

    def spans(self, data: bytes, start: int = 0) -> list[Span]:
        """Where keys and ends of keys are that begin at `start` or behind it; spans may overlap."""
        found: list[Span] = []
        for form in self._whole:
            found += _occurrences(data, form, start)
        for form, head, tail in self._cut:
            found += _beginnings(data, form, head, start)
            found += _endings(data, form, tail, start)
        return found

    def hidden(self, data: bytes) -> bytes:
        """The bytes, which may be any, without keys."""
        return hidden(data, self.spans(data))


def hidden(data: bytes, spans: Iterable[Span]) -> bytes:
    """The bytes with each span masked; what overlaps is one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return b"".join(_pieces(data, merged)) if merged else data


def _pieces(data: bytes, spans: Iterable[Span]) -> Iterator[bytes]:
    copied = 0
    for start, end in spans:
        yield data[copied:start]
        yield _HIDDEN
        copied = end
    yield data[copied:]


def _occurrences(data: bytes, form: bytes, start: int) -> Iterator[Span]:
    while (at := data.find(form, start)) >= 0:
        start = at + len(form)
        yield at, start


def _beginnings(data: bytes, form: bytes, head: bytes, start: int) -> Iterator[Span]:
    """What begins as the form does, as far as it goes on like it."""
    while (at := data.find(head, start)) >= 0:
        known = len(head)
        while known < len(form) and data[at + known : at + known + 1] == form[known : known + 1]:
            known += 1
        start = at + known
        yield at, start


def _endings(data: bytes, form: bytes, tail: bytes, start: int) -> Iterator[Span]:
    """What ends as the form does, as far back as it is like it."""
    while (at := data.find(tail, start)) >= 0:
        start = at + len(tail)
        begins, left = at, len(form) - len(tail)
        while left and begins and data[begins - 1] == form[left - 1]:
            begins, left = begins - 1, left - 1
        yield begins, start


def _ends(form: bytes, skipped: int) -> tuple[bytes, bytes]:
    """The shortest beginning and end that can be nothing else; the whole form where there is none."""
    lengths = range(LEAST_OF_AN_END, len(form) - skipped)
    heads = (form[: skipped + length] for length in lengths if _UNMISTAKABLE.search(form[skipped : skipped + length]))
    tails = (form[-length:] for length in lengths if _UNMISTAKABLE.search(form[-length:]))
    return next(heads, form), next(tails, form)


def _prefix_length(key: bytes) -> int:
    found = _PREFIX.match(key)
    return found.end() if found else 0


def _forms(secret: bytes) -> set[tuple[bytes, int]]:
    """How a key may stand in bytes, each with the length of the vendor's prefix in it."""
    skipped = _prefix_length(secret)
    encoded = {base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")}
    escaped = secret.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    for_html = escaped.replace(b"&", b"\\u0026").replace(b"<", b"\\u003c").replace(b">", b"\\u003e")
    forms = {(form, skipped) for form in (secret, escaped, for_html, quote(secret, safe="").encode())}
    forms |= {(form, -(-skipped * 4 // 3)) for form in encoded}
    return forms | {(form.replace(b"/", b"\\/"), length) for form, length in forms}
