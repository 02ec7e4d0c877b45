"""What Gemini's API demands of a generateContent request, in its own words where they are known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_REQUEST = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"}
_PART_DATA = {"text", "functionCall", "functionResponse", "inlineData", "fileData"}
_PART = {*_PART_DATA, "thought", "thoughtSignature"}
_GENERATION = {
    "temperature",
    "topP",
    "topK",
    "seed",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "thinkingConfig",
}
_LEVELS = {"MINIMAL", "LOW", "MEDIUM", "HIGH"}
_SCHEMA = {"type", "format", "title", "description", "nullable", "enum", "items", "properties", "required", "anyOf"}
_FREE_FORM = {"args", "response", "parameters", "parametersJsonSchema", "responseJsonSchema", "responseSchema"}
_FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")


def violations(request: Mapping[str, Any], given: Sequence[list[dict[str, Any]]]) -> Iterator[str]:
    """Every rule that a request breaks; `given` are the model's turns that were sent, each as its parts."""
    request = _camelled(request)
    yield from _unknown(request, _REQUEST, "the request")
    yield from _generation_problems(request.get("generationConfig", {}))
    for tool in request.get("tools", ()):
        for function in tool.get("functionDeclarations", ()):
            yield from _function_problems(function)
    contents = request.get("contents") or []
    if not contents:
        yield "GenerateContentRequest.contents: contents is not specified"
    yield from _content_problems(contents)
    turns = joined(contents)
    if turns and (turns[0][0] != "user" or turns[-1][0] != "user"):
        yield "contents must begin and end with a user turn"
    yield from _call_problems(turns)
    yield from _replay_problems(turns, given)


def joined(contents: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Role and parts of each turn: neighbours of one role are one turn, as a streamed reply may be replayed in pieces.

    Neighbouring texts without a signature are one text; empty ones say nothing.
    """
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for content in contents:
        role = content.get("role", "user")
        if not turns or turns[-1][0] != role:
            turns.append((role, []))
        parts = turns[-1][1]
        for part in content.get("parts", ()):
            if parts and _unsigned_text(part) and _unsigned_text(parts[-1]) and part.keys() == parts[-1].keys():
                parts[-1] = {**part, "text": parts[-1]["text"] + part["text"]}
            elif part != {"text": ""}:
                parts.append(
                    {name: _bytes(item) if name == "thoughtSignature" else item for name, item in part.items()}
                )
    return turns


def _bytes(text: str) -> str:
    """Base64 as proto3's JSON mapping reads it: either alphabet, padded or not (the SDK changes the alphabet)."""
    return text.replace("-", "+").replace("_", "/").rstrip("=")


def _camelled(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Names as proto3's JSON mapping reads them: both spellings of a field are one; what is free-form stays."""
    if isinstance(value, list):
        return [_camelled(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): item for name, item in value.items()}
    return {name: item if name in _FREE_FORM else _camelled(item) for name, item in named.items()}


def _unsigned_text(part: Mapping[str, Any]) -> bool:
    return "text" in part and "thoughtSignature" not in part


def _unknown(value: Mapping[str, Any], known: set[str], where: str) -> Iterator[str]:
    for name in value:
        if name not in known:
            yield f'Invalid JSON payload received. Unknown name "{name}" at {where}: Cannot find field.'


def _generation_problems(config: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown(config, _GENERATION, "'generation_config'")
    if config.get("maxOutputTokens", 1) < 1:
        yield "max_output_tokens must be positive."
    if not 0 <= config.get("temperature", 1) <= 2:
        yield "temperature must be in the range [0.0, 2.0]."
    if "responseSchema" in config and "responseJsonSchema" in config:
        yield "response_schema must be omitted when response_json_schema is set"
    if {"responseSchema", "responseJsonSchema"} & config.keys() and config.get(
        "responseMimeType"
    ) != "application/json":
        yield "a response schema needs response_mime_type application/json"
    thinking = config.get("thinkingConfig", {})
    yield from _unknown(thinking, {"includeThoughts", "thinkingBudget", "thinkingLevel"}, "'thinking_config'")
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        yield "You can only set only one of thinking budget and thinking level."
    if "thinkingLevel" in thinking and thinking["thinkingLevel"] not in _LEVELS:
        yield f"Invalid value at 'thinking_config.thinking_level': {thinking['thinkingLevel']!r}"


def _function_problems(function: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown(
        function, {"name", "description", "parameters", "parametersJsonSchema"}, "'function_declarations'"
    )
    if not _FUNCTION_NAME.fullmatch(function.get("name", "")):
        yield f"Invalid function name {function.get('name')!r}"
    if "parameters" in function and "parametersJsonSchema" in function:
        yield "parameters and parameters_json_schema are mutually exclusive"
    yield from _unknown(function.get("parameters", {}), _SCHEMA, "'function_declarations[0].parameters'")


def _content_problems(contents: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for index, content in enumerate(contents):
        where = f"GenerateContentRequest.contents[{index}]"
        yield from _unknown(content, {"role", "parts"}, where)
        if content.get("role", "user") not in {"user", "model"}:
            yield "Please use a valid role: user, model."
        if not content.get("parts"):
            yield f"{where}.parts: contents.parts must not be empty."
        for part in content.get("parts", ()):
            yield from _unknown(part, _PART, where)
            if len(_PART_DATA & part.keys()) != 1:
                yield f"{where}.parts: required oneof field 'data' must have one initialized field"
            for name in ("functionCall", "functionResponse"):
                if name in part and not part[name].get("name"):
                    yield f"{where}.parts.{name}.name: Name cannot be empty."
            if not isinstance(part.get("functionResponse", {"response": {}}).get("response"), dict):
                yield f"{where}.parts.function_response.response: an object is required"


def _call_problems(turns: Sequence[tuple[str, list[dict[str, Any]]]]) -> Iterator[str]:
    """Every call of a turn is answered in the next one, in its order, by name and by id."""
    waiting: list[dict[str, Any]] = []
    for role, parts in turns:
        answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        if (calls and role != "model") or (answers and role != "user"):
            yield "the model calls functions, the user answers with their responses"
        if len(answers) != len(waiting):
            yield (
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        for call, answer in zip(waiting, answers, strict=False):
            if (call["name"], call.get("id")) != (answer["name"], answer.get("id")):
                yield f"the response to {call['name']} must carry its name and its id {call.get('id')!r}"
        ids = [call["id"] for call in calls if "id" in call]
        if len(ids) != len(set(ids)):
            yield "two function calls of one turn have the same id"
        waiting = calls


def _replay_problems(
    turns: Sequence[tuple[str, list[dict[str, Any]]]], given: Sequence[list[dict[str, Any]]]
) -> Iterator[str]:
    """The model's turns come back as they were sent, in their order, each signature on the part that carried it."""
    sent = iter([parts for _, parts in joined([{"role": "model", "parts": parts}])] for parts in given)
    for role, parts in turns:
        if role != "model":
            continue
        if any("functionCall" in part for part in parts) and not any("thoughtSignature" in part for part in parts):
            yield "Function call is missing a thought_signature in functionCall parts."
        if not any([parts] == turn for turn in sent):
            yield f"this turn of the model was never sent, or not here: {parts}"
