"""What a project's environment has installed is copied for the sandbox, but not the project itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.errors import FlatfieldError, NotFound
from flatfield.machine.sandbox import environments
from flatfield.machine.sandbox.environments import copy_packages, describe_project, find_packages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / ".venv" / "lib" / "python3.12" / "site-packages"
    folder.mkdir(parents=True)
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return folder


def put(site: Path, **texts: str) -> None:
    for path, text in texts.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)


def test_what_others_brought_is_copied(site: Path, tmp_path: Path) -> None:
    put(
        site,
        **{
            "six.py": "",
            "dep/__init__.py": "",
            "dep/__pycache__/x.pyc": "",
            "dep-1.dist-info/entry_points.txt": "[pytest11]\ndep = dep.plug:hooks\nrandomly = dep.random\n",
            "shop/__init__.py": "later = True",
            "Shop_App-2.dist-info/RECORD": "",
            "__editable__.other.pth": "/elsewhere",
            "other-1.dist-info/direct_url.json": '{"url": "file:///x", "dir_info": {"editable": true}}',
            "pip/__init__.py": "",
            "easy.pth": "import os",
        },
    )
    (site / "leads").symlink_to("/etc")
    (site / "dep" / "leads").symlink_to("/etc/passwd")
    words = {"six", "dep", "shop", "other", "pip", "easy", "leads"}
    found = copy_packages(site, tmp_path / "out", words=words, without={"shop"}, project="shop-app")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dep", "dep-1.dist-info", "six.py"]
    assert not (tmp_path / "out" / "dep" / "__pycache__").exists()
    assert (found.python, found.plugins) == ("3.12", ("dep.plug",))


def test_what_nothing_names_is_left(site: Path, tmp_path: Path) -> None:
    """A package is named by itself or by a module of its, and brings what it requires."""
    put(
        site,
        **{
            "Web_Kit-1.dist-info/RECORD": "webkit/__init__.py,,\n../../../bin/webkit,,\nWeb_Kit-1.dist-info/RECORD,,\n",
            "Web_Kit-1.dist-info/METADATA": "Requires-Dist: Deep.Part (>=1)\nRequires-Dist: huge; extra == 'all'\n",
            "webkit/__init__.py": "",
            "deep_part-2.dist-info/RECORD": "deep.py,,\n_deep.cpython-312.so,,\n",
            "deep.py": "",
            "_deep.cpython-312.so": "",
            "huge-1.dist-info/RECORD": "huge/__init__.py,,\n",
            "huge/__init__.py": "",
            "pytest_plug-1.dist-info/RECORD": "plug.py,,\n",
            "pytest_plug-1.dist-info/entry_points.txt": "[pytest11]\nplug = plug\n",
            "plug.py": "",
            "loose.py": "",
        },
    )
    found = copy_packages(site, tmp_path / "out", words={"webkit", "pytest-plug"}, without=(), project="")
    there = {path.name for path in (tmp_path / "out").iterdir()}
    assert there == {
        *("webkit", "Web_Kit-1.dist-info", "deep.py", "_deep.cpython-312.so", "deep_part-2.dist-info", "plug.py"),
        "pytest_plug-1.dist-info",
    }
    assert found.plugins == ("plug",)


def test_an_environment_is_found_or_named(site: Path, tmp_path: Path) -> None:
    assert find_packages(None, tmp_path) == site
    assert find_packages(tmp_path / ".venv", tmp_path / "elsewhere") == site
    assert find_packages(None, tmp_path / "elsewhere") is None
    (tmp_path / "plain").mkdir()
    assert find_packages(tmp_path / "plain", tmp_path) == tmp_path / "plain"
    with pytest.raises(NotFound, match="name an environment"):
        find_packages(tmp_path / "gone", tmp_path)


def test_a_folder_that_is_no_environment_is_not_taken_unasked(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "lib" / "python3.12" / "site-packages").mkdir(parents=True)
    assert find_packages(None, tmp_path) is None


def test_too_much_is_refused(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(site, **{"huge/data.bin": "x" * 2000, "small.py": ""})
    monkeypatch.setattr(environments, "LIMIT_BYTES", 1000)
    with pytest.raises(FlatfieldError, match=r"the largest: huge.*--env DIR"):
        copy_packages(site, tmp_path / "out", words={"huge"}, without=(), project="")


def test_a_project_says_that_it_is_installed(tmp_path: Path) -> None:
    describe_project(tmp_path / "out", "Shop.App", "1.2", {"pytest11": {"shop": "shop.plug"}})
    about = tmp_path / "out" / "Shop_App-1.2.dist-info"
    assert "Name: Shop.App\nVersion: 1.2\n" in (about / "METADATA").read_text()
    assert (about / "entry_points.txt").read_text() == "[pytest11]\nshop = shop.plug\n"
