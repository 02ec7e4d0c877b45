"""Which settings OpenAI's models accept, as data: the API refuses a request with one that its model does not take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flatfield.vendors.base import Settings

if TYPE_CHECKING:
    from flatfield.records import AgentConfig

SMALLEST_CAP_TOKENS = 16
"""The API refuses a smaller `max_output_tokens`: "integer below minimum value. Expected a value >= 16"."""

_REASONING = re.compile(r"o\d|codex-|computer-use|gpt-[5-9]|gpt-\d\d|gpt-daybreak|gpt-rosalind")
_PLAIN = re.compile(r"gpt-[34]|chatgpt-4o|gpt-5-chat")
# These do not reason unless they are told to, and take a temperature while they do not.
_SILENT = re.compile(r"gpt-5\.[124](-mini|-nano)?(-\d{4}-\d\d-\d\d)?$")


def settings_of(agent: AgentConfig) -> Settings:
    """The agent's settings in its model's form.

    Models of other makers and names not known here are sent all that the agent sets. Sources: the model pages' notes
    on parameter compatibility (no temperature while a model reasons; `none` is the default effort of 5.1, 5.2 and 5.4)
    and the API's own answers ("Encrypted content is not supported with this model", "Unsupported parameter").
    """
    model = agent.model.rpartition("/")[2].removeprefix("ft:")
    plain = _PLAIN.match(model) is not None
    reasoning = not plain and _REASONING.match(model) is not None
    effort = None if plain else agent.reasoning_effort
    silent = (effort or ("none" if _SILENT.match(model) else "")) == "none"
    temperature = agent.temperature if silent or not reasoning else None
    fields: dict[str, Any] = {}
    if temperature is not None:
        fields["temperature"] = temperature
    if effort is not None:
        # No `summary`: the vendor gives summaries to verified organisations only, and refuses others' requests.
        fields["reasoning"] = {"effort": effort}
    if reasoning:
        fields["include"] = ["reasoning.encrypted_content"]
    left_out = {"temperature": temperature, "reasoning_effort": effort}
    return Settings(
        fields=fields,
        temperature=temperature,
        reasoning_effort=effort,
        not_accepted=tuple(
            name for name, sent in left_out.items() if sent is None and getattr(agent, name) is not None
        ),
    )
