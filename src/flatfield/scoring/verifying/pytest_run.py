"""Makes the pytest runs of one command report to us and obey nobody else, and gathers what they reported."""

from __future__ import annotations

import posixpath
import re
import secrets
import shlex
from dataclasses import dataclass, field
from hashlib import blake2b
from hmac import compare_digest
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import msgspec

from flatfield.errors import FlatfieldError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from flatfield.agent.files.confined import ConfinedFiles


# Tells whether a command runs pytest, and reads how each of its cases ended from its XML report.


CaseKey = tuple[str, str, str]
"""A case: file, class, name."""
LIMIT_BYTES = 16 * 1024**2
"""A report of 50,000 cases is smaller; what is larger was made large on purpose."""
MOST_RUNS = 100
_PYTHON = re.compile(r"python[0-9.]*$")
_PYTEST = re.compile(r"(pytest|py\.test)(-[0-9.]+)?$")
_ALL_SKIPPED = re.compile(r"^pytestmark\s*=.*\bmark\.skip\b", re.MULTILINE)
_DEFINITIONS = re.compile(
    r"""^(?P<indent>[ \t]*)
    (?: (?P<mark>@(?: (?:pytest\.)?mark\.(?: skip\b | skipif\(True\b) | (?:unittest\.)?skip\( ))
      | (?:async[ \t]+)?(?P<what>def|class)[ \t]+(?P<name>\w+) )""",
    re.MULTILINE | re.VERBOSE,
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_AGAIN = frozenset({"for", "while", "until", "{"})
_WORDS_BEFORE = frozenset({"exec", "env", "time", "nice", "command", "if", "then", "else", "do", "!", "{"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Cases:
    """How a run's test cases ended: how many `passed`, and the names of those that `failed`.

    `others_failed`: some failed that do not count.
    """

    passed: int
    failed: tuple[str, ...]
    others_failed: bool = False

    @property
    def total(self) -> int:
        """The number of all cases that count."""
        return self.passed + len(self.failed)


def runs_pytest(command: str) -> bool:
    """Whether one of a shell command's simple commands is pytest (or `python -m pytest`)."""
    return any(_is_pytest(words) for words in _simple_commands(_tokens(command)))


def pytest_runs(command: str) -> int:
    """How often a shell command runs pytest at most; MOST_RUNS when it has a loop or a function."""
    commands = list(_simple_commands(_tokens(command)))
    if any(words and words[0] in _AGAIN for words in commands):
        return MOST_RUNS
    return min(sum(map(_is_pytest, commands)), MOST_RUNS)


def programs(command: str) -> tuple[str, ...]:
    """What a shell command's simple commands start, in their order."""
    found = (_without_prefix(words) for words in _simple_commands(_tokens(command)))
    return tuple(words[0] for words in found if words)


def _tokens(command: str) -> list[str]:
    lexer = shlex.shlex(command.replace("\n", ";"), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # unbalanced quotes: the shell will say so
        return []


def _simple_commands(tokens: list[str]) -> Iterator[list[str]]:
    words: list[str] = []
    for token in tokens:
        if token.strip("();<>|&"):
            words.append(token)
        else:
            yield words
            words = []
    yield words


def _without_prefix(words: list[str]) -> list[str]:
    while words and (words[0] in _WORDS_BEFORE or _ASSIGNMENT.match(words[0])):
        words = words[1:]
    if words and words[0] == "timeout":
        words = words[2:]
    return words


def _is_pytest(words: list[str]) -> bool:
    words = _without_prefix(words)
    if not words:
        return False
    program = words[0].rsplit("/", 1)[-1]
    as_module = any(pair == ("-m", "pytest") for pair in pairwise(words))
    return bool(_PYTEST.match(program) or (_PYTHON.match(program) and as_module))


def read_report(data: bytes) -> dict[CaseKey, bool]:
    """Whether each case of a report in the format `xunit1` has passed.

    A case that failed, could not be set up or torn down, was skipped, or could not be collected has not passed. An
    expected failure (`xfail`) that failed is left out: it is neither. A case has one name, however often it is listed.
    No tree is built, so that a report made large on purpose costs little.

    Args:
        data: the XML; it may have been written by anybody.

    Raises:
        ValueError: it is no such report.
    """
    reader = _Reader()
    try:
        # As text, because of bytes an encoding can be declared in which the check for entities would see none.
        text = data.decode()
        if "\0" in text or "<!" in text.replace("<![CDATA[", ""):
            raise ValueError("the report declares entities, or is not UTF-8")
        parser = ET.XMLParser(target=reader)  # noqa: S314 - entities were refused
        parser.feed(text)
        parser.close()
    except UnicodeDecodeError as error:
        raise ValueError(f"the report is not UTF-8: {error}") from error
    except ET.ParseError as error:
        raise ValueError(f"the report is not XML: {error}") from error
    return reader.outcomes


class _Reader:
    """Takes the report's elements as they come."""

    def __init__(self) -> None:
        self.outcomes: dict[CaseKey, bool] = {}
        self._key: CaseKey | None = None
        self._passed: bool | None = True

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if tag == "testcase":
            self._key = (attributes.get("file", ""), attributes.get("classname", ""), attributes.get("name", ""))
            self._passed = True
        elif tag == "skipped" and attributes.get("type") == "pytest.xfail":
            self._passed = None if self._passed else self._passed
        elif tag in {"skipped", "failure", "error"}:
            self._passed = False

    def end(self, tag: str) -> None:
        """An element ends."""
        if tag == "testcase" and self._key is not None:
            if self._passed is not None:
                self.outcomes[self._key] = self.outcomes.get(self._key, True) and self._passed
            self._key = None

    def data(self, text: str) -> None:
        """Text between elements says nothing about outcomes."""

    def close(self) -> None:
        """The report is over."""


def counted(outcomes: Mapping[CaseKey, bool], only: Mapping[str, Collection[str]] | None = None) -> Cases:
    """The cases that count: all, or those in the files `only`, relative to pytest's root.

    `only` has for each file the functions that its author skips: their cases are nobody's to pass.
    """
    skips = only or {}
    outcomes = {
        key: passed for key, passed in outcomes.items() if passed or _function(key) not in skips.get(key[0], ())
    }
    chosen = {key: passed for key, passed in outcomes.items() if not only or key[0] in only}
    failed = tuple(key[2] for key, passed in chosen.items() if not passed)
    others_failed = any(not passed for key, passed in outcomes.items() if key not in chosen)
    return Cases(passed=len(chosen) - len(failed), failed=failed, others_failed=others_failed)


def _function(key: CaseKey) -> str:
    """The test function of a case, without its class and its parameters."""
    return key[2].partition("[")[0].rpartition("::")[2]


def skipped_by_author(source: str) -> frozenset[str]:
    """The test functions that a test file skips in any case: each itself, by its class, or all in the file.

    It is read and not run, line by line: Python 3.11 cannot parse in several threads at a time. A name that is also a
    function without the mark is not among them.
    """
    marks: dict[str, bool] = {}
    all_of_it = _ALL_SKIPPED.search(source) is not None
    marked: set[int] = set()  # the columns at which a mark waits for what it stands above
    classes: dict[int, bool] = {}  # the columns of the classes that a line stands in: whether they are skipped
    for line in _DEFINITIONS.finditer(source):
        column = len(line["indent"])
        if line["mark"]:
            marked.add(column)
            continue
        classes = {at: skipped for at, skipped in classes.items() if at < column}
        skipped = all_of_it or column in marked or any(classes.values())
        marked.discard(column)
        if line["what"] == "class":
            classes[column] = skipped
        else:
            marks[line["name"]] = marks.get(line["name"], True) and skipped
    return frozenset(name for name, skipped in marks.items() if skipped)


CONFIGURATION = frozenset(
    {"pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"}
)
OBEYED = {
    "addopts": "",
    "filterwarnings": "",
    "usefixtures": "",
    "testpaths": "",
    "python_files": "test_*.py *_test.py",
    "python_classes": "Test",
    "python_functions": "test",
}
"""pytest's own values for what decides which cases are run, and for what would import a module."""
MODULE = "case_watch"
PLACED = {f"{MODULE}.py": "pytest_plugin.py", "sitecustomize.py": "pytest_start.py"}
"""What is put into the reports' folder, and the files beside this one that it is."""
CODE_BYTES = 16


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What all runs of a command came to. `runs`: how many began; `late`: cases that were over their time.

    `broken`: the cases, or "" for the reading of the tests, that a run was at when its process died. `named`: whether
    each case passed, by the name that pytest has for it (`tests/test_a.py::test_b[1]`); expected failures left out.
    """

    cases: Cases
    runs: int
    named: dict[str, bool] = {}
    late: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PytestRun:
    """One command's runs of pytest: `hidden` are the files that were placed for it, `target` is where.

    Reports go into a folder of a random name, made after the agent has ended: none that an agent wrote is read. Each
    run has a key, which it takes away before it imports anything of the workspace's, and vouches with it for what it
    reports: what anything else writes there, programs that the tests start included, is passed over.
    """

    run: str
    hidden: Mapping[str, Path]
    target: str
    case_seconds: float
    folder: str = field(default_factory=lambda: f".report-{secrets.token_hex(8)}")
    keys: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        """As many keys as runs."""
        keys = tuple(secrets.token_hex(32).encode() for _ in range(pytest_runs(self.run)))
        object.__setattr__(self, "keys", keys)

    def place(self, files: ConfinedFiles) -> None:
        """Put the plugin, what starts it, and the keys into the workspace.

        Raises:
            OSError: they cannot be written.
        """
        for name, source in PLACED.items():
            files.write_bytes(f"{self.folder}/{name}", Path(__file__).with_name(source).read_bytes())
        for number, key in enumerate(self.keys):
            files.write_bytes(f"{self.folder}/key-{number:02}", key)

    def command(self) -> str:
        """The shell text: the author's command, after what makes pytest report to us and obey nobody else."""
        here = []
        options = ["-p", MODULE, "-o", "junit_family=xunit1", "--continue-on-collection-errors"]
        lines = [
            f'export PYTHONPATH="$PWD/{self.folder}${{PYTHONPATH:+:$PYTHONPATH}}"',
            f"export PYTEST_CASE_SECONDS={self.case_seconds:g} PYTHONNOUSERSITE=1",
        ]
        if self.hidden:
            here.append("--rootdir='$PWD'")
            if brings(self.hidden, {"conftest.py"}):
                here.append(f"--confcutdir='$PWD/{self.target}'")
            else:
                options.append("--noconftest")
            if not brings(self.hidden, CONFIGURATION):
                options += [part for name, value in OBEYED.items() for part in ("-o", f"{name}={value}")]
            lines.append("export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1")
        lines.append(f'export PYTEST_ADDOPTS="{" ".join(here)} "{shlex.quote(shlex.join(options))}')
        return "\n".join([*lines, self.run])

    def gather(self, files: ConfinedFiles) -> Reported:
        """Read what the runs left, whoever else wrote into it, and take the folder away."""
        try:
            runs = [
                _Log(key, _read(files, f"{self.folder}/run-{number:02}.jsonl")) for number, key in enumerate(self.keys)
            ]
            files.remove(self.folder)
        except (OSError, FlatfieldError):  # the tests took it away, or made it something else: they reported nothing
            return Reported(cases=counted({}), runs=0)
        return _gathered([run for run in runs if run.began], {path: _skips(file) for path, file in self.hidden.items()})


def brings(hidden: Mapping[str, Path], names: frozenset[str] | set[str]) -> bool:
    """Whether a file of one of these names is among the hidden ones."""
    return any(posixpath.basename(path) in names for path in hidden)


def _skips(file: Path) -> frozenset[str]:
    return skipped_by_author(file.read_text(errors="replace")) if file.suffix == ".py" else frozenset()


def _read(files: ConfinedFiles, path: str) -> bytes:
    try:
        return files.read_bytes(path, limit_bytes=2 * LIMIT_BYTES)
    except (OSError, FlatfieldError, ValueError):
        return b""


def _gathered(runs: Sequence[_Log], hidden: Mapping[str, Collection[str]]) -> Reported:
    outcomes: dict[CaseKey, bool] = {}
    named: dict[str, bool] = {}
    late: dict[str, None] = {}
    broken: list[str] = []
    for run in runs:
        late |= dict.fromkeys(run.late)
        named |= {name: passed and named.get(name, True) for name, passed in run.named.items()}
        found = run.report()
        if found is None:
            found = run.outcomes
            broken.append(run.begun)
        for key, passed in found.items():
            outcomes[key] = outcomes.get(key, True) and passed
    cases = counted(outcomes, hidden)
    return Reported(cases=cases, runs=len(runs), named=named, late=tuple(late), broken=tuple(broken))


class _Log:
    """What one run's log says, as far as it vouched for it with its key."""

    def __init__(self, key: bytes, log: bytes) -> None:
        self.began = False
        self.late: list[str] = []
        self.begun = ""
        self.outcomes: dict[CaseKey, bool] = {}
        self.named: dict[str, bool] = {}
        self._xml = ""
        files: dict[str, str] = {}
        for line in _vouched(log, key):
            self.began = True
            match line:
                case {"cases": [*pairs]}:
                    files |= {str(pair[1]): str(pair[0]) for pair in pairs if isinstance(pair, list) and len(pair) == 2}
                    self.outcomes |= {_key(files[name], name): False for name in files}
                    self.named |= dict.fromkeys(files, False)
                case {"late": str(name)}:
                    self.late.append(name)
                case {"begun": str(name)}:
                    self.begun = name
                case {"ended": str(name), "passed": True}:
                    self.outcomes[_key(files.get(name, ""), name)] = True
                    self.named[name] = True
                case {"report": str(text)}:
                    self._xml = text
                case {"ended": str(name), "passed": None}:
                    self.outcomes.pop(_key(files.get(name, ""), name), None)
                    self.named.pop(name, None)
                case _:
                    continue

    def report(self) -> dict[CaseKey, bool] | None:
        """Its XML report; None when it died before it wrote one, and then what had not ended has not passed."""
        try:
            return read_report(self._xml.encode())
        except ValueError:
            return None


def _key(file: str, nodeid: str) -> CaseKey:
    return (file, "", nodeid.partition("::")[2] or nodeid)


def _vouched(log: bytes, key: bytes) -> Iterator[Any]:
    """The lines of a log that begin with the code that this key makes of them; the others are none of ours."""
    for line in log.splitlines():
        code, _, text = line.partition(b" ")
        if compare_digest(code, blake2b(text, key=key, digest_size=CODE_BYTES).hexdigest().encode()):
            yield msgspec.json.decode(text)
