"""Runs inside pytest, in the sandbox: a report for each run, a time limit for each case, and a log of how far it came.

Only its text is used by flatfield, which puts it into the workspace beside the reports that it is to write. It is
imported before anything of the workspace can be, so pytest cannot rewrite its asserts any more: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import tempfile
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

FOLDER = Path(__file__).resolve().parent
INNER = f"INSIDE_{FOLDER.name.lstrip('.').replace('-', '_').upper()}"
"""Set for what a run starts: pytest that a test itself runs is not the verifier's."""
PR_SET_DUMPABLE = 4
AGAIN_SECONDS = 1.0
"""A `except:` in the code under test may swallow the end of its time: it comes again."""


def _taken() -> tuple[str, bytes]:
    """This run's number and key; the key is in our memory alone from now on. ("", b"") when none is left."""
    for place in sorted(FOLDER.glob("key-*")):
        with suppress(OSError):  # another run was faster
            key = place.read_bytes()
            place.unlink()
            return place.name.removeprefix("key-"), key
    return "", b""


def _close_to_others() -> None:
    """Keep what the tests start from reading our memory, which holds the key, and our environment."""
    with suppress(OSError, AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _without_us() -> None:
    """What the tests start behaves as if we were not there."""
    os.environ.pop("PYTEST_ADDOPTS", None)
    places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(each for each in places if each != str(FOLDER))


NUMBER, KEY = ("", b"") if os.environ.get(INNER) else _taken()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have this run report into our folder; a run inside of a run, or one without a key, reports to nobody."""
    _without_us()
    if os.environ.get(INNER) or not KEY:
        config.option.xmlpath = None
        return
    os.environ[INNER] = "1"
    _close_to_others()
    report = tempfile.TemporaryFile()  # noqa: SIM115 - open until the run ends; without a name, so it is nobody else's
    config.add_cleanup(report.close)
    config.option.xmlpath = f"/dev/fd/{report.fileno()}"
    log = FOLDER / f"run-{NUMBER}.jsonl"
    config.pluginmanager.register(Watch(log, report, float(os.environ["PYTEST_CASE_SECONDS"])))


class Watch:
    """Logs what is collected, begun and ended, line by line, so that a run that dies has said how far it came.

    Each line begins with a code that only those can make who have the key; the last one is pytest's XML report.
    """

    def __init__(self, log: Path, report: IO[bytes], seconds: float) -> None:
        self._log = log
        self._report = report
        self._seconds = seconds
        self._passed: bool | None = True
        self._say(started=True)

    def _say(self, **values: object) -> None:
        line = json.dumps(values)
        code = blake2b(line.encode(), key=KEY, digest_size=16).hexdigest()
        with self._log.open("a", encoding="utf-8") as stream:
            stream.write(f"{code} {line}\n")

    @contextmanager
    def _limited(self, name: str) -> Iterator[None]:
        def late(_number: int, _frame: object) -> None:
            self._say(late=name)
            pytest.fail(f"took more than {self._seconds:g} seconds", pytrace=False)

        before = signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, self._seconds, AGAIN_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """All cases are known."""
        self._say(cases=[[item.location[0], item.nodeid] for item in session.items])

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None]:
        """A module that loops while it is imported fails to be collected."""
        with self._limited(collector.nodeid):
            yield

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A case begins."""
        self._passed = True
        self._say(begun=nodeid)

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Its fixtures have as much time as itself."""
        with self._limited(item.nodeid):
            yield

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """The case itself."""
        with self._limited(item.nodeid):
            yield

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """And what comes after it."""
        with self._limited(item.nodeid):
            yield

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """How one phase of the case ended; an expected failure neither passed nor failed."""
        if report.skipped and hasattr(report, "wasxfail"):
            self._passed = None
        elif not report.passed:
            self._passed = False

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """The case is over."""
        self._say(ended=nodeid, passed=self._passed)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None]:
        """All is over, and the XML report written."""
        yield
        self._report.seek(0)
        self._say(report=self._report.read().decode("utf-8", "replace"))
