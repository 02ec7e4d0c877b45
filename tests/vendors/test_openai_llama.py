"""The Responses API as llama.cpp speaks it, with a real model: whole trials through this provider."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from flatfield.agent.files.copying import plan_copy
from flatfield.agent.provider_pool import ProviderPool
from flatfield.clock import SystemClock
from flatfield.errors import ContextTooLong, NotReady, ProviderError
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.machine.llama.hosting import LocalServer, ServerSpec, start_server, usable_threads
from flatfield.records import AgentConfig, Limits, Task, TrialPlan, TurnBudget, VerifierSpec
from flatfield.runs.trial import Assignment, Ground, run_trial
from flatfield.scoring.prices.pricing import Prices
from flatfield.vendors import openai as provider_module
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flatfield.records import TrialRecord

pytestmark = [pytest.mark.whole, pytest.mark.needs("model")]
CONTEXT_TOKENS = 1024
CALL = '<tool_call>\n{"name": "read_file", "arguments": {"file_path": "a.txt"}}\n</tool_call>'
# A chat template with a place for tools, which the model's own lacks; the model was trained on this way to call one.
TEMPLATE = r"""
{%- for message in messages -%}
{{- '<|im_start|>' + ('user' if message.role == 'tool' else message.role) + '\n' -}}
{%- if loop.first and tools -%}
{{- tools | tojson + '\nCall one as <tool_call>\n{"name": …, "arguments": …}\n</tool_call>\n' -}}
{%- endif -%}
{%- if message.role == 'tool' -%}{{- '<tool_response>\n' + message.content + '\n</tool_response>' -}}
{%- else -%}{{- message.content or '' -}}{%- endif -%}
{%- for call in message.tool_calls or [] -%}
{{- '\n<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' -}}
{{- (call.function.arguments | tojson) + '}\n</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
"""
CHILD = """
import json, os, sys
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import xllamacpp
p = xllamacpp.CommonParams()
p.model.path, p.chat_template, p.n_ctx, p.n_parallel, p.port = sys.argv[1], sys.argv[2], 1024, 1, 0
p.model_alias, p.hostnames, p.ui, p.offline, p.verbosity = {"small"}, ["127.0.0.1"], False, True, 0
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = int(sys.argv[3])
server = xllamacpp.Server(p)
print(json.dumps({"url": server.listening_address}), flush=True)
sys.stdin.read()
os._exit(0)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalServer]:
    """One for all tests, for loading a model takes longer than most of them."""
    spec = ServerSpec(
        path=os.environ["FLATFIELD_TEST_MODEL"],
        alias="small",
        context_tokens=CONTEXT_TOKENS,
        threads=usable_threads(),
    )
    clock, cache = SystemClock(), tmp_path_factory.mktemp("cache")
    async with open_session(clock) as session:
        running = await start_server(spec, Services(session=session, clock=clock, environ=os.environ, cache=cache))
        yield running
        await running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_door() -> AsyncIterator[str]:
    """The base_url of a server that asks for no key, whose chat template has tools; one for all tests, too."""
    model = os.environ["FLATFIELD_TEST_MODEL"]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", CHILD, model, TEMPLATE, str(usable_threads())),
        stdin=pipe,
        stdout=pipe,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert child.stdin
    assert child.stdout
    line = await child.stdout.readline()
    yield f"{json.loads(line)['url']}/v1"
    child.stdin.close()
    await child.wait()


def agent_at(base_url: str, **settings: Any) -> AgentConfig:
    fields: dict[str, Any] = {"model": "small", "temperature": 0.0, "system_prompt": "Be brief.", **settings}
    return AgentConfig(name="small", provider="openai", base_url=base_url, on_device=True, **fields)


def agent_of(server: LocalServer, **settings: Any) -> AgentConfig:
    return agent_at(f"{server.url}/v1", headers=server.headers, **settings)


def opening(agent: AgentConfig, prompt: str, **fields: Any) -> Opening:
    task = Task(id="t", title="t", prompt=prompt)
    return Opening(agent=agent, system_prompt="Be brief.", prompt=prompt, tools=(), task=task, **fields)


async def trial(services: Services, agent: AgentConfig, prompt: str = "Read a.txt.", **limits: Any) -> TrialRecord:
    """One trial from the copy of its files to its checks, as a run does it."""
    task = Task(
        id="t",
        title="t",
        prompt=prompt,
        files={"a.txt": "red\n"},
        tools=("read_file",),
        verifiers=(VerifierSpec(kind="answer", options={"matches": "."}),),
    )
    async with ProviderPool(services) as pool:
        await pool.of(agent).check(agent)
        ground = Ground(
            pool=pool,
            prices=Prices(),
            clock=services.clock,
            scratch=services.cache,
            sandbox=None,
            sandbox_reason="not needed",
            observe=lambda _: None,
        )
        assignment = Assignment(
            plan=TrialPlan(run="r", agent=agent.name, task=task.id, repeat=1),
            agent=agent,
            fingerprint="f",
            task=task,
            limits=Limits(seconds=100, **limits),
            model_name="agent_1",
            files=plan_copy(task, services.cache),
        )
        return await run_trial(assignment, ground)


async def test_a_trial_with_native_calls_and_no_key(services: Services, open_door: str) -> None:
    """The model calls the tool, reads its result, and goes on: its items came back in a form that the server takes."""
    record = await trial(
        services, agent_at(open_door), f"Copy this text exactly:\n\n{CALL}", turns=2, output_tokens=100
    )
    assert record.failure is None
    first, *later = record.turns
    assert [(call.name, json.loads(call.arguments)) for call in first.reply.calls] == [
        ("read_file", {"file_path": "a.txt"})
    ]
    assert [result.text for result in first.results] == ["red\n"]
    assert later
    assert later[0].reply.usage is not None
    assert first.reply.usage is not None
    assert later[0].reply.usage.input_tokens > first.reply.usage.input_tokens
    assert (record.cost_usd, record.usage is None) == (0.0, False)


@pytest.mark.slow
async def test_a_call_that_the_cap_cut_is_not_run(services: Services, open_door: str) -> None:
    """The server says "completed" all the same."""
    record = await trial(services, agent_at(open_door), f"Copy this text exactly:\n\n{CALL}", output_tokens=24)
    assert (record.failure, record.stop, len(record.turns)) == (None, "token_limit", 1)
    reply = record.turns[0].reply
    assert (reply.finish, record.turns[0].results) == ("length", ())
    assert not reply.calls or not reply.calls[0].arguments.endswith("}")


@pytest.mark.slow
@pytest.mark.slow
async def test_a_trial_with_tools_in_the_json_protocol(services: Services, server: LocalServer) -> None:
    """Constrained to steps, the small model calls the tool or answers: its schema reached the server."""
    record = await trial(services, agent_of(server, protocol="json"), turns=3, output_tokens=240)
    assert record.failure is None
    assert record.stop in {"answered", "turn_limit", "token_limit"}
    assert (record.tool_calls or 0) >= 1 or record.answer
    assert all(call.name == "read_file" for turn in record.turns for call in turn.reply.calls)
    first = record.turns[0].reply
    assert first.usage is not None
    assert 0 < first.usage.output_tokens <= 240
    assert first.request.parameters["response_format"] == "json_schema"
    assert first.first_token_seconds is not None
    assert 0 < first.first_token_seconds <= first.model_seconds


@pytest.mark.slow
@pytest.mark.slow
async def test_a_model_whose_template_has_no_tools_answers_in_text(services: Services, server: LocalServer) -> None:
    record = await trial(services, agent_of(server), turns=2, output_tokens=24)
    assert (record.failure, record.tool_calls) == (None, 0)
    assert record.stop in {"answered", "token_limit"}
    assert record.answer
    assert record.turns[0].reply.request.parameters["strict_tools"] == ["read_file"]


@pytest.mark.slow
async def test_a_reply_that_the_cap_cut_is_not_whole(services: Services, server: LocalServer) -> None:
    asked = opening(agent_of(server), "Tell me a long story.")
    chat = await provider_module.create(services).converse(asked)
    reply = await chat.turn((), TurnBudget(seconds=100, output_tokens=16))
    assert reply.finish == "length"
    assert reply.usage is not None
    assert reply.usage.output_tokens == 16


@pytest.mark.slow
async def test_a_schema_holds_the_reply(services: Services, server: LocalServer) -> None:
    schema = {
        "type": "object",
        "properties": {"letter": {"type": "string", "enum": ["A", "B"]}},
        "required": ["letter"],
        "additionalProperties": False,
    }
    asked = opening(agent_of(server), "Grade this: A or B?", response_schema=schema)
    chat = await provider_module.create(services).converse(asked)
    reply = await chat.turn((), TurnBudget(seconds=100, output_tokens=40))
    assert "".join(reply.text.split()) in {'{"letter":"A"}', '{"letter":"B"}'}


@pytest.mark.slow
async def test_the_servers_refusals(services: Services, server: LocalServer) -> None:
    budget = TurnBudget(seconds=100, output_tokens=16)
    provider = provider_module.create(services)
    with pytest.raises(ContextTooLong):
        await (await provider.converse(opening(agent_of(server), "word " * CONTEXT_TOKENS))).turn((), budget)
    with pytest.raises(NotReady, match=r"does not serve 'other'.* serves: small"):
        await provider.check(agent_of(server, model="other"))
    with pytest.raises(ProviderError, match="401"):
        await (await provider.converse(opening(agent_at(f"{server.url}/v1"), "Hello."))).turn((), budget)
