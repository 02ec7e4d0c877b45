"""Evaluations started by a client: they run in a process of their own, are watched, ended, reported, decided on."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.testing.fake_chat import FakeChat, FakeReply, Fault

if TYPE_CHECKING:
    from pathlib import Path

TASK = """---
id: {name}
verify:
- answer: {{contains: Oslo}}
solution:
- answer: Oslo
---

# A capital

## Variables

PROMPT: "Which capital?"
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))


async def ended(client: Any, run: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            status: dict[str, Any] = (await client.call_tool("evaluation_status", {"run": run})).structured_content
            if status["state"] != "running":
                return status
            await asyncio.sleep(0.05)


async def test_it_runs_by_itself_and_is_reported_and_decided_on(connected: Any, configured: Any, folder: Path) -> None:
    (folder / "oslo.md").write_text(TASK.format(name="oslo"))
    async with FakeChat(lambda *_: FakeReply(text="Oslo")) as server:
        configured(server.base_url)
        async with connected() as client:
            wanted = {"lops": ["oslo.md"], "agents": ["desk", "noop"], "repeats": 2}
            budgets = {"budget_usd": 1, "budget_ignores": ["desk"], "budget_seconds": 1000}
            started = await client.call_tool("evaluate", wanted | budgets)
            assert not started.is_error, started.content[0].text
            run = started.structured_content["run"]
            assert started.structured_content["trials_planned"] == 4
            status = await ended(client, run)
            report = await client.call_tool("report", {"run": run})
            rows = await client.call_tool("report", {"run": run, "format": "json"})
            choice = await client.call_tool("pick", {"weights": {"performance": 1}})
            trial = await client.read_resource(f"flatfield://trials/{run}/desk/oslo/1")
            whole = await client.read_resource(f"flatfield://runs/{run}/report/json")
            newest = await client.call_tool("evaluation_status", {})
    assert (status["state"], status["trials_measured"]) == ("finished", 4)
    assert {agent["agent"]: agent["done"] for agent in status["agents"]} == {"desk": 2, "noop": 2}
    assert "Final Ranking" in report.structured_content["text"]
    assert report.content[1].uri == report.structured_content["resource"]
    assert json.loads(rows.structured_content["text"])["run"] == run
    assert json.loads(whole.contents[0].text)["run"] == run
    assert choice.structured_content["recommended"] == "desk"
    assert "Oslo" in trial.contents[0].text
    assert newest.structured_content["run"] == run


async def test_it_is_cancelled_as_ctrl_c_does_and_can_go_on(connected: Any, configured: Any, folder: Path) -> None:
    (folder / "oslo.md").write_text(TASK.format(name="oslo"))
    asked = asyncio.Event()

    def script(*_: Any) -> Fault:
        asked.set()
        return Fault(kind="stall")

    async with FakeChat(script) as server:
        configured(server.base_url)
        async with connected() as client:
            run = (await client.call_tool("evaluate", {"lops": ["oslo.md"], "agents": ["desk"]})).structured_content
            async with asyncio.timeout(60):
                await asked.wait()
            status = (await client.call_tool("cancel_evaluation", {"run": run["run"]})).structured_content
            again = await client.call_tool("cancel_evaluation", {"run": run["run"]})
    assert status["state"] == "stopped"
    assert any("eval --resume" in note for note in status["notes"])
    assert again.is_error
    assert "not running" in again.content[0].text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"lops": []}, "lops"),
        ({"lops": ["nowhere.md"]}, "there is no file or folder"),
        ({"lops": ["/etc/passwd"]}, "lies outside"),
        ({"lops": ["../x.md"]}, "lies outside"),
        ({"lops": ["suite:basik"]}, "suite:"),
        ({"lops": ["oslo.md"], "agents": ["openai-chat:q@http://127.0.0.1:1/v1"]}, "--allow-urls"),
        ({"lops": ["oslo.md"], "agents": ["nobody"]}, "nobody"),
        ({"lops": ["oslo.md"], "agents": ["noop"], "judge": ["nobody"]}, "nobody"),
        ({"lops": ["oslo.md"], "agents": ["noop"], "repeats": 0}, "repeats"),
        ({"lops": ["oslo.md"], "agents": ["gpt-5"]}, "OPENAI_API_KEY"),
    ],
)
async def test_what_cannot_begin_says_why(connected: Any, folder: Path, arguments: dict[str, Any], said: str) -> None:
    (folder / "oslo.md").write_text(TASK.format(name="oslo"))
    async with connected() as client:
        result = await client.call_tool("evaluate", arguments)
    assert result.is_error
    assert said in result.content[0].text.replace("suite 'basik'", "suite:basik")


async def test_the_run_goes_on_when_the_client_leaves(connected: Any, configured: Any, folder: Path) -> None:
    (folder / "oslo.md").write_text(TASK.format(name="oslo"))
    async with FakeChat([FakeReply(text="Oslo")]) as server:
        configured(server.base_url)
        async with connected() as client:
            started = await client.call_tool("evaluate", {"lops": ["oslo.md"], "agents": ["desk"]})
            run = started.structured_content["run"]
        async with connected() as later:
            status = await ended(later, run)
    assert (status["state"], status["trials_measured"]) == ("finished", 1)
    assert (folder / ".flatfield" / "logs" / f"{run}.log").is_file()


RUBRIC = """---
id: essay
verify:
- answer: {contains: Oslo}
---

# An essay

## Variables

PROMPT: "Which capital?"

## Grading Rubric

- **S**: it names Oslo.
- **F**: it does not.
"""


async def test_a_judge_that_nobody_examined_is_told_of(connected: Any, configured: Any, folder: Path) -> None:
    (folder / "essay.md").write_text(RUBRIC)
    (folder / "oslo.md").write_text(TASK.format(name="oslo"))
    async with FakeChat(lambda *_: FakeReply(text="Oslo")) as server:
        configured(server.base_url)
        told = {}
        async with connected() as client:
            for lop in ("essay.md", "oslo.md"):
                started = await client.call_tool("evaluate", {"lops": lop, "agents": "noop", "judge": "desk"})
                assert not started.is_error, started.content[0].text
                told[lop] = started.structured_content["notes"]
                await ended(client, started.structured_content["run"])
    assert any("judge desk never passed its check" in note for note in told["essay.md"])
    assert any("nothing for the judge to grade" in note for note in told["oslo.md"])
    assert not any("never passed" in note for note in told["oslo.md"])
