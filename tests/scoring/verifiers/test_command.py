"""The command verifier: what it scores, what it does not measure, and what an agent cannot leave behind to fool it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.workspace import snapshot
from flatfield.errors import NotReady
from flatfield.machine.protocols import CommandResult, Sandbox, SandboxLimits
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.machine.sandbox.unsafe import UnsafeSandbox
from flatfield.records import Check, FileChange, Task, TrialRecord
from flatfield.scoring.protocols import VerifyContext
from flatfield.scoring.verifiers.command import check_options, create, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flatfield.testing.clocks import IdleTime

pytestmark = pytest.mark.whole

PYTEST = "python -m pytest -q"
HIDDEN = {
    "test_sum.py": "from sums import add\n"
    "def test_one(): assert add(1, 2) == 3\n"
    "def test_two(): assert add(0, 0) == 0\n"
}
GOOD = "def add(a, b):\n    return a + b\n"
HALF = "def add(a, b):\n    return 3\n"
bwrap = pytest.mark.needs("bwrap")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the sandbox's user can reach, with a LOP in `lop/` and a workspace in `ws/`."""
    with tempfile.TemporaryDirectory(prefix="verify-") as name:
        top = Path(name)
        top.chmod(0o755)
        (top / "lop").mkdir()
        (top / "ws").mkdir()
        yield top


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


async def _verify(
    place: Path,
    options: object,
    *,
    sandbox: Sandbox | None,
    reason: str = "",
    changes: tuple[FileChange, ...] = (),
) -> Check:
    trial = TrialRecord(
        run="r",
        agent="a",
        task="t",
        repeat=1,
        task_digest="d",
        agent_fingerprint="f",
        stop="answered",
        changes=changes,
    )
    task = Task(id="t", title="T", prompt="p", path=str(place / "lop" / "task.md"))
    with ConfinedFiles(place / "ws") as files:
        context = VerifyContext(
            trial=trial,
            task=task,
            files=files,
            root=place / "ws",
            before=snapshot(files),
            sandbox=sandbox,
            sandbox_reason=reason,
        )
        return await create(parse(options)).verify(context)


@pytest.fixture
def real() -> Sandbox:
    return find_sandbox(os.environ)


class FakeSandbox:
    """Ends as it is told, and keeps what it was asked."""

    user = None
    kind = "fake"

    def with_packages(self, packages: Path) -> Sandbox:
        raise AssertionError(packages)

    def __init__(self, ending: CommandResult | Exception) -> None:
        self.ending = ending
        self.commands: list[str] = []
        self.limits = SandboxLimits()

    async def run(self, command: str, workspace: Path, limits: SandboxLimits) -> CommandResult:
        self.commands.append(command)
        self.limits = limits
        if isinstance(self.ending, Exception):
            raise self.ending
        return self.ending


def _ended(exit_code: int | None, output: str = "out\n") -> CommandResult:
    return CommandResult(exit_code=exit_code, output=output, timed_out=exit_code is None, seconds=1.0)


# ------------------------------------------------------------------------ any command


@pytest.mark.parametrize(("exit_code", "score"), [(0, 1.0), (1, 0.0), (137, 0.0)])
async def test_the_exit_code_is_the_score(place: Path, exit_code: int, score: float) -> None:
    sandbox = FakeSandbox(_ended(exit_code))
    check = await _verify(place, {"run": "make check", "timeout_seconds": 9.5}, sandbox=sandbox)
    assert (check.score, check.reason, check.output) == (score, f"exit code {exit_code}", "out\n")
    assert sandbox.commands == ["make check"]
    assert (sandbox.limits.wall_seconds, sandbox.limits.cpu_seconds) == (9.5, 11)


async def test_over_time_is_not_measured_and_the_output_is_kept(place: Path) -> None:
    check = await _verify(place, "make", sandbox=FakeSandbox(_ended(None, "so far")))
    assert (check.score, check.output) == (None, "so far")
    assert check.reason == "the command was still running after 120 seconds"


