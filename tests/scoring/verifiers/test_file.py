from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.scoring.verifiers import file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.records import Check
    from flatfield.scoring.protocols import VerifyContext

    MakeContext = Callable[..., VerifyContext]


async def check(context: VerifyContext, **options: object) -> Check:
    return await file.create(file.parse(options)).verify(context)


@pytest.mark.parametrize(
    ("options", "content", "score"),
    [
        ({"exists": True}, b"", 1.0),
        ({"absent": False}, b"", 1.0),
        ({"absent": True}, b"", 0.0),
        ({"exists": False}, b"", 0.0),
        ({"exists": True}, None, 0.0),
        ({"absent": True}, None, 1.0),
        ({"exists": False}, None, 1.0),
        ({"equals": "a\nb\n"}, b"a\nb\n", 1.0),
        ({"equals": "a\nb\n"}, b"a\nb", 0.0),
        ({"equals": "a\nb\n"}, b"a\r\nb\r\n", 0.0),
        ({"equals": "é\n"}, "é\n".encode(), 1.0),
        ({"equals": ""}, None, 0.0),
        ({"equals": "x"}, b"\xff\xfe", 0.0),
        ({"matches": "^b$"}, b"a\nb\n", 1.0),
        ({"matches": "^c$"}, b"a\nb\n", 0.0),
        ({"json": {"n": 3}}, b'{"n": 3.0}\n', 1.0),
        ({"json": {"n": 3}}, b'{"n": "3"}', 0.0),
        ({"json": {"n": 3}}, b'{"n": 3', 0.0),
        ({"json": {"n": 3}}, b'{"n": 3, "m": 4}', 0.0),
        ({"json": {"n": 3}}, b"\xff", 0.0),
        ({"exists": True, "matches": "a", "json": ["a"]}, b'["a"]', 1.0),
        ({"exists": True, "matches": "b", "json": ["a"]}, b'["a"]', 0.0),
    ],
)
async def test_scores_what_the_agent_left(
    make_context: MakeContext, options: dict[str, Any], content: bytes | None, score: float
) -> None:
    context = make_context()
    if content is not None:
        (context.root / "out.txt").write_bytes(content)
    found = await check(context, path="out.txt", **options)
    assert found.score == score
    assert found.reason


@pytest.mark.parametrize("options", [{"exists": True}, {"equals": "secret"}, {"matches": "secret"}, {"json": "secret"}])
async def test_no_link_leads_a_verifier_out(make_context: MakeContext, tmp_path: Path, options: dict[str, Any]) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    context = make_context()
    (context.root / "out.txt").symlink_to(tmp_path / "outside.txt")
    found = await check(context, path="out.txt", **options)
    assert found.score == 0.0
    assert "out.txt" in found.reason


@pytest.mark.parametrize("options", [{"exists": True}, {"equals": ""}, {"absent": True}])
async def test_a_fifo_scores_0_and_does_not_hang(make_context: MakeContext, options: dict[str, Any]) -> None:
    context = make_context()
    os.mkfifo(context.root / "out.txt")
    assert (await check(context, path="out.txt", **options)).score == 0.0


async def test_a_link_that_leads_nowhere_is_not_absent(make_context: MakeContext) -> None:
    context = make_context()
    (context.root / "out.txt").symlink_to("nowhere")
    found = await check(context, path="out.txt", absent=True)
    assert found.score == 0.0
    assert "a link" in found.reason
    assert (await check(context, path="no/folder/out.txt", absent=True)).score == 1.0


async def test_a_folder_is_no_file_and_a_path_with_a_slash_means_a_folder(make_context: MakeContext) -> None:
    context = make_context()
    (context.root / "out").mkdir()
    (context.root / "file").write_text("")
    assert (await check(context, path="out", exists=True)).score == 0.0
    assert (await check(context, path="out", equals="x")).reason == "out is a folder, not a file"
    assert (await check(context, path="out/", exists=True)).score == 1.0
    assert (await check(context, path="file/", exists=True)).score == 0.0
    assert (await check(context, path="out", absent=True)).score == 0.0


async def test_unchanged_compares_with_what_was_there_at_the_start(make_context: MakeContext) -> None:
    context = make_context(before={"a.txt": "one\n", "data/b.txt": "two\n", "data/c.txt": "three\n", "datafile": "x"})
    (context.root / "a.txt").write_text("one\n")
    for path in ("a.txt", "data", "data/b.txt", "."):
        assert (await check(context, path=path, unchanged=True)).score == 1.0, path
    (context.root / "data/c.txt").write_text("three\n\n")
    (context.root / "datafile").unlink()
    (context.root / "new.txt").write_text("")
    found = {path: await check(context, path=path, unchanged=True) for path in ("data/", "data/b.txt", "datafile", ".")}
    assert {path: each.score for path, each in found.items()} == {"data/": 0, "data/b.txt": 1, "datafile": 0, ".": 0}
    assert found["data/"].reason == "data/c.txt was modified"
    assert found["datafile"].reason == "datafile was deleted"
    assert found["."].reason == "data/c.txt was modified, and 2 more"


async def test_unchanged_without_a_file_to_compare_with_is_not_measured(make_context: MakeContext) -> None:
    context = make_context(before={"a.txt": ""})
    found = await check(context, path="typo.txt", unchanged=True)
    assert found.score is None
    assert "typo.txt was not in the workspace" in found.reason


async def test_a_file_over_the_read_limit_scores_0_and_says_so(make_context: MakeContext) -> None:
    context = make_context()
    with (context.root / "big.txt").open("wb") as big:
        big.truncate(17 * 1024**2)
    found = await check(context, path="big.txt", matches="x")
    assert found.score == 0.0
    assert "more than" in found.reason


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("out.txt", "takes a map"),
        ({"exists": True}, "path"),
        ({"path": "out.txt"}, "at least one of"),
        ({"path": "/etc/passwd", "exists": True}, "relative to the workspace"),
        ({"path": "a/../../b", "exists": True}, "relative to the workspace"),
        ({"path": "", "exists": True}, "relative to the workspace"),
        ({"path": "x", "exist": True}, "no key `exist`"),
        ({"path": "x", "exists": "yes"}, "`exists` takes true or false"),
        ({"path": "x", "absent": True, "equals": "y"}, "absent and to be there"),
        ({"path": "x", "exists": False, "unchanged": True}, "absent and to be there"),
        ({"path": "x", "unchanged": False}, "true or left out"),
        ({"path": "x/", "equals": "y"}, "is a folder"),
        ({"path": "x", "matches": "["}, "not a regular expression"),
        ({"path": "x", "json": {None: 1}}, "is not text"),
    ],
)
def test_a_mistake_is_found_when_the_file_is_read(options: object, says: str) -> None:
    with pytest.raises(ValueError, match=r"`file`") as raised:
        file.parse(options)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("there", "wanted", "how"),
    [
        ("cafe\u0301.txt", "caf\u00e9.txt", "their names look alike, but are other Unicode characters"),
        ("out/OUT.json", "out/out.json", "in other upper and lower case"),
    ],
)
@pytest.mark.parametrize("options", [{"exists": True}, {"equals": "x"}, {"matches": "x"}])
async def test_the_reason_names_a_file_whose_name_only_looks_right(
    make_context: MakeContext, there: str, wanted: str, how: str, options: dict[str, Any]
) -> None:
    found = await check(make_context(before={there: "x"}), path=wanted, **options)
    assert (found.score, found.reason) == (0.0, f"there is no file {wanted}, but {there} ({how})")
