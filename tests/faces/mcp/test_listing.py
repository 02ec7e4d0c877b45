"""What agents and tasks a client is told of: who can begin, what it costs, what it is good at, and in how few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.testing.fake_server import FakeReply
from flatfield.testing.wires.openai_chat import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.faces.mcp.desk import ServerDesk

pytestmark = pytest.mark.whole

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
MOST_BYTES = 2_600
"""Of an answer for the shipped roster: 800 tokens of o200k have more; its JSON has 3.6 bytes a token."""
LOP = """---
tags: [geography]
verify: [{answer: {contains: Oslo}}]
solution: [{answer: Oslo}]
---
# A capital

## Variables

PROMPT: "Which capital?"
"""


def with_keys(make_desk: Callable[..., ServerDesk], folder: Path, *names: str) -> ServerDesk:
    environ = {"FLATFIELD_CACHE": str(folder.parent / "cache"), "HOME": str(folder.parent)}
    return make_desk(environ_of=lambda _: environ | dict.fromkeys(names, "some-key-of-somebody"))


async def told(client: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content[0].text
    structured: dict[str, Any] = result.structured_content
    return structured


async def test_who_has_a_key_stands_first_and_the_others_say_what_they_lack(
    connected: Any, make_desk: Callable[..., ServerDesk], folder: Path
) -> None:
    async with connected(with_keys(make_desk, folder, "OPENAI_API_KEY")) as client:
        found = await told(client, "list_agents")
    assert {row["provider"] for row in found["agents"]} == {"openai"}
    assert all(row["ready"] and "$" in row["price"] for row in found["agents"])
    lacking = {each["why"]: each["agents"] for each in found["others"]}
    assert "claude-opus-5" in lacking["ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN is not set"]
    assert "oracle" in lacking["ready too"]
    assert "claude-opus-4" in lacking["retired by its vendor"]


async def test_all_providers_with_a_key_are_seen(
    connected: Any, make_desk: Callable[..., ServerDesk], folder: Path
) -> None:
    async with connected(with_keys(make_desk, folder, *KEYS)) as client:
        found = await told(client, "list_agents")
    assert {row["provider"] for row in found["agents"]} == {"openai", "anthropic", "gemini"}


async def test_the_shipped_roster_takes_few_words(
    connected: Any, make_desk: Callable[..., ServerDesk], folder: Path
) -> None:
    for keys in ((), KEYS[:1], KEYS):
        async with connected(with_keys(make_desk, folder, *keys)) as client:
            text = (await client.call_tool("list_agents", {})).content[0].text
        assert len(text.encode()) <= MOST_BYTES, (keys, len(text.encode()))


async def test_an_argument_asks_for_the_rest(connected: Any, configured: Any) -> None:
    configured("http://127.0.0.1:9/v1")
    async with connected() as client:
        every = await told(client, "list_agents", match="*")
        some = await told(client, "list_agents", match="openai-chat")
        nobody = await client.call_tool("list_agents", {"match": "zz"})
    names = [row["name"] for row in every["agents"]]
    assert len(names) > 30
    assert len(set(names)) == len(names)
    (desk,) = some["agents"]
    assert desk["name"] == "desk"
    assert desk["source"].startswith("flatfield.toml")
    assert not desk.get("ready")
    assert "answers at http://127.0.0.1:9" in desk["why_not"]
    assert "list_agents without match" in nobody.content[0].text


async def test_own_trials_say_what_an_agent_is_good_at(
    connected: Any, configured: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))
    (folder / "oslo.md").write_text(LOP)
    async with FakeChat(lambda *_: FakeReply(text="Oslo")) as server:
        configured(server.base_url)
        async with connected() as client:
            started = await told(client, "evaluate", lops="oslo.md", agents="desk", repeats=2)
            await told(client, "evaluation_status", run=started["run"], wait_seconds=90)
            found = await told(client, "list_agents")
    assert found["agents"][0]["name"] == "desk"
    assert found["agents"][0]["good_at"] == "1.00 on 2 trials; geography 1.00"
    requests = [request for request in server.requests if request.get("messages")]
    assert len(requests) == 2, "listing asked a model"


async def test_tasks_are_told_with_what_evaluate_is_given(connected: Any, folder: Path) -> None:
    (folder / "oslo.md").write_text(LOP)
    (folder / "tasks").mkdir()
    (folder / "tasks" / "broken.md").write_text(LOP.replace("contains", "contanis"))
    (folder / "hop.md").write_text("---\nagents: [noop]\n---\n# How\n\nEvaluate $ARGUMENTS.\n")
    async with connected() as client:
        found = await told(client, "list_tasks")
        suite = await told(client, "list_tasks", within="suite:basic")
        outside = await client.call_tool("list_tasks", {"within": "/etc"})
    by_lop = {row["lop"]: row for row in found["tasks"]}
    assert by_lop["oslo.md"] == {"lop": "oslo.md", "title": "A capital", "tags": ["geography"]}
    assert "contanis" in by_lop["tasks/broken.md"]["problem"]
    assert found["hops"] == ["hop.md"]
    assert {"lop": "suite:basic", "tasks": len(suite["tasks"])} in found["suites"]
    assert all(row["title"] and row["tags"] for row in suite["tasks"])
    assert "lies outside" in outside.content[0].text


async def test_the_first_of_ones_own_stands_first_as_it_works_where_nobody_is_named(
    connected: Any, folder: Path
) -> None:
    async with FakeChat([], models=("m",)) as server:
        table = '[agents.a{}]\nprovider = "openai-chat"\nmodel = "m"\nbase_url = "{}"\n'
        (folder / "flatfield.toml").write_text("".join(table.format(n, server.base_url) for n in range(12)))
        async with connected() as client:
            found = await told(client, "list_agents")
    assert [row["name"] for row in found["agents"]] == [f"a{n}" for n in range(8)]
    assert found["others"][0]["agents"].startswith("a8, a9, a10, a11")
