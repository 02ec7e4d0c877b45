"""No identifier of the package is the old name, the README has the new one, and tests are as they were."""

import ast
import json
import re
from pathlib import Path

from checking import changed


def moved_everywhere(trial, files):
    v = json.loads((Path(__file__).parent / "names.json").read_text())
    if not files.exists(f"{v['package']}/records.py"):
        return 0.0, f"there is no {v['package']}/records.py"
    problems = [f"{path} was changed" for path in changed(trial) if path in v["tests"]]
    if v["new"] not in _functions(files, f"{v['package']}/records.py"):
        return 0.0, f"records.py defines no {v['new']}"
    if not {"stamp", "unstamp"} <= _functions(files, f"{v['package']}/legacy.py"):
        problems.append("legacy.py has lost what else was in it")
    for path in files.names():
        if not path.endswith(".py") or path.startswith("tests/"):
            continue
        if v["old"] in _identifiers(files.read_text(path)) | _texts(files, path):  # `globals()["old"]` is an alias too
            problems.append(f"{path} still has {v['old']}")
    if not any(v["command"] in _texts(files, path) for path in files.names() if path.startswith(f"{v['package']}/")):
        problems.append(f"the command {v['command']} is gone")
    readme = files.read_text("README.md")
    if re.search(rf"\b{v['old']}\b", readme) or not re.search(rf"\b{v['new']}\b", readme):
        problems.append("README.md still describes the old function")
    return max(0.0, 1 - 0.5 * len(problems)), "; ".join(problems) or "moved everywhere"


def _functions(files, path):
    if not files.exists(path):
        return set()
    try:
        tree = ast.parse(files.read_text(path))
    except SyntaxError:
        return set()
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def _texts(files, path):
    if not path.endswith(".py"):
        return set()
    try:
        tree = ast.parse(files.read_text(path))
    except SyntaxError:
        return set()
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def _identifiers(text):
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return set(re.findall(r"\w+", text))
    found = set()
    for node in ast.walk(tree):
        for field in ("id", "attr", "name", "asname", "arg"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                found.update(value.split("."))
    return found
