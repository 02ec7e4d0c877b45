"""`ollama`: what the vendor states about itself."""

from __future__ import annotations

from flatfield.records import Traits

TRAITS = Traits(
    name="ollama",
    url="http://127.0.0.1:11434",
    url_variable="OLLAMA_HOST",
    key_variables=("OLLAMA_API_KEY",),
    key_host="ollama.com",
    own_server=True,
    known_as=("ollama", "оллама", "オラマ", "올라마"),
    device="by address",
    sizes_context=True,
    finds_protocol="always",
    recalls=True,
    color="blue",
)