@pytest.mark.parametrize(("host_short", "score"), [(False, 0.0), (True, None)])
@pytest.mark.parametrize(("run", "zero"), [("make", "stopped: too much"), (PYTEST, "pytest ended without a report")])
async def test_exceeding_a_limit_is_the_agents_doing_and_a_full_disk_is_not(
    place: Path, run: str, zero: str, host_short: bool, score: float | None
) -> None:
    ending = CommandResult(
        exit_code=None, output="so far", timed_out=False, seconds=1.0, stopped="too much", host_short=host_short
    )
    check = await _verify(place, run, sandbox=FakeSandbox(ending))
    assert (check.score, check.output) == (score, "so far")
    assert check.reason.startswith("the command was stopped: too much" if host_short else zero)
    assert "too much" in check.reason


async def test_without_a_sandbox_it_is_not_measured_and_nothing_is_placed(place: Path) -> None:
    _write(place / "lop", {"tests/test_a.py": ""})
    check = await _verify(place, {"run": "true", "hidden": "tests"}, sandbox=None, reason="no bwrap; install it")
    assert (check.score, check.reason) == (None, "the command was not run: no bwrap; install it")
    assert not list((place / "ws").iterdir())


async def test_a_sandbox_that_fails_is_not_measured(place: Path) -> None:
    check = await _verify(place, "true", sandbox=FakeSandbox(NotReady("it broke")))
    assert (check.score, check.reason) == (None, "the command could not be run: it broke")


# ------------------------------------------------------------------------ pytest


@bwrap
@pytest.mark.parametrize(
    ("sums", "score"), [(GOOD, 1.0), (HALF, 0.5), ("def add(:\n", 0.0), ("import os; os._exit(0)", 0.0)]
)
@pytest.mark.some(2)
async def test_hidden_tests_score_the_fraction_that_passes(place: Path, real: Sandbox, sums: str, score: float) -> None:
    _write(place / "lop" / "checks", HIDDEN)
    _write(place / "ws", {"sums.py": sums})
    check = await _verify(place, {"run": PYTEST, "hidden": "checks"}, sandbox=real)
    assert check.score == score, check
    if score == 0.5:
        assert check.reason == "1 of 2 cases passed; not test_two"
    assert (place / "ws" / "checks" / "test_sum.py").read_text() == HIDDEN["test_sum.py"]
    assert not list((place / "ws").glob(".report*"))


@bwrap
async def test_every_kind_of_failure_counts_as_not_passed(place: Path, real: Sandbox) -> None:
    tests = (
        "import pytest\n"
        "@pytest.fixture\ndef early(): assert 0\n"
        "@pytest.fixture\ndef late():\n    yield\n    assert 0\n"
        "def test_passes(): pass\n"
        "def test_setup(early): pass\n"
        "def test_teardown(late): pass\n"
        "@pytest.mark.skip\ndef test_skipped(): pass\n"
        "@pytest.mark.xfail\ndef test_expected(): assert 0\n"
    )
    _write(place / "ws", {"test_a.py": tests, "sub/test_b.py": "import nothing_like_it\n"})
    check = await _verify(place, PYTEST, sandbox=real)
    assert check.score == 1 / 5, check
    assert check.reason.startswith("1 of 5 cases passed; not ")


@bwrap
@pytest.mark.parametrize(
    "left",
    [
        {"conftest.py": "def pytest_pyfunc_call(pyfuncitem): return True\n"},
        {"checks/conftest.py": "collect_ignore_glob = ['*two*']\ndef pytest_pyfunc_call(pyfuncitem): return True\n"},
        {"pytest.ini": "[pytest]\naddopts = -k one\n"},
        {"pyproject.toml": "[tool.pytest.ini_options]\npython_functions = 'test_one'\n"},
        {"tox.ini": "[pytest]\ntestpaths = nowhere\n"},
        {"test_mine.py": "".join(f"def test_{n}(): pass\n" for n in range(50))},
        {"checks/test_sum.py": "def test_one(): pass\n"},
        {
            "x-1.dist-info/entry_points.txt": "[pytest11]\nx = cheat\n",
            "x-1.dist-info/METADATA": "Name: x\n",
            "cheat.py": "def pytest_pyfunc_call(pyfuncitem): return True\n",
        },
        {".local/lib/python3.11/site-packages/usercustomize.py": "import os; os._exit(0)\n"},
    ],
    ids=[
        "conftest",
        "inner conftest",
        "addopts",
        "python_functions",
        "testpaths",
        "more tests",
        "same name",
        "plugin",
        "site",
    ],
)
@pytest.mark.some(5)
async def test_what_an_agent_leaves_does_not_change_the_score(place: Path, real: Sandbox, left: dict[str, str]) -> None:
    _write(place / "lop" / "checks", HIDDEN)
    _write(place / "ws", {"sums.py": HALF, **left})
    check = await _verify(place, {"run": PYTEST, "hidden": "checks"}, sandbox=real)
    assert (check.score, check.reason) == (0.5, "1 of 2 cases passed; not test_two"), check.output


