"""What the tools return, as pydantic models: the SDK makes output schemas of them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, Field

from flatfield.faces.wording import printable


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


# What the tools on agents, tasks and runs return, as pydantic models: the SDK makes output schemas of them.


RunState = Literal["running", "finished", "stopped", "not started"]


def seen(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value with what others wrote in it made visible: clients print it on terminals."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {seen(key): seen(item) for key, item in value.items()}
    return list(map(seen, value)) if isinstance(value, list) else value


def brief(answer: BaseModel) -> CallToolResult:
    """A tool's result without what says nothing: fields that are as they are when nothing is known."""
    told = seen(answer.model_dump(mode="json", exclude_defaults=True))
    text = msgspec.json.encode(told).decode()
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=told)


class AgentRow(BaseModel):
    """One agent that can be handed a prompt."""

    name: str
    ready: bool = Field(description="its key, model or server is there; no request was made of a model")
    provider: str
    model: str = Field(default="", description="left out where it is the name")
    price: str = Field(default="", description="dollars per million tokens, input/output; left out: not known")
    good_at: str = Field(default="", description="by this project's own trials")
    source: str = Field(default="", description="the file it was read from; left out: flatfield brings it along")
    description: str = ""
    why_not: str = ""


class Others(BaseModel):
    """Agents that are not listed one by one."""

    why: str
    agents: str


class Agents(BaseModel):
    """The roster, those that are ready first."""

    agents: list[AgentRow]
    others: list[Others] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


class TaskRow(BaseModel):
    """One LOP, and what evaluate is given to run it."""

    lop: str
    title: str = ""
    level: int | None = None
    tags: list[str] = Field(default_factory=list)
    problem: str = Field(default="", description="why it cannot be read")


class Suite(BaseModel):
    """A built-in suite."""

    lop: str
    tasks: int


class Tasks(BaseModel):
    """The LOPs that evaluate can be given, and the HOPs."""

    tasks: list[TaskRow]
    suites: list[Suite] = Field(default_factory=list)
    hops: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


class Progress(BaseModel):
    """How far one agent has come in an evaluation."""

    agent: str
    done: int
    measured: int


class Status(BaseModel):
    """How far an evaluation has come."""

    said: str = Field(description="the same in one sentence, and what to call next")
    run: str = Field(description="empty: none was started")
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


class ExpectedAnswer(BaseModel):
    """What one agent's trials, or one judge's verdicts, will probably take."""

    name: str
    trials: int
    usd: float | None = Field(description="null: no price known")
    active_seconds: float
    known_from: str


class Plan(BaseModel):
    """What an evaluation will probably take; nothing was asked of anybody."""

    answer: str
    trials: int
    usd: float | None = Field(description="null: no price known for some")
    most_usd: float | None = Field(description="by the limits of the trials; null: no bound")
    minutes: float
    agents: list[ExpectedAnswer]
    judges: list[ExpectedAnswer] = Field(default_factory=list)
    telling_apart: list[str]
    notes: list[str] = Field(default_factory=list)


class Card(BaseModel):
    """One agent's grades: letter and score, null where not measured; means per trial."""

    agent: str
    overall: str | None
    performance: str | None
    speed: str | None
    cost: str | None
    ranks: list[int] | None = Field(description="best and worst that the certainty allows; null: a control")
    trials: int
    measured: int
    seconds: float | None
    usd: float | None
    wrong_claims: int = Field(description="trials that it took for done, and checks say were not")


class Excluded(BaseModel):
    """An agent that a decision left out."""

    agent: str
    reason: str


class Decided(BaseModel):
    """Which agent to use, why, and how sure that is."""

    answer: str = Field(description="the sentence that every report of the run says too")
    caveats: list[str] = Field(description="what has to be said with it")
    recommended: str | None
    runner_up: str | None
    reasons: list[str]
    confidence: str
    front: list[str]
    excluded: list[Excluded]


class Choice(Decided):
    """A decision, and of which run it is."""

    run: str
    task: str = Field(default="", description="the task or tag that it is for; empty: all of the run")


class ReportAnswer(BaseModel):
    """A run's decision and grades. Markdown is the text of the result; other formats are here too."""

    answer: str
    run: str
    title: str
    decision: Decided
    scorecards: list[Card] = Field(description="best first")
    left_out: int = Field(default=0, description="so many more scorecards are in the resource alone")
    text: str = Field(default="", description="the report in the format asked for, where that is not Markdown")
    format: str
    complete: bool = Field(description="false: the text is its beginning, the resource holds all of it")
    resource: str


class Compared(BaseModel):
    """Two sides on the same tasks: `difference` is first minus second, in performance."""

    sentence: str
    first: str
    second: str
    verdict: str
    difference: float
    interval: list[float] | None = Field(description="95%; null: too few tasks")
    probability: float | None = Field(description="of the first being the better")
    tasks: int
    trials: list[int]
    left_out: int = Field(description="tasks that were not done by both, or not the same")


class Comparisons(BaseModel):
    """One or more comparisons."""

    comparisons: list[Compared]
