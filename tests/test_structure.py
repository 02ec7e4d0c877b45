"""The house holds its shape: few heads, no crumbs, one meaning a name, no circle, no giant, no logic on a note's words.

What is not our code (`tasks/suites`, the pages that Claude Code is given) is left out. Each exception has its reason.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import flatfield
from flatfield import plugins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Function = ast.FunctionDef | ast.AsyncFunctionDef

HOUSE = Path(flatfield.__file__).parent
NOT_OURS = ("tasks/suites/", "faces/claude_code/pages/")

MOST_HEADS = 0.10
"""The part of all lines that may be heads of files: docstring and imports."""
CRUMB_LINES = 60
"""A shorter file that one other file needs belongs into that file."""
MOST_LINES = 600
MOST_BODY_LINES = 40

DOORS = {
    **{
        f"{package.removeprefix('flatfield.').replace('.', '/')}/": "found by name"
        for package in plugins.KINDS.values()
    },
    "vendors/scaffold/formats/": "found by name",
    "faces/cli/": "a command, called as users call it",
}
"""Folders whose files are doors: there by their own name, whoever imports them."""
LARGE = {"records.py": "every value that travels, in one place"}
LONG = {"faces/cli/evaluate.py:command": "hands on the thirty options of `eval`, each by its name"}
SAME_FILES = {"protocols": "what a room asks of those who join it, one such file a room"}
SAME_CLASSES = {"Options": "each verifier's own: what may stand below its name, by contract"}
SAME_ALIASES = {"Array": "numpy's array of floats, wherever it is computed with", "Drawn": "the same of draws"}
NOTES_READ = {"runs/store/codec.py": "runs stored before their rounds were data tell of them in notes alone"}


class File(NamedTuple):
    """A file of the house; `place` is its path, `module` its name, both below the house."""

    place: str
    module: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    lines: int


House = dict[str, File]
"""Files by their modules' names."""


def built(texts: Mapping[str, str]) -> House:
    """The house that files are, by their places."""
    files = {}
    for place, text in texts.items():
        module = place.removesuffix(".py").removesuffix("__init__").rstrip("/").replace("/", ".")
        tree = ast.parse(text)
        files[module] = File(place, module, tree, tuple(ast.walk(tree)), len(text.splitlines()))
    return files


@cache
def house() -> House:
    places = {path.relative_to(HOUSE).as_posix(): path for path in sorted(HOUSE.rglob("*.py"))}
    return built({place: path.read_text("utf-8") for place, path in places.items() if not place.startswith(NOT_OURS)})


# ---------------------------------------------------------------------------- what is looked at


def head_lines(tree: ast.Module) -> int:
    """The lines up to the first statement that is neither the docstring nor an import."""
    last = 0
    for node in tree.body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not (is_text or is_types or isinstance(node, ast.Import | ast.ImportFrom)):
            break
        last = node.end_lineno or last
    return last


def imports(files: House) -> dict[str, set[str]]:
    """Which files each file imports: at its top, inside functions, and for types."""
    return _imports_here() if files is house() else _imports(files)


def _imports(files: House) -> dict[str, set[str]]:
    return {module: set(_imported(file, files)) - {module} for module, file in files.items()}


@cache
def _imports_here() -> dict[str, set[str]]:
    return _imports(house())


def _imported(file: File, files: House) -> Iterator[str]:
    own = ("flatfield." + file.module).split(".") if file.module else ["flatfield"]
    package = own if file.place.endswith("__init__.py") else own[:-1]
    for node in file.nodes:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{source}.{alias.name}" for alias in node.names]
            names = [name if name.removeprefix("flatfield.") in files else source for name in names]
        yield from (name.removeprefix("flatfield.") for name in names if name.removeprefix("flatfield.") in files)


def crumbs(files: House) -> list[str]:
    """Short files that one other file needs, and nobody finds by name."""
    needed = defaultdict(set)
    for module, others in imports(files).items():
        for other in others:
            needed[other].add(module)
    return [
        f"{file.place} ({file.lines} lines) belongs into {next(iter(needed[module]))}"
        for module, file in files.items()
        if file.lines < CRUMB_LINES and len(needed[module]) == 1 and not is_door(file)
    ]


