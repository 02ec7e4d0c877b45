"""The basic suite's two programming tasks: other right programs score 1; nearly right ones do not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from flatfield.records import Task
from flatfield.scoring.protocols import VerifyContext

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.whole

Leave = Callable[..., Awaitable[VerifyContext]]
Measure = Callable[..., Awaitable[float]]
Read = Callable[[str], Task]
Sources = dict[str, str]


def _solution(task: Task) -> Sources:
    return {
        step.arguments["file_path"]: step.arguments["content"] for step in task.solution if step.tool == "write_file"
    }


def _edited(sources: Sources, path: str, old: str, new: str) -> Sources:
    assert old in sources[path], "the edit does nothing"
    return {**sources, path: sources[path].replace(old, new)}


# ---------------------------------------------------------------------------- level 4

REPORT_BY_ANALYSIS = """
import ast
from pathlib import Path

tree = ast.parse((Path(__file__).parent / "stock.py").read_text())
_classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
_methods = {node.name: [m for m in node.body if isinstance(m, ast.FunctionDef)] for node in _classes}
_functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
CLASSES = {name: [m.name for m in methods] for name, methods in _methods.items()}
FUNCTIONS = [node.name for node in _functions]
UNDOCUMENTED = [node.name for node in _functions + _classes if not ast.get_docstring(node)]
UNDOCUMENTED += [f"{name}.{m.name}" for name, ms in _methods.items() for m in ms
                 if m.name != "__init__" and not ast.get_docstring(m)]


def summary() -> str:
    return "%d classes, %d methods, %d functions" % (
        len(CLASSES), sum(map(len, CLASSES.values())), len(FUNCTIONS))
"""
REMOVE = """\
        item = self.find(name)
        if item is None:
            raise KeyError(name)
        self.items.remove(item)
        return item
"""
OTHER_REMOVE = """\
        for place, item in enumerate(self.items):
            if item.name == name:
                return self.items.pop(place)
        raise KeyError('no ' + name)
"""
WORTH = """\
    return [item.name for item in shelf.items if item.value() > limit]
"""
OTHER_WORTH = """\
    return list(_names(shelf, limit))


def _names(shelf, limit):
    'A helper that nobody asked for.'
    for item in shelf.items:
        if limit < item.value():
            yield item.name
"""


@pytest.fixture
def stock(task: Read) -> Sources:
    return _solution(task("basic/level-4-analyse"))


@pytest.mark.needs("bwrap")
async def test_another_right_analysis(task: Read, stock: Sources, leave: Leave, measure: Measure) -> None:
    for old, new in [(REMOVE, OTHER_REMOVE), (WORTH, OTHER_WORTH)]:
        stock = _edited(stock, "stock_plus.py", old, new)
    stock["report.py"] = REPORT_BY_ANALYSIS
    assert await measure(await leave(task("basic/level-4-analyse"), stock, sandboxed=True)) == 1.0


@pytest.mark.needs("bwrap")
async def test_another_right_copy(task: Read, stock: Sources, leave: Leave, measure: Measure) -> None:
    sources = _edited(stock, "report.py", '"by_letter", "to_order"]', '"to_order", "by_letter"]')
    sources = _edited(sources, "stock_plus.py", "if price < 0 or count < 0:", "if min(price, count) < 0:")
    assert await measure(await leave(task("basic/level-4-analyse"), sources, sandboxed=True)) == 1.0


@pytest.mark.needs("bwrap")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("report.py", '"load", "by_letter"', '"by_letter", "load"'),
        ("report.py", '"Item.value", ', '"Item.value", "Item.__init__", '),
        ("report.py", '"__init__", "add"', '"add"'),
        ("report.py", "{methods} methods", "{methods - 2} methods"),
        ("stock_plus.py", "price < 0 or count < 0", "price <= 0 or count < 0"),
        ("stock_plus.py", "price < 0 or count < 0", "price < 0"),
        ("stock_plus.py", "raise KeyError(name)", "return None"),
        ("stock_plus.py", "item.value() > limit", "item.value() >= limit"),
        ("stock_plus.py", "if item.name == name", "if item.name.lower() == name.lower()"),
        ("stock_plus.py", "self.count < LOW", "self.count <= LOW"),
        ("stock_plus.py", "        self.items.remove(item)\n", ""),
    ],
)
async def test_nearly_the_analysis(  # noqa: PLR0917 - the table's columns and the fixtures
    path: str, old: str, new: str, task: Read, stock: Sources, leave: Leave, measure: Measure
) -> None:
    context = await leave(task("basic/level-4-analyse"), _edited(stock, path, old, new), sandboxed=True)
    assert 0.0 < await measure(context, only="command") < 1.0


@pytest.mark.parametrize(
    ("old", "new", "score"),
    [
        ('        """What all pieces of this item are worth together."""\n', "", 13 / 14),
        ('    """Items in the order in which they were added."""\n\n', "", 13 / 14),
        ('"""Put an item at the end of the shelf."""', '"""  """', 13 / 14),
        ("import csv\n", "import csv\nimport stock\n", 0.0),
        ("import csv\n", "import csv\nfrom stock import LOW as SAME\n", 0.0),
        ("import csv\n", "import csv\nfrom . import stock\n", 0.0),
        ("import csv\n", 'import csv\n\nstock = __import__("stock")\n', 0.0),
        ("LOW = 5\n", "import importlib\nLOW = importlib.import_module('stock').LOW\n", 0.0),
        ("LOW = 5\n", "exec(Path(__file__).with_name('stock.py').read_text())\n", 0.0),
        ("def cheapest(", "def the_cheapest(", 0.0),
        ("class Item:", "class Item", 0.0),
    ],
)
async def test_a_copy_without_its_docstrings(  # noqa: PLR0917 - the table's columns and the fixtures
    old: str, new: str, score: float, task: Read, stock: Sources, leave: Leave, measure: Measure
) -> None:
    context = await leave(task("basic/level-4-analyse"), _edited(stock, "stock_plus.py", old, new))
    assert await measure(context, only="python") == pytest.approx(score)


async def test_a_copy_may_speak_of_the_stock(task: Read, stock: Sources, leave: Leave, measure: Measure) -> None:
    sources = _edited(stock, "stock_plus.py", '"""Put an item at the end of the shelf."""', '"""stock.py"""')
    sources = _edited(sources, "stock_plus.py", "raise KeyError(name)", 'raise KeyError(name, "stock")')
    assert await measure(await leave(task("basic/level-4-analyse"), sources), only="python") == 1.0


async def test_a_changed_module_counts(task: Read, stock: Sources, leave: Leave, measure: Measure) -> None:
    context = await leave(task("basic/level-4-analyse"), {**stock, "stock.py": stock["stock_plus.py"]})
    assert await measure(context, only="python") == 0.0


# ---------------------------------------------------------------------------- level 5

ENTRY_AS_TUPLE = """
from collections import namedtuple

