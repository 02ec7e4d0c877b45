"""What an agent's own calls changed: noted as they go, whatever others do in the same folder."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.agent.files.changed import ALL_TEXT_LIMIT_BYTES, TEXT_LIMIT_BYTES, Changed, State, state_of
from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.files.guarding import Protection
from flatfield.agent.files.stamping import Looks
from flatfield.errors import ProtectedPath

if TYPE_CHECKING:
    from pathlib import Path

KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    return made


def opened(root: Path, **options: object) -> ConfinedFiles:
    return ConfinedFiles(root, protection=Protection(root, **options), changed=Changed())  # type: ignore[arg-type]


def listed(files: ConfinedFiles) -> list[tuple[str, str, str | None]]:
    assert files.changed is not None
    return [(change.path, change.kind, change.text) for change in files.changed.listed()]


def test_only_ones_own_writes_and_removals_count(root: Path) -> None:
    for name in ("kept", "same", "gone", "back", "theirs"):
        (root / name).write_text(name)
    (root / "folder").mkdir()
    (root / "folder/inner").write_text("x")
    (root / "link").symlink_to("folder")
    with opened(root) as mine, opened(root) as other:
        mine.write_bytes("kept", b"new")
        mine.write_bytes("same", b"same")
        mine.remove("gone")
        mine.write_bytes("back", b"away")
        mine.write_bytes("back", b"back")
        mine.write_bytes("link/made", b"through a link")
        mine.write_bytes("fleeting", b"x")
        mine.remove("fleeting")
        mine.write_bytes("__pycache__/x.pyc", b"x")
        other.write_bytes("others.txt", b"x")
        (root / "theirs").write_text("the user's")
        (root / "folder/inner").write_text("the user's")
        (root / "kept").write_text("and what the user made of it since")
        assert listed(mine) == [
            ("folder/made", "added", "through a link"), ("gone", "deleted", None), ("kept", "modified", "new"),
        ]  # fmt: skip
        assert listed(other) == [("others.txt", "added", "x")]
        mine.remove("folder")
        assert listed(mine)[0] == ("folder/inner", "deleted", None)
        assert not any(path == "folder/made" for path, _, _ in listed(mine))


def test_a_refused_write_is_no_change(root: Path) -> None:
    with opened(root) as files:
        with pytest.raises(ProtectedPath):
            files.write_bytes(".git/config", b"x")
        with pytest.raises(IsADirectoryError):
            files.write_bytes(".", b"x")
        assert listed(files) == []


def test_secrets_are_named_and_never_shown(root: Path) -> None:
    (root / ".env").write_text("A=1")
    with opened(root, allow=[".env.local"]) as files:
        files.write_bytes("key", KEY)
        files.write_bytes(".env.local", b"A=1")
        (root / ".env").write_text("A=2")
        (root / "pem").write_bytes(KEY)
        assert files.note_unseen(".env", was_there=True, since=0)
        assert files.note_unseen("pem", was_there=False, since=0)
        assert listed(files) == [
            (".env", "modified", None), (".env.local", "added", "A=1"), ("key", "added", None), ("pem", "added", None),
        ]  # fmt: skip


def test_texts_are_kept_up_to_their_limits() -> None:
    changed = Changed()
    changed.note("long", None, state_of(b"x" * (TEXT_LIMIT_BYTES + 1), shown=True))
    changed.note("binary", None, state_of(b"\xff", shown=True))
    for index in range(17):
        changed.note(f"{index:02}", None, state_of(b"y" * TEXT_LIMIT_BYTES, shown=True))
    found = {change.path: change.text for change in changed.listed()}
    assert [path for path, text in found.items() if text is None] == ["16", "binary", "long"]
    assert sum(len(text or "") for text in found.values()) == ALL_TEXT_LIMIT_BYTES
    changed.note("00", None, None)
    changed.note("16", None, state_of(b"room again", shown=True))
    assert {change.path: change.text for change in changed.listed()}["16"] == "room again"


CONTENTS = st.none() | st.binary(max_size=2)


@given(st.lists(CONTENTS, min_size=2, max_size=6))
def test_many_steps_are_one_change_from_the_first_state_to_the_last(contents: list[bytes | None]) -> None:
    changed = Changed()
    states = [None if data is None else state_of(data, shown=True) for data in contents]
    for before, after in pairwise(states):
        changed.note("a", before, after)
    first, last = contents[0], contents[-1]
    kinds = [change.kind for change in changed.listed()]
    if first == last:
        assert kinds == []
    else:
        assert kinds == ["added" if first is None else "deleted" if last is None else "modified"]


def test_a_file_whose_bytes_nobody_looked_at_counts_as_modified() -> None:
    changed = Changed()
    changed.note("a", State(), State(size_bytes=3))
    assert [change.kind for change in changed.listed()] == ["modified"]


# ------------------------------------------------------------------------ by stat stamps


def test_what_changed_between_two_looks(root: Path) -> None:
    for name in ("same", "gone", "written", "dated", "kept/inner", "moved"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("12345")
    looks = Looks(root, ["kept"])
    assert looks.complete
    looks()
    assert not looks.complete
    before = (root / "dated").stat()
    (root / "gone").unlink()
    (root / "written").write_text("123456")
    while (root / "dated").stat().st_ctime_ns == before.st_ctime_ns:  # a clock that ticks a few times in 10 ms
        (root / "dated").write_text("54321")
        os.utime(root / "dated", ns=(before.st_atime_ns, before.st_mtime_ns))
    (root / "kept/inner").write_text("123456")
    (root / "moved").rename(root / "there")
    (root / "link").symlink_to("same")
    looks()
    assert looks.complete
    assert looks.changed() == (
        ("dated", True), ("gone", True), ("link", False), ("moved", True), ("there", False), ("written", True),
    )  # fmt: skip


def test_nothing_is_known_of_what_never_began(root: Path) -> None:
    assert Looks(root).changed() == ()
