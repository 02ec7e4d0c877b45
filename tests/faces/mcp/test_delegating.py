"""prompt_nano_agent through a real client: what it returns, tells, keeps, and how it is ended."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.faces.mcp import delegating
from flatfield.runs import readiness
from flatfield.runs.store.store import Store
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.whole

WORK = [
    FakeReply(calls=(("write_file", '{"file_path": "b.txt", "content": "beta"}'),)),
    FakeReply(text="It is done."),
]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - another process's file is looked at, it sets no event
            await asyncio.sleep(0.01)


async def test_it_works_in_the_folder_and_tells_what_it_took(
    folder: Path, connected: Any, configured: Callable[[str], None]
) -> None:
    told: list[str] = []

    async def progress(_done: float, _total: float | None, message: str | None) -> None:
        told.append(message or "")

    async with FakeChat(WORK) as server:
        configured(server.base_url)
        async with connected() as client:
            result = await client.call_tool(
                "prompt_nano_agent", {"agentic_prompt": "Write b.txt."}, progress_callback=progress
            )
    assert not result.is_error
    answer = result.structured_content
    assert json.loads(result.content[0].text) == answer, "two of four clients show their model the text alone"
    assert (answer["success"], answer["result"], answer["error"]) == (True, "It is done.", None)
    metadata = answer["metadata"]
    assert set(metadata) == {
        "agent", "provider", "model", "answered_by", "address", "stop", "turns", "tool_calls", "files_changed",
        "input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens", "cost_usd", "active_seconds",
        "first_token_seconds", "trial", "steps", "chosen",
    }  # fmt: skip
    assert (metadata["agent"], metadata["turns"], metadata["tool_calls"]) == ("desk", 2, 1)
    assert (metadata["input_tokens"], metadata["output_tokens"], metadata["cost_usd"]) == (200, 20, None)
    assert metadata["files_changed"] == ["b.txt"]
    assert (metadata["answered_by"], metadata["address"]) == ("fake-model", server.base_url)
    assert answer["execution_time_seconds"] == metadata["active_seconds"]
    assert (folder / "b.txt").read_text() == "beta"
    assert any("write_file" in text for text in told)
    record = Store(folder / ".flatfield").trial(metadata["trial"])
    assert (record.answer, record.tool_calls) == ("It is done.", 1)


@pytest.mark.needs("bwrap")
async def test_a_check_decides_what_is_taken_and_one_trial_is_kept(
    folder: Path, connected: Any, configured: Callable[[str], None]
) -> None:
    async with FakeChat(WORK * 2) as server:
        configured(server.base_url)
        async with connected() as client:
            given = {"agentic_prompt": "Write b.txt."}
            good = await client.call_tool("prompt_nano_agent", {**given, "check": "grep -q beta b.txt"})
            assert (folder / "b.txt").read_text() == "beta"
            (folder / "b.txt").unlink()
            no_gamma = "grep -q gamma b.txt || { echo 'there is no gamma'; exit 1; }"
            bad = await client.call_tool("prompt_nano_agent", {**given, "check": no_gamma})
            trial = bad.structured_content["metadata"]["trial"]
            again = await client.call_tool("prompt_nano_agent", {**given, "continue_trial": trial, "check": "true"})
            missing = await client.call_tool("prompt_nano_agent", {**given, "check": "no-such-program"})
    assert good.structured_content["success"] is True
    assert good.structured_content["metadata"]["files_changed"] == ["b.txt"]
    assert bad.structured_content["success"] is False
    told = "the check did not pass (exit code 1: there is no gamma); the changes were taken all the same"
    assert told in bad.structured_content["error"]
    assert "leave check out" in again.content[0].text
    assert "the check 'no-such-program' cannot start" in missing.content[0].text
    store = Store(folder / ".flatfield")
    record = store.trial(good.structured_content["metadata"]["trial"])
    assert [step.passed for step in record.steps] == [True]
    assert [path.name for path in (folder / ".flatfield" / "underway").glob("*")] == [], "its turns are counted once"


async def test_auto_chooses_by_what_was_published_while_nothing_is_measured_and_says_so(
    folder: Path, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_usual_servers", lambda _: iter(()))
    async with FakeChat(WORK, models=["gpt-5.5"]) as server:
        (folder / "flatfield.toml").write_text(
            f'[agents.served]\nprovider = "openai-chat"\nmodel = "gpt-5.5"\nbase_url = "{server.base_url}"\n'
        )
        async with connected() as client:
            given = {"agentic_prompt": "Write b.txt.", "agent": "auto:best"}
            result = await client.call_tool("prompt_nano_agent", given)
    assert not result.is_error, result.content
    answer = result.structured_content
    assert (folder / "b.txt").read_text() == "beta"
    assert answer["metadata"]["steps"] == ["served"]
    assert answer["metadata"]["chosen"].startswith("served: nothing is measured here; by what others published for")


async def test_a_prompt_is_never_the_newest_evaluation(connected: Any, make_desk: Any) -> None:
    async with connected(make_desk(agent="noop")) as client:
        await client.call_tool("prompt_nano_agent", {"agentic_prompt": "Nothing."})
        status = await client.call_tool("evaluation_status", {})
    assert status.is_error
    assert "no evaluation is stored" in status.content[0].text


async def test_an_agent_that_fails_is_an_answer_not_an_error(connected: Any, configured: Any) -> None:
    async with FakeChat(lambda *_: Fault(status=400, message="no such thing")) as server:
        configured(server.base_url)
        async with connected() as client:
            result = await client.call_tool("prompt_nano_agent", {"agentic_prompt": "Do it."})
    assert not result.is_error
    assert result.structured_content["success"] is False
    assert "no such thing" in result.structured_content["error"]
    assert result.structured_content["metadata"]["stop"] == "error"


async def test_a_limit_ends_it_and_says_so(connected: Any, configured: Any) -> None:
    look = FakeReply(calls=(("list_directory", "{}"),))
    async with FakeChat(lambda *_: look) as server:
        configured(server.base_url)
        async with connected() as client:
            result = await client.call_tool("prompt_nano_agent", {"agentic_prompt": "Do it.", "limits": {"turns": 2}})
    assert result.structured_content["metadata"]["stop"] == "turn_limit"
    assert result.structured_content["error"] == "the agent did not finish: it was ended by its turn limit"


async def test_limits_may_come_as_text_as_some_clients_send_them(connected: Any, configured: Any) -> None:
    look = FakeReply(calls=(("list_directory", "{}"),))
    async with FakeChat(lambda *_: look) as server:
        configured(server.base_url)
        async with connected() as client:
            result = await client.call_tool("prompt_nano_agent", {"agentic_prompt": "Do it.", "limits": '{"turns": 1}'})
    assert result.structured_content["metadata"]["turns"] == 1


async def test_all_prompts_of_a_server_keep_to_one_limit(connected: Any, configured: Any, folder: Path) -> None:
    told: list[str] = []
    waits = asyncio.Event()

    async def progress(_done: float, _total: float | None, message: str | None) -> None:
        told.append(message or "")
        if "waiting" in told[-1]:
            waits.set()

    async with FakeChat(lambda *_: Fault(kind="stall")) as server:
        configured(server.base_url)
        place = server.base_url.removeprefix("http://").split("/")[0]
        with (folder / "flatfield.toml").open("a") as file:
            file.write(f'[lanes."{place}"]\nconcurrent = 1\n')
        async with connected() as client:
            calls = [
                asyncio.create_task(
                    client.call_tool("prompt_nano_agent", {"agentic_prompt": "Wait."}, progress_callback=progress)
                )
                for _ in range(2)
            ]
            async with asyncio.timeout(60):
                await waits.wait()
            asked = len(server.requests)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
    assert asked <= 1, "the second was not asked for while the first was at work"


async def test_cancelling_ends_the_agent_soon_and_keeps_what_it_did(
    folder: Path, connected: Any, configured: Any
) -> None:
    begun = asyncio.Event()

    def script(_request: dict[str, Any], turn: int) -> FakeReply | Fault:
        if turn == 0:
            return WORK[0]
        begun.set()
        return Fault(kind="stall")

    async with FakeChat(script) as server:
        configured(server.base_url)
        async with connected() as client:
            call = asyncio.create_task(client.call_tool("prompt_nano_agent", {"agentic_prompt": "Write b.txt."}))
            await begun.wait()
            loop = asyncio.get_running_loop()
            cancelled_at = loop.time()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            store = Store(folder / ".flatfield")
            await until(lambda: bool(store.runs() and store.trials(store.runs()[0].id)))
            assert loop.time() - cancelled_at < 10, "a moment on a quiet machine"
    (run,) = store.runs()
    (record,) = store.trials(run.id)
    assert (record.stop, run.delegated) == ("cancelled", True)
    assert record.turns[0].reply.usage is not None
    assert [change.path for change in record.changes] == ["b.txt"]


async def test_a_quiet_agent_still_gives_signs_of_life(
    connected: Any, configured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegating, "HEARTBEAT_SECONDS", 0.02)
    told: list[str] = []
    alive = asyncio.Event()

    async def progress(_done: float, _total: float | None, message: str | None) -> None:
        told.append(message or "")
        if "still working" in told[-1]:
            alive.set()

    async with FakeChat(lambda *_: Fault(kind="stall")) as server:
        configured(server.base_url)
        async with connected() as client:
            call = asyncio.create_task(
                client.call_tool("prompt_nano_agent", {"agentic_prompt": "Wait."}, progress_callback=progress)
            )
            async with asyncio.timeout(60):
                await alive.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"agentic_prompt": "  "}, "agentic_prompt is empty"),
        ({}, "agentic_prompt: Field required"),
        ({"agentic_prompt": "x", "modle": "hunter2-key"}, "it has: agentic_prompt, model, provider, agent"),
        ({"agentic_prompt": "x", "model": "hunter2-key"}, "list_agents shows which there are"),
        ({"agentic_prompt": "x", "agent": "hunter2-key"}, "list_agents shows which there are"),
        ({"agentic_prompt": "x", "model": "gpt5-mini"}, "near it: gpt-5-mini (openai); list_agents"),
        ({"agentic_prompt": "x", "agent": "GPT 5 Mini"}, "near it: gpt-5-mini (openai); list_agents"),
        ({"agentic_prompt": "x", "model": "m1", "provider": "opena"}, "did you mean 'openai'?"),
        ({"agentic_prompt": "x", "model": "openai/gpt-5-mini"}, "OPENAI_API_KEY"),
        ({"agentic_prompt": "x", "agent": "openai/gpt-5-mini"}, "OPENAI_API_KEY"),
        ({"agentic_prompt": "x", "model": "gpt-5", "provider": "hunter2-key"}, "it is at: openai"),
        ({"agentic_prompt": "x", "agent": "noop", "model": "gpt-5"}, "not both"),
        ({"agentic_prompt": "x", "provider": "openai"}, "provider alone names no agent"),
        ({"agentic_prompt": "x"}, "say who works"),
        ({"agentic_prompt": "x", "agent": "openai-chat:q@http://127.0.0.1:1/v1"}, "--allow-urls"),
        ({"agentic_prompt": "x", "agent": "gpt-5"}, "OPENAI_API_KEY"),
        ({"agentic_prompt": "x", "agent": "noop", "workspace": "/"}, "workspace must lie inside"),
        ({"agentic_prompt": "x", "agent": "noop", "workspace": ".."}, "workspace must lie inside"),
        ({"agentic_prompt": "x", "agent": "noop", "workspace": "nowhere"}, "is no folder"),
        ({"agentic_prompt": "x", "agent": "noop", "limits": {"turns": 0}}, "limits.turns"),
        (
            {"agentic_prompt": "x", "agent": "noop", "limits": {"hunter2-key": 1}},
            "limits has no such key; it has: turns, ",
        ),
        ({"agentic_prompt": 7, "agent": "noop"}, "agentic_prompt: Input should be a valid string"),
    ],
)
async def test_a_bad_argument_says_what_is_valid_and_repeats_nothing(
    connected: Any, folder: Path, arguments: dict[str, Any], said: str
) -> None:
    async with connected() as client:
        result = await client.call_tool("prompt_nano_agent", arguments)
    text = result.content[0].text
    assert result.is_error
    assert said in text
    assert "http" not in text.replace("http://127.0.0.1:1", ""), "no address of a library's help pages"
    if "limits" not in arguments:  # a key's place is not its value
        assert "hunter2" not in text
    assert not (folder / ".flatfield").exists(), "nothing was started"
