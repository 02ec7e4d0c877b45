"""The readable copy of pytest: made once, repaired, and never kept where others could write."""

from __future__ import annotations

import os
import subprocess
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import NotReady
from flatfield.machine.sandbox.interpreter import SandboxPython, first_closed, sandbox_python

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")  # another project's, above the copy
    return folder


@pytest.fixture(scope="module")
def python(cache: Path) -> SandboxPython:
    old = os.umask(0o077)
    try:
        return sandbox_python({"XDG_CACHE_HOME": str(cache)}, None)
    finally:
        os.umask(old)


def _run(python: SandboxPython, code: str) -> str:
    argv = [str(python.tools / "bin" / "python3"), "-S", "-c", code]
    environ = {"PYTHONPATH": str(python.tools / "packages")}
    return subprocess.run(argv, env=environ, capture_output=True, check=True, text=True).stdout.strip()


def test_the_copy_is_pytest_and_all_it_needs(python: SandboxPython, cache: Path) -> None:
    assert python.tools.parent == cache / "flatfield" / "sandbox"
    assert _run(python, "import pytest; print(pytest.__version__)") == metadata.version("pytest")
    where = _run(python, "import pytest, pluggy, packaging, pygments; print(pygments.__file__)")
    assert Path(where).is_relative_to(python.tools)
    assert "msgspec" not in os.listdir(python.tools / "packages")  # noqa: PTH208 - names are what is asked for


def test_everybody_can_read_it_and_only_we_can_write_whatever_the_umask(python: SandboxPython) -> None:
    for path in [python.tools, *python.tools.rglob("*")]:
        if not path.is_symlink():
            assert path.stat().st_mode & 0o777 in (0o755, 0o644), path


def test_its_bytecode_is_there_and_nothing_is_left_of_the_making(python: SandboxPython) -> None:
    assert list((python.tools / "packages" / "_pytest" / "__pycache__").glob("junitxml*.pyc"))
    assert sorted(path.name for path in python.tools.iterdir()) == ["bin", "etc", "packages"]
    assert list(python.tools.parent.iterdir()) == [python.tools]


@pytest.mark.slow
def test_a_copy_is_used_again_and_a_damaged_one_is_made_anew(python: SandboxPython, cache: Path) -> None:
    mark = python.tools / "mark"
    mark.touch()
    assert sandbox_python({"XDG_CACHE_HOME": str(cache)}, None) == python
    assert mark.exists()
    (python.tools / "packages" / "pytest" / "__init__.py").unlink()
    assert sandbox_python({"XDG_CACHE_HOME": str(cache)}, None) == python
    assert not mark.exists()
    assert _run(python, "import pytest; print(1)") == "1"


@pytest.mark.parametrize("spoil", [lambda path: path.chmod(0o777), lambda path: (path.rmdir(), path.symlink_to("/"))])
def test_a_folder_that_others_could_write_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], object]
) -> None:
    ours = tmp_path / "flatfield" / "sandbox"
    ours.mkdir(parents=True)
    spoil(ours)
    closed = tmp_path / "closed"
    closed.touch()
    monkeypatch.setattr("tempfile.tempdir", str(closed))
    with pytest.raises(NotReady, match=r"writable by us alone.*set XDG_CACHE_HOME"):
        sandbox_python({"XDG_CACHE_HOME": str(tmp_path)}, None)


def test_a_missing_package_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        if name == "pluggy":
            raise metadata.PackageNotFoundError(name)
        return ["pluggy>=1", 'colorama; sys_platform == "win32"']

    monkeypatch.setattr("flatfield.machine.sandbox.interpreter.metadata.requires", requires)
    with pytest.raises(NotReady, match="needs the package 'pluggy'; pip install pluggy"):
        sandbox_python({"XDG_CACHE_HOME": str(cache)}, None)


def test_without_a_python_that_can_be_shown_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatfield.machine.sandbox.interpreter._recent", lambda _: False)
    monkeypatch.setattr("sys.base_prefix", str(tmp_path))
    with pytest.raises(NotReady, match=r"needs a Python >= 3.11 under /usr.*apt-get install python3"):
        sandbox_python({"XDG_CACHE_HOME": str(tmp_path)}, None)


@pytest.mark.slow
def test_a_python_elsewhere_is_shown_with_its_prefix(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr("flatfield.machine.sandbox.interpreter._recent", lambda _: False)
    found = sandbox_python({"XDG_CACHE_HOME": str(cache)}, None)
    assert found.prefix == Path(sys.base_prefix).resolve()
    assert found.interpreter.is_relative_to(found.prefix)


def test_the_first_closed_folder_on_the_way_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a").chmod(0o700)
    assert first_closed(inner, None) is None
    assert first_closed(inner, os.geteuid() + 1) is not None
    assert first_closed(Path("/usr"), 60_873) is None
