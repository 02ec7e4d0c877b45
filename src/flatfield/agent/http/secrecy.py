"""Keeps keys out of what is shown and stored: servers repeat headers in their errors, and addresses hold passwords."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

PUBLIC = frozenset({"accept", "anthropic-version", "content-type", "user-agent"})
"""Headers whose values are no secret; any other may hold a key, whatever it is called."""

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
LEAST_CHARACTERS = 6
HIDDEN = "[key]"


def scrubbed(text: str, headers: Mapping[str, str]) -> str:
    """The text without the values of a request's headers, as a whole and without their scheme ("Bearer")."""
    values = {value for name, value in headers.items() if name.lower() not in PUBLIC}
    parts = values | {value.partition(" ")[2] for value in values}
    for secret in sorted(parts, key=len, reverse=True):
        if len(secret) >= LEAST_CHARACTERS:
            text = text.replace(secret, HIDDEN)
    return text


def without_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for a subprocess that needs no key: without variables whose names say that they hold one."""
    return {name: value for name, value in environ.items() if not _SECRET.search(name)}


def shown_url(url: str) -> str:
    """An address without user name, password and query, which may be keys."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
