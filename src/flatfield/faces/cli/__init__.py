"""The command line: parses, calls the rooms below, prints. Every user's mistake is one sentence and exit code 2."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_RUN_ID = re.compile(r"^\d{4,8}(-\d{1,6}(-\w{0,4})?)?$")


def main() -> None:
    """The entry point of `flatfield` and `python -m flatfield`."""
    from flatfield.faces.cli.ending import run_command

    sys.exit(run_command(with_resume_value(sys.argv[1:])))


def with_resume_value(arguments: Sequence[str]) -> list[str]:
    """Let `--resume` stand without a value: the newest run is meant when no run id follows."""
    rewritten = []
    for position, argument in enumerate(arguments):
        following = arguments[position + 1] if position + 1 < len(arguments) else ""
        bare = argument == "--resume" and not _RUN_ID.match(following)
        rewritten.append("--resume=newest" if bare else argument)
    return rewritten
