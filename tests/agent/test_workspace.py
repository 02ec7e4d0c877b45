import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.files.copying import copy, plan_copy
from flatfield.agent.workspace import changes, open_workspace, prepare, snapshot
from flatfield.errors import NotFound
from flatfield.machine.protocols import CommandResult, Sandbox, SandboxLimits
from flatfield.machine.sandbox.ownership import adopt
from flatfield.records import FileChange, Task


@pytest.fixture
def files(tmp_path: Path) -> Iterator[ConfinedFiles]:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "keep.txt").write_text("keep")
    (root / "edit.txt").write_text("before")
    (root / "sub/gone.txt").write_text("gone")
    with ConfinedFiles(root) as opened:
        yield opened


class NoSandbox:
    user: int | None = None
    kind = "none"

    def with_packages(self, packages: Path) -> Sandbox:
        raise NotImplementedError

    async def run(self, command: str, workspace: Path, limits: SandboxLimits) -> CommandResult:
        raise NotImplementedError


def test_a_workspace_is_made_on_any_folder_without_copying(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    workspace = open_workspace(tmp_path)
    assert workspace.root == tmp_path
    assert workspace.sandbox is None
    assert workspace.command_limits == SandboxLimits()
    workspace.files.write_bytes("a", b"y")
    workspace.files.close()
    assert (tmp_path / "a").read_text() == "y"


def test_where_commands_run_the_sandboxs_name_of_the_root_is_known(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    workspace = open_workspace(tmp_path, sandbox=NoSandbox(), command_limits=SandboxLimits(wall_seconds=3))
    assert workspace.files.read_bytes("/workspace/a") == b"x"
    assert workspace.command_limits.wall_seconds == 3
    workspace.files.close()


def test_a_workspace_on_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for name in ("missing", "file"):
        with pytest.raises(NotFound, match="there is no folder"):
            open_workspace(tmp_path / name)


def test_prepare_makes_a_fresh_copy_and_says_what_was_left_out(tmp_path: Path) -> None:
    source = tmp_path / "cwd"
    (source / "trials").mkdir(parents=True)
    (source / "a").write_text("a")
    (source / ".env").write_text("KEY=1")
    (source / "trials/old").write_text("another trial's")
    task = Task(id="t", title="", prompt="p", plain=True)
    root, notes = prepare(task, source, source / "trials")
    assert [entry.name for entry in root.iterdir()] == ["a"]
    assert notes[0] == "left out of the workspace, never copied: .env"
    again, _ = prepare(task, source, source / "trials")
    assert again != root
    assert [entry.name for entry in again.iterdir()] == ["a"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_adopt_gives_all_to_the_user_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("x")
    root = tmp_path / "root"
    (root / "sub/deep").mkdir(parents=True)
    (root / "sub/deep/file").write_text("x")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "sub/link").symlink_to(tmp_path / "outside/file")
    adopt(root, 65534)
    for path in (root, *root.rglob("*")):
        assert path.lstat().st_uid == 65534
    assert (tmp_path / "outside").stat().st_uid == 0
    assert (tmp_path / "outside/file").stat().st_uid == 0


# ---------------------------------------------------------------------------- before and after


def test_a_snapshot_holds_sizes_and_digests(files: ConfinedFiles) -> None:
    (files.root / "link").symlink_to("keep.txt")
    os.mkfifo(files.root / "pipe")
    taken = snapshot(files)
    assert sorted(taken.files) == ["edit.txt", "keep.txt", "link", "pipe", "sub/gone.txt"]
    assert taken.files["keep.txt"].size_bytes == 4
    assert taken.files["keep.txt"].digest == hashlib.sha256(b"keep").hexdigest()
    assert taken.files["link"].digest == "link:keep.txt"
    assert taken.files["pipe"].digest == "other"


def test_what_is_known_of_a_copied_file_is_what_reading_it_tells(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/a.txt").write_text("the folder's")
    (tmp_path / "own/only.txt").write_text("the folder's")
    inline = {"a.txt": "first", "./sub/../b.txt": "ü", "in/c.txt": "1", "./in/c.txt": "2"}
    task = Task(id="t", title="", prompt="p", workspace=str(tmp_path / "own"), files=inline)
    plan = plan_copy(task, tmp_path)
    with ConfinedFiles(copy(plan, tmp_path)) as files:
        assert plan.digests.keys() == {"a.txt", "b.txt", "in/c.txt"}
        assert snapshot(files, plan.digests).files == snapshot(files).files
        assert snapshot(files, {"only.txt": "known"}).files["only.txt"].digest == "known"


def test_changes_are_added_modified_and_deleted_sorted_by_path(files: ConfinedFiles) -> None:
    before = snapshot(files)
    files.write_bytes("edit.txt", b"after!")
    files.write_bytes("keep.txt", b"keep")  # the same again is no change
    files.write_bytes("a/new.txt", "neu é".encode())
    files.write_bytes("z.bin", b"\xff\xfe")
    (files.root / "sub/gone.txt").unlink()
    assert changes(before, files) == (
        FileChange(path="a/new.txt", kind="added", size_bytes=6, text="neu é"),
        FileChange(path="edit.txt", kind="modified", size_bytes=6, text="after!"),
        FileChange(path="sub/gone.txt", kind="deleted"),
        FileChange(path="z.bin", kind="added", size_bytes=2, text=None),
    )
    assert changes(snapshot(files), files) == ()


def test_a_change_of_the_same_size_and_time_is_seen(files: ConfinedFiles) -> None:
    path = files.root / "edit.txt"
    info = path.stat()
    before = snapshot(files)
    path.write_text("BEFORE")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert [change.path for change in changes(before, files)] == ["edit.txt"]


def test_files_untouched_for_a_while_are_not_read_again(files: ConfinedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 10**9)
    before = snapshot(files)
    read: list[str] = []
    open_file = files.open_file

    def counted(path: str) -> int:
        read.append(path)
        return open_file(path)

    monkeypatch.setattr(files, "open_file", counted)
    assert changes(before, files) == ()
    assert read == []
    files.write_bytes("edit.txt", b"before")
    assert changes(before, files) == ()
    assert read == ["edit.txt"]


def test_a_file_that_becomes_a_link_or_a_folder_is_a_change(files: ConfinedFiles) -> None:
    before = snapshot(files)
    (files.root / "keep.txt").unlink()
    (files.root / "keep.txt").symlink_to("/etc/passwd")
    (files.root / "edit.txt").unlink()
    (files.root / "edit.txt").mkdir()
    assert [(change.path, change.kind, change.text) for change in changes(before, files)] == [
        ("edit.txt", "deleted", None),
        ("keep.txt", "modified", None),
    ]


def test_caches_are_no_part_of_the_work(files: ConfinedFiles) -> None:
    before = snapshot(files)
    for cache in ("__pycache__/x.pyc", "sub/__pycache__/y.pyc", ".pytest_cache/v/z", ".cache/a"):
        files.write_bytes(cache, b"x")
    assert changes(before, files) == ()


def test_texts_are_capped_one_by_one_and_together(files: ConfinedFiles) -> None:
    before = snapshot(files)
    files.write_bytes("exact", b"x" * 65536)
    files.write_bytes("over", b"x" * 65537)
    found = {change.path: change for change in changes(before, files)}
    assert found["exact"].text == "x" * 65536
    assert (found["over"].text, found["over"].size_bytes) == (None, 65537)
    for number in range(20):
        files.write_bytes(f"many/{number:02}", b"y" * 60_000)
    found = {change.path: change for change in changes(before, files)}
    texts = [found[f"many/{number:02}"].text for number in range(20)]
    assert 0 < sum(text is None for text in texts) < 20
    assert sum(len(text) for text in texts if text) <= 1024**2


def test_names_that_are_not_utf8_are_shown(files: ConfinedFiles) -> None:
    before = snapshot(files)
    (files.root / os.fsdecode(b"bad\xff.txt")).write_text("x")
    (change,) = changes(before, files)
    assert (change.path, change.text) == ("bad\ufffd.txt", "x")


names = st.sampled_from(["a", "b", "sub/c", "d/e/f"])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(old=st.dictionaries(names, st.binary(max_size=3)), new=st.dictionaries(names, st.binary(max_size=3)))
def test_law_changes_are_the_difference(
    tmp_path_factory: pytest.TempPathFactory, old: dict[str, bytes], new: dict[str, bytes]
) -> None:
    with ConfinedFiles(tmp_path_factory.mktemp("law")) as files:
        for path, data in old.items():
            files.write_bytes(path, data)
        before = snapshot(files)
        for path in old.keys() - new.keys():
            files.remove(path)
        for path, data in new.items():
            files.write_bytes(path, data)
        found = {change.path: change.kind for change in changes(before, files)}
    expected = dict.fromkeys(old.keys() - new.keys(), "deleted") | dict.fromkeys(new.keys() - old.keys(), "added")
    expected |= {path: "modified" for path in old.keys() & new.keys() if old[path] != new[path]}
    assert found == expected
