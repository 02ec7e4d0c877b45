"""Every value that travels between rooms: frozen, keyword-only, and importing nothing of ours.

Seconds, tokens and dollars are in the fields' names. `None` means "not known" or "not measured", never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping  # noqa: TC003 - msgspec may resolve this module's annotations at runtime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field, structs

Letter = Literal["S", "A", "B", "C", "D", "F"]
Stop = Literal[
    "answered",
    "turn_limit",
    "time_limit",
    "token_limit",
    "cost_limit",
    "context_limit",
    "refused",
    "cancelled",
    "error",
]
MIDPOINTS: Mapping[Letter, float] = {"S": 0.975, "A": 0.90, "B": 0.775, "C": 0.60, "D": 0.375, "F": 0.125}
"""What a letter given from outside (a judge, a published table) counts as: the middle of its band."""
Finish = Literal["stop", "tool_calls", "length", "refused", "time", "context", "repeats", "paused"]
"""Why one reply ended: done, tools asked for, output cap hit, refused, out of time, or the context window is full.

"repeats": it said the same again and again, and was ended. "paused": the vendor goes on with it, in the same turn.
"""
ToolProtocol = Literal["native", "text", "json"]
"""How a model calls tools: as its API has it; as text in its own form, read by us; as JSON that the prompt asks for."""

MOST: Final = 10**12
"""No trial's seconds or dollars and no weight are more than this: sums and ratios of such numbers stay numbers."""
Seconds = Annotated[float, Meta(ge=0.0, le=MOST)]
Dollars = Annotated[float, Meta(ge=0.0, le=MOST)]
Weight = Annotated[float, Meta(ge=0.0, le=MOST)]
Score = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
"""Tokens, bytes and how many there are of something: what a float holds exactly."""
CHARACTERS_PER_TOKEN: Final = 4
"""Of text and of the bytes of a request: a rough count, for limits and marked estimates, where none was counted."""

# ---------------------------------------------------------------------------- what people write


class Mistake(Struct, frozen=True, kw_only=True):
    """One mistake in a file: where (`line` counts from 1), what is wrong, what would be right."""

    path: str
    line: int
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.problem}; {self.fix}"


class Limits(Struct, frozen=True, kw_only=True):
    """What one trial may use at most; `seconds` counts active time (model and tools)."""

    turns: int = 20
    seconds: float = 300.0
    output_tokens: int = 16_000
    cost_usd: float | None = None


