"""`flatfield tasks`: what a LOP says, and whether it measures anything."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole

LINE = "tab\there, {braces} $dollars 'quotes' “é” 🙂, and a line that is a good deal longer than a hundred columns are"
PROMPT = f"{LINE}\r\nnext"


@pytest.mark.parametrize("suite", [("suite:desk",), pytest.param((), marks=pytest.mark.slow)])
def test_the_built_in_suites_are_listed(cli: Cli, suite: tuple[str, ...]) -> None:
    ended = cli("tasks", "list", *suite)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0].split() == ["id", "level", "title", "verified", "by"]
    wanted = ("desk-04-fix-typo", "1") if suite else ("level-3-extract", "3")
    assert any(tuple(line.split()[:2]) == wanted for line in lines)
    assert any(line.startswith("capital ") for line in lines) is not bool(suite)
    assert max(map(len, lines)) <= 100


def test_named_files_are_listed_as_json(cli: Cli, project: Path) -> None:
    found = json.loads(cli("tasks", "list", "oslo.md", "--json").stdout)
    assert found == [{"id": "oslo", "level": 1, "title": "A capital", "path": str(project / "oslo.md")}]


def test_a_judged_task_is_listed_as_such(cli: Cli) -> None:
    assert cli("tasks", "list", "joke.md").stdout.splitlines()[1].split()[-1] == "rubric"


def test_a_prompt_is_shown_byte_for_byte_as_json(cli: Cli, project: Path) -> None:
    (project / "p.md").write_bytes(f'---\nid: p\n---\n# P\n\n## Variables\n\nPROMPT: "{PROMPT}"\n'.encode())
    shown = json.loads(cli("tasks", "show", "p.md", "--json").stdout)
    assert list(shown) == ["id", "prompt", "agents", "expected", "rubric", "verifiers", "limits"]
    assert shown["prompt"] == PROMPT
    assert shown["limits"] == {"turns": 20, "seconds": 300.0, "output_tokens": 16000, "cost_usd": None}


def test_a_prompt_is_not_wrapped_as_text(cli: Cli, project: Path) -> None:
    (project / "p.md").write_bytes(f'---\nid: p\n---\n# P\n\n## Variables\n\nPROMPT: "{PROMPT}"\n'.encode())
    assert PROMPT.replace("\r\n", "\n") in cli("tasks", "show", "p.md").stdout


def test_verifiers_limits_and_rubric_are_shown(cli: Cli) -> None:
    text = cli("tasks", "show", "oslo.md", "joke.md").stdout
    assert '  answer {"contains":"Oslo"}, weight 1' in text
    assert "  turns 20, seconds 300, output_tokens 16,000" in text
    assert "is it short" in text


def test_several_tasks_as_json_are_a_list(cli: Cli) -> None:
    shown = json.loads(cli("tasks", "show", "oslo.md", "joke.md", "--json").stdout)
    assert [task["id"] for task in shown] == ["oslo", "joke"]
    assert shown[0]["verifiers"] == [{"answer": {"contains": "Oslo"}, "weight": 1.0, "skill": None}]


def test_the_original_projects_tasks(cli: Cli, request: pytest.FixtureRequest) -> None:
    folder = request.config.rootpath / "tests/fixtures/nano_agent/.claude/commands/perf"
    shown = json.loads(cli("tasks", "show", str(folder / "lop_eval_1__dummy_test.md"), "--json").stdout)
    assert len(shown["agents"]) == 9
    assert shown["agents"][0] == "nano-agent-gpt-5-nano"
    assert shown["expected"].startswith('The right answer is "Oslo".')
    listed = cli("tasks", "list", str(folder)).stdout.splitlines()
    assert len(listed) == 6
    assert listed[1].split()[-2:] == ["a", "judge"]


def test_tasks_that_hold_that_fail_and_that_are_not_proved(cli: Cli, project: Path) -> None:
    wrong = (
        (project / "oslo.md").read_text().replace("- answer: Oslo\n", "- answer: Bergen\n").replace("id: oslo", "id: w")
    )
    (project / "wrong.md").write_text(wrong)
    held = cli("tasks", "check", "oslo.md", "joke.md")
    assert held.returncode == 0
    ok, unproved = held.stdout.splitlines()
    assert re.fullmatch(r"ok     oslo: oracle 1, noop 0, echo 0, copy 0; checked in [0-9]+\.[0-9] s", ok)
    assert unproved == "–      joke: has no solution: not proved"
    failed = cli("tasks", "check", "wrong.md", "oslo.md")
    assert failed.returncode == 1
    assert failed.stdout.startswith("FAILS  w: oracle scores 0.00, not 1")
    found = json.loads(cli("tasks", "check", "wrong.md", "--json").stdout)
    assert (found[0]["holds"], found[0]["oracle"]) == (False, 0.0)


def test_a_deep_check_shows_its_sabotages(cli: Cli, project: Path) -> None:
    lop = (project / "oslo.md").read_text()
    (project / "oslo.md").write_text(
        lop.replace("solution:", "sabotages:\n  - {name: wrong city, answer: Rome}\nsolution:")
    )
    ended = cli("tasks", "check", "oslo.md", "--deep")
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.splitlines()[-1] == "       × wrong city: 0.00, fails answer contains"
    assert "alike in 5 runs; 1 of 1 sabotages noticed" in " ".join(ended.stdout.split())
    (found,) = json.loads(cli("tasks", "check", "oslo.md", "--deep", "--json").stdout)
    assert found["sabotages"] == [{"name": "wrong city", "score": 0.0, "failed": ["answer contains"], "problems": []}]
    assert (found["runs"], found["unbroken"]) == (5, [])


def test_prompts_that_talk_about_the_harness_are_pointed_out(cli: Cli, project: Path) -> None:
    text = (
        (project / "oslo.md")
        .read_text()
        .replace("Which city", "Respond with your entire JSON response structure. Which")
    )
    (project / "oslo.md").write_text(text)
    ended = cli("tasks", "check", "oslo.md")
    assert ended.returncode == 0
    assert "       ! line 1 of the prompt of oslo talks about the harness" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 100


def test_bad_files_are_sentences(cli: Cli, project: Path) -> None:
    (project / "hop.md").write_text("Evaluate $ARGUMENTS\n")
    assert "did you mean 'oslo.md'?" in cli("tasks", "show", "osl.md").stderr
    assert cli("tasks", "show", "hop.md").stderr == "flatfield: there is no LOP in hop.md\n"
    assert cli("tasks", "check").returncode == 2
