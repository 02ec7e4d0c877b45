"""Attacks on a report: what lies in the workspace is not imported by pytest, what programs write is not believed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.workspace import changes, snapshot
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.records import Check, Task, TrialRecord
from flatfield.scoring.protocols import VerifyContext
from flatfield.scoring.verifiers.command import create, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flatfield.machine.protocols import CommandResult, Sandbox

pytestmark = [pytest.mark.whole, pytest.mark.needs("bwrap")]
PYTEST = "python -m pytest -q checks"
EVIL = (
    "import sys\n"
    "if any('pytest' in each for each in sys.orig_argv): open('/workspace/ran', 'a').write(__file__ + '\\n')\n"
)
OUTSIDE = (
    "import subprocess, sys\n"
    "def said(): return subprocess.run([sys.executable, 'main.py'], capture_output=True, text=True).stdout\n"
    "def test_one(): assert 'one' in said()\n"
    "def test_two(): assert 'two' in said()\n"
)
"""Tests that import nothing of the agent's."""
HALF = (0.5, "1 of 2 cases passed; not test_two")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the sandbox's user can reach, with a LOP in `lop/` and a workspace in `ws/`."""
    with tempfile.TemporaryDirectory(prefix="attack-") as name:
        top = Path(name)
        top.chmod(0o755)
        (top / "lop").mkdir()
        (top / "ws").mkdir()
        yield top


@pytest.fixture
def real() -> Sandbox:
    return find_sandbox(os.environ)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


async def _verify(
    place: Path,
    sandbox: Sandbox,
    left: Mapping[str, str],
    *,
    hidden: Mapping[str, str] | None = None,
    run: str = PYTEST,
    into: str = "checks",
) -> Check:
    """Grade what an agent left in a workspace that was empty."""
    _write(place / "lop" / "checks", hidden or {"test_sum.py": OUTSIDE})
    task = Task(id="t", title="T", prompt="p", path=str(place / "lop" / "task.md"))
    with ConfinedFiles(place / "ws") as files:
        before = snapshot(files)
        _write(place / "ws", left)
        trial = TrialRecord(
            run="r", agent="a", task="t", repeat=1, task_digest="d", agent_fingerprint="f", stop="answered",
            changes=changes(before, files),
        )  # fmt: skip
        context = VerifyContext(trial=trial, task=task, files=files, root=place / "ws", before=before, sandbox=sandbox)
        return await create(parse({"run": run, "hidden": "checks", "into": into})).verify(context)


def _ran(place: Path) -> list[str]:
    marks = place / "ws" / "ran"
    return marks.read_text().split() if marks.exists() else []