def is_door(file: File) -> bool:
    path = Path(file.place)
    return path.name in {"__init__.py", "__main__.py"} or f"{path.parent.as_posix()}/" in DOORS


def same_files(files: House) -> list[str]:
    """Names of files in several folders; that of sibling vendors counts once, a door is named by what users write."""
    found = defaultdict(set)
    for file in files.values():
        path = Path(file.place)
        if not is_door(file) and path.stem not in SAME_FILES:
            found[path.stem].add(_room(file))
    return [f"{name}: {', '.join(sorted(rooms))}" for name, rooms in found.items() if len(rooms) > 1]


def same_classes(files: House) -> list[str]:
    """Names of classes, and of types, that stand in several files; that of a sibling vendor counts once."""
    found = defaultdict(set)
    for file in files.values():
        classes = {node.name for node in file.nodes if isinstance(node, ast.ClassDef)} - SAME_CLASSES.keys()
        for name in classes | (set(_aliases(file)) - SAME_ALIASES.keys()):
            found[name].add(_room(file) if _room(file).startswith("vendors/*") else file.place)
    return [f"{name}: {', '.join(sorted(places))}" for name, places in found.items() if len(places) > 1]


def _aliases(file: File) -> Iterator[str]:
    """The types that a file names (`Key = tuple[str, int]`); what commands and tools take is named as it is typed."""
    for node in file.tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
            is_taken = ast.unparse(node.value).startswith("Annotated[")
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield from (name for name in names if re.fullmatch(r"[A-Z]\w*[a-z]\w*", name) and not is_taken)


def shadows(files: House) -> list[str]:
    """Private classes with the name of a record; a vendor's are left out: they are called as its server calls them."""
    records = {node.name for node in files["records"].nodes if isinstance(node, ast.ClassDef)}
    return [
        f"{node.name} of {file.place}"
        for file in files.values()
        for node in file.nodes
        if isinstance(node, ast.ClassDef) and node.name.startswith("_") and node.name.lstrip("_") in records
        if not file.place.startswith("vendors/")
    ]


def _room(file: File) -> str:
    """A file's folder; that of every vendor is the same."""
    parts = Path(file.place).parent.parts
    return "/".join(("vendors", "*", *parts[2:]) if parts[:1] == ("vendors",) and len(parts) > 1 else parts)


def imported_back(files: House) -> list[str]:
    """Files below a package that import the package's own `__init__.py`, or a part of it, back."""
    return [
        f"{module} imports {other}"
        for module, others in imports(files).items()
        for other in others
        if other and files[other].place.endswith("__init__.py") and module.startswith(f"{other}.")
    ]


