"""What OpenAI's Responses API refuses in a request: the rules that the test kit's server holds clients to."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PARAMETERS = frozenset(
    {
        "background",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "model",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt_cache_key",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_p",
        "truncation",
    }
)
_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REASONING = ("o1", "o3", "o4", "gpt-5", "gpt-6")
_SILENT = ("gpt-5.1", "gpt-5.2", "gpt-5.4")
"""Reasoning models that do not reason unless they are told to."""


def first_violation(
    request: Mapping[str, Any], headers: Mapping[str, str], given: Sequence[Sequence[dict[str, Any]]]
) -> str | None:
    """The first rule that a request breaks; `given` are the items of the replies that the server sent until now."""
    rules = (_parameters, _model_rules, _tools, _format, _input)
    problems = (problem for rule in rules for problem in rule(request))
    if not headers.get("Content-Type", "").startswith("application/json"):
        return "the request's Content-Type must be application/json"
    return next(problems, None) or next(_returned(request, given), None)


def _parameters(request: Mapping[str, Any]) -> Iterator[str]:
    for name in request:
        if name not in _PARAMETERS:
            yield f"Unknown parameter: '{name}'."
    if not isinstance(request.get("model"), str) or not request["model"]:
        yield "Missing required parameter: 'model'."
    cap = request.get("max_output_tokens", 16)
    if type(cap) is not int or cap < 16:
        yield f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got {cap}."
    if not isinstance(request.get("instructions", ""), str):
        yield "Invalid type for 'instructions': expected a string."
    temperature = request.get("temperature", 1)
    if not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        yield "Invalid 'temperature': expected a value between 0 and 2."


def _model_rules(request: Mapping[str, Any]) -> Iterator[str]:
    """What depends on whether the model reasons."""
    model = str(request.get("model"))
    effort = (request.get("reasoning") or {}).get("effort")
    silent = (effort or ("none" if model.startswith(_SILENT) else "")) == "none"
    reasons = model.startswith(_REASONING) and not model.startswith("gpt-5-chat")
    if effort is not None and effort not in _EFFORTS:
        yield f"Invalid value: '{effort}'. Supported values are: {sorted(_EFFORTS)}."
    if reasons and "temperature" in request and not silent:
        yield "Unsupported parameter: 'temperature' is not supported with this model."
    if model.startswith("gpt-4"):
        if "reasoning" in request:
            yield "Unsupported parameter: 'reasoning.effort' is not supported with this model."
        if "reasoning.encrypted_content" in request.get("include", ()):
            yield "Encrypted content is not supported with this model."
    if (request.get("reasoning") or {}).get("summary"):
        yield "Your organization must be verified to generate reasoning summaries."


def _tools(request: Mapping[str, Any]) -> Iterator[str]:
    for tool in request.get("tools", ()):
        if tool.get("type") != "function":
            yield f"Invalid value: '{tool.get('type')}' for 'tools[].type'."
        if not _NAME.fullmatch(str(tool.get("name", ""))):
            yield "Invalid 'tools[].name': it must match ^[a-zA-Z0-9_-]+$ and have at most 64 characters."
        schema = tool.get("parameters") or {"type": "object", "properties": {}}
        if schema.get("type") != "object":
            yield f"Invalid schema for function '{tool.get('name')}': schema must be of 'type: \"object\"'."
        if tool.get("strict", True):  # this API takes a function for strict unless it is told
            yield from _strict_problems(schema, f"function '{tool.get('name')}'")


def _format(request: Mapping[str, Any]) -> Iterator[str]:
    form = (request.get("text") or {}).get("format") or {"type": "text"}
    if form["type"] != "json_schema":
        return
    if not _NAME.fullmatch(str(form.get("name", ""))):
        yield "Missing required parameter: 'text.format.name'."
    schema = form.get("schema", {})
    if schema.get("type") != "object":
        yield "Invalid schema for response_format: schema must be of 'type: \"object\"'."
    if form.get("strict"):
        yield from _strict_problems(schema, "response_format")


def _strict_problems(schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """What Structured Outputs ask of a strict schema, at every depth."""
    if "type" not in schema and "anyOf" not in schema:
        yield f"Invalid schema for {where}: schema must have a 'type' key."
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            yield f"Invalid schema for {where}: 'additionalProperties' is required to be supplied and to be false."
        if set(schema.get("required", ())) != set(schema.get("properties", {})):
            yield f"Invalid schema for {where}: 'required' must include every key in properties."
    if {"allOf", "not", "if", "then", "else", "dependentRequired", "patternProperties"} & set(schema):
        yield f"Invalid schema for {where}: a keyword is not permitted."
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    for part in [*inner, schema["items"]] if "items" in schema else inner:
        yield from _strict_problems(part, where)


def _input(request: Mapping[str, Any]) -> Iterator[str]:
    """Roles and types; every call answered after it, every answer to a call before it."""
    items = request.get("input")
    if isinstance(items, str) and items:
        return
    if not isinstance(items, list) or not items:
        yield "Missing required parameter: 'input'."
        return
    waiting: set[str] = set()
    for item in items:
        yield from _item_problems(item, waiting)
        if item.get("type") == "function_call":
            waiting.add(item["call_id"])
        waiting.discard(item.get("call_id", "") if item.get("type") == "function_call_output" else "")
    if waiting:
        yield f"No tool output found for function call {min(waiting)}."


def _item_problems(item: Mapping[str, Any], waiting: set[str]) -> Iterator[str]:
    kind = item.get("type", "message")
    if kind == "message" and item.get("role") not in {"user", "assistant", "system", "developer"}:
        yield f"Invalid value: '{item.get('role')}' for 'input[].role'."
    elif kind == "function_call":
        yield from _argument_problems(item["arguments"])
        if not _NAME.fullmatch(str(item.get("name"))):
            yield f"Invalid 'input[].name': '{item.get('name')}' does not match '{_NAME.pattern}'."
    elif kind == "function_call_output":
        if item.get("call_id") not in waiting:
            yield f"No tool call found for function call output with call_id {item.get('call_id')}."
        if not isinstance(item.get("output"), str | list):
            yield "Missing required parameter: 'input[].output'."
    elif kind not in {"message", "reasoning"}:
        yield f"Invalid value: '{kind}' for 'input[].type'."


def _argument_problems(arguments: object) -> Iterator[str]:
    try:
        if isinstance(json.loads(str(arguments)), dict):
            return
    except (ValueError, RecursionError):
        pass
    yield "Failed to parse tool call arguments as JSON."


def _returned(request: Mapping[str, Any], given: Sequence[Sequence[dict[str, Any]]]) -> Iterator[str]:
    """Items with an id must be ones that were sent, unchanged, all those of a reply together and in their order."""
    items = request["input"] if isinstance(request["input"], list) else []
    returned = [item for item in items if "id" in item]
    ids = [item["id"] for item in returned]
    known = {item["id"]: item for reply in given for item in reply}
    for item in returned:
        sent = known.get(item["id"])
        if sent is None:
            yield f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false."
        elif item != sent and not _mended(item, sent):
            yield f"Item '{item['id']}' of type '{sent['type']}' is not as it was sent."
    for reply in given:
        names = [item["id"] for item in reply]
        present = [name for name in ids if name in names]
        if present and present != names:
            yield f"Item '{present[0]}' was provided without its required neighbours {names}."


def _mended(item: dict[str, Any], sent: dict[str, Any]) -> bool:
    """Whether only a name that is none and arguments that are no JSON were changed."""
    if sent["type"] != "function_call":
        return False
    free = {} if _NAME.fullmatch(str(sent["name"])) else {"name": ""}
    free |= {"arguments": ""} if any(_argument_problems(sent["arguments"])) else {}
    return {**item, **free} == {**sent, **free}
