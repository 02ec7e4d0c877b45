"""`local`: llama.cpp's server speaks OpenAI's Chat Completions."""

from __future__ import annotations

from bench.bare.openai_chat import BARE

__all__ = ["BARE"]
