import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

Use = Callable[..., Awaitable[str]]


async def test_edit_replaces_the_one_match(good: Use, root: Path) -> None:
    text = await good("edit_file", file_path="src/main.py", old_str="    return 1", new_str="    return 2\n    # end")
    assert text == "edited src/main.py at line 5"
    assert (root / "src/main.py").read_text() == "import os\n\n\ndef main():\n    return 2\n    # end\n"


async def test_edit_can_delete(good: Use, root: Path) -> None:
    await good("edit_file", file_path="notes.txt", old_str="one\n", new_str="")
    assert (root / "notes.txt").read_text() == "two\n"


@pytest.mark.parametrize("old", ["one\ntwo", "one\r\ntwo"])
async def test_edit_keeps_crlf(good: Use, root: Path, old: str) -> None:
    (root / "dos").write_bytes(b"zero\r\none\r\ntwo\r\n")
    assert await good("edit_file", file_path="dos", old_str=old, new_str="1\n2\r\n3") == "edited dos at line 2"
    assert (root / "dos").read_bytes() == b"zero\r\n1\r\n2\r\n3\r\n"


async def test_edit_changes_no_other_line_end_of_a_mixed_file(good: Use, root: Path) -> None:
    (root / "mixed").write_bytes(b"a\r\nb\nc\r\n")
    await good("edit_file", file_path="mixed", old_str="b\nc", new_str="B\nC")
    assert (root / "mixed").read_bytes() == b"a\r\nB\nC\r\n"


async def test_edit_without_a_match_shows_the_closest_lines(bad: Use, root: Path) -> None:
    text = await bad("edit_file", file_path="src/main.py", old_str="def  main( ):\n  return 1", new_str="x")
    assert text == ("old_str was not found in src/main.py; these lines come closest:\n4: def main():\n5:     return 1")
    text = await bad("edit_file", file_path="src/main.py", old_str="\ndef mian():\n", new_str="x")
    assert "4: def main():" in text
    text = await bad("edit_file", file_path="src/main.py", old_str="class Completely: different", new_str="x")
    assert text.endswith("no line comes close: read_file shows what is there")
    assert (root / "src/main.py").read_text() == "import os\n\n\ndef main():\n    return 1\n"


async def test_edit_with_several_matches_names_their_lines(bad: Use, root: Path) -> None:
    (root / "three").write_text("a = 1\nb\na = 1\nc\na = 1\n")
    text = await bad("edit_file", file_path="three", old_str="a = 1", new_str="x")
    assert text.startswith("old_str occurs 3 times in three, from lines 1, 3, 5; add lines around it")
    (root / "many").write_text("a\n" * 50)
    text = await bad("edit_file", file_path="many", old_str="a", new_str="x")
    assert text.startswith("old_str occurs more than 10 times in many, from lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …")
    (root / "overlap").write_text("aaa")
    assert "2 times" in await bad("edit_file", file_path="overlap", old_str="aa", new_str="x")


async def test_edit_with_arguments_that_mean_nothing(bad: Use, root: Path) -> None:
    assert "old_str is empty" in await bad("edit_file", file_path="notes.txt", old_str="", new_str="x")
    assert "nothing would change" in await bad("edit_file", file_path="notes.txt", old_str="one", new_str="one")
    assert "there is no note.txt. Did you mean notes.txt?" in await bad(
        "edit_file", file_path="note.txt", old_str="a", new_str="b"
    )
    assert "src is a folder" in await bad("edit_file", file_path="src", old_str="a", new_str="b")
    (root / "bin").write_bytes(b"\xff\xfe")
    assert "binary" in await bad("edit_file", file_path="bin", old_str="a", new_str="b")


async def test_edit_keeps_the_mode(good: Use, root: Path) -> None:
    (root / "notes.txt").chmod(0o755)
    await good("edit_file", file_path="notes.txt", old_str="one", new_str="1")
    assert (root / "notes.txt").stat().st_mode & 0o777 == 0o755


async def test_looking_for_the_closest_line_is_bounded(bad: Use, root: Path) -> None:
    line = "ab" * 100
    (root / "alike").write_text("\n".join(f"{line}{number}" for number in range(40_000)))
    started = time.process_time()
    assert "come closest" in await bad("edit_file", file_path="alike", old_str="ba" * 100, new_str="x")
    assert time.process_time() - started < 1.5
