"""Skills in reports: a column each, as many side by side as fit."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.faces.drawing import plain_console
from flatfield.faces.reports import csv as as_csv
from flatfield.faces.reports import json as as_json
from flatfield.faces.reports import markdown, terminal
from flatfield.records import Check, RunResult

if TYPE_CHECKING:
    from collections.abc import Callable

SKILLS = ("analysis", "code", "data", "instruction-following", "knowledge", "tool-use", "x" * 50, "=a|b")
AGENT = "openai-chat:qwen3-coder-30b-a3b-instruct@127.0.0.1:8080"


@pytest.fixture
def skilled(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> RunResult:
    checks = tuple(
        Check(verifier="file", label="f", score=number % 2, reason="r", skill=skill)
        for number, skill in enumerate(SKILLS)
    )
    code = tuple(check for check in checks if check.skill == "code")
    return make_result(
        [
            trial(agent=AGENT, more={"checks": checks}),
            trial(agent="plain", more={"checks": code}),
            trial(agent="oracle", more={"checks": code}),
        ],
        controls=("oracle",),
    )


def test_the_terminal_shows_all_of_them_in_100_columns(skilled: RunResult) -> None:
    console = plain_console(100)
    with console.capture() as capture:
        terminal.show(skilled, console, full=True)
    text = capture.get()
    lines = text.split("\nSkills\n")[1].split("\nTask by Task\n")[0].splitlines()
    assert max(map(len, lines)) <= 100
    for skill in SKILLS[:6]:
        assert any(skill in line for line in lines if line.startswith("agent")), skill
    first = next(line.split() for line in lines if line.startswith("plain"))
    assert first[first.index("S") :][:3] == ["S", "1.00", "(1)"]


def test_markdown_has_a_column_a_skill(skilled: RunResult) -> None:
    part = markdown.render(skilled).split("## Skills")[1].split("\n## ")[0]
    assert "| S 1.00 (1) |" in part
    assert "=a\\|b" in part
    assert "| control |" in part


def test_json_has_them_in_the_scorecards(skilled: RunResult) -> None:
    cards = {card["agent"]: card for card in json.loads(as_json.render(skilled))["scorecards"]}
    assert cards["plain"]["skills"] == [{"skill": "code", "score": 1.0, "letter": "S", "n": 1}]
    assert len(cards[AGENT]["skills"]) == len(SKILLS)


def test_csv_has_a_column_a_skill_and_empty_is_not_measured(skilled: RunResult) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv.render(skilled))))
    assert [row["skill code"] for row in rows] == ["1.0", "1.0", "1.0"]
    assert [row["skill tool-use"] for row in rows] == ["1.0", "", ""]
    assert tuple(rows[0])[: len(as_csv.COLUMNS)] == as_csv.COLUMNS


def test_without_skills_nothing_is_said(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> None:
    result = make_result([trial()])
    assert "Skills" not in terminal.render(result) + markdown.render(result)
