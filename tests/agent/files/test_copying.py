import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path

import msgspec
import pytest

from flatfield.agent.files import copying
from flatfield.agent.files.copying import copy, plan_copy
from flatfield.errors import FlatfieldError, NotFound, OutsideWorkspace
from flatfield.records import Task, VerifierSpec

MB = 1024**2
PLAIN = Task(id="plain", title="", prompt="p", plain=True)
LOP = '# T\n\n## Variables\n\nPROMPT: "p"\n'

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def fill(folder: Path, *paths: str) -> Path:
    for path in paths:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"content of {path}")
    return folder


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def explicit(folder: Path, **more: object) -> Task:
    return Task(id="t", title="", prompt="p", workspace=str(folder), **more)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------- an explicit workspace, inline files


def test_inline_files_take_the_place_of_copied_ones_and_nothing_half_is_left(tmp_path: Path) -> None:
    source = fill(tmp_path / "w", "a.txt", "sub/b.sh")
    (source / "sub/b.sh").chmod(0o755)
    inline = {"a.txt": "new", "sub/b.sh": "b", "deep/er/c.txt": "c", "./d.txt": "d"}
    root = copy(plan_copy(explicit(source, files=inline), tmp_path), tmp_path / "trials")
    assert {path: (root / path).read_text() for path in tree(root)} == {
        "a.txt": "new",
        "sub/b.sh": "b",
        "deep/er/c.txt": "c",
        "d.txt": "d",
    }
    assert stat.S_IMODE((root / "sub/b.sh").stat().st_mode) == 0o755


def test_a_workspace_is_copied_whole_with_modes_and_times(tmp_path: Path) -> None:
    source = fill(tmp_path / "w", "a.txt", "sub/run.sh", ".env", ".git/config", "node_modules/x.js", "flatfield.toml")
    (source / "lop.md").write_text(LOP)
    (source / "empty/in").mkdir(parents=True)
    (source / "sub/run.sh").chmod(0o755)
    os.utime(source / "a.txt", ns=(5_000_000_000, 7_000_000_001))
    plan = plan_copy(explicit(source), tmp_path)
    root = copy(plan, tmp_path / "trials")
    assert tree(root) == tree(source)
    assert plan.notes == ()
    assert (root / "a.txt").read_text() == "content of a.txt"
    assert (root / "a.txt").stat().st_mtime_ns == 7_000_000_001
    assert stat.S_IMODE((root / "sub/run.sh").stat().st_mode) == 0o755
    assert (root / "empty/in").is_dir()


def test_the_folder_is_new_neutral_and_open_to_others(tmp_path: Path) -> None:
    source = fill(tmp_path / "gpt-5-flatfield", "a")
    plan = plan_copy(explicit(source), tmp_path)
    old = os.umask(0o077)
    try:
        roots = [copy(plan, tmp_path / "trials") for _ in range(3)]
    finally:
        os.umask(old)
    assert len({root.name for root in roots}) == 3
    for root in roots:
        assert root.parent == tmp_path / "trials"
        assert set(root.name) <= set("0123456789abcdef")
        assert stat.S_IMODE(root.stat().st_mode) == 0o755
    (roots[0] / "a").write_text("changed")
    assert (roots[1] / "a").read_text() == (source / "a").read_text() == "content of a"


def test_inline_files_are_written_byte_for_byte_and_over_copied_ones(tmp_path: Path) -> None:
    source = fill(tmp_path / "w", "a.txt", "b.txt")
    plan = plan_copy(explicit(source, files={"a.txt": "in\r\nline 🙂", "x/y.txt": "deep"}), tmp_path)
    root = copy(plan, tmp_path)
    assert tree(root) == ["a.txt", "b.txt", "x/y.txt"]
    assert (root / "a.txt").read_bytes() == "in\r\nline 🙂".encode()


def test_a_task_with_nothing_gets_an_empty_folder(tmp_path: Path) -> None:
    fill(tmp_path / "cwd", "secret")
    root = copy(plan_copy(Task(id="t", title="", prompt="p"), tmp_path / "cwd"), tmp_path)
    assert tree(root) == []


def test_inline_files_cannot_lead_outside(tmp_path: Path) -> None:
    task = Task(id="t", title="", prompt="p", files={"../out.txt": "x"})
    with pytest.raises(OutsideWorkspace):
        copy(plan_copy(task, tmp_path), tmp_path / "trials")
    assert tree(tmp_path) == []
    assert list((tmp_path / "trials").iterdir()) == []


