"""Checks of the basic suite: each reads what an agent left behind and never runs any of it."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent

FERRY = """\
Ferry "Nordlys" — summer timetable

  Skjær   07:45 -> 08:10   (weekdays)
    Holm  08:30 -> 09:05   # indented by four spaces

Fares: $4 {child: $2}; 50% off after 20:00
Log file: C:\\ferry\\new\\today.txt
Don't be late!
"""
KEYS = ["archive", "contacts", "revision", "sensors", "site"]
VALUES = {"t-101": 11.5, "w-7ø": 0, "p-300": 1013.25, "l-12": -42}
IMPORTERS = ("__import__", "import_module", "find_spec", "run_module")
PACKAGE = ["tally/__init__.py", "tally/entry.py", "tally/parsing.py", "tally/summary.py", "tally/__main__.py"]


def exact_file(trial, files):
    """Level 1: the text, character for character, with or without a final newline."""
    text = _text(files, "notes/ferry.txt")
    if text is None:
        return 0.0, "notes/ferry.txt is missing or is not UTF-8 text"
    difference = _difference(FERRY.removesuffix("\n").split("\n"), text.removesuffix("\n").split("\n"))
    return (0.0, f"notes/ferry.txt: {difference}") if difference else (1.0, "notes/ferry.txt is exact")


def edges(trial, files):
    """Level 2: ten lines and ten lines between the three marker lines; half of the score each."""
    readme = (HERE / "level-2-edges/workspace/README.md").read_text(encoding="utf-8").splitlines()
    lines = trial.answer.replace("\r\n", "\n").split("\n")
    places = [index for index, line in enumerate(lines) if line.strip() in ("FIRST", "LAST", "END")]
    if [lines[index].strip() for index in places] != ["FIRST", "LAST", "END"]:
        return 0.0, "the answer does not have the lines FIRST, LAST and END once each, in this order"
    first, last, end = places
    blocks = [("first", readme[:10], lines[first + 1 : last]), ("last", readme[-10:], lines[last + 1 : end])]
    found = [(name, _difference(expected, got)) for name, expected, got in blocks]
    wrong = [f"{name} ten lines: {difference}" for name, difference in found if difference]
    return 1.0 - len(wrong) / 2, "; ".join(wrong) or "both blocks are exact"


def keys_file(trial, files):
    """Level 3: the five keys, one per line, sorted."""
    if changed := _changed(files, "level-3-extract", "sensors.json"):
        return 0.0, changed
    text = _text(files, "keys.txt")
    if text is None:
        return 0.0, "keys.txt is missing or is not UTF-8 text"
    difference = _difference(KEYS, text.replace("\r\n", "\n").removesuffix("\n").split("\n"))
    return (0.0, f"keys.txt: {difference}") if difference else (1.0, "keys.txt is right")


def values_file(trial, files):
    """Level 3: one JSON object from active id to last value."""
    if changed := _changed(files, "level-3-extract", "sensors.json"):
        return 0.0, changed
    values = files.read_json("active.json")
    if not isinstance(values, dict):
        return 0.0, "active.json is not an object"
    if set(values) != set(VALUES):
        return 0.0, f"active.json has the keys {sorted(values)}, expected {sorted(VALUES)}"
    wrong = [key for key, value in values.items() if isinstance(value, bool) or value != VALUES[key]]
    return (0.0, f"active.json has wrong values for {wrong}") if wrong else (1.0, "active.json is right")


def journal_line(trial, files):
    """Level 3: the old journal byte for byte, then the one new line."""
    if changed := _changed(files, "level-3-extract", "sensors.json"):
        return 0.0, changed
    before = (HERE / "level-3-extract/workspace/journal.txt").read_bytes().decode()
    text = _text(files, "journal.txt")
    if text is None or not text.startswith(before):
        return 0.0, "journal.txt does not begin with all that it held"
    if text[len(before) :].removesuffix("\n") != f"extracted {len(VALUES)} sensors":
        return 0.0, "journal.txt was not extended by exactly the one line asked for"
    return 1.0, "journal.txt kept its content and has the new line"


def documented_copy(trial, files):
    """Level 4: the share of names with a docstring in a copy that stands alone, stock.py being as it was."""
    if changed := _changed(files, "level-4-analyse", "stock.py"):
        return 0.0, changed
    tree = _parsed(files, "stock_plus.py")
    if tree is None:
        return 0.0, "stock_plus.py is missing or is not Python"
    if imported := _imports(tree) & {"stock", "report"}:
        return 0.0, f"stock_plus.py imports {', '.join(sorted(imported))}"
    documented = dict(_docstrings(tree))
    original = dict(_docstrings(ast.parse((HERE / "level-4-analyse/workspace/stock.py").read_text(encoding="utf-8"))))
    if missing := sorted(set(original) - set(documented)):
        return 0.0, f"stock_plus.py lacks {', '.join(missing)}"
    bare = sorted(name for name, has in documented.items() if not has)
    share = 1.0 - len(bare) / len(documented)
    return share, f"no docstring: {', '.join(bare)}" if bare else "every name has a docstring"


def five_files(trial, files):
    """Level 5: the share of the five files that are Python, the stated tests being as they were."""
    if changed := _changed(files, "level-5-package", "tests/test_stated.py"):
        return 0.0, changed
    bad = [path for path in PACKAGE if _parsed(files, path) is None]
    share = 1.0 - len(bad) / len(PACKAGE)
    return share, f"missing or not Python: {', '.join(bad)}" if bad else "the five files are there"


def _text(files, path):
    try:
        return files.read_text(path)
    except (OSError, UnicodeDecodeError):
        return None


def _parsed(files, path):
    text = _text(files, path)
    try:
        return None if text is None else ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _changed(files, level, path):
    """What is wrong when a file that must stay as it is did not."""
    before = (HERE / level / "workspace" / path).read_bytes().decode()
    return "" if _text(files, path) == before else f"{path} was changed, which was not allowed"


def _difference(expected, got):
    """The first difference between two lists of lines, in words; empty when there is none."""
    for number, (want, have) in enumerate(zip(expected, got), start=1):
        if want != have:
            return f"line {number} is {have!r}, expected {want!r}"
    return "" if len(expected) == len(got) else f"{len(got)} lines, expected {len(expected)}"


def _docstrings(tree, prefix=""):
    """(name, has a docstring) for classes, methods and module-level functions, without `__init__`."""
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name != "__init__":
            yield f"{prefix}{node.name}", bool((ast.get_docstring(node) or "").strip())
        if isinstance(node, ast.ClassDef):
            yield from _docstrings(node, f"{node.name}.")


def _imports(tree):
    """The top-level names of all modules that are imported anywhere in the tree."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            names.update([node.module] if node.module else [alias.name for alias in node.names])
        if isinstance(node, ast.Call):
            names.update(_loaded(node))
    return {re.split(r"\.", name)[0] for name in names}


def _loaded(call):
    """The modules that a call names: `import_module("stock")`, or any file of code, as in `open("stock.py")`."""
    called = getattr(call.func, "attr", getattr(call.func, "id", ""))
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        text = getattr(argument, "value", None) if isinstance(argument, ast.Constant) else None
        if isinstance(text, str) and (called in IMPORTERS or text.endswith(".py")):
            yield text.rpartition("/")[2].removesuffix(".py").lstrip(".")