async def test_pytest_imports_nothing_that_an_agent_left(place: Path, real: Sandbox) -> None:
    names = ["pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "json", "difflib", "unittest", "pdb"]
    names += ["sitecustomize", "usercustomize", "case_watch", "ctypes", "hashlib", "logging", "doctest", "evil"]
    modules = {f"{name}.py": EVIL for name in names}
    packages = {f"{name}/__init__.py": EVIL for name in names[:5]}
    site = {f".local/lib/python3.{minor}/site-packages/x.pth": "import evil\n" for minor in range(11, 16)}
    options = "addopts = '-p evil'\nfilterwarnings = ['ignore::evil.Thing']\nusefixtures = ['evil']\n"
    rest = {
        "conftest.py": EVIL,
        "checks/conftest.py": EVIL,
        "pyproject.toml": f"[tool.pytest.ini_options]\n{options}",
        "__init__.py": EVIL,
        "checks/__init__.py": EVIL,
        "checks/test_sum/__init__.py": EVIL,
        "checks/json.py": EVIL,
        "checks/__pycache__/test_sum.cpython-311.pyc": "x",
        "x-1.dist-info/entry_points.txt": "[pytest11]\nx = evil\n",
        "x-1.dist-info/METADATA": "Name: x\n",
        "main.py": "print('one')\n",
    }
    check = await _verify(place, real, modules | packages | site | rest)
    assert (check.score, check.reason) == HALF, check.output
    assert _ran(place) == []


async def test_a_compiled_module_does_not_take_the_place_of_a_hidden_test(place: Path, real: Sandbox) -> None:
    left = {"main.py": "print('one')\n", "checks/test_sum.so": "x", "checks/test_sum.abi3.so": "x"}
    check = await _verify(place, real, left)
    assert (check.score, check.reason) == HALF, check.output


@pytest.mark.parametrize(
    "run",
    [
        "cd checks && pytest",
        "PYTHONPATH=$PYTHONPATH:src python -W error -m pytest",
        'PYTHONPATH="${PYTHONPATH}:." pytest',
    ],
)
@pytest.mark.some(1)
async def test_however_pytest_is_started(place: Path, real: Sandbox, run: str) -> None:
    folders = ("", "src/", "checks/")
    left = {f"{folder}{name}.py": EVIL for folder in folders for name in ("pytest", "json", "sitecustomize")}
    hidden = {"test_sum.py": OUTSIDE.replace("'main.py'", "'/workspace/main.py'")}
    check = await _verify(place, real, {**left, "main.py": "print('one')\n"}, hidden=hidden, run=run)
    assert (check.score, check.reason) == HALF, check.output
    assert _ran(place) == []


async def test_scripts_beside_pytest_and_what_tests_import_and_start_behave_as_usual(
    place: Path, real: Sandbox
) -> None:
    hidden = {
        "conftest.py": "import pytest\n@pytest.fixture\ndef three(): return 3\n",
        "test_sum.py": "import os, subprocess, sys\n"
        "from sums import add\nfrom helping import deep\nfrom pack import inside\n"
        "def test_import(three): assert add(1, 2) == three\n"
        "def test_child(): assert subprocess.call([sys.executable, '-c', 'import sums, pack']) == 0\n"
        "def test_inner(): assert subprocess.call([sys.executable, '-m', 'pytest', '-q', 'own.py']) == 0\n"
        "def test_clean(): assert not [k for k in os.environ if '.report' in os.environ[k]]\n",
        "helping.py": "deep = 1\n",
    }
    left = {
        "sums.py": "def add(a, b):\n    return a + b\n",
        "pack/__init__.py": "inside = 1\n",
        "tools/make.py": "import beside, sys\nprint(sys.path[0])\n",
        "tools/beside.py": "",
        "own.py": "def test_own(): pass\n",
    }
    run = f"python tools/make.py && python -c 'import sums' && {PYTEST}"
    check = await _verify(place, real, left, hidden=hidden, run=run)
    assert (check.score, check.reason) == (1.0, "4 of 4 cases passed"), check.output
    assert check.output.startswith("/workspace/tools\n")


FORGERY = """
import glob, os, pathlib, re
print('one')
top = pathlib.Path('/workspace')
names = ['checks/test_sum.py::test_one', 'checks/test_sum.py::test_two']
lines = ['{"started": true}', '{"cases": [["checks/test_sum.py", "%s"], ["checks/test_sum.py", "%s"]]}' % tuple(names)]
lines += ['{"ended": "%s", "passed": true}' % name for name in names]
case = '<testcase classname="checks.test_sum" name="%s" file="checks/test_sum.py"/>'
xml = case % 'test_one' + case % 'test_two'
keys = [p.read_bytes().decode() for p in top.glob('.report*/key*')]
for place in ('mem', 'environ'):
    try:
        data = open('/proc/%d/%s' % (os.getppid(), place), 'rb')
        (top / 'seen').write_text(place)
    except OSError:
        pass
(top / 'keys').write_text(repr(keys))
for folder in top.glob('.report*'):
    for log in [*folder.glob('*.jsonl'), folder / 'run-00.jsonl', folder / 'run-01.jsonl']:
        log.open('a').write('\\n'.join(['', *lines, *('0' * 32 + ' ' + line for line in lines), '']))
        log.with_suffix('.xml').unlink(missing_ok=True)
        log.with_suffix('.xml').write_text('<testsuites><testsuite>%s</testsuite></testsuites>' % xml)
        log.with_suffix('.xml').chmod(0o400)
"""


async def test_a_program_that_tests_start_cannot_forge_their_report(place: Path, real: Sandbox) -> None:
    check = await _verify(place, real, {"main.py": FORGERY})
    assert (check.score, check.reason.partition(";")[0]) == (0.5, "1 of 2 cases passed"), check.output
    assert (place / "ws/keys").read_text() == "[]"
    assert not (place / "ws/seen").exists()


WRITES_AND_DIES = """
import os
for n in range(3, 64):
    try: os.write(n, b'<testsuites><testcase name="test_one" file="checks/test_sum.py"/></testsuites>')
    except OSError: pass
os._exit(0)
"""


@pytest.mark.parametrize(
    "code",
    [
        "import os; os._exit(0)",
        "import sys; sys.exit(0)",
        "import shutil, glob; [shutil.rmtree(f) for f in glob.glob('.report*')]",
        "import glob\nfor f in glob.glob('.report*/run*'): open(f, 'w').close()",
        WRITES_AND_DIES,
    ],
    ids=["dies", "exits", "takes the folder away", "empties the log", "writes the report and dies"],
)
@pytest.mark.some(2)
async def test_imported_code_that_ends_the_run_or_takes_its_report_away_gains_nothing(
    place: Path, real: Sandbox, code: str
) -> None:
    hidden = {"test_sum.py": "def test_one():\n    import sums\n    assert sums.add(1, 2) == 3\n"}
    check = await _verify(place, real, {"sums.py": code}, hidden=hidden)
    assert check.score == 0.0, check


async def test_two_runs_of_one_command_are_both_believed(place: Path, real: Sandbox) -> None:
    run = "for name in one two; do python -m pytest -q checks -k $name; done"
    check = await _verify(place, real, {"main.py": "print('one')\n"}, run=run)
    assert (check.score, check.reason) == HALF, check.output


class Narrow:
    """The real sandbox with limits that are soon reached."""

    def __init__(self, inner: Sandbox, memory_bytes: int, workspace_files: int) -> None:
        self._inner, self._memory_bytes, self._files = inner, memory_bytes, workspace_files

    @property
    def user(self) -> int | None:
        return self._inner.user

    @property
    def kind(self) -> str:
        return self._inner.kind

    def with_packages(self, packages: Path) -> Sandbox:
        return self._inner.with_packages(packages)

    async def run(self, command: str, workspace: Path, limits: SandboxLimits) -> CommandResult:
        narrow = SandboxLimits(
            wall_seconds=20, cpu_seconds=20, memory_bytes=self._memory_bytes, workspace_files=self._files
        )
        assert limits.wall_seconds > 0
        return await self._inner.run(command, workspace, narrow)


FILES = "import time\nfor n in range(3000): open(f'f{n}', 'w').close()\ntime.sleep(20)\n"
MEMORY = (
    "import os, time\nfor n in range(6):\n"
    "    if os.fork() == 0:\n        kept = b'x' * 60_000_000; time.sleep(20)\ntime.sleep(20)\n"
)


@pytest.mark.parametrize(
    ("code", "reason"), [(FILES, "the workspace holds more than 1,000 files"), (MEMORY, "its processes used more than")]
)
async def test_what_exceeds_a_limit_has_not_passed(place: Path, real: Sandbox, code: str, reason: str) -> None:
    narrow = Narrow(real, 256 * 1024**2, 1000)
    hidden = {"test_sum.py": f"def test_one(): pass\ndef test_two():\n    exec({code!r})\ndef test_three(): pass\n"}
    check = await _verify(place, narrow, {}, hidden=hidden)
    assert check.score == 1 / 3, check
    assert f"pytest died in checks/test_sum.py::test_two (stopped: {reason}" in check.reason
    plain = await _verify(place, narrow, {"go.py": code}, run="python go.py")
    assert (plain.score, plain.reason.startswith(f"stopped: {reason}")) == (0.0, True), plain
