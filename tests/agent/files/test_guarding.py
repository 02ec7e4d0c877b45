"""A user's own folder: protected paths are refused by every tool, however they are reached."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import tempfile
import threading
import time
from asyncio import Runner
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.files.guarding import Protection, check_workspace
from flatfield.agent.files.protected import claims, table
from flatfield.agent.files.searching import find, remember_all
from flatfield.agent.toolbox import open_tools
from flatfield.agent.workspace import Workspace, changes, snapshot
from flatfield.clock import SystemClock
from flatfield.errors import FlatfieldError, ProtectedPath
from flatfield.plugins import default_tools
from flatfield.records import ToolCall
from flatfield.tasks.access import is_broad

if TYPE_CHECKING:
    from flatfield.records import ToolResult

pytestmark = pytest.mark.whole

NAMES = [(rule, name.replace("*", "a")) for rule in table().name for name in rule.names if not rule.beside]
IDS = [name for _, name in NAMES]
SEALED = [name for rule, name in NAMES if rule.sealed]
RACE_SECONDS = 30.0
"""So long two threads may need until each has come in the other's way."""
SECRET = "the-secret-of-the-user"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    return made


def guarded(root: Path, **options: object) -> ConfinedFiles:
    protection = Protection(root, **options)  # type: ignore[arg-type]
    remember_all(protection)
    return ConfinedFiles(root, protection=protection)


def state(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): str(path.readlink()) if path.is_symlink() else path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def write(root: Path, path: str, text: str = SECRET) -> Path:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """An event loop for thousands of calls, each of which would else open one."""
    with Runner() as runner:
        yield runner


@contextlib.contextmanager
def tools_on(root: Path, runner: Runner, **options: object) -> Iterator[Callable[..., ToolResult]]:
    """Calls tools on the folder as it is now, as `flatfield run` would."""
    with guarded(root, **options) as files:
        box = open_tools(default_tools(), Workspace(root=root, files=files), SystemClock())

        def call(name: str, **arguments: str) -> ToolResult:
            return runner.run(box.run(ToolCall(id="1", name=name, arguments=json.dumps(arguments))))

        yield call


@pytest.fixture
def tool(root: Path, runner: Runner) -> Callable[..., ToolResult]:
    """Runs one tool call on the folder as it is by then."""

    def run(name: str, options: dict[str, object] | None = None, **arguments: str) -> ToolResult:
        with tools_on(root, runner, **(options or {})) as call:
            return call(name, **arguments)

    return run


def refused(result: ToolResult) -> None:
    assert not result.ok
    assert " is protected: " in result.text
    assert "tell the user" in result.text
    assert SECRET not in result.text


# ------------------------------------------------------------------------ every entry of the list


Folders = Callable[[Sequence[str]], Iterator[tuple[str, Path]]]


@pytest.fixture
def each(root: Path) -> Folders:
    """Names, one after the other, each with an empty folder."""

    def with_folders(names: Sequence[str]) -> Iterator[tuple[str, Path]]:
        for number, name in enumerate(names):
            folder = root / str(number)
            folder.mkdir()
            yield name, folder

    return with_folders


def test_nothing_is_made_under_a_protected_name(each: Folders, subtests: pytest.Subtests, runner: Runner) -> None:
    for name, root in each(IDS):
        with subtests.test(name), tools_on(root, runner) as tool:
            for path in (name, name.upper(), f"deep/down/{name}", f"{name}/new.txt", f"deep/{name}/inner/new.txt"):
                refused(tool("write_file", file_path=path, content="x"))
            assert not any(claims(path.relative_to(root).parts) for path in root.rglob("*"))
            assert state(root) == {}


def test_what_is_there_is_neither_written_nor_removed(each: Folders, subtests: pytest.Subtests, runner: Runner) -> None:
    for name, root in each(IDS):
        with subtests.test(name):
            neither_written_nor_removed(name, root, runner)


