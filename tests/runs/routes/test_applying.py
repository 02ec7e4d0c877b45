"""Work is taken over whole or not at all: other hands, errors in the middle, and a process that is killed there."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.agent.files.guarding import Protection
from flatfield.errors import FlatfieldError
from flatfield.runs.routes import applying
from flatfield.runs.routes.applying import Planned, apply, digest_of, recover

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    (place / "src").mkdir(parents=True)
    (place / "a.txt").write_text("a")
    (place / "run.sh").write_text("old")
    (place / "run.sh").chmod(0o750)
    (place / "src" / "gone.txt").write_text("here")
    return place


def seen(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its bits, every folder with none."""
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
    }


def changes() -> list[Planned]:
    return [
        Planned(path="a.txt", before=digest_of(b"a"), after=b"b"),
        Planned(path="new/deep/file.txt", before="", after=b"new"),
        Planned(path="run.sh", before=digest_of(b"old"), after=b"new"),
        Planned(path="src/gone.txt", before=digest_of(b"here"), after=None),
        Planned(path="tool", before="", after=b"#!/bin/sh\n", executable=True),
    ]


def test_all_of_it_is_taken_and_modes_stay(folder: Path) -> None:
    apply(changes(), Protection(folder), os.environ)
    found = seen(folder)
    assert found["a.txt"][0] == b"b"
    assert found["new/deep/file.txt"][0] == b"new"
    assert found["run.sh"] == (b"new", 0o100750)
    assert "src/gone.txt" not in found
    assert found["tool"][1] & 0o111
    assert recover(folder, os.environ) is None, "nothing is left to be undone"


def test_what_somebody_else_changed_meanwhile_stays_and_nothing_is_taken(folder: Path) -> None:
    (folder / "run.sh").write_text("by hand")
    before = seen(folder)
    with pytest.raises(FlatfieldError, match=r"run\.sh changed here"):
        apply(changes(), Protection(folder), os.environ)
    assert seen(folder) == before


def test_a_file_that_cannot_be_written_undoes_the_others(folder: Path) -> None:
    before = seen(folder)
    with pytest.raises(FlatfieldError, match="nothing of it was"):
        apply(
            [*changes(), Planned(path=".git/hooks/post-commit", before="", after=b"x")], Protection(folder), os.environ
        )
    assert seen(folder) == before


def cut_at(path: str) -> Callable[..., None]:
    """What writes, but for this file: there somebody ends it all."""
    write = applying._write

    def cut(change: Planned, *given: Any) -> None:
        if change.path == path:
            raise KeyboardInterrupt
        write(change, *given)

    return cut


def test_whatever_ends_it_in_the_middle_undoes_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(folder / "a.txt", ns=(10**18, 10**18))
    before = seen(folder)
    monkeypatch.setattr(applying, "_write", cut_at("run.sh"))
    with pytest.raises(KeyboardInterrupt):
        apply(changes(), Protection(folder), os.environ)
    assert seen(folder) == before
    assert (folder / "a.txt").stat().st_mtime_ns == 10**18


def shapes(folder: Path) -> list[Planned]:
    """Links, a file and a folder that become something else, and a file that becomes a program."""
    (folder / "link").symlink_to("src")
    (folder / "dangling").symlink_to("nowhere")
    return [
        Planned(path="a.txt", before=digest_of(b"a"), after=None),
        Planned(path="a.txt/in", before="", after=b"a folder now"),
        Planned(path="dangling", before="link:nowhere", after=b"a file now"),
        Planned(path="link", before="link:src", after=None),
        Planned(path="run.sh", before=digest_of(b"old"), after=b"old", executable=False),
        Planned(path="src", before="", after=b"a file now"),
        Planned(path="src/gone.txt", before=digest_of(b"here"), after=None),
        Planned(path="z.sh", before="", after=b"#!/bin/sh", executable=True),
    ]


