"""Ctrl-C during an evaluation: what is finished is kept, the rest is done by `--resume`; and how a run leaves."""

from __future__ import annotations

import gc
import json
import os
import pty
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import typer

from flatfield.faces.cli.carry_out import leave, quiet_collector
from flatfield.records import Evaluation, Failure, RunResult, Task, Verdict
from flatfield.runs.evaluation.scheduler import Summary
from flatfield.runs.store.store import Store
from flatfield.testing.fake_server import FakeReply, Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]
    Serve = Callable[..., FakeChat]

pytestmark = pytest.mark.whole

FLATFIELD = [sys.executable, "-m", "flatfield"]
QUICK = 2
"""So many requests are answered; all later ones never are, until the server is mended."""


class Server:
    """A model that answers the first requests and then hangs, until it is mended."""

    def __init__(self) -> None:
        self.mended = False

    def __call__(self, _request: dict[str, Any], number: int) -> FakeReply | Fault:
        return FakeReply(text="Oslo") if self.mended or number < QUICK else Fault(kind="stall")


@pytest.fixture
def hanging(serve: Serve) -> tuple[Server, FakeChat]:
    script = Server()
    return script, serve(script)


def arguments(server: FakeChat) -> list[str]:
    return ["eval", "oslo.md", "--agents", f"openai-chat:m@{server.base_url}", "--repeats", "6", "--jobs", "3"]


NUMBERS = (
    signal.SIGINT,
    pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
    pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    pytest.param(signal.SIGQUIT, marks=pytest.mark.slow),
)


