"""The command line."""

import sys
from pathlib import Path

from {{package}}.heaviest import heaviest
from {{package}}.legacy import {{old}}
from {{package}}.totals import totals


def main(arguments):
    """Do what a command says and return what is printed."""
    name, path, *rest = arguments
    text = Path(path).read_text()
    if name == "{{command}}":
        return "\n".join(f"{town} {weight}" for town, weight in {{old}}(text, rest[0] if rest else None))
    if name == "totals":
        return "\n".join(f"{town} {weight}" for town, weight in totals(text).items())
    if name == "heaviest":
        return " ".join(map(str, heaviest(text)))
    return f"there is no command {name}"


if __name__ == "__main__":
    sys.exit(print(main(sys.argv[1:])))
