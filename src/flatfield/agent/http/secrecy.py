"""Keeps keys out of what is shown and stored: servers repeat headers in their errors, and addresses hold passwords."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

PUBLIC = frozenset({"accept", "anthropic-version", "content-type", "user-agent"})
"""Headers whose values are no secret; any other may hold a key, whatever it is called."""

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
LEAST_CHARACTERS = 6
LEAST_OF_A_PIECE = 12
_BETWEEN = re.compile(r"[\s,;:=\"']+")  # cookies and the like hold keys between other things
HIDDEN = "[key]"
_HIDDEN = HIDDEN.encode()


class Scrubber:
    """Takes the values of a request's headers out of texts, as a whole and without their scheme ("Bearer").

    Also in the forms that servers and addresses put them in: percent-encoded, base64, within a JSON string. The forms
    are worked out once, because every exchange of a conversation is looked through for the same ones.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        values = {value for name, value in headers.items() if name.lower() not in PUBLIC}
        parts = {part for value in values for part in (value, value.partition(" ")[2])}
        pieces = {piece for value in values for piece in _BETWEEN.split(value) if len(piece) >= LEAST_OF_A_PIECE}
        secrets = {part for part in parts if len(part) >= LEAST_CHARACTERS} | pieces
        forms = {form for secret in secrets for form in _forms(secret.encode("utf-8", "surrogateescape"))}
        self._forms = sorted(forms, key=len, reverse=True)

    def data(self, data: bytes) -> bytes:
        """The bytes, which may be any, without them."""
        for form in self._forms:
            data = data.replace(form, _HIDDEN)
        return data

    def text(self, text: str) -> str:
        """The text without them."""
        for form in self._forms:
            text = text.replace(form.decode("utf-8", "surrogateescape"), HIDDEN)
        return text


def scrubbed(text: str, headers: Mapping[str, str]) -> str:
    """The text without the values of a request's headers; see `Scrubber`."""
    return Scrubber(headers).text(text)


def _forms(secret: bytes) -> set[bytes]:
    encoded = {base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")}
    plain = {secret, secret.replace(b"\\", b"\\\\").replace(b'"', b'\\"')} | encoded
    return {quote(secret, safe="").encode(), *plain, *(form.replace(b"/", b"\\/") for form in plain)}


def without_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for a subprocess that needs no key: without variables whose names say that they hold one."""
    return {name: value for name, value in environ.items() if not _SECRET.search(name)}


def shown_url(url: str) -> str:
    """An address without user name, password and query, which may be keys."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
