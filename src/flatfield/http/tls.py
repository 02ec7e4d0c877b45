"""Which authorities' certificates are trusted: the system's, or those that the environment names."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.errors import NotReady

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
FOLDER = "SSL_CERT_DIR"


def trusted(environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """What TLS connections are checked against; None: the system's authorities, as nothing else is named.

    The first of `FILES` that is set names a file with certificates (a folder of them, as `openssl rehash` makes it,
    will do too), `SSL_CERT_DIR` more folders. What they name stands in the place of the system's authorities.

    Raises:
        NotReady: what is named is not there, or holds no certificates.
    """
    variable = next((name for name in FILES if environ.get(name, "").strip()), "")
    named = [(variable, environ[variable].strip())] if variable else []
    named += [(FOLDER, text) for text in environ.get(FOLDER, "").split(":") if text.strip()]
    if not named:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, text in named:
        _load(context, name, Path(text))
    return context


def _load(context: ssl.SSLContext, variable: str, path: Path) -> None:
    try:
        if variable == FOLDER or path.is_dir():  # folders that are not there are passed over, as OpenSSL does
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        # A file without certificates raises an SSLError, which is an OSError too, with a text for OpenSSL's authors.
        reason = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        fix = "name a file of certificates in PEM form, or unset it"
        raise NotReady(f"{variable} names {path}, which cannot be used: {reason}; {fix}") from None


def distrust(error: aiohttp.ClientConnectorCertificateError, where: str) -> str:
    """Why a server's certificate was not taken, and the fix, in one sentence."""
    reason = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
    return (
        f"the certificate of {where} is not trusted ({reason}); if an authority of your own made it, name its "
        f"certificate's file in {FILES[0]}"
    )
