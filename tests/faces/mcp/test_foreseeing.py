"""A forecast first: above a limit the user is asked, through the client where it can, else by the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mcp_types import ElicitResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.faces.mcp.desk import ServerDesk

pytestmark = pytest.mark.whole

LOP = '---\nverify: [{answer: {contains: Oslo}}]\n---\n# A capital\n\n## Variables\n\nPROMPT: "Which capital?"\n'
MANY = {"lops": ["oslo.md"], "agents": ["dear"], "repeats": 10}


@pytest.fixture
def asking(
    make_desk: Callable[..., ServerDesk], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ServerDesk]:
    """A desk with one agent at a server that is never asked: what would be started is noted instead."""
    from flatfield.faces.mcp import evaluations

    begun: list[str] = []

    async def begin(run: Any, desk: ServerDesk, project: Any) -> Any:
        begun.append(run.id)
        return evaluations.not_started(run, "begun")

    async def ready(*_: Any) -> None: ...

    monkeypatch.setattr(evaluations, "begin", begin)
    monkeypatch.setattr(evaluations, "check_ready", ready)
    (folder / "oslo.md").write_text(LOP)
    (folder / "flatfield.toml").write_text(
        '[agents.dear]\nprovider = "openai"\nmodel = "gpt-5"\n'
        '[agents.strange]\nprovider = "openai-chat"\nmodel = "m"\nbase_url = "https://models.example/v1"\n'
        '[agents.near]\nprovider = "openai-chat"\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"\n'
    )
    return make_desk


async def said(client: Any, arguments: dict[str, Any]) -> str:
    result = await client.call_tool("evaluate", arguments)
    assert not result.is_error, result.content[0].text
    text: str = result.structured_content["said"]
    return text


async def test_plan_tells_dollars_and_minutes_and_starts_nothing(connected: Any, asking: Any, folder: Path) -> None:
    async with connected(asking()) as client:
        found = (await client.call_tool("plan", MANY)).structured_content
    assert found["answer"].startswith("Forecast: 10 trials, about $")
    assert found["answer"].endswith(": 1 agent on 1 task.")
    assert found["usd"] > 0
    assert found["minutes"] > 0
    assert [(line["name"], line["trials"]) for line in found["agents"]] == [("dear", 10)]
    assert any("difference of 0.1" in line for line in found["telling_apart"])
    assert not (folder / ".flatfield" / "store.db").exists()


@pytest.mark.parametrize(
    ("limits", "arguments", "why"),
    [
        ({}, {}, ""),
        ({"ask_usd": 0.05}, {}, "it is more than $0.0500"),
        ({"ask_usd": 0.05}, {"confirm": True}, ""),
        ({"ask_usd": 0.05}, {"budget_usd": 0.05}, ""),
        ({"ask_usd": 0.05}, {"budget_usd": 0.5}, "it is more than $0.0500"),
        ({"ask_minutes": 0.1}, {}, "it is more than 0.1 minutes"),
        ({"ask_minutes": 0.1}, {"budget_seconds": 6}, ""),
        ({}, {"agents": "strange", "repeats": 1}, "nobody knows the price of strange"),
        ({}, {"agents": "strange", "repeats": 1, "budget_usd": 1}, ""),
        ({}, {"agents": "near", "repeats": 1}, ""),
    ],
)
@pytest.mark.some(4)
async def test_what_is_above_the_limit_waits_for_the_users_word(
    connected: Any, asking: Any, limits: dict[str, float], arguments: dict[str, Any], why: str
) -> None:
    async with connected(asking(**limits)) as client:
        text = await said(client, MANY | arguments)
    assert text.startswith(f"Not started, as the user has to agree first ({why})." if why else "Forecast: ")
    assert ("confirm=true" in text) == bool(why)
    assert text.endswith("begun") == (not why)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize(
    ("answer", "begins"),
    [
        (ElicitResult(action="accept", content={"start": True}), True),
        (ElicitResult(action="accept", content={}), True),
        (ElicitResult(action="accept", content={"start": False}), False),
        (ElicitResult(action="decline"), False),
        (ElicitResult(action="cancel"), False),
    ],
)
@pytest.mark.some(4)
async def test_a_client_that_can_ask_asks(asking: Any, mode: Any, answer: ElicitResult, begins: bool) -> None:
    from mcp import Client

    from flatfield.faces.mcp.server import build

    asked: list[str] = []

    async def ask(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return answer

    async with Client(build(asking(ask_usd=0.05)), mode=mode, elicitation_callback=ask) as client:
        text = await said(client, MANY)
    (question,) = asked
    assert question.startswith("Start this evaluation? Forecast: 10 trials, about $")
    assert question.endswith("; it is more than $0.0500.")
    assert text.endswith("begun") if begins else text.startswith("Not started: the user did not agree.")
