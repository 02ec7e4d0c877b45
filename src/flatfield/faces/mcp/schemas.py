"""What the tools are given and return, as pydantic models, and in how few words clients are told of it."""

from __future__ import annotations

import inspect
import shlex
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from mcp_types import CallToolResult, TextContent
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from flatfield import plugins
from flatfield.faces.wording import printable
from flatfield.tasks.loading import SUITE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mcp_types import Tool

    from flatfield.records import ReportTraits


_NAMES = frozenset({"properties", "$defs"})
"""Keys whose maps have names of our own as keys."""
_REFUSED = frozenset({"minimum", "maximum", "exclusiveMinimum", "minLength", "additionalProperties"})
"""What a model keeps to unasked: a call that does not is answered with what is valid."""


def told(tool: Tool) -> Tool:
    """A tool with a description without its indentation, and schemas without what Python adds to them."""
    return tool.model_copy(
        update={
            "description": inspect.cleandoc(tool.description or ""),
            "input_schema": given_to_clients(tool.input_schema),
            "output_schema": None if tool.output_schema is None else untitled(tool.output_schema),
        }
    )


def given_to_clients(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An input schema: no titles, nothing named elsewhere, no null for what may be left out, no bounds.

    All of it is still checked, and null is taken for what is left out.
    """
    plain = untitled(schema)
    known = plain.pop("$defs", {})
    found: dict[str, Any] = _short(plain, known)
    return found


def untitled(value: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """A schema without titles, which repeat names; properties called so stay."""
    if isinstance(value, list):
        return [untitled(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: untitled(each) for name, each in part.items()} if key in _NAMES else untitled(part)
        for key, part in value.items()
        if key != "title" or not isinstance(part, str)
    }


def _short(value: Any, known: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any part of a schema
    if isinstance(value, list):
        return [_short(each, known) for each in value]
    if not isinstance(value, dict):
        return value
    found = dict(value)
    options = [each for each in found.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) == 1:
        del found["anyOf"]
        found = options[0] | found
    if "$ref" in found:
        found = known[found.pop("$ref").rpartition("/")[2]] | found
    return {
        key: {name: _short(each, known) for name, each in part.items()} if key in _NAMES else _short(part, known)
        for key, part in found.items()
        if key not in _REFUSED and (key != "default" or part)
    }


# ---------------------------------------------------------------------------- what tools are given


def formats() -> Mapping[str, ReportTraits]:
    """The formats of reports that a client can be given, by their names: texts, which its model can read."""
    found = {name: plugins.report_traits(name) for name in plugins.names("report")}
    return {name: traits for name, traits in found.items() if not traits.on_terminal and not traits.is_file}


class GivenLimits(BaseModel):
    """What the agent may use at most; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    turns: int | None = Field(None, gt=0, description="else 20")
    seconds: float | None = Field(None, gt=0, description="active; else 300")
    output_tokens: int | None = Field(None, gt=0, description="else 16000")
    cost_usd: float | None = Field(None, gt=0)


class GivenWeights(BaseModel):
    """Shares."""

    model_config = ConfigDict(extra="forbid")

    performance: float = Field(0, ge=0)
    speed: float = Field(0, ge=0)
    cost: float = Field(0, ge=0)


class GivenConstraints(BaseModel):
    """Per trial."""

    model_config = ConfigDict(extra="forbid")

    min_performance: Annotated[Literal["S", "A", "B", "C", "D", "F"], WithJsonSchema({"type": "string"})] | None = None
    max_seconds: float | None = Field(None, gt=0)
    max_cost_usd: float | None = Field(None, ge=0)
    local_only: bool = False
    solved_usd: float | None = Field(None, gt=0)
    hour_usd: float | None = Field(None, ge=0)


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
Model = Annotated[str | None, Field(description="e.g. gpt-oss:20b")]
Provider = Annotated[str | None, Field(description="whose model, e.g. ollama")]
AgentName = Annotated[str | None, Field(description="configured agent, instead of model")]
Folder = Annotated[str | None, Field(description="folder to work in")]
LimitsGiven = Annotated[GivenLimits | None, Field(description="most it may use")]
Background = Annotated[bool, Field(description="return at once; then agent_result")]
ContinueTrial = Annotated[str | None, Field(description="go on with this trial's agent", min_length=1)]
CheckCommand = Annotated[str | None, Field(description="command to pass")]
Trial = Annotated[str, Field(description="trial id; else the latest")]
AgentWait = Annotated[float, Field(description="for its end", ge=0, le=3600)]
Cancel = Annotated[bool, Field(description="end it now")]
PlainLops = Annotated[list[str], BeforeValidator(_alone)]
PlainNames = Annotated[list[str] | None, BeforeValidator(_listed)]
PlainCount = Annotated[int | None, Field(gt=0)]
Lops = Annotated[PlainLops, Field(description="LOP files, folders, suite:NAME")]
AgentNames = Annotated[PlainNames, Field(description="names or globs; else the files' own")]
Hop = Annotated[str | None, Field(description="HOP file")]
Repeats = Annotated[PlainCount, Field(description="trials per agent and task")]
Judges = Annotated[PlainNames, Field(description="grade rubrics")]
Budget = Annotated[float | None, Field(description="dollars", ge=0)]
BudgetIgnores = Annotated[PlainNames, Field(description="agents of unknown price")]
BudgetSeconds = Annotated[float | None, Field(description="of time", ge=0)]
Confirm = Annotated[bool, Field(description="the user agreed")]
Resume = Annotated[str, Field(description="a stopped run, instead of lops")]
RunId = Annotated[str, Field(description="its id", min_length=1)]
RunOrNewest = Annotated[str, Field(description="else the newest")]
WaitSeconds = Annotated[float, Field(description="for its end, 600 at most", ge=0, le=600)]
Format = Annotated[str, AfterValidator(_format), Field(description="of the text", json_schema_extra=_with_formats)]
TaskOrTag = Annotated[str, Field(description="task, tag, kind of work")]
WeightsGiven = GivenWeights | None
ConstraintsGiven = GivenConstraints | None
Profile = Annotated[str, Field(description="of flatfield.toml")]
Match = Annotated[str, Field(description="glob or part of a name; * for all")]
Within = Annotated[str, Field(description="suite:NAME or folder")]
Side = Annotated[str, Field(description="agent, cloud, local, last")]
Against = Annotated[str, Field(description="another run")]


# ---------------------------------------------------------------------------- what tools return


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
    steps: list[str] = Field(default_factory=list, description="who worked on it, of a route or a cascade")
    chosen: str | None = Field(default=None, description="why this agent, where a route chose it")
    trial: str = Field(
        description="its id: for agent_result and continue_trial; flatfield://trials/ID holds all that happened"
    )


class Delegated(BaseModel):
    """What a nano agent did with a prompt."""

    success: bool | None = Field(description="null: it is still at work")
    result: str = Field(description="the agent's final answer")
    error: str | None = Field(description="why it did not succeed, in one sentence")
    execution_time_seconds: float = Field(description="the agent's own time: active_seconds")
    metadata: Metadata


# ---------------------------------------------------------------------------- of agents, tasks and runs


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
    """One agent's grades: letter, score and the letter's range on these tasks, null where not measured; means."""

    agent: str
    overall: str | None
    performance: str | None
    speed: str | None
    cost: str | None
    ranks: list[int] | None = Field(
        description="best and worst that the certainty on these tasks allows; null: a control"
    )
    trials: int
    measured: int
    seconds: float | None
    usd: float | None
    wrong_claims: int = Field(description="trials that it took for done, and checks say were not")


class Excluded(BaseModel):
    """An agent that a decision left out."""

    agent: str
    reason: str


class Loss(BaseModel):
    """What is lost if another agent is really the best."""

    mean: float
    worst: float = Field(description="in all but 1 of 20 cases")


class Contender(BaseModel):
    """One agent as the decision sees it, on tasks like these."""

    agent: str
    best: float = Field(description="probability of being the best of those that may be chosen")
    performance: float
    seconds: float | None
    usd: float | None
    front: float = Field(description="probability that nobody beats it on work, time and money together")
    within: float = Field(description="probability to keep to the limits")
    allowed: bool


class MoreTrials(BaseModel):
    """Trials that lower the loss most for their price."""

    command: str
    trials: int
    usd: float | None
    gain: float


class Decided(BaseModel):
    """Which agent to use, how sure that is, and what would change it."""

    answer: str = Field(description="the sentence that every report of the run says too")
    advice: list[str] = Field(description="what has to be said with it, the most important first")
    recommended: str | None
    runner_up: str | None
    probability: float | None
    regret: Loss | None = Field(description="in `unit`")
    unit: str = Field(description="score: overall, 0 to 1; usd: dollars per task")
    if_missing_fail: str | None = Field(description="who it is if all that is missing had failed")
    contenders: list[Contender] = Field(description="best first")
    front: list[str]
    next_trials: list[MoreTrials]
    excluded: list[Excluded]
    runs: list[str] = Field(description="whose trials it stands on")


class Choice(Decided):
    """A decision, and of which run it is."""

    run: str = Field(description="empty: nothing is measured here, it is what others published")
    task: str = Field(default="", description="the task, tag or kind of work that it is for; empty: all of the run")


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
    interval: list[float] = Field(description="95%, on these tasks")
    probability: float = Field(description="of the first being the better on these tasks")
    next_probability: float = Field(description="the same on the next task like these")
    p_value: float = Field(description="of a permutation test within these tasks")
    tasks: int
    trials: list[int]
    left_out: int = Field(description="tasks that were not done by both, or not the same")


class Comparisons(BaseModel):
    """One or more comparisons."""

    comparisons: list[Compared]
