"""`flatfield evidence`, `flatfield import`, and `flatfield pick` while nothing is measured here."""

from __future__ import annotations

import json
import shlex
import sqlite3
from typing import TYPE_CHECKING

import pytest

from flatfield.runs import readiness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole
COLUMNS = ("--agent-column", "who", "--task-column", "what", "--score-column", "done", "--cost-column", "usd")
RESULTS = "who,what,done,usd\n" + "".join(
    f"{who},t{number},{int(number % most != 0)},{usd}\n"
    for who, most, usd in (("fast", 3, 0.0), ("able", 9, 0.5), ("weak", 2, 0.01))
    for number in range(18)
)
BOARD = "- {model: gpt-5.5, test_cases: 225, pass_num_2: 180, edit_format: diff, date: 2026-10-01, total_cost: 9}\n"


@pytest.fixture(autouse=True)
def no_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens to run on the machine of the tests is not asked."""
    monkeypatch.setattr(readiness, "_usual_servers", lambda _: iter(()))


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_benchmarks_are_listed_in_80_columns(cli: Cli) -> None:
    text = cli("evidence", "list").stdout
    assert max(map(len, text.splitlines()[:-1])) <= 80
    assert "swe-bench               code-repair" in text


def test_filters(cli: Cli) -> None:
    rows = json.loads(cli("evidence", "list", "--benchmark", "swe-bench", "--model", "GPT 5.5", "--json").stdout)
    assert {(row["model"], row["scaffold"]) for row in rows} == {("GPT-5.5", "OpenHands"), ("GPT-5.5", "Codex")}
    kinds = json.loads(cli("evidence", "list", "--kind", "research", "--json").stdout)
    assert {row["benchmark"] for row in kinds} == {"gaia"}
    assert max(map(len, cli("evidence", "list", "--kind", "research").stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--kind", "code-repairs"), "no kind of work; did you mean 'code-repair'?"),
        (("list", "--benchmark", "swebench"), "did you mean 'swe-bench'?"),
        (("list", "--own"), "you took over no figures yet"),
        (("show", "nobody-7b"), "nothing of 'nobody-7b' is published here: flatfield evidence list"),
        (("show", "opus"), "nothing of 'opus' is published here: there are Claude Opus 4,"),
        (("list", "--kind", "code-repair", "--model", "gpt-oss:20b"), "evidence show gpt-oss:20b"),
    ],
)
def test_what_is_not_there(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    ended = cli("evidence", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr


def test_a_model_is_shown_with_sources_and_licences(cli: Cli) -> None:
    text = squeezed(cli("evidence", "show", "claude-opus-4.8").stdout)
    assert "claude-opus-4.8: code-repair" in text
    assert "from OpenHands/openhands-index-results@3015ac6); MIT" in text


def test_pick_answers_on_day_zero(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    text = cli("pick", "--for", "code-repair").stdout
    assert max(map(len, text.splitlines())) <= 80
    said = squeezed(text)
    assert "by what others published, use claude-opus-4-8: 84% of the 500 tasks of swe-bench" in said
    assert "from OpenHands/openhands-index-results@3015ac6" in said
    command = "flatfield try \"YOUR TASK\" --check 'pytest -q' --agents claude-opus-4-8,gpt-5.5"
    assert said.endswith(f"To measure both here: {command}")
    found = json.loads(cli("pick", "--for", "code-repair", "--json").stdout)
    assert (found["recommended"], found["command"]) == ("claude-opus-4-8", command)
    assert cli(*shlex.split(command)[1:], "--help").returncode == 0  # there are such options


def test_without_keys_the_fix_is_said(cli: Cli) -> None:
    said = squeezed(cli("pick").stdout)
    assert "nobody whose results for code-repair were published can be asked from here" in said
    assert "With ANTHROPIC_API_KEY set, claude-opus-4-8 could be asked" in said


def test_a_kind_of_work_beside_a_profile(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    (project / "flatfield.toml").write_text("[profiles.night]\nmax_seconds = 30\n", encoding="utf-8")
    found = json.loads(cli("pick", "--for", "night", "--for", "file-work", "--json").stdout)
    assert [one["agent"] for one in found["candidates"]] == ["gpt-5-nano"]
    for two in (("code-repair", "research"), ("night", "night")):
        assert "keep one" in cli("pick", "--for", two[0], "--for", two[1]).stderr
    (project / "flatfield.toml").write_text("[profiles.research]\nmax_seconds = 30\n", encoding="utf-8")
    ended = cli("pick")
    assert ended.returncode == 2
    assert "flatfield.toml:1: the profile research is called as a kind of work is" in ended.stderr


def test_a_table_is_a_run_to_pick_from(cli: Cli, project: Path) -> None:
    (project / "results.csv").write_text(RESULTS, encoding="utf-8")
    ended = cli("import", "csv", "results.csv", *COLUMNS)
    assert "54 trials of 3 agents × 18 tasks" in ended.stdout
    assert "fast 18 of 18" in ended.stderr
    assert "is there already as run" in cli("import", "csv", "results.csv", *COLUMNS).stdout
    said = squeezed(cli("pick").stdout)
    assert "Use able:" in said
    assert "0.00 s" not in said
    assert "Speed counts for nothing: it is not told how long the trials took." in said
    assert "no cost was published for fast" in said
    assert "said that it was done" not in said  # nobody tells what it claimed
    decision = json.loads(cli("pick", "--json").stdout)
    assert {one["agent"] for one in decision["standings"]} == {"fast", "able", "weak"}
    assert all(one["next"]["seconds"] is None for one in decision["standings"])
    trials = json.loads(cli("report", "--json").stdout)["trials"]
    assert {(one["active_seconds"], one["wall_seconds"]) for one in trials} == {(None, None)}
    report = cli("report", "--format", "markdown").stdout
    assert len(report.splitlines()) <= 60
    assert "| able |" in report
    assert len(cli("report", "--format", "markdown", "--full").stdout.splitlines()) > 60


def test_an_import_that_was_broken_off_goes_on(cli: Cli, project: Path) -> None:
    (project / "results.csv").write_text(RESULTS, encoding="utf-8")
    assert cli("import", "csv", "results.csv", *COLUMNS).returncode == 0
    with sqlite3.connect(project / ".flatfield" / "store.db") as store:
        store.execute("DELETE FROM trials WHERE agent = 'able'")
    (run,) = json.loads(cli("runs", "--json").stdout)
    assert run["stored"] == 36
    said = cli("import", "csv", "results.csv", *COLUMNS).stdout
    assert f"is run {run['id']}" in squeezed(said)
    (whole,) = json.loads(cli("runs", "--json").stdout)
    assert (whole["id"], whole["stored"]) == (run["id"], 54)


def test_figures_become_evidence_of_ones_own(cli: Cli, project: Path) -> None:
    (project / "board.yml").write_text(BOARD, encoding="utf-8")
    assert "1 figure is evidence of yours now" in cli("import", "aider-polyglot", "board.yml").stdout
    (row,) = json.loads(cli("evidence", "list", "--own", "--json").stdout)
    assert (row["model"], row["solved"], row["usd"]) == ("gpt-5.5", 180, 0.04)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("csv", "none.csv", *COLUMNS), "there is no file none.csv"),
        (("csv", "oslo.md"), "--agent-column is not given"),
        (("parquet", "oslo.md"), "there is no reader 'parquet'"),
        (("csv", "oslo.md", "--where", "x"), "--where 'x' is no NAME=VALUE"),
        (("csv", "oslo.md", "--only", "x"), "--only is for formats that know their benchmarks"),
        (("tau2-table", ".", "--score-column", "x"), "tau2-table knows its own columns"),
        (("csv", "oslo.md", *COLUMNS, "--full-score", "0"), "--full-score must be above 0"),
    ],
)
def test_what_cannot_be_taken_over(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    ended = cli("import", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr


def test_no_evidence_stands_below_trials_of_others(cli: Cli, project: Path) -> None:
    (project / "results.csv").write_text(RESULTS.replace("able", "claude-opus-4-8"), encoding="utf-8")
    cli("import", "csv", "results.csv", *COLUMNS)
    ended = cli("pick", "--for", "research")
    assert "no task here has the tag research" in ended.stderr
    assert "Published by others" not in ended.stdout


def test_the_list_of_models_has_a_column(cli: Cli) -> None:
    lines = cli("models", "list").stdout.splitlines()
    assert "published" in lines[0]
    (line,) = [line for line in lines if line.startswith("claude-opus-4-8 ")]
    assert line.rstrip().endswith("84% code-repair")
    known = json.loads(cli("models", "list", "--json").stdout)
    (found,) = [one for one in known if one["name"] == "claude-opus-4-8"]
    assert found["published"]["benchmark"] == "swe-bench"
