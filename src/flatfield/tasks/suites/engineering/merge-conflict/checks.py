"""No markers are left, and change log and tests have what both sides wrote."""

import ast
import json
import re
from pathlib import Path


def both_sides(trial, files):
    v = json.loads((Path(__file__).parent / "names.json").read_text())
    left = [p for p in files.names() if re.search(r"(?m)^(<{7}|={7}|>{7}|\|{7})( |$)", files.read_text(p))]
    if left:
        return 0.0, f"markers are left in {', '.join(left)}"
    problems = []
    changes = files.read_text("CHANGES.md")
    problems += [f"CHANGES.md lacks {entry!r}" for entry in v["entries"] if entry not in changes]
    try:
        tree = ast.parse(files.read_text("tests/test_rates.py"))
        have = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    except SyntaxError:
        have = set()
    problems += [f"tests/test_rates.py lacks {name}" for name in v["tests"] if name not in have]
    return (0.0, "; ".join(problems)) if problems else (1.0, "no markers, and both sides are there")
