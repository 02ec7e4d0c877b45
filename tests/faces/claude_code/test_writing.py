"""Files are written all or not at all, nothing of others is lost, and a second time changes nothing."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - pytest

import pytest

from flatfield.errors import FlatfieldError
from flatfield.faces.claude_code.writing import write

FILES = {"a/one.md": "1\n", ".mcp.json": json.dumps({"mcpServers": {"flatfield": {"command": "flatfield"}}})}


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
