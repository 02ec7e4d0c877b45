from collections.abc import Awaitable, Callable
from pathlib import Path

Use = Callable[..., Awaitable[str]]


async def test_write_puts_exactly_what_was_sent(good: Use, root: Path) -> None:
    assert (
        await good("write_file", file_path="new/deep/f.txt", content="a\r\nb\té") == "wrote 7 bytes to new/deep/f.txt"
    )
    assert (root / "new/deep/f.txt").read_bytes() == "a\r\nb\té".encode()
    assert await good("write_file", file_path="notes.txt", content="") == "wrote 0 bytes to notes.txt"
    assert (root / "notes.txt").read_bytes() == b""


async def test_write_where_no_file_can_be(bad: Use, root: Path) -> None:
    assert "src is a folder" in await bad("write_file", file_path="src", content="x")
    assert "a part of its path is a file" in await bad("write_file", file_path="notes.txt/x", content="x")
    (root / "notes.txt").chmod(0o444)
    assert await bad("write_file", file_path="notes.txt", content="x") == "notes.txt: the file is read-only"
