"""The local provider: what it needs, what it records, and what happens when its server ends."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from flatfield.errors import NotReady, ProviderError
from flatfield.http.services import Kept, Services
from flatfield.records import AgentConfig, Task, ToolSpec, TurnBudget
from flatfield.vendors.base import Opening, Provider
from flatfield.vendors.local import create, identity_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.whole

FAKE = Path(__file__).parents[1] / "machine" / "fake_llama"
BUDGET = TurnBudget(seconds=30, output_tokens=12)
TOOL = ToolSpec(name="read_file", description="Read a file.", parameters={"type": "object", "properties": {}})


def agent(model: str, **settings: Any) -> AgentConfig:
    return AgentConfig(name="small", provider="local", model=model, **settings)


def opening(config: AgentConfig, prompt: str = "Say hello.", tools: tuple[ToolSpec, ...] = ()) -> Opening:
    task = Task(id="t", title="t", prompt=prompt)
    return Opening(agent=config, system_prompt="Be brief.", prompt=prompt, tools=tools, task=task)


def services_with(services: Services, environ: dict[str, str]) -> Services:
    return Services(session=services.session, clock=services.clock, environ=environ, cache=services.cache)


@pytest.fixture
async def provider(services: Services) -> AsyncIterator[Provider]:
    local = create(services_with(services, {**os.environ, "PYTHONPATH": str(FAKE)}))
    yield local
    await local.close()


def write(model: str, text: str) -> None:
    Path(model).write_text(text, encoding="utf-8")


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "small.gguf"
    path.write_text("GGUF", encoding="utf-8")
    return str(path)


async def test_it_is_on_the_device_alone(provider: Provider) -> None:
    lanes = {provider.lane(agent(name)) for name in ("smollm2-135m", "/other.gguf")}
    assert [(lane.name, lane.width) for lane in lanes] == [("device:local", 1)]
    assert provider.on_device(agent("x"))


async def test_ready_with_a_file_and_the_library(
    provider: Provider, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FAKE))
    await provider.check(agent(model))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(NotReady, match=r"'small': .*pip install 'flatfield\[local\]'"):
        await provider.check(agent(model))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (agent("smollm2-135m"), "model 'smollm2-135m' is not pulled; run: flatfield models pull smollm2-135m"),
        (agent("hf:a/b/c.gguf"), "model 'hf:a/b/c.gguf' is not pulled; run: flatfield models pull hf:a/b/c.gguf"),
        (agent("gpt-5"), "there is no model 'gpt-5'; use one of smollm2-135m"),
        (agent("/no/such.gguf"), "model file /no/such.gguf cannot be read"),
        (agent("smollm2-135m", base_url="http://127.0.0.1:1/v1"), "remove base_url"),
    ],
)
async def test_not_ready(provider: Provider, config: AgentConfig, sentence: str) -> None:
    with pytest.raises(NotReady) as caught:
        await provider.check(config)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
async def test_a_port_that_is_none(services: Services, model: str, port: str) -> None:
    local = create(services_with(services, {"FLATFIELD_LOCAL_PORT": port}))
    with pytest.raises(NotReady, match="set it to a port number"):
        await local.check(agent(model))


async def test_the_load_is_reported_once(provider: Provider, model: str) -> None:
    first = await (await provider.converse(opening(agent(model)))).turn((), BUDGET)
    second = await (await provider.converse(opening(agent(model)))).turn((), BUDGET)
    assert first.load_seconds > 0 == second.load_seconds


async def test_what_was_read_is_kept_within_a_trial_and_forgotten_between_trials(
    provider: Provider, model: str
) -> None:
    for _ in range(2):
        chat = await provider.converse(opening(agent(model)))
        texts = [(await chat.turn((), BUDGET)).text for _ in range(3)]
        assert texts == ["false", "null", "null"]  # the stand-in answers with the request's cache_prompt
    probe = structs.replace(opening(agent(model)), is_probe=True)
    assert (await (await provider.converse(probe)).turn((), BUDGET)).text == "null"


async def test_what_a_reply_took_on_the_device_is_told(provider: Provider, model: str) -> None:
    device = (await (await provider.converse(opening(agent(model)))).turn((), BUDGET)).device
    assert device is not None
    assert (device.read_tokens, device.read_seconds) == (5, 0.05)
    assert (device.written_tokens, device.written_seconds) == (1, 0.02)
    assert device.peak_memory_bytes is not None
    assert device.peak_memory_bytes > 1_000_000


@pytest.mark.parametrize(
    ("text", "settings", "layers"),
    [("GGUF", {}, (0, None)), ("GGUFgpu", {}, (20, 25)), ("GGUFgpu", {"gpu_layers": 3}, (3, 25))],
)
async def test_layers_on_a_gpu_are_as_many_as_fit_or_as_the_agent_says(
    provider: Provider, model: str, text: str, settings: dict[str, Any], layers: tuple[int | None, int | None]
) -> None:
    write(model, text)
    request = (await (await provider.converse(opening(agent(model, **settings)))).turn((), BUDGET)).request
    assert (request.gpu_layers, request.model_layers) == layers


async def test_another_number_of_layers_is_another_server(provider: Provider, model: str) -> None:
    write(model, "GGUFgpu")
    await provider.converse(opening(agent(model)))
    chat = await provider.converse(opening(agent(model, gpu_layers=7)))
    assert (await chat.turn((), BUDGET)).request.gpu_layers == 7


async def test_which_model_and_server_a_protocol_holds_for(services: Services, model: str) -> None:
    first = await identity_of(agent(model), services)
    assert first.startswith("llama.cpp ")
    write(model, "GGUF another")
    assert await identity_of(agent(model), services) != first


@pytest.mark.parametrize(
    ("settings", "tools", "ignored"),
    [
        ({}, (TOOL,), True),
        ({"protocol": "json"}, (TOOL,), None),
        ({}, (), None),
        ({"context_tokens": 16384}, (TOOL,), None),  # with which the stand-in's template has tools
    ],
)
@pytest.mark.some(2)
async def test_a_template_without_tools_is_named(
    provider: Provider, model: str, settings: dict[str, Any], tools: tuple[ToolSpec, ...], ignored: bool | None
) -> None:
    chat = await provider.converse(opening(agent(model, **settings), tools=tools))
    request = (await chat.turn((), BUDGET)).request
    assert request.tools_ignored is bool(ignored)
    assert request.context_tokens == settings.get("context_tokens", 8192)
    assert "Bearer" not in str(request)
    assert "127.0.0.1" not in str(request)


async def test_a_server_killed_in_the_middle_of_a_turn(provider: Provider, model: str) -> None:
    chat = await provider.converse(opening(agent(model), prompt="wait"))
    turn = asyncio.ensure_future(chat.turn((), BUDGET))
    await asyncio.sleep(0)
    os.kill(provider._servers._current.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    with pytest.raises(ProviderError, match=r"server of local model 'small.gguf' was killed \(signal 9"):
        await turn
    with pytest.raises(ProviderError, match="was killed"):
        await chat.turn((), BUDGET)
    reply = await (await provider.converse(opening(agent(model)))).turn((), BUDGET)
    assert reply.load_seconds > 0


async def test_closed_in_the_middle_of_a_turn(provider: Provider, model: str) -> None:
    chat = await provider.converse(opening(agent(model), prompt="wait"))
    turn = asyncio.ensure_future(chat.turn((), BUDGET))
    await asyncio.sleep(0)
    await provider.close()
    with pytest.raises(ProviderError, match="was stopped"):
        await turn


async def test_a_cancelled_turn_leaves_the_server_for_the_next(provider: Provider, model: str) -> None:
    chat = await provider.converse(opening(agent(model), prompt="wait"))
    turn = asyncio.ensure_future(chat.turn((), BUDGET))
    await asyncio.sleep(0)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    reply = await (await provider.converse(opening(agent(model)))).turn((), BUDGET)
    assert reply.load_seconds == 0.0


@pytest.mark.slow
@pytest.mark.needs("model")
async def test_a_real_model_answers_the_same_each_time(services: Services) -> None:
    local = create(services_with(services, dict(os.environ)))
    config = agent(os.environ["FLATFIELD_TEST_MODEL"], temperature=0.0)
    await local.check(config)
    try:
        replies = [await (await local.converse(opening(config, tools=(TOOL,)))).turn((), BUDGET) for _ in range(3)]
    finally:
        await local.close()
    assert replies[0].text.strip()
    assert len({reply.text for reply in replies}) == 1
    for reply in replies:
        assert reply.usage
        assert reply.usage.cache_read_tokens == 0
        assert reply.request.tools_ignored is True
    assert [reply.load_seconds > 0 for reply in replies] == [True, False, False]


async def test_what_outlives_a_run_keeps_the_model_loaded(services: Services, model: str) -> None:
    kept = Kept()
    shared = services_with(services, {**os.environ, "PYTHONPATH": str(FAKE)})
    shared.kept = kept
    replies = []
    for _ in range(2):
        run = create(shared)
        replies.append(await (await run.converse(opening(agent(model)))).turn((), BUDGET))
        await run.close()
    assert replies[0].load_seconds > 0 == replies[1].load_seconds
    await kept.close()
    reply = await (await create(shared).converse(opening(agent(model)))).turn((), BUDGET)
    assert reply.load_seconds > 0
    await kept.close()
