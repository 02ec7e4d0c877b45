"""What bash is offered: names that hold the characters at which bash takes words apart, too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


@pytest.fixture
def tab(cli: Cli, project: Path) -> Callable[[str], list[str]]:
    """What bash offers when the tab key is pressed behind a line."""
    program = project / "bin" / "flatfield"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m flatfield "$@"\n')
    program.chmod(0o755)
    script = cli("--show-completion", "bash").stdout
    press = 'COMP_POINT=${#COMP_LINE}; _flatfield_completion flatfield 2>/dev/null; printf "%s\\n" "${COMPREPLY[@]}"'
    path = f"{program.parent}:{os.environ['PATH']}"

    def pressed(line: str) -> list[str]:
        environ = os.environ | {"PATH": path, "COMP_LINE": line}
        command = ["bash", "--norc", "-c", f"{script}\n{press}"]
        done = subprocess.run(command, env=environ, cwd=project, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.split()

    return pressed


def test_what_stands_before_a_colon_is_not_written_twice(tab: Callable[[str], list[str]]) -> None:
    assert tab("flatfield eval suite:de") == ["demo", "desk"]


@pytest.mark.slow
def test_bash_is_offered_all_that_can_be_named(tab: Callable[[str], list[str]], project: Path) -> None:
    (project / "tasks").mkdir()
    assert tab("flatfield eval tas") == ["tasks/"]
    assert tab("flatfield eval --agents ora") == ["oracle"]
    assert tab("flatfield eval --agents oracle,noo") == ["oracle,noop"]
    assert "tasks" in tab("flatfield ta")
    assert tab("flatfield vary oracle --over reas") == ["reasoning_effort="]
    assert tab("flatfield vary oracle --over protocol=native,j") == ["native,json"]
    assert tab("flatfield vary oracle --over scaffold=cli:code") == ["codex"]


def test_a_second_installation_changes_nothing(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = project / "home"
    home.mkdir()
    (home / ".bashrc").write_text("alias ll='ls -l'")
    monkeypatch.setenv("HOME", str(home))
    assert cli("--install-completion", "bash").returncode == 0
    first = (home / ".bashrc").read_text()
    assert cli("--install-completion", "bash").returncode == 0
    assert first == f"alias ll='ls -l'\nsource '{home}/.bash_completions/flatfield.sh'\n"
    assert (home / ".bashrc").read_text() == first
