import errno
import itertools
import os
import platform
import shutil
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.files.openat import best_opener, kernel_opener, open_by_walking
from flatfield.errors import OutsideWorkspace, ToolError

pytestmark = pytest.mark.whole

SECRET = b"secret-of-another-trial"
RACE_SECONDS = 30.0
"""So long two threads may need until each has come in the other's way."""


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture(params=["kernel", "walk"])
def opener(request: pytest.FixtureRequest) -> Callable[[int, str, int], int]:
    if request.param == "walk":
        return open_by_walking
    found = kernel_opener()
    if found is None:
        pytest.skip("this system has no openat2")
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(SECRET)
    root = tmp_path / "root"
    (root / "sub/deep").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"alpha")
    (root / "sub/b.txt").write_bytes(b"beta")
    return root


@pytest.fixture
def files(root: Path, opener: Callable[[int, str, int], int]) -> Iterator[ConfinedFiles]:
    with ConfinedFiles(root, opener=opener) as opened:
        yield opened


def test_the_kernel_opener_is_used_where_there_is_one() -> None:
    known = sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}
    if known and kernel_opener() is not None:
        assert best_opener() is kernel_opener()
    else:
        assert best_opener() is open_by_walking


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM])
def test_without_openat2_the_walk_is_used(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: int, path: str, flags: int) -> int:
        raise OSError(code, os.strerror(code), path)

    monkeypatch.setattr("flatfield.agent.files.openat._openat2", lambda: refused)
    kernel_opener.cache_clear()
    try:
        assert best_opener() is open_by_walking
    finally:
        kernel_opener.cache_clear()


def test_other_systems_have_no_kernel_opener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flatfield.agent.files.openat.sys.platform", "darwin")
    kernel_opener.cache_clear()
    try:
        assert kernel_opener() is None
    finally:
        monkeypatch.undo()
        kernel_opener.cache_clear()


@pytest.mark.parametrize(
    "path", ["sub/b.txt", "./sub//b.txt", "sub/../sub/b.txt", "missing/../sub/b.txt", "sub/b.txt/"]
)
def test_paths_that_stay_inside_in_the_text_are_read(files: ConfinedFiles, path: str) -> None:
    assert files.read_bytes(path) == b"beta"


def test_an_absolute_path_inside_is_accepted_as_written_and_as_it_resolves(tmp_path: Path, root: Path) -> None:
    (tmp_path / "alias").symlink_to(root)
    with ConfinedFiles(tmp_path / "alias", names=("/workspace",)) as files:
        assert files.read_bytes(f"{tmp_path}/alias/a.txt") == b"alpha"
        assert files.read_bytes(f"{root}/a.txt") == b"alpha"
        assert files.read_bytes("/workspace/a.txt") == b"alpha"
        assert files.relative("/workspace") == "."
        with pytest.raises(OutsideWorkspace):
            files.read_bytes("/workspaces/a.txt")


@pytest.mark.parametrize(
    "path",
    ["..", "../outside/secret", "sub/../../outside/secret", "/etc/passwd", "//etc/passwd", "/", "/proc/self/root"],
)
def test_paths_that_lead_out_are_refused_by_every_door(files: ConfinedFiles, path: str) -> None:
    for use in (files.read_bytes, files.stat, files.entries, files.exists, files.remove):
        with pytest.raises(OutsideWorkspace, match="outside the workspace"):
            use(path)
    with pytest.raises(OutsideWorkspace):
        files.write_bytes(path, b"x")


def test_a_sibling_whose_name_starts_alike_is_outside(tmp_path: Path, files: ConfinedFiles) -> None:
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2/x").write_text("x")
    with pytest.raises(OutsideWorkspace):
        files.read_bytes(str(tmp_path / "root2/x"))


@pytest.mark.parametrize(
    "target", ["../outside", "{tmp}/outside", "sub/../../outside", "{tmp}/root/sub", "/proc/self/root"]
)
def test_links_that_lead_out_or_are_absolute_are_refused(files: ConfinedFiles, tmp_path: Path, target: str) -> None:
    (tmp_path / "root/link").symlink_to(target.format(tmp=tmp_path))
    for path in ("link/secret", "link/b.txt", "link/new/file"):
        with pytest.raises(OutsideWorkspace, match="leads out"):
            files.read_bytes(path)
        with pytest.raises(OutsideWorkspace, match="leads out"):
            files.write_bytes(path, b"x")
        assert not files.exists(path)
    with pytest.raises(OutsideWorkspace):
        files.entries("link")
    assert sorted(entry.name for entry in (tmp_path / "outside").iterdir()) == ["secret"]


