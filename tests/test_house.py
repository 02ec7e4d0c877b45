"""No file asks for the name of a tool, vendor, verifier or report format: what others need to know, it declares.

Docstrings and types may name what they like. So may what is not our code (`tasks/suites`), and two lists that are
about other programs than ours: which paths are protected, and what Claude Code is told.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import flatfield
from flatfield import plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    Look = Callable[[ast.Module, Collection[str]], Iterator[ast.expr]]

HOUSE = Path(flatfield.__file__).parent
EXCEPTED = ("tasks/suites/", "faces/claude_code/", "agent/files/protected.py")
SHARED_WORDS = {"file"}
"""Names of verifiers that also say what lies at a path: `entry.kind == "file"` asks for no verifier."""
ASKED_OF_VERIFIERS = {"verifier"}
ASKED_OF_FORMATS = {"format", "format_", "form", "name"}
CHECKS = {"spec", "verifier", "check", "item", "c"}
"""What a verifier's spec or its check is called: their `.kind` is a verifier's name."""


def own(kind: str) -> frozenset[str]:
    """The names of a kind that our own files add."""
    points = plugins.known(kind).items()
    return frozenset(name for name, point in points if point is None or point.value.startswith("flatfield."))


# ---------------------------------------------------------------------------- looking through a syntax tree


def constants(tree: ast.Module, names: Collection[str]) -> Iterator[ast.expr]:
    """The strings equal to one of the names, but for docstrings and types."""
    for node in _values(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names:
            yield node


def verifiers_asked(tree: ast.Module, names: Collection[str]) -> Iterator[ast.expr]:
    """Comparisons, choices and tables by the name of a verifier."""
    yield from _asked(tree, names, _is_verifiers)


def formats_asked(tree: ast.Module, names: Collection[str]) -> Iterator[ast.expr]:
    """Comparisons, choices and tables by the name of a report format."""
    yield from _asked(tree, names, lambda node, _: _called(node) in ASKED_OF_FORMATS)


def _values(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one that are computed: no docstring, no annotation, no `Literal`."""
    waiting = [node]
    while waiting:
        for name, value in ast.iter_fields(waiting.pop()):
            if name in {"annotation", "returns"}:
                continue
            for child in value if isinstance(value, list) else [value]:
                is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
                if isinstance(child, ast.AST) and not is_text and not _is_literal(child):
                    yield child
                    waiting.append(child)


def _is_literal(node: object) -> bool:
    return isinstance(node, ast.Subscript) and _called(node.value) == "Literal"


def _asked(
    tree: ast.Module, names: Collection[str], is_asked: Callable[[ast.AST, Collection[str]], bool]
) -> Iterator[ast.expr]:
    known = _assigned(tree)
    for node in _values(tree):
        if isinstance(node, ast.Set | ast.List | ast.Tuple | ast.Dict) and _is_table(node, names):
            yield node
        sides: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Subscript):
            sides = [node.value, node.slice]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            sides = [node.func.value, *node.args]
        found = {text for side in sides for text in _texts(side, known) if text in names}
        if found and any(is_asked(part, found) for side in sides for part in ast.walk(side)):
            assert isinstance(node, ast.expr)
            yield node
        if isinstance(node, ast.Match):
            patterns = [
                each.value for case in node.cases for each in ast.walk(case.pattern) if isinstance(each, ast.MatchValue)
            ]
            found = {text for pattern in patterns for text in _texts(pattern, known) if text in names}
            if found and any(is_asked(part, found) for part in ast.walk(node.subject)):
                yield node.subject


def _is_table(node: ast.Set | ast.List | ast.Tuple | ast.Dict, names: Collection[str]) -> bool:
    """Whether a literal lists two names or more, and nothing else."""
    parts = node.keys if isinstance(node, ast.Dict) else node.elts
    texts = [part.value if isinstance(part, ast.Constant) else None for part in parts]
    return len(texts) > 1 and all(text in names for text in texts)


def _is_verifiers(node: ast.AST, found: Collection[str]) -> bool:
    if _called(node) in ASKED_OF_VERIFIERS and not isinstance(node, ast.Name):
        return True
    if not isinstance(node, ast.Attribute) or node.attr != "kind":
        return False
    return bool(set(found) - SHARED_WORDS) or _called(node.value) in CHECKS


