"""Says in one sentence what an exception was that nobody expected, and where it came from."""

from __future__ import annotations

import traceback
from pathlib import Path

from flatfield.errors import FlatfieldError


def described(error: Exception) -> str:
    """An error of ours speaks for itself; any other is named with its message and its place in the code."""
    if isinstance(error, FlatfieldError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" (in {Path(frames[-1].filename).name}:{frames[-1].lineno}, {frames[-1].name})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