def test_a_link_through_a_link_is_held_to_the_same_rule(files: ConfinedFiles, root: Path) -> None:
    (root / "sub/up").symlink_to("..")
    (root / "two").symlink_to("sub/up/sub/up/a.txt")
    assert files.read_bytes("two") == b"alpha"
    (root / "three").symlink_to("sub/up/../outside/secret")
    with pytest.raises(OutsideWorkspace):
        files.read_bytes("three")


def test_links_that_stay_inside_are_followed(files: ConfinedFiles, root: Path) -> None:
    (root / "sub/deep/link").symlink_to("../../a.txt")
    (root / "folder").symlink_to("sub")
    assert files.read_bytes("sub/deep/link") == b"alpha"
    assert files.read_bytes("folder/b.txt") == b"beta"
    assert [entry.path for entry in files.entries("folder")] == ["folder/b.txt", "folder/deep"]
    assert files.stat("folder").kind == "folder"
    files.write_bytes("folder/new.txt", b"n")
    assert (root / "sub/new.txt").read_bytes() == b"n"


def test_a_link_in_a_circle_and_one_to_nowhere(files: ConfinedFiles, root: Path) -> None:
    (root / "circle").symlink_to("circle")
    (root / "nowhere").symlink_to("missing")
    with pytest.raises(ToolError, match="ends nowhere"):
        files.read_bytes("circle")
    with pytest.raises(FileNotFoundError):
        files.read_bytes("nowhere")
    assert not files.exists("circle")
    assert not files.exists("nowhere")


def test_nothing_is_written_on_a_link(files: ConfinedFiles, root: Path, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path / "outside/secret")
    (root / "in").symlink_to("a.txt")
    for name in ("out", "in"):
        with pytest.raises(ToolError, match="is a link"):
            files.write_bytes(name, b"overwritten")
        assert (root / name).is_symlink()
    assert (tmp_path / "outside/secret").read_bytes() == SECRET
    assert (root / "a.txt").read_bytes() == b"alpha"


def test_a_hard_link_is_not_written_through(files: ConfinedFiles, root: Path, tmp_path: Path) -> None:
    (root / "hard").hardlink_to(tmp_path / "outside/secret")
    files.write_bytes("hard", b"mine")
    assert (tmp_path / "outside/secret").read_bytes() == SECRET


