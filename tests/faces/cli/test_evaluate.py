"""`flatfield eval`: what it runs, prints, stores and refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.testing.fake_server import FakeReply

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]
    Serve = Callable[..., FakeChat]

pytestmark = pytest.mark.whole

NO_PROMPT = "---\nid: x\n---\n# T\n\n## Instructions\n\nnothing\n"
HOP = "---\nagents: [oracle]\nrepeats: 2\n---\n# My comparison\n\nEvaluate $ARGUMENTS\n"


def test_an_evaluation_runs_is_graded_reported_and_stored(cli: Cli, project: Path, norway: str) -> None:
    ended = cli("eval", "oslo.md", "--agents", f"{norway},oracle,noop", "--repeats", "2")
    assert ended.returncode == 0
    assert "3 agents × 1 task, 6 of 6 trials measured" in ended.stdout
    assert re.search(r"S \([A-F]–S\)", ended.stdout)
    assert "[6/6]" in ended.stderr
    assert "Report: .flatfield/reports/" in ended.stderr
    (report,) = (project / ".flatfield" / "reports").iterdir()
    assert "## Final Ranking" in report.read_text(encoding="utf-8")
    assert f"to run it again: flatfield eval oslo.md --agents {norway},oracle,noop --repeats 2" in " ".join(
        cli("report", "--full").stdout.split()
    )


def test_json_is_that_of_the_json_report(cli: Cli) -> None:
    ended = cli("eval", "oslo.md", "--agents", "oracle,noop", "--json")
    assert ended.returncode == 0
    assert ended.stdout == cli("report", "--format", "json").stdout
    assert [trial["score"] for trial in json.loads(ended.stdout)["trials"]] == [0.0, 1.0]


def test_a_hop_says_agents_and_repeats_and_its_title_is_the_runs(cli: Cli, project: Path) -> None:
    (project / "hop.md").write_text(HOP)
    ended = cli("eval", "hop.md", "oslo.md")
    assert ended.stdout.startswith("My comparison\n")
    assert "1 agent × 1 task, 2 of 2 trials measured" in ended.stdout


def test_without_a_hop_the_title_is_what_was_named(cli: Cli) -> None:
    assert cli("eval", "oslo.md", "--agents", "oracle").stdout.startswith("oslo.md\n")


def test_without_a_judge_a_rubric_is_not_measured_and_the_way_on_is_said(cli: Cli) -> None:
    ended = cli("eval", "joke.md", "--agents", "noop")
    assert ended.returncode == 3
    assert "without a judge, performance and overall are not measured on: joke" in ended.stderr
    assert "1 trial not judged; go on with: flatfield eval --resume " in ended.stderr


def test_a_judge_given_later_judges_what_was_done(cli: Cli, serve: Serve) -> None:
    def script(request: dict[str, Any], _number: int) -> FakeReply:
        judged = "Tell a joke." in json.dumps(request) and "grade" in json.dumps(request).lower()
        return FakeReply(text='{"grade": "A", "letter": "A", "reason": "short"}' if judged else "Knock knock.")

    agent = f"openai-chat:m@{serve(script).base_url}"
    assert cli("eval", "joke.md", "--ungraded", "--agents", agent).returncode == 3
    ended = cli("eval", "--resume", "--judge", agent)
    assert "run " in ended.stderr
    assert ": 1 trial done, 0 trials to do" in ended.stderr
    assert "judge openai-chat:m@127.0.0.1" in ended.stderr
    assert "1/1" in ended.stdout.partition("How Far the Judges Can Be Trusted")[2]


def test_a_judge_that_has_nothing_to_grade_is_said(cli: Cli, norway: str) -> None:
    ended = cli("eval", "oslo.md", "--agents", "oracle", "--judge", norway)
    assert ended.returncode == 0
    assert "no task has a rubric, so there is nothing for the judge to grade" in ended.stderr
    assert "its check" not in ended.stderr


def test_an_agent_that_is_not_ready_stops_everything_or_is_skipped(cli: Cli, norway: str) -> None:
    agents = f"{norway},openai-chat:gpt-5"
    ended = cli("eval", "oslo.md", "--agents", agents)
    assert ended.returncode == 2
    assert "needs a key: set the environment variable OPENAI_API_KEY" in ended.stderr
    assert cli("runs").stdout.startswith("No runs are stored")
    skipped = cli("eval", "oslo.md", "--agents", agents, "--skip-unready")
    assert skipped.returncode == 3
    assert "1 trial not measured; when the cause is mended, go on with: flatfield eval --resume" in skipped.stderr
    assert "1 trial not measured (openai-chat:gpt-5)" in skipped.stdout


def test_a_budget_that_cannot_be_kept_ends_after_one_trial_and_can_be_told_to_pass_the_agent_over(
    cli: Cli, norway: str
) -> None:
    ended = cli("eval", "oslo.md", "--agents", norway, "--repeats", "5", "--budget-usd", "0.11")
    assert ended.returncode == 2
    said = " ".join(ended.stderr.split())
    name = norway.replace("http://", "").removesuffix("/v1")
    assert f"what {name} costs is not known after a first trial" in said
    assert said.endswith(f"--budget-ignores {name}")
    (run,) = json.loads(cli("runs", "--json").stdout)
    assert (run["measured"], run["planned"], run["cost_usd"]) == (1, 5, None)
    again = cli("eval", "--resume", "--budget-ignores", norway)
    assert again.returncode == 0, again.stderr
    assert json.loads(cli("runs", "--json").stdout)[0]["measured"] == 5


def test_a_budget_of_seconds_that_is_too_short_starts_nothing_and_says_so(cli: Cli, norway: str) -> None:
    chosen = ("oslo.md", "--agents", norway, "--budget-seconds")
    assert "would end it after" in " ".join(cli("plan", *chosen, "5").stdout.split())
    ended = cli("eval", *chosen, "5")
    assert ended.returncode == 3
    said = " ".join(ended.stderr.split())
    assert re.search(r"trials that would not end in time do not start: \d s of the budget of 5 s are over", said)
    assert "1 trial not measured; with more time (--budget-seconds" in said
    assert "go on with: flatfield eval --resume" in said
    assert "within the budget" in " ".join(cli("plan", *chosen, "250").stdout.split())
    assert cli("eval", "--resume", "--budget-seconds", "250").returncode == 0, "less than its limit of 300 s"
    assert "within the budget" in " ".join(cli("plan", *chosen, "5").stdout.split())
    assert cli("eval", *chosen, "5").returncode == 0, "it is known now how long it takes"


def test_whom_the_budget_is_to_ignore_adds_up_from_one_sitting_to_the_next(cli: Cli, norway: str) -> None:
    other = norway.replace(":m@", ":n@")
    ended = cli("eval", "oslo.md", "--agents", f"{norway},{other}", "--repeats", "2", "--budget-usd", "1")
    assert ended.returncode == 2
    assert ended.stderr.count("--budget-ignores openai-chat:") == 2, "both are named at once"
    assert cli("eval", "--resume", "--budget-ignores", norway).returncode == 2
    assert cli("eval", "--resume", "--budget-ignores", other).returncode == 0


def test_resume_does_only_what_is_missing(cli: Cli, norway: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("eval", "oslo.md", "--agents", f"{norway},openai-chat:gpt-5,oracle", "--skip-unready")
    again = cli("eval", "--resume", "--skip-unready")
    assert again.returncode == 3
    assert ": 2 trials done, 1 trial to do" in again.stderr
    assert "[1/1] openai-chat:gpt-5" in again.stderr
    assert len(json.loads(cli("runs", "--json").stdout)) == 1


def test_resume_adds_repeats_of_the_agents_that_are_named(cli: Cli, norway: str) -> None:
    cli("eval", "oslo.md", "--agents", f"{norway},oracle")
    again = cli("eval", "--resume", "--repeats", "3", "--agents", norway, "--json")
    assert again.returncode == 0, again.stderr
    assert ": 1 trial done, 2 trials to do" in again.stderr
    trials = json.loads(again.stdout)["trials"]
    name = norway.replace("http://", "").removesuffix("/v1")
    assert sorted((trial["agent"], trial["repeat"]) for trial in trials) == sorted(
        [("oracle", 1), (name, 1), (name, 2), (name, 3)]
    )


def test_at_the_end_stands_the_answer_by_the_profile(cli: Cli) -> None:
    Path("flatfield.toml").write_text("[profiles.day]\nsolved_usd = 5\n")
    ended = cli("eval", "oslo.md", "--agents", "oracle,noop", "--for", "day")
    assert "No agent to recommend: only controls took part." in ended.stdout
    assert "there is no profile 'night'" in cli("eval", "oslo.md", "--agents", "oracle", "--for", "night").stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["oslo.md", "--resume"], "leave oslo.md out"),
        (["--resume", "--seed", "2"], "--resume keeps what its run was started with; leave out --seed"),
        (["--resume", "--agents", "nobody"], "nobody"),
        (["--resume", "1999"], "there is no run '1999'"),
    ],
)
def test_resume_is_not_for_changes(cli: Cli, arguments: list[str], sentence: str) -> None:
    cli("eval", "oslo.md", "--agents", "oracle")
    ended = cli("eval", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr


def test_an_imported_run_cannot_be_resumed(cli: Cli) -> None:
    cli("examples", "load", "nano-agent-2025-08")
    assert "imported from published figures" in cli("eval", "--resume").stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name what to evaluate"),
        (["nosuch.md"], "there is no file or folder nosuch.md"),
        (["suite:bsic"], "there is no suite 'bsic'; did you mean 'basic'?"),
        (["no_prompt.md"], "no_prompt.md:1: there is no `## Variables` section, so no PROMPT"),
        (["bad_yaml.md"], "bad_yaml.md:2: this is not YAML"),
        (["bad_tool.md"], "bad_tool.md:2: there is no tool `read_fil`; did you mean `read_file`?"),
        (["bad_verifier.md"], "bad_verifier.md:3: there is no verifier `anser`; did you mean `answer`?"),
        (["hop.md"], "there is no LOP in hop.md"),
        (["hop.md", "hop2.md", "oslo.md"], "this is one of 2 HOPs; name one HOP"),
        (["oslo.md", "twin.md"], "the id 'oslo' is also that of oslo.md"),
        (["oslo.md"], "no agents are named"),
        (["oslo.md", "--agents", "oracel"], "there is no agent 'oracel'; did you mean 'oracle'?"),
        (["oslo.md", "--agents", "nobody:x"], "there is no provider 'nobody'"),
        (["oslo.md", "--agents", " , "], "names no agent"),
        (["oslo.md", "--agents", "elsewhere"], "there is no provider 'elsewhere'"),
        (["oslo.md", "--agents", "keyed"], "needs a key: set the environment variable MY_KEY"),
        (["oslo.md", "--agents", "openai-chat:m@http://127.0.0.1:9/v1"], "no server answers at http://127.0.0.1:9/v1"),
        (["oslo.md", "--agents", "local:smollm2-135m"], "is not pulled; run: flatfield models pull smollm2-135m"),
        (["oslo.md", "--agents", "oracle", "--judge", "nobody"], "there is no agent 'nobody'"),
        (
            ["oslo.md", "--agents", "oracle", "--weights", "speed=fast"],
            "--weights 'speed=fast': 'fast' is no weight of 0 or more; write e.g.",
        ),
    ],
)
def test_bad_input_is_refused_in_a_sentence_before_anything_is_stored(
    cli: Cli, project: Path, arguments: list[str], sentence: str
) -> None:
    ending = '# T\n\n## Variables\n\nPROMPT: "hi"\n'
    (project / "no_prompt.md").write_text(NO_PROMPT)
    (project / "bad_yaml.md").write_text(f"---\nid: [a\n---\n{ending}")
    (project / "bad_tool.md").write_text(f"---\ntools: [read_fil]\n---\n{ending}")
    (project / "bad_verifier.md").write_text(f"---\nverify:\n- anser: {{contains: x}}\n---\n{ending}")
    (project / "hop.md").write_text(HOP)
    (project / "hop2.md").write_text(HOP)
    (project / "twin.md").write_text((project / "oslo.md").read_text())
    (project / "flatfield.toml").write_text(
        '[agents.keyed]\nprovider = "openai-chat"\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"\n'
        'api_key_env = "MY_KEY"\n[agents.elsewhere]\nprovider = "elsewhere"\nmodel = "m"\n'
    )
    ended = cli("eval", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert cli("runs").stdout.startswith("No runs are stored")


def test_all_mistakes_of_all_files_are_told_at_once(cli: Cli, project: Path) -> None:
    text = '---\ntools: [read_fil]\nlimits: {turns: 0}\n---\n# T\n\n## Variables\n\nPROMPT: "hi"\n'
    for name in ("one.md", "two.md"):
        (project / name).write_text(text)
    lines = cli("eval", "one.md", "two.md").stderr.splitlines()
    assert lines[0] == "flatfield: 4 mistakes in what was read:"
    assert [line.split(": ")[0] for line in lines[1:]] == ["one.md:2", "one.md:3", "two.md:2", "two.md:3"]


def test_an_oversized_workspace_is_refused_with_its_largest_folder(cli: Cli, project: Path) -> None:
    (project / "data").mkdir()
    with (project / "data" / "huge.bin").open("wb") as file:
        file.truncate(600 * 1024**2)
    sections = "".join(f"## {name}\n\nx\n\n" for name in ("Instructions", "Expected Output", "Grading rubric"))
    prompt = '## Variables\n\nPROMPT: "hi"\n\n## Agents\n\n@agent-noop PROMPT\n'
    (project / "plain.md").write_text(f"# T\n\n{sections}{prompt}")
    ended = cli("eval", "plain.md")
    assert ended.returncode == 2
    assert "is too large for a workspace: more than 537 MB; its largest folder is data" in ended.stderr


def test_a_place_to_store_that_is_no_folder_is_said(cli: Cli, project: Path) -> None:
    (project / ".flatfield").touch()
    ended = cli("eval", "oslo.md", "--agents", "oracle")
    assert ended.returncode == 2
    assert ".flatfield is not a folder" in ended.stderr


def test_a_corrupt_store_is_said(cli: Cli, project: Path) -> None:
    (project / ".flatfield").mkdir()
    (project / ".flatfield" / "store.db").write_bytes(b"no database" * 100)
    for command in (["eval", "oslo.md", "--agents", "oracle"], ["runs"], ["report"]):
        ended = cli(*command)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "store.db is damaged" in ended.stderr


def test_a_report_that_cannot_be_written_leaves_the_run_stored(cli: Cli, project: Path) -> None:
    (project / ".flatfield").mkdir()
    (project / ".flatfield" / "reports").touch()
    ended = cli("eval", "oslo.md", "--agents", "oracle")
    assert ended.returncode == 2
    assert "the report cannot be written to" in ended.stderr
    assert "the run is stored, see: flatfield report" in ended.stderr
    assert cli("report").returncode == 0


def test_the_original_projects_files_are_understood(cli: Cli, project: Path, request: pytest.FixtureRequest) -> None:
    import shutil

    fixture = request.config.rootpath / "tests" / "fixtures" / "nano_agent"
    shutil.copytree(fixture, project, dirs_exist_ok=True)
    ended = cli("eval", ".claude/commands/perf", "--agents", "noop")
    assert ended.returncode == 3
    assert "5 trials not judged" in ended.stderr
    assert "greeter.md skipped" in ended.stderr
    left_out = [line for line in ended.stderr.splitlines() if "may hold answers (LOPs)" in line]
    assert len(left_out) == 1


@pytest.mark.parametrize("repeats", ["1", "2"])
def test_a_check_that_stumbles_over_an_agents_work_and_not_over_the_solution_is_a_0(
    cli: Cli, project: Path, repeats: str
) -> None:
    (project / "checks.py").write_text("def verify(trial, files):\n    return {'x': 1}[trial.answer], 'x'\n")
    front = "id: k\nverify: [{python: checks.py::verify}]\nsolution: [{answer: x}]"
    (project / "k.md").write_text(f'---\n{front}\n---\n## Variables\n\nPROMPT: "Say x."\n')
    ended = cli("eval", "k.md", "--agents", "noop", "--trust", "--repeats", repeats, "--json")
    found = json.loads(ended.stdout)["trials"]
    assert [trial["score"] for trial in found] == [0.0] * int(repeats)
