"""Makes the pytest runs of one command report to us and obey nobody else, and gathers what they reported."""

from __future__ import annotations

import posixpath
import secrets
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from flatfield.errors import FlatfieldError
from flatfield.scoring.verifying import pytest_report
from flatfield.scoring.verifying.pytest_report import LIMIT_BYTES, Cases, Key, counted, read_report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flatfield.agent.files.confined import ConfinedFiles

CONFIGURATION = frozenset({"pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"})
COLLECTED = {
    "addopts": "",
    "testpaths": "",
    "python_files": "test_*.py *_test.py",
    "python_classes": "Test",
    "python_functions": "test",
}
"""pytest's own values for what decides which cases are run."""
PLUGIN = Path(pytest_report.__file__).with_name("pytest_plugin.py")
MODULE = "case_watch"
MOST_RUNS = 100


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What all runs of a command came to. `runs`: how many began; `late`: cases that were over their time.

    `broken`: the cases, or "" for the reading of the tests, that a run was at when its process died.
    """

    cases: Cases
    runs: int
    late: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PytestRun:
    """One command's runs of pytest: `hidden` are the files that were placed for it, `target` is where.

    Reports go into a folder of a random name, made after the agent has ended: none that an agent wrote is read.
    """

    hidden: Mapping[str, Path]
    target: str
    case_seconds: float
    folder: str = field(default_factory=lambda: f".report-{secrets.token_hex(8)}")

    def place(self, files: ConfinedFiles) -> None:
        """Put the plugin into the workspace.

        Raises:
            OSError: it cannot be written.
        """
        files.write_bytes(f"{self.folder}/{MODULE}.py", PLUGIN.read_bytes())

    def command(self, run: str) -> str:
        """The shell text: the author's command, after what makes pytest report to us and obey nobody else."""
        here = []
        options = ["-p", MODULE, "-o", "junit_family=xunit1", "--continue-on-collection-errors"]
        lines = [
            f'export PYTHONPATH="$PWD/{self.folder}${{PYTHONPATH:+:$PYTHONPATH}}"',
            f"export PYTEST_CASE_SECONDS={self.case_seconds:g}",
        ]
        if self.hidden:
            here.append("--rootdir='$PWD'")
            if brings(self.hidden, {"conftest.py"}):
                here.append(f"--confcutdir='$PWD/{self.target}'")
            else:
                options.append("--noconftest")
            if not brings(self.hidden, CONFIGURATION):
                options += [part for name, value in COLLECTED.items() for part in ("-o", f"{name}={value}")]
            lines.append("export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONNOUSERSITE=1")
        lines.append(f'export PYTEST_ADDOPTS="{" ".join(here)} "{shlex.quote(shlex.join(options))}')
        return "\n".join([*lines, run])

    def gather(self, files: ConfinedFiles) -> Reported:
        """Read what the runs left, whoever else wrote into it, and take the folder away."""
        try:
            names = sorted(posixpath.basename(entry.path) for entry in files.entries(self.folder))[: 2 * MOST_RUNS]
            found = _gathered({name: _read(files, f"{self.folder}/{name}") for name in names}, tuple(self.hidden))
            files.remove(self.folder)
        except (OSError, FlatfieldError):  # the tests took it away, or made it something else: they reported nothing
            return Reported(cases=counted({}), runs=0)
        return found


def brings(hidden: Mapping[str, Path], names: frozenset[str] | set[str]) -> bool:
    """Whether a file of one of these names is among the hidden ones."""
    return any(posixpath.basename(path) in names for path in hidden)


def _read(files: ConfinedFiles, path: str) -> bytes:
    try:
        return files.read_bytes(path, limit_bytes=LIMIT_BYTES)
    except (OSError, FlatfieldError, ValueError):
        return b""


def _gathered(data: Mapping[str, bytes], hidden: tuple[str, ...]) -> Reported:
    """A run that wrote no report that can be read died: then its log says what had passed, and the rest has not."""
    outcomes: dict[Key, bool] = {}
    late: dict[str, None] = {}
    broken: list[str] = []
    runs = [name.removesuffix(".jsonl") for name in data if name.endswith(".jsonl")]
    for run in runs:
        log = _Log(data[f"{run}.jsonl"])
        late |= dict.fromkeys(log.late)
        try:
            found = read_report(data.get(f"{run}.xml", b""))
        except ValueError:
            found = log.outcomes
            broken.append(log.begun)
        for key, passed in found.items():
            outcomes[key] = outcomes.get(key, True) and passed
    return Reported(cases=counted(outcomes, hidden), runs=len(runs), late=tuple(late), broken=tuple(broken))


class _Log:
    """What a run's log says; lines that are none of ours are passed over."""

    def __init__(self, data: bytes) -> None:
        self.late: list[str] = []
        self.begun = ""
        self.outcomes: dict[Key, bool] = {}
        files: dict[str, str] = {}
        for line in _lines(data):
            match line:
                case {"cases": [*pairs]}:
                    files |= {str(pair[1]): str(pair[0]) for pair in pairs if isinstance(pair, list) and len(pair) == 2}
                    self.outcomes |= {_key(files[name], name): False for name in files}
                case {"late": str(name)}:
                    self.late.append(name)
                case {"begun": str(name)}:
                    self.begun = name
                case {"ended": str(name), "passed": True}:
                    self.outcomes[_key(files.get(name, ""), name)] = True
                case {"ended": str(name), "passed": None}:
                    self.outcomes.pop(_key(files.get(name, ""), name), None)
                case _:
                    continue


def _key(file: str, nodeid: str) -> Key:
    return (file, "", nodeid.partition("::")[2] or nodeid)


def _lines(data: bytes) -> Iterator[Any]:
    for line in data.splitlines():
        try:
            yield msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError):
            continue
