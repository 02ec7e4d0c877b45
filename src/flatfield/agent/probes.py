"""Six small fixed questions that show under which tool protocol a model calls tools as it is meant to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from flatfield import json_text, plugins
from flatfield.errors import FlatfieldError
from flatfield.records import AgentConfig, Probe, Probed, Task, ToolCall, ToolProtocol, ToolResult, ToolSpec, TurnBudget
from flatfield.vendors.base import SYSTEM_PROMPT, Opening

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flatfield.clock import Clock
    from flatfield.records import Reply
    from flatfield.vendors.base import Conversation

    Converse = Callable[[Opening], Awaitable[Conversation]]

IN_ORDER: tuple[ToolProtocol, ...] = ("native", "text", "json")
"""Of protocols that pass as many probes, the first of these is taken: the one that is nearest to the model's own."""
TURN_SECONDS, TURN_TOKENS = 120.0, 1024
"""What one reply may take: a model that thinks first needs some hundred tokens for the smallest question."""
ALL_SECONDS = 900.0
"""After so long no more is asked: the best so far is taken."""


NO_CALL = Probe(prompt="How many legs does a horse have? Answer with the number only.", answer="4")
"""To know when there is nothing to call is a part of calling."""


def all_probes() -> tuple[tuple[str, Probe], ...]:
    """Each probe with the tool that is to be called, "" for none: those that the tools' own files hold.

    None of them says what a task of a suite says: what is learned here is how to call, and nothing else.
    """
    modules = ((name, plugins.load("tool", name)) for name in plugins.default_tools())
    return (("", NO_CALL), *((name, probe) for name, module in modules for probe in getattr(module, "PROBES", ())))


async def find_protocol(agent: AgentConfig, converse: Converse, clock: Clock, offered: tuple[ToolSpec, ...]) -> Probed:
    """Ask the probes under each protocol, in order, as long as it may still be the best one.

    Where not one request came through, the API's own is taken, and the problem says why. It also does where a server
    went away in the middle: that tells nothing of the protocols that were still to come.
    """
    passed: dict[str, int] = {}
    problem, is_gone, probes = "", False, all_probes()
    until = clock.now() + ALL_SECONDS
    for protocol in IN_ORDER:
        best = max(passed.values(), default=-1)
        passed[protocol] = 0
        for number, (tool, probe) in enumerate(probes):
            if passed[protocol] + len(probes) - number <= best or clock.now() > until:
                break
            try:
                passed[protocol] += await _is_passed(tool, probe, _asking(agent, protocol), converse, offered)
            except FlatfieldError as error:
                problem = str(error)
                is_gone = getattr(error, "status", None) is None
                break
            is_gone = False
        if passed[protocol] == len(probes):
            break
    found: ToolProtocol = max(IN_ORDER, key=lambda each: passed.get(each, -1))
    stamp = clock.utc().isoformat(timespec="seconds")
    if problem and (is_gone or not any(passed.values())):
        return Probed(protocol=found, probed_at=stamp, problem=problem)
    return Probed(protocol=found, passed=passed, probes=len(probes), probed_at=stamp)


def worded(found: Probed) -> str:
    """How a protocol was found out, for people: `text, by 6 probes: native 1, text 6`."""
    if found.problem:
        return f"{found.protocol}, as nothing was found out: {found.problem}"
    counts = ", ".join(f"{name} {count}" for name, count in found.passed.items())
    return f"{found.protocol}, by {found.probes} probes: {counts}"


def offered_tools() -> tuple[ToolSpec, ...]:
    """The tools that a task offers where it says nothing else, as models are told of them."""
    return tuple(plugins.load("tool", name).SPEC for name in plugins.default_tools())


def _asking(agent: AgentConfig, protocol: ToolProtocol) -> AgentConfig:
    return structs.replace(agent, protocol=protocol, temperature=0.0, max_output_tokens=None, tools=None)


async def _is_passed(
    tool: str, probe: Probe, agent: AgentConfig, converse: Converse, offered: tuple[ToolSpec, ...]
) -> bool:
    task = Task(id="probe", title="probe", prompt=probe.prompt)
    conversation = await converse(
        Opening(agent=agent, system_prompt=SYSTEM_PROMPT, prompt=probe.prompt, tools=offered, task=task, is_probe=True)
    )
    budget = TurnBudget(seconds=TURN_SECONDS, output_tokens=TURN_TOKENS)
    reply = await conversation.turn((), budget)
    for step in probe.steps:
        if not _is_call(reply, tool, step.arguments):
            return False
        call = reply.calls[0]
        reply = await conversation.turn((ToolResult(call_id=call.id, name=call.name, text=step.result),), budget)
    return not reply.calls and reply.finish == "stop" and probe.answer in reply.text


def _is_call(reply: Reply, name: str, arguments: dict[str, str]) -> bool:
    """Whether the reply is that call and no other one; how paths and ends of texts are written is left to the model."""
    if len(reply.calls) != 1 or reply.calls[0].name != name:
        return False
    return _plain(_arguments(reply.calls[0])) == _plain(arguments)


def _arguments(call: ToolCall) -> dict[str, Any]:
    try:
        value = json_text.decoded(call.arguments)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _plain(arguments: dict[str, Any]) -> dict[str, str]:
    return {name: str(value).strip().removeprefix("./").rstrip("/") for name, value in arguments.items()}
