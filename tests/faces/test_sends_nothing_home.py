"""flatfield sends nothing home: no command connects to, or looks up, anything that nobody named."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flatfield.testing.fake_chat import FakeReply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.testing.fake_chat import FakeChat

pytestmark = pytest.mark.whole

WITNESS = """import os, sys

EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg")

def watch(event, arguments):
    if event in EVENTS:
        where = arguments[0] if event.startswith("socket.get") else arguments[1]
        with open(os.environ["TASK_WITNESS"], "a") as log:
            log.write(f"{where[0] if isinstance(where, tuple) else where}\\n")

sys.addaudithook(watch)
"""
"""Python runs it at the start of each process, children too: every address that one of them wants is noted."""

COMMANDS = {
    "look around": ("doctor", "agents list", "models list", "prices show gpt-5"),
    "tasks": ("tasks show suite:demo", "plan suite:basic --agents gpt-5,noop", "init claude-code", "trust --list"),
    "published": ("examples load nano-agent-2025-08", "report --format markdown", "pick", "runs"),
    "measure": ("eval oslo.md --agents oracle,noop,SERVER", "report", "compare oracle noop"),
    "work": ("run hi --model SERVER", "mcp"),
}


IN_TURN = """import json, os, sys

from flatfield.faces.cli import main

for arguments in json.loads(sys.argv[1]):
    with open(os.environ["TASK_WITNESS"], "a") as log:
        log.write("-- next\\n")
    sys.argv = ["flatfield", *arguments]
    try:
        main()
    except SystemExit:
        pass
"""
"""One command after the other in one process: what they import is most of what they take. The log tells them apart."""


@pytest.fixture
def witnessed(project: Path, tmp_path: Path) -> Callable[..., list[list[str]]]:
    """Run commands in a process of their own; the addresses that each, and what it started, wanted."""
    (tmp_path / "witness").mkdir()
    (tmp_path / "witness" / "sitecustomize.py").write_text(WITNESS)
    log = tmp_path / "log"
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "witness"), "TASK_WITNESS": str(log)}

    def run(*commands: list[str]) -> list[list[str]]:
        log.write_text("")
        command = [sys.executable, "-c", IN_TURN, json.dumps(commands)]
        subprocess.run(command, cwd=project, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        _, *each = log.read_text().split("-- next\n")
        assert len(each) == len(commands), "all were begun"
        return [wanted.splitlines() for wanted in each]

    return run


def is_here(address: str) -> bool:
    """Whether an address is this machine's own; a socket in the file system is."""
    if address.startswith("/") or address in {"localhost", "None", ""}:
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def test_the_witness_sees_what_is_looked_up(witnessed: Callable[..., list[list[str]]]) -> None:
    (wanted,) = witnessed(["run", "hi", "--model", "openai-chat:m@http://flatfield.invalid/v1"])
    assert "flatfield.invalid" in wanted


@pytest.mark.parametrize("commands", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.some(1)
def test_no_command_asks_anybody_but_the_servers_that_are_named(
    witnessed: Callable[..., list[list[str]]], serve: Callable[..., FakeChat], commands: tuple[str, ...]
) -> None:
    server = f"openai-chat:m@{serve(lambda _request, _number: FakeReply(text='Oslo')).base_url}"
    wanted = witnessed(*(command.replace("SERVER", server).split() for command in commands))
    seen = dict(zip(commands, wanted, strict=True))
    assert [(command, asked) for command, asked in seen.items() if not all(map(is_here, asked))] == []
    asking = [command for command, asked in seen.items() if "SERVER" in command and "127.0.0.1" not in asked]
    assert not asking, "the server that was named was asked"
