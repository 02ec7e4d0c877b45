"""How commands end: one sentence on stderr and the right code, whatever went wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import FlatfieldError, InvalidFiles, StoreError
from flatfield.faces.cli import commands, doctor, ending, with_values
from flatfield.records import Mistake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(_project: object) -> None:
        raise error

    monkeypatch.setattr(doctor, "_examine", fail)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["evl"], "No such command 'evl'. Did you mean 'eval'?; see: flatfield --help"),
        (["eval", "--bogus"], "No such option: --bogus"),
        (["report", "--format"], "Option '--format' requires an argument; see: flatfield report --help"),
        (["models", "pull"], "; see: flatfield models pull --help"),
        (
            ["eval", "x.md", "--repeats", "0"],
            "--repeats is '0': write a whole number, 1 or more; see: flatfield eval --help",
        ),
    ],
)
def test_misuse_is_one_line_that_points_to_the_help(cli: Cli, arguments: list[str], sentence: str) -> None:
    ended = cli(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("flatfield: ")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_users_error_is_its_sentence(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, FlatfieldError("this is wrong; do that\x07"))
    ended = cli("doctor")
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "flatfield: this is wrong; do that\\x07\n")


def test_users_errors_out_of_a_group_of_tasks_are_told_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ExceptionGroup("group", [ExceptionGroup("inner", [StoreError("disk full")])]))
    assert cli("doctor").stderr == "flatfield: disk full\n"


def test_several_mistakes_have_a_line_each(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, InvalidFiles(Mistake(path="a.md", line=n, problem="bad", fix="mend it") for n in (1, 2)))
    assert cli("doctor").stderr.splitlines() == [
        "flatfield: 2 mistakes in what was read:",
        "a.md:1: bad; mend it",
        "a.md:2: bad; mend it",
    ]


def test_a_bug_is_one_line_without_a_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyError("x\ny"))
    ended = cli("doctor")
    assert ended.returncode == 70
    assert ended.stderr.startswith("flatfield: this is a bug, please report it: KeyError: ")
    assert "test_ending.py" in ended.stderr
    assert "FLATFIELD_DEBUG=1" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_bug_shows_its_traceback_when_asked_to(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyError("x"))
    monkeypatch.setenv("FLATFIELD_DEBUG", "1")
    ended = cli("doctor")
    assert ended.returncode == 70
    assert "Traceback (most recent call last)" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("flatfield: this is a bug")


def test_ctrl_c_is_code_130(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    ended = cli("doctor")
    assert (ended.returncode, ended.stderr) == (130, "flatfield: interrupted\n")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"FLATFIELD": f"{sys.executable} -m flatfield"}
    return subprocess.run(["bash", "-c", line], cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")  # noqa: PTH110 - a device
@pytest.mark.parametrize(
    "command",
    ["examples list", *(pytest.param(each, marks=pytest.mark.slow) for each in ("examples list --json", "-h", "runs"))],
)
def test_a_full_disk_under_standard_output_is_said(project: Path, command: str) -> None:
    done = shell(f"$FLATFIELD {command} > /dev/full", project)
    assert done.returncode == 2
    assert done.stderr.startswith("flatfield: standard output cannot be written: No space left on device")
    assert done.stderr.count("\n") == 1


def test_a_closed_standard_output_is_refused(project: Path) -> None:
    done = shell("$FLATFIELD examples list >&-", project)
    assert done.returncode == 2
    assert done.stderr.startswith("flatfield: standard output is closed")


@pytest.mark.slow
def test_a_reader_that_has_enough_is_no_error(project: Path) -> None:
    done = shell("$FLATFIELD examples load nano-agent-2025-08 > /dev/null; $FLATFIELD report --json | head -1", project)
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_a_terminal_of_few_characters_gets_question_marks(project: Path) -> None:
    done = shell("PYTHONIOENCODING=ascii $FLATFIELD tasks list joke.md", project)
    assert (done.returncode, done.stderr) == (0, "")
    assert "?" in done.stdout, "a dash where there is no level"
    assert "verified by" in done.stdout


def test_nothing_can_be_said_without_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdout", None)
    assert ending.run_command(["-h"], commands) == 2


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["eval", "--resume"], ["eval", "--resume=newest"]),
        (["eval", "--resume", "20260102-101500-ab12"], ["eval", "--resume", "20260102-101500-ab12"]),
        (["eval", "--resume", "2026", "--jobs", "2"], ["eval", "--resume", "2026", "--jobs", "2"]),
        (["eval", "--resume", "--json"], ["eval", "--resume=newest", "--json"]),
        (["eval", "--resume=2026"], ["eval", "--resume=2026"]),
    ],
)
def test_resume_may_stand_alone(given: list[str], meant: list[str]) -> None:
    assert with_values(given) == meant


@pytest.mark.slow
def test_a_closed_standard_input_is_one_at_its_end(project: Path) -> None:
    done = shell("$FLATFIELD eval oslo.md --agents oracle <&-", project)
    assert done.returncode == 0, done.stderr


def test_a_folder_that_is_gone_is_said(project: Path) -> None:
    done = shell("mkdir gone && cd gone && rmdir ../gone && $FLATFIELD agents", project)
    said = "flatfield: the current folder is no longer there: go to one that is\n"
    assert (done.returncode, done.stderr) == (2, said)
