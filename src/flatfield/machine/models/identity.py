"""Which file a model on this device was read from, told in a few letters without reading all of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from flatfield.machine.models.pulling import expected_sha256

if TYPE_CHECKING:
    from pathlib import Path

END_BYTES = 1024**2


def file_identity(name: str, path: Path) -> str:
    """`sha256 b179c9523d0e` where it is known from pulling; else a digest of the file's size, first and last MiB.

    A file of many gigabytes would take longer to hash than the model to load; `flatfield models check` does.
    """
    expected = expected_sha256(name, path)
    if expected is not None:
        return f"sha256 {expected[:12]}"
    size_bytes = path.stat().st_size
    digest = hashlib.sha256(str(size_bytes).encode())
    with path.open("rb") as file:
        digest.update(file.read(END_BYTES))
        file.seek(max(0, size_bytes - END_BYTES))
        digest.update(file.read(END_BYTES))
    return f"sha256 of size and both ends {digest.hexdigest()[:12]}"
