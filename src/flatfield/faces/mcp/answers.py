"""What prompt_nano_agent returns, as pydantic models: the SDK makes output schemas of them."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Metadata(BaseModel):
    """How a nano agent got there; null means "not known", never 0."""

    agent: str
    provider: str
    model: str
    stop: str = Field(description="answered, or which limit or failure ended it")
    turns: int | None
    tool_calls: int | None
    files_changed: list[str]
    input_tokens: int | None
    cache_read_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    active_seconds: float = Field(description="model and tools, without waiting and retries")
    first_token_seconds: float | None
    trial: str = Field(description="its id: `flatfield show` prints every message, tool call, timing and token")


class Delegated(BaseModel):
    """What a nano agent did with a prompt."""

    success: bool
    result: str = Field(description="the agent's final answer")
    error: str | None = Field(description="why it did not succeed, in one sentence")
    execution_time_seconds: float
    metadata: Metadata
