"""git lists a repository's files, and runs none of the programs that the repository names."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from flatfield.agent.files.copying import git_folder, git_ignored

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
WHO = ("-c", "user.name=a", "-c", "user.email=a@example.org")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *WHO, *words], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it-ran"


@pytest.fixture
def hostile(tmp_path: Path, marker: Path) -> Path:
    """A repository that names programs wherever listing its files might start one."""
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / ".gitignore").write_text("ignored\n")
    (folder / "notes.txt").write_text("x")
    (folder / "ignored").write_text("x")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    blob = git(folder, "rev-parse", "HEAD:.gitignore").strip()
    git(folder, "update-index", "--skip-worktree", ".gitignore")
    (folder / ".gitignore").unlink()
    (folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()  # so that it has to be fetched to know what is ignored
    program = f"touch {marker}; false"
    for name, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": ".",
        "remote.origin.uploadpack": program,
        "protocol.allow": "always",
        "protocol.file.allow": "always",
        "core.fsmonitor": program,
        "core.sshCommand": program,
        "core.pager": program,
    }.items():
        git(folder, "config", name, value)
    return folder


def test_git_alone_would_run_them(hostile: Path, marker: Path) -> None:
    git(hostile, "ls-files", "-co", "--exclude-standard")
    assert marker.exists()


def test_no_program_that_a_repository_names_is_run(hostile: Path, marker: Path) -> None:
    found = git_folder(hostile)
    git_ignored(hostile)
    assert not marker.exists()
    assert found is not None
    assert "notes.txt" in found.files
