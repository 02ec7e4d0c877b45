"""`flatfield mcp --speak`: an agent that is done is heard, an evaluation speaks for itself, stdout stays clean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

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

PROMPT: "x"
"""
LONGEST_SECONDS = 100.0


@pytest.fixture
def voice(folder: Path) -> Path:
    """A voice that notes what it says; returns the file."""
    log = folder.parent / "said.txt"
    program = folder.parent / "bin" / "say"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$2" >> {log}\n')
    program.chmod(0o755)
    return log


def message(number: int, method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"


def talk(folder: Path, tool: str, arguments: dict[str, Any], *options: str) -> list[dict[str, Any]]:
    """Start the server, call one tool, close it; everything that it wrote to stdout."""
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    bins = f"{folder.parent / 'bin'}:{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "flatfield", "mcp", *options],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PATH": bins, "FLATFIELD_CACHE": str(folder / "cache"), "TMPDIR": str(folder.parent)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    ready = b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n'
    process.stdin.write(
        message(1, "initialize", **hello) + ready + message(2, "tools/call", name=tool, arguments=arguments)
    )
    process.stdin.flush()
    lines = [process.stdout.readline()]
    while b'"id":2' not in lines[-1]:
        lines.append(process.stdout.readline())
    rest, _ = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 0
    return [json.loads(line) for line in (*lines, *rest.splitlines())]


@pytest.mark.slow
def test_an_agent_that_is_done_is_heard(folder: Path, voice: Path) -> None:
    told = talk(folder, "prompt_nano_agent", {"agentic_prompt": "x", "agent": "noop"}, "--speak")
    assert all(one["jsonrpc"] == "2.0" for one in told), "nothing else is on stdout"
    assert voice.read_text() == "noop: done in under a second\n"


@pytest.mark.slow
def test_without_it_nobody_speaks(folder: Path, voice: Path) -> None:
    talk(folder, "prompt_nano_agent", {"agentic_prompt": "x", "agent": "noop"})
    assert not voice.exists()


@pytest.mark.slow
def test_an_evaluation_that_it_started_speaks_after_the_client_has_left(folder: Path, voice: Path) -> None:
    lops = folder.parent / "lops"
    lops.mkdir()
    (lops / "t.md").write_text(LOP)
    arguments = {"lops": [str(lops / "t.md")], "agents": ["oracle"]}
    refused = talk(folder, "evaluate", arguments, "--speak")[-1]["result"]
    assert refused["isError"], "the folder is not among those that LOPs may lie in"
    started = talk(folder, "evaluate", arguments, "--speak", "--lops", str(lops))[-1]["result"]
    assert not started.get("isError"), started
    deadline = time.monotonic() + LONGEST_SECONDS
    while (len(voice.read_text().splitlines()) if voice.exists() else 0) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert voice.read_text().splitlines() == ["oracle: done in under a second", "The evaluation is graded"]
