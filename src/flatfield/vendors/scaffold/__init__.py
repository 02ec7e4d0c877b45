"""`cli`: an external coding agent, run headless in the trial's workspace; its whole run is one turn of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.vendors.scaffold.traits import TRAITS

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.vendors.base import Provider

__all__ = ["TRAITS", "create"]


def create(services: Services) -> Provider:
    """The provider, for one run."""
    from flatfield.vendors.scaffold.delegation import CliProvider

    return CliProvider(services)
