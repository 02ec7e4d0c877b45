"""A model file is told by the hash that it was pulled with, else by its size and both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.machine.models.pulling import END_BYTES, file_identity

if TYPE_CHECKING:
    from pathlib import Path


def test_a_known_model_has_its_known_hash(tmp_path: Path) -> None:
    assert file_identity("smollm2-135m", tmp_path / "nosuch.gguf") == "sha256 b179c9523d0e"


def test_other_files_differ_by_either_end_or_their_size(tmp_path: Path) -> None:
    def told(data: bytes) -> str:
        path = tmp_path / "m.gguf"
        path.write_bytes(data)
        return file_identity(str(path), path)

    middle = bytes(END_BYTES * 2)
    one = told(b"GGUF" + middle + b"z")
    assert one.startswith("sha256 of size and both ends ")
    assert one == told(b"GGUF" + middle + b"z")
    assert (
        len({one, told(b"GGUX" + middle + b"z"), told(b"GGUF" + middle + b"y"), told(b"GGUF" + middle + b"\0z")}) == 4
    )