def test_a_tasks_own_answers_are_left_out_of_its_workspace(tmp_path: Path) -> None:
    source = fill(tmp_path / "w", "a.py", "hidden/test_a.py", "hidden2/b", "checks.py", "lop.md", "other.md")
    verifiers = (
        VerifierSpec(kind="command", options={"run": "pytest", "hidden": "hidden"}),
        VerifierSpec(kind="python", options={"value": "checks.py::verify"}),
    )
    plan = plan_copy(explicit(source, path=str(source / "lop.md"), verifiers=verifiers), tmp_path)
    assert sorted(plan.files) == ["a.py", "hidden2/b", "other.md"]
    assert plan.notes == ("left out of the workspace, the task's own files: checks.py, hidden, lop.md",)


def test_links_that_stay_inside_are_kept_and_others_left_out(tmp_path: Path) -> None:
    source = fill(tmp_path / "w", "a.txt", "sub/b.txt")
    fill(tmp_path, "outside.txt")
    links = {
        "inside": "a.txt",
        "sub/up": "../a.txt",
        "folder": "sub",
        "dangling": "nowhere",
        "absolute": str(source / "a.txt"),
        "out": "../outside.txt",
        "in-and-out": "../w/a.txt",
        "chain": "out",
        "through": "folder/../../outside.txt",
    }
    for name, target in links.items():
        (source / name).symlink_to(target)
    plan = plan_copy(explicit(source), tmp_path)
    root = copy(plan, tmp_path / "trials")
    assert sorted(plan.links) == ["dangling", "folder", "inside", "sub/up"]
    assert all(str((root / name).readlink()) == links[name] for name in plan.links)
    assert plan.notes == (
        "left out of the workspace, links that lead outside: absolute, chain, in-and-out, out, through",
    )


def test_what_is_neither_file_nor_folder_is_left_out(tmp_path: Path) -> None:
    source = fill(tmp_path / "w", "a")
    os.mkfifo(source / "pipe")
    plan = plan_copy(explicit(source), tmp_path)
    assert plan.files == ("a",)
    assert plan.notes == ("left out of the workspace, neither files nor folders: pipe",)


def test_a_missing_workspace_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"of task t is not a folder; correct `workspace:` in lop\.md"):
        plan_copy(explicit(tmp_path / "missing", path="lop.md"), tmp_path)


# ---------------------------------------------------------------------------- a plain LOP


def test_outside_git_everything_is_copied_but_secrets_and_answers(tmp_path: Path) -> None:
    source = fill(
        tmp_path / "cwd", "README.md", "src/a.py", ".env", ".env.prod", ".venv/bin/python", "node_modules/x/y.js",
        ".flatfield/store.db", "flatfield.toml", ".claude/agents/fast.md", "ignored.log", ".gitignore",
    )  # fmt: skip
    (source / "lops").mkdir()
    (source / "lops/lop_1.md").write_text(LOP)
    (source / "hop.md").write_text("Evaluate $ARGUMENTS\n")
    plan = plan_copy(PLAIN, source)
    assert plan.files == (".gitignore", "README.md", "ignored.log", "src/a.py")
    assert tree(copy(plan, tmp_path / "trials")) == list(plan.files)
    assert set(plan.notes) == {
        "left out of the workspace, never copied: .env, .env.prod, .flatfield, .venv, node_modules",
        "left out of the workspace, may hold answers (agent files): flatfield.toml, .claude/agents/fast.md",
        "left out of the workspace, may hold answers (HOPs): hop.md",
        "left out of the workspace, may hold answers (LOPs): lops/lop_1.md",
    }


@needs_git
def test_inside_git_what_is_tracked_or_not_ignored_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = fill(tmp_path / "repo", "tracked.py", "forced.log", "gone.py", "new.py", "build/out.o", "x.log", ".env")
    (source / ".gitignore").write_text("*.log\nbuild/\n")
    fill(source, "sub/é\tname.txt")
    git(source, "init")
    git(source, "add", "tracked.py", "gone.py", ".gitignore", ".env")
    git(source, "add", "--force", "forced.log")
    (source / "gone.py").unlink()
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):  # set when flatfield is started by a git hook
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    plan = plan_copy(PLAIN, source)
    assert plan.files == (".gitignore", "forced.log", "new.py", "sub/é\tname.txt", "tracked.py")
    assert plan.notes == (
        "left out of the workspace, ignored by git: build/, x.log",
        "left out of the workspace, never copied: .env",
    )
    assert plan_copy(PLAIN, source / "sub").files == ("é\tname.txt",)
    assert tree(copy(plan, tmp_path / "trials")) == list(plan.files)


