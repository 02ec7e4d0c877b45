"""The commands."""

import argparse
import sys

from {{package}}.errors import Problem
from {{package}}.importing import import_file, undo
from {{package}}.settings import read_settings
from {{package}}.store import Store


def main(arguments):
    """Do what the command line says; 0 when it worked."""
    options = _parser().parse_args(arguments)
    try:
        settings, store = read_settings(), Store()
        if options.command == "import":
            print(f"{import_file(options.file, settings, store)} rows booked")
        elif options.command == "undo":
            print(f"{undo(store)} rows taken back")
        else:
            print(store.stock().get(options.item, 0))
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="{{package}}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("import").add_argument("file")
    commands.add_parser("undo")
    commands.add_parser("stock").add_argument("item")
    return parser
