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


def scrubbed(text: str, headers: Mapping[str, str]) -> str:
    """The text without the values of a request's headers, as a whole and without their scheme ("Bearer").

    Nor in the forms that servers and addresses put them in: percent-encoded and base64.
    """
    values = {value for name, value in headers.items() if name.lower() not in PUBLIC}
    parts = {part for value in values for part in (value, value.partition(" ")[2])}
    pieces = {piece for value in values for piece in _BETWEEN.split(value) if len(piece) >= LEAST_OF_A_PIECE}
    secrets = {part for part in parts if len(part) >= LEAST_CHARACTERS} | pieces
    for form in sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def _forms(secret: str) -> set[str]:
    plain = secret.encode("utf-8", "surrogateescape")
    encoded = {base64.b64encode(plain).decode(), base64.urlsafe_b64encode(plain).decode()}
    return {secret, quote(plain, safe=""), *encoded, *(form.rstrip("=") for form in encoded)}


def without_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for a subprocess that needs no key: without variables whose names say that they hold one."""
    return {name: value for name, value in environ.items() if not _SECRET.search(name)}


def shown_url(url: str) -> str:
    """An address without user name, password and query, which may be keys."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