@bwrap
async def test_the_authors_conftest_is_obeyed_and_the_agents_beside_it_is_not(place: Path, real: Sandbox) -> None:
    fixture = "import pytest\n@pytest.fixture\ndef three(): return 3\n"
    test = "from sums import add\ndef test_it(three): assert add(1, 1) == three\n"
    cheat = "def pytest_pyfunc_call(pyfuncitem): return True\n"
    _write(place / "lop" / "checks", {"conftest.py": fixture, "sub/test_it.py": test})
    _write(place / "ws", {"sums.py": GOOD, "conftest.py": cheat, "checks/sub/conftest.py": cheat})
    check = await _verify(place, {"run": PYTEST, "hidden": "checks"}, sandbox=real)
    assert check.score == 0.0, check
    _write(place / "ws", {"sums.py": HALF})
    check = await _verify(place, {"run": PYTEST, "hidden": "checks"}, sandbox=real)
    assert check.score == 1.0, check


@bwrap
async def test_stale_bytecode_of_hidden_tests_is_not_run(place: Path, real: Sandbox) -> None:
    _write(place / "lop" / "checks", HIDDEN)
    _write(place / "ws", {"sums.py": HALF, "checks/__pycache__/test_sum.cpython-311.pyc": "x"})
    check = await _verify(place, {"run": PYTEST, "hidden": "checks"}, sandbox=real)
    assert check.score == 0.5
    assert not (place / "ws/checks/__pycache__").exists()


@bwrap
async def test_agents_own_failing_tests_do_not_count_beside_hidden_ones(place: Path, real: Sandbox) -> None:
    _write(place / "lop" / "checks", HIDDEN)
    _write(place / "ws", {"sums.py": GOOD, "test_mine.py": "def test_bad(): assert 0\n"})
    check = await _verify(place, {"run": PYTEST, "hidden": "checks"}, sandbox=real)
    assert (check.score, check.reason) == (1.0, "2 of 2 cases passed")


@bwrap
async def test_an_agents_source_layout_is_still_obeyed(place: Path, real: Sandbox) -> None:
    _write(place / "lop" / "checks", HIDDEN)
    _write(place / "ws", {"src/sums.py": GOOD, "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['src']\n"})
    check = await _verify(place, {"run": "cd checks && pytest -q", "hidden": "checks"}, sandbox=real)
    assert check.score == 1.0, check


@bwrap
@pytest.mark.parametrize(
    ("run", "score", "reason"),
    [
        (f"{PYTEST} && false", 0.0, "all 1 cases passed, but: exit code 1"),
        (f"{PYTEST} -k nothing", 0.0, "pytest ran no case that counts (exit code 5)"),
        (f"{PYTEST} --no-such-option", 0.0, "pytest ended without a report (exit code 4)"),
        ("grep -q pytest test_a.py || echo pytest", 1.0, "exit code 0"),
        (f"{PYTEST} test_a.py --junitxml=mine.xml", 1.0, "1 of 1 cases passed"),
        (f"{PYTEST} test_a.py; {PYTEST} -q test_b.py", 0.75, "3 of 4 cases passed; not test_b[two words]"),
        ("./gone", 0.0, "exit code 127: ./gone is not there"),
        ("cat test_a.py && sub/gone.sh x", 0.0, "exit code 127: sub/gone.sh is not there"),
        ("cd . && ./gone", 0.0, "exit code 127"),
        ("${NOTHING:-.}/gone", 0.0, "exit code 127"),
        ("cat test_a.py && no-such-tool test.js", None, "the sandbox has no no-such-tool, which the command needs"),
    ],
)
@pytest.mark.some(5)
async def test_commands_around_pytest(place: Path, real: Sandbox, run: str, score: float | None, reason: str) -> None:
    params = (
        "import pytest\n@pytest.mark.parametrize('x', ['one', 'two words', '<&>'])\ndef test_b(x): assert len(x) < 9\n"
    )
    _write(place / "ws", {"test_a.py": "def test_a(): pass\n", "test_b.py": params})
    check = await _verify(place, run.replace(PYTEST + " &&", PYTEST + " test_a.py &&"), sandbox=real)
    assert (check.score, check.reason) == (score, reason), check.output
    assert not (place / "ws/mine.xml").exists()


