"""The command line."""

import argparse
import sys

from {{package}} import report, stores


def parser():
    found = argparse.ArgumentParser(prog="{{package}}", description="List what lies in the stores.")
    found.add_argument("file", help="the file of the stores")
    found.add_argument("--town", "-t", help="list this town only")
    found.add_argument("--sort", "-s", choices=["good", "town", "{{quantity}}"], help="order of the lines")
    found.add_argument("--reverse", "-r", action="store_true", help="the other way round")
    return found


def main(arguments=None):
    """Print the report and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        every = stores.read(options.file)
    except OSError as error:
        print(f"{{package}}: cannot read {options.file}: {error.strerror}", file=sys.stderr)
        return 1
    lines = [line for line in every if options.town in (None, line.town)]
    if options.sort:
        lines.sort(key=lambda line: getattr(line, options.sort))
    if options.reverse:
        lines.reverse()
    for line in lines:
        print(report.listing(line))
    print(report.totals(lines))
    return 0
