"""A commit becomes a task that is proved, or is refused with the reason; nothing is left of one that is refused."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import FlatfieldError
from flatfield.runs import commit_task
from flatfield.runs.commit_task import CommitOrder, make_task
from flatfield.tasks.access import everything, nobody
from flatfield.tasks.lop import read_task

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flatfield.runs.commit_task import CommitTask

pytestmark = [pytest.mark.whole, pytest.mark.needs("bwrap")]

WHO = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main")
SHOP = "def price(n):\n    return n * 2\n"
FIXED = "def price(n):\n    return n * 3\n"
TEST = "from shop import price\n\ndef test_none():\n    assert price(0) == 0\n"
TESTED = TEST + "\ndef test_one():\n    assert price(1) == 3\n"


@pytest.fixture(autouse=True)
def own_places(reachable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLATFIELD_CACHE", str(reachable / "cache"))


class History:
    """A small repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q")

    def git(self, *words: str) -> str:
        done = subprocess.run(("git", *WHO, *words), cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message: str, files: Mapping[str, str | bytes | None]) -> None:
        for path, text in files.items():
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                place.unlink()
            else:
                place.write_bytes(text.encode() if isinstance(text, str) else text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "repo")


async def made(history: History, tmp_path: Path, **fields: Any) -> CommitTask:
    order: dict[str, Any] = {"repository": history.folder, "commit": "HEAD", "out": tmp_path / "task"} | fields
    return await make_task(CommitOrder(**order), nobody())


def drafts(folder: Path) -> list[Path]:
    return list(folder.glob(".task-*"))


async def refused(history: History, tmp_path: Path, **fields: Any) -> str:
    with pytest.raises(FlatfieldError) as raised:
        await made(history, tmp_path, **fields)
    assert not (tmp_path / "task").exists()
    assert not drafts(tmp_path)
    return str(raised.value)


async def test_a_repair_of_a_flat_project(history: History, tmp_path: Path) -> None:
    """Half of the tests passed before: they guard, and nobody who does nothing gets a point for them."""
    history.commit("First", {"shop.py": SHOP, "tests/test_shop.py": TEST, ".gitignore": "*.log\n"})
    history.commit("Charge three (#4)\n\nSigned-off-by: A <a@b>", {"shop.py": FIXED, "tests/test_shop.py": TESTED})
    history.commit("Later", {"tests/test_later.py": TEST})
    (history.folder / "shop.py").write_text("nobody committed this")
    task = await made(history, tmp_path, commit="HEAD~1")
    assert task.counts == ("tests/test_shop.py::test_one",)
    assert (task.guards, task.proof) == (1, "oracle 1, noop 0, echo 0, copy 0")
    lop = read_task(tmp_path / "task" / "task.md")
    assert lop.prompt == "Charge three"
    workspace = tmp_path / "task" / "workspace"
    there = sorted(path.relative_to(workspace).as_posix() for path in workspace.rglob("*") if path.is_file())
    assert there == [".gitignore", "shop.py", "tests/test_shop.py"]
    assert (workspace / "shop.py").read_text() == SHOP
    assert (workspace / "tests" / "test_shop.py").read_text() == TEST
    assert not drafts(tmp_path)


