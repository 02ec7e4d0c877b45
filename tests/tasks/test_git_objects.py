"""Git's objects are read as they are stored, whatever a repository's configuration says."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import FlatfieldError, NotFound, NotReady
from flatfield.tasks.git_objects import LINK, PROGRAM, Blob, GitRepository, changed_paths, write_blobs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.whole

WHO = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main")


def git(folder: Path, *words: str, text: str | None = None) -> str:
    done = subprocess.run(("git", *WHO, *words), cwd=folder, input=text, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "a.txt").write_text("one\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("a.txt")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "First")
    (folder / "a.txt").write_bytes(b"\xff\x00two\r\n")
    (folder / "sub").mkdir()
    (folder / "sub" / "ä.txt").write_text("new\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "Second\n\nBody")
    return folder


def test_a_commit_and_its_trees(repository: Path, tmp_path: Path) -> None:
    objects = GitRepository(repository)
    commit = objects.commit("HEAD")
    assert commit.message == "Second\n\nBody\n"
    assert objects.commit(commit.sha[:8]) == commit
    before, after = objects.tree(commit.parents[0]), objects.tree(commit.sha)
    assert (before["run.sh"].mode, before["link"].mode) == (PROGRAM, LINK)
    assert changed_paths(before, after) == ("a.txt", "sub/ä.txt")
    write_blobs(objects, after.values(), tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"\xff\x00two\r\n"
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o111
    assert str((tmp_path / "out" / "link").readlink()) == "a.txt"
    assert not (tmp_path / "out" / ".git").exists()


def test_what_is_not_committed_has_no_say(repository: Path) -> None:
    (repository / "a.txt").write_text("changed\n")
    (repository / "b.txt").write_text("new\n")
    git(repository, "add", "b.txt")
    objects = GitRepository(repository / "sub")
    tree = objects.tree("HEAD")
    assert "b.txt" not in tree
    assert [data for _, data in objects.contents([tree["a.txt"]])] == [b"\xff\x00two\r\n"]
    assert objects.top() == repository


def test_a_bare_repository_that_is_named(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare")
    assert GitRepository(tmp_path / "bare").commit("main").message.startswith("Second")


@pytest.mark.parametrize("name", ["nothing", "-x", "HEAD^{tree}", ""])
def test_no_such_commit(repository: Path, name: str) -> None:
    with pytest.raises(NotFound, match="there is no commit"):
        GitRepository(repository).commit(name)


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="in no git repository"):
        GitRepository(tmp_path).commit("HEAD")
    with pytest.raises(NotFound, match="no folder"):
        GitRepository(tmp_path / "gone")


def test_a_clone_without_its_blobs(repository: Path) -> None:
    gone = Blob(path="gone.bin", mode=PROGRAM, sha="0" * 39 + "1")
    with pytest.raises(NotReady, match="cloned in part"):
        list(GitRepository(repository).contents([gone]))


def test_a_message_in_another_encoding(repository: Path) -> None:
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    stored = f"tree {tree}\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\nencoding latin-1\n\nGr\xfc\xdfe\n"
    made = subprocess.run(
        ("git", "hash-object", "-t", "commit", "-w", "--stdin"),
        cwd=repository,
        input=stored.encode("latin-1"),
        capture_output=True,
        check=True,
    )
    assert GitRepository(repository).commit(made.stdout.decode().strip()).message == "Grüße\n"


def test_no_program_of_the_configuration_runs(repository: Path, tmp_path: Path) -> None:
    """Whatever git would start for a user who looks at a repository."""
    mark = tmp_path / "ran"
    program = tmp_path / "program.sh"
    program.write_text(f"#!/bin/sh\ntouch '{mark}'\ncat\n")
    program.chmod(0o755)
    for key in (
        *("core.fsmonitor", "core.pager", "core.sshCommand", "core.editor", "core.alternateRefsCommand"),
        *("diff.external", "diff.a.textconv", "diff.a.command", "filter.a.smudge", "filter.a.clean", "gpg.program"),
        *("pager.cat-file", "pager.ls-tree", "credential.helper"),
    ):
        git(repository, "config", key, str(program))
    git(repository, "config", "log.showSignature", "true")
    git(repository, "config", "remote.origin.promisor", "true")
    git(repository, "config", "remote.origin.url", f"ext::{program}")
    git(repository, "config", "protocol.ext.allow", "always")
    (repository / ".git" / "info" / "attributes").write_text("* diff=a filter=a\n")
    mark.unlink(missing_ok=True)  # `git config` itself may have started one
    objects = GitRepository(repository)
    commit = objects.commit("HEAD")
    tree = objects.tree(commit.sha)
    write_blobs(objects, tree.values(), tmp_path / "out")
    assert not objects.has("0" * 39 + "1")
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"\xff\x00two\r\n"
    assert not mark.exists()


def _tree(repository: Path, *entries: str) -> str:
    stored = b""
    for entry in entries:
        mode, sha, name = entry.split(" ", 2)
        stored += f"{mode} {name}".encode() + b"\0" + bytes.fromhex(sha)
    made = subprocess.run(
        ("git", "hash-object", "--literally", "-t", "tree", "-w", "--stdin"),
        cwd=repository,
        input=stored,
        capture_output=True,
        check=True,
    )
    return made.stdout.decode().strip()


def test_a_tree_that_leads_outside(repository: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD:a.txt")
    inner = _tree(repository, f"100644 {blob} out.txt")
    tree = _tree(repository, f"40000 {inner} ..", f"40000 {inner} .GIT", f"100644 {blob} good.txt")
    assert set(GitRepository(repository).tree(tree)) == {"good.txt"}


def test_a_link_that_is_also_a_folder(repository: Path) -> None:
    link = git(repository, "rev-parse", "HEAD:link")
    inner = _tree(repository, f"120000 {link} b")
    tree = _tree(repository, f"120000 {link} a", f"40000 {inner} a")
    with pytest.raises(FlatfieldError, match="a folder and none"):
        GitRepository(repository).tree(tree)