def neither_written_nor_removed(name: str, root: Path, runner: Runner) -> None:
    for at in ("", "deep/down/"):
        write(root, f"{at}{name}/inner.txt")
    for inner in ("filed/", "filed/deep/"):
        write(root, f"{inner}{name}")
    (root / "to-folder").symlink_to(f"deep/down/{name}")
    (root / "to-parent").symlink_to((root / name).relative_to(root).parent)
    (root / "to-filed").symlink_to("filed")
    (root / "to-file").symlink_to(f"filed/{name}")
    before = state(root)
    last = Path(name).name
    paths = [f"{name}/inner.txt", f"deep/down/{name}/inner.txt", f"filed/{name}", f"filed/deep/{name}"]
    paths += ["to-folder/inner.txt", f"to-parent/{last}/inner.txt", f"to-filed/{name}", "to-folder/new.txt"]
    with tools_on(root, runner) as tool, guarded(root) as files:
        for path in paths:
            refused(tool("write_file", file_path=path, content="x"))
            with pytest.raises((ProtectedPath, FileNotFoundError)):
                files.remove(path)
        for path in paths[:-1]:
            refused(tool("edit_file", file_path=path, old_str=SECRET, new_str="x"))
        assert not tool("write_file", file_path="to-file", content="x").ok
        assert not tool("edit_file", file_path="to-file", old_str=SECRET, new_str="x").ok
        for path in ("deep", "filed", name, "deep/down"):
            with pytest.raises(ProtectedPath):
                files.remove(path)
    assert state(root) == before


def test_secrets_are_not_read(each: Folders, subtests: pytest.Subtests, runner: Runner) -> None:
    for name, root in each(SEALED):
        with subtests.test(name):
            write(root, f"in/{name}")
            write(root, f"deep/{name}/inner.txt")
            (root / "to-file").symlink_to(f"in/{name}")
            (root / "to-folder").symlink_to(f"deep/{name}")
            (root / "hard").hardlink_to(root / "in" / name)
            with tools_on(root, runner) as tool:
                for path in (f"in/{name}", f"deep/{name}/inner.txt", "to-file", "to-folder/inner.txt", "hard"):
                    refused(tool("read_file", file_path=path))
                    info = tool("get_file_info", file_path=path)
                    assert SECRET not in info.text
                    assert "lines: not counted" in info.text
                listed = tool("list_directory", directory_path=str(Path("in", name).parent)).text
                assert Path(name).name in listed


# ------------------------------------------------------------------------ ways round


def test_a_dangling_link_makes_nothing(root: Path, tool: Callable[..., ToolResult]) -> None:
    (root / "x").symlink_to(".git")
    (root / "y").symlink_to("a/.env")
    for path in ("x/config", "y", "x"):
        assert not tool("write_file", file_path=path, content="x").ok
    assert sorted(path.name for path in root.iterdir()) == ["x", "y"]


def test_what_a_protected_link_leads_to_is_protected_too(root: Path, tool: Callable[..., ToolResult]) -> None:
    write(root, "docs/rules.md")
    write(root, "conf/env")
    write(root, "dots/editor/tasks.json")
    (root / "CLAUDE.md").symlink_to("middle")
    (root / "middle").symlink_to("docs/rules.md")
    (root / ".env").symlink_to(root / "conf" / "env")
    (root / "pkg").mkdir()
    (root / "pkg/.vscode").symlink_to("../dots/editor")
    (root / ".mcp.json").symlink_to("conf/mcp.json")
    before = state(root)
    for path in ("docs/rules.md", "conf/env", "dots/editor/tasks.json", "dots/editor/new", "conf/mcp.json"):
        refused(tool("write_file", file_path=path, content="x"))
    refused(tool("read_file", file_path="conf/env"))
    assert tool("read_file", file_path="docs/rules.md").text == SECRET
    assert state(root) == before


def test_a_bare_repository_is_known_by_its_shape_and_cannot_be_made(
    root: Path, tool: Callable[..., ToolResult]
) -> None:
    write(root, "any.name/HEAD", "ref: refs/heads/main\n")
    for inner in ("objects/x", "refs/x"):
        write(root, f"any.name/{inner}")
    (root / "link").symlink_to("any.name")
    write(root, "half/objects/x")
    write(root, "half/refs/x")
    write(root, "worktree/HEAD")
    before = state(root)
    for path in ("any.name/config", "any.name/hooks/pre-commit", "link/config", "half/HEAD", "half/head",
                 "worktree/commondir", "venv/pyvenv.cfg"):  # fmt: skip
        refused(tool("write_file", file_path=path, content="x"))
    assert state(root) == before
    assert tool("read_file", file_path="any.name/HEAD").ok
    assert tool("write_file", file_path="half/other", content="x").ok


def test_private_keys_are_refused_under_any_name(root: Path, tool: Callable[..., ToolResult]) -> None:
    write(root, "notes.txt", KEY)
    (root / "link").symlink_to("notes.txt")
    (root / "hard").hardlink_to(root / "notes.txt")
    for path in ("notes.txt", "link", "hard"):
        refused(tool("read_file", file_path=path))
    refused(tool("edit_file", file_path="notes.txt", old_str="a", new_str="b"))
    refused(tool("write_file", file_path="notes.txt", content="gone"))
    assert (root / "notes.txt").read_text() == KEY


