"""README.md has a row for the option in its table, and the rows that were there."""

import json
import re
from pathlib import Path

ROWS = ("--town", "--sort", "--reverse")


def documented(trial, files):
    option = json.loads((Path(__file__).parent / "names.json").read_text())["option"]
    rows = [line for line in files.read_text("README.md").splitlines() if line.lstrip().startswith("|")]
    lacking = [name for name in (option, *ROWS) if not any(re.search(rf"(?<![\w-]){name}(?![\w-])", row) for row in rows)]
    return (0.0, f"README.md has no row for {', '.join(lacking)}") if lacking else (1.0, "README.md has a row for it")
