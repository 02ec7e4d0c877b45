"""The protocol of each vendor, as its server speaks it: one package or file each, found by its provider's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield import plugins
from flatfield.errors import NotFound

if TYPE_CHECKING:
    from flatfield.testing.fake_server import VendorWire


def new_wire(provider: str) -> VendorWire:
    """A new wire, for one server: what `create()` of the provider's file here makes.

    Raises:
        NotFound: the provider's protocol is not spoken here.
        NotReady: a third party's wire cannot be imported.
    """
    if provider not in plugins.names("wire"):
        raise NotFound(
            f"no fake server speaks the protocol of provider {provider!r}: write its wire as "
            f"src/flatfield/testing/wires/{provider.replace('-', '_')}.py, like those that are there"
        )
    wire: VendorWire = plugins.load("wire", provider).create()
    return wire
