"""What OpenAI's models accept, as data: settings, and JSON Schemas that the API holds a model to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from flatfield import json_text
from flatfield.vendors import _tool_protocols as json_protocol
from flatfield.vendors.base import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.records import AgentConfig, ToolSpec


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


# Structured Outputs: which JSON Schemas the API holds a model to strictly, and the forms it wants them in.


_KNOWN = frozenset(
    {
        "type",
        "description",
        "title",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "enum",
        "const",
    }
)
_WRAPPER = "step"


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether `strict: true` is allowed: an object whose objects, at any depth, are closed and require all they have.

    Source: the guide to Structured Outputs, "Supported schemas". Only the keywords that our schemas use are taken for
    supported; a schema with others is sent with `strict: false`.
    """
    return schema.get("type") == "object" and _is_strict_inside(schema)


def _is_strict_inside(schema: Mapping[str, Any]) -> bool:
    if not _KNOWN.issuperset(schema) or not {"type", "anyOf"}.intersection(schema):
        return False
    inner = [*schema.get("anyOf", ())]
    if "object" in _types(schema):
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties):
            return False
        inner += properties.values()
    if "array" in _types(schema):
        inner.append(schema.get("items", {}))
    return all(_is_strict_inside(part) for part in inner)


def _types(schema: Mapping[str, Any]) -> tuple[str, ...]:
    named = schema.get("type", ())
    return (named,) if isinstance(named, str) else tuple(named)


def reply_format(schema: dict[str, Any]) -> dict[str, Any]:
    """`text` for a reply in a schema, strict where that is allowed."""
    return {"format": {"type": "json_schema", "name": "reply", "schema": schema, "strict": is_strict(schema)}}


def step_format(tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """`text` for one step of the json protocol: the root must be an object, so the choice of steps lies in one."""
    step = _closed(json_protocol.schema(tools))
    wrapped = {"type": "object", "properties": {_WRAPPER: step}, "required": [_WRAPPER], "additionalProperties": False}
    return reply_format(wrapped)


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its optional properties required and nullable: how strict schemas say "optional"."""
    closed = dict(schema)
    if isinstance(closed.get("const"), str):
        closed.setdefault("type", "string")
    if "anyOf" in closed:
        closed["anyOf"] = [_closed(part) for part in closed["anyOf"]]
    if "items" in closed:
        closed["items"] = _closed(closed["items"])
    if "properties" in closed:
        required = set(closed.get("required", ()))
        closed["required"] = list(closed["properties"])
        closed["properties"] = {
            name: _closed(part) if name in required else {"anyOf": [_closed(part), {"type": "null"}]}
            for name, part in closed["properties"].items()
        }
    return closed


def step_text(text: str) -> str:
    """A reply in `step_format` as the json protocol has it; to the tools, arguments that are null are left out.

    A text in any other form, as of a server that ignores the format, is returned as it is.
    """
    try:
        reply = json_text.decoded(text.strip())
    except ValueError:
        return text
    if not isinstance(reply, dict) or reply.keys() != {_WRAPPER}:
        return text
    return msgspec.json.encode(reply[_WRAPPER]).decode()
