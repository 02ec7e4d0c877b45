"""What arrives in whatever pieces is hashed as a whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatfield.errors import NotReady
from flatfield.machine.models.incoming import ExpectedFile, Incoming, recorded_sha256


@settings(max_examples=25)
@given(first=st.lists(st.binary(max_size=50)), second=st.lists(st.binary(max_size=50)))
def test_any_pieces_in_two_goes_make_the_same_file(first: list[bytes], second: list[bytes]) -> None:
    whole = b"GGUF" + b"".join((*first, *second))
    expected = ExpectedFile(sha256=hashlib.sha256(whole).hexdigest(), size_bytes=len(whole))
    with TemporaryDirectory() as folder:
        part, target = Path(folder) / "part", Path(folder) / "file.gguf"
        with Incoming(part) as incoming:
            for piece in (b"GGUF", *first):
                incoming.write(piece)
        with Incoming(part, resume=True) as incoming:
            for piece in second:
                incoming.write(piece)
            assert incoming.matches(expected)
            incoming.commit(target, expected)
        assert target.read_bytes() == whole
        assert recorded_sha256(target) == expected.sha256
        assert not part.exists()


def test_a_wrong_file_never_takes_the_place_of_a_right_one(tmp_path: Path) -> None:
    target = tmp_path / "file.gguf"
    target.write_bytes(b"GGUF right")
    with Incoming(tmp_path / "part") as incoming:
        incoming.write(b"GGUF wrong")
        with pytest.raises(NotReady, match="refused and removed"):
            incoming.commit(target, ExpectedFile(size_bytes=9))
    assert [path.name for path in tmp_path.iterdir()] == ["file.gguf"]
    assert target.read_bytes() == b"GGUF right"


WHOLE = b"GGUF" + bytes(range(60))
MILESTONES = [
    ExpectedFile(size_bytes=end_bytes, sha256=hashlib.sha256(WHOLE[:end_bytes]).hexdigest())
    for end_bytes in (20, 50, 64)
]


@pytest.mark.parametrize(
    ("left", "kept_bytes", "refused_bytes"),
    [
        (b"", 0, 0),
        (WHOLE[:19], 0, 0),
        (WHOLE[:20], 20, 0),
        (WHOLE[:63], 50, 0),
        (WHOLE, 64, 0),
        (WHOLE + b"more", 64, 0),
        (b"?" + WHOLE[1:], 0, 20),
        (WHOLE[:30] + b"?" + WHOLE[31:], 20, 30),
        (WHOLE[:30] + b"?" + WHOLE[31:40], 20, 0),
    ],
)
def test_what_an_earlier_process_left_is_taken_up_as_far_as_it_is_right(
    tmp_path: Path, left: bytes, kept_bytes: int, refused_bytes: int
) -> None:
    part = tmp_path / "part"
    part.write_bytes(left)
    with Incoming(part, resume=True, milestones=MILESTONES) as incoming:
        assert (incoming.received_bytes, incoming.refused_bytes) == (kept_bytes, refused_bytes)
        incoming.write(WHOLE[kept_bytes:])
        incoming.commit(tmp_path / "file.gguf", MILESTONES[-1])
    assert (tmp_path / "file.gguf").read_bytes() == WHOLE


def test_it_falls_back_to_the_last_milestone_that_was_right(tmp_path: Path) -> None:
    with Incoming(tmp_path / "part") as incoming:
        incoming.write(WHOLE[:20])
        assert incoming.settle(MILESTONES[0])
        incoming.write(b"?" * 30)
        assert not incoming.settle(MILESTONES[1])
        incoming.fall_back()
        assert incoming.received_bytes == 20
        incoming.write(WHOLE[20:])
        incoming.commit(tmp_path / "file.gguf", MILESTONES[-1])
    assert (tmp_path / "file.gguf").read_bytes() == WHOLE
