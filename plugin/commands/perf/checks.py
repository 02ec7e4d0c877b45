"""Checks of lop_eval_3 to 5: each reads what an agent left behind and runs none of it.

Files carry the name that the agent's model goes by. Any name will do, as long as it is the same throughout.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatfield.records import TrialRecord
    from flatfield.scoring.verifying.reading import Files

Found = tuple[float, str]
SOURCE = "perf/limits.py"
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
    """Task 3: the JSON with its three values and no other, a third of the score each."""
    del trial
    name = _named(files, "shelves_", ".json")
    value = files.read_json(f"shelves_{name}.json")
    wanted = {"model": name, "shelves": ["attic", "cellar", "lower", "upper"], "items": 9}
    if isinstance(value, dict) and (more := sorted(set(value) - set(wanted))):
        return 0.0, f"shelves_{name}.json has other keys: {', '.join(more)}"
    return _compared(value, wanted)


def seen_file(trial: TrialRecord, files: Files) -> Found:
    """Task 3: the one line, under the same name as the JSON."""
    del trial
    name = _named(files, "seen_", ".txt")
    if other := _other(files, name, "shelves_", ".json"):
        return 0.0, other
    right = files.read_text(f"seen_{name}.txt").strip() == f"seen by {name}"
    return float(right), "the line is right" if right else f"seen_{name}.txt does not say: seen by {name}"


def analysis_module(trial: TrialRecord, files: Files) -> Found:
    """Task 4: the report's three values, the docstring and the last line, a fifth of the score each."""
    if SOURCE in {change.path for change in trial.changes}:
        return 0.0, f"{SOURCE} was changed"
    name = _named(files, "analysis_", ".py")
    text = files.read_text(f"analysis_{name}.py")
    tree = _parsed(text)
    if tree is None:
        return 0.0, f"analysis_{name}.py is not Python"
    score, reason = _compared(_constants(tree).get("REPORT"), REPORT)
    signed = _last_comment(text) == f"# analysed by {name}"
    documented = bool(ast.get_docstring(tree))
    missing = [*([] if signed else ["the last line"]), *([] if documented else ["the docstring"])]
    return (score * 3 + signed + documented) / 5, "; ".join([reason, *(f"{what} is wrong" for what in missing)])


def extended_module(trial: TrialRecord, files: Files) -> Found:
    """Task 4: every constant with its value, and the signature, under the same name as the analysis."""
    if SOURCE in {change.path for change in trial.changes}:
        return 0.0, f"{SOURCE} was changed"
    name = _named(files, "limits_plus_", ".py")
    if other := _other(files, name, "analysis_", ".py"):
        return 0.0, other
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


def answered(trial: TrialRecord, files: Files) -> Found:
    """Tasks 3 and 5: the answer names the files that were written, all of them."""
    made = [path for path in files.names() if re.fullmatch(r"(shelves|seen|fare|README|project)_.+\.\w+", path)]
    lacking = [path for path in made if path not in trial.answer.replace("\\", "")]  # Markdown escapes _
    if not made:
        return 0.0, "there is no file to name"
    return float(not lacking), f"the answer does not name {', '.join(lacking)}" if lacking else "the files are named"


def _named(files: Files, prefix: str, suffix: str) -> str:
    """The name in the one file that begins and ends so; "MODEL_NAME" without one, which is then found missing.

    Of several, none is taken: whoever writes two has not said which one holds.
    """
    found = [
        path for path in files.names() if path.startswith(prefix) and path.endswith(suffix) and path != prefix + suffix
    ]
    return found[0].removeprefix(prefix).removesuffix(suffix) if len(found) == 1 else "MODEL_NAME"


def _other(files: Files, name: str, prefix: str, suffix: str) -> str:
    """What is wrong where the file beside it carries another name; empty when it does not, or is missing."""
    beside = [path for path in files.names() if path.startswith(prefix) and path.endswith(suffix)]
    return "" if not beside or f"{prefix}{name}{suffix}" in beside else f"{beside[0]} carries another name than {name}"


def _last_comment(text: str) -> str:
    """The last line, where it is a comment and nothing else; a line inside of a string is none."""
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.string.strip()]
    return tokens[-1].string.rstrip() if tokens and tokens[-1].line.lstrip().startswith("#") else ""


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
    wrong = [
        name for name, value in wanted.items() if repr(there.get(name)) != repr(value)
    ]  # 120.0 and True are no 120
    return 1 - len(wrong) / len(wanted), f"wrong: {', '.join(wrong)}" if wrong else "all values are right"
