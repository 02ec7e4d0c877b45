"""Files are written all or not at all, nothing of others is lost, and a second time changes nothing."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - pytest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.errors import FlatfieldError
from flatfield.faces.claude_code.parts import _merged, write

FILES = {"a/one.md": "1\n", ".mcp.json": json.dumps({"mcpServers": {"flatfield": {"command": "flatfield"}}})}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3, unique_by=repr) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


def test_it_says_what_it_wrote_and_does_nothing_twice(tmp_path: Path) -> None:
    assert write(FILES, tmp_path).written == ("a/one.md", ".mcp.json")
    again = write(FILES, tmp_path)
    assert (again.written, again.unchanged) == ((), ("a/one.md", ".mcp.json"))


def test_nothing_is_written_where_one_file_differs(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.md").write_text("mine")
    with pytest.raises(FlatfieldError, match=r"a/one\.md differ.*--force"):
        write(FILES, tmp_path)
    assert not (tmp_path / ".mcp.json").exists()
    assert write(FILES, tmp_path, force=True).written
    assert (tmp_path / "a" / "one.md").read_text() == "1\n"


@pytest.mark.parametrize("force", [False, True])
def test_what_others_wrote_into_shared_files_stays(force: bool, tmp_path: Path) -> None:
    theirs = {"mcpServers": {"other": {"command": "x"}}, "more": [1]}
    (tmp_path / ".mcp.json").write_text(json.dumps(theirs))
    write(FILES, tmp_path, force=force)
    both = json.loads((tmp_path / ".mcp.json").read_text())
    assert both["mcpServers"] == {"other": {"command": "x"}, "flatfield": {"command": "flatfield"}}
    assert both["more"] == [1]


def test_ones_own_entry_is_kept_unless_forced(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text('{"mcpServers": {"flatfield": {"command": "mine"}}}')
    write(FILES, tmp_path)
    assert "mine" in (tmp_path / ".mcp.json").read_text()
    write(FILES, tmp_path, force=True)
    assert "mine" not in (tmp_path / ".mcp.json").read_text()


@pytest.mark.parametrize("content", [b"{", b"\xff"])
def test_a_shared_file_that_cannot_be_read_is_left_alone(content: bytes, tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_bytes(content)
    with pytest.raises(FlatfieldError):
        write(FILES, tmp_path, force=True)
    assert (tmp_path / ".mcp.json").read_bytes() == content
    assert not (tmp_path / "a").exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(FlatfieldError, match="cannot be written"):
        write(FILES, tmp_path)


@given(JSON, JSON)
def test_merging_twice_is_merging_once(there: object, ours: object) -> None:
    once = _merged(there, ours, force=False)
    assert _merged(once, ours, force=False) == once


@given(st.dictionaries(st.text(max_size=2), JSON, max_size=3), st.dictionaries(st.text(max_size=2), JSON, max_size=3))
def test_merging_loses_no_key(there: dict[str, object], ours: dict[str, object]) -> None:
    assert set(_merged(there, ours, force=False)) == set(there) | set(ours)
