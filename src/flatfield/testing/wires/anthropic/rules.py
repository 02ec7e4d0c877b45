"""What Anthropic's server refuses in a request for a message, and what a client must not change in what it returns."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from flatfield.testing.fake_server import FakeReply


# The content blocks of the Messages API that tell a `FakeReply`, sealed so that a changed one is known.


def blocks(reply: FakeReply, number: int) -> list[dict[str, Any]]:
    """The content blocks that tell a reply, in the order of the API: thinking, text, calls.

    Arguments that are no JSON object have `input` None: the API never sends any, other servers do.
    """
    told: list[dict[str, Any]] = []
    if reply.reasoning:
        told.append({"type": "thinking", "thinking": reply.reasoning, "signature": seal(reply.reasoning)})
        told.append({"type": "redacted_thinking", "data": seal(f"redacted {reply.reasoning}")})
    if reply.text:
        told.append({"type": "text", "text": reply.text})
    for index, (name, arguments) in enumerate(reply.calls):
        call = {"type": "tool_use", "id": call_id(number, index), "name": name, "input": _object(arguments)}
        told.append(call)
    return told


def call_id(number: int, index: int) -> str:
    """An id that tells whether it came back as it was sent: it carries its own seal."""
    return f"toolu_{number}_{index}_{seal(f'{number} {index}')[:8]}"


def _object(arguments: str) -> dict[str, Any] | None:
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def seal(text: str) -> str:
    """What stands for a signature, and for encrypted content."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()


_SAMPLING = {"temperature", "top_p", "top_k"}
_VERSIONS = {"2023-06-01": _SAMPLING, "2026-10-21": set[str]()}
_FIELDS = {
    *("model", "messages", "max_tokens", "system", "tools", "tool_choice", "stream", "stop_sequences", "metadata"),
    *("thinking", "output_config", "cache_control", "service_tier", "inference_geo", "speed", "container"),
}
_EFFORTS = {"low", "medium", "high", "xhigh", "max"}
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_UNCACHED = {"thinking", "redacted_thinking"}
_MOST_MARKS = 4
_SMALLEST_BUDGET_TOKENS = 1024


def violations(request: Mapping[str, Any], headers: Mapping[str, str], sent: Sequence[FakeReply]) -> Iterator[str]:
    """Every rule that a request breaks; header names in lower case, `sent` what the server replied so far."""
    version = headers.get("anthropic-version", "")
    if version not in _VERSIONS:
        yield f"anthropic-version: {version!r} is no version"
    unknown = set(request) - _FIELDS - _VERSIONS.get(version, set())
    if unknown:
        yield f"{min(unknown)}: Extra inputs are not permitted"
    if not request.get("model"):
        yield "model: Field required"
    cap = request.get("max_tokens")
    if not isinstance(cap, int) or cap < 1:
        yield "max_tokens: a whole number from 1 is required"
        return
    yield from _thinking(request, cap)
    yield from _output(request)
    yield from _tools(request)
    yield from _marks(request)
    yield from _conversation(request, sent)


def _thinking(request: Mapping[str, Any], cap: int) -> Iterator[str]:
    thinking = request.get("thinking", {})
    kind = thinking.get("type", "disabled")
    if kind not in {"adaptive", "enabled", "disabled", "between_tools"}:
        yield f"thinking.type: {kind!r} is unknown"
    if kind == "enabled" and not _SMALLEST_BUDGET_TOKENS <= thinking.get("budget_tokens", 0) < cap:
        yield "thinking.budget_tokens: must be 1024 or more, and less than max_tokens"
    if kind != "enabled" and "budget_tokens" in thinking:
        yield "thinking.budget_tokens: Extra inputs are not permitted"
    if kind in {"adaptive", "enabled"} and request.get("temperature", 1) != 1:
        yield "temperature: may only be 1 when thinking is enabled"
    if not 0 <= request.get("temperature", 1) <= 1:
        yield "temperature: must be from 0 to 1"


def _output(request: Mapping[str, Any]) -> Iterator[str]:
    config = request.get("output_config", {})
    if config.get("effort", "high") not in _EFFORTS:
        yield f"output_config.effort: {config['effort']!r} is no level"
    form = config.get("format")
    if form is not None and form.get("type") != "json_schema":
        yield "output_config.format.type: must be json_schema"
    if form is not None and any(part.get("additionalProperties") is not False for part in _objects(form["schema"])):
        yield "output_config.format.schema: additionalProperties must be false for every object"