@needs_git
def test_repositories_inside_a_repository_are_listed_by_their_own_rules(tmp_path: Path) -> None:
    source = fill(tmp_path / "repo", "a.py", "inner/b.py", "inner/c.log")
    git(source, "init")
    git(source / "inner", "init")
    (source / "inner/.gitignore").write_text("*.log\n")
    assert plan_copy(PLAIN, source).files == ("a.py", "inner/.gitignore", "inner/b.py")


@needs_git
def test_what_git_refuses_is_said_with_gits_words(tmp_path: Path) -> None:
    source = fill(tmp_path / "repo", "a.py")
    git(source, "init")
    (source / ".git/config").write_text("[broken")
    with pytest.raises(FlatfieldError, match=r"git cannot list .*repo \(fatal: bad config"):
        plan_copy(PLAIN, source)


def test_without_git_everything_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = fill(tmp_path / "repo", "a.py", ".git/config")
    monkeypatch.setenv("PATH", str(tmp_path))
    plan = plan_copy(PLAIN, source)
    assert plan.files == ("a.py",)
    assert plan.notes == ("left out of the workspace, never copied: .git",)


@needs_git
def test_a_folder_that_is_only_called_git_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "cwd/.git").mkdir(parents=True)
    assert plan_copy(PLAIN, fill(tmp_path / "cwd", "a.py")).files == ("a.py",)


def test_other_trials_workspaces_are_left_out(tmp_path: Path) -> None:
    source = fill(tmp_path / "cwd", "a", "trials/one/b")
    assert plan_copy(PLAIN, source, exclude=(source / "trials",)).files == ("a",)


# ---------------------------------------------------------------------------- limits and faults


def test_too_many_files_are_refused_naming_the_largest_folder(tmp_path: Path) -> None:
    source = fill(tmp_path / "w", "a/1", "b/2", *(f"z/deep/{number}" for number in range(6)))
    assert plan_copy(explicit(source), tmp_path, limit_files=8)
    with pytest.raises(
        FlatfieldError, match=r"w is too large .*: more than 7 files; its largest folder is z/deep: let"
    ):
        plan_copy(explicit(source), tmp_path, limit_files=7)
    with pytest.raises(FlatfieldError, match="more than 7 files; its largest folder is z/deep"):
        plan_copy(PLAIN, source, limit_files=7)


def test_too_many_bytes_are_refused_naming_the_largest_folder(tmp_path: Path) -> None:
    source = fill(tmp_path / "w", *(f"many/{number}" for number in range(5)))
    (source / "data").mkdir()
    (source / "data/big").write_bytes(b"x" * 4000)
    assert plan_copy(explicit(source), tmp_path, limit_bytes=5000)
    with pytest.raises(FlatfieldError, match=r"more than 0 MB; its largest folder is data:"):
        plan_copy(explicit(source), tmp_path, limit_bytes=3000)
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat/big").write_bytes(b"x" * 4000)
    with pytest.raises(FlatfieldError, match=r"its largest folder is \.:"):
        plan_copy(explicit(tmp_path / "flat"), tmp_path, limit_bytes=3000)


def test_long_notes_are_shortened(tmp_path: Path) -> None:
    source = fill(tmp_path / "cwd", *(f"d{number}/.env" for number in range(12)))
    (note,) = plan_copy(PLAIN, source).notes
    assert note.endswith(" and 4 more")


