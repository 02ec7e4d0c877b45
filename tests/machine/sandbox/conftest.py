"""Harnesses to attack: real processes, as root and as an ordinary user, with secrets in their home and environment."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from flatfield.machine.protocols import CommandResult
from flatfield.testing.another_user import libraries_for, python_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDINARY = 60_999
"""An uid of its own, so that what an attack starts can be counted."""


@dataclass
class Harness:
    """A running harness; `user` is its uid, `inside` the uid that its commands have on the host."""

    user: int
    inside: int
    home: Path
    secret: str
    process: subprocess.Popen[str]

    def workspace(self) -> Path:
        """A fresh workspace, and beside it another trial's."""
        home = self.home / "trials" / secrets.token_hex(4)
        for name in ("mine", "other"):
            (home / name).mkdir(parents=True)
            os.chown(home / name, self.user, -1)
        home.chmod(0o711)
        (home / "other" / "answer.txt").write_text(self.secret)
        return home / "mine"

    def attack(self, script: str, workspace: Path, **limits: float) -> CommandResult:
        """Run a Python script as a command."""
        (workspace / "attack.py").write_text(script)
        return self.run("exec python3 attack.py", workspace, **limits)

    def run(self, command: str, workspace: Path, **limits: float) -> CommandResult:
        """Run a command; the harness must live to answer."""
        self.send(command, workspace, **limits)
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        assert answer, "the harness did not survive"
        assert '"error"' not in answer[:9], answer
        return msgspec.json.decode(answer, type=CommandResult)

    def send(self, command: str, workspace: Path, **limits: float) -> None:
        """Start a command without waiting for it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([command, str(workspace), {"wall_seconds": 30.0, **limits}]) + "\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """End it."""
        with self.process:
            self.process.kill()

    @staticmethod
    def survivors(workspace: Path) -> list[str]:
        """What still runs in a sandbox that shows a workspace."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"{workspace} /workspace " in (folder / "mountinfo").read_text():
                    found.append(f"{folder.name} {(folder / 'cmdline').read_text()}")
            except OSError:
                continue
        return found


def start_harness(home: Path, *, ordinary: bool) -> Harness:
    """Start one; `home` is its own to fill."""
    user = ORDINARY if ordinary and os.geteuid() == 0 else os.geteuid()
    secret = f"PLANTED-{secrets.token_hex(16)}"
    home.mkdir()
    (home / ".ssh").mkdir(mode=0o700)
    (home / ".ssh" / "id_ed25519").write_text(secret)
    (home / ".env").write_text(f"PLANTED_API_KEY={secret}")
    for path in (home, *home.rglob("*")):
        os.chown(path, user, -1)
    home.chmod(0o711)
    script = home / "harness_process.py"
    shutil.copyfile(Path(__file__).with_name("harness_process.py"), script)
    script.chmod(0o644)
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"] if user != os.geteuid() else []
    # The outer limit is for a defence that fails: the machine must survive that too.
    python, libraries = python_for(user, home.parent / "python"), libraries_for(user, home.parent / "libraries")
    argv = [*drop, *(["prlimit", "--nproc=600", "--"] if user else []), python, "-P", str(script)]
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PLANTED_API_KEY": secret,
        "PYTHONPATH": os.pathsep.join(libraries),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_LIBRARY_PATH": str(Path(python).parents[1] / "lib"),
    }
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen(argv, env=environ, cwd=home, **pipes)
    return Harness(user=user, inside=60_873 if user == 0 else user, home=home, secret=secret, process=process)


@pytest.fixture(scope="session", params=["root", "ordinary user"])
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    """One of each kind for all tests, so that the sandbox is proved once."""
    ordinary = request.param != "root"
    if not ordinary and os.geteuid() != 0:
        pytest.skip("only root can run as root")
    with tempfile.TemporaryDirectory(prefix="attacked-") as name:
        Path(name).chmod(0o755)
        started = start_harness(Path(name) / "home", ordinary=ordinary)
        try:
            yield started
        finally:
            started.end()


@pytest.fixture
def to_be_killed(harness: Harness) -> Iterator[Harness]:
    """Another one of the same kind, for one test."""
    with tempfile.TemporaryDirectory(prefix="attacked-") as name:
        Path(name).chmod(0o755)
        started = start_harness(Path(name) / "home", ordinary=harness.user != 0)
        try:
            yield started
        finally:
            started.end()