LOOPS = (
    "import os, time\n"
    "def test_fast(): pass\n"
    "def test_busy():\n    while True: pass\n"
    "def test_deaf():\n    try:\n        time.sleep(60)\n    except Exception:\n        pass\n"
    "def test_late(): pass\n"
)


@bwrap
async def test_a_case_that_loops_has_failed_and_the_others_go_on(place: Path, real: Sandbox) -> None:
    _write(place / "lop" / "checks", {"test_loops.py": LOOPS})
    options = {"run": PYTEST, "hidden": "checks", "timeout_seconds": 30, "case_seconds": 1.0}
    check = await _verify(place, options, sandbox=real)
    assert check.score == 0.5, check
    assert check.reason == (
        "2 of 4 cases passed; not test_busy, test_deaf; over its time: checks/test_loops.py::test_busy"
    )
    assert "took more than 1 seconds" in check.output


@bwrap
async def test_code_that_loops_while_it_is_imported_has_failed(place: Path, real: Sandbox) -> None:
    _write(place / "lop" / "checks", HIDDEN | {"test_other.py": "def test_other(): pass\n"})
    _write(place / "ws", {"sums.py": "while True: pass\n"})
    options = {"run": PYTEST, "hidden": "checks", "timeout_seconds": 30, "case_seconds": 1.0}
    check = await _verify(place, options, sandbox=real)
    assert check.score == 0.5, check


@bwrap
async def test_cases_after_a_crash_have_not_passed(place: Path, real: Sandbox) -> None:
    crash = "import os\ndef test_a(): pass\ndef test_b(): os.kill(os.getpid(), 11)\ndef test_c(): pass\n"
    _write(place / "ws", {"test_a.py": crash})
    check = await _verify(place, PYTEST, sandbox=real)
    assert check.score == 1 / 3, check
    assert check.reason.startswith(
        "1 of 3 cases passed; not test_b, test_c; pytest died in test_a.py::test_b (exit code"
    )


@bwrap
async def test_a_case_that_cannot_be_ended_counts_when_the_time_is_over(
    place: Path, real: Sandbox, idle_time: IdleTime
) -> None:
    deaf = (
        "import time\ndef test_a(): pass\n"
        "def test_b():\n    while True:\n        try: time.sleep(9)\n        except: open('deaf', 'w').close()\n"
    )
    idle_time.only(2.5, once=(place / "ws" / "deaf").exists)
    _write(place / "ws", {"test_a.py": deaf})
    check = await _verify(place, {"run": PYTEST, "timeout_seconds": 2, "case_seconds": 1.0}, sandbox=real)
    assert check.score == 0.5, check
    assert "pytest died in test_a.py::test_b (still running after 2 seconds)" in check.reason


@bwrap
async def test_slow_cases_of_which_none_is_too_slow_are_not_measured(place: Path, real: Sandbox) -> None:
    _write(place / "ws", {"test_a.py": "import time\ndef test_a(): time.sleep(9)\n"})
    check = await _verify(place, {"run": PYTEST, "timeout_seconds": 1, "case_seconds": 1}, sandbox=real)
    assert check.score is None, check
    assert check.reason == "the command was still running after 1 seconds, and no case took more than 1 seconds"


@bwrap
async def test_pytest_that_a_test_runs_itself_does_not_count(place: Path, real: Sandbox) -> None:
    outer = (
        "import subprocess, sys\n"
        "def test_theirs_fail(): assert subprocess.call([sys.executable, '-m', 'pytest', '-q', 'theirs.py']) == 1\n"
    )
    _write(place / "ws", {"test_a.py": outer, "theirs.py": "def test_x(): assert 0\n"})
    check = await _verify(place, PYTEST, sandbox=real)
    assert (check.score, check.reason) == (1.0, "1 of 1 cases passed"), check.output


