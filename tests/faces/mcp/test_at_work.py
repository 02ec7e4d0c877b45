"""Agents in the background, many at once, cut off and gone on with, through a real client."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.runs.store.store import Store
from flatfield.tasks.access import everything
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.whole

WRITES = FakeReply(calls=(("write_file", '{"file_path": "b.txt", "content": "beta"}'),))
DONE = FakeReply(text="It is done.")


async def prompt(client: Any, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool("prompt_nano_agent", {"agentic_prompt": "Do it.", **arguments})
    assert not result.is_error, result.content[0].text
    answer: dict[str, Any] = result.structured_content
    return answer


async def result_of(client: Any, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool("agent_result", arguments)
    assert not result.is_error, result.content[0].text
    answer: dict[str, Any] = result.structured_content
    return answer


def stalls(*_: Any) -> Fault:
    return Fault(kind="stall")


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - a server's count, which sets no event
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------------------- many at once


async def many(client: Any, count: int, **arguments: Any) -> list[asyncio.Task[Any]]:
    calls = [client.call_tool("prompt_nano_agent", {"agentic_prompt": "x", **arguments}) for _ in range(count)]
    return [asyncio.create_task(call) for call in calls]


async def ended(calls: list[asyncio.Task[Any]]) -> None:
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_sixteen_work_at_once_and_the_next_waits_and_is_told_so(
    connected: Any, configured: Callable[[str], None]
) -> None:
    told: list[str] = []

    async def progress(_done: float, _total: float | None, message: str | None) -> None:
        told.append(message or "")

    async with FakeChat(stalls) as one, FakeChat([DONE]) as other:
        configured(one.base_url)
        with open("flatfield.toml", "a") as file:  # noqa: ASYNC230, PTH123 - a test's own small file
            file.write(
                f'[agents.other]\nprovider = "openai-chat"\nmodel = "fake-model"\nbase_url = "{other.base_url}"\n'
            )
        async with connected() as client:
            calls = await many(client, 16, agent="desk")
            await until(lambda: one.open_requests == 16)
            late = {"agentic_prompt": "x", "agent": "other"}
            last = asyncio.create_task(client.call_tool("prompt_nano_agent", late, progress_callback=progress))
            await until(lambda: any("as many agents are at work" in text for text in told))
            assert other.requests == []
            calls.pop().cancel()
            answer = (await last).structured_content
            await ended(calls)
    assert answer["result"] == "It is done."


async def test_who_waits_for_a_busy_model_takes_no_place(
    connected: Any, make_desk: Any, configured: Callable[[str], None]
) -> None:
    """One local model, for which many wait, and another provider's agent that is not held up by them."""
    async with FakeChat(stalls) as busy, FakeChat([DONE]) as other:
        configured(other.base_url)
        with open("flatfield.toml", "a") as file:  # noqa: ASYNC230, PTH123 - a test's own small file
            file.write(
                '[agents.slow]\nprovider = "openai-chat"\nmodel = "fake-model"\non_device = true\nprotocol = "native"\n'
            )
            file.write(f'base_url = "{busy.base_url}"\n')
        async with connected(make_desk(parallel=2)) as client:
            calls = await many(client, 5, agent="slow")
            await until(lambda: busy.open_requests == 1)
            answer = await prompt(client, agent="desk")
            assert (busy.open_requests, len(busy.requests)) == (1, 1)
            await ended(calls)
    assert answer["result"] == "It is done."


# ---------------------------------------------------------------------------- in the background


async def test_in_the_background_it_returns_at_once_and_is_waited_for(
    folder: Path, connected: Any, configured: Callable[[str], None]
) -> None:
    async with FakeChat([WRITES, DONE]) as server:
        configured(server.base_url)
        async with connected() as client:
            begun = await prompt(client, background=True)
            ended = await result_of(client, trial=begun["metadata"]["trial"], wait_seconds=60)
            again = await result_of(client)
    assert (begun["success"], begun["metadata"]["stop"], begun["result"]) == (None, "working", "")
    assert (ended["success"], ended["result"]) == (True, "It is done.")
    assert ended["metadata"]["files_changed"] == ["b.txt"]
    assert again == ended, "the latest, where none is named"
    assert Store(folder / ".flatfield").trial(begun["metadata"]["trial"]).answer == "It is done."


