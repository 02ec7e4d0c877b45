"""Evaluations started by a client: they run in a process of their own, are watched, ended, reported, decided on."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.faces.mcp import evaluations
from flatfield.faces.storing import store_of
from flatfield.runs.scratch import claimed
from flatfield.runs.store.store import Store
from flatfield.tasks.importers.nano_agent_2025_08 import load
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.whole

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


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))


async def ended(client: Any, run: str) -> dict[str, Any]:
    told = await client.call_tool("evaluation_status", {"run": run, "wait_seconds": 90})
    status: dict[str, Any] = told.structured_content
    assert status["state"] != "running"
    return status


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
    assert status["said"].startswith(f"{report.structured_content['answer']} Run {run} is finished")
    assert report.content[0].text.startswith(report.structured_content["answer"])
    assert len(report.content[0].text.splitlines()) <= 62
    assert report.content[0].text.count("## Final Ranking") == 1
    assert "text" not in report.structured_content
    assert [card["agent"] for card in report.structured_content["scorecards"]] == ["desk", "noop"]
    assert report.structured_content["decision"]["recommended"] == "desk"
    assert report.content[1].uri == report.structured_content["resource"]
    assert rows.structured_content["text"] == rows.content[0].text
    assert json.loads(rows.content[0].text)["run"] == run
    assert json.loads(whole.contents[0].text)["run"] == run
    assert choice.structured_content["recommended"] == "desk"
    assert "Oslo" in trial.contents[0].text
    assert newest.structured_content["run"] == run


@pytest.mark.slow
async def test_it_is_cancelled_as_ctrl_c_does_and_can_go_on(connected: Any, configured: Any, folder: Path) -> None:
    (folder / "oslo.md").write_text(TASK.format(name="oslo"))
    asked = asyncio.Event()
    stalls = [True]

    def script(*_: Any) -> Fault | FakeReply:
        asked.set()
        return Fault(kind="stall") if stalls else FakeReply(text="Oslo")

    async with FakeChat(script) as server:
        configured(server.base_url)
        async with connected() as client:
            run = (await client.call_tool("evaluate", {"lops": ["oslo.md"], "agents": ["desk"]})).structured_content
            async with asyncio.timeout(60):
                await asked.wait()
            status = (await client.call_tool("cancel_evaluation", {"run": run["run"]})).structured_content
            again = await client.call_tool("cancel_evaluation", {"run": run["run"]})
            stalls.clear()
            other = await client.call_tool("evaluate", {"resume": run["run"], "repeats": 2})
            budget = {"budget_usd": 5, "budget_ignores": "desk"}
            resumed = (await client.call_tool("evaluate", {"resume": run["run"], **budget})).structured_content
            done = await ended(client, run["run"])
            nothing = await client.call_tool("evaluate", {"resume": run["run"]})
    assert status["state"] == "stopped"
    assert f"evaluate(resume='{run['run']}')" in status["said"]
    assert any("evaluate(resume=" in note for note in status["notes"])
    assert again.is_error
    assert "not running" in again.content[0].text
    assert "resume keeps what its run was started with: leave out repeats" in other.content[0].text
    assert resumed["run"] == run["run"]
    evaluation = Store(folder / ".flatfield").load_run(run["run"]).evaluation
    assert (evaluation.budget_usd, evaluation.budget_ignores) == (5, ("desk",))
    assert (done["state"], done["trials_measured"]) == ("finished", 1)
    assert "nothing to go on with" in nothing.content[0].text


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"lops": []}, "lops"),
    ({"lops": ["nowhere.md"]}, "there is no file or folder nowhere.md; what there is: `list_tasks`"),
    ({"lops": ["/etc/passwd"]}, "lies outside"),
    ({"lops": ["../x.md"]}, "lies outside"),
    ({"lops": ["suite:basik"]}, "suite:"),
    ({"lops": ["oslo.md"], "agents": ["openai-chat:q@http://127.0.0.1:1/v1"]}, "--allow-urls"),
    (
        {"lops": ["oslo.md"], "agents": ["nobody"]},
        "there is no agent 'nobody'; list_agents shows them",
    ),
    ({"lops": ["oslo.md"], "agents": "gpt5, noop"}, "there is no agent 'gpt5'; did you mean 'gpt-5'?"),
    ({"lops": ["oslo.md"]}, "nobody is named for oslo: give agents (list_agents"),
    ({"lops": ["my oslo.md"], "agents": ["noop"]}, "there is no file or folder my oslo.md"),
    ({"resume": "2099"}, "start one with evaluate (list_tasks"),
    ({"lops": ["essay.md"], "agents": ["desk"]}, "name a judge with the argument judge"),
    ({"lops": ["oslo.md"], "agents": ["noop"], "judge": ["nobody"]}, "nobody"),
    ({"lops": ["oslo.md"], "agents": ["noop"], "repeats": 0}, "repeats"),
    ({"lops": ["oslo.md"], "agents": ["gpt-5"]}, "OPENAI_API_KEY"),
)
"""What `evaluate` is given, and what it says."""


async def test_what_cannot_begin_says_why(
    connected: Any, configured: Any, folder: Path, subtests: pytest.Subtests
) -> None:
    (folder / "oslo.md").write_text(TASK.format(name="oslo"))
    (folder / "essay.md").write_text(RUBRIC.replace("verify:\n- answer: {contains: Oslo}\n", ""))
    configured("http://127.0.0.1:9/v1")
    async with connected() as client:
        for arguments, said in WRONG:
            with subtests.test(said):
                result = await client.call_tool("evaluate", arguments)
                assert result.is_error
                text = result.content[0].text
                assert said in text.replace("suite 'basik'", "suite:basik")
                assert not re.search(r"--(agents|judge|ungraded|skip)|flatfield (?!new task)[a-z]", text), text


@pytest.mark.slow
async def test_a_server_that_is_not_there_is_told_before_anything_is_stored(
    connected: Any, configured: Any, folder: Path
) -> None:
    (folder / "oslo.md").write_text(TASK.format(name="oslo"))
    configured("http://127.0.0.1:9/v1")
    async with connected() as client:
        result = await client.call_tool("evaluate", {"lops": "oslo.md", "agents": "desk"})
    assert "nothing was started: desk: no" in result.content[0].text
    assert "leave them out of agents (list_agents shows who is ready)" in result.content[0].text
    assert not (folder / ".flatfield" / "store.db").exists()


@pytest.mark.slow
async def test_paths_with_spaces_and_agents_with_commas(connected: Any, folder: Path) -> None:
    (folder / "my tasks").mkdir()
    (folder / "my tasks" / "a lop.md").write_text(TASK.format(name="oslo"))
    (folder / "bergen.md").write_text(TASK.format(name="bergen"))
    async with connected() as client:
        started = await client.call_tool("evaluate", {"lops": "my tasks/a lop.md, bergen.md", "agents": "oracle, noop"})
        assert not started.is_error, started.content[0].text
        status = await ended(client, started.structured_content["run"])
        picked = (await client.call_tool("pick", {"task": "bergen"})).structured_content
        compared = (await client.call_tool("compare", {"a": "oracle", "b": "noop"})).structured_content
        wrong = await client.call_tool("pick", {"task": "nowhere"})
    assert "Forecast: 4 trials, $0, about" in started.structured_content["said"]
    assert f"Run {started.structured_content['run']} is" in started.structured_content["said"]
    assert (status["title"], status["trials_measured"]) == ("my tasks/a lop.md, bergen.md", 4)
    assert [each["agent"] for each in status["agents"]] == ["oracle", "noop"]
    assert picked["task"] == "bergen"
    assert compared["comparisons"][0]["difference"] == 1.0
    assert "has no task or tag 'nowhere'; its tasks: oslo, bergen" in wrong.content[0].text


async def test_who_waits_is_told_how_far_it_is_and_hears_of_the_end_at_once(
    connected: Any, make_desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluations, "TELL_SECONDS", 0.0)
    desk, published = make_desk(), load()
    async with store_of(desk.project()) as store:
        await store.save_run(published.run)
        for trial in published.trials[:-1]:
            await store.save_trial(trial)
    heard: list[tuple[float, float | None, str | None]] = []

    with ExitStack() as carrying:  # this process stands for the one that carries the run out

        async def hear(done: float, total: float | None, message: str | None) -> None:
            heard.append((done, total, message))
            async with store_of(desk.project()) as store:
                await store.save_trial(published.trials[-1])
            carrying.close()

        carrying.enter_context(claimed(published.run.id, store.path.parent))
        async with connected(desk) as client:
            now = (await client.call_tool("evaluation_status", {})).structured_content
            async with asyncio.timeout(100):
                told = await client.call_tool("evaluation_status", {"wait_seconds": 600}, progress_callback=hear)
            too_long = await client.call_tool("evaluation_status", {"wait_seconds": 601})
    assert (now["state"], now["trials_done"]) == ("running", 44)
    assert (told.structured_content["state"], told.structured_content["trials_done"]) == ("finished", 45)
    assert heard[0][:2] == (44, 45)
    assert "is running: 44 of 45 trials done" in str(heard[0][2])
    assert "less than or equal to 600" in too_long.content[0].text


@pytest.mark.slow
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


@pytest.mark.slow
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