Entry = namedtuple("Entry", "date account cents")
"""
PARSING_BY_DECIMAL = """
import re
from datetime import datetime
from decimal import Decimal

from .entry import Entry

LINE = re.compile(r"[ \\t]*([0-9]{4}-[0-9]{2}-[0-9]{2})[ \\t]+(\\S+)[ \\t]+(-?[0-9]+(?:[.][0-9]{1,2})?)[ \\t]*\\n?")


def parse_line(line: str) -> Entry:
    found = LINE.fullmatch(line)
    if not found:
        raise ValueError("cannot read this: " + line)
    day, account, amount = found.groups()
    datetime.strptime(day, "%Y-%m-%d")
    return Entry(date=day, account=account, cents=int(Decimal(amount) * 100))


def parse(text: str) -> list[Entry]:
    found = []
    for index, line in enumerate(text.split("\\n")):
        if line.strip() and line.lstrip()[0] != "#":
            try:
                found.append(parse_line(line))
            except ValueError as error:
                raise ValueError("{} (line {})".format(error, index + 1)) from error
    return found
"""
ROUNDED = (
    "tally/parsing.py",
    'int(whole) * 100 + int((part or "").ljust(2, "0"))',
    "int(float(amount.lstrip('-')) * 100)",
)
NEARLY = [
    ROUNDED,
    (
        "tally/parsing.py",
        "day, account, amount = found.groups()",
        "day, account, amount = found.groups()\n    return _x",
    ),
    ("tally/parsing.py", 'ljust(2, "0")', 'rjust(2, "0")'),
    ("tally/parsing.py", "    date.fromisoformat(day)\n", ""),
    ("tally/parsing.py", "number, line in enumerate(text.split", "number, line in enumerate(text.strip().split"),
    ("tally/parsing.py", '(\\S+)[ \\t]*")', '(\\S+)(?:[ \\t].*)?")'),
    ("tally/parsing.py", "_LINE.fullmatch(line)", "_LINE.fullmatch(' '.join(line.split()))"),
    ("tally/parsing.py", "_LINE.fullmatch(line)", "_LINE.fullmatch(line.strip())"),
    ("tally/parsing.py", 'text.split("\\n")', "text.splitlines()"),
    ("tally/parsing.py", "cents=-cents if sign", "cents=-cents if int(whole) and sign"),
    ("tally/entry.py", "frozen=True", "frozen=False"),
    ("tally/summary.py", "sorted(totals(entries).items())", "totals(entries).items()"),
    ("tally/summary.py", "{abs(cents) % 100:02d}", "{abs(cents) % 100}"),
    ("tally/__init__.py", ', "render", "totals"]', ', "totals"]'),
    ("tally/parsing.py", '(?:\\.(\\d{1,2}))?", re.ASCII)', '(?:\\.(\\d{1,2}))?")'),
    ("tally/parsing.py", "    if not _DATE.fullmatch(day):", "    if len(day) != 10:"),
    (
        "tally/parsing.py",
        "    match = _AMOUNT.fullmatch(amount)",
        '    match = _AMOUNT.fullmatch(amount.replace("_", "").removeprefix("+"))',
    ),
    ("tally/entry.py", "    cents: int\n", "    cents: int\n\n    def __eq__(self, other):\n        return True\n"),
    ("tally/summary.py", '"-" if cents < 0', '"-" if cents <= -100'),
    ("tally/summary.py", 'return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"', 'return f"{cents / 100:.2f}"'),
    ("tally/__main__.py", "        entries = parse(", "        print('reading')\n        entries = parse("),
    ("tally/__main__.py", "        return 2\n", "        return 1\n"),
    ("tally/__main__.py", "print(error, file=sys.stderr)", "print(error)"),
    ("tally/__main__.py", "        print(error, file=sys.stderr)\n", "        raise\n"),
]


@pytest.fixture
def tally(task: Read) -> Sources:
    return _solution(task("basic/level-5-package"))


@pytest.mark.needs("bwrap")
@pytest.mark.parametrize(
    "other",
    [
        {"tally/entry.py": ENTRY_AS_TUPLE, "tally/parsing.py": PARSING_BY_DECIMAL},
        {
            "tally/extra.py": "ANSWER = 42\n",
            "tests/test_mine.py": "def test_mine():\n    assert 0\n",
            "conftest.py": "1 / 0\n",
        },
    ],
    ids=["written otherwise", "with more files"],
)
async def test_another_right_package(
    other: Sources, task: Read, tally: Sources, leave: Leave, measure: Measure
) -> None:
    assert await measure(await leave(task("basic/level-5-package"), {**tally, **other}, sandboxed=True)) == 1.0


@pytest.mark.needs("bwrap")
@pytest.mark.slow
@pytest.mark.parametrize(("path", "old", "new"), NEARLY)
async def test_nearly_the_package(  # noqa: PLR0917 - the table's columns and the fixtures
    path: str, old: str, new: str, task: Read, tally: Sources, leave: Leave, measure: Measure
) -> None:
    context = await leave(task("basic/level-5-package"), _edited(tally, path, old, new), sandboxed=True)
    assert 0.0 < await measure(context, only="command") < 1.0


@pytest.mark.needs("bwrap")
@pytest.mark.parametrize("line", ["import os; os._exit(0)", "import sys; sys.exit(0)"])
async def test_leaving_early_passes_nothing(
    line: str, task: Read, tally: Sources, leave: Leave, measure: Measure
) -> None:
    sources = {**tally, "tally/__init__.py": f"{line}\n"}
    assert await measure(await leave(task("basic/level-5-package"), sources, sandboxed=True), only="command") == 0.0


@pytest.mark.needs("bwrap")
async def test_own_tests_in_the_place_of_the_stated_ones(task: Read, leave: Leave, measure: Measure) -> None:
    files = {"tests/test_stated.py": "def test_all_is_well():\n    assert True\n"}
    assert await measure(await leave(task("basic/level-5-package"), files, sandboxed=True)) == 0.0


async def test_missing_and_broken_files_of_the_package(
    task: Read, tally: Sources, leave: Leave, measure: Measure
) -> None:
    sources = {**tally, "tally/summary.py": "def totals(entries:\n"}
    del sources["tally/__main__.py"]
    assert await measure(await leave(task("basic/level-5-package"), sources), only="python") == pytest.approx(3 / 5)


async def test_changed_stated_tests_count(task: Read, tally: Sources, leave: Leave, measure: Measure) -> None:
    changed = {**tally, "tests/test_stated.py": "def test_all_is_well():\n    assert True\n"}
    assert await measure(await leave(task("basic/level-5-package"), changed), only="python") == 0.0


def test_the_stated_tests_are_among_the_hidden_ones(suites: Path) -> None:
    folder = suites / "basic/level-5-package"
    assert (folder / "workspace/tests/test_stated.py").read_bytes() == (folder / "tests/test_stated.py").read_bytes()
