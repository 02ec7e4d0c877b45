"""A task's own packages: unpacked, readable, importable, not changeable, and part of the task."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import FlatfieldError
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.machine.sandbox.interpreter import unpack, with_packages
from flatfield.machine.sandbox.unsafe import UnsafeSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="work-") as name:
        Path(name).chmod(0o755)
        (Path(name) / "ws").mkdir()
        yield Path(name)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    (folder / "unpacked").mkdir(parents=True)
    (folder / "unpacked" / "__init__.py").write_text("SAYS = 'unpacked'\n")
    (folder / "unpacked" / "__init__.py").chmod(0o600)
    with zipfile.ZipFile(folder / "greeting-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("greeting/__init__.py", "SAYS = 'from a wheel'\n")
        wheel.writestr("../../outside.py", "")
    (folder / "link.py").symlink_to("/etc/passwd")
    return folder


@pytest.mark.needs("bwrap")
async def test_commands_import_them_and_cannot_change_them(home: Path, source: Path) -> None:
    sandbox = with_packages(find_sandbox(os.environ), str(source), home)
    assert sandbox is not None
    command = (
        "python -c 'import greeting, unpacked, pytest; print(greeting.SAYS, unpacked.SAYS, greeting.__file__)';"
        "echo x >> /opt/packages/greeting/__init__.py; rm -r /opt/packages/*; ls /opt/packages"
    )
    result = await sandbox.run(command, home / "ws", SandboxLimits())
    assert result.output.startswith("from a wheel unpacked /opt/packages/greeting/__init__.py\n")
    assert result.output.endswith("greeting\noutside.py\nunpacked\n")
    assert not (home.parent / "outside.py").exists()


async def test_unsafe_commands_import_them_too(home: Path, source: Path) -> None:
    sandbox = with_packages(UnsafeSandbox(os.environ), str(source), home)
    assert sandbox is not None
    result = await sandbox.run("python3 -c 'import greeting; print(greeting.SAYS)'", home / "ws", SandboxLimits())
    assert result.output == "from a wheel\n"


def test_without_packages_or_a_sandbox_nothing_is_done(home: Path, source: Path) -> None:
    sandbox = UnsafeSandbox(os.environ)
    assert with_packages(sandbox, None, home) is sandbox
    assert with_packages(None, str(source), home) is None
    assert [path.name for path in home.iterdir()] == ["ws"]


def test_what_is_no_wheel_is_named(home: Path, source: Path) -> None:
    (source / "broken.whl").write_text("x")
    with pytest.raises(FlatfieldError, match=r"packages of .*wheels cannot be made ready: File is not a zip file"):
        with_packages(UnsafeSandbox(os.environ), str(source), home)


def test_too_many_files_are_refused(home: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flatfield.machine.sandbox.interpreter.LIMIT_FILES", 1)
    with pytest.raises(FlatfieldError, match=r"packages of .* are more than 512 MB or 1 files; leave out"):
        unpack(source, home / "packages")