def _objects(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every schema of an object in a schema."""
    if schema.get("type") == "object":
        yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), schema.get("items")]
    for part in inner:
        if part:
            yield from _objects(part)


def _tools(request: Mapping[str, Any]) -> Iterator[str]:
    names = [tool.get("name", "") for tool in request.get("tools", ())]
    if len(set(names)) < len(names):
        yield "tools: names must be unique"
    for tool in request.get("tools", ()):
        if not _TOOL_NAME.fullmatch(tool.get("name", "")):
            yield f"tools: {tool.get('name')!r} is no name"
        if tool.get("input_schema", {}).get("type") != "object":
            yield "tools: input_schema.type must be object"


def _marks(request: Mapping[str, Any]) -> Iterator[str]:
    """The rules of prompt caching."""
    system = request.get("system", ())
    places: list[Mapping[str, Any]] = [*request.get("tools", ()), *(() if isinstance(system, str) else system)]
    for message in request.get("messages", ()):
        places += _blocks(message)
    marked = [place for place in places if place.get("cache_control")]
    if len(marked) > _MOST_MARKS:
        yield f"cache_control: at most {_MOST_MARKS} blocks may have it, {len(marked)} do"
    for place in marked:
        if place["cache_control"].get("type") != "ephemeral":
            yield "cache_control.type: must be ephemeral"
        if place.get("type") in _UNCACHED or place.get("text") == "":
            yield "cache_control: cannot be set for thinking and for empty text"
    for place in places:
        if place.get("type") == "text" and not place["text"].strip():
            yield "text content blocks must contain non-whitespace text"


def _conversation(request: Mapping[str, Any], sent: Sequence[FakeReply]) -> Iterator[str]:
    messages = request.get("messages") or ()
    if not messages:
        yield "messages: at least one message is required"
        return
    told = [_told(blocks(reply, 0)) for reply in sent]
    waiting: list[str] = []
    for number, message in enumerate(messages):
        if message.get("role") != ("user", "assistant")[number % 2]:
            yield f"messages.{number}: roles must alternate, and begin with user"
        content = _blocks(message)
        if not content:
            yield f"messages.{number}: content must not be empty"
        if message.get("role") == "user":
            yield from _answers(number, content, waiting)
            waiting = []
        else:
            waiting = [block["id"] for block in content if block["type"] == "tool_use"]
            yield from _returned(number, content, told)
    paused = bool(sent) and sent[-1].finish == "pause_turn"
    if messages[-1].get("role") == "assistant" and not paused:
        yield "messages: the last one must be the user's"
    if waiting and not paused:
        yield f"messages: tool_use without tool_result: {waiting}"
    if any(block["type"] == "tool_use" for message in messages for block in _blocks(message)) and not request.get(
        "tools"
    ):
        yield "tools: required when the messages have tool_use"


def _answers(number: int, content: Sequence[Mapping[str, Any]], waiting: Sequence[str]) -> Iterator[str]:
    """Every call of the message before is answered once, and the answers come before anything else."""
    kinds = [block["type"] for block in content]
    answered = [block.get("tool_use_id") for block in content if block["type"] == "tool_result"]
    if sorted(map(str, answered)) != sorted(waiting):
        yield f"messages.{number}: tool_result for {answered}, but the calls before are {list(waiting)}"
    if kinds != sorted(kinds, key=lambda kind: kind != "tool_result"):
        yield f"messages.{number}: tool_result must come first"
    if not set(kinds) <= {"text", "tool_result"}:
        yield f"messages.{number}: a user's message cannot have {sorted(set(kinds))}"


def _returned(number: int, content: Sequence[Mapping[str, Any]], told: Sequence[list[Any]]) -> Iterator[str]:
    """What the model said comes back as it was: all blocks, in their order, with their signatures and ids."""
    if content and content[-1]["type"] in _UNCACHED:
        yield f"messages.{number}: the final block cannot be {content[-1]['type']}"
    for block in content:
        if block["type"] == "tool_use" and not _is_sealed(block["id"]):
            yield f"messages.{number}: {block['id']!r} is no id of a call"
        if block["type"] == "tool_use" and not _TOOL_NAME.fullmatch(block["name"]):
            yield f"messages.{number}: {block['name']!r} is no name of a tool: it should match {_TOOL_NAME.pattern}"
    back = _told(content)
    if not any(_is_chain(back, told[start:]) for start in range(len(told))):
        yield f"messages.{number}: blocks must remain as they were in the response, thinking included"


def _is_sealed(text: str) -> bool:
    found = re.fullmatch(r"toolu_(\d+)_(\d+)_.*", text)
    return found is not None and text == call_id(int(found[1]), int(found[2]))


def _is_chain(back: list[Any], told: Sequence[list[Any]]) -> bool:
    """Whether a message is one reply, or the parts of a turn that was paused."""
    for part in told:
        head, back = back[: len(part)], back[len(part) :]
        if not all(map(_is_same, head, part)) or len(head) < len(part):
            return False
        if not back:
            return True
    return False


def _is_same(back: tuple[Any, ...], sent: tuple[Any, ...]) -> bool:
    """Equal; of a call whose name was none or whose arguments were no JSON object, any name and any object will do."""
    if back == sent or sent[0] != "tool_use":
        return back == sent
    return back[0] == sent[0] and all(was in (None, now) for now, was in zip(back[1:], sent[1:], strict=True))


def _told(content: Iterable[Mapping[str, Any]]) -> list[Any]:
    """What must not change in blocks; ids of calls and names that are none aside, and without blocks of empty text."""
    fields = {"text": ("text",), "thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}
    return [
        (block["type"], *(_kept(name, block.get(name)) for name in fields.get(block["type"], ("name", "input"))))
        for block in content
        if block["type"] != "text" or block["text"].strip()
    ]


def _kept(field: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A field as it must come back: a tool's name that is none (a proxy let it through) must come back as another."""
    return None if field == "name" and not _TOOL_NAME.fullmatch(str(value)) else value


def _blocks(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content") or ()
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
