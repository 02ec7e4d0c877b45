"""Which device a model runs on: one model at a time is measured on each."""

from __future__ import annotations

from urllib.parse import urlsplit

from flatfield.agent.http.proxies import is_loopback
from flatfield.agent.protocols import Lane

THIS_DEVICE = "local"


def device_lane(url: str = "") -> Lane:
    """The lane of the device that a server's address names: this one for loopback and without an address.

    Ports do not count: two servers on one machine compete for it.
    """
    host = urlsplit(url).hostname or ""
    device = THIS_DEVICE if not host or is_loopback(host) else host
    return Lane(name=f"device:{device}", width=1, device=device)
