import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

Use = Callable[..., Awaitable[str]]


@pytest.mark.parametrize("text", ["", "a", "a\r\nb\n", "\ttabs\n\n", "“quotes” 🙂\n", "\ufeffmark", "$HOME {x} \\n"])
async def test_read_gives_the_content_exactly(good: Use, root: Path, text: str) -> None:
    (root / "f").write_bytes(text.encode())
    assert await good("read_file", file_path="f") == text


async def test_read_says_where_it_cut_and_cuts_no_letter(good: Use, root: Path) -> None:
    (root / "big").write_bytes(b"a" + "é".encode() * 1_600_000)
    text = await good("read_file", file_path="big")
    assert text.startswith("aéé")
    assert text.endswith("é\n[file is 3.2 MB; first 200,000 bytes shown]")
    assert "\ufffd" not in text


async def test_read_of_binary_files_says_so(bad: Use, root: Path) -> None:
    (root / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff" * 100)
    (root / "zero").write_bytes(b"text\0more")
    assert "logo.png is binary, not UTF-8 text (900 bytes)" in await bad("read_file", file_path="logo.png")
    assert "binary" in await bad("read_file", file_path="zero")


async def test_read_of_a_folder_lists_it(bad: Use) -> None:
    assert await bad("read_file", file_path="src") == "src is a folder, not a file. It holds:\nmain.py\npkg/"


async def test_read_of_what_is_not_there_names_what_is(bad: Use, root: Path) -> None:
    text = await bad("read_file", file_path="src/mian.py")
    assert text == "there is no src/mian.py. Did you mean src/main.py? In src/: main.py, pkg/"
    assert "Did you mean src/pkg/util.py?" in await bad("read_file", file_path="util.py")
    assert "Did you mean notes.txt?" in await bad("read_file", file_path="Notes.TXT")
    assert "In the workspace: notes.txt, src/" in await bad("read_file", file_path="no/such/zzz")
    assert "In the workspace: notes.txt, src/" in await bad("read_file", file_path="notes.txt/zzz")
    (root / "dangling").symlink_to("gone")
    assert "dangling -> gone" in await bad("read_file", file_path="dangling")


async def test_read_of_a_fifo_does_not_wait(bad: Use, root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert "pipe is a device, FIFO or socket" in await bad("read_file", file_path="pipe")


@pytest.mark.parametrize("name", ["read_file", "get_file_info"])
@pytest.mark.parametrize("path", ["../x", "/etc/passwd"])
async def test_outside_is_refused_with_advice(bad: Use, name: str, path: str) -> None:
    text = await bad(name, file_path=path)
    assert text.startswith(f"{path} is outside the workspace; use a path inside it")


async def test_other_mistakes_in_paths_become_text(bad: Use) -> None:
    assert "NUL" in await bad("read_file", file_path="a\0b")
    assert "file name too long" in await bad("read_file", file_path="x" * 300)
    assert "file name too long" in await bad("write_file", file_path="x" * 300, content="")
    assert "100 folders deep" in await bad("write_file", file_path="x/" * 200 + "f", content="")