class LimitChanges(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Limits that an evaluation sets in the place of its tasks'; None: the task's holds."""

    turns: int | None = None
    seconds: float | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


class Targets(Struct, frozen=True, kw_only=True):
    """What a good trial of a task takes at most; the anchors of the absolute scale."""

    seconds: float | None = None
    cost_usd: float | None = None


class VerifierSpec(Struct, frozen=True, kw_only=True):
    """One item of a LOP's `verify:` list; `options` is the map under `kind`, already validated.

    `full_at` is the score from which all of it is done.
    """

    kind: str
    options: dict[str, Any]
    weight: float = 1.0
    full_at: float = 1.0
    skill: str | None = None
    line: int = 0


class SolutionStep(Struct, frozen=True, kw_only=True):
    """One step of a task's known solution: a tool call, or the final answer (`tool` is None)."""

    tool: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    answer: str = ""


class Sabotage(Struct, frozen=True, kw_only=True):
    """A way to get a task wrong on purpose: its solution with changes that the task's checks must notice.

    `skip`: positions in `Task.solution` that are left out; `steps`: tool calls made after the others; `answer` None:
    the solution's; `breaks`: positions in `Task.verifiers` of the checks that it must fail. Positions count from 0.
    """

    name: str
    skip: tuple[int, ...] = ()
    steps: tuple[SolutionStep, ...] = ()
    answer: str | None = None
    breaks: tuple[int, ...] = ()
    line: int = 0


class Task(Struct, frozen=True, kw_only=True):
    """A lower order prompt: what to do, where, and how it is verified.

    `path` is the LOP's file ("" when built in memory); `workspace` the absolute folder to copy, None for "the
    current directory" (plain LOPs); `files` are inline files; `packages` the absolute folder of Python packages that
    commands can import. `digest` is a SHA-256 over the LOP and all that it names. `level`: how hard it is, from 0 on,
    None where its author does not say. `generated_from`: the LOP that this one was made from with `seed`; "" and None
    for one that was written as it is.
    """

    id: str
    title: str
    prompt: str
    path: str = ""
    digest: str = ""
    plain: bool = False
    level: int | None = None
    tags: tuple[str, ...] = ()
    instructions: str = ""
    agents: tuple[str, ...] = ()
    expected: str = ""
    rubric: str = ""
    workspace: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    packages: str | None = None
    tools: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    targets: Targets = field(default_factory=Targets)
    repeats: int | None = None
    verifiers: tuple[VerifierSpec, ...] = ()
    solution: tuple[SolutionStep, ...] = ()
    sabotages: tuple[Sabotage, ...] = ()
    notes: tuple[str, ...] = ()
    generated_from: str = ""
    seed: int | None = None


SHIPPED = "shipped"
TYPED = "command line"
"""What an agent's `source` says where it was read in no file: flatfield brings it along, or the user typed it."""


class AgentConfig(Struct, frozen=True, kw_only=True):
    """A named configuration of a model; the scaffold around it is the same for all.

    `source` says where it was read, for people; `folder` is the absolute folder of the project that wrote it, "" for
    what the user typed and what flatfield brings along. `on_device` None means "decided by the provider". `tools` None
    means "the task's". `protocol` None: as its provider usually has it; "auto": it is found out before the first trial.
    `gpu_layers`: how many of a local model's layers go to the GPU, None for as many as fit. `command` and `output` are
    an external agent's (provider `cli`): how it is started, and in which form it reports. `subscription`: a flat rate
    pays for it, so that one more trial costs nothing. `steps` and `check` are a cascade's: the agents that it tries,
    the first first, and what says of the work of one that the next is not needed.
    `route` says by what an agent that only chooses another one chooses it; its `steps` are those that it chooses among.
    """

    name: str
    provider: str
    model: str = ""
    base_url: str | None = None
    api_key_env: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    temperature: float | None = None
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    context_tokens: int | None = None
    gpu_layers: int | None = None
    protocol: Literal["auto", "native", "text", "json"] | None = None
    on_device: bool | None = None
    usd_per_hour: float | None = None
    system_prompt: str | None = None
    tools: tuple[str, ...] | None = None
    command: tuple[str, ...] = ()
    output: str | None = None
    subscription: bool = False
    steps: tuple[AgentConfig, ...] = ()
    check: str | None = None
    route: str | None = None
    description: str = ""
    source: str = ""
    folder: str = ""

    @property
    def members(self) -> tuple[AgentConfig, ...]:
        """Those that ask models: a cascade's steps, or the agent itself."""
        return self.steps or (self,)

    @property
    def prepaid(self) -> bool:
        """Whether a flat rate pays for all that it asks."""
        return all(member.subscription for member in self.members)

    @property
    def is_shipped(self) -> bool:
        """Whether flatfield brings it along."""
        return self.source == SHIPPED

    @property
    def is_typed(self) -> bool:
        """Whether it was named on the spot, by what it is made of: it stands in no file."""
        return self.source in {"", TYPED}

    @property
    def typed_as(self) -> str:
        """What a user types to have it again: its name, which no file gives it where it was named on the spot."""
        spec = f"{self.provider}:{self.model}{f'@{self.base_url}' if self.base_url else ''}"
        return spec if self.is_typed and self.name.startswith(f"{self.provider}:") else self.name


class Price(Struct, frozen=True, kw_only=True):
    """A price that a user or a vendor's package states, in USD per million tokens.

    A cache price left out is the input price, but for what is kept for an hour: of that no price is then known.
    `source` says where it was read.
    """

    input_mtok: float
    output_mtok: float
    cache_read_mtok: float | None = None
    cache_write_mtok: float | None = None
    cache_write_1h_mtok: float | None = None
    source: str = ""


class LaneLimits(Struct, frozen=True, kw_only=True):
    """How much one server is asked at once and in a minute; None: flatfield's own width, or no limit.

    `tokens_per_minute` counts input and output. `source` says where it was read.
    """

    concurrent: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    source: str = ""


class Weights(Struct, frozen=True, kw_only=True):
    """How much each of the three scores counts in the overall one; only their proportions matter."""

    performance: float = 0.5
    speed: float = 0.25
    cost: float = 0.25


class Preferences(Struct, frozen=True, kw_only=True):
    """What matters to who asks which agent to use; `profile` names it in flatfield.toml, "" where it stands in none.

    By weights (None: the run's own), or in money: what a solved task is worth and what an hour of waiting costs, in
    dollars. Then the limits that an agent has to keep to; None: no such limit.
    """

    profile: str = ""
    weights: Weights | None = None
    solved_usd: float | None = None
    hour_usd: float | None = None
    min_performance: Letter | None = None
    max_seconds: float | None = None
    max_cost_usd: float | None = None
    local_only: bool = False


class Evaluation(Struct, frozen=True, kw_only=True):
    """A higher order prompt: which agents, how often, how graded.

    `seed` shuffles the trials and makes generated tasks; `jobs`: how many trials run at once, None for flatfield's
    usual. `budget_ignores`: the agents that `budget_usd` lets go on though nobody knows what they cost.
    `budget_seconds` is wall time of one sitting. `judge_weight`: how much the judges count beside verifiers, from 0
    (not) to 1 (alone). `typed`: the fields that the user gave on the command line, not in the file at `path`.
    """

    title: str = "Evaluation"
    path: str = ""
    body: str = ""
    agents: tuple[str, ...] = ()
    repeats: int | None = None
    seed: int = 0
    jobs: int | None = None
    limits: LimitChanges = field(default_factory=LimitChanges)
    budget_usd: float | None = None
    budget_ignores: tuple[str, ...] = ()
    budget_seconds: float | None = None
    judge: tuple[str, ...] = ()
    judge_weight: float = 0.0
    weights: Weights = field(default_factory=Weights)
    names: Literal["neutral", "actual"] = "neutral"
    typed: tuple[str, ...] = ()


# ---------------------------------------------------------------------------- what a vendor says of itself


class Traits(Struct, frozen=True, kw_only=True):
    """What a vendor's package states about itself, so that nobody else keeps a list of vendors.

    `name` is the key that users write after `provider =`; `other_names` are what else people call it there by mistake.

    Address and key: `url` is its own address, `url_variable` the environment variable that names another one,
    `key_variables` those that hold its keys, `key_headers` the headers that bring
    them (in lower case), and `key_host` the host that they are for where it is not that of `url`.
    `usual_key_variables`: others that people who use it often have, which an agent names with `api_key_env`.
    `asks_server` False: nobody is asked over a network. `own_server`: its servers hold whatever their users put there.

    Models: `price_name` is what genai-prices calls it, "" where an address alone tells the price. `model_prefix` may
    stand before a model's name, and is no part of it in a price list. `maker` is who makes the models that it serves at
    its own address ("": anybody), and `makes` a regular expression for the words in models' names that are the maker's.
    `known_as`: words by which a judge would know the vendor or its models; `is_word`: `name` is also an everyday word,
    which tells a judge nothing.

    `device`: whether its models run on the user's own device: always, where the address says so, or where the agent's
    `on_device` does. `sizes_context`: it loads a model with the context that it is told; `loaded_context_tokens`: with
    this one where it is told none. `finds_protocol`: whether a tool protocol is found out where an agent names none:
    always, never, or where the address is on loopback. `unsupported`: fields of an agent's configuration that its API
    has for no model.

    `is_control`: it needs no model and is compared with nothing. `is_scaffold`: a turn of it is the whole run of
    another agent, which takes a `command` and reports in one of `outputs`. `runs_code`: it starts programs as the user.
    `takes_subscriptions`: its agents may be paid by a flat rate, as their `subscription` says.
    `litellm_name` is what LiteLLM calls it, "" where it does not ask it. Claude Code Router asks it at its address and
    `router_path`, through the transformer `router_form` ("": none, as the API is OpenAI's of chats).
    `recalls`: its conversations are `vendors.base.Talk`, and go on from the record of an earlier one word for word.
    `color`: that of its sub-agents in Claude Code, and where it is a maker, of its models in pictures.
    """

    name: str
    other_names: tuple[str, ...] = ()
    url: str = ""
    url_variable: str = ""
    key_variables: tuple[str, ...] = ()
    key_headers: tuple[str, ...] = ("authorization",)
    key_host: str = ""
    usual_key_variables: tuple[str, ...] = ()
    asks_server: bool = True
    own_server: bool = False
    price_name: str = ""
    model_prefix: str = ""
    maker: str = ""
    makes: str = ""
    known_as: tuple[str, ...] = ()
    is_word: bool = False
    device: Literal["always", "by address", "as configured"] = "as configured"
    sizes_context: bool = False
    loaded_context_tokens: int | None = None
    finds_protocol: Literal["always", "on loopback", "never"] = "never"
    unsupported: tuple[str, ...] = ()
    is_control: bool = False
    is_scaffold: bool = False
    outputs: tuple[str, ...] = ()
    runs_code: bool = False
    takes_subscriptions: bool = False
    recalls: bool = False
    litellm_name: str = ""
    router_path: str = ""
    router_form: str = ""
    color: str = "yellow"

    @property
    def own_host(self) -> str:
        """The host and port that the keys in its variables are for; "" where it has no address of its own."""
        return self.key_host or self.url.partition("://")[2].partition("/")[0]

    @property
    def is_on_device(self) -> bool:
        """Whether its models run on the user's own device whatever an agent says."""
        return self.device == "always"

    @property
    def is_usually_on_device(self) -> bool:
        """Whether its models run on the user's own device where an agent says nothing else."""
        return self.device != "as configured"


# ---------------------------------------------------------------------------- what other parts say of themselves


class ToolTraits(Struct, frozen=True, kw_only=True):
    """What a tool's file states about it, so that nobody else asks for its name.

    `default_place`: where it stands among the tools of a task that names none, from 1; None: only tasks that name it
    have it. `needs_sandbox`: it runs commands; a trial that has it is not done where there is no sandbox.
    `shields_folder`: in a user's own folder it keeps its commands from what is protected there; one that does not is
    not given to an agent that works in it. `looks_only`: a call leaves nothing behind.

    `path_argument` names the argument that holds the path of the file which it writes, "" where it writes no file that
    its arguments name; `content_argument` the one that holds the file's whole new text, "" where it changes a part.
    `command_argument`: the one that holds a command line for a shell, "" where it runs none.
    `aliases`: what such a tool is called elsewhere, in lower case, so that a model that uses such a name is told ours.
    """

    default_place: int | None = None
    needs_sandbox: bool = False
    shields_folder: bool = False
    looks_only: bool = False
    path_argument: str = ""
    content_argument: str = ""
    command_argument: str = ""
    aliases: tuple[str, ...] = ()


class VerifierTraits(Struct, frozen=True, kw_only=True):
    """What a verifier's file states about it, so that nobody else asks for its name.

    What is not stated is taken to be as here: of most of them nobody knows whether they run code.

    `runs_code`: it runs somebody's code, which may keep this device busy: it waits while a model is measured there.
    `needs_sandbox`: it runs commands in the workspace, in the sandbox. It comes after those that do not, so that these
    see the workspace as the agent left it; without a sandbox it is "not measured". `judged`: its options are items
    that the judge grades, a text, a list, or a list below `items`; it measures nothing itself, and none of its checks
    counts as one. `hidden_options`: those that name files beside the task which its agent must not see (`value`: the
    text that stands for all options); what follows `::` is no part of such a name.
    """

    runs_code: bool = True
    needs_sandbox: bool = False
    judged: bool = False
    hidden_options: tuple[str, ...] = ("hidden",)


class ReportTraits(Struct, frozen=True, kw_only=True):
    """What a report format's file states about it, so that nobody else asks for its name.

    `media_type` is that of its text. `on_terminal`: it is drawn on a terminal, by `show(result, console)`, and is of no
    use to an MCP client. `is_json`: it is what `--json` stands for. `is_prose`: people read its text as it is.
    `is_file`: a picture or a page, text or bytes, for another program than a terminal to show; of no use to an MCP
    client either.
    """

    media_type: str = "text/plain"
    on_terminal: bool = False
    is_json: bool = False
    is_prose: bool = False
    is_file: bool = False


# ---------------------------------------------------------------------------- one turn


class ToolSpec(Struct, frozen=True, kw_only=True):
    """What a model is told of a tool; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any]


class ProbeStep(Struct, frozen=True, kw_only=True):
    """One call of a probe's tool, and what it returns."""

    arguments: dict[str, str]
    result: str


class Probe(Struct, frozen=True, kw_only=True):
    """A small question that shows whether a model calls a tool as it is meant to.

    `steps` are the calls that it asks for, one a reply; then the model must end with an answer that holds `answer`.
    """

    prompt: str
    steps: tuple[ProbeStep, ...] = ()
    answer: str = ""


class ToolCall(Struct, frozen=True, kw_only=True):
    """A call as the model wrote it; `arguments` is its JSON text, not yet trusted to be JSON."""

    id: str
    name: str
    arguments: str


class ToolResult(Struct, frozen=True, kw_only=True):
    """What a call returned to the model; `ok` False when it was an error message.

    `sandbox_seconds`: what the harness took beside it to start and to leave a sandbox; in no others but the wall's.
    """

    call_id: str
    name: str
    text: str
    ok: bool = True
    seconds: Seconds = 0.0
    sandbox_seconds: Seconds = 0.0


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens as the API reported them: input includes cached, output includes reasoning.

    `cache_write_1h_tokens` are those of the written ones that are kept for an hour, which costs more.
    """

    input_tokens: Count = 0
    cache_read_tokens: Count = 0
    cache_write_tokens: Count = 0
    cache_write_1h_tokens: Count = 0
    output_tokens: Count = 0
    reasoning_tokens: Count = 0


def total_usage(usages: Iterable[Usage | None]) -> Usage | None:
    """The sum; None when one is not known, because a sum of the rest would be too small, and when there are none."""
    told = list(usages)
    known = [usage for usage in told if usage is not None]
    if not known or len(known) < len(told):
        return None
    return Usage(**{name: sum(getattr(usage, name) for usage in known) for name in Usage.__struct_fields__})


class TurnBudget(Struct, frozen=True, kw_only=True):
    """What is left of the trial's limits for the next turn."""

    seconds: float
    output_tokens: int


class Abandoned(Struct, frozen=True, kw_only=True):
    """What an attempt used of which the first token had come, and which then broke off: a vendor may bill it.

    `usage` is what the API had counted until then; with `estimated`, what it had not counted yet is guessed from the
    text that had come. `kept`: a limit of the trial ended the attempt, and its text is the reply's, so that this stands
    for the reply's own usage, which the API never told.
    """

    usage: Usage
    estimated: bool
    kept: bool = False


class Wire(Struct, frozen=True, kw_only=True):
    """One exchange with an API; `agent.http.wire.rebuilt` takes it out again.

    The request's body is the first `kept_bytes` of the one before it and then `sent`; `checksum` is the CRC-32 of the
    whole. `sent` and `received` are zlib streams. Values of headers that may hold a key are hidden. `failure` says why
    an attempt failed, "" for one that succeeded; of those that failed, `status` (None: no answer came) and
    `received_headers` are kept too, and `received` is cut, which its last line then says.
    """

    url: str
    headers: dict[str, str]
    kept_bytes: Count
    sent: bytes
    checksum: int
    received: bytes
    failure: str = ""
    status: int | None = None
    received_headers: dict[str, str] = field(default_factory=dict)


class Leftover(Struct, frozen=True, kw_only=True):
    """What a request took that no reply came of.

    `retry_seconds`: failed attempts and back-off; `queue_seconds`: waiting for the server's lane. `wire`: its attempts
    as they went over it; `abandoned`: what those used that broke off after their first token.
    """

    retry_seconds: Seconds = 0.0
    queue_seconds: Seconds = 0.0
    wire: tuple[Wire, ...] = ()
    abandoned: tuple[Abandoned, ...] = ()


class Sent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request as it was sent, without conversation and keys, and what its reply says of how it was served.

    `api` is the API's name for people. `model` was asked for; `answered_by` is the
    model that the reply names, "" where it names none. `base_url` "": the vendor's own. `price_vendor`: whose models
    they are, as prices call it, where that is not the agent's own vendor.

    `system` is a digest of the system prompt that was sent, with what the protocol adds to it; of another scaffold, of
    which we do not see that, `system_words` says what is known. `tools`: names of tools; `tools_digest` covers their
    schemas. `tool_template`: which template writes tools into the prompt; `tools_ignored`: the model's has no place for
    them. `model_file`: a digest of a local model's file; `gpu_layers` of its `model_layers` are on a GPU.

    Settings None were not sent. `not_accepted`: settings of the agent's configuration that were left out because the
    model does not take them. `thinking`: what the API was told in the place of an effort, as JSON. `parameters`: what
    else was sent, as the API calls it, for people; long texts as digests.
    """

    api: str = ""
    base_url: str = ""
    api_version: str = ""
    model: str = ""
    answered_by: str = ""
    models: tuple[str, ...] = ()
    price_vendor: str = ""
    service_tier: str = ""
    stream: bool | None = None
    protocol: str = ""
    system: str = ""
    system_words: str = ""
    tools: tuple[str, ...] | None = None
    tools_digest: str = ""
    tool_template: str = ""
    tools_ignored: bool = False
    model_file: str = ""
    gpu_layers: int | None = None
    model_layers: int | None = None
    output_cap_tokens: int | None = None
    context_tokens: int | None = None
    temperature: float | None = None
    reasoning_effort: str | None = None
    thinking: Any = None
    not_accepted: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def is_on_record(self) -> bool:
        """Whether anything of the request is."""
        return self != Sent()


class ModelUse(Struct, frozen=True, kw_only=True):
    """What a scaffold's run used of one model, by the name that prices know it by.

    `usage` None: what it used has no price that is known, or it is not told. `reported_cost_usd` is what the scaffold
    says that this cost.
    """

    model: str
    usage: Usage | None = None
    reported_cost_usd: Dollars | None = None


class ScaffoldWork(Struct, frozen=True, kw_only=True):
    """What another scaffold than ours says that it did in its run; None: it does not say. `version` "": not known.

    `obeys`: what of the workspace's own settings it may have obeyed, in words; "" for nothing. `by_model`: what it used
    of each model; () where it does not tell them apart.
    """

    name: str
    version: str = ""
    turns: Count | None = None
    tool_calls: Count | None = None
    obeys: str = ""
    by_model: tuple[ModelUse, ...] = ()


class DeviceWork(Struct, frozen=True, kw_only=True):
    """What a model's own server says that one reply took on its device.

    `read_tokens` are those of the prompt that were read anew, without cached ones; `written_tokens` those of the reply.
    `peak_memory_bytes` is the most that the server's process has held so far, or what the server says that the model
    takes; so much of it as `gpu_memory_bytes` is a GPU's. None: not known.
    """

    read_tokens: Count = 0
    read_seconds: Seconds = 0.0
    written_tokens: Count = 0
    written_seconds: Seconds = 0.0
    peak_memory_bytes: Count | None = None
    gpu_memory_bytes: Count | None = None


class Reply(Struct, frozen=True, kw_only=True):
    """What the model sent in one turn, and what that took.

    `model_seconds`: request sent to last byte of the attempt that succeeded; `retry_seconds`: failed attempts and
    back-off; `queue_seconds`: waiting for the server's lane before each attempt, in neither of them; `load_seconds`: a
    local model's loading. `pieces`: at how many moments some of it came, None: not known. `silent_seconds`: for so
    long nothing had come of the model when its time was over; `has_headers` False: not even an answer's headers had.
    `usage` None when the API reported none.
    `reported_cost_usd` is what the API itself says the reply cost, None where it says nothing. `abandoned` counts the
    failed attempts of which the first token had come, `abandoned_usage` says what each used: `usage` does not hold it.
    `wire`: the exchanges that it took, in order, those of failed attempts included. `scaffold`: the reply is the whole
    run of another scaffold than ours. `device`: what a server on the desk measured itself.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    finish: Finish = "stop"
    usage: Usage | None = None
    first_token_seconds: Seconds | None = None
    pieces: Count | None = None
    model_seconds: Seconds = 0.0
    silent_seconds: Seconds = 0.0
    has_headers: bool = True
    retry_seconds: Seconds = 0.0
    queue_seconds: Seconds = 0.0
    load_seconds: Seconds = 0.0
    attempts: Count = 1
    reasoning: str = ""
    request: Sent = field(default_factory=Sent)
    reported_cost_usd: Dollars | None = None
    abandoned: Count = 0
    abandoned_usage: tuple[Abandoned, ...] = ()
    wire: tuple[Wire, ...] = ()
    scaffold: ScaffoldWork | None = None
    device: DeviceWork | None = None

    @property
    def by_model(self) -> tuple[Reply, ...]:
        """The reply as one of each model that had a part in it, to be priced each at its own price."""
        used = self.scaffold.by_model if self.scaffold else ()
        return tuple(
            structs.replace(
                self,
                usage=each.usage,
                request=structs.replace(self.request, model=each.model),
                reported_cost_usd=each.reported_cost_usd,
            )
            for each in used
        ) or (self,)


class Turn(Struct, frozen=True, kw_only=True):
    """One request to the model and the tool calls that it asked for.

    `sandbox_seconds`: what sandboxes took to start and to be left, which is no part of `tools_seconds`.
    `lag_seconds`: the largest lag of the event loop meanwhile, None where it was not measured. `cost_usd` includes
    `abandoned_cost_usd`, what the reply's abandoned attempts cost (None: no price known).
    """

    reply: Reply
    results: tuple[ToolResult, ...] = ()
    queue_seconds: Seconds = 0.0
    tools_seconds: Seconds = 0.0
    sandbox_seconds: Seconds = 0.0
    cost_usd: Dollars | None = None
    abandoned_cost_usd: Dollars | None = 0.0
    lag_seconds: Seconds | None = None


# ---------------------------------------------------------------------------- one trial


class FileChange(Struct, frozen=True, kw_only=True):
    """A file that the agent added, modified or deleted; `text` None when binary, deleted or over the cap."""

    path: str
    kind: Literal["added", "modified", "deleted"]
    size_bytes: Count = 0
    text: str | None = None


Trouble = Literal["", "data", "code", "time"]


class Check(Struct, frozen=True, kw_only=True):
    """A verifier's finding: a score in 0..1, or None for "not measured"; always a reason.

    From `full_at` on, all of it is done. `trouble` is why a verifier itself came to no score: `data`, it failed on what
    the agent had left; `code`, it failed otherwise; `time`, it took too long. What that says about the agent is decided
    over all trials of the task. `took_seconds` is how long the verifier needed.
    """

    verifier: str
    label: str
    score: Score | None
    reason: str
    weight: Weight = 1.0
    full_at: Score = 1.0
    skill: str | None = None
    output: str = ""
    trouble: Trouble = ""
    took_seconds: float | None = None


class Failure(Struct, frozen=True, kw_only=True):
    """The harness failed, not the model: the trial is "not measured"."""

    kind: Literal["not_ready", "provider", "workspace", "sandbox", "harness", "interrupted"]
    message: str


class TrialPlan(Struct, frozen=True, kw_only=True):
    """A trial to be done: names into the run's tasks and agents; `repeat` counts from 1."""

    run: str
    agent: str
    task: str
    repeat: int

    @property
    def id(self) -> str:
        """`RUN/agent/task/repeat`."""
        return f"{self.run}/{self.agent}/{self.task}/{self.repeat}"


class CascadeStep(Struct, frozen=True, kw_only=True):
    """One step's part in a cascade's trial: its `agent`, so many of the trial's turns, how it ended, what it took.

    `passed`: what the check said of its work, None where it was not asked: the last step's work is taken in any case.
    `reason`: the check's words. `check_seconds` and `check_usd` are the check's own (None: no price known), which the
    trial's seconds and dollars include. `priced`: at which prices its tokens were priced, in words; "" not on record.
    """

    agent: str
    turns: Count
    stop: Stop
    answer: str = ""
    passed: bool | None = None
    reason: str = ""
    active_seconds: Seconds = 0.0
    cost_usd: Dollars | None = None
    check_seconds: Seconds = 0.0
    check_usd: Dollars | None = 0.0
    priced: str = ""


class TrialRecord(Struct, frozen=True, kw_only=True):
    """Everything that one trial did and used; what grades are computed from.

    `failure` set means "not measured". `wall_seconds` covers it all; `active_seconds` = model + tools.
    `sandbox_seconds`, what sandboxes took to start and to be left for its commands, are in neither.
    `reported_cost_usd` is the sum of what the API itself says the turns cost, None where it does not for all of them.
    `priced` says in words at which prices its tokens were priced; "" where nothing was.
    `cost_usd` includes `abandoned_cost_usd`, what abandoned attempts cost (None: no price known for one of them).
    `unanswered` and `abandoned_usage`: the exchanges of the request that ended the trial without a reply, and what its
    attempts used.
    `imported`: taken over from published figures (`published` holds them), not measured here.
    `attempt` names this attempt at the trial and no other one, also of the same trial.
    `continues`: the trial whose conversation and workspace this one went on with; "" for none.
    `steps`: of a cascade's trial, those that were tried, in order; its seconds and dollars are theirs and the checks',
    its answer, changes and checks those of the last of them.
    `single`: of a route's trial, who was the best single agent by all other tasks; "" where nobody knew.
    """

    run: str
    agent: str
    task: str
    repeat: int
    task_digest: str
    agent_fingerprint: str
    stop: Stop
    answer: str = ""
    system_prompt: str = ""
    prompt: str = ""
    turns: tuple[Turn, ...] = ()
    usage: Usage | None = None
    cost_usd: Dollars | None = None
    abandoned_cost_usd: Dollars | None = 0.0
    abandoned_usage: tuple[Abandoned, ...] = ()
    unanswered: tuple[Wire, ...] = ()
    device_cost_usd: Dollars | None = None
    reported_cost_usd: Dollars | None = None
    priced: str = ""
    started_at: str = ""
    queue_seconds: Seconds = 0.0
    retry_seconds: Seconds = 0.0
    load_seconds: Seconds = 0.0
    first_token_seconds: Seconds | None = None
    model_seconds: Seconds = 0.0
    tools_seconds: Seconds = 0.0
    sandbox_seconds: Seconds = 0.0
    wall_seconds: Seconds = 0.0
    active_seconds: Seconds = 0.0
    changes: tuple[FileChange, ...] = ()
    checks: tuple[Check, ...] = ()
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    imported: bool = False
    published: dict[str, Any] = field(default_factory=dict)
    attempt: str = ""
    continues: str = ""
    steps: tuple[CascadeStep, ...] = ()
    single: str = ""

    @property
    def id(self) -> str:
        """`RUN/agent/task/repeat`."""
        return f"{self.run}/{self.agent}/{self.task}/{self.repeat}"

    @property
    def turn_count(self) -> int | None:
        """How many turns it took; of another scaffold, as many as it says, None where it does not."""
        counts = [turn.reply.scaffold.turns if turn.reply.scaffold else 1 for turn in self.turns]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def tool_calls(self) -> int | None:
        """How many tool calls the model made; of another scaffold, as many as it says, None where it does not."""
        replies = [turn.reply for turn in self.turns]
        counts = [reply.scaffold.tool_calls if reply.scaffold else len(reply.calls) for reply in replies]
        return None if None in counts else sum(count or 0 for count in counts)


class Placed(Struct, frozen=True, kw_only=True):
    """The letter that an answer got at one place, counted from 1, of a list that a judge compared."""

    place: int
    letter: Letter


class Verdict(Struct, frozen=True, kw_only=True):
    """One judge's letter for one trial; letter None when the judge failed, `reason` then says how.

    `evidence`: its quotes that are in what it was shown. `trial_started_at` tells which of a trial's versions it speaks
    of; `judge_vendor` who made the judge's model, where that is known; `placed` what it gave in each order of a list.
    `unasked`: a request for it failed at the server or on the way there, which is no word on the judge. `cost_usd` is
    the evaluation's overhead, never the judged model's.
    """

    run: str
    agent: str
    task: str
    repeat: int
    judge: str
    letter: Letter | None
    reason: str
    mode: Literal["item", "list"] = "item"
    cost_usd: Dollars | None = None
    usage: Usage | None = None
    evidence: tuple[str, ...] = ()
    judged_at: str = ""
    trial_started_at: str = ""
    judge_vendor: str | None = None
    placed: tuple[Placed, ...] = ()
    unasked: bool = False


# ---------------------------------------------------------------------------- one run


class ManifestRow(Struct, frozen=True, kw_only=True):
    """One property, side by side for all agents: what each one really received.

    `varies`: the agents that did not receive the same in all turns and trials of a task; `absent`: those that did not
    run, which their value says too.
    """

    heading: Literal["context", "model", "prompt"]
    label: str
    values: dict[str, str]
    differs: bool = False
    varies: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    note: str = ""


class Probed(Struct, frozen=True, kw_only=True):
    """How an agent's tool protocol was found out: how many of `probes` fixed probes were passed under which protocols.

    A protocol that could not be the best any more was not tried to the end. `probed_at`: when; `problem`: why nothing
    was found out, and the protocol is the API's own.
    """

    protocol: ToolProtocol
    passed: dict[str, int] = field(default_factory=dict)
    probes: int = 0
    probed_at: str = ""
    problem: str = ""


class Variation(Struct, frozen=True, kw_only=True):
    """An agent of a run that is another one of it, the `baseline`, with one setting otherwise.

    `factor`: the setting's name; `value`: what it is, and `was` what the baseline has, as users write them.
    """

    agent: str
    baseline: str
    factor: str
    value: str
    was: str = ""


class Round(Struct, frozen=True, kw_only=True):
    """A round of `--until-sure`: how many trials it added, and the pairs of agents that were not told apart before.

    `open_pairs` () is "not known".
    """

    trials: int
    open_pairs: tuple[tuple[str, str], ...] = ()


class Run(Struct, frozen=True, kw_only=True):
    """One execution of an evaluation: what was planned, with which versions.

    `rosters`: the names of the agents that each task is done by, by task id; a task that is not in it is done by all.
    `source`: the folder that plain LOPs are given a copy of, so that a resumed run copies the same one.
    `anchors`: the ends of its relative scales from before agents were added; kept, so that adding re-letters nobody.
    `began_with`: how many agents were compared before others were added, 0 when none were; it keeps neutral names.
    `delegated`: one prompt that a client handed to one agent; never "the newest run".
    `begun`: all that it needs was found ready, and its trials may start; `versions` has its prices from then on.
    `added`: by task and agent, the repeats that came to those of its plan because its order was not settled; `rounds`
    are those that brought them, and `rounds_ended` what was known when they last ended, in words that are notes too.
    `probed`: by agent, how its tool protocol was found out, where it was.
    `variations`: where it asks which setting makes the difference, which of its agents is which variation of one.
    `imported`: not measured here; `origin` then says what its figures are, to be read after "imported from".
    `timed` False: nobody told how long its trials took, so that their seconds, which are 0, count nowhere.
    """

    id: str
    created_at: str
    evaluation: Evaluation
    tasks: tuple[Task, ...]
    agents: tuple[AgentConfig, ...]
    repeats: dict[str, int]
    rosters: dict[str, tuple[str, ...]] = field(default_factory=dict)
    controls: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    command: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    imported: bool = False
    origin: str = "published figures"
    timed: bool = True
    delegated: bool = False
    anchors: tuple[Anchors, ...] = ()
    began_with: int = 0
    panel: tuple[str, ...] = ()
    begun: bool = False
    added: dict[str, dict[str, int]] = field(default_factory=dict)
    rounds: tuple[Round, ...] = ()
    rounds_ended: tuple[str, ...] = ()
    probed: dict[str, Probed] = field(default_factory=dict)
    variations: tuple[Variation, ...] = ()

    def added_to(self, task: str, agent: str) -> int:
        """How many repeats came to the plan's for one agent on one task."""
        return self.added.get(task, {}).get(agent, 0)


class Imported(Struct, frozen=True, kw_only=True):
    """A run with its trials and verdicts, taken over from elsewhere: what an importer returns."""

    run: Run
    trials: tuple[TrialRecord, ...]
    verdicts: tuple[Verdict, ...] = ()


KindOfWork = Literal["code-repair", "test-writing", "code-writing", "research", "customer-service", "file-work"]
"""What published benchmarks ask for: to mend code, to write tests that show a fault, to write code, to find answers
on the web and in files, to serve customers with tools, and small tasks on files."""


class Evidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What others published of one agent on one benchmark: never a trial, and never counted as one.

    `agent` is the model with its setting, as published; `scaffold` the program around it, `setting` what was set.
    `solved` of `tasks`: where each was tried several times the mean, so no whole number. `usd` and `seconds` are means
    per task; None: not known, which a published 0 is. `weights_b`: billions of parameters, where the weights are open.
    `date` is the day of the figures (`2026-06-01`), "" where none is told; `note` what a figure really is.
    """

    agent: str
    scaffold: str
    model: str
    benchmark: str
    kind: KindOfWork
    solved: float
    tasks: int
    usd: float | None = None
    seconds: float | None = None
    date: str = ""
    source: str = ""
    licence: str = ""
    setting: str = ""
    weights_b: float | None = None
    note: str = ""

    @property
    def share(self) -> float:
        """The share of its tasks that it solved, 0 to 1."""
        return self.solved / self.tasks


class ImportChoices(Struct, frozen=True, kw_only=True):
    """How a file of others' results is to be read.

    `agent` to `model` name columns; an agent's name may be put together of several. `where` keeps the rows that hold
    these values. `full_score`: what counts as 1. `free_zeros`: a cost of 0 is a price, not an unknown one. `only` keeps
    one benchmark of several. `title` names the run; `now` is the moment of the import.
    """

    agent: tuple[str, ...] = ()
    task: str = ""
    score: str = ""
    cost: str = ""
    seconds: str = ""
    repeat: str = ""
    model: str = ""
    where: tuple[tuple[str, str], ...] = ()
    full_score: float = 1.0
    free_zeros: bool = False
    only: str = ""
    title: str = ""
    now: str = ""


class Gathered(Struct, frozen=True, kw_only=True):
    """What a file of others' results holds: runs of trials, figures without trials, and what is to be said of both."""

    runs: tuple[Imported, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()


class RunSummary(Struct, frozen=True, kw_only=True):
    """One line about a stored run: `planned` trials, how many of them are stored and how many of those were measured.

    `cost_usd` is all that is known to have been spent on it, on judges and on trials done again too; None where nothing
    of that is known.
    """

    id: str
    created_at: str
    title: str
    agents: tuple[str, ...]
    tasks: tuple[str, ...]
    planned: int
    stored: int
    measured: int
    cost_usd: float | None
    imported: bool = False
    delegated: bool = False


EventKind = Literal[
    "planned", "trial_started", "waiting", "turn", "tool", "verifying", "trial_finished", "judging", "note"
]


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened while running, for faces that show progress; `trial` is its id."""

    kind: EventKind
    agent: str = ""
    task: str = ""
    repeat: int = 0
    text: str = ""
    cost_usd: float | None = None
    record: TrialRecord | None = None


# ---------------------------------------------------------------------------- grades


class Interval(Struct, frozen=True, kw_only=True):
    """A 95% interval, from `low` to `high` in the unit of the figure that it belongs to.

    `method` says what made it; of a grade, which question it answers.
    """

    low: float
    high: float
    method: str


class Grade(Struct, frozen=True, kw_only=True):
    """A score in 0..1 and its letter; both None for "not measured".

    `interval` is on these tasks, `at_worst` and `at_best` are the letters at its ends; `next_interval`, of an agent's
    means over tasks, is on the next tasks like these. `n` is the number of trials.
    `lacks`: what a cost that has none is without: a known price, or a scale, where nobody else costs anything.
    """

    score: float | None = None
    letter: Letter | None = None
    n: int = 0
    interval: Interval | None = None
    at_worst: Letter | None = None
    at_best: Letter | None = None
    next_interval: Interval | None = None
    note: str = ""
    lacks: Literal["price", "scale"] | None = None


class Anchors(Struct, frozen=True, kw_only=True):
    """The ends of a relative scale for one task, in seconds or dollars per work done, and the agents that set them.

    A `best` of 0 is no scale for what costs more: there `target`, the task's own, stands in (None: it has none).
    """

    task: str
    measure: Literal["speed", "cost"]
    best: float
    worst: float
    best_agent: str = ""
    worst_agent: str = ""
    target: float | None = None


class ScaleGrade(Struct, frozen=True, kw_only=True):
    """Speed or cost of one agent on one task: per work done, on both scales.

    `per_work`: active seconds (dollars) over the sum of performance scores; `ratio` = per_work / best. `position` on
    the relative scale is from 0, the best, to 1, the worst, in the logarithm of what was paid. `absolute` against the
    LOP's target. `relative` has no letter where one agent costs something and the others nothing (then it is that of
    `absolute`, where there is one).
    """

    per_work: float | None = None
    ratio: float | None = None
    position: float | None = None
    relative: Grade = field(default_factory=Grade)
    absolute: Grade = field(default_factory=Grade)


class Cell(Struct, frozen=True, kw_only=True):
    """One agent on one task: n trials measured, of `planned`; `passed` of them scored 1.

    Seconds and dollars are means per trial over those that the harness did not fail (dollars None: unknown for some).
    `down`, `up`: how much lower and higher performance may be, for checks that others' trials were measured by.
    """

    agent: str
    task: str
    planned: int
    n: int
    performance: Grade
    speed: ScaleGrade
    cost: ScaleGrade
    overall: Grade
    active_seconds: float | None = None
    wall_seconds: float | None = None
    cost_usd: float | None = None
    passed: int = 0
    judge: Grade = field(default_factory=Grade)
    down: float = 0.0
    up: float = 0.0


class SkillScore(Struct, frozen=True, kw_only=True):
    """The weighted mean of an agent's `n` measured checks that name one skill."""

    skill: str
    score: float
    letter: Letter
    n: int


class Scorecard(Struct, frozen=True, kw_only=True):
    """One agent over all tasks; `rank` is (best, worst) rank that the certainty allows, None for controls.

    Totals are over measured trials: seconds, dollars (None: no price known for some), tokens. `priced` is how many
    trials cost is graded on, of all that ran, and `known_usd` what these cost. `claims` are the trials that the agent
    ended itself, with an answer, and of which checks say whether all is done; of these `wrong_claims` had not done all
    of it: it was confident and wrong. `highest_level`: that of the hardest tasks on which its mean performance is C or
    better.
    """

    agent: str
    control: bool
    performance: Grade
    speed: Grade
    cost: Grade
    overall: Grade
    speed_absolute: Grade = field(default_factory=Grade)
    cost_absolute: Grade = field(default_factory=Grade)
    rank: tuple[int, int] | None = None
    trials: int = 0
    measured: int = 0
    active_seconds: float | None = None
    wall_seconds: float | None = None
    retry_seconds: float = 0.0
    cost_usd: float | None = None
    device_cost_usd: float | None = None
    priced: int = 0
    ran: int = 0
    known_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    highest_level: int | None = None
    claims: int = 0
    wrong_claims: int = 0
    skills: tuple[SkillScore, ...] = ()


class Grading(Struct, frozen=True, kw_only=True):
    """All grades of a run, computed from its records; cells are task × agent.

    `order`: who has an overall, best first. `weights` are those that were used: cost has none where it could not be
    graded for the agents `unpriced` (no price known) or `without_scale` (nobody else costs anything). `asked` are those
    that were asked for.
    """

    run: str
    weights: Weights
    cells: tuple[Cell, ...]
    scorecards: tuple[Scorecard, ...]
    anchors: tuple[Anchors, ...]
    notes: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    unpriced: tuple[str, ...] = ()
    without_scale: tuple[str, ...] = ()
    asked: Weights | None = None


class Odds(Struct, frozen=True, kw_only=True):
    """How sure a difference is: its 95% interval, `low` to `high`, and the probability that it is above 0."""

    low: float
    high: float
    probability: float


class Comparison(Struct, frozen=True, kw_only=True):
    """Two sides on the same tasks: `first` minus `second`, in performance (-1..1).

    `kind` "runs": the same agent in two runs. `these`: how sure the difference is on these tasks, `next`: on the next
    task like these; `p_value`: how probable one as large would be if the two were the same, by permuting the trials of
    each task. `left_open` is how much lower and higher the difference may be for checks that were not measured.
    `tasks`: ids of those that both did, unchanged; `left_out`: of those that one did otherwise or not at all. `trials`:
    how many of each side were measured on them; `claims` and `wrong_claims` are those of a scorecard. Scores are means
    over tasks; seconds and dollars too, of means per trial; dollars over the tasks where both sides' are known, if any.
    """

    kind: Literal["agents", "groups", "runs"]
    first: str
    second: str
    first_run: str
    second_run: str
    tasks: tuple[str, ...]
    left_out: tuple[str, ...]
    trials: tuple[int, int]
    verdict: Literal["first", "second", "too close to call"]
    first_score: float
    second_score: float
    difference: float
    these: Odds
    next: Odds
    p_value: float
    first_seconds: float | None = None
    second_seconds: float | None = None
    first_usd: float | None = None
    second_usd: float | None = None
    claims: tuple[int, int] = (0, 0)
    wrong_claims: tuple[int, int] = (0, 0)
    left_open: tuple[float, float] = (0.0, 0.0)


class RunResult(Struct, frozen=True, kw_only=True):
    """A run with all that was recorded of it: what reports and decisions are made of.

    `verdicts` are those that count; `set_aside` the others: earlier ones, and those of judges outside the panel.
    `earlier`: each agent against itself in the last run of the same tasks, where there is one. `preferences`: what
    matters to who reads it. `frozen`: the ends of its scales, where they are not those of its own agents. `pooled`: the
    other runs whose trials are in it, the newest first; `not_pooled`: which were not, a sentence each. `read_at`: when
    it was read, in UTC. `study`: the posterior that the grades' ranges and the decision come from
    (`scoring.certainty.study.Study`), so that it is made once; `answered`: what keeps the decision, which is made when
    the first face asks for it (`scoring.decision.Answered`).
    """

    run: Run
    trials: tuple[TrialRecord, ...]
    verdicts: tuple[Verdict, ...]
    grading: Grading
    study: object | None = None
    answered: object | None = None
    manifest: tuple[ManifestRow, ...] = ()
    earlier: tuple[Comparison, ...] = ()
    set_aside: tuple[Verdict, ...] = ()
    preferences: Preferences = field(default_factory=Preferences)
    frozen: tuple[Anchors, ...] = ()
    pooled: tuple[str, ...] = ()
    not_pooled: tuple[str, ...] = ()
    read_at: str = ""