@pytest.mark.slow
async def test_all_kinds_of_changes(history: History, tmp_path: Path) -> None:
    """A module that becomes a package, bytes that are no text, a program, a link, what is gone; sources below src/."""
    data = bytes(range(256)) * 500
    first = {
        "src/shop.py": SHOP,
        "src/old.py": "",
        "tests/test_shop.py": TEST,
        "pyproject.toml": '[project]\nname = "s"\n',
    }
    history.commit("First", first)
    tests = """
import importlib.metadata, os, pathlib
import shop
from shop.data import BYTES
here = pathlib.Path(shop.__file__).parent
def test_all(kept):
    assert BYTES == bytes(range(256)) * 500
    assert os.access(here / "run.sh", os.X_OK)
    assert (here / "again.bin").is_symlink()
    assert not (here.parent / "old.py").exists()
    assert importlib.metadata.version("s") == "0"
    assert (pathlib.Path(__file__).parent / "wanted.bin").read_bytes() == b"\\xff"
"""
    shop = history.folder / "src" / "shop"
    (history.folder / "src" / "shop.py").unlink()
    shop.mkdir()
    (shop / "run.sh").write_text("#!/bin/sh\n")
    (shop / "run.sh").chmod(0o755)
    (shop / "again.bin").symlink_to("all.bin")
    changed: dict[str, str | bytes | None] = {
        "src/old.py": None,
        "src/shop/__init__.py": FIXED,
        "src/shop/all.bin": data,
        "src/shop/data.py": "import pathlib\nBYTES = (pathlib.Path(__file__).parent / 'all.bin').read_bytes()\n",
        "tests/test_all.py": tests,
        "tests/wanted.bin": b"\xff",
        "tests/conftest.py": "import pytest\n@pytest.fixture\ndef kept():\n    return 1\n",
    }
    history.commit("Make it a package", changed)
    task = await made(history, tmp_path)
    assert task.counts == ("tests/test_all.py::test_all",)
    assert task.command == "PYTHONPATH=$PYTHONPATH:src python -m pytest -q tests/test_all.py"


@pytest.mark.slow
async def test_tests_of_unittest_inside_the_package(history: History, tmp_path: Path) -> None:
    """The package's own start, which the work changes, is no usurper of the tests that lie in it."""
    head = "import unittest\nfrom shop import price\n\nclass Prices(unittest.TestCase):\n"
    none = "    def test_none(self):\n        self.assertEqual(price(0), 0)\n"
    one = "    def test_one(self):\n        self.assertEqual(price(1), 3)\n"
    history.commit(
        "First", {"shop/__init__.py": SHOP, "shop/tests/__init__.py": "", "shop/tests/test_it.py": head + none}
    )
    history.commit("Charge three", {"shop/__init__.py": FIXED, "shop/tests/test_it.py": head + none + one})
    assert (await made(history, tmp_path)).counts == ("shop/tests/test_it.py::Prices::test_one",)


@pytest.mark.slow
async def test_an_environment_beside_the_repository(history: History, tmp_path: Path) -> None:
    """It brings what tests need, and not the project, of which it has a later state."""
    history.commit("First", {"shop.py": SHOP, "tests/test_shop.py": TEST})
    history.commit("Charge three", {"shop.py": FIXED, "tests/test_shop.py": "import depend\n" + TESTED})
    said = await refused(history, tmp_path)
    assert "they need the module 'depend', which is not there" in said
    assert "--env DIR" in said
    site = history.folder / ".venv" / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    (history.folder / ".venv" / "pyvenv.cfg").write_text("")
    (site / "depend.py").write_text("")
    (site / "shop.py").write_text(FIXED)
    assert (await made(history, tmp_path)).proof == "oracle 1, noop 0, echo 0, copy 0"
    shutil.rmtree(tmp_path / "task")
    shutil.move(history.folder / ".venv", tmp_path / "elsewhere")
    assert (await made(history, tmp_path, packages_from=tmp_path / "elsewhere")).guards == 1


@pytest.mark.skipif(shutil.which("node", path="/usr/bin:/usr/local/bin") is None, reason="no node under /usr")
@pytest.mark.slow
async def test_a_project_in_javascript(history: History, tmp_path: Path) -> None:
    test = "const test = require('node:test'); const assert = require('assert'); const price = require('../shop.js');\n"
    history.commit(
        "First", {"package.json": '{"scripts": {"test": "node --test"}}', "shop.js": "module.exports = n => n*2\n"}
    )
    tested = test + "test('one', () => assert.equal(price(1), 3));\n"
    history.commit("Charge three", {"shop.js": "module.exports = n => n * 3\n", "test/shop.js": tested})
    task = await made(history, tmp_path)
    assert (task.command, task.counts) == ("node --test test/shop.js", ())


