"""Keeps keys out of what is shown and stored: servers repeat headers in their errors, and addresses hold passwords."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec import Struct, structs

from flatfield.tasks.agents import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


# Tells keys from words, and finds them in bytes: whole or cut, in the forms that servers and addresses put them in.


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


S = TypeVar("S", bound=Struct)

PUBLIC = frozenset({"accept", "anthropic-version", "content-type", "user-agent"})
"""Headers whose values are no secret; any other may hold a key, whatever it is called."""

IDENTITY = frozenset(
    {
        "run",
        "agent",
        "task",
        "task_digest",
        "agent_fingerprint",
        "attempt",
        "started_at",
        "verifier",
        "skill",
        "judge",
        "judged_at",
        "judge_vendor",
        "case",
        "category",
        "trial_started_at",
    }
)
"""Fields that say which record it is, and of what: the user's names, by which it is found again."""

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
LEAST_CHARACTERS = 6
LEAST_IN_RECORDS, LEAST_UNNAMED = 8, 16
"""From how many characters on a value is looked for in what models and tools say: shorter ones are words too."""
_ALONE = b"\n"  # no header holds one, so no key lies across it
_BETWEEN = re.compile(r"[\s,;:=\"']+")  # cookies and the like hold keys between other things

_SHAPED = re.compile(
    rb"\b(?:(?:sk|rk|pk|gsk|xai|hf|pplx|r8|nvapi)[-_](?=[\w*-]*[\d*])[\w*-]{8,}|AIza[\w*-]{8,}|gh[opsur]_[\w*]{8,}"
    rb"|github_pat_[\w*]{8,}|xox[a-z]-[\w*-]{8,}|A[KS]IA[A-Z0-9*]{8,}|(?:bearer|basic)\s+(?=\S*\d)[\w.~+/=*-]{8,})",
    re.IGNORECASE,
)
"""What looks like a vendor's key, masked by the vendor or not."""
_IN_ADDRESS = re.compile(
    rb"(?P<before>[?&;](?:[\w-]*key|[\w-]*token|sig|signature|password|secret)=)[^&\s\"'<>]+"
    rb"|(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@\"'<>]+@",
    re.IGNORECASE,
)


class Secrets:
    """The keys that are in force in a run, as they become known, and how to take them out of what is kept of it.

    Whole keys go, and what is left of one that was cut; words that stand in for a key are no keys (see `Needles`).
    """

    def __init__(self) -> None:
        self.keys: frozenset[str] = frozenset()
        self.needles = Needles()
        """What is looked for; another one as soon as there are more keys."""

    def add(self, values: Iterable[str]) -> None:
        """Hide more keys; those of fewer than `LEAST_IN_RECORDS` characters are words that anybody may say."""
        new = {value for value in values if len(value) >= LEAST_IN_RECORDS and not is_placeholder(value)} - self.keys
        if new:
            self.keys |= new
            self.needles = Needles(self.keys)

    def add_headers(self, headers: Mapping[str, str]) -> None:
        """The keys that a request brings: what stands under a name that says so, and any other word that looks it."""
        for name, value in headers.items():
            words = list(filter(_is_word, (value, *_BETWEEN.split(value))))
            if is_secret(name):
                key = value.partition(" ")[2] or value
                self.add([key, *(word for word in words if len(word) >= LEAST_OF_A_PIECE)])
                self.add([value] if len(key) >= LEAST_IN_RECORDS and not is_placeholder(key) else [])
            elif name.lower() not in PUBLIC:
                self.add(word for word in words if _looks_secret(word))

    def text(self, text: str) -> str:
        """The text without keys."""
        if not self.keys:
            return text
        data = text.encode("utf-8", "surrogatepass")
        masked = self.needles.hidden(data)
        return text if masked is data else masked.decode("utf-8", "surrogatepass")

    def masked(self, record: S) -> S:
        """The record without keys in any of its texts, but for those that say which record it is (`IDENTITY`).

        Bytes are those of exchanges, which the tape has seen to.
        """
        if not self.keys or not self.needles.spans(_ALONE.join(_texts(record))):
            return record
        found: S = self._walked(record)
        return found

    def _walked(self, value: Any) -> Any:  # noqa: ANN401 - what a record may hold
        if isinstance(value, str):
            return self.text(value) if len(value) >= LEAST_OF_AN_END else value
        if isinstance(value, Struct):
            fields = {name: getattr(value, name) for name in value.__struct_fields__ if name not in IDENTITY}
            walked = {name: self._walked(field) for name, field in fields.items()}
            changed = {name: field for name, field in walked.items() if field is not fields[name]}
            return structs.replace(value, **changed) if changed else value
        if isinstance(value, dict):
            pairs = {self._walked(key): self._walked(item) for key, item in value.items()}
            return value if all(pairs.get(key) is item for key, item in value.items()) else pairs
        if isinstance(value, tuple | list):
            items = type(value)(map(self._walked, value))
            return value if all(one is other for one, other in zip(items, value, strict=True)) else items
        return value