def test_the_same_folder_under_another_name_is_protected(root: Path) -> None:
    """As a mount, or a file system that folds names in a way of its own, would show it."""
    write(root, ".vscode/tasks.json")
    protection = Protection(root)
    remember_all(protection)
    (root / ".vscode").rename(root / "elsewhere")
    with ConfinedFiles(root, protection=protection) as files, pytest.raises(ProtectedPath, match=r"same as \.vscode"):
        files.write_bytes("elsewhere/tasks.json", b"x")


def test_the_configuration_in_force_is_protected_whatever_its_name(root: Path) -> None:
    config = write(root, "conf/models.toml")
    (root / "alias.toml").symlink_to("conf/models.toml")
    for named in (config, root / "alias.toml"):
        with guarded(root, config=named) as files:
            for path in ("conf/models.toml", "conf/Models.TOML"):
                with pytest.raises(ProtectedPath, match="configuration of flatfield"):
                    files.write_bytes(path, b"x")
            assert files.read_bytes("conf/models.toml") == SECRET.encode()
            files.write_bytes("conf/other.toml", b"x")


def test_agent_files_are_protected_beside_a_configuration_and_in_the_workspace(root: Path) -> None:
    write(root, "pkg/flatfield.toml")
    (root / "home").mkdir()
    with guarded(root, homes=[root / "home"]) as files:
        for path in ("agents/me.md", "AGENTS/me.md", "pkg/agents/me.md", "home/agents/me.md"):
            with pytest.raises(ProtectedPath, match="takes agents from it"):
                files.write_bytes(path, b"x")
        files.write_bytes("docs/agents/me.md", b"x")
        files.write_bytes("agents/me.py", b"x")


@given(data=st.data())
@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
def test_no_path_of_text_and_links_reaches_a_protected_folder(data: st.DataObject, tmp_path: Path) -> None:
    part = st.sampled_from([".git", ".GIT", "a", "b", "link", "up", ".", "..", "deep", "\uff0egit", ".g\u200cit"])
    with tempfile.TemporaryDirectory(dir=tmp_path) as name:
        root = Path(name)
        write(root, ".git/config")
        write(root, "a/deep/.git/config")
        (root / "b").symlink_to(data.draw(st.sampled_from([".git", "a/deep", "a", "link", "./.git/."])))
        (root / "link").symlink_to(data.draw(st.sampled_from(["a/deep/.git", ".", "b", "a/../.git"])))
        (root / "a/up").symlink_to("..")
        path = "/".join(data.draw(st.lists(part, min_size=1, max_size=5)))
        with guarded(root) as files, contextlib.suppress(FlatfieldError, OSError):
            files.write_bytes(f"{path}/config", b"evil")
        written = [place for place in root.rglob("*") if place.is_file() and place.read_bytes() == b"evil"]
        for place in written:
            assert not list(claims(place.relative_to(root).parts)), path
        assert {(root / at).read_text() for at in (".git/config", "a/deep/.git/config")} == {SECRET}


# ------------------------------------------------------------------------ races


def race(root: Path, swap: Callable[[], None], path: str, times: int = 400) -> None:
    """Write on a path while another thread swaps what it means: so often, and until both ways were met."""
    ended = threading.Event()

    def swapping() -> None:
        while not ended.is_set():
            swap()

    thread = threading.Thread(target=swapping)
    with guarded(root) as files:
        thread.start()
        try:
            outcomes: set[str] = set()
            ends = time.monotonic() + RACE_SECONDS
            for count in itertools.count():
                is_met = "written" in outcomes and len(outcomes) > 1
                if count >= times and (is_met or time.monotonic() > ends):
                    break
                try:
                    files.write_bytes(path, b"evil")
                    outcomes.add("written")
                except (FlatfieldError, OSError) as error:
                    outcomes.add(type(error).__name__)
        finally:
            ended.set()
            thread.join()
    assert "written" in outcomes, "the race was never open"
    assert outcomes - {"written"}, "the race was never met"


def exchange(one: Path, other: Path) -> None:
    """Swap two names in one step."""
    import ctypes

    here = -100
    if ctypes.CDLL(None).renameat2(here, os.fsencode(one), here, os.fsencode(other), 2):
        raise OSError