@bwrap
async def test_unittest_cases_and_subtests_of_a_report_count(place: Path, real: Sandbox) -> None:
    tests = (
        "import unittest\n"
        "class T(unittest.TestCase):\n"
        "    def test_a(self): pass\n"
        "    def test_b(self): self.fail()\n"
        "    @unittest.expectedFailure\n    def test_c(self): self.fail()\n"
        "    @unittest.expectedFailure\n    def test_d(self): pass\n"
        "    @unittest.skip('x')\n    def test_e(self): pass\n"
    )
    _write(place / "ws", {"test_a.py": tests})
    check = await _verify(place, PYTEST, sandbox=real)
    assert check.score == 1 / 4, check


@bwrap
async def test_reports_that_were_there_before_or_are_no_xml_do_not_count(place: Path, real: Sandbox) -> None:
    forged = "<testsuites><testsuite><testcase name='x' file='test_a.py'/></testsuite></testsuites>"
    left = {".report-0/1-1.xml": forged, ".report-0/1-1.jsonl": '{"started": true}', "report.xml": forged}
    _write(place / "ws", {"test_a.py": "def test_a(): assert 0\n", **left})
    check = await _verify(place, PYTEST, sandbox=real)
    assert (check.score, check.reason) == (0.0, "0 of 1 cases passed; not test_a")
    assert (place / "ws/report.xml").exists()


async def test_pytest_is_scored_under_unsafe_commands_too(place: Path) -> None:
    _write(place / "lop" / "checks", HIDDEN)
    _write(place / "ws", {"sums.py": HALF})
    check = await _verify(place, {"run": PYTEST, "hidden": "checks"}, sandbox=UnsafeSandbox(os.environ))
    assert check.score == 0.5, check


@bwrap
async def test_hidden_files_can_go_to_the_top_and_keep_their_mode(place: Path, real: Sandbox) -> None:
    _write(place / "lop" / "checks", {"run.sh": "#!/bin/sh\nexec test -f made\n"})
    (place / "lop/checks/run.sh").chmod(0o755)
    options = {"run": "./run.sh", "hidden": "checks", "into": "."}
    assert (await _verify(place, options, sandbox=real)).score == 0.0
    _write(place / "ws", {"made": ""})
    assert (await _verify(place, options, sandbox=real)).score == 1.0


# ------------------------------------------------------------------------ what stands in the way of hidden files


@pytest.mark.parametrize("kind", ["link", "loop", "fifo", "file", "folder", "read-only"])
@pytest.mark.parametrize("where", ["checks", "checks/inner", "checks/inner/a.txt"])
async def test_whatever_stands_in_the_way_is_replaced_and_never_followed(place: Path, where: str, kind: str) -> None:
    outside = place / "outside"
    outside.mkdir()
    (outside / "a.txt").write_text("mine")
    spot = place / "ws" / where
    spot.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        spot.symlink_to(outside if where != "checks/inner/a.txt" else outside / "a.txt")
    elif kind == "loop":
        spot.symlink_to(spot.name)
    elif kind == "fifo":
        os.mkfifo(spot)
    elif kind == "file":
        spot.write_text("theirs")
    elif kind == "folder":
        spot.mkdir()
        (spot / "kept.txt").write_text("theirs")
    else:
        spot.mkdir()
        spot.chmod(0o500)
    _write(place / "lop" / "checks" / "inner", {"a.txt": "hidden"})
    check = await _verify(place, {"run": "true", "hidden": "checks/"}, sandbox=FakeSandbox(_ended(0)))
    assert check.score == 1.0, check
    assert (place / "ws/checks/inner/a.txt").read_text() == "hidden"
    assert not (place / "ws/checks/inner").is_symlink()
    assert [path.name for path in outside.iterdir()] == ["a.txt"]
    assert (outside / "a.txt").read_text() == "mine"


async def test_hidden_files_that_cannot_be_read_are_not_measured(place: Path) -> None:
    check = await _verify(place, {"run": "true", "hidden": "gone"}, sandbox=FakeSandbox(_ended(0)))
    assert check.score is None
    assert "the hidden files could not be placed" in check.reason
    assert "there is no folder" in check.reason


