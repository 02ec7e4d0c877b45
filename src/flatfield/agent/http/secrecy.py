"""Keeps keys out of what is shown and stored: servers repeat headers in their errors, and addresses hold passwords."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec import Struct, structs

from flatfield.tasks.headers import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

S = TypeVar("S", bound=Struct)

PUBLIC = frozenset({"accept", "anthropic-version", "content-type", "user-agent"})
"""Headers whose values are no secret; any other may hold a key, whatever it is called."""

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
LEAST_CHARACTERS = 6
LEAST_OF_A_PIECE = 12
LEAST_OF_AN_END = 8
"""A part of a key at its beginning or end tells too much of it from so many characters on."""
LEAST_IN_RECORDS, LEAST_UNNAMED = 8, 16
"""From how many characters on a value is looked for in what models and tools say: shorter ones are words too."""
_BETWEEN = re.compile(r"[\s,;:=\"']+")  # cookies and the like hold keys between other things
HIDDEN = "[key]"
_HIDDEN = HIDDEN.encode()

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

    Whole keys go, in the forms that servers and addresses put them in (percent-encoded, base64, within a JSON string),
    and what is left of one that was cut: any `LEAST_OF_AN_END` characters or more of its beginning or its end.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._whole: tuple[bytes, ...] = ()
        self._cut: tuple[bytes, ...] = ()
        self._taken: Mapping[str, str] | None = None

    def add(self, values: Iterable[str]) -> None:
        """More keys; those of fewer than `LEAST_IN_RECORDS` characters are words that anybody may say."""
        new = {value for value in values if len(value) >= LEAST_IN_RECORDS} - self._seen
        if new:
            self._seen |= new
            self._whole, self._cut = _wholes(self._seen), _pieces(filter(_is_word, self._seen))

    def add_headers(self, headers: Mapping[str, str]) -> None:
        """The keys that a request brings: what stands under a name that says so, and any other word that looks it."""
        if headers is self._taken:
            return
        self._taken = headers
        for name, value in headers.items():
            words = list(filter(_is_word, (value, *_BETWEEN.split(value))))
            if is_secret(name):
                key = value.partition(" ")[2] or value
                self.add([key, *(word for word in words if len(word) >= LEAST_OF_A_PIECE)])
                self.add([value] if len(key) >= LEAST_IN_RECORDS else [])
            elif name.lower() not in PUBLIC:
                self.add(word for word in words if _looks_secret(word))

    def data(self, data: bytes) -> bytes:
        """The bytes, which may be any, without keys."""
        return _masked(data, self._whole, self._cut)

    def text(self, text: str) -> str:
        """The text without keys."""
        if not self._seen:
            return text
        data = text.encode("utf-8", "surrogatepass")
        masked = self.data(data)
        return text if masked == data else masked.decode("utf-8", "surrogatepass")

    def masked(self, record: S) -> S:
        """The record without keys in any of its texts; bytes are those of exchanges, which the tape has seen to."""
        found: S = self._walked(record) if self._seen else record
        return found

    def _walked(self, value: Any) -> Any:  # noqa: ANN401 - what a record may hold
        if isinstance(value, str):
            return self.text(value) if len(value) >= LEAST_OF_AN_END else value
        if isinstance(value, Struct):
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
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

    In all the forms that `Secrets` knows of, and with them all other keys in force. The forms are worked out once,
    because every exchange of a conversation is looked through for the same ones.
    """

    def __init__(self, headers: Mapping[str, str], secrets: Secrets | None = None) -> None:
        self.headers = headers
        self._secrets = secrets or Secrets()
        values = {value for name, value in headers.items() if name.lower() not in PUBLIC}
        parts = {part for value in values for part in (value, value.partition(" ")[2])}
        pieces = {piece for value in values for piece in _BETWEEN.split(value) if len(piece) >= LEAST_OF_A_PIECE}
        self._whole = _wholes({part for part in parts if len(part) >= LEAST_CHARACTERS} | pieces)
        self._cut = _pieces(filter(_is_word, pieces | parts))

    def data(self, data: bytes) -> bytes:
        """The bytes, which may be any, without them."""
        return self._secrets.data(_masked(data, self._whole, self._cut))

    def told(self, data: bytes) -> bytes:
        """What a server says of a request that failed: without them, and without what looks like anybody's key."""
        return _IN_ADDRESS.sub(_without_key, _SHAPED.sub(_HIDDEN, self.data(data)))

    def text(self, text: str) -> str:
        """The same as `told` of a text."""
        return self.told(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def scrubbed(text: str, headers: Mapping[str, str], secrets: Secrets | None = None) -> str:
    """The text without the values of a request's headers, and without what looks like a key; see `Scrubber`."""
    return Scrubber(headers, secrets).text(text)


def _is_word(text: str) -> bool:
    """Without blanks: of `Bearer KEY`, the beginning is no part of a key."""
    return not any(each.isspace() for each in text)


def _looks_secret(word: str) -> bool:
    return len(word) >= LEAST_UNNAMED and "://" not in word and any(each.isdigit() for each in word)


def _without_key(found: re.Match[bytes]) -> bytes:
    return found["before"] + _HIDDEN if found["before"] else found["scheme"] + _HIDDEN + b"@"


def _wholes(secrets: Iterable[str]) -> tuple[bytes, ...]:
    forms = {form for secret in secrets for form in _forms(secret.encode("utf-8", "surrogatepass"))}
    return tuple(sorted(forms, key=len, reverse=True))


def _pieces(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """The forms of keys whose ends alone are looked for: of a short one they would be half of the words there are."""
    return tuple(form for form in _wholes(secrets) if len(form) >= LEAST_OF_A_PIECE)


def _masked(data: bytes, wholes: tuple[bytes, ...], cut: tuple[bytes, ...]) -> bytes:
    for form in wholes:
        data = data.replace(form, _HIDDEN)
    for form in cut:
        if form[:LEAST_OF_AN_END] in data:
            data = b"".join(_without_start(data, form))
        if form[-LEAST_OF_AN_END:] in data:
            data = b"".join(_without_end(data, form))
    return data


def _without_start(data: bytes, form: bytes) -> Iterator[bytes]:
    """The data without what begins as the form does, as far as it goes on like it."""
    copied, head = 0, form[:LEAST_OF_AN_END]
    while (at := data.find(head, copied)) >= 0:
        end, known = at + len(head), len(head)
        while known < len(form) and data[end : end + 1] == form[known : known + 1]:
            end, known = end + 1, known + 1
        yield data[copied:at] + _HIDDEN
        copied = end
    yield data[copied:]


def _without_end(data: bytes, form: bytes) -> Iterator[bytes]:
    """The data without what ends as the form does, as far back as it is like it."""
    copied, tail = 0, form[-LEAST_OF_AN_END:]
    while (at := data.find(tail, copied)) >= 0:
        start, left = at, len(form) - len(tail)
        while left and start > copied and data[start - 1 : start] == form[left - 1 : left]:
            start, left = start - 1, left - 1
        yield data[copied:start] + _HIDDEN
        copied = at + len(tail)
    yield data[copied:]


def _forms(secret: bytes) -> set[bytes]:
    encoded = {base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")}
    escaped = secret.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    for_html = escaped.replace(b"&", b"\\u0026").replace(b"<", b"\\u003c").replace(b">", b"\\u003e")
    plain = {secret, escaped, for_html} | encoded
    return {quote(secret, safe="").encode(), *plain, *(form.replace(b"/", b"\\/") for form in plain)}


def without_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for a subprocess that needs no key: without variables whose names say that they hold one."""
    return {name: value for name, value in environ.items() if not _SECRET.search(name)}


def shown_url(url: str) -> str:
    """An address without user name, password and query, which may be keys."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
