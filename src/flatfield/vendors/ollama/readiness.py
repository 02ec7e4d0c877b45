"""How Ollama servers list their models, and whether a model can do what an agent asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from flatfield.errors import NotReady
from flatfield.vendors import base
from flatfield.vendors.ollama.host import is_cloud_model

if TYPE_CHECKING:
    from flatfield.records import AgentConfig
    from flatfield.vendors.ollama.models import ModelFacts


class _Model(Struct):
    name: str = ""


def catalogue(*, remote: bool) -> base.Catalogue:
    """The models that are pulled, a name without a tag as `NAME:latest`; `remote`: nothing is pulled there."""
    return base.Catalogue(
        kind="Ollama",
        path="/api/tags",
        read=lambda body: [base.Listed(id=model.name) for model in base.entries(body, "models", _Model)],
        form="its base_url has no version, as in http://127.0.0.1:11434",
        server="Ollama",
        start="start it with `ollama serve`, or correct the address",
        is_certain=True,
        alike=lambda model: frozenset({model, f"{model}:latest"}),
        single=lambda model: ("/api/show", msgspec.json.encode({"model": model})),
        absent=_not_served if remote else _not_pulled,
    )


def expect_abilities(agent: AgentConfig, facts: ModelFacts) -> None:
    """Servers that do not tell what a model can do are given the benefit of the doubt.

    Raises:
        NotReady: the model cannot do what the agent asks of it.
    """
    can = facts.capabilities
    if can and "completion" not in can:
        raise NotReady(
            f"agent {agent.name!r}: {agent.model} is no chat model (it can: {', '.join(can)}); choose another"
        )
    if can and "tools" not in can and agent.protocol in {"native", "text"} and agent.tools != ():
        raise NotReady(
            f"agent {agent.name!r}: Ollama has no tool calls for {agent.model} (it can: {', '.join(can)}); "
            'set protocol = "auto" or "json" for this agent'
        )
    if agent.context_tokens and facts.context_tokens and agent.context_tokens > facts.context_tokens:
        raise NotReady(
            f"agent {agent.name!r}: context_tokens is {agent.context_tokens}, but {agent.model} has "
            f"{facts.context_tokens}; set it to that or less"
        )


def _not_pulled(model: str, where: str, names: str) -> str:
    return f"{model!r} is not pulled at {where}: run `ollama pull {model}` (pulled: {names or 'nothing'})"


def _not_served(model: str, where: str, names: str) -> str:
    fix = f"; run `ollama pull {model}`" if is_cloud_model(model) else ""
    return f"{where} does not serve {model!r}; it serves: {names}{fix}"