class Scrubber:
    """Takes the values of a request's headers out of texts, as a whole and without their scheme ("Bearer").

    And with them all other keys in force. What is looked for is worked out once, because every exchange of a
    conversation is looked through for the same.
    """

    def __init__(self, headers: Mapping[str, str], secrets: Secrets | None = None) -> None:
        self.headers = headers
        self._secrets = secrets or Secrets()
        values = {value for name, value in headers.items() if name.lower() not in PUBLIC}
        values = {value for value in values if not is_placeholder(value.partition(" ")[2] or value)}
        parts = {part for value in values for part in (value, value.partition(" ")[2])}
        pieces = {piece for value in values for piece in _BETWEEN.split(value) if len(piece) >= LEAST_OF_A_PIECE}
        self._own = frozenset({part for part in parts if len(part) >= LEAST_CHARACTERS} | pieces)
        self._others: Needles | None = None
        self._needles = Needles()

    @property
    def needles(self) -> Needles:
        """What is looked for; another one as soon as there are more keys in force."""
        if self._others is not self._secrets.needles:
            self._others = self._secrets.needles
            self._needles = Needles(self._own | self._secrets.keys)
        return self._needles

    def data(self, data: bytes) -> bytes:
        """The bytes, which may be any, without them."""
        return self.needles.hidden(data)

    def told(self, data: bytes) -> bytes:
        """What a server says of a request that failed: without them, and without what looks like anybody's key."""
        return _IN_ADDRESS.sub(_without_key, _SHAPED.sub(_HIDDEN, self.data(data)))

    def text(self, text: str) -> str:
        """What a server says of a request that failed, as text: without keys, as `told` does it for bytes."""
        return self.told(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def scrubbed(text: str, headers: Mapping[str, str], secrets: Secrets | None = None) -> str:
    """The text without the values of a request's headers, and without what looks like a key; see `Scrubber`."""
    return Scrubber(headers, secrets).text(text)


def _texts(value: Any) -> Iterator[bytes]:  # noqa: ANN401 - what a record may hold
    """All texts that may be masked: to look through them in one piece takes half as long."""
    if isinstance(value, str):
        if len(value) >= LEAST_OF_AN_END:
            yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            if name not in IDENTITY:
                yield from _texts(getattr(value, name))
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _texts(pair)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _texts(item)


def _is_word(text: str) -> bool:
    """Without blanks: of `Bearer KEY`, the beginning is no part of a key."""
    return not any(each.isspace() for each in text)


def _looks_secret(word: str) -> bool:
    return len(word) >= LEAST_UNNAMED and "://" not in word and any(each.isdigit() for each in word)


def _without_key(found: re.Match[bytes]) -> bytes:
    return found["before"] + _HIDDEN if found["before"] else found["scheme"] + _HIDDEN + b"@"


def without_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for a subprocess that needs no key: without variables whose names say that they hold one."""
    return {name: value for name, value in environ.items() if not _SECRET.search(name)}


def shown_url(url: str) -> str:
    """An address without user name, password and query, which may be keys."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
