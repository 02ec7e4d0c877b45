"""`openai`: the Responses API as its server speaks it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from flatfield.testing.fake_server import Beliefs
from flatfield.testing.wires._sdk import must_be

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import Usage
    from flatfield.testing.fake_server import FakeReply


# What OpenAI's Responses API refuses in a request: the rules that the test kit's server holds clients to.


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


# ---------------------------------------------------------------------------- the wire


_PIECE_CHARACTERS = 7
_INCOMPLETE = frozenset({"max_output_tokens", "content_filter"})
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
SDK_REQUEST = "openai.types.responses.response_create_params:ResponseCreateParamsStreaming"


class OpenAIWire:
    """The protocol, and the items that were sent: they must come back unchanged, all those of a reply together.

    `FakeReply.finish`: "max_output_tokens" and "content_filter" end a response as incomplete; any other word fails it,
    with that word as the error's code.
    """

    paths = ("/responses",)
    models_path = "/models"
    base = "/v1"
    content_type = "text/event-stream; charset=utf-8"
    result_mark = b'"function_call_output"'
    wrong_path = ""
    too_long = "Your input exceeds the context window of this model."
    arguments_are_text = True
    full_is_length = False
    beliefs = Beliefs(
        words=frozenset({"type", "role", "status", "object", "reason", "code"}),
        ids=frozenset({"id", "call_id", "item_id"}),
        written=frozenset({"tools", "metadata"}),
        counts=("response.completed:response.usage", "response.incomplete:response.usage"),
        cut="max_output_tokens",
        limit_headers=tuple(
            f"x-ratelimit-{part}-{what}" for part in ("limit", "remaining", "reset") for what in ("requests", "tokens")
        ),
    )

    def __init__(self) -> None:
        self._given: list[list[dict[str, Any]]] = []

    def models(self, names: Sequence[str]) -> dict[str, Any]:
        """The list of models."""
        listed = [{"id": name, "object": "model", "created": 1, "owned_by": "system"} for name in names]
        return {"object": "list", "data": listed}

    def violation(
        self, request: Mapping[str, Any], headers: Mapping[str, str], _sent: Sequence[FakeReply]
    ) -> str | None:
        """The first rule that a request breaks."""
        return first_violation(request, headers, self._given)

    def sdk_takes(self, request: Mapping[str, Any]) -> None:
        """Raise ValueError where the vendor's SDK would not send it."""
        must_be(SDK_REQUEST, request)

    def streams(self, request: Mapping[str, Any], _path: str) -> bool:
        """Whether the request asks for a stream."""
        return bool(request.get("stream"))

    def stream(self, reply: FakeReply, number: int) -> list[bytes]:
        """The reply's events, framed, with keep-alives between them."""
        items = self._items(reply, number)
        return _framed(_events(reply, number, items))

    def whole(self, reply: FakeReply, number: int) -> dict[str, Any]:
        """The reply unstreamed."""
        return _concluded(reply, number, self._items(reply, number))

    def beginning(self) -> bytes:
        """The events of a response that has begun to say something."""
        item = _message("msg_beginning", "output_text", "")
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": _response(0, "in_progress", [])},
            {"type": "response.output_item.added", "output_index": 0, "item": {**item, "status": "in_progress"}},
            _part_event("response.content_part.added", item, 0, part=_part("output_text", "")),
            _part_event("response.output_text.delta", item, 0, delta="beginn", logprobs=[]),
        ]
        return b"".join(_framed(iter(events)))

    def garbage(self) -> bytes:
        """A framed event that is no JSON."""
        return b"event: response.output_text.delta\ndata: {not json\n\n"

    def error_event(self, message: str) -> bytes:
        """An error inside a stream, as the reference has it; production nests code and message under `error`."""
        event = {"type": "error", "code": "server_error", "message": message, "param": None}
        return b"".join(_framed(iter([event])))

    def error(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error reply."""
        kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        code = "context_length_exceeded" if "context window" in message else _CODES.get(status)
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def _items(self, reply: FakeReply, number: int) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        if reply.reasoning:
            summary = [{"type": "summary_text", "text": reply.reasoning}]
            secret = f"gAAAA{number}/+é=="
            items.append({"id": f"rs_{number}", "type": "reasoning", "summary": summary, "encrypted_content": secret})
        if reply.text:
            items.append(_message(f"msg_{number}", "output_text", reply.text))
        if reply.refusal:
            items.append(_message(f"msg_{number}_refusal", "refusal", reply.refusal))
        for index, (name, arguments) in enumerate(reply.calls):
            call = {"id": f"fc_{number}_{index}", "type": "function_call", "call_id": f"call_{number}_{index}"}
            items.append({**call, "name": name, "arguments": arguments, "status": "completed"})
        if reply.finish in _INCOMPLETE and items and "status" in items[-1]:
            items[-1]["status"] = "incomplete"
        self._given.append(items)
        return items


def _message(item_id: str, kind: str, text: str) -> dict[str, Any]:
    message = {"id": item_id, "type": "message", "role": "assistant", "status": "completed"}
    return {**message, "content": [_part(kind, text)], "phase": "final_answer"}


def _part(kind: str, text: str) -> dict[str, Any]:
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _response(number: int, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    """A response object; most of its fields repeat the request and are left at their defaults here."""
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "fake-model",
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
    }


def _concluded(reply: FakeReply, number: int, items: list[dict[str, Any]]) -> dict[str, Any]:
    """The response as it ends: completed, incomplete or failed."""
    response = _response(number, "completed", items)
    response["usage"] = None if reply.usage is None else _usage(reply.usage)
    if reply.finish in _INCOMPLETE:
        response |= {"status": "incomplete", "incomplete_details": {"reason": reply.finish}}
    elif reply.finish is not None:
        response |= {"status": "failed", "error": {"code": reply.finish, "message": f"failed: {reply.finish}"}}
    return response


def _usage(usage: Usage) -> dict[str, Any]:
    read, written = usage.cache_read_tokens, usage.cache_write_tokens
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _events(reply: FakeReply, number: int, items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    begun = _response(number, "in_progress", [])
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(items):
        yield {"type": "response.output_item.added", "output_index": index, "item": _started(item)}
        yield from _item_events(item, index)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    response = _concluded(reply, number, items)
    yield {"type": f"response.{response['status']}", "response": response}


def _started(item: dict[str, Any]) -> dict[str, Any]:
    """An item before it says anything; its encrypted content is not whole yet, as the reference warns."""
    empty: dict[str, dict[str, Any]] = {
        "reasoning": {"summary": [], "encrypted_content": "gAAAA"},
        "message": {"content": [], "status": "in_progress"},
        "function_call": {"arguments": "", "status": "in_progress"},
    }
    return {**item, **empty[item["type"]]}


def _item_events(item: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
    if item["type"] == "function_call":
        place = {"item_id": item["id"], "output_index": index}
        for piece in _pieces(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
        yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]}
    elif item["type"] == "reasoning":
        yield from _summary_events(item, index)
    else:
        yield from _message_events(item, index)


def _summary_events(item: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    part = item["summary"][0]
    kind = "response.reasoning_summary"
    yield {"type": f"{kind}_part.added", **place, "part": {**part, "text": ""}}
    for piece in _pieces(part["text"]):
        yield {"type": f"{kind}_text.delta", **place, "delta": piece}
    yield {"type": f"{kind}_text.done", **place, "text": part["text"]}
    yield {"type": f"{kind}_part.done", **place, "part": part}


def _message_events(item: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
    part = item["content"][0]
    refused = part["type"] == "refusal"
    kind, text = ("refusal", part["refusal"]) if refused else ("output_text", part["text"])
    extra: dict[str, Any] = {} if refused else {"logprobs": []}
    yield _part_event("response.content_part.added", item, index, part=_part(kind, ""))
    for piece in _pieces(text):
        yield _part_event(f"response.{kind}.delta", item, index, delta=piece, **extra)
    whole = {"refusal": text} if refused else {"text": text, **extra}
    yield _part_event(f"response.{kind}.done", item, index, **whole)
    yield _part_event("response.content_part.done", item, index, part=part)


def _part_event(kind: str, item: dict[str, Any], index: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"type": kind, "item_id": item["id"], "output_index": index, "content_index": 0, **fields}


def _pieces(text: str) -> list[str]:
    return [text[start : start + _PIECE_CHARACTERS] for start in range(0, len(text), _PIECE_CHARACTERS)]


def _framed(events: Iterator[dict[str, Any]]) -> list[bytes]:
    return [
        f": keep-alive\n\nevent: {event['type']}\ndata: "
        f"{json.dumps({**event, 'sequence_number': number}, ensure_ascii=False)}\n\n".encode()
        for number, event in enumerate(events)
    ]


def create() -> OpenAIWire:
    """The wire, for one server."""
    return OpenAIWire()