# ------------------------------------------------------------------------ options


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"run": " "}, "`run` is empty"),
        ({"run": "a\0"}, "NUL"),
        ({"hidden": "x"}, "run"),
        ({"run": "x", "hiden": "y"}, "no key `hiden`"),
        ({"run": "x", "timeout_seconds": 0}, "more than 0 and at most 3600"),
        ({"run": "x", "timeout_seconds": "9"}, "timeout_seconds"),
        ({"run": "x", "timeout_seconds": 9, "case_seconds": 10}, "at most `timeout_seconds`"),
        ({"run": "x", "case_seconds": 0}, "`case_seconds` is more than 0"),
        ({"run": "PYTHONPATH=src pytest"}, "puts folders before pytest"),
        ({"run": "PYTHONPATH=src:$PYTHONPATH pytest"}, "put them behind"),
        ({"run": "x", "into": "y"}, "name their folder with `hidden`"),
        ({"run": "x", "hidden": "h", "into": "../y"}, "inside the workspace"),
        ({"run": "x", "hidden": "h", "into": "/y"}, "inside the workspace"),
    ],
)
def test_mistakes_in_options_are_one_sentence(value: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse(value)
    assert "\n" not in str(caught.value)


def test_hidden_folders_are_checked_beside_the_lop(tmp_path: Path) -> None:
    lop = tmp_path / "lop"
    _write(lop, {"tests/test_a.py": ""})
    (lop / "empty").mkdir()
    (lop / "away").symlink_to(tmp_path)
    problems = {
        name: check_options(parse({"run": "x", "hidden": name}), lop)
        for name in ("tests", "tests/", "absent", "empty", "tests/../tests", "..", "../lop/../x", "/etc", "away", ".")
    }
    found = {name: (problem or "fine").rsplit("; ", 1)[-1] for name, problem in problems.items()}
    beside = "put the hidden files in a folder beside it"
    assert found == {
        "tests": "fine",
        "tests/": "fine",
        "tests/../tests": "fine",
        "absent": "make it, beside the LOP",
        "empty": "put the hidden files there",
        "..": beside,
        "../lop/../x": beside,
        "/etc": beside,
        "away": beside,
        ".": beside,
    }
    assert check_options(parse("true"), lop) is None


@bwrap
@pytest.mark.parametrize(
    ("run", "files", "reason"),
    [
        ("python3 m.py", {"m.py": "print('sh: 1: python3: not found'); raise SystemExit(127)"}, "exit code 127"),
        (
            PYTEST,
            {"test_a.py": "import os; print('No module named pytest'); os._exit(1)"},
            "pytest died",
        ),
    ],
)
async def test_what_the_work_prints_proves_nothing_about_the_sandbox(
    place: Path, real: Sandbox, run: str, files: dict[str, str], reason: str
) -> None:
    _write(place / "ws", files)
    check = await _verify(place, run, sandbox=real)
    assert (check.score, reason in check.reason) == (0.0, True), check.reason


@bwrap
async def test_a_test_that_its_author_skips_is_nobodys_to_pass(place: Path, real: Sandbox) -> None:
    skipped = "import pytest\n@pytest.mark.skip\ndef test_later(): assert False\n"
    _write(place / "lop/hidden", HIDDEN | {"test_later.py": skipped})
    _write(place / "ws", {"sums.py": GOOD})
    check = await _verify(place, {"run": PYTEST, "hidden": "hidden"}, sandbox=real)
    assert (check.score, check.reason) == (1.0, "2 of 2 cases passed"), check.output


async def test_overtime_is_told_apart(place: Path) -> None:
    check = await _verify(place, "make", sandbox=FakeSandbox(_ended(None)))
    assert (check.score, check.trouble) == (None, "time")


async def test_a_limit_is_at_least_what_the_context_says(place: Path) -> None:
    sandbox = FakeSandbox(_ended(None))
    trial = TrialRecord(run="r", agent="a", task="t", repeat=1, task_digest="d", agent_fingerprint="f", stop="answered")
    with ConfinedFiles(place / "ws") as files:
        context = VerifyContext(
            trial=trial,
            task=Task(id="t", title="T", prompt="p"),
            files=files,
            root=place / "ws",
            before=snapshot(files),
            sandbox=sandbox,
            least_seconds=480.0,
        )
        check = await create(parse({"run": "make", "timeout_seconds": 9.5})).verify(context)
    assert (sandbox.limits.wall_seconds, sandbox.limits.cpu_seconds) == (480.0, 481)
    assert check.reason == "the command was still running after 480 seconds"


# ------------------------------------------------------------------------ cases that count, and cases that guard


NAMED = {"run": f"{PYTEST} tests", "hidden": "tests", "counts": "counts.txt", "guards": "guards.txt"}
SUMS = """
import pytest
from sums import add
def test_new(): assert add(1, 2) == 3
class TestMore:
    @pytest.mark.parametrize("n", [1, 2])
    def test_each(self, n): assert add(n, n) == 2 * n
def test_old(): assert add(0, 3) == 3
def test_never(): assert add(0, 0) == 1
"""


@pytest.mark.parametrize(
    ("sums", "score", "said"),
    [
        ("def add(a, b):\n    return a + b\n", 1.0, "3 of 3 cases passed"),
        ("def add(a, b):\n    return 3\n", 1 / 3, "1 of 3 cases passed; not tests/test_sum.py::TestMore::test_each[1]"),
        (
            "def add(a, b):\n    return a + b if a else 9\n",
            0.0,
            "1 case no longer passed: tests/test_sum.py::test_old; 3 of 3",
        ),
        ("raise SystemExit\n", 0.0, "1 case no longer passed: tests/test_sum.py::test_old; 0 of 3"),
    ],
)
@bwrap
@pytest.mark.some(2)
async def test_named_cases_count_and_guard(place: Path, real: Sandbox, sums: str, score: float, said: str) -> None:
    """What fails in any case counts nothing."""
    _write(place / "lop", {"tests/test_sum.py": SUMS})
    each = "".join(f"tests/test_sum.py::TestMore::test_each[{n}]\n" for n in (1, 2))
    _write(
        place / "lop",
        {"counts.txt": f"tests/test_sum.py::test_new\n{each}\n", "guards.txt": "tests/test_sum.py::test_old\n"},
    )
    _write(place / "ws", {"sums.py": sums})
    check = await _verify(place, NAMED, sandbox=real)
    assert check.score == pytest.approx(score)
    assert check.reason.startswith(said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"run": PYTEST, "guards": "g.txt"}, "`guards` stand beside cases that count"),
        ({"run": "make check", "counts": "c.txt"}, "names cases of pytest, which `run` does not start"),
    ],
)
def test_named_cases_need_pytest(options: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(options)


def test_files_that_name_cases_are_there_and_name_some(place: Path) -> None:
    folder = place / "lop"
    options = parse({"run": PYTEST, "counts": "c.txt"})
    assert "there is no file" in (check_options(options, folder) or "")
    _write(folder, {"c.txt": "\n\n"})
    assert "names no case" in (check_options(options, folder) or "")
    _write(folder, {"c.txt": "a::b\n"})
    assert check_options(options, folder) is None
    _write(place, {"out.txt": "a::b\n"})
    assert "beside the LOP" in (check_options(parse({"run": PYTEST, "counts": "../out.txt"}), folder) or "")


@pytest.mark.parametrize(("into", "score"), [(".", 1.0), ("shop", 0.0)])
@bwrap
async def test_a_packages_own_start_is_no_usurper(place: Path, real: Sandbox, into: str, score: float) -> None:
    """Where hidden files lie among the project's own, the package that they test starts as the agent left it."""
    _write(place / "lop", {"hidden/shop/tests/test_a.py": "from shop import X\ndef test_a(): assert X == 1\n"})
    if into == "shop":
        _write(place / "lop", {"hidden/tests/test_a.py": "from shop import X\ndef test_a(): assert X == 1\n"})
        shutil.rmtree(place / "lop" / "hidden" / "shop")
    _write(place / "ws", {"shop/__init__.py": "X = 1\n", "shop/tests/__init__.py": ""})
    changes = (FileChange(path="shop/__init__.py", kind="modified", size_bytes=6),)
    options = {"run": f"{PYTEST} shop/tests", "hidden": "hidden", "into": into}
    assert (await _verify(place, options, sandbox=real, changes=changes)).score == score
