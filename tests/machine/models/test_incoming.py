"""What arrives in whatever pieces is hashed as a whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatfield.errors import NotReady
from flatfield.machine.models.incoming import Expected, Incoming, recorded_sha256


@settings(max_examples=25)
@given(first=st.lists(st.binary(max_size=50)), second=st.lists(st.binary(max_size=50)))
def test_any_pieces_in_two_goes_make_the_same_file(first: list[bytes], second: list[bytes]) -> None:
    whole = b"GGUF" + b"".join((*first, *second))
    expected = Expected(sha256=hashlib.sha256(whole).hexdigest(), size_bytes=len(whole))
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
            incoming.commit(target, Expected(size_bytes=9))
    assert [path.name for path in tmp_path.iterdir()] == ["file.gguf"]
    assert target.read_bytes() == b"GGUF right"