def circles(files: House) -> list[list[str]]:
    """Files that need each other: the strongly connected parts of all imports (Tarjan 1972)."""
    graph = imports(files)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open_: list[str] = []
    found = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        open_.append(module)
        for other in graph[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in open_:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            at = open_.index(module)
            part = open_[at:]
            del open_[at:]
            if len(part) > 1:
                found.append(sorted(part))

    for module in graph:
        if module not in index:
            visit(module)
    return found


def long_functions(files: House) -> list[str]:
    """Functions whose bodies are long; docstrings aside, and signatures, which are as long as there are options."""
    return [
        f"{file.place}:{name}" for file in files.values() for name, lines in _bodies(file) if lines > MOST_BODY_LINES
    ]


def _bodies(file: File) -> Iterator[tuple[str, int]]:
    for node in file.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body:
                yield node.name, (node.end_lineno or 0) - body[0].lineno + 1


TEXT_LOOKS = {"startswith", "endswith", "find", "index", "partition", "rpartition", "removeprefix", "split", "casefold"}
PATTERN_LOOKS = {"match", "search", "fullmatch", "findall"}


def notes_read(files: House) -> list[str]:
    """Where code looks for words in what is called a note: with `startswith`, `"…" in run.notes` or a pattern."""
    return [
        f"{file.place}:{node.lineno}: {ast.unparse(node)}"
        for file in files.values()
        for node in file.nodes
        if isinstance(node, ast.Call | ast.Compare) and _reads_a_note(node)
    ]


def _reads_a_note(node: ast.Call | ast.Compare) -> bool:
    if isinstance(node, ast.Compare):
        has_text = any(
            isinstance(side, ast.Constant) and isinstance(side.value, str) for side in (node.left, *node.comparators)
        )
        return has_text and any(_is_note(side) for side in (node.left, *node.comparators))
    if not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr in TEXT_LOOKS:
        return _is_note(node.func.value)
    return node.func.attr in PATTERN_LOOKS and any(_is_note(argument) for argument in node.args)


def _is_note(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript):
        return _is_note(node.value)
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name in {"note", "notes"}


# ---------------------------------------------------------------------------- the laws


def test_heads_are_a_small_part_of_all_lines() -> None:
    files = house().values()
    heads, lines = sum(head_lines(file.tree) for file in files), sum(file.lines for file in files)
    assert heads / lines < MOST_HEADS, f"{heads} of {lines} lines are heads"


def test_no_short_file_is_there_for_one_other() -> None:
    assert crumbs(house()) == []


def test_no_name_of_a_file_has_two_meanings() -> None:
    assert same_files(house()) == []


def test_no_name_of_a_class_has_two_meanings() -> None:
    assert same_classes(house()) == []


def test_no_private_class_is_called_as_a_record_is() -> None:
    assert shadows(house()) == []


def test_no_part_imports_its_package_back() -> None:
    assert imported_back(house()) == []


def test_no_files_need_each_other() -> None:
    assert circles(house()) == []


def test_no_file_is_a_giant() -> None:
    assert {file.place for file in house().values() if file.lines > MOST_LINES} == set(LARGE)


def test_no_function_is_long() -> None:
    assert set(long_functions(house())) == set(LONG)


def test_no_logic_reads_a_notes_words() -> None:
    assert [found for found in notes_read(house()) if not found.startswith(tuple(NOTES_READ))] == []


# ---------------------------------------------------------------------------- that the looking sees what it should


def test_there_is_a_house_to_look_at() -> None:
    assert len(house()) > 250
    assert house()["records"].place == "records.py"
    assert house()["vendors.ollama"].place == "vendors/ollama/__init__.py"
    assert "runs.trial" in imports(house())["runs.evaluate"]
    for place in NOT_OURS:
        assert (HOUSE / place).is_dir(), place


def test_exceptions_are_needed() -> None:
    """One that nothing needs any more is taken away."""
    stems = [Path(file.place).stem for file in house().values() if not is_door(file)]
    assert all(stems.count(name) > 1 for name in SAME_FILES)
    classes = [node.name for file in house().values() for node in file.nodes if isinstance(node, ast.ClassDef)]
    assert all(classes.count(name) > 1 for name in SAME_CLASSES)
    aliases = [name for file in house().values() for name in _aliases(file)]
    assert all(aliases.count(name) > 1 for name in SAME_ALIASES)
    assert {found.partition(":")[0] for found in notes_read(house())} >= set(NOTES_READ)
    assert all((HOUSE / place).is_dir() for place in DOORS)


def test_heads_are_counted() -> None:
    text = '"""A file."""\n\nimport a\n\nif TYPE_CHECKING:\n    import b\n\nX = 1\nimport c\n'
    assert head_lines(ast.parse(text)) == 6


def test_imports_are_seen_however_they_are_written() -> None:
    texts = {"__init__.py": "", "a.py": "", "b/__init__.py": "", "b/c.py": "", "b/d.py": ""}
    for line, wanted in (
        ("import flatfield.a", "a"),
        ("from flatfield import a", "a"),
        ("from flatfield.a import x", "a"),
        ("def f():\n    from flatfield.b import c", "b.c"),
        ("if TYPE_CHECKING:\n    from flatfield.b.c import X", "b.c"),
        ("from . import c", "b.c"),
        ("from .c import x", "b.c"),
        ("from ..a import x", "a"),
        ("from flatfield.b import x", "b"),
    ):
        assert imports(built({**texts, "b/d.py": line}))["b.d"] == {wanted}, line


def test_a_crumb_is_seen_and_a_door_is_none() -> None:
    texts = {"a.py": "from flatfield import b", "b.py": "x = 1", "agent/tools/look.py": "x = 1"}
    assert len(crumbs(built({**texts, "c.py": "from flatfield.agent.tools import look"}))) == 1
    assert crumbs(built({**texts, "c.py": "from flatfield import b"})) == []
    assert crumbs(built({**texts, "b.py": "x = 1\n" * CRUMB_LINES})) == []


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (("runs/wording.py", "faces/wording.py"), 1),
        (("runs/wording.py", "vendors/openai/wording.py"), 1),
        (("vendors/ollama/reader.py", "vendors/openai/reader.py"), 0),
        (("runs/evaluate.py", "faces/cli/evaluate.py"), 0),
        (("agent/protocols.py", "scoring/protocols.py"), 0),
    ],
)
def test_a_name_of_two_files_is_seen(texts: tuple[str, ...], found: int) -> None:
    assert len(same_files(built(dict.fromkeys(texts, "")))) == found


