"""prompt_nano_agent in a client's own folder: what others execute or obey there stays as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import FlatfieldError
from flatfield.testing.fake_server import FakeReply
from flatfield.testing.wires.openai_chat import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.whole

PATHS = ("flatfield.toml", ".git/config", ".git/hooks/x", ".claude/settings.json", ".mcp.json", ".flatfield/store.db",
         ".github/workflows/ci.yml", "AGENTS.md", "agents/evil.md")  # fmt: skip


def attacking(request: dict[str, Any], _number: int) -> FakeReply:
    if request["messages"][-1]["role"] == "tool":
        return FakeReply(text="done")
    calls = [("write_file", json.dumps({"file_path": path, "content": "evil"})) for path in PATHS]
    return FakeReply(calls=(*calls, ("read_file", '{"file_path": ".env"}')))


def results(server: FakeChat) -> list[str]:
    return [message["content"] for message in server.requests[-1]["messages"] if message["role"] == "tool"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_an_agent_writes_nothing_that_others_execute_and_reads_no_secret(
    folder: Path, connected: Any, configured: Callable[[str], None]
) -> None:
    (folder / ".env").write_text("KEY=the-secret\n")
    async with FakeChat(attacking) as server:
        configured(server.base_url)
        before = (folder / "flatfield.toml").read_text()
        async with connected() as client:
            result = await client.call_tool("prompt_nano_agent", {"agentic_prompt": "Attack."})
        told = results(server)
    assert len(told) == len(PATHS) + 1
    assert all(" is protected: " in text for text in told)
    assert "the-secret" not in str(told)
    assert result.structured_content["metadata"]["files_changed"] == []
    assert (folder / "flatfield.toml").read_text() == before
    assert names(folder) == [".env", ".flatfield", "flatfield.toml", "notes.txt"]


async def test_the_servers_owner_opens_a_name_and_a_call_cannot(
    folder: Path, connected: Any, configured: Callable[[str], None], make_desk: Any
) -> None:
    async with FakeChat(attacking) as server:
        configured(server.base_url)
        async with connected(make_desk(allow=("AGENTS.md",))) as client:
            listed = await client.list_tools()
            await client.call_tool("prompt_nano_agent", {"agentic_prompt": "Attack."})
        told = dict(zip(PATHS, results(server), strict=False))
    assert told["AGENTS.md"].startswith("wrote ")
    assert "is protected" in told[".mcp.json"]
    [tool] = [one for one in listed.tools if one.name == "prompt_nano_agent"]
    assert "allow" not in tool.input_schema["properties"]


async def test_a_protected_workspace_is_refused(folder: Path, connected: Any, configured: Any) -> None:
    (folder / ".git/hooks").mkdir(parents=True)
    async with FakeChat(attacking) as server:
        configured(server.base_url)
        async with connected() as client:
            result = await client.call_tool(
                "prompt_nano_agent", {"agentic_prompt": "Attack.", "workspace": ".git/hooks"}
            )
        assert server.requests == []
    assert result.is_error
    assert "is protected: git runs the hooks" in result.content[0].text


def test_the_home_folder_is_no_workspace_unless_it_is_named(
    folder: Path, make_desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    with pytest.raises(FlatfieldError, match="--root DIR"):
        make_desk().workspace(None, ())
    with pytest.raises(FlatfieldError, match="--root DIR"):
        make_desk().workspace(str(folder / ".."), ())
    assert make_desk(roots=(folder,)).workspace(None, ()) == folder
    with pytest.raises(FlatfieldError, match="--root DIR"):  # a client offers whatever it was started in
        make_desk().workspace(None, (folder,))
    with pytest.raises(FlatfieldError, match="--root DIR"):
        make_desk(cwd=Path("/")).workspace("/tmp", ())


async def test_a_damaged_store_is_told(folder: Path, connected: Any, make_desk: Any) -> None:
    (folder / ".flatfield").mkdir()
    (folder / ".flatfield/store.db").write_bytes(b"x")
    async with connected(make_desk(agent="noop")) as client:
        for name in ("report", "pick", "evaluation_status"):
            result = await client.call_tool(name, {})
            assert result.is_error
            assert "store.db is damaged" in result.content[0].text
        done = await client.call_tool("prompt_nano_agent", {"agentic_prompt": "Nothing."})
    assert "the record was not kept: the store" in done.structured_content["error"]
    assert (folder / ".flatfield/store.db").read_bytes() == b"x"
