"""What the tools are given, as pydantic models and annotated types: the SDK makes input schemas of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from flatfield.faces.mcp.reporting import formats


class GivenLimits(BaseModel):
    """What the agent may use at most; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    turns: int | None = Field(None, gt=0, description="20 if not given")
    seconds: float | None = Field(None, gt=0, description="active seconds, 300 if not given")
    output_tokens: int | None = Field(None, gt=0, description="16000 if not given")
    cost_usd: float | None = Field(None, gt=0, description="no limit if not given")


class GivenWeights(BaseModel):
    """How much each grade counts; what is left out counts 0."""

    model_config = ConfigDict(extra="forbid")

    performance: float = Field(0, ge=0)
    speed: float = Field(0, ge=0)
    cost: float = Field(0, ge=0)


class GivenConstraints(BaseModel):
    """What an agent must keep to; what is left out is no limit."""

    model_config = ConfigDict(extra="forbid")

    min_performance: Literal["S", "A", "B", "C", "D", "F"] | None = None
    max_seconds: float | None = Field(None, gt=0, description="mean active seconds per trial")
    max_cost_usd: float | None = Field(None, ge=0, description="mean dollars per trial")


def _format(given: str) -> str:
    """A format that a client can be given.

    Raises:
        PydanticCustomError: there is no such format; it names those that there are.
    """
    names = [f"'{name}'" for name in formats()]
    if f"'{given}'" not in names:
        raise PydanticCustomError("format", "Input should be {known}", {"known": " or ".join(names)})
    return given


def _with_formats(schema: dict[str, Any]) -> None:
    schema["enum"] = list(formats())


def _listed(given: object) -> object:
    """A name alone is a list of one: a model that means one often leaves the list out."""
    return [given] if isinstance(given, str) else given


PromptText = Annotated[str, Field(description="What to do, in plain words.")]
Model = Annotated[str | None, Field(description="A configured model, e.g. gpt-oss:20b.")]
Provider = Annotated[str | None, Field(description="Whose model, e.g. openai, anthropic, ollama.")]
AgentName = Annotated[str | None, Field(description="A configured agent's name, instead of model.")]
Folder = Annotated[str | None, Field(description="The folder to work in; else the server's.")]
LimitsGiven = Annotated[GivenLimits | None, Field(description="What it may use at most.")]
Background = Annotated[bool, Field(description="Return at once, with a trial id for agent_result.")]
ContinueTrial = Annotated[
    str | None, Field(description="A trial's id: go on with its agent, folder and conversation.", min_length=1)
]
Trial = Annotated[str, Field(description="Its trial id or the beginning; empty: the latest.")]
WaitSeconds = Annotated[float, Field(description="Wait for its end so long.", ge=0, le=3600)]
Cancel = Annotated[bool, Field(description="End it now.")]
Lops = Annotated[
    list[str], BeforeValidator(_listed), Field(description="LOP files, folders, or suite:NAME.", min_length=1)
]
AgentNames = Annotated[
    list[str] | None, BeforeValidator(_listed), Field(description="Names or globs; else those that the files name.")
]
Hop = Annotated[str | None, Field(description="A HOP file: how to evaluate.")]
Repeats = Annotated[int | None, Field(description="Trials per agent and task.", gt=0)]
Judges = Annotated[
    list[str] | None, BeforeValidator(_listed), Field(description="Agents that grade what has a rubric.")
]
Budget = Annotated[
    float | None, Field(description="Start nothing that could bring its cost above so many dollars.", ge=0)
]
BudgetIgnores = Annotated[
    list[str] | None,
    BeforeValidator(_listed),
    Field(description="Agents that the dollars let go on though nobody knows what they cost."),
]
BudgetSeconds = Annotated[
    float | None, Field(description="Start nothing that would not have ended in so many seconds.", ge=0)
]
RunId = Annotated[str, Field(description="The run's id or its beginning.", min_length=1)]
RunOrNewest = Annotated[str, Field(description="The run's id or its beginning; empty: the newest.")]
Format = Annotated[
    str, AfterValidator(_format), Field(description="How it is written.", json_schema_extra=_with_formats)
]
WeightsGiven = Annotated[GivenWeights | None, Field(description="How much each grade counts.")]
ConstraintsGiven = Annotated[GivenConstraints | None, Field(description="What the agent must keep to.")]
