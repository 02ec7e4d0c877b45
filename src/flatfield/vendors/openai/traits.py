"""`openai`: what the vendor states about itself."""

from __future__ import annotations

from flatfield.records import Traits

TRAITS = Traits(
    name="openai",
    other_names=("open-ai", "openai-responses", "chatgpt"),
    url="https://api.openai.com/v1",
    url_variable="OPENAI_BASE_URL",
    key_variables=("OPENAI_API_KEY",),
    key_headers=("authorization", "api-key"),
    price_name="openai",
    maker="openai",
    makes="gpt|chatgpt|codex|davinci|o[134]",
    known_as=(
        "gpt",
        "chatgpt",
        "openai",
        "davinci",
        "codex",
        "чатгпт",
        "챗지피티",
        "гпт",
        "опенаи",
        "オープンai",
        "オープンエーアイ",
        "오픈에이아이",
    ),
    unsupported=("context_tokens", "gpu_layers"),
    recalls=True,
    color="green",
)