@pytest.mark.slow
async def test_a_command_of_ones_own(history: History, tmp_path: Path) -> None:
    history.commit("First", {"shop.txt": "2\n", "tests/wanted.txt": "2\n"})
    history.commit("Charge three", {"shop.txt": "3\n", "tests/wanted.txt": "3\n"})
    assert "no test that flatfield knows how to run" in await refused(history, tmp_path)
    task = await made(history, tmp_path, check="cmp shop.txt tests/wanted.txt")
    assert task.proof == "oracle 1, noop 0, echo 0, copy 0"
    again = await made(history, tmp_path, check="cmp shop.txt tests/wanted.txt", force=True)
    assert again.path == task.path
    with pytest.raises(FlatfieldError, match="--force replaces the task"):
        await made(history, tmp_path, check="cmp shop.txt tests/wanted.txt")


@pytest.mark.slow
async def test_commits_that_show_nothing(history: History, tmp_path: Path) -> None:
    history.commit("First", {"shop.py": SHOP, "tests/test_shop.py": TEST})
    assert "the first commit" in await refused(history, tmp_path)
    history.commit("Rename", {"shop.py": SHOP.replace("n)", "m)").replace("n *", "m *")})
    assert "changes no test" in await refused(history, tmp_path)
    history.commit("Tests", {"tests/test_shop.py": TEST + "\n"})
    assert "changes tests alone" in await refused(history, tmp_path)
    history.commit("Both", {"shop.py": SHOP, "tests/test_shop.py": TEST})
    assert "passing before already: 1 case;" in await refused(history, tmp_path)
    history.commit("Wrong", {"shop.py": FIXED, "tests/test_shop.py": TESTED.replace("== 0", "== 1").replace("3", "4")})
    said = await refused(history, tmp_path)
    assert "fail after it too: none of 2 cases passes after it" in said
    assert "assert 3 == 4" in said
    history.commit("Gone", {"shop.py": SHOP, "tests/test_shop.py": None})
    assert "only takes tests away" in await refused(history, tmp_path)
    history.git("checkout", "-q", "-b", "side", "HEAD~1")
    history.commit("Beside", {"other.py": ""})
    history.git("checkout", "-q", "main")
    history.git("merge", "-q", "--no-edit", "side")
    assert "a merge of other commits" in await refused(history, tmp_path)


async def test_what_git_alone_does_not_hold(history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    history.commit("First", {"shop.py": SHOP, "tests/test_shop.py": TEST})
    history.commit("Data", {"shop.py": FIXED, "tests/test_shop.py": TESTED, "tests/data.bin": pointer})
    assert "tests/data.bin, which Git LFS keeps" in await refused(history, tmp_path)
    sha = history.git("rev-parse", "HEAD")
    (history.folder / "dep").mkdir()
    history.git("update-index", "--add", "--cacheinfo", f"160000,{sha},dep")
    history.commit("Both", {"tests/test_shop.py": TEST, "shop.py": SHOP})
    assert "moves the submodule dep" in await refused(history, tmp_path)
    history.git("clone", "-q", "--depth", "1", f"file://{history.folder}", str(tmp_path / "shallow"))
    assert "git fetch --unshallow" in await refused(history, tmp_path, repository=tmp_path / "shallow")
    monkeypatch.setattr(commit_task, "LIMIT_FILES", 1)
    history.commit("More", {"shop.py": FIXED, "tests/test_shop.py": TESTED})
    assert "too large for a workspace" in await refused(history, tmp_path)


async def test_a_place_that_is_taken(history: History, tmp_path: Path) -> None:
    history.commit("First", {"shop.py": SHOP, "tests/test_shop.py": TEST})
    history.commit("Charge three", {"shop.py": FIXED, "tests/test_shop.py": TESTED})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(FlatfieldError, match="it holds something else"):
        await make_task(
            CommitOrder(repository=history.folder, commit="HEAD", out=tmp_path / "mine", force=True), everything()
        )
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


async def test_a_program_that_is_not_there(history: History, tmp_path: Path) -> None:
    history.commit("First", {"shop.py": SHOP, "tests/test_shop.py": TEST})
    history.commit("Charge three", {"shop.py": FIXED, "tests/test_shop.py": TESTED})
    assert "run with nothing-of-the-kind, which the sandbox does not have" in await refused(
        history, tmp_path, check="nothing-of-the-kind tests"
    )