@pytest.mark.parametrize("number", NUMBERS)
def test_an_interrupted_evaluation_keeps_what_is_finished_and_resume_does_the_rest(
    cli: Cli, project: Path, hanging: tuple[Server, FakeChat], number: signal.Signals
) -> None:
    script, server = hanging
    running = subprocess.Popen(
        [*FLATFIELD, *arguments(server)], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    lines = [running.stderr.readline() for _ in range(QUICK)]
    assert [line.split()[0] for line in lines] == ["[1/6]", "[2/6]"]
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "stopping: what runs is ended, what is finished is kept" in err
    assert "interrupted: 2 of 6 trials done, 0 failed, 4 left; go on with: flatfield eval --resume 20" in err
    assert "2 of 6 trials measured" in out
    assert "Traceback" not in err
    asked = len(server.requests)
    script.mended = True
    again = cli("eval", "--resume")
    assert again.returncode == 0
    assert ": 2 trials done, 4 trials to do" in again.stderr
    assert len(server.requests) - asked == 4
    assert "6 of 6 trials measured" in again.stdout


def read_until(descriptor: int, text: bytes, seen: bytes = b"") -> bytes:
    """What the terminal showed until it showed `text`."""
    ends = time.monotonic() + 60
    while text not in seen:
        assert time.monotonic() < ends, seen
        seen += os.read(descriptor, 65536)
    return seen


def read_all(descriptor: int) -> bytes:
    found = b""
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # Linux says so when the other side has closed
            return found
        if not piece:
            return found
        found += piece


def test_ctrl_c_in_a_terminal_ends_the_live_table_cleanly(project: Path, hanging: tuple[Server, FakeChat]) -> None:
    _, server = hanging
    descriptor, terminal = pty.openpty()
    running = subprocess.Popen(
        [*FLATFIELD, *arguments(server)], cwd=project, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    shown = read_until(descriptor, b"2/6")
    running.send_signal(signal.SIGINT)
    shown += read_all(descriptor)
    os.close(descriptor)
    assert running.wait(60) == 130
    text = shown.decode()
    assert "last event" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert text.index("Final Ranking") > text.rindex("\x1b[?25h")
    assert "interrupted: 2 of 6 trials done, 0 failed, 4 left" in text


@pytest.mark.slow
def test_a_terminal_that_closes_costs_no_record(cli: Cli, project: Path, hanging: tuple[Server, FakeChat]) -> None:
    script, server = hanging
    descriptor, terminal = pty.openpty()
    running = subprocess.Popen(
        ["setsid", "--ctty", *FLATFIELD, *arguments(server)],
        cwd=project, stdin=terminal, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    read_until(descriptor, b"2/6")
    os.close(descriptor)
    running.send_signal(signal.SIGHUP)  # as a shell does whose terminal has closed
    assert running.wait(60) == 130
    trials = Store(project / ".flatfield").trials(Store(project / ".flatfield").load_run().id)
    assert sum(trial.failure is None for trial in trials) == QUICK
    assert {trial.failure.kind for trial in trials if trial.failure} == {"interrupted"}
    assert list((project / ".flatfield" / "reports").glob("*.md"))
    script.mended = True
    assert "6 of 6 trials measured" in cli("eval", "--resume").stdout


@pytest.mark.slow
def test_nobody_reads_what_is_said_and_all_is_stored(project: Path, hanging: tuple[Server, FakeChat]) -> None:
    script, server = hanging
    script.mended = True
    read, said = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*FLATFIELD, *arguments(server)], cwd=project, stdout=subprocess.PIPE, stderr=said, check=False
    )
    os.close(said)
    assert done.returncode == 0
    assert b"6 of 6 trials measured" in done.stdout


@pytest.mark.slow
def test_a_command_that_was_told_to_outlive_its_terminal_does(project: Path, hanging: tuple[Server, FakeChat]) -> None:
    _, server = hanging
    running = subprocess.Popen(
        ["nohup", *FLATFIELD, *arguments(server)],
        cwd=project, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stderr is not None
    while not running.stderr.readline().startswith("[2/6]"):
        pass
    running.send_signal(signal.SIGHUP)
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "stopping: what runs is ended" in err
    assert "ended at once" not in err


KINDS: tuple[tuple[int, Any], ...] = ((2, "provider"), (3, "interrupted"))


def summary(**values: Any) -> Summary:
    return Summary(**values)


def code(result: RunResult, of: Summary, *, stopped: bool = False) -> int:
    try:
        leave(result, of, stopped=stopped)
    except typer.Exit as leaving:
        return leaving.exit_code
    return 0


def test_codes_and_the_way_on(
    make_result: Callable[..., RunResult], trial: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    done = make_result([trial()])
    assert code(done, summary(notes=("look here",))) == 0
    assert capsys.readouterr().err == "note: look here\n"
    broken = [trial(repeat=n, score=None, more={"failure": Failure(kind=kind, message="")}) for n, kind in KINDS]
    assert code(make_result([trial(), *broken]), summary(), stopped=True) == 130
    assert capsys.readouterr().err == (
        "interrupted: 1 of 3 trials done, 1 failed, 1 left; go on with: flatfield eval --resume 20260102-101500-ab12\n"
    )
    assert code(done, summary(not_started={"r/a/t1/2": "budget"})) == 3
    assert "1 trial not measured; with more dollars (--budget-usd), go on with" in capsys.readouterr().err
    assert code(done, summary(not_started={"r/a/t1/2": "time"})) == 3
    assert "1 trial not measured; with more time (--budget-seconds" in capsys.readouterr().err
    failed = make_result([trial(score=None, more={"failure": Failure(kind="provider", message="down")})])
    assert code(failed, summary()) == 3
    bare = Task(id="t1", title="", prompt="p", path="lops/t1.md")
    unjudged = make_result([trial(score=None)], tasks=[msgspec.structs.replace(bare, rubric="It is polite.")])
    assert code(unjudged, summary()) == 3
    assert "1 trial not judged; go on with: " in capsys.readouterr().err
    ungraded = make_result([trial(score=None)], tasks=[bare])
    assert code(ungraded, summary()) == 3
    told = capsys.readouterr().err
    assert "1 trial not graded, for nothing says what is right: write `verify: [" in told
    assert "in the front matter of lops/t1.md, and run it again" in told
    assert "--judge" not in told
    unmeasured = make_result([trial(more={"checks": (json_check(None),)})])
    assert code(unmeasured, summary()) == 3
    assert "1 trial not measured by any verifier" in capsys.readouterr().err
    partly = make_result([trial(more={"checks": (json_check(1.0), json_check(None))})])
    assert code(partly, summary()) == 3
    told = capsys.readouterr().err
    assert told == "1 trial not measured by all of its checks: the report says by which not, and why\n"
    weightless = msgspec.structs.replace(json_check(None), weight=0.0)
    assert code(make_result([trial(more={"checks": (json_check(1.0), weightless)})]), summary()) == 0


def test_a_trial_whose_verifiers_measured_is_said_to_lack_a_judge(
    make_result: Callable[..., RunResult], trial: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    judged, lacking = trial(repeat=1), trial(repeat=2)
    letter = Verdict(
        run="20260102-101500-ab12", agent=judged.agent, task=judged.task, repeat=1, judge="j", letter="A", reason="r"
    )
    half = Evaluation(judge_weight=0.5)
    assert code(make_result([judged, lacking], verdicts=[letter], evaluation=half), summary()) == 3
    told = capsys.readouterr().err
    assert "1 trial verified but not judged, though judges count; go on with: " in told
    assert "not measured by any verifier" not in told


def json_check(score: float | None) -> Any:
    from flatfield.records import Check

    return Check(verifier="command", label="pytest", score=score, reason="no sandbox")


def test_reports_are_written_for_every_run(cli: Cli, project: Path) -> None:
    for _ in range(2):
        cli("eval", "oslo.md", "--agents", "oracle")
    runs = [run["id"] for run in json.loads(cli("runs", "--json").stdout)]
    assert sorted(path.stem for path in (project / ".flatfield" / "reports").iterdir()) == sorted(runs)


def test_while_trials_run_the_collector_walks_none_of_what_was_there_before() -> None:
    def walked() -> int:
        return len(gc.get_objects())

    before = walked()
    with quiet_collector():
        assert walked() < before / 10
    assert gc.get_freeze_count() == 0
    assert walked() > before / 2, "and afterwards everything again"
