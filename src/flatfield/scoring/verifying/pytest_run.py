"""Makes the pytest runs of one command report to us and obey nobody else, and gathers what they reported."""

from __future__ import annotations

import posixpath
import secrets
import shlex
from dataclasses import dataclass, field
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from flatfield.errors import FlatfieldError
from flatfield.scoring.verifying import pytest_report
from flatfield.scoring.verifying.pytest_report import (
    LIMIT_BYTES,
    Cases,
    Key,
    counted,
    pytest_runs,
    read_report,
    skipped_by_author,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from flatfield.agent.files.confined import ConfinedFiles

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

    `broken`: the cases, or "" for the reading of the tests, that a run was at when its process died.
    """

    cases: Cases
    runs: int
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
            files.write_bytes(f"{self.folder}/{name}", Path(pytest_report.__file__).with_name(source).read_bytes())
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
                _Run(key, _read(files, f"{self.folder}/run-{number:02}.jsonl")) for number, key in enumerate(self.keys)
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


def _gathered(runs: Sequence[_Run], hidden: Mapping[str, Collection[str]]) -> Reported:
    outcomes: dict[Key, bool] = {}
    late: dict[str, None] = {}
    broken: list[str] = []
    for run in runs:
        late |= dict.fromkeys(run.late)
        found = run.report()
        if found is None:
            found = run.outcomes
            broken.append(run.begun)
        for key, passed in found.items():
            outcomes[key] = outcomes.get(key, True) and passed
    return Reported(cases=counted(outcomes, hidden), runs=len(runs), late=tuple(late), broken=tuple(broken))


class _Run:
    """What one run's log says, as far as it vouched for it with its key."""

    def __init__(self, key: bytes, log: bytes) -> None:
        self.began = False
        self.late: list[str] = []
        self.begun = ""
        self.outcomes: dict[Key, bool] = {}
        self._xml = ""
        files: dict[str, str] = {}
        for line in _vouched(log, key):
            self.began = True
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
                case {"report": str(text)}:
                    self._xml = text
                case {"ended": str(name), "passed": None}:
                    self.outcomes.pop(_key(files.get(name, ""), name), None)
                case _:
                    continue

    def report(self) -> dict[Key, bool] | None:
        """Its XML report; None when it died before it wrote one, and then what had not ended has not passed."""
        try:
            return read_report(self._xml.encode())
        except ValueError:
            return None


def _key(file: str, nodeid: str) -> Key:
    return (file, "", nodeid.partition("::")[2] or nodeid)


def _vouched(log: bytes, key: bytes) -> Iterator[Any]:
    """The lines of a log that begin with the code that this key makes of them; the others are none of ours."""
    for line in log.splitlines():
        code, _, text = line.partition(b" ")
        if compare_digest(code, blake2b(text, key=key, digest_size=CODE_BYTES).hexdigest().encode()):
            yield msgspec.json.decode(text)