def test_a_link_that_is_swapped_opens_no_way(root: Path) -> None:
    config = write(root, ".git/config")
    (root / "plain").mkdir()
    (root / "x").symlink_to("plain")

    def swap() -> None:
        for target in (".git", "plain"):
            (root / "next").symlink_to(target)
            (root / "next").rename(root / "x")

    race(root, swap, "x/config")
    assert config.read_text() == SECRET


@pytest.mark.skipif(sys.platform != "linux", reason="names are swapped by a call of Linux's")
def test_a_folder_that_is_swapped_for_a_link_opens_no_way(root: Path) -> None:
    config = write(root, ".git/config")
    (root / "x").mkdir()
    (root / "link").symlink_to(".git")

    def swap() -> None:
        exchange(root / "x", root / "link")

    race(root, swap, "x/config")
    assert config.read_text() == SECRET


@pytest.mark.skipif(sys.platform != "linux", reason="names are swapped by a call of Linux's")
def test_a_protected_folder_that_is_renamed_to_and_fro_is_known(root: Path) -> None:
    tasks = write(root, ".vscode/tasks.json")
    (root / "x").mkdir()

    def swap() -> None:
        exchange(root / "x", root / ".vscode")

    race(root, swap, "x/tasks.json")
    assert SECRET in {tasks.read_text(), (root / "x/tasks.json").read_text()}


# ------------------------------------------------------------------------ what a user opens


@pytest.mark.parametrize(
    ("allow", "opened", "closed"),
    [
        (["AGENTS.md"], ["AGENTS.md"], ["sub/AGENTS.md", "CLAUDE.md", ".env", "agents.MD"]),
        (["**/AGENTS.md"], ["AGENTS.md", "sub/AGENTS.md", "a/b/AGENTS.md"], ["CLAUDE.md"]),
        (["*/AGENTS.md"], ["sub/AGENTS.md"], ["AGENTS.md", "a/b/AGENTS.md"]),
        ([".github/workflows"], [".github/workflows/ci.yml"], [".github/dependabot.yml"]),
        ([".github/workflows/ci.yml"], [".github/workflows/ci.yml"], [".github/workflows/other.yml"]),
        ([".env.local"], [".env.local"], [".env"]),
        (["sub"], [], ["sub/AGENTS.md", "sub/.git/config"]),
        (["."], [], [".git/config", ".env"]),
        (["**"], [".git/config", ".env", "sub/CLAUDE.md"], [".flatfield/store.db"]),
        ([".flatfield"], [], [".flatfield/store.db"]),
        ([".codex"], [".codex/config.toml"], [".codex/auth.json"]),
        (["{root}/AGENTS.md"], ["AGENTS.md"], ["CLAUDE.md"]),
    ],
)
def test_a_user_opens_what_is_named_and_nothing_else(
    allow: Sequence[str], opened: Sequence[str], closed: Sequence[str], root: Path
) -> None:
    with guarded(root, allow=[path.replace("{root}", str(root)) for path in allow]) as files:
        for path in opened:
            files.write_bytes(path, b"x")
            assert files.read_bytes(path) == b"x"
        for path in closed:
            with pytest.raises(ProtectedPath):
                files.write_bytes(path, b"x")


def test_a_secret_by_content_is_opened_by_its_path(root: Path) -> None:
    write(root, "test.key", KEY)
    write(root, "other.key", KEY)
    with guarded(root, allow=["test.key"]) as files:
        assert files.read_bytes("test.key") == KEY.encode()
        with pytest.raises(ProtectedPath):
            files.read_bytes("other.key")


def test_what_needs_no_opening_is_known(root: Path) -> None:
    protection = Protection(root)
    assert [protection.opens_nothing(path) for path in ("README.md", "AGENTS.md", ".", "**/x", "/elsewhere")] == [
        True, False, False, False, False,
    ]  # fmt: skip


# ------------------------------------------------------------------------ workspaces that are refused


@pytest.mark.parametrize(
    "place", [".git/hooks", ".claude", ".claude/skills/x", "p/.vscode", ".ssh", ".github/workflows", ".GIT/x"]
)
def test_a_workspace_in_a_protected_place_is_refused_unless_it_is_named(place: str, tmp_path: Path) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    with pytest.raises(FlatfieldError, match=r"is protected: .*--allow \."):
        check_workspace(folder)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(FlatfieldError, match="is protected"):
        check_workspace(tmp_path / "link")
    check_workspace(folder, ["."])
    check_workspace(folder, [str(folder)])
    with pytest.raises(FlatfieldError):
        check_workspace(folder, ["x"])


