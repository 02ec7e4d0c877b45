"""No markers are left, and change log and tests have what both sides wrote."""

import ast
import json
import re
from pathlib import Path


def _asserted(text):
    """What each test asserts, by its name; nothing, where the test is kept from running."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    tests = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and not node.decorator_list]
    return {test.name: {ast.unparse(node) for node in test.body if isinstance(node, ast.Assert)} for test in tests}


def both_sides(trial, files):
    v = json.loads((Path(__file__).parent / "names.json").read_text())
    left = [p for p in files.names() if re.search(r"(?m)^(<{7}|={7}|>{7}|\|{7})( |$)", files.read_text(p))]
    if left:
        return 0.0, f"markers are left in {', '.join(left)}"
    problems = []
    changes = files.read_text("CHANGES.md")
    problems += [f"CHANGES.md lacks {entry!r}" for entry in v["entries"] if entry not in changes]
    have = _asserted(files.read_text("tests/test_rates.py"))
    for name, asserted in _asserted(v["tests"]).items():
        if not asserted <= have.get(name, set()):
            problems.append(f"tests/test_rates.py lacks {name}, or some of what it asserts")
    return (0.0, "; ".join(problems)) if problems else (1.0, "no markers, and both sides are there")
