"""`flatfield speak`, its hooks, and the options that let other commands be heard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.whole

LOP = """\
---
files: {}
verify:
  - answer: {equals: "x"}
solution:
  - answer: "x"
---
# T

## Variables

PROMPT: "Say x"
"""
WRITES = '#!/bin/sh\nfor last; do :; done\necho "$last" >> {log}\n'


@pytest.fixture
def voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A voice that notes what it says; returns the file."""
    log = tmp_path / "said.txt"
    program = tmp_path / "bin" / "espeak-ng"
    program.parent.mkdir()
    program.write_text(WRITES.format(log=log))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    log.touch()
    return log


def run(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, list(words), input=stdin)


def test_a_text_is_said(voice: Path) -> None:
    assert run("speak", "the *tests* are green").exit_code == 0
    assert voice.read_text() == "the tests are green\n"


RESULT = {"success": True, "result": "", "execution_time_seconds": 12.3, "metadata": {"agent": "gpt-5-mini"}}
CALL = {"hook_event_name": "PostToolUse", "tool_response": json.dumps(RESULT)}
WRAPPER = {
    "hook_event_name": "SubagentStop",
    "agent_type": "nano-agent-x",
    "last_assistant_message": json.dumps(RESULT),
}


@pytest.fixture
def aside(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a process of its own would be started for."""
    asked: list[str] = []
    monkeypatch.setattr("flatfield.faces.speech.speaker.say_aside", asked.append)
    return asked


@pytest.mark.parametrize(
    ("event", "said"),
    [({"hook_event_name": "Stop"}, ["I am done"]), (CALL, ["gpt-5 mini: done in 12 seconds"]), (WRAPPER, [])],
)
def test_hooks_are_spoken_of_aside(event: dict[str, str], said: list[str], voice: Path, aside: list[str]) -> None:
    result = run("speak", "--hook", stdin=json.dumps(event))
    assert (result.exit_code, result.stdout, aside) == (0, "", said)
    assert voice.read_text() == "", "nothing is waited for"


@pytest.mark.parametrize("event", ["", "no json", "[]", "{}", '{"hook_event_name": "PreToolUse"}'])
def test_a_hook_never_fails_nor_says_what_an_assistant_would_obey(event: str, voice: Path, aside: list[str]) -> None:
    result = run("speak", "--hook", stdin=event)
    assert (result.exit_code, result.stdout, aside) == (0, "", [])
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_hook_that_cannot_be_heard_fails_nothing(
    voice: Path, aside: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (("--to", "no/such/folder/said.wav"), ()):
        result = run("speak", "--hook", *words, stdin=json.dumps(CALL))
        assert (result.exit_code, result.stdout) == (0, "")
        aside.clear()
        monkeypatch.setenv("PATH", "")
    assert "install espeak-ng" in result.stderr


@pytest.mark.parametrize("words", [["speak"], ["speak", "a", "--hook"]])
def test_either_a_text_or_a_hook(words: list[str], voice: Path) -> None:
    assert isinstance(run(*words).exception, FlatfieldError)


def test_without_a_voice_it_says_so_and_fails_nothing(voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = run("speak", "hello")
    assert result.exit_code == 0
    assert "install espeak-ng" in result.stderr
    assert result.stderr.count("install espeak-ng") == 2, "once, with the command"


@pytest.mark.parametrize("path", [".", "no/such/folder/said.wav"])
def test_a_file_that_cannot_be_one_is_refused_before_anything(path: str, voice: Path) -> None:
    error = run("speak", "hello", "--to", path).exception
    assert isinstance(error, FlatfieldError)
    assert "cannot be a WAV file" in str(error)


def test_an_evaluation_is_heard(voice: Path) -> None:
    (voice.parent / "t.md").write_text(LOP)
    result = run("eval", "t.md", "--agents", "oracle,noop", "--speak")
    assert result.exit_code == 0, result.output
    said = voice.read_text().splitlines()
    assert sorted(said[:2]) == ["noop: done in under a second", "oracle: done in under a second"]
    assert said[2:] == ["The evaluation is graded"]


def test_a_run_is_heard(voice: Path) -> None:
    result = run("run", "Hello", "--model", "noop:", "--speak")
    assert result.exit_code == 0, result.output
    assert voice.read_text() == "noop: done in under a second\n"