def test_a_bare_repository_is_no_workspace_but_a_checkout_in_it_is(tmp_path: Path) -> None:
    for name in ("objects", "refs", "hooks", "main"):
        (tmp_path / "x.git" / name).mkdir(parents=True)
    write(tmp_path, "x.git/HEAD")
    write(tmp_path, "x.git/main/.git")
    for place in ("x.git", "x.git/hooks"):
        with pytest.raises(FlatfieldError, match="is a bare git repository"):
            check_workspace(tmp_path / place)
    check_workspace(tmp_path / "x.git" / "main")


def test_a_worktree_of_an_assistant_is_a_workspace_like_any_other(tmp_path: Path) -> None:
    folder = tmp_path / ".claude" / "worktrees" / "fix"
    (folder / ".claude").mkdir(parents=True)
    check_workspace(folder)
    with pytest.raises(FlatfieldError):
        check_workspace(folder / ".claude")
    with pytest.raises(FlatfieldError):
        check_workspace(folder.parent)
    with guarded(folder) as files:
        files.write_bytes("src/new.py", b"x")
        with pytest.raises(ProtectedPath):
            files.write_bytes(".claude/settings.json", b"x")


def test_the_home_folder_and_all_above_it_hold_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home" / "project").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert [is_broad(path) for path in (tmp_path / "home", tmp_path, Path("/"))] == [True, True, True]
    assert not is_broad(tmp_path / "home" / "project")


# ------------------------------------------------------------------------ records


def test_what_changed_never_holds_a_secret(root: Path) -> None:
    write(root, ".env")
    write(root, "key", "no key yet")
    write(root, ".flatfield/store.db")
    with guarded(root) as files:
        before = snapshot(files)
        write(root, ".env", f"{SECRET} and more")
        write(root, ".flatfield/store.db", f"{SECRET} and more")
        write(root, "key", KEY)
        write(root, "new.txt", "plain")
        found = changes(before, files)
    assert {change.path: change.text for change in found} == {
        ".env": None, ".flatfield/store.db": None, "key": None, "new.txt": "plain",
    }  # fmt: skip
    assert not any(SECRET in str(entry) for entry in before.files.values())


def test_a_copy_for_a_trial_is_not_restricted(root: Path) -> None:
    with ConfinedFiles(root) as files:
        for path in ("AGENTS.md", ".github/workflows/ci.yml", ".git/config", ".env"):
            files.write_bytes(path, b"x")
            assert files.read_bytes(path) == b"x"


# ------------------------------------------------------------------------ looking through a folder


def test_what_is_found(root: Path) -> None:
    write(root, ".git/config", '[remote "o"]\n\turl = https://me:token@git.example/x\n')
    write(root, ".git/objects/aa/config", KEY)
    write(root, "pkg/.codex/auth.json")
    write(root, "pkg/.codex/config.toml")
    write(root, "plain/x.txt")
    write(root, "key", KEY)
    os.mkfifo(root / "fifo")
    found = find(Protection(root), contents=True)
    assert {"/".join(at): place.claim.sealed for at, place in found.places.items()} == {
        ".git": False, ".git/config": True, "pkg/.codex": False, "pkg/.codex/auth.json": True, "key": True,
        "fifo": True,
    }  # fmt: skip


def test_a_folder_too_deep_to_be_looked_into_is_told(root: Path) -> None:
    (root / "/".join("d" * 101)).mkdir(parents=True)
    assert find(Protection(root)).deep == {tuple("d" * 101)}


def test_of_a_closed_folder_only_what_can_be_read_or_reached_there_is_looked_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = '[remote "o"]\n\turl = https://me:token@git.example/x\n'
    write(root, ".venv/src/pkg/.git/config", config)
    write(root, "node_modules/a/.env")
    write(root, "env/pyvenv.cfg")
    write(root, "env/deep/config", config)
    os.mkfifo(root / "node_modules/a/fifo")
    found = find(Protection(root), contents=True)
    assert {"/".join(at) for at in found.places} == {
        ".venv", ".venv/src/pkg/.git/config", "node_modules", "node_modules/a/fifo", "env", "env/deep/config",
    }  # fmt: skip
    looked: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked.append(str(path)) or scandir(path))  # type: ignore[func-returns-value]
    assert {"/".join(at) for at in find(Protection(root)).places} == {".venv", "node_modules", "env"}
    assert looked == [str(root), str(root / "env")], "without contents, nobody goes into them"
