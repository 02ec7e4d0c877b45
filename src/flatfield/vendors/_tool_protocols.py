"""What a conversation opens with: how a model is told of its tools, how its calls are read, what requests say."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field, structs

from flatfield import json_text
from flatfield.http.secrecy import shown_url
from flatfield.records import AgentConfig, Reply, Sent, Task, ToolCall, ToolSpec, Turn
from flatfield.signatures import signature
from flatfield.vendors._text_calls import read_calls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.records import ToolResult, ToolSpec, Traits


class Later(Struct, frozen=True, kw_only=True):
    """A further prompt, which is said when so many turns are over."""

    after_turns: int
    prompt: str


class Opening(Struct, frozen=True, kw_only=True):
    """What one trial's conversation starts from. `task` is for the oracle only: no real model's provider reads it.

    `response_schema` is a JSON Schema object for the reply's text, for providers that can constrain it, else ignored.
    `workspace`: the absolute path of the folder that the trial works in, for providers that run a scaffold of their own
    there (None: there is none, nothing is to be edited); `workspace_user`: the host uid that it belongs to when that is
    not ours. `is_probe`: nothing of it is measured, so that a model on this device may use what it has read before.
    `earlier` are turns that were had before, in another trial: they are asked for again one by one, and answered from
    their record; `later` are the prompts that came, and come, after `prompt`.
    """

    agent: AgentConfig
    system_prompt: str
    prompt: str
    tools: tuple[ToolSpec, ...]
    task: Task
    response_schema: dict[str, Any] | None = None
    workspace: str | None = None
    workspace_user: int | None = None
    is_probe: bool = False
    earlier: tuple[Turn, ...] = ()
    later: tuple[Later, ...] = ()


# The `json` tool protocol: tools for models without native tool calling, as one constrained JSON object a turn.


GO_ON_IN_JSON = (
    "Now do the next step of the task. If there is none left, reply with "
    '{"answer": "<the answer that the task asks for>"}.'
)
_FENCE = re.compile(r"```[A-Za-z]*\s*\n(.*?)\n?```", re.DOTALL)


def instructions(tools: Sequence[ToolSpec]) -> str:
    """What the system prompt says of the protocol: each tool with its arguments, and the two forms of a reply.

    There is no example of a call, as small models do the example again instead of their task: what is to be put in
    stands in angle brackets.
    """
    lines = [
        "The tools:",
        *(f"- {signature(tool).typed}: {tool.description}" for tool in tools),
        "",
        "Each of your replies is one JSON object and nothing else. It either calls one tool:",
        '{"tool": "<name of the tool>", "arguments": {"<name of the argument>": "<value>"}}',
        "or it is your final answer:",
        '{"answer": "<your answer>"}',
    ]
    return "\n".join(lines)


def schema(tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """The JSON Schema that a reply is constrained to: one call of one tool, or the answer."""
    calls = [
        {
            "type": "object",
            "properties": {"tool": {"const": tool.name}, "arguments": tool.parameters},
            "required": ["tool", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    answer = {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    return {"anyOf": [*calls, answer]}


def parse(text: str, turn: int) -> tuple[str, tuple[ToolCall, ...]]:
    """A reply's answer and calls.

    An answer that is no text counts as its JSON. A reply in neither form counts as a call of no tool, so that the model
    is told the right form and goes on.
    """
    try:
        step = json_text.decoded(_without_fence(text.strip()))
    except ValueError:
        step = None
    if isinstance(step, dict) and "answer" in step:
        return step["answer"] if isinstance(step["answer"], str) else _dump(step["answer"]), ()
    if isinstance(step, dict) and isinstance(step.get("tool"), str):
        arguments = _dump(step.get("arguments", {}))
        return "", (ToolCall(id=f"step_{turn}", name=step["tool"], arguments=arguments),)
    return "", (ToolCall(id=f"step_{turn}", name="", arguments=_dump(text)),)


def _without_fence(text: str) -> str:
    """The JSON in a Markdown code fence, which models put around it where no server holds them to a schema."""
    found = _FENCE.fullmatch(text)
    return found[1] if found else text


def results_text(results: Sequence[ToolResult]) -> str:
    """What the model reads after its call: the result and how to go on, or how to reply when it was not a call."""
    parts = []
    for result in results:
        if result.name:
            parts.append(f"{result.name} returned:\n{result.text}\n\n{GO_ON_IN_JSON}")
        else:
            parts.append('Reply with {"tool": …, "arguments": {…}} or {"answer": "…"} only.')
    return "\n\n".join(parts)


def _dump(value: object) -> str:
    return msgspec.json.encode(value).decode()


# How a model is told of its tools and how its calls are read, by the agent's tool protocol: native, text or json.


GO_ON = "Now do the next step of the task. If there is none left, give the answer that the task asks for."
"""Said below results that are told in words: without it small models make the same call again.

