"""What prompt_nano_agent returns, as pydantic models: the SDK makes output schemas of them."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Metadata(BaseModel):
    """How a nano agent got there; null means "not known", never 0."""

    agent: str
    provider: str
    model: str
    answered_by: str | None = Field(default=None, description="the model that answered, as its replies name it")
    address: str | None = Field(default=None, description="where it was asked, if not at its vendor's own address")
    stop: str = Field(description="answered, or which limit or failure ended it; working: it has not ended")
    turns: int | None = None
    tool_calls: int | None = None
    files_changed: list[str] = Field(default_factory=list, description="by the agent's own calls, nobody else's")
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    active_seconds: float = Field(default=0.0, description="model and tools, without waiting, loading and retries")
    first_token_seconds: float | None = None
    trial: str = Field(
        description="its id: for agent_result and continue_trial; `flatfield show` prints all that happened"
    )


class Delegated(BaseModel):
    """What a nano agent did with a prompt."""

    success: bool | None = Field(description="null: it is still at work")
    result: str = Field(description="the agent's final answer")
    error: str | None = Field(description="why it did not succeed, in one sentence")
    execution_time_seconds: float = Field(description="the agent's own time: active_seconds")
    metadata: Metadata