def test_a_name_of_two_classes_is_seen() -> None:
    desk = "class Desk: pass"
    assert len(same_classes(built({"a.py": desk, "b.py": desk}))) == 1
    assert len(same_classes(built({"vendors/x/a.py": desk, "b.py": desk}))) == 1
    assert same_classes(built({"vendors/x/a.py": desk, "vendors/y/a.py": desk})) == []
    assert same_classes(built({"a.py": "class Options: pass", "b.py": "class Options: pass"})) == []
    assert len(same_classes(built({"a.py": desk, "b.py": "Desk = tuple[str, int]"}))) == 1
    assert len(same_classes(built({"a.py": "Desk = A | B", "b.py": "Desk = Literal[1]"}))) == 1
    assert same_classes(built({"a.py": desk, "b.py": "Desk = Annotated[str, 1]"})) == []
    assert same_classes(built({"a.py": "MOST = KNOWN[0]", "b.py": "MOST = KNOWN[1]"})) == []


def test_a_private_class_that_is_called_as_a_record_is_is_seen() -> None:
    texts = {"records.py": "class Run: pass", "a.py": "class _Run: pass\nclass _Other: pass"}
    assert shadows(built(texts)) == ["_Run of a.py"]
    assert shadows(built({**texts, "a.py": "", "vendors/x/reader.py": "class _Run: pass"})) == []


def test_a_part_that_imports_its_package_back_is_seen() -> None:
    texts = {"__init__.py": "", "a/__init__.py": "from flatfield.a import b", "a/b.py": "from flatfield.a import x"}
    assert imported_back(built(texts)) == ["a.b imports a"]


def test_a_circle_is_seen_though_it_is_for_types_alone() -> None:
    texts = {"a.py": "from flatfield import b", "b.py": "from flatfield import c", "d.py": "from flatfield import a"}
    assert circles(built({**texts, "c.py": ""})) == []
    assert circles(built({**texts, "c.py": "if TYPE_CHECKING:\n    from flatfield import a"})) == [["a", "b", "c"]]


def test_a_long_function_is_seen() -> None:
    def function(body: int) -> str:
        return 'def f(\n    a,\n    b,\n):\n    """Says."""\n' + "    x = 1\n" * body

    assert long_functions(built({"a.py": function(MOST_BODY_LINES)})) == []
    assert long_functions(built({"a.py": function(MOST_BODY_LINES + 1)})) == ["a.py:f"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("note.startswith(ENDED)", 1),
        ("any(note.startswith('round') for note in run.notes)", 1),
        ("'the rubric of' in note", 1),
        ("'ended' in run.notes", 1),
        ("run.notes[-1].endswith('.')", 1),
        ("re.search('rounds', note)", 1),
        ("note not in told", 0),
        ("run.notes == before.notes", 0),
        ("len(run.notes) > 1", 0),
        ("text.startswith('note')", 0),
    ],
)
def test_who_reads_a_note_is_seen(text: str, found: int) -> None:
    assert len(notes_read(built({"a.py": text}))) == found
