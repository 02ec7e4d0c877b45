"""`flatfield replay`: a stored run in quick motion, then its table."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from flatfield.errors import NotFound
from flatfield.faces.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.whole


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLATFIELD_CONFIG", raising=False)
    assert run("examples", "load", "nano-agent-2025-08").exit_code == 0
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def replay(*words: str) -> Sequence[str]:
    return [sys.executable, "-m", "flatfield", "replay", *words]


def test_published_totals_are_bannered_and_raced(folder: Path) -> None:
    result = run("replay", "2025", "--speed", "100000")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("replay of published totals")
    lines = [line for line in result.stderr.splitlines() if line.startswith("[")]
    assert len(lines) == 45
    assert lines[0].startswith("[1/45] claude-3-haiku · 1_dummy"), "the fastest is done first"
    assert lines[-1].startswith("[45/45] gpt-oss-120b")
    assert "Final Ranking" in result.stdout


def test_grades_are_said_in_the_order_of_finishing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = folder / "said.txt"
    program = folder / "bin" / "espeak-ng"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nfor last; do :; done\necho "$last" >> {log}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    assert run("replay", "2025", "--speed", "100000", "--speak").exit_code == 0
    said = log.read_text().splitlines()
    assert len(said) == 10
    assert said[0].startswith("claude 3 haiku: done in 44 seconds, grade B, ")
    assert said[-1].startswith("The evaluation is graded: gpt-5 nano came first, grade A")


@pytest.mark.slow
@pytest.mark.needs("espeak-ng")
def test_it_can_be_heard_from_a_file(folder: Path) -> None:
    import wave

    result = run("replay", "2025", "--speed", "100000", "--speak-to", "said.wav")
    assert result.exit_code == 0, result.output
    with wave.open("said.wav") as made:
        assert 10 < made.getnframes() / made.getframerate() < 120


@pytest.mark.slow
async def test_ctrl_c_ends_it(folder: Path) -> None:
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = await asyncio.create_subprocess_exec(
        *replay("2025", "--speed", "2"), stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environ
    )
    assert process.stderr is not None
    while b"[1/45]" not in await process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 130
    assert b"Final Ranking" not in out


def test_without_runs_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(run("replay").exception, NotFound)


@pytest.mark.parametrize("speed", ["0", "-1", "x"])
def test_a_speed_is_above_0(speed: str, folder: Path) -> None:
    assert run("replay", "--speed", speed).exit_code == 2