def _called(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _assigned(tree: ast.Module) -> Mapping[str, ast.expr]:
    """What the module's names stand for, where that is written down once."""
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found[node.target.id] = node.value
    return found


def _texts(node: ast.expr, known: Mapping[str, ast.expr]) -> Iterator[str]:
    """The strings that a side of a comparison holds: alone, in a collection, as keys, or by a name of the module."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and node.id in known:
        yield from _texts(known[node.id], {})
    elif isinstance(node, ast.Set | ast.List | ast.Tuple):
        yield from (text for part in node.elts for text in _texts(part, known))
    elif isinstance(node, ast.Dict):
        yield from (text for part in node.keys if part for text in _texts(part, known))
    elif isinstance(node, ast.Call):
        yield from (text for part in node.args for text in _texts(part, known))


# ---------------------------------------------------------------------------- the rule


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def seen(look: Look, names: Collection[str], *folders: str) -> list[str]:
    """Where it is broken, `folders` being where the names are at home."""
    found = []
    for path in sorted(HOUSE.rglob("*.py")):
        place = path.relative_to(HOUSE).as_posix()
        if not place.startswith((*folders, *EXCEPTED)):
            tree = parsed(path)
            found += [f"{place}:{node.lineno}: {ast.unparse(node)}" for node in look(tree, names)]
    return found


def test_tools_are_named_in_their_own_folder_alone() -> None:
    assert seen(constants, own("tool"), "agent/tools/") == []


def test_vendors_are_named_in_their_own_folder_alone() -> None:
    assert seen(constants, own("provider"), "vendors/") == []


def test_nobody_asks_which_verifier_it_is() -> None:
    assert seen(verifiers_asked, own("verifier"), "scoring/verifiers/") == []


def test_nobody_asks_which_format_it_is() -> None:
    # What external agents report in has names too, and `json` is one of them.
    assert seen(formats_asked, own("report"), "faces/reports/", "vendors/scaffold/") == []


# ---------------------------------------------------------------------------- that the looking sees what it should


def lines(look: Look, text: str, names: Collection[str]) -> list[int]:
    return [node.lineno for node in look(ast.parse(text), names)]


def test_there_is_something_to_look_through() -> None:
    assert {"read_file", "run_command"} <= own("tool")
    assert {"cli", "openai-chat", "noop"} <= own("provider")
    assert own("verifier") >= {"answer", "command", "file", "python", "rubric"}
    assert own("report") >= {"csv", "json", "markdown", "terminal"}
    assert len(list(HOUSE.rglob("*.py"))) > 300
    for place in EXCEPTED:
        assert (HOUSE / place).exists(), place


def test_names_are_found_at_home() -> None:
    """A look that sees nothing anywhere would let the rule pass."""
    for kind, place in (("tool", "agent/tools/write_file.py"), ("provider", "vendors/ollama/traits.py")):
        assert list(constants(ast.parse((HOUSE / place).read_text(encoding="utf-8")), own(kind)))


@pytest.mark.parametrize(
    "text",
    [
        'call(tool="write_file")',
        'TOOLS = ("read_file", "write_file")',
        'x = {"write_file": 1}',
        'if name == "write_file": pass',
        'def f(name="write_file"): pass',
        'x: str = "write_file"',
        'match name:\n    case "write_file": pass',
    ],
)
def test_a_name_is_seen_wherever_it_stands(text: str) -> None:
    assert lines(constants, text, {"write_file"}) in ([1], [2])


@pytest.mark.parametrize(
    "text",
    [
        '"write_file"',
        'def f():\n    "write_file"',
        'X = 1\n"write_file"',
        'def f(name: Literal["write_file"]) -> "write_file": pass',
        'Name = Literal["write_file", "x"]',
        'x: "write_file" = 1',
        'x = "write_file writes"',
        "write_file.SPEC.name",
    ],
)
def test_docstrings_and_types_may_hold_a_name(text: str) -> None:
    assert lines(constants, text, {"write_file"}) == []


@pytest.mark.parametrize(
    "text",
    [
        'x = spec.kind == "rubric"',
        'x = "rubric" != spec.kind',
        'x = any(one.kind == "rubric" for one in task.verifiers)',
        'x = check.verifier != "rubric"',
        'x = spec.kind in ("rubric", other)',
        'x = {"rubric"} < {spec.kind for spec in task.verifiers}',
        'READING = frozenset({"rubric", other})\nx = spec.kind in READING',
        'x = {"rubric": 1, "other": 2}[spec.kind]',
        'x = {"rubric": 1, "other": 2}.get(spec.kind)',
        'TABLE = {"rubric": 1, "other": 2}\nx = TABLE.get(spec.kind)',
        'match spec.kind:\n    case "rubric" | "other": pass',
        'READING = {"file", "rubric"}',
        'NAMES = ["file", "rubric"]',
        'TABLE = {"file": 1, "rubric": 2}',
        'x = spec.kind == "file"',
        'x = self.check.verifier == "file"',
    ],
)
def test_who_asks_which_verifier_it_is_is_seen(text: str) -> None:
    assert len(lines(verifiers_asked, text, {"rubric", "file"})) == 1


@pytest.mark.parametrize(
    "text",
    [
        'x = entry.kind == "file"',
        'x = {"folder": "/", "file": ""}.get(entry.kind, "")',
        'x = event.kind == "tool"',
        'x = spec.kind == "fine"',
        'Check(verifier="rubric", label="")',
        'x = texts["rubric"]',
        'KEYS = ("rubric", "expected")',
        'ONE = ("rubric",)',
        'Kind = Literal["file", "rubric"]',
        "x = plugins.verifier_traits(spec.kind).judged",
    ],
)
def test_who_asks_for_something_else_is_left_alone(text: str) -> None:
    assert lines(verifiers_asked, text, {"rubric", "file"}) == []


@pytest.mark.parametrize(
    "text",
    [
        'x = format == "csv"',
        'if name == "csv": pass',
        'x = given.format in {"csv"}',
        'x = {"csv": 1, "other": 2}[form]',
        'match format_:\n    case "csv": pass',
        'FORMATS = {"markdown": "text/markdown", "csv": "text/csv"}',
    ],
)
def test_who_asks_which_format_it_is_is_seen(text: str) -> None:
    assert len(lines(formats_asked, text, {"csv", "markdown"})) == 1


@pytest.mark.parametrize(
    "text",
    ['x = agent.protocol == "json"', 'report(run, "markdown")', 'x = format == "pdf"', 'OUTPUTS = ("text", "json")'],
)
def test_who_asks_no_format_is_left_alone(text: str) -> None:
    assert lines(formats_asked, text, {"csv", "json", "markdown"}) == []