def shape(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (
            f"link {path.readlink()}" if path.is_symlink() else path.read_text() if path.is_file() else "folder",
            path.lstat().st_mode,
        )
        for path in sorted(folder.rglob("*"))
    }


def test_what_changes_its_kind_is_taken_over_too(folder: Path) -> None:
    apply(shapes(folder), Protection(folder), os.environ)
    found = shape(folder)
    assert {path: text for path, (text, _) in found.items()} == {
        "a.txt": "folder",
        "a.txt/in": "a folder now",
        "dangling": "a file now",
        "run.sh": "old",
        "src": "a file now",
        "z.sh": "#!/bin/sh",
    }
    assert (found["run.sh"][1] & 0o777, found["z.sh"][1] & 0o111) == (0o640, 0o111)


def test_a_folder_that_holds_something_else_stays(folder: Path) -> None:
    planned = shapes(folder)
    (folder / "src" / "mine.txt").write_text("by hand")
    before = shape(folder)
    with pytest.raises(FlatfieldError, match="nothing of it was"):
        apply(planned, Protection(folder), os.environ)
    assert shape(folder) == before


@pytest.mark.parametrize("last", ["a.txt", "link", "src/gone.txt", "a.txt/in", "dangling", "run.sh", "src", "z.sh"])
def test_what_changes_its_kind_is_undone_wherever_it_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    planned = shapes(folder)
    before = shape(folder)
    monkeypatch.setattr(applying, "_write", cut_at(last))
    with pytest.raises(KeyboardInterrupt):
        apply(planned, Protection(folder), os.environ)
    assert shape(folder) == before


def test_what_was_changed_after_a_kill_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(applying, "_write", cut_at("tool"))
        patched.setattr(applying, "_roll_back", lambda *_: None)  # as a kill leaves it
        with pytest.raises(KeyboardInterrupt):
            apply(changes(), Protection(folder), os.environ)
    (folder / "a.txt").write_text("by hand")
    (folder / "src" / "gone.txt").write_text("made again")
    assert recover(folder, os.environ) == ("a.txt", "src/gone.txt")
    assert (folder / "a.txt").read_text() == "by hand"
    assert (folder / "src" / "gone.txt").read_text() == "made again"
    assert (folder / "run.sh").read_text() == "old"
    assert not (folder / "new").exists()
    assert recover(folder, os.environ) is None


KILLED = """
import os, signal, sys
from pathlib import Path
from flatfield.agent.files.guarding import Protection
from flatfield.runs.routes import applying
from flatfield.runs.routes.applying import Planned, digest_of

folder, last, write = Path(sys.argv[1]), int(sys.argv[2]), applying._write
done = []

def then_killed(change, *given):
    if len(done) == last:
        if change.after is not None:
            (folder / change.path).parent.mkdir(parents=True, exist_ok=True)
            ((folder / change.path).parent / ".0123456789abcdef").write_bytes(change.after[:1])
        os.kill(os.getpid(), signal.SIGKILL)
    write(change, *given)
    done.append(change)

applying._write = then_killed
changes = [
    Planned(path="a.txt", before=digest_of(b"a"), after=b"b"),
    Planned(path="new/deep/file.txt", before="", after=b"new"),
    Planned(path="run.sh", before=digest_of(b"old"), after=b"new"),
    Planned(path="src/gone.txt", before=digest_of(b"here"), after=None),
]
applying.apply(changes, Protection(folder), os.environ)
"""


@pytest.mark.whole
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_after_a_kill_the_next_one_puts_everything_back(folder: Path, after: int) -> None:
    before = seen(folder)
    ended = subprocess.run([sys.executable, "-P", "-c", KILLED, str(folder), str(after)], check=False)
    assert ended.returncode < 0
    assert after == 0 or seen(folder) != before, "it was killed in the middle"
    assert recover(folder, os.environ) == ()
    assert seen(folder) == before
    apply(changes()[:4], Protection(folder), os.environ)
    assert (folder / "a.txt").read_bytes() == b"b"
