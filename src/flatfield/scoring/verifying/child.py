"""Runs a helper of a check to its end, with nothing of our environment that may be a key."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from flatfield.children.running import Start, run_process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flatfield.children.running import Finished

OUTPUT_LIMIT_BYTES = 256 * 1024


_PASSED_ON = re.compile(
    r"(PATH|HOME|USER|LOGNAME|SHELL|TERM|TZ|LANG|LANGUAGE|TMPDIR|TMP|TEMP|VIRTUAL_ENV|SYSTEMROOT|COMSPEC|PATHEXT)"
    r"|(LC|LD|DYLD|PYTHON|XDG|CONDA)_?\w*",
    re.IGNORECASE,
)


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """What a program needs to run at all; keys may stand in variables of any name, so nothing else is passed on."""
    return {name: value for name, value in environ.items() if _PASSED_ON.fullmatch(name)}


async def run_child(
    arguments: Sequence[str], data: bytes, *, timeout_seconds: float, folder: Path | None = None
) -> Finished:
    """Start `arguments` in `folder` without any key, feed it `data`, and wait at most `timeout_seconds` for its end.

    Raises:
        OSError: the process could not be started.
    """
    return await run_process(
        arguments,
        Start(environ=passed_on(os.environ), cwd=folder, given=data),
        seconds=timeout_seconds,
        output_bytes=OUTPUT_LIMIT_BYTES,
        complaint_bytes=OUTPUT_LIMIT_BYTES,
    )
