from __future__ import annotations

import pytest

from flatfield.records import AgentConfig
from flatfield.scoring.judge.judge import maker_of


@pytest.mark.parametrize(
    ("provider", "model", "vendor"),
    [
        ("openai", "gpt-5-mini", "openai"),
        ("openai", "o3", "openai"),
        ("openai", "my-tuned-one", "openai"),
        ("anthropic", "claude-opus-4-1", "anthropic"),
        ("gemini", "gemini-2.5-pro", "google"),
        ("ollama", "gpt-oss:20b", "openai"),
        ("ollama", "gemma3:4b", "google"),
        ("openai-chat", "qwen/qwen3-coder", "alibaba"),
        ("openai-chat", "deepseek/deepseek-r1-distill-llama-70b", "deepseek"),
        ("local", "/models/SmolLM2-135M.gguf", "huggingface"),
        ("openai-chat", "house-blend", None),
        ("local", "morphine-7b", None),
    ],
)
def test_who_made_it(provider: str, model: str, vendor: str | None) -> None:
    assert maker_of(AgentConfig(name="x", provider=provider, model=model)) == vendor
