from pathlib import Path

import pytest

from flatfield.agent.files.copying import kind_of_answer, named_out, own_answers
from flatfield.records import Task, VerifierSpec

LOP = '# Edges\n\n## Variables\n\nPROMPT: "Read README.md"\n\n## Expected Output\n\nten lines\n'


def kind(path: str, text: str) -> str | None:
    return kind_of_answer(path, lambda: text)


@pytest.mark.parametrize(
    ("path", "out"),
    [
        (".git/config", ".git"),
        ("sub/.git", "sub/.git"),
        (".env", ".env"),
        ("a/.env.local", "a/.env.local"),
        (".envrc", ".envrc"),
        ("web/node_modules/x/y.js", "web/node_modules"),
        (".venv/bin/python", ".venv"),
        (".flatfield/runs.db", ".flatfield"),
        (".gitignore", None),
        (".github/ci.yml", None),
        ("environment.py", None),
        ("src/env", None),
    ],
)
def test_what_is_never_copied_by_its_name(path: str, out: str | None) -> None:
    assert named_out(path) == out


@pytest.mark.parametrize(
    "text", [LOP, LOP.replace("\n", "\r\n"), '---\nid: x\n---\n## Variables\nNAME: "a"\nPROMPT: "b"\n']
)
def test_a_lop_is_recognised_wherever_it_lies(text: str) -> None:
    assert kind("docs/any.md", text) == "LOP"


def test_a_hop_is_recognised() -> None:
    assert kind("hop.md", "# Evaluate\n\nRun $ARGUMENTS now\n") == "HOP"
    assert kind("hop.md", "---\nrepeats: 3\nagents: [a, b]\n---\n# Evaluate\n") == "HOP"
    assert kind(".claude/commands/perf/hop.md", "LOPS: `$ARGUMENTS`\n") == "HOP"


def test_agent_files_are_recognised() -> None:
    calls = "---\nname: x\n---\nmcp__nano-agent__prompt_nano_agent(agentic_prompt=PROMPT)\n"
    assert kind("agents/fast.md", calls) == "agent file"
    assert kind("agents/reviewer.md", "---\nname: reviewer\n---\nReview.\n") is None
    assert kind(".claude/agents/reviewer.md", "Review.") == "agent file"
    assert kind("sub/.claude/agents/x.txt", "") == "agent file"
    assert kind("flatfield.toml", "") == "agent file"


def test_reports_are_recognised() -> None:
    assert kind("out.md", "# Run\n## Grading Criteria\n…\n## Final Ranking\n") == "report"
    assert kind("out.html", "<h2>Grading Criteria</h2><h2>Final Ranking</h2>") == "report"
    assert kind("out.json", '{"run":{"id":"x"},"trials":[{"active_seconds":1}]}') == "report"
    assert kind("out.csv", "run,agent,task,repeat,score,active_seconds\n") == "report"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("docs/cmd.md", "# Pass arguments\n\nUse $ARGUMENTS to pass arguments to the command.\n"),
        ("README.md", "A HOP has `$ARGUMENTS`; its agents: $ARGUMENTS\n"),
        ("docs/manual.md", f"How to write one:\n\n```markdown\n{LOP}```\n\nand `$ARGUMENTS`.\n"),
        ("notes.md", "## Variables\n\n## Other\n\nPROMPT: x\n"),
        ("notes.md", "text\n\nagents: none\n"),
        ("notes.md", "---\ntitle: x\n---\nagents: none\n"),
        ("data.json", '{"run": 1, "speed": 2}'),
        ("data.csv", "agent,task\n"),
        ("page.html", "<h2>Final Ranking</h2>"),
        ("pyproject.toml", "agents"),
        ("prompt.py", LOP),
    ],
)
def test_other_files_are_copied(path: str, text: str) -> None:
    assert kind(path, text) is None


def test_files_of_other_kinds_are_not_even_read() -> None:
    def fail() -> str:
        raise AssertionError("was read")

    assert kind_of_answer("video.mp4", fail) is None


def test_a_tasks_own_answers_are_its_lop_its_checks_and_its_hidden_files(tmp_path: Path) -> None:
    verifiers = (
        VerifierSpec(kind="command", options={"run": "pytest", "hidden": "hidden/tests"}),
        VerifierSpec(kind="python", options={"value": "checks.py::verify"}),
        VerifierSpec(kind="file", options={"path": "README.md", "equals": "x"}),
    )
    task = Task(id="t", title="t", prompt="p", path=str(tmp_path / "lop.md"), verifiers=verifiers)
    assert own_answers(task) == {tmp_path / "lop.md", tmp_path / "hidden/tests", tmp_path / "checks.py"}
    assert own_answers(Task(id="t", title="t", prompt="p")) == frozenset()