def test_a_failed_copy_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = fill(tmp_path / "w", "a", "b")
    plan = plan_copy(explicit(source), tmp_path)

    def full(reading: int, writing: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(copying, "_copy_bytes", full)
        with pytest.raises(FlatfieldError, match=r"cannot make a workspace in .*No space left"):
            copy(plan, tmp_path / "trials")
    (source / "b").unlink()
    (source / "b").symlink_to("/etc/passwd")
    with pytest.raises(FlatfieldError, match=f"{source}/b: "):  # what was planned is no longer there
        copy(plan, tmp_path / "trials")
    assert list((tmp_path / "trials").iterdir()) == []


@pytest.mark.parametrize("code", [errno.EXDEV, errno.ENOSYS, None])
def test_bytes_are_copied_where_the_kernel_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    def refused(reading: int, writing: int, count: int) -> int:
        assert code is not None
        raise OSError(code, os.strerror(code))

    if code is None:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    else:
        monkeypatch.setattr(os, "copy_file_range", refused, raising=False)
    source = tmp_path / "w"
    source.mkdir()
    (source / "big").write_bytes(bytes(range(256)) * 1000)
    root = copy(plan_copy(explicit(source), tmp_path), tmp_path / "trials")
    assert (root / "big").read_bytes() == (source / "big").read_bytes()


def test_plain_lops_beside_each_other_are_all_told_alike(tmp_path: Path) -> None:
    for name in ("one.md", "two.md"):
        (tmp_path / name).write_text(LOP)
    tasks = [msgspec.structs.replace(PLAIN, path=str(tmp_path / name)) for name in ("one.md", "two.md")]
    first, second = (plan_copy(task, tmp_path).notes for task in tasks)
    assert first == second == ("left out of the workspace, may hold answers (LOPs): one.md, two.md",)


def test_holes_stay_holes_and_take_no_room(tmp_path: Path) -> None:
    source = fill(tmp_path / "w")
    source.mkdir(exist_ok=True)
    with (source / "sparse").open("wb") as file:
        file.seek(200 * MB)
        file.write(b"middle")
        file.truncate(400 * MB)
    (source / "dense").write_bytes(os.urandom(3 * MB + 5))
    root = copy(plan_copy(explicit(source), tmp_path), tmp_path / "trials")
    copied = (root / "sparse").stat()
    assert copied.st_size == 400 * MB
    assert copied.st_blocks * 512 < MB
    with (root / "sparse").open("rb") as file:
        assert file.read(4) == bytes(4)
        file.seek(200 * MB)
        assert file.read(8) == b"middle\0\0"
    assert (root / "dense").read_bytes() == (source / "dense").read_bytes()


def test_holes_are_filled_where_the_file_system_cannot_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = fill(tmp_path / "w", "a")
    (source / "b").write_bytes(bytes(MB) + b"x")
    monkeypatch.delattr(os, "SEEK_DATA")
    root = copy(plan_copy(explicit(source), tmp_path), tmp_path / "trials")
    assert (root / "b").read_bytes() == (source / "b").read_bytes()
    assert (root / "a").read_bytes() == (source / "a").read_bytes()


@needs_git
def test_empty_folders_are_kept_inside_git_too_and_ignored_ones_are_not(tmp_path: Path) -> None:
    source = fill(tmp_path / "w", "a", "src/b", "build/out", ".gitignore")
    (source / ".gitignore").write_text("build/\n*.log\n")
    for folder in ("empty", "src/empty/deep", "build/empty", "logs"):
        (source / folder).mkdir(parents=True)
    (source / "logs/x.log").touch()
    git(source, "init", "-q")
    plan = plan_copy(PLAIN, source)
    assert plan.folders == ("empty", "src", "src/empty", "src/empty/deep")


@needs_git
def test_a_submodule_that_was_never_fetched_is_an_empty_folder_and_is_said(tmp_path: Path) -> None:
    inner, top = fill(tmp_path / "inner", "s"), fill(tmp_path / "top", "t")
    for folder in (inner, top):
        git(folder, "init", "-q")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "x")
    git(top, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "lib/sub")
    git(top, "commit", "-qam", "y")
    assert "lib/sub/s" in plan_copy(PLAIN, top).files
    git(tmp_path, "clone", "-q", str(top), "bare")
    plan = plan_copy(PLAIN, tmp_path / "bare")
    assert (plan.files, plan.folders) == ((".gitmodules", "t"), ("lib", "lib/sub"))
    fetch = "submodules that were never fetched (git submodule update --init)"
    assert plan.notes == (f"left out of the workspace, {fetch}: lib/sub",)


@needs_git
def test_the_users_own_settings_of_git_count_and_those_of_a_hook_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fill(tmp_path / "w", "a", "b.tmp")
    git(source, "init", "-q")
    (tmp_path / "ignored").write_text("*.tmp\n")
    for name, value in {"COUNT": "1", "KEY_0": "core.excludesFile", "VALUE_0": str(tmp_path / "ignored")}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert plan_copy(PLAIN, source).files == ("a",)


