"""`cli`: an external coding agent, run headless in the trial's workspace; its whole run is one turn of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.vendors.scaffold.traits import TRAITS

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.base import Provider

__all__ = ["TRAITS", "create", "programs", "refused", "with_model_of"]


def create(services: Services) -> Provider:
    """The provider, for one run."""
    from flatfield.vendors.scaffold.delegation import CliProvider

    return CliProvider(services)


def refused(agent: AgentConfig) -> frozenset[str]:
    """The settings that the agent's program cannot be told, by the names of its configuration's fields."""
    from flatfield.vendors.scaffold.delegation import untold

    return untold(agent)


def programs() -> tuple[str, ...]:
    """The programs that are known by name."""
    from flatfield.vendors.scaffold.delegation import scaffold_names

    return scaffold_names()


def with_model_of(agent: AgentConfig, program: str) -> str:
    """What an agent's `model` is for `program` to run the model of another agent."""
    from flatfield.vendors.scaffold.delegation import with_model_of as found

    return found(agent, program)
