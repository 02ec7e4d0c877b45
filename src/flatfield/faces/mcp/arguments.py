"""What the tools are given, as pydantic models and annotated types: the SDK makes input schemas of them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from flatfield.faces.mcp.reporting import formats
from flatfield.tasks.loading import SUITE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class GivenLimits(BaseModel):
    """What the agent may use at most; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    turns: int | None = Field(None, gt=0, description="else 20")
    seconds: float | None = Field(None, gt=0, description="active; else 300")
    output_tokens: int | None = Field(None, gt=0, description="else 16000")
    cost_usd: float | None = Field(None, gt=0)


class GivenWeights(BaseModel):
    """How much each grade counts."""

    model_config = ConfigDict(extra="forbid")

    performance: float = Field(0, ge=0)
    speed: float = Field(0, ge=0)
    cost: float = Field(0, ge=0)


class GivenConstraints(BaseModel):
    """Limits, per trial."""

    model_config = ConfigDict(extra="forbid")

    min_performance: Literal["S", "A", "B", "C", "D", "F"] | None = None
    max_seconds: float | None = Field(None, gt=0)
    max_cost_usd: float | None = Field(None, ge=0)


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
    """A list, with commas or not; a name alone is a list of one: a model that means one often leaves the list out."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return given
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _alone(given: object) -> object:
    """A path alone is a list of one; it may hold commas and spaces, so that only who sees the files can part it."""
    return [given] if isinstance(given, str) else given


def files_of(given: Sequence[str], is_there: Callable[[str], bool]) -> tuple[str, ...]:
    """The files, folders and suites that texts name: one each, or several with commas or spaces between them.

    A text that is there as it is, is one. Words are put together to the longest names that are there; where one is not,
    the text stays whole, to be told of as it was written.
    """
    found: list[str] = []
    for text in given:
        parts = [text] if is_there(text) else text.replace("\n", ",").split(",")
        for part in filter(None, map(str.strip, parts)):
            found += [part] if is_there(part) else _words(part, is_there)
    return tuple(dict.fromkeys(found))


def _words(text: str, is_there: Callable[[str], bool]) -> list[str]:
    try:
        words = shlex.split(text) if "'" in text or '"' in text else text.split()
    except ValueError:
        return [text]  # a quote that is not closed
    found: list[str] = []
    while words:
        ends = range(len(words), 0, -1)
        end = next((end for end in ends if is_there(" ".join(words[:end]))), None)
        if end is None and not words[0].startswith(SUITE_PREFIX):
            return [text]
        found.append(" ".join(words[: end or 1]))
        words = words[end or 1 :]
    return found


PromptText = Annotated[str, Field(description="what to do")]
Model = Annotated[str | None, Field(description="configured model, e.g. gpt-oss:20b")]
Provider = Annotated[str | None, Field(description="whose model, e.g. ollama")]
AgentName = Annotated[str | None, Field(description="configured agent, instead of model")]
Folder = Annotated[str | None, Field(description="folder to work in")]
LimitsGiven = Annotated[GivenLimits | None, Field(description="most it may use")]
Background = Annotated[bool, Field(description="return at once; then agent_result")]
ContinueTrial = Annotated[str | None, Field(description="go on with this trial's agent and conversation", min_length=1)]
Trial = Annotated[str, Field(description="trial id; else the latest")]
AgentWait = Annotated[float, Field(description="for its end", ge=0, le=3600)]
Cancel = Annotated[bool, Field(description="end it now")]
PlainLops = Annotated[list[str], BeforeValidator(_alone)]
PlainNames = Annotated[list[str] | None, BeforeValidator(_listed)]
PlainCount = Annotated[int | None, Field(gt=0)]
Lops = Annotated[PlainLops, Field(description="LOP files, folders, suite:NAME")]
AgentNames = Annotated[PlainNames, Field(description="names or globs; else the files' own")]
Hop = Annotated[str | None, Field(description="HOP file: how to evaluate")]
Repeats = Annotated[PlainCount, Field(description="trials per agent and task")]
Judges = Annotated[PlainNames, Field(description="agents that grade rubrics")]
Budget = Annotated[float | None, Field(description="most dollars", ge=0)]
BudgetIgnores = Annotated[PlainNames, Field(description="agents whose price may be unknown")]
BudgetSeconds = Annotated[float | None, Field(description="most seconds", ge=0)]
Confirm = Annotated[bool, Field(description="the user agreed")]
Resume = Annotated[str, Field(description="a stopped run, instead of lops")]
RunId = Annotated[str, Field(description="its id", min_length=1)]
RunOrNewest = Annotated[str, Field(description="else the newest")]
WaitSeconds = Annotated[float, Field(description="for its end, 600 at most", ge=0, le=600)]
Format = Annotated[str, AfterValidator(_format), Field(description="of the text", json_schema_extra=_with_formats)]
TaskOrTag = Annotated[str, Field(description="task or tag; else all")]
WeightsGiven = GivenWeights | None
ConstraintsGiven = GivenConstraints | None
Match = Annotated[str, Field(description="glob or part of a name; * for all")]
Within = Annotated[str, Field(description="suite:NAME or folder")]
Side = Annotated[str, Field(description="agent, cloud, local, last")]
Against = Annotated[str, Field(description="another run")]
