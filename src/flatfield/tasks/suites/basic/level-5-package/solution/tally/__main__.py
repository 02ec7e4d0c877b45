"""python -m tally FILE: prints the totals of a ledger."""

import sys
from pathlib import Path

from tally import parse, render


def main(arguments):
    """Print the totals; 2 when a line cannot be read."""
    try:
        entries = parse(Path(arguments[0]).read_text(encoding="utf-8"))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(render(entries))
    return 0


sys.exit(main(sys.argv[1:]))