async def test_what_is_not_done_in_time_is_still_at_work_and_can_be_ended(
    folder: Path, connected: Any, configured: Callable[[str], None]
) -> None:
    async with FakeChat(lambda _, turn: WRITES if turn == 0 else Fault(kind="stall")) as server:
        configured(server.base_url)
        async with connected() as client:
            begun = await prompt(client, background=True)
            await until(lambda: len(server.requests) == 2)
            waited = await result_of(client, wait_seconds=0.01)
            ended = await result_of(client, trial=begun["metadata"]["trial"], cancel=True)
    assert waited["success"] is None
    assert (ended["success"], ended["metadata"]["stop"]) == (False, "cancelled")
    assert ended["metadata"]["files_changed"] == ["b.txt"]
    assert server.open_requests == 0
    assert (folder / "b.txt").read_text() == "beta"


async def test_what_keeps_it_from_beginning_is_said_when_it_is_asked_for(connected: Any, folder: Path) -> None:
    async with connected() as client:
        await prompt(client, agent="gpt-5", background=True)
        result = await client.call_tool("agent_result", {"wait_seconds": 60})
    assert result.is_error
    assert "OPENAI_API_KEY" in result.content[0].text


async def test_the_record_of_a_call_that_its_client_gave_up_is_found(
    folder: Path, connected: Any, configured: Callable[[str], None]
) -> None:
    told: list[str] = []

    async def progress(_done: float, _total: float | None, message: str | None) -> None:
        told.append(message or "")

    async with FakeChat(lambda _, turn: WRITES if turn == 0 else Fault(kind="stall")) as server:
        configured(server.base_url)
        async with connected() as client:
            arguments = {"agentic_prompt": "Write b.txt."}
            call = asyncio.create_task(client.call_tool("prompt_nano_agent", arguments, progress_callback=progress))
            await until(lambda: len(server.requests) == 2)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            latest = await result_of(client, wait_seconds=60)
            trial = latest["metadata"]["trial"]
        async with connected() as client:
            stored = await result_of(client, trial=trial.partition("/")[0])
    assert (latest["success"], latest["metadata"]["stop"]) == (False, "cancelled")
    assert any(trial in text for text in told), "its client was told which trial it is"
    assert stored == latest, "another server finds it by its run too"


async def test_nothing_of_that_id_names_the_latest(connected: Any, folder: Path) -> None:
    async with connected() as client:
        none = await client.call_tool("agent_result", {"trial": "20260101"})
        trial = (await prompt(client, agent="noop"))["metadata"]["trial"]
        other = await client.call_tool("agent_result", {"trial": "hunter2-key"})
        ended = await client.call_tool("agent_result", {"trial": "hunter2-key", "cancel": True})
    assert "prompt_nano_agent begins one" in none.content[0].text
    assert trial in other.content[0].text
    assert "no such agent is at work" in ended.content[0].text
    assert "hunter2" not in other.content[0].text + ended.content[0].text


async def test_a_server_that_ends_keeps_the_records_of_what_is_in_the_background(
    folder: Path, make_desk: Any, configured: Callable[[str], None]
) -> None:
    from mcp import Client

    from flatfield.faces.mcp.server import build

    async with FakeChat(lambda _, turn: WRITES if turn == 0 else Fault(kind="stall")) as server:
        configured(server.base_url)
        flatfield = build(make_desk())
        async with Client(flatfield, mode="legacy") as client:
            trial = (await prompt(client, background=True))["metadata"]["trial"]
            await until(lambda: len(server.requests) == 2)
        await flatfield.at_work.end()
    record = Store(folder / ".flatfield").trial(trial)
    assert (record.stop, [change.path for change in record.changes]) == ("cancelled", ["b.txt"])


