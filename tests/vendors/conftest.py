"""Whether a vendor's own SDK would have sent a request: its parameter types are the vendor's word on what is one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def sdk_accepts() -> Callable[[str, dict[str, Any]], None]:
    """Takes a provider's name and a request, and fails where that vendor's SDK knows no such request."""
    return _accepts


def _accepts(provider: str, request: dict[str, Any]) -> None:
    if provider == "gemini":
        _gemini(request)
    elif provider == "ollama":
        _ollama(request)
    else:
        known = {name: value for name, value in request.items() if name not in _BESIDE.get(provider, ())}
        if provider in {"local", "openai-chat"}:
            # The vendor knows no `reasoning_content`; the servers that send it want it back.
            known["messages"] = [
                {name: value for name, value in message.items() if name != "reasoning_content"}
                for message in request["messages"]
            ]
        assert _consumed(_adapter(provider).validate_python(known)) == known  # validation drops what it does not know


_BESIDE = {"anthropic": ("temperature",), "local": ("cache_prompt",)}
"""What a vendor's newest SDK gave up and older models take, and what llama.cpp knows beside the vendor's."""


@cache
def _adapter(provider: str) -> Any:
    from pydantic import TypeAdapter

    if provider == "anthropic":
        from anthropic.types.message_create_params import MessageCreateParamsStreaming

        return TypeAdapter(MessageCreateParamsStreaming)
    if provider == "openai":
        from openai.types.responses.response_create_params import ResponseCreateParamsStreaming

        return TypeAdapter(ResponseCreateParamsStreaming)
    from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

    return TypeAdapter(CompletionCreateParamsStreaming)


def _consumed(value: Any) -> Any:
    """Validators of sequences are lazy: they check what is taken from them."""
    if isinstance(value, dict):
        return {name: _consumed(item) for name, item in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    return [_consumed(item) for item in value]


def _gemini(request: dict[str, Any]) -> None:
    from google.genai import types

    assert set(request) <= {"contents", "systemInstruction", "tools", "generationConfig"}
    for content in request["contents"]:
        types.Content.model_validate(content)
    types.Content.model_validate(request.get("systemInstruction", {}))
    types.GenerationConfig.model_validate(request["generationConfig"])
    for tool in request.get("tools", ()):
        types.Tool.model_validate(tool)


def _ollama(request: dict[str, Any]) -> None:
    from ollama._types import ChatRequest, Options

    beside = {"truncate", "shift"}  # the API's; its SDK has not learned them
    known = {name: value for name, value in request.items() if name not in beside}
    assert set(known) <= set(ChatRequest.model_fields)
    ChatRequest.model_validate(known)
    assert set(request["options"]) <= set(Options.model_fields)
