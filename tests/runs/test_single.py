"""One nano agent in a directory as it is: its work stays there, and nothing outside is touched."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.agent.tiny import TOKENS
from flatfield.errors import NotFound, NotReady
from flatfield.records import AgentConfig, Event, Limits, TrialRecord
from flatfield.runs.single import FolderWork, Surroundings, run_here
from flatfield.runs.world import Outside
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def agent(base_url: str, **fields: Any) -> AgentConfig:
    values = {"provider": "openai-chat", "model": "fake-model", "base_url": base_url} | fields
    return AgentConfig(name="me", **values)


async def work(folder: Path, config: AgentConfig, prompt: str = "Do it.", events: list[Event] | None = None
               ) -> TrialRecord:  # fmt: skip
    told: list[Event] = [] if events is None else events
    environ = {"FLATFIELD_CACHE": str(folder.parent / "cache")}
    around = Surroundings(outside=Outside(environ=environ), observe=told.append)
    return await run_here(FolderWork(prompt=prompt, agent=config, folder=folder, limits=Limits(turns=3)), around)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    (made / "a.txt").write_text("alpha")
    (tmp_path / "outside.txt").write_text("secret")
    return made


async def test_it_works_where_it_is_put_and_cannot_leave(folder: Path) -> None:
    calls = (
        ("write_file", '{"file_path": "b.txt", "content": "beta"}'),
        ("read_file", '{"file_path": "../outside.txt"}'),
        ("run_command", '{"command": "ls"}'),
    )
    events: list[Event] = []
    async with FakeChat([FakeReply(calls=calls), FakeReply(text="done")]) as server:
        record = await work(folder, agent(server.base_url), events=events)
    assert (record.stop, record.answer, record.failure, record.checks) == ("answered", "done", None, ())
    assert (folder / "b.txt").read_text() == "beta"
    assert [change.path for change in record.changes] == ["b.txt"]
    results = record.turns[0].results
    assert [result.ok for result in results] == [True, False, False]
    assert "secret" not in results[1].text
    assert "there is no tool 'run_command'" in results[2].text
    assert [event.kind for event in events] == ["tool", "tool", "tool", "turn", "turn", "verifying"]


async def test_two_agents_in_one_folder_report_their_own_changes_and_nobody_elses(folder: Path) -> None:
    asked = asyncio.Event()

    def script(_: dict[str, Any], number: int) -> FakeReply | Fault:
        if number == 0:
            return FakeReply(calls=(("write_file", '{"file_path": "x/one.txt", "content": "one"}'),))
        asked.set()
        return Fault(kind="stall")

    call = ("write_file", '{"file_path": "two.txt", "content": "two"}')
    async with FakeChat(script) as one, FakeChat([FakeReply(calls=(call,)), FakeReply(text="done")]) as two:
        running = asyncio.create_task(work(folder, agent(one.base_url)))
        await asked.wait()
        (folder / "a.txt").write_text("the user's")
        second = await work(folder, agent(two.base_url))
        running.cancel()
        first = await running
    assert [(change.path, change.text) for change in first.changes] == [("x/one.txt", "one")]
    assert [(change.path, change.text) for change in second.changes] == [("two.txt", "two")]


async def test_limits_and_the_models_own_name(folder: Path) -> None:
    async with FakeChat([FakeReply(calls=(("list_directory", "{}"),))] * 3) as server:
        record = await work(folder, agent(server.base_url), prompt="Say MODEL_NAME.")
    assert (record.stop, len(record.turns)) == ("turn_limit", 3)
    assert record.system_prompt.endswith("Your model name is fake-model.")


async def test_what_is_missing_is_said_before_anything_is_asked(folder: Path) -> None:
    async with FakeChat([]) as server:
        with pytest.raises(NotReady, match="NO_SUCH_KEY"):
            await work(folder, agent(server.base_url, api_key_env="NO_SUCH_KEY"))
        with pytest.raises(NotReady, match="does not serve 'other'"):
            await work(folder, agent(server.base_url, model="other"))
        with pytest.raises(NotFound, match="no provider 'nobody'"):
            await work(folder, agent(server.base_url, provider="nobody"))
        assert [request["max_tokens"] for request in server.requests] == [TOKENS], "asked for the unlisted model"


async def test_a_tool_whose_commands_nothing_keeps_from_what_is_protected_is_not_given_here(
    folder: Path, install: Callable[..., Path]
) -> None:
    text = "from flatfield.records import ToolTraits\nTRAITS = ToolTraits(needs_sandbox=True)\n"
    install("flatfield.tools", "build_it", text)
    async with FakeChat([]) as server:
        for tools in (("build_it",), ("run_command", "build_it")):
            with pytest.raises(
                NotReady, match="name build_it, which does not keep its commands from what is protected"
            ):
                await work(folder, agent(server.base_url, tools=tools))


async def test_cancelling_returns_what_was_done(folder: Path) -> None:
    asked = asyncio.Event()

    def script(_: dict[str, Any], number: int) -> FakeReply | Fault:
        if number == 0:
            return FakeReply(calls=(("write_file", '{"file_path": "b.txt", "content": "beta"}'),))
        asked.set()
        return Fault(kind="stall")

    async with FakeChat(script) as server:
        running = asyncio.create_task(work(folder, agent(server.base_url)))
        await asked.wait()
        running.cancel()
        record = await running
    assert record.stop == "cancelled"
    assert record.failure is not None
    assert record.failure.kind == "interrupted"
    assert [change.path for change in record.changes] == ["b.txt"]
    assert record.usage is not None


async def test_a_large_folder_of_installed_packages_costs_a_prompt_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks into it, neither before the agent works nor after."""
    packages = folder / "node_modules"
    for number in range(300):
        inner = packages / f"package{number}"
        inner.mkdir(parents=True)
        (inner / "index.js").write_text("x")
    looked: list[str] = []
    scandir = os.scandir

    def seen(path: Any = ".") -> Any:
        looked.append(os.fspath(path) if isinstance(path, str | os.PathLike) else str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", seen)
    call = ("write_file", '{"file_path": "b.txt", "content": "beta"}')
    async with FakeChat([FakeReply(calls=(call,)), FakeReply(text="done")]) as server:
        record = await work(folder, agent(server.base_url))
    assert [change.path for change in record.changes] == ["b.txt"]
    assert not [path for path in looked if "node_modules" in path]
    assert any(str(folder) in path for path in looked), "the folder itself was looked at"
