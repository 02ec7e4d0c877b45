"""What the tools return, as pydantic models: the SDK makes output schemas of them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

RunState = Literal["running", "finished", "stopped"]


class AgentRow(BaseModel):
    """One agent that can be handed a prompt."""

    name: str
    provider: str
    model: str
    source: str = Field(description="the file it was read from, or 'shipped'")
    description: str = ""


class Agents(BaseModel):
    """The roster."""

    agents: list[AgentRow]
    notes: list[str] = Field(default_factory=list)


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


class Progress(BaseModel):
    """How far one agent has come in an evaluation."""

    agent: str
    done: int
    measured: int


class Status(BaseModel):
    """How far an evaluation has come."""

    run: str
    title: str
    state: RunState
    trials_planned: int
    trials_done: int
    trials_measured: int
    spent_usd: float | None = Field(
        description="what is known to have been spent, on judges too; null: nothing is known"
    )
    agents: list[Progress]
    notes: list[str] = Field(default_factory=list)
    report: str = Field(description="the resource that holds its report")


class Report(BaseModel):
    """A run's report."""

    run: str
    format: str
    text: str
    complete: bool = Field(description="false: the text is its beginning, the resource holds all of it")
    resource: str


class Choice(BaseModel):
    """Which agent to use, why, and how sure that is."""

    run: str
    answer: str = Field(description="the sentence that every report of the run says too")
    caveats: list[str] = Field(description="what has to be said with it")
    recommended: str | None
    runner_up: str | None
    reasons: list[str]
    confidence: str
    front: list[str]
    excluded: list[dict[str, Any]]
