"""`openai-chat`: what the vendor states about itself."""

from __future__ import annotations

from flatfield.records import Traits

TRAITS = Traits(
    name="openai-chat",
    other_names=(
        *("azure", "cerebras", "deepseek", "fireworks", "groq", "huggingface", "litellm", "llama.cpp", "lm-studio"),
        *("mistral", "moonshot", "nvidia", "openai-compatible", "openrouter", "perplexity", "sglang", "together"),
        *("vllm", "xai", "z.ai"),
    ),
    url="https://api.openai.com/v1",
    url_variable="OPENAI_BASE_URL",
    key_variables=("OPENAI_API_KEY",),
    key_headers=("authorization", "api-key"),
    usual_key_variables=("OPENROUTER_API_KEY",),
    price_name="openai",
    finds_protocol="on loopback",
    unsupported=("gpu_layers",),
    recalls=True,
)
"""Whose keys and address are taken where an agent names no server: OpenAI's own tools honour these."""
