"""What a server on the desk says of model, template and build: the same for the same, another for another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from flatfield.plugins import load
from flatfield.records import AgentConfig
from flatfield.testing.fake_server import FakeServer
from flatfield.testing.wires import new_wire
from flatfield.testing.wires.openai_chat import ChatWire

if TYPE_CHECKING:
    from flatfield.http.services import Services

PROPS = {"build_info": "b7000-abc", "model_path": "/models/small.gguf", "chat_template": "{{ messages }}"}


class LlamaCpp(ChatWire):
    def __init__(self, **changed: Any) -> None:
        super().__init__()
        self.facts = {"/props": PROPS | changed}


class VLlm(ChatWire):
    facts: ClassVar[dict[str, Any]] = {"/version": {"version": "0.11.0"}}


async def identity(provider: str, wire: Any, services: Services, model: str = "fake-model") -> str:
    async with FakeServer(wire, []) as server:
        agent = AgentConfig(name="a", provider=provider, model=model, base_url=server.base_url)
        told = await load("provider", provider).identity_of(agent, services)
        assert server.base_url not in told
        return str(told)


async def test_llama_cpp_tells_its_build_and_the_template(services: Services) -> None:
    first = await identity("openai-chat", LlamaCpp(), services)
    assert first == await identity("openai-chat", LlamaCpp(), services)
    for changed in ({"build_info": "b7001"}, {"chat_template": "{{ tools }}"}, {"model_path": "/models/other.gguf"}):
        assert await identity("openai-chat", LlamaCpp(**changed), services) != first


async def test_vllm_tells_its_version(services: Services) -> None:
    assert await identity("openai-chat", VLlm(), services)


async def test_lm_studio_lists_its_models_whatever_state_they_are_in(services: Services) -> None:
    def studio(state: str, quantization: str) -> ChatWire:
        wire = ChatWire()
        entry = {"id": "fake-model", "arch": "qwen2", "quantization": quantization, "state": state}
        wire.facts = {"/api/v0/models": {"object": "list", "data": [entry, {"id": "other", "state": state}]}}  # type: ignore[attr-defined]
        return wire

    first = await identity("openai-chat", studio("loaded", "Q4_K_M"), services)
    assert first == await identity("openai-chat", studio("not-loaded", "Q4_K_M"), services)
    assert first != await identity("openai-chat", studio("loaded", "Q8_0"), services)


async def test_ollama_tells_the_digest(services: Services) -> None:
    assert await identity("ollama", new_wire("ollama"), services) == f"Ollama 0.12.6, {'0' * 64}"
    assert await identity("ollama", new_wire("ollama"), services, model="other") == ""


@pytest.mark.parametrize("provider", ["openai-chat", "ollama"])
async def test_a_server_that_says_nothing_has_none(provider: str, services: Services) -> None:
    assert await identity("openai-chat", ChatWire(), services) == ""
    agent = AgentConfig(name="a", provider=provider, model="m", base_url="http://127.0.0.1:9/v1")
    assert await load("provider", provider).identity_of(agent, services) == ""
