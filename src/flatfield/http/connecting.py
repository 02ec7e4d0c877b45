"""How the environment says that servers are reached: through which proxy, and whose certificates are trusted."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flatfield.errors import NotReady
from flatfield.http.secrecy import shown_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp


# Which proxy the environment names for an address.
#
# An HTTP session's own reading of the environment is not used: it sends loopback through the proxy, takes passwords
# from ~/.netrc even where a request brings its key (and then refuses to send it), and asks a thread for both at
# every request.


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """`HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY` for a URL, None where `NO_PROXY` covers its host or it is loopback.

    Lower-case names win, as everywhere. An address without a scheme is an `http://` one, as curl takes it.

    Raises:
        NotReady: it names one that is no HTTP proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    ordered = sorted(environ.items(), key=lambda item: item[0].islower())
    proxies = {name.lower().removesuffix("_proxy"): value for name, value in ordered if name.lower().endswith("_proxy")}
    if is_loopback(host) or _is_exempt(host, parts.port, proxies.get("no", "")):
        return None
    proxy = (proxies.get(parts.scheme) or proxies.get("all") or "").strip()
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in {"http", "https"} or not urlsplit(proxy).hostname:
        raise NotReady(
            f"the environment names the proxy {shown_url(proxy)} for {host}: only http:// and https:// proxies are "
            "supported; name one of these, or put the host in NO_PROXY"
        )
    return proxy


def refused_by_proxy(error: aiohttp.ClientHttpProxyError, proxy: str) -> str:
    """A proxy's refusal in words, without its password."""
    fix = "check its user and password" if error.status == 407 else "ask who runs it, or put the host in NO_PROXY"
    return f"the proxy {shown_url(proxy)} answered {error.status} ({error.message}); {fix}"


def _is_exempt(host: str, port: int | None, exempt: str) -> bool:
    """Whether `NO_PROXY` ("*", or hosts and domains with or without a port, separated by commas) covers a host."""
    names = [name.strip().lower().lstrip(".") for name in exempt.split(",") if name.strip()]
    addresses = (host, f"{host}:{port}")
    return "*" in names or any(
        address == name or address.endswith(f".{name}") for name in names for address in addresses
    )


def leads_here(address: str) -> bool:
    """Whether an address, with its scheme, is one of this machine."""
    return is_loopback(urlsplit(address).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# Which authorities' certificates are trusted: the system's, or those that the environment names.


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
