"""Plays the agent's tests against an implementation, in a process of its own; nothing counts unless the right ones pass."""

import functools
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def fresh(name):
    """pytest's exit code for the agent's tests with `right/NAME` or `mutants/NAME` in the place of the module."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree("{{package}}", f"{folder}/{{package}}", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(HERE / f"{name}.txt", f"{folder}/{{package}}/diary.py")
        os.mkdir(f"{folder}/tests")
        shutil.copy("tests/test_diary.py", f"{folder}/tests/test_diary.py")
        child = os.fork()
        if child == 0:
            _play(folder)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


outcome = functools.cache(fresh)


def _play(folder):
    code = 70
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.chdir(folder)
        os.environ.pop("PYTEST_ADDOPTS", None)
        sys.path.insert(0, folder)
        for module in [name for name in sys.modules if name.partition(".")[0] in ("{{package}}", "tests", "conftest", "test_diary")]:
            del sys.modules[module]
        options = ["-q", "-x", "--assert=plain", "--noconftest", f"--rootdir={folder}", "-p", "no:cacheprovider"]
        code = int(pytest.main([*options, "tests/test_diary.py"]))
    finally:
        os._exit(code)


@pytest.fixture
def played():
    """Plays a wrong implementation and a right one, nobody knows in which order: tests that count their runs find nothing."""

    def both(name):
        right = random.choice(["right/given", "right/other"])
        found = {each: fresh(each) for each in random.sample([name, right], 2)}
        assert found[right] == 0, f"the tests do not pass with {right} each time"
        return found[name]

    return both


@pytest.fixture(autouse=True)
def right_implementations_pass():
    for name in ("right/given", "right/other"):
        assert outcome(name) == 0, f"the tests do not pass with {name}"