def test_fifos_devices_and_sockets_are_refused_without_waiting(files: ConfinedFiles, root: Path) -> None:
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(root)  # a socket's path is limited to 107 letters
        server.bind("sock")
        os.chdir("/")
    for name in ("fifo", "sock"):
        with pytest.raises(ToolError, match="not a file"):
            files.read_bytes(name)
        with pytest.raises(ToolError, match="not a file"):
            files.write_bytes(name, b"x")
        assert files.stat(name).kind == "other"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_refused(files: ConfinedFiles, root: Path) -> None:
    try:
        os.mknod(root / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices cannot be made here")
    with pytest.raises(ToolError, match="not a file"):
        files.read_bytes("zero")


def test_a_folder_is_no_file_and_a_file_no_folder(files: ConfinedFiles) -> None:
    for name in ("sub", "."):
        with pytest.raises(IsADirectoryError):
            files.read_bytes(name)
        with pytest.raises(IsADirectoryError):
            files.write_bytes(name, b"x")
    with pytest.raises(NotADirectoryError):
        files.entries("a.txt")
    with pytest.raises(NotADirectoryError):
        files.read_bytes("a.txt/x")
    with pytest.raises(NotADirectoryError):
        files.write_bytes("a.txt/x", b"x")


def test_nul_lone_surrogates_and_endless_paths_are_refused(files: ConfinedFiles) -> None:
    with pytest.raises(ToolError, match="NUL"):
        files.read_bytes("a.txt\0.png")
    with pytest.raises(ToolError, match="Unicode"):
        files.read_bytes("\ud800")
    for path in ("a/b/../" * 1000, "x" * 5000):
        for use in (files.read_bytes, files.exists, files.entries):
            with pytest.raises(OSError, match="too long"):
                use(path)
    with pytest.raises(OSError, match="too long"):
        files.write_bytes("y" * 300, b"x")


def test_reads_are_capped_and_never_cut_silently(files: ConfinedFiles, root: Path) -> None:
    (root / "big").write_bytes(b"0123456789")
    content = files.read("big", limit_bytes=4)
    assert (content.data, content.size_bytes) == (b"0123", 10)
    assert files.read_bytes("big", limit_bytes=10) == b"0123456789"
    with pytest.raises(ToolError, match="10 bytes, more than the 9"):
        files.read_bytes("big", limit_bytes=9)


def test_missing_parents_are_made(files: ConfinedFiles, root: Path) -> None:
    files.write_bytes("x/y/z/new.txt", b"new")
    files.write_bytes("sub/p/new.txt", b"new")
    assert (root / "x/y/z/new.txt").read_bytes() == b"new"
    assert (root / "sub/p/new.txt").read_bytes() == b"new"


def test_paths_are_bounded_in_depth(files: ConfinedFiles, root: Path) -> None:
    files.write_bytes("d/" * 100 + "f", b"deep")
    assert files.read_bytes("d/" * 100 + "f") == b"deep"
    assert sum(1 for _ in files.walk()) == 4 + 101
    with pytest.raises(ToolError, match="more than 100 folders deep"):
        files.write_bytes("e/" * 101 + "f", b"deeper")
    assert not (root / "e").exists()


def test_walk_does_not_enter_what_is_too_deep(files: ConfinedFiles, root: Path) -> None:
    (root / ("d/" * 110)).mkdir(parents=True)
    assert max(entry.path.count("/") for entry in files.walk()) == 100
    files.remove("d")
    assert not files.exists("d")


def test_a_replaced_file_keeps_its_mode_and_a_new_one_has_the_umasks(files: ConfinedFiles, root: Path) -> None:
    (root / "run.sh").write_text("old")
    (root / "run.sh").chmod(0o775)
    old = os.umask(0o027)
    try:
        files.write_bytes("run.sh", b"new")
        files.write_bytes("fresh", b"new")
    finally:
        os.umask(old)
    assert stat.S_IMODE((root / "run.sh").stat().st_mode) == 0o775
    assert stat.S_IMODE((root / "fresh").stat().st_mode) == 0o640


def test_a_read_only_file_is_not_replaced(files: ConfinedFiles, root: Path) -> None:
    (root / "a.txt").chmod(0o444)
    with pytest.raises(PermissionError, match="read-only"):
        files.write_bytes("a.txt", b"x")
    assert (root / "a.txt").read_bytes() == b"alpha"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_new_files_and_folders_belong_to_the_owner(root: Path, opener: Callable[[int, str, int], int]) -> None:
    os.chown(root / "a.txt", 12, 34)
    with ConfinedFiles(root, owner=65534, opener=opener) as files:
        files.write_bytes("n/m/new", b"x")
        files.write_bytes("a.txt", b"x")
    assert [(root / path).stat().st_uid for path in ("n", "n/m", "n/m/new")] == [65534] * 3
    assert ((root / "a.txt").stat().st_uid, (root / "a.txt").stat().st_gid) == (12, 34)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    files: ConfinedFiles, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def unrenamed(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = names(root)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            files.write_bytes("a.txt", b"x")
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", unrenamed)
        with pytest.raises(OSError, match="No space"):
            files.write_bytes("new.txt", b"x")
    assert names(root) == before
    assert (root / "a.txt").read_bytes() == b"alpha"


def test_a_short_write_is_continued(files: ConfinedFiles, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    files.write_bytes("a.txt", b"0123456789")
    assert (root / "a.txt").read_bytes() == b"0123456789"


def test_entries_are_sorted_and_described(files: ConfinedFiles, root: Path) -> None:
    (root / "link").symlink_to("a.txt")
    os.utime(root / "a.txt", (1000, 1000))
    found = files.entries()
    assert [(entry.path, entry.kind) for entry in found] == [("a.txt", "file"), ("link", "link"), ("sub", "folder")]
    assert (found[0].size_bytes, found[0].modified) == (5, 1000.0)
    assert found[1].target == "a.txt"
    assert [entry.path for entry in files.entries("sub")] == ["sub/b.txt", "sub/deep"]


def test_walk_gives_all_and_follows_no_link(files: ConfinedFiles, root: Path) -> None:
    (root / "loop").symlink_to(".")
    (root / "skipped/in").mkdir(parents=True)
    assert [entry.path for entry in files.walk(skip=frozenset({"skipped"}))] == [
        "a.txt",
        "loop",
        "sub",
        "sub/b.txt",
        "sub/deep",
    ]


def test_remove_takes_a_link_and_not_its_target(files: ConfinedFiles, root: Path, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "sub/out").symlink_to(tmp_path / "outside")
    files.remove("out")
    files.remove("sub")
    files.remove("a.txt")
    assert names(root) == []
    assert (tmp_path / "outside/secret").exists()
    with pytest.raises(FileNotFoundError):
        files.remove("a.txt")
    with pytest.raises(ToolError):
        files.remove(".")


def test_a_closed_door_stays_closed(root: Path, opener: Callable[[int, str, int], int]) -> None:
    files = ConfinedFiles(root, opener=opener)
    files.close()
    files.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        files.read_bytes("a.txt")


def test_no_descriptor_is_left_open(files: ConfinedFiles, root: Path) -> None:
    (root / "link").symlink_to("sub")
    (root / "out").symlink_to("/etc")

    def everything() -> None:
        for path in ("a.txt", "link/b.txt", "missing/x", "out/passwd", "sub", "../x", "link/../a.txt"):
            for use in (files.read_bytes, files.stat, files.entries, files.exists):
                try:
                    use(path)
                except (OSError, ToolError):
                    continue
        files.write_bytes("p/q", b"x")
        list(files.walk())

    everything()
    before = len(names(Path("/proc/self/fd"))) if sys.platform == "linux" else 0
    everything()
    after = len(names(Path("/proc/self/fd"))) if sys.platform == "linux" else 0
    assert after == before


part = st.sampled_from(["..", ".", "", "a.txt", "sub", "b.txt", "in", "out", "up", "deep", "new", "é", "\0", "x" * 300])
paths = st.one_of(
    st.lists(part, max_size=7).map("/".join),
    st.lists(part, max_size=5).map(lambda parts: "/" + "/".join(parts)),
    st.text(max_size=20),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(path=paths, inside=st.booleans())
def test_law_any_path_is_an_error_or_touches_only_the_inside(
    files: ConfinedFiles, root: Path, tmp_path: Path, path: str, inside: bool
) -> None:
    for name, target in {
        "in": "sub",
        "out": str(tmp_path / "outside"),
        "sub/up": "..",
        "sub/deep/out": "../../..",
    }.items():
        if not os.path.lexists(root / name):
            (root / name).symlink_to(target)
    path = f"{root}/{path}" if inside else path
    try:
        data = files.read_bytes(path)
    except (OSError, ToolError):
        pass
    else:
        assert data != SECRET
    try:
        files.write_bytes(path, b"mine")
    except (OSError, ToolError):
        pass
    else:
        assert files.read_bytes(path) == b"mine"
        assert Path(os.path.realpath(root / files.relative(path))).is_relative_to(root)
    assert names(tmp_path / "outside") == ["secret"]
    assert (tmp_path / "outside/secret").read_bytes() == SECRET
    assert names(tmp_path) == ["outside", "root"]


def swap_until(done: threading.Event, root: Path) -> None:
    steps = itertools.cycle([("swap", "aside"), ("trap", "swap"), ("swap", "trap"), ("aside", "swap")])
    while not done.is_set():
        source, target = next(steps)
        while not done.is_set():
            try:
                (root / source).rename(root / target)
                break
            except OSError:  # a writer made the folder while it was away
                shutil.rmtree(root / target, ignore_errors=True)  # it may be writing there still


def test_a_race_of_folders_and_links_leaks_nothing(files: ConfinedFiles, root: Path, tmp_path: Path) -> None:
    """Somebody swaps a folder for a link that leads out, as fast as can be, while we read and write below it."""
    outside = tmp_path / "outside"
    (root / "swap").mkdir()
    (root / "swap/secret").write_bytes(b"harmless")
    (root / "trap").symlink_to(outside)
    done = threading.Event()
    thread = threading.Thread(target=swap_until, args=(done, root))
    thread.start()
    leaks = harmless = refused = 0
    began = time.monotonic()
    try:
        for count in itertools.count():
            is_met = harmless > 0 and refused > 0
            if time.monotonic() - began > (1.0 if is_met else RACE_SECONDS):
                break
            try:
                data = files.read_bytes("swap/secret")
                leaks += data == SECRET
                harmless += data != SECRET
                leaks += any(entry.size_bytes == len(SECRET) for entry in files.entries("swap"))
                if count % 8 == 0:
                    files.write_bytes(f"swap/made/f{count % 3}", b"x")
            except OutsideWorkspace:
                refused += 1
            except (OSError, ToolError):
                continue
    finally:
        done.set()
        thread.join()
    assert leaks == 0
    assert names(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == SECRET
    assert harmless > 0  # both sides of the race were seen
    assert refused > 0


def test_whether_the_root_is_still_the_folder_that_was_opened(root: Path, tmp_path: Path) -> None:
    with ConfinedFiles(root) as files:
        assert files.is_in_place()
        root.rename(tmp_path / "moved")
        assert not files.is_in_place()
        root.symlink_to(tmp_path / "moved")
        assert not files.is_in_place(), "a link is not the folder itself"
        root.unlink()
        root.mkdir()
        assert not files.is_in_place()


@pytest.mark.parametrize("path", ["../outside/secret", "/etc/passwd", "sub", "."])
def test_a_new_file_is_written_where_any_other_is_and_nowhere_else(root: Path, path: str) -> None:
    with ConfinedFiles(root) as files:
        files.write_new("new/er/file", b"x")
        files.write_new("a.txt", b"y")
        assert (files.read_bytes("new/er/file"), files.read_bytes("a.txt")) == (b"x", b"y")
        with pytest.raises((OutsideWorkspace, IsADirectoryError)):
            files.write_new(path, b"z")
    assert names(root) == ["a.txt", "new", "sub"]
