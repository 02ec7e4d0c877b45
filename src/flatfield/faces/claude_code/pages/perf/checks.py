"""Checks of lop_eval_3 to 5: each reads what an agent left behind and runs none of it.

Files carry the name that the agent's model goes by. Any name will do, as long as it is the same throughout.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatfield.records import TrialRecord
    from flatfield.scoring.verifying.reading import Files

Found = tuple[float, str]
CONSTANTS = {
    "SEATS": 120,
    "CARS": 18,
    "DEFAULT_SPEED_KNOTS": 11.5,
    "MAX_WAVE_METRES": 2.4,
    "DEFAULT_PORT": "Skjær",
    "ROUTES": ("Skjær", "Holm", "Vik"),
    "DEFAULT_LANGUAGES": ["no", "en"],
}
REPORT = {
    "constants": 7,
    "defaults": ["DEFAULT_LANGUAGES", "DEFAULT_PORT", "DEFAULT_SPEED_KNOTS"],
    "functions": ["full"],
}


def shelves_file(trial: TrialRecord, files: Files) -> Found:
    """Task 3: the JSON with its three values, a third of the score each."""
    del trial
    name = _named(files, "shelves_", ".json")
    value = files.read_json(f"shelves_{name}.json")
    wanted = {"model": name, "shelves": ["attic", "cellar", "lower", "upper"], "items": 9}
    return _compared(value, wanted)


def seen_file(trial: TrialRecord, files: Files) -> Found:
    """Task 3: the one line."""
    del trial
    name = _named(files, "seen_", ".txt")
    right = files.read_text(f"seen_{name}.txt").strip() == f"seen by {name}"
    return float(right), "the line is right" if right else f"seen_{name}.txt does not say: seen by {name}"


def analysis_module(trial: TrialRecord, files: Files) -> Found:
    """Task 4: the report's three values, the docstring and the last line, a fifth of the score each."""
    del trial
    name = _named(files, "analysis_", ".py")
    text = files.read_text(f"analysis_{name}.py")
    tree = _parsed(text)
    if tree is None:
        return 0.0, f"analysis_{name}.py is not Python"
    score, reason = _compared(_constants(tree).get("REPORT"), REPORT)
    signed = text.rstrip().endswith(f"# analysed by {name}")
    documented = bool(ast.get_docstring(tree))
    missing = [*([] if signed else ["the last line"]), *([] if documented else ["the docstring"])]
    return (score * 3 + signed + documented) / 5, "; ".join([reason, *(f"{what} is wrong" for what in missing)])


def extended_module(trial: TrialRecord, files: Files) -> Found:
    """Task 4: every constant with its value, and the signature."""
    del trial
    name = _named(files, "limits_plus_", ".py")
    tree = _parsed(files.read_text(f"limits_plus_{name}.py"))
    if tree is None:
        return 0.0, f"limits_plus_{name}.py is not Python"
    return _compared(_constants(tree), {**CONSTANTS, "SIGNATURE": f"extended by {name}"})


def project_files(trial: TrialRecord, files: Files) -> Found:
    """Task 5: README, JSON and docstrings, a third of the score each."""
    del trial
    name = _named(files, "fare_", ".py")
    readme = files.read_text(f"README_{name}.md").splitlines()
    headed = {"## Usage", "## Rules"} <= {line.strip() for line in readme}
    signed = next((line.strip() for line in reversed(readme) if line.strip()), "") == f"Built by {name}"
    names = sorted((f"README_{name}.md", f"fare_{name}.py", f"project_{name}.json"))
    listed = files.read_json(f"project_{name}.json") == {"files": names, "status": "complete"}
    tree = _parsed(files.read_text(f"fare_{name}.py"))
    found = {"README": headed and signed, "the JSON": listed, "a docstring": tree is not None and _documented(tree)}
    wrong = [f"{what} is wrong or missing" for what, right in found.items() if not right]
    return sum(found.values()) / len(found), "; ".join(wrong) or "all three are right"


def _named(files: Files, prefix: str, suffix: str) -> str:
    """The name in the first file that begins and ends so; "MODEL_NAME" without one, which is then found missing."""
    found = [path for path in files.names() if path.startswith(prefix) and path.endswith(suffix)]
    return found[0].removeprefix(prefix).removesuffix(suffix) if found else "MODEL_NAME"


def _parsed(text: str) -> ast.Module | None:
    """The module; None when the text is not Python."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _documented(tree: ast.Module) -> bool:
    parts = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    return all(ast.get_docstring(part) for part in (tree, *parts))


def _constants(tree: ast.Module) -> dict[str, Any]:
    """Names that are assigned a value at the top level, where it is written out."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = _literal(node.value)
    return found


def _literal(node: ast.expr) -> object:
    """The value; None when it is computed."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return None


def _compared(there: object, wanted: dict[str, Any]) -> Found:
    """Which of the wanted values are there, as a share, and which are not."""
    if not isinstance(there, dict):
        return 0.0, "it is no object with these values: " + ", ".join(wanted)
    wrong = [name for name, value in wanted.items() if there.get(name) != value]
    return 1 - len(wrong) / len(wanted), f"wrong: {', '.join(wrong)}" if wrong else "all values are right"
