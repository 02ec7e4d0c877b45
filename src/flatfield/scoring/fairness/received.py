"""What one agent received and gave back, as its records show it: requests, answers, values turn by turn."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field, structs

from flatfield import plugins
from flatfield.http.secrecy import PUBLIC, shown_url
from flatfield.vendors.base import looks_like_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig, Sent, TrialRecord, Turn


# Which parameters of a request the fairness manifest shows, and why agents may differ in them.


DEFAULT = "vendor's default"
NOT_SENT = "not sent"
UNKNOWN = "not known"

Heading = Literal["context", "model", "prompt"]


class Property(Struct, frozen=True, kw_only=True):
    """One row: the field `name` of `Sent`, the configuration's field behind it, and why agents may differ.

    `absent` is what a request means that says nothing of it.
    """

    heading: Heading
    label: str
    name: str
    configured: str = ""
    absent: str = UNKNOWN
    why: str = ""


PROPERTIES = (
    Property(
        heading="context",
        label="tools",
        name="tools",
        why="the agents' `tools` settings take tools away, or the tasks offer different ones",
    ),
    Property(
        heading="context",
        label="tool schemas (digest)",
        name="tools_digest",
        why="other tools have other schemas",
    ),
    Property(
        heading="context",
        label="tool protocol",
        name="protocol",
        configured="protocol",
        why="some models write their calls as text or as json; grades are of model and protocol",
    ),
    Property(
        heading="context",
        label="tool template",
        name="tool_template",
        absent="the API's own",
        why="a local model's chat template, or one brought for it, writes its tools into the prompt",
    ),
    Property(
        heading="context",
        label="context length (tokens)",
        name="context_tokens",
        configured="context_tokens",
        absent="the model's own",
        why="models have different contexts; a local one has what it was loaded with",
    ),
    Property(heading="model", label="API", name="api", configured="provider", why="each vendor's own API is spoken"),
    Property(heading="model", label="model", name="model", configured="model", why="this is what the run compares"),
    Property(
        heading="model",
        label="answered by",
        name="answered_by",
        absent="not reported",
        why="the version that the API says it answered with; a retired name may be answered by a successor",
    ),
    Property(
        heading="model",
        label="API version",
        name="api_version",
        absent="in the address, or none",
        why="an API whose version is a header: some settings are taken in one version only",
    ),
    Property(
        heading="model",
        label="service tier",
        name="service_tier",
        absent="not reported",
        why="which tier the API says it served at: tiers differ in speed and price",
    ),
    Property(
        heading="model",
        label="address",
        name="base_url",
        configured="base_url",
        absent="the vendor's",
        why="each model is asked where it is served",
    ),
    Property(
        heading="model",
        label="model file (digest)",
        name="model_file",
        absent="not on this device",
        why="a model on this device is the file that it was read from",
    ),
    Property(
        heading="model",
        label="layers on a GPU",
        name="gpu_layers",
        absent="not told",
        why="a model on this device is as fast as what it runs on; gpu_layers says how much of it goes to the GPU",
    ),
    Property(heading="model", label="temperature", name="temperature", configured="temperature", absent=DEFAULT),
    Property(
        heading="model",
        label="reasoning effort",
        name="reasoning_effort",
        configured="reasoning_effort",
        absent=DEFAULT,
    ),
    Property(
        heading="model",
        label="thinking, as sent",
        name="thinking",
        absent="nothing but the effort",
        why="some APIs take a budget or a switch for what others take as a word of effort",
    ),
    Property(heading="model", label="streaming", name="stream", why="an API that cannot stream its replies"),
)

CAP = Property(
    heading="model",
    label="output cap (tokens)",
    name="output_cap_tokens",
    configured="max_output_tokens",
    absent=NOT_SENT,
)
"""What a trial's first turn is sent; later turns are sent what is left of it."""

SETTINGS = frozenset({"temperature", "reasoning_effort", "max_output_tokens", "context_tokens"})
"""Fields of the configuration that an API may not accept."""


# What one agent received of one property: each value with the turns that carried it, task by task.


MANY = 3
NAMED_TASKS = 2
"""So many tasks are named beside a value; more are counted."""