Asked whether the task is done, they say that it is; asked to call the next tool, they never end.
"""


def uses_json(opening: Opening) -> bool:
    """Whether tools are called by the `json` protocol: without tools there is nothing to call."""
    return opening.agent.protocol == "json" and bool(opening.tools)


def uses_text(opening: Opening) -> bool:
    """Whether tools are offered natively, and calls are also read out of the reply's text."""
    return opening.agent.protocol == "text" and bool(opening.tools)


def told_system(opening: Opening) -> str:
    """The system prompt with what the protocol adds to it; "" for none, which is sent as none."""
    parts = [opening.system_prompt, instructions(opening.tools) if uses_json(opening) else ""]
    return "\n\n".join(part for part in parts if part.strip())


def native_tools(opening: Opening) -> tuple[ToolSpec, ...]:
    """The tools that the API is told of."""
    return () if uses_json(opening) else opening.tools


def held_schema(opening: Opening) -> dict[str, Any] | None:
    """What the reply's text is held to, if anything: a step of the `json` protocol, or the opening's schema."""
    return schema(opening.tools) if uses_json(opening) else opening.response_schema


class CallsInText:
    """Reads the calls of one conversation out of its replies' texts, and words their results, where it is so agreed."""

    def __init__(self, opening: Opening) -> None:
        self._tools = opening.tools
        self._json = uses_json(opening)
        self._text = uses_text(opening)
        self._were_text = False

    def wording(self, results: Sequence[ToolResult]) -> str | None:
        """What the model is told of its last calls in plain words; None: they were native, and so are their results."""
        if self._json:
            return results_text(results)
        if not self._were_text:
            return None
        return "\n\n".join((*(f"{each.name} returned:\n{each.text}" for each in results), GO_ON))

    def read(self, reply: Reply, turn: int) -> Reply:
        """What a whole reply says, with the calls that its text holds."""
        self._were_text = False
        if reply.finish != "stop":
            return reply
        if self._json:
            text, calls = parse(reply.text, turn)
            return structs.replace(reply, text=text, calls=calls)
        if self._text and not reply.calls:
            calls = read_calls(reply.text, self._tools, turn)
            self._were_text = bool(calls)
            return structs.replace(reply, calls=calls)
        return reply


# What every request of a conversation says, as records and the fairness manifest show it.


class Settings(Struct, frozen=True, kw_only=True):
    """What an agent's settings become in its model's form; None: nothing was set, or nothing is sent.

    `fields` of the request as the API calls them. `temperature`, `reasoning_effort`, `thinking` and `context_tokens` as
    records show what was sent; `not_accepted`: settings that were left out because the model does not take them.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    temperature: float | None = None
    reasoning_effort: str | None = None
    thinking: Any = None
    context_tokens: int | None = None
    not_accepted: tuple[str, ...] = ()


def sent_by(
    opening: Opening, vendor: Traits, settings: Settings, *, api: str, url: str, parameters: Mapping[str, Any]
) -> Sent:
    """What every request of a conversation says, as records and the manifest show it: without its output cap.

    `parameters` are what else is sent with each, as the API calls it; long texts as digests.
    """
    agent = opening.agent
    unsupported = [name for name in vendor.unsupported if getattr(agent, name) is not None]
    return Sent(
        api=api,
        base_url=shown_url(url),
        model=agent.model,
        stream=True,
        protocol="native" if agent.protocol in {None, "auto"} else agent.protocol,
        system=digest(told_system(opening)),
        tools=tuple(tool.name for tool in opening.tools),
        tools_digest=digest(msgspec.json.encode(opening.tools).decode()),
        temperature=settings.temperature,
        reasoning_effort=settings.reasoning_effort,
        thinking=settings.thinking,
        context_tokens=settings.context_tokens,
        not_accepted=tuple(dict.fromkeys((*settings.not_accepted, *unsupported))),
        parameters=dict(parameters),
    )


def digest(text: str) -> str:
    """The first 12 hex digits of SHA-256: enough to tell texts of one run apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
