from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from flatfield.agent.tools import list_directory

Use = Callable[..., Awaitable[str]]


async def test_list_is_sorted_and_marks_folders_and_links(good: Use, root: Path) -> None:
    (root / "latest").symlink_to("notes.txt")
    (root / "line\nbreak").write_text("")
    (root / ".hidden").write_text("")
    text = await good("list_directory")
    assert text == ".hidden\nlatest -> notes.txt\n'line\\nbreak'\nnotes.txt\nsrc/"
    assert await good("list_directory", directory_path="src") == "main.py\npkg/"
    assert await good("list_directory", directory_path="") == text


async def test_list_of_an_empty_and_of_a_large_folder(good: Use, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "empty").mkdir()
    (root / "large").mkdir()
    for number in range(53):
        (root / f"large/{number:02}").touch()
    assert await good("list_directory", directory_path="empty") == "(empty)"
    assert len((await good("list_directory", directory_path="large")).split("\n")) == 53
    monkeypatch.setattr(list_directory, "NAMES_SHOWN", 50)
    lines = (await good("list_directory", directory_path="large")).split("\n")
    assert (lines[0], lines[49], lines[50:]) == ("00", "49", ["… and 3 more"])


async def test_list_of_a_file_or_of_nothing(bad: Use) -> None:
    assert "notes.txt is a file, not a folder; read it" in await bad("list_directory", directory_path="notes.txt")
    assert "there is no notes.txt/x" in await bad("list_directory", directory_path="notes.txt/x")
    assert "Did you mean src?" in await bad("list_directory", directory_path="scr")
