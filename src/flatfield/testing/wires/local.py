"""`local`: OpenAI's Chat Completions, as llama.cpp speaks it to the server's own process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from flatfield.testing.wires.openai_chat import LLAMA_CPP, ChatWire

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONTEXT_TOKENS = 8192


def create() -> LlamaWire:
    """The wire, for one server."""
    return LlamaWire()


class LlamaWire(ChatWire):
    """The chat protocol, with the words that llama.cpp has beside it."""

    too_long = "the request exceeds the available context size, try increasing it"

    def sdk_takes(self, request: Mapping[str, Any]) -> None:
        """What is llama.cpp's alone is left out; see `ChatWire.sdk_takes`."""
        super().sdk_takes({name: value for name, value in request.items() if name not in LLAMA_CPP})

    def stand_in(self, opened: Any, base_url: str, key: str, folder: Path) -> dict[str, Any]:  # noqa: ANN401 - its insides
        """Take the place of the process that the provider starts; the model is a file without one in it."""
        model = folder / "small.gguf"
        model.write_text("GGUF")
        opened._servers = _Running(base_url, key)  # noqa: SLF001 - nothing else starts a process
        return {"model": str(model)}


class _Running:
    """The server that the provider starts, without its model; each model is served by it."""

    def __init__(self, base_url: str, key: str) -> None:
        self.url, self.headers = base_url.removesuffix("/v1"), {"Authorization": f"Bearer {key}"}
        self.context_tokens, self.supports_tools = CONTEXT_TOKENS, True
        self.gpu_layers, self.model_layers = 0, None
        self.turns, self.used_at = 0, 0.0
        self.ended = asyncio.get_running_loop().create_future()

    async def peak_memory_bytes(self) -> int | None:
        return None

    async def serve(self, _spec: object, _services: object) -> tuple[_Running, float]:
        return self, 0.0

    async def close(self) -> None:
        pass
