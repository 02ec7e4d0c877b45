"""`pick --export`, as the tools themselves take it: Claude Code, Claude Code Router, LiteLLM."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from msgspec import structs

from flatfield.faces.exports import export
from flatfield.records import RunResult
from flatfield.scoring.decision import decide
from flatfield.scoring.grading import grade
from flatfield.tasks.importers.nano_agent_2025_08 import load
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

BEST, NEXT = "gpt-5-nano", "gpt-5-mini"
START_SECONDS = 120.0
MASTER_KEY = "sk-proxy"
CCR_FILE = ".claude-code-router/config.json"


def exported(form: str, base_url: str) -> str:
    """The published run's answer; all its models of one maker are served at one address, with one key."""
    found = load()
    agents = tuple(
        structs.replace(one, provider="openai-chat", base_url=base_url, api_key_env="MY_KEY")
        for one in found.run.agents
        if one.name in {BEST, NEXT}
    )
    run = structs.replace(found.run, agents=agents)
    trials = tuple(one for one in found.trials if one.agent in {BEST, NEXT})
    given = RunResult(run=run, trials=trials, verdicts=(), grading=grade(run, trials, ()))
    return export(form, decide(given), given)


class Both:
    """The two models; the best one answers, or fails from some moment on."""

    def __init__(self) -> None:
        self.fails = False

    def __call__(self, request: dict[str, Any], _: int) -> FakeReply | Fault:
        if request["model"] == BEST and self.fails:
            return Fault(status=500)
        return FakeReply(text=f"hello from {request['model']}")


@asynccontextmanager
async def serving(
    stage: Any, argv: Sequence[str], url: str, **environ: str
) -> AsyncIterator[Callable[[dict[str, Any]], Any]]:
    """A program that serves, started; what is asked of it at `url`, as text. The models' key is planted."""
    with (stage.home / "said.txt").open("w") as said:
        process = await asyncio.create_subprocess_exec(
            *argv, cwd=stage.home, env={**stage.environ, "MY_KEY": "planted", **environ}, stdout=said, stderr=said
        )
        try:
            headers = {"Authorization": f"Bearer {MASTER_KEY}"}
            async with aiohttp.ClientSession(headers=headers) as session, asyncio.timeout(START_SECONDS):

                async def ask(body: dict[str, Any]) -> str:
                    while True:
                        with suppress(aiohttp.ClientConnectorError):
                            async with session.post(url, json=body) as reply:
                                return await reply.text()
                        assert process.returncode is None, (stage.home / "said.txt").read_text()
                        await asyncio.sleep(0.2)

                yield ask
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_claude_code_router_serves_it_and_falls_back(stage: Any, installed: Callable[[str], None]) -> None:
    installed("ccr")
    both, port = Both(), free_port()
    async with FakeChat(both, models=[BEST, NEXT]) as server:
        whole = json.loads(exported("claude-code-router", server.base_url))
        stage.write(CCR_FILE, whole | {"HOST": "127.0.0.1", "PORT": port})
        body = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        async with serving(stage, ["ccr", "start"], f"http://127.0.0.1:{port}/v1/messages") as ask:
            assert f"hello from {BEST}" in await ask(body)
            both.fails = True
            assert f"hello from {NEXT}" in await ask(body)
    assert {each["Authorization"] for each in server.headers} == {"Bearer planted"}


async def test_litellm_serves_it_and_falls_back(stage: Any) -> None:
    program = shutil.which(os.environ["FLATFIELD_TEST_CLIENTS"] + "/litellm/bin/litellm") or shutil.which("litellm")
    if program is None:
        pytest.skip("litellm is not there: make test-clients installs it where it can")
    both, port = Both(), free_port()
    async with FakeChat(both, models=[BEST, NEXT]) as server:
        stage.write("config.yaml", exported("litellm", server.base_url))
        argv = [program, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
        body = {"model": "flatfield", "messages": [{"role": "user", "content": "hi"}]}
        url, environ = f"http://127.0.0.1:{port}/v1/chat/completions", {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        async with serving(stage, argv, url, LITELLM_MASTER_KEY=MASTER_KEY, **environ) as ask:
            assert f"hello from {BEST}" in await ask(body)
            both.fails = True
            assert f"hello from {NEXT}" in await ask(body)
    assert {each["Authorization"] for each in server.headers} == {"Bearer planted"}


async def test_the_sub_agent_is_one_of_claude_codes(stage: Any, installed: Callable[[str], None]) -> None:
    installed("claude")
    text = exported("claude-code", "http://127.0.0.1:1/v1")
    about = {"name": "picked", "description": "d", "version": "1.0.0", "author": {"name": "a"}}
    stage.write("plugin/.claude-plugin/plugin.json", about)
    stage.write("plugin/agents/picked.md", text)
    validate = ["claude", "plugin", "validate", "--strict", str(stage.home / "plugin")]
    done = await stage.run(validate, {})
    assert done.code == 0, done.out + done.err
    stage.write("plugin/agents/picked.md", text.replace("description:", "descriptions:", 1))
    done = await stage.run(validate, {})
    assert done.code != 0, "it does look at what stands at its head"
