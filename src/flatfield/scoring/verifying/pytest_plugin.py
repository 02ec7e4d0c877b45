"""Runs inside pytest, in the sandbox: a report for each run, a time limit for each case, and a log of how far it came.

Only its text is used by flatfield, which puts it into the workspace beside the reports that it is to write.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

FOLDER = Path(__file__).resolve().parent
INNER = f"INSIDE_{FOLDER.name.lstrip('.').replace('-', '_').upper()}"
"""Set for what a run starts: pytest that a test itself runs is not the verifier's."""
AGAIN_SECONDS = 1.0
"""A `except:` in the code under test may swallow the end of its time: it comes again."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have this run report into our folder; a run inside of a run reports to nobody."""
    if os.environ.get(INNER):
        config.option.xmlpath = None
        return
    os.environ[INNER] = "1"
    run = FOLDER / f"{time.time_ns()}-{os.getpid()}"
    config.option.xmlpath = f"{run}.xml"
    config.pluginmanager.register(Watch(Path(f"{run}.jsonl"), float(os.environ["PYTEST_CASE_SECONDS"])))


class Watch:
    """Logs what is collected, begun and ended, line by line, so that a run that dies has said how far it came."""

    def __init__(self, log: Path, seconds: float) -> None:
        self._log = log
        self._seconds = seconds
        self._passed: bool | None = True
        self._say(started=True)

    def _say(self, **values: object) -> None:
        with self._log.open("a") as stream:
            stream.write(json.dumps(values) + "\n")

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
