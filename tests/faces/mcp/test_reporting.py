"""Reports for a client: each format that there is, as the tool and as a resource, shortened where it is long."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.faces.mcp import reporting
from flatfield.faces.storing import store_of
from flatfield.runs import readiness
from flatfield.tasks.importers.nano_agent_2025_08 import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.faces.mcp.desk import ServerDesk

    Install = Callable[..., Path]

pytestmark = pytest.mark.whole

TALLY = """
from flatfield.records import ReportTraits

TRAITS = ReportTraits(media_type="text/x-tally")

def render(result):
    return "".join(f"{trial.agent}\\n" for trial in result.trials)
"""
SHORTER = (
    TALLY
    + """
def shorter(text, characters):
    return f"{len(text.splitlines())} trials in at most {characters} characters"
"""
)
DRAWN = "from flatfield.records import ReportTraits\nTRAITS = ReportTraits(on_terminal=True)\n"


@pytest.fixture
async def published(make_desk: Callable[[], ServerDesk]) -> ServerDesk:
    desk, found = make_desk(), load()
    async with store_of(desk.project()) as store:
        await store.save_run(found.run)
        for trial in found.trials:
            await store.save_trial(trial)
    return desk


async def formats_of(client: Any) -> list[str]:
    (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == "report"]
    found: list[str] = tool.input_schema["properties"]["format"]["enum"]
    return found


async def resources_of(client: Any) -> dict[str, str]:
    templates = (await client.list_resource_templates()).resource_templates
    return {each.uri_template: each.mime_type for each in templates if "/report" in each.uri_template}


async def test_our_formats_are_those_that_are_no_drawing(connected: Any) -> None:
    async with connected() as client:
        assert await formats_of(client) == ["csv", "json", "markdown"]
        assert await resources_of(client) == {
            "flatfield://runs/{run}/report": "text/markdown",
            "flatfield://runs/{run}/report/csv": "text/csv",
            "flatfield://runs/{run}/report/json": "application/json",
            "flatfield://runs/{run}/report/markdown": "text/markdown",
        }


async def test_a_format_of_a_third_party_is_offered_with_its_media_type(
    connected: Any, published: ServerDesk, install: Install
) -> None:
    install("flatfield.reports", "tally", TALLY)
    install("flatfield.reports", "drawn", DRAWN)
    async with connected(published) as client:
        assert await formats_of(client) == ["csv", "json", "markdown", "tally"]
        assert (await resources_of(client))["flatfield://runs/{run}/report/tally"] == "text/x-tally"
        told = (await client.call_tool("report", {"format": "tally"})).structured_content
        whole = (await client.read_resource(told["resource"])).contents[0]
    assert (told["complete"], told["text"], whole.mime_type) == (True, whole.text, "text/x-tally")
    assert whole.text.startswith("claude-3-haiku\n")


async def test_a_format_that_there_is_not_is_told_with_those_that_there_are(connected: Any, install: Install) -> None:
    install("flatfield.reports", "tally", TALLY)
    async with connected() as client:
        for name in ("terminal", "pdf"):
            result = await client.call_tool("report", {"format": name})
            assert result.is_error
            assert "format: Input should be 'csv' or 'json' or 'markdown' or 'tally'" in result.content[0].text


async def test_each_format_is_shortened_in_its_own_way(
    published: ServerDesk, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "LONGEST_CHARACTERS", 3000)
    install("flatfield.reports", "tally", SHORTER)
    run = load().run.id
    found = {form: reporting.report_of(run, form, published) for form in ("csv", "json", "markdown")}
    for form, report in found.items():
        assert (report.complete, len(report.text) <= 3000) == (False, True), form
    assert found["csv"].text.endswith("\n")
    assert "trials" in json.loads(found["json"].text)["left_out"]
    assert "(left out here; the resource has it)" in found["markdown"].text
    monkeypatch.setattr(reporting, "LONGEST_CHARACTERS", 20)
    assert reporting.report_of(run, "tally", published).text == "45 trials in at most 20 characters"


async def test_a_format_that_says_nothing_of_it_is_cut_at_a_lines_end(
    published: ServerDesk, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "LONGEST_CHARACTERS", 20)
    install("flatfield.reports", "tally", TALLY)
    text = reporting.report_of(load().run.id, "tally", published).text
    assert 0 < len(text) <= 20
    assert text.endswith("\n")


async def test_decision_and_scorecards_are_kept_whatever_the_size(connected: Any, published: ServerDesk) -> None:
    async with connected(published) as client:
        told = {form: await client.call_tool("report", {"format": form}) for form in ("markdown", "json")}
        one = (await client.call_tool("pick", {"task": "3_file_operations"})).structured_content
    for form, result in told.items():
        found = result.structured_content
        assert found["answer"] == found["decision"]["answer"], form
        assert found["decision"]["recommended"] == found["scorecards"][0]["agent"] == "gpt-5-nano"
        assert len(found["scorecards"]) == 9
        assert found["scorecards"][0]["overall"].startswith("A ")
    text = told["markdown"].content[0].text
    assert text.startswith(f"{told['markdown'].structured_content['answer']}\n\n# ")
    assert "text" not in told["markdown"].structured_content
    shortened = json.loads(told["json"].content[0].text)
    assert not told["json"].structured_content["complete"]
    assert shortened["decision"]["recommended"] == "gpt-5-nano"
    assert len(shortened["scorecards"]) == 9
    assert one["task"] == "3_file_operations"
    near = {"gpt-5-mini", "gpt-oss-20b", "claude-3-haiku"}
    assert one["recommended"] in near
    assert one["runner_up"] in near - {one["recommended"]}
    assert "one trial" in one["answer"]


async def test_pick_answers_from_what_others_published_while_nothing_is_measured(
    connected: Any, make_desk: Callable[..., ServerDesk], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(readiness, "_usual_servers", lambda _: iter(()))
    environ = {"ANTHROPIC_API_KEY": "any", "FLATFIELD_CACHE": str(tmp_path)}
    async with connected(make_desk(environ_of=lambda _: environ)) as client:
        found = (await client.call_tool("pick", {"task": "code-repair"})).structured_content
        unknown = await client.call_tool("pick", {"task": "somewhere"})
    assert found["recommended"] == "claude-opus-4-8"
    assert found["run"] == ""
    assert "by what others published" in found["answer"]
    measure = "evaluate(lops=['suite:engineering'], agents=['claude-opus-4-8'])"
    assert found["advice"][-1] == f"To measure it here: {measure}."
    assert unknown.is_error
    assert "there is no task 'somewhere'; what others published is by kind of work: code-repair" in str(unknown.content)


async def test_with_an_imported_run_nothing_is_said_twice(published: ServerDesk, connected: Any) -> None:
    async with connected(published) as client:
        found = (await client.call_tool("pick", {"task": "file-work"})).structured_content
    assert found["recommended"] == "gpt-5-nano"
    assert "No task here has the tag file-work, so the answer is of all of them." in found["advice"]
    assert not any(said.startswith("Published by others") for said in found["advice"])