def test_links_in_a_circle_are_left_out_and_said(tmp_path: Path) -> None:
    source = fill(tmp_path / "w", "a")
    (source / "loop").symlink_to("loop")
    plan = plan_copy(explicit(source), tmp_path)
    assert (plan.files, plan.links) == (("a",), {})
    assert plan.notes == ("left out of the workspace, links that lead in a circle: loop",)


@needs_git
def test_a_folder_that_git_ignores_whole_is_copied_as_outside_git(tmp_path: Path) -> None:
    top = fill(tmp_path / "top", ".gitignore", "work/a", "work/b.log")
    (top / ".gitignore").write_text("work/\n*.log\n")
    git(top, "init", "-q")
    assert plan_copy(PLAIN, top / "work").files == ("a", "b.log")


@needs_git
def test_files_that_a_sparse_checkout_leaves_out_are_said(tmp_path: Path) -> None:
    source = fill(tmp_path / "w", "a", "in/b", "out/c")
    git(source, "init", "-q")
    git(source, "add", "-A")
    git(source, "commit", "-qm", "x")
    git(source, "sparse-checkout", "set", "--cone", "in")
    plan = plan_copy(PLAIN, source)
    assert plan.files == ("a", "in/b")
    told = "left out of the workspace, not in this sparse checkout (git sparse-checkout disable): out/c"
    assert plan.notes == (told,)


@pytest.mark.parametrize("plain", [True, False])
def test_pointers_of_git_lfs_are_said(tmp_path: Path, *, plain: bool) -> None:
    source = fill(tmp_path / "w", "a")
    beginning = "version https://git-lfs.github.com/spec/v1\n"
    (source / "p.bin").write_text(f"{beginning}oid sha256:{'0' * 64}\nsize 5\n")
    (source / "about.txt").write_text(beginning + "long " * 500)
    plan = plan_copy(PLAIN if plain else explicit(source), source)
    assert plan.files == ("a", "about.txt", "p.bin")
    assert plan.notes == ("in the workspace, pointers of Git LFS in place of files (git lfs pull): p.bin",)


@needs_git
def test_settings_of_git_c_count_and_those_that_are_set_here_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fill(tmp_path / "w", "a", "b.tmp")
    git(source, "init", "-q")
    (tmp_path / "ignored").write_text("*.tmp\n")
    (tmp_path / "run.sh").write_text(f"#!/bin/sh\ntouch {tmp_path}/it-ran\nfalse\n")
    (tmp_path / "run.sh").chmod(0o755)
    settings = f"'core.excludesFile={tmp_path}/ignored' 'core.fsmonitor'='{tmp_path}/run.sh'"
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", settings)
    assert plan_copy(PLAIN, source).files == ("a",)
    assert not (tmp_path / "it-ran").exists()
    git(source, "status")
    assert (tmp_path / "it-ran").exists(), "without settings of ours it runs"


@pytest.mark.parametrize(("plain", "way_out"), [(True, "let git ignore it, or give"), (False, "move it out of")])
def test_a_file_that_cannot_be_read_is_refused_once_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, plain: bool, way_out: str
) -> None:
    source = fill(tmp_path / "w", "a", "closed")
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("closed") and may(path, mode))
    with pytest.raises(FlatfieldError, match=f"w/closed: Permission denied; make it readable, .*{way_out}"):
        plan_copy(PLAIN if plain else explicit(source), source)


def test_a_folder_that_cannot_be_read_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = fill(tmp_path / "w", "a", "closed/b")
    scan = os.scandir

    def refuse(at: str) -> object:
        if str(at).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(at))
        return scan(at)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(FlatfieldError, match="w/closed: Permission denied; make it readable, or move it out"):
        plan_copy(explicit(source), source)


@pytest.mark.parametrize("in_git", [pytest.param(True, marks=needs_git), False])
def test_a_path_that_is_too_long_is_shortened_in_its_middle(tmp_path: Path, *, in_git: bool) -> None:
    source = fill(tmp_path / "w", "a")
    if in_git:
        git(source, "init", "-q")
    here = Path.cwd()
    try:
        os.chdir(source)
        for _ in range(20):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
        Path("end.txt").write_text("x")
    finally:
        os.chdir(here)
    with pytest.raises(FlatfieldError) as error:
        plan_copy(PLAIN, source)
    assert len(str(error.value)) < 500
    assert "end.txt: File name too long; let git ignore it, or give the LOP a `workspace:`" in str(error.value)
