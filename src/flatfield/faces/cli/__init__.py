"""The command line: parses, calls the rooms below, prints. Every user's mistake is one sentence and exit code 2."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_RUN_ID = re.compile(r"^\d{8}(-\d{1,6}(-\w{0,4})?)?$")


def main() -> None:
    """The entry point of `flatfield` and `python -m flatfield`."""
    from flatfield.errors import FlatfieldError
    from flatfield.faces.cli.app import app

    try:
        app(args=with_resume_value(sys.argv[1:]), prog_name="flatfield")
    except FlatfieldError as error:
        sys.stdout.flush()
        sys.stderr.write(f"flatfield: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("\nflatfield: interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        # `flatfield … | head` closes the pipe: nothing more can be said, and Python must not try at exit.
        sys.stderr.close()
        sys.exit(0)


def with_resume_value(arguments: Sequence[str]) -> list[str]:
    """Let `--resume` stand without a value: the newest run is meant when no run id follows."""
    rewritten = []
    for position, argument in enumerate(arguments):
        following = arguments[position + 1] if position + 1 < len(arguments) else ""
        bare = argument == "--resume" and not _RUN_ID.match(following)
        rewritten.append("--resume=newest" if bare else argument)
    return rewritten
