"""A model on this device stays loaded from one prompt to the next, and makes room for an evaluation."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.whole

FAKE = Path(__file__).parents[2] / "machine" / "fake_llama"
LOP = """---
verify: [{answer: {contains: "x"}}]
---

## Variables

PROMPT: "Say x."
"""
EVALUATION = {"lops": ["say.md"], "agents": ["noop"], "confirm": True}


@pytest.fixture
def desk(folder: Path, make_desk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, str]]:
    """A desk and its environment, with one agent, whose model the stand-in serves in a process of its own."""
    monkeypatch.syspath_prepend(str(FAKE))
    model = folder.parent / "small.gguf"
    model.write_text("GGUF")
    (folder / "flatfield.toml").write_text(
        f'[agents.small]\nprovider = "local"\nmodel = "{model}"\nprotocol = "native"\n'
    )
    places = {"FLATFIELD_CACHE": str(folder.parent / "cache"), "HOME": str(folder.parent)}
    environ = {**os.environ, **places, "PYTHONPATH": str(FAKE), "FAKE_LLAMA_FIFO": ""}
    (folder / "say.md").write_text(LOP)
    return make_desk(environ_of=lambda _: environ), environ


async def asked(client: Any, prompt: str = "Say hello.") -> Any:
    return await client.call_tool("prompt_nano_agent", {"agentic_prompt": prompt})


@pytest.mark.slow
async def test_it_is_loaded_once_for_all_prompts_and_anew_after_an_evaluation(
    desk: tuple[Any, dict[str, str]], connected: Any, folder: Path
) -> None:
    async with connected(desk[0]) as client:
        answers = [await asked(client), await asked(client)]
        assert (await client.call_tool("evaluate", {**EVALUATION, "lops": ["nowhere.md"]})).is_error
        answers.append(await asked(client))
        assert not (await client.call_tool("evaluate", EVALUATION)).is_error
        answers.append(await asked(client))
        await client.call_tool("evaluate", EVALUATION)
    told = [answer.structured_content for answer in answers]
    assert [each["error"] for each in told] == [None] * 4
    store = Store(folder / ".flatfield")
    replies = [store.trial(each["metadata"]["trial"]).turns[0].reply for each in told]
    assert [reply.load_seconds > 0 for reply in replies] == [True, False, False, True]
    assert [reply.text for reply in replies] == ["false"] * 4  # each began with an empty prompt cache


@pytest.mark.slow
async def test_an_evaluation_takes_no_model_from_a_prompt_at_work(
    desk: tuple[Any, dict[str, str]], connected: Any, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    desk[1]["FAKE_LLAMA_FIFO"] = str(fifo)
    async with connected(desk[0]) as client:
        prompt = asyncio.ensure_future(asked(client, "wait"))
        pid = int(await asyncio.to_thread(fifo.read_text))
        await client.call_tool("evaluate", EVALUATION)
        os.kill(pid, signal.SIGKILL)  # it is still there, and what ends the prompt
        answer = await prompt
    assert not answer.structured_content["success"]
    assert "was stopped" not in answer.structured_content["error"]