class Received(Struct, frozen=True, kw_only=True):
    """`by_task`: how many turns carried which value, in the order in which they came.

    `otherwise` is what is said where no turn is on record; None: the agent did not run. `refused`: some turn went
    without it because the model does not take it; `unsent`: without what is configured, for another reason.
    """

    by_task: dict[str, dict[str, int]] = field(default_factory=dict)
    otherwise: str | None = None
    refused: bool = False
    unsent: bool = False

    @property
    def ran(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self.by_task) or self.otherwise is not None

    @property
    def varies(self) -> bool:
        """Whether turns or trials of one and the same task carried different values."""
        return any(len(turns) > 1 for turns in self.by_task.values())

    @property
    def values(self) -> frozenset[str]:
        """All values, whatever the task."""
        if not self.by_task:
            return frozenset() if self.otherwise is None else frozenset({self.otherwise})
        return frozenset(value for turns in self.by_task.values() for value in turns)

    def text(self) -> str:
        """One value alone; with its turns where they differ within a task, with its tasks where those differ."""
        if not self.by_task:
            return "did not run" if self.otherwise is None else self.otherwise
        if self.varies:
            return _by_turns(self.by_task.values())
        tasks: dict[str, list[str]] = {}
        for task, turns in self.by_task.items():
            tasks.setdefault(next(iter(turns)), []).append(task)
        if len(tasks) == 1:
            return next(iter(tasks))
        return " | ".join(f"{value} ({_tasks(names)})" for value, names in tasks.items())


def taken(readings: Iterable[tuple[str, str]], otherwise: str | None) -> Received:
    """From pairs of task and value, one for each turn."""
    return counted(((task, value, 1) for task, value in readings), otherwise)


def counted(readings: Iterable[tuple[str, str, int]], otherwise: str | None) -> Received:
    """From tasks and values, each with how many turns carried it."""
    by_task: dict[str, dict[str, int]] = {}
    for task, value, times in readings:
        turns = by_task.setdefault(task, {})
        turns[value] = turns.get(value, 0) + times
    return Received(by_task=by_task, otherwise=otherwise)


def differ(received: Mapping[str, Received]) -> bool:
    """Whether any two agents received different values on a task of both; without such a task, at all."""
    return any(_unlike(one, other) for one, other in combinations([r for r in received.values() if r.ran], 2))


def _unlike(one: Received, other: Received) -> bool:
    shared = one.by_task.keys() & other.by_task.keys()
    if not shared:
        return one.values != other.values
    return any(one.by_task[task].keys() != other.by_task[task].keys() for task in shared)


def _by_turns(tasks: Iterable[Mapping[str, int]]) -> str:
    total: dict[str, int] = {}
    for turns in tasks:
        for value, count in turns.items():
            total[value] = total.get(value, 0) + count
    if len(total) > MANY and all(value.isdecimal() for value in total):
        numbers = sorted(map(int, total))
        return f"{numbers[0]} to {numbers[-1]} ({len(total)} values in {sum(total.values())} turns)"
    return ", ".join(f"{value} ({count} turn{'' if count == 1 else 's'})" for value, count in total.items())


