"""`cli`: what the vendor states about itself."""

from __future__ import annotations

from flatfield.records import Traits

TRAITS = Traits(
    name="cli",
    is_word=True,
    is_scaffold=True,
    outputs=("claude-code", "codex", "gemini-cli", "json", "opencode", "text"),
    runs_code=True,
    takes_subscriptions=True,
)
