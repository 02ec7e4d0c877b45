import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

Use = Callable[..., Awaitable[str]]


async def test_info_of_a_file(good: Use, root: Path) -> None:
    os.utime(root / "notes.txt", (0, 1_700_000_000))
    assert await good("get_file_info", file_path="./notes.txt") == (
        "path: notes.txt\ntype: file\nsize: 8 bytes\nmodified: 2023-11-14T22:13:20Z\nlines: 2"
    )


@pytest.mark.parametrize(
    ("data", "lines"),
    [(b"", "0"), (b"a", "1"), (b"a\n", "1"), (b"a\nb", "2"), (b"\n\n", "2"), (b"\xff", "none (binary)")],
)
async def test_info_counts_lines(good: Use, root: Path, data: bytes, lines: str) -> None:
    (root / "f").write_bytes(data)
    assert (await good("get_file_info", file_path="f")).endswith(f"lines: {lines}")


async def test_info_of_a_huge_file_counts_no_lines(good: Use, root: Path) -> None:
    with (root / "huge").open("wb") as stream:
        stream.truncate(10_000_001)
    text = await good("get_file_info", file_path="huge")
    assert "size: 10,000,001 bytes" in text
    assert text.endswith("lines: not counted (over 10.0 MB)")


async def test_info_of_folders_fifos_and_nothing(good: Use, bad: Use, root: Path) -> None:
    assert "path: src\ntype: folder\nentries: 2\nmodified: " in await good("get_file_info", file_path="src")
    assert "path: .\ntype: folder" in await good("get_file_info", file_path=".")
    os.mkfifo(root / "pipe")
    assert "type: device, FIFO or socket" in await good("get_file_info", file_path="pipe")
    assert "Did you mean notes.txt?" in await bad("get_file_info", file_path="note.txt")