def _tasks(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= NAMED_TASKS else f"{len(names)} tasks"


# Reads what the recorded requests of one agent carried: parameters, output caps, system prompts, headers.


ITS_NAME = "a line with its name"
FLOOR_TOKENS = 16
"""Some APIs refuse a smaller output cap, so that a trial's last turn is sent this much though less is left."""
_NAME_LINE = re.compile(r"(?:^|\n)Your model name is [^\n]+\.$")


def ran(trials: Sequence[TrialRecord]) -> bool:
    """Whether an agent did anything that can be compared."""
    return any(trial.turns or trial.imported for trial in trials)


class Carried(Struct, frozen=True, kw_only=True):
    """A request that `turns` turns of a task's trials went with."""

    task: str
    request: Sent
    turns: int


def carried(trials: Sequence[TrialRecord]) -> tuple[Carried, ...]:
    """The requests of all turns, each once for a task, in the order in which they came first.

    In what is read of the store as figures equal requests are one object: of ten thousand turns, that leaves a few.
    """
    found: dict[tuple[str, int], list[Sent]] = {}
    for trial, turn in _sent(trials):
        found.setdefault((trial.task, id(turn.reply.request)), []).append(turn.reply.request)
    return tuple(Carried(task=task, request=same[0], turns=len(same)) for (task, _), same in found.items())


def parameter(item: Property, agent: AgentConfig, trials: Sequence[TrialRecord], sent: Sequence[Carried]) -> Received:
    """One parameter of all turns, which went with `sent`; from the configuration, and said so, where none did."""
    configured = getattr(agent, item.configured) if item.configured else None
    readings = [(each.task, _reading(item, each.request, configured), each.turns) for each in sent]
    found = counted(readings, _otherwise(item, configured, trials))
    return _with_unsent(found, item, configured, [each.request for each in sent])


def output_cap(agent: AgentConfig, trials: Sequence[TrialRecord], limits: Mapping[str, int]) -> Received:
    """The caps of first turns, and of later turns that were sent neither that nor what was left of it.

    `limits`: the output tokens that a trial may use, by task.
    """
    readings = [(trial.task, value) for trial in trials for value in _caps(trial, agent, limits.get(trial.task, 0))]
    found = taken(readings, _otherwise(CAP, agent.max_output_tokens, trials))
    without = [turn.reply.request for _, turn in _sent(trials) if turn.reply.request.output_cap_tokens is None]
    return _with_unsent(found, CAP, agent.max_output_tokens, without)


def system_prompt(trials: Sequence[TrialRecord]) -> Received:
    """Digests of what all turns of a trial have before its task: with the line that names the agent told apart."""
    return taken(((trial.task, _system(trial, turn)) for trial, turn in _sent(trials)), _known(trials))


def headers(agent: AgentConfig, trials: Sequence[TrialRecord]) -> Received:
    """Extra headers by name; their values may be keys, so those are not shown."""
    own = {name.lower() for name in agent.headers}
    usual = set(PUBLIC) | set(plugins.traits_or_usual(agent.provider).key_headers)
    readings = [
        (trial.task, _names(wire.headers, own, usual))
        for trial in trials
        for turn in trial.turns
        for wire in turn.reply.wire
    ]
    configured = f"{', '.join(sorted(agent.headers))} (configured)" if agent.headers else "none"
    return taken(readings, configured if ran(trials) else None)


def digest(text: str) -> str:
    """The first 12 hex digits of SHA-256, as providers tell long texts apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _sent(trials: Sequence[TrialRecord]) -> Iterator[tuple[TrialRecord, Turn]]:
    return ((trial, turn) for trial in trials for turn in trial.turns if turn.reply.request.is_on_record)


def _known(trials: Sequence[TrialRecord]) -> str | None:
    return UNKNOWN if ran(trials) else None


def _otherwise(item: Property, configured: object, trials: Sequence[TrialRecord]) -> str | None:
    if not ran(trials):
        return None
    if configured is None:
        return item.absent
    return f"{shown_url(str(configured)) if item.configured == 'base_url' else configured} (configured)"


def _with_unsent(found: Received, item: Property, configured: object, requests: Sequence[Sent]) -> Received:
    """With whether some of these requests went without what is configured, and why."""
    refused = [_is_refused(item, request) for request in requests]
    unsent = any(
        configured is not None and not refuses and getattr(request, item.name) in (None, "")
        for request, refuses in zip(requests, refused, strict=True)
    )
    return structs.replace(found, refused=any(refused), unsent=unsent)


def _is_refused(item: Property, request: Sent) -> bool:
    return bool(item.configured) and item.configured in request.not_accepted


def _reading(item: Property, request: Sent, configured: object) -> str:
    """What one request says; a setting that it lacks though it is configured was not sent."""
    if _is_refused(item, request):
        return "not accepted" if configured is None else f"not accepted ({configured} is configured)"
    value = getattr(request, item.name)
    if value in (None, ""):
        return item.absent if configured is None else NOT_SENT
    return _worded(shown_url(value) if item.configured == "base_url" and "://" in str(value) else value)


def _worded(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_worded(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_worded, value)) or "none"
    return str(value)


def _caps(trial: TrialRecord, agent: AgentConfig, limit_tokens: int) -> Iterator[str]:
    first: int | None = None
    left: int | None = limit_tokens or None
    for turn in trial.turns:
        request, usage = turn.reply.request, turn.reply.usage
        if not request.is_on_record:
            continue
        value = request.output_cap_tokens
        if value is None:
            yield _reading(CAP, request, agent.max_output_tokens)
            continue
        first = value if first is None else first
        own = usage.output_tokens if usage else 0
        known = left is None or left - own <= value <= max(left, FLOOR_TOKENS)
        yield str(first) if value == first or (value < first and known) else f"{value} after {first}"
        left = None if left is None or usage is None else left - own


def _system(trial: TrialRecord, turn: Turn) -> str:
    if turn.reply.scaffold is not None:
        return turn.reply.request.system_words or UNKNOWN
    request = turn.reply.request
    return _prompt_shown(trial.system_prompt, request.system, request.protocol) if request.system else UNKNOWN


@lru_cache(maxsize=1024)
def _prompt_shown(prompt: str, sent: str, protocol: str) -> str:
    """A trial's system prompt, which is most often the last one's too, beside the digest of what was sent."""
    shared = _NAME_LINE.sub("", prompt)
    parts = [digest(shared) if shared else "none", *([ITS_NAME] if shared != prompt else [])]
    if sent != digest(prompt):
        parts.append("the json protocol's instructions" if protocol == "json" else f"sent as {sent}")
    return " + ".join(parts)


def _names(sent: Mapping[str, str], own: set[str], usual: set[str]) -> str:
    """The headers that are the agent's own, or not those that every request to its vendor has."""
    extra = {name.lower(): value for name, value in sent.items() if name.lower() not in usual or name.lower() in own}
    shown = [f"{name}: {value}" if name in PUBLIC else name for name, value in sorted(extra.items())]
    return ", ".join(shown) or "none"


# Tells whether another model answered than the one that was asked for, as far as the replies say.


_VERSION = re.compile(r"(?:[-@]\d{4}-?\d{2}-?\d{2}|-\d{3}|-latest|:latest|\.gguf)$")
"""What APIs add to the name of the very model that was asked for."""


def is_other(asked: str, answered: str) -> bool:
    """Whether two names are those of different models; "" says nothing. A date, a folder or a tag makes none."""
    return bool(asked and answered) and asked != answered and _plain(asked) != _plain(answered)


def others(trials: Sequence[TrialRecord]) -> Iterator[str]:
    """Which agents' models were answered for by others, in how many trials."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for trial in trials:
        for turn in trial.turns:
            sent = turn.reply.request
            if is_other(sent.model, sent.answered_by):
                found.setdefault((trial.agent, sent.model, sent.answered_by), set()).add(trial.id)
    for (agent, asked, answered), ids in found.items():
        trials_text = f"{len(ids)} trial{'' if len(ids) == 1 else 's'}"
        yield f"{agent} asked for {asked} and was answered by {answered} in {trials_text}: that is what was measured"


def _plain(name: str) -> str:
    segment = re.split(r"[/\\]", name.strip().lower())[-1]
    while (shorter := _VERSION.sub("", segment)) != segment:
        segment = shorter
    return segment


# Tells last replies that are no plain answers: a call written as text, only reasoning, the same text without end.


AS_TEXT = (
    "the answer looks like a tool call written as text, which the server did not read: set protocol = "
    '"text" or "auto" for the agent, or start the server with the parser for this model\'s tool calls'
)
UNFIT = (
    "the answer looks like a tool call written as text, which was not run: its name or its arguments are those of "
    "no tool, it cannot be read, or the answer only speaks of it"
)
IN_REASONING = (
    "the answer is empty, all that the model wrote counts as reasoning: the server's reasoning parser may not be the "
    "one for this model"
)
REPEATS = (
    "the model wrote the same again and again, and its reply was ended there: it counts as one that used up its tokens"
)


def oddity(turns: Sequence[Turn]) -> str:
    """What is odd about the reply that these turns ended with, and what may mend it; "" for nothing.

    Of one that was cut nothing is said: it may have become a call.
    """
    if not turns or turns[-1].reply.calls:
        return ""
    reply = turns[-1].reply
    if reply.finish != "stop":
        return REPEATS if reply.finish == "repeats" else ""
    if reply.request.tools and looks_like_call(reply.text, reply.request.tools):
        return UNFIT if reply.request.protocol == "text" else AS_TEXT
    return IN_REASONING if not reply.text.strip() and reply.reasoning.strip() else ""


def oddities(trials: Sequence[TrialRecord]) -> Iterator[str]:
    """What is odd about the last replies of a run's trials, a sentence each: whose, in how many trials, what."""
    found: dict[tuple[str, str], int] = {}
    for trial in trials:
        if trial.failure is None and (odd := oddity(trial.turns)):
            found[trial.agent, odd] = found.get((trial.agent, odd), 0) + 1
    for (agent, odd), count in found.items():
        yield f"{agent}, in {count} trial{'' if count == 1 else 's'}: {odd}"