# ---------------------------------------------------------------------------- going on


async def test_an_agent_is_gone_on_with_in_its_folder_with_all_that_was_said(
    folder: Path, connected: Any, configured: Callable[[str], None]
) -> None:
    (folder / "inner").mkdir()
    script = [WRITES, DONE, FakeReply(text="I wrote beta."), FakeReply(text="Twice.")]
    async with FakeChat(script) as server:
        configured(server.base_url)
        async with connected() as client:
            first = await prompt(client, workspace="inner")
        async with connected() as client:  # another server, as after a restart of the client
            second = await prompt(client, agentic_prompt="What?", continue_trial=first["metadata"]["trial"])
            third = await prompt(client, agentic_prompt="Again?", continue_trial=second["metadata"]["trial"])
    assert server.violations == []
    assert (second["result"], third["result"]) == ("I wrote beta.", "Twice.")
    said = [(one["role"], one.get("content")) for one in server.requests[3]["messages"]]
    assert [text for role, text in said if role == "user"] == ["Do it.", "What?", "Again?"]
    assert [text for role, text in said if role == "assistant" and text] == ["It is done.", "I wrote beta."]
    assert (third["metadata"]["turns"], third["metadata"]["input_tokens"]) == (1, 100), "its own alone"
    record = Store(folder / ".flatfield").trial(third["metadata"]["trial"])
    assert record.continues == second["metadata"]["trial"]


async def test_a_program_is_told_in_words_what_was_said(folder: Path, connected: Any, make_desk: Any) -> None:
    (folder / "flatfield.toml").write_text(
        '[agents.mine]\nprovider = "cli"\noutput = "text"\ncommand = ["sh", "-c", "echo I heard; cat"]\n'
    )
    environ = {"FLATFIELD_CACHE": str(folder.parent / "cache"), "PATH": os.environ["PATH"]}
    desk = make_desk(access_of=lambda _: everything(), environ_of=lambda _: environ)
    async with connected(desk) as client:
        first = await prompt(client, agent="mine")
        second = await prompt(client, agentic_prompt="What?", continue_trial=first["metadata"]["trial"])
    told = second["result"]
    assert told.index("You were asked: Do it.") < told.index("You said: I heard") < told.index("What?")
    record = Store(folder / ".flatfield").trial(second["metadata"]["trial"])
    assert any("told in words" in note for note in record.notes)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"agent": "noop"}, "name no other"),
        ({"workspace": "."}, "name no other"),
        ({"continue_trial": "20260101-000000-abcd/noop/prompt/1"}, "names no trial"),
        ({"continue_trial": "hunter2-key"}, "names no trial"),
    ],
)
async def test_what_cannot_be_gone_on_with_is_said(
    connected: Any, folder: Path, arguments: dict[str, Any], said: str
) -> None:
    async with connected() as client:
        trial = (await prompt(client, agent="noop"))["metadata"]["trial"]
        given = {"agentic_prompt": "x", "continue_trial": trial, **arguments}
        result = await client.call_tool("prompt_nano_agent", given)
    assert result.is_error
    assert said in result.content[0].text
    assert "hunter2" not in result.content[0].text


async def test_an_agent_that_became_another_one_is_not_gone_on_with(
    folder: Path, connected: Any, configured: Callable[[str], None]
) -> None:
    async with FakeChat([DONE]) as server:
        configured(server.base_url)
        async with connected() as client:
            trial = (await prompt(client))["metadata"]["trial"]
            file = folder / "flatfield.toml"
            file.write_text(file.read_text().replace("fake-model", "another"))
            given = {"agentic_prompt": "x", "continue_trial": trial}
            result = await client.call_tool("prompt_nano_agent", given)
    assert result.is_error
    assert "configured in another way" in result.content[0].text
