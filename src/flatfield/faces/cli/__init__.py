"""The command line: parses, calls the rooms below, prints. Every user's mistake is one sentence and exit code 2."""

from __future__ import annotations

import gc
import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

_ALONE = {
    "--resume": (re.compile(r"^(\d{4,8}(-\d{1,6}(-\w{0,4})?)?|last|newest|latest)$"), "newest"),
    "--install-completion": (re.compile(r"^[a-z]"), "this"),
    "--show-completion": (re.compile(r"^[a-z]"), "this"),
    "--http": (re.compile(r"^[^-]"), "127.0.0.1:8747"),
}
"""Options that may stand without a value: what a value looks like, and what is meant without one."""
COLLECTED_EVERY = 10_000
"""So many new objects are walked together. At 700, Python's own number, a start spends a tenth of its time on modules
of which nothing is ever to go; more at a time would halt the loop that times trials for longer than 0.5 ms."""


def main() -> None:
    """The entry point of `flatfield` and `python -m flatfield`."""
    gc.set_threshold(COLLECTED_EVERY)
    from flatfield.faces.cli.completing import VARIABLE, answer
    from flatfield.faces.cli.ending import forgiving, run_command

    if VARIABLE in os.environ:
        answer(commands(()))
    sys.stderr = forgiving(sys.stderr)
    sys.exit(run_command(with_values(sys.argv[1:]), commands))


def commands(arguments: Sequence[str]) -> typer.Typer:
    """The command that the arguments begin with, else all; what only fails early need not have any imported."""
    from flatfield.faces.cli.program import COMMANDS, app_of

    return app_of(arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS)


def with_values(arguments: Sequence[str]) -> list[str]:
    """Give `--resume` and `--http` their value where they stand without one."""
    rewritten = []
    for position, argument in enumerate(arguments):
        following = arguments[position + 1] if position + 1 < len(arguments) else ""
        alone = _ALONE.get(argument)
        bare = alone is not None and not alone[0].match(following)
        rewritten.append(f"{argument}={alone[1]}" if alone is not None and bare else argument)
    return rewritten
