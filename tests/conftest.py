"""What all tests share: a clock that tests set, and skips that say why."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from flatfield import plugins
from flatfield.clock import SystemClock
from flatfield.http.services import Services
from flatfield.machine.models import cache_folder
from flatfield.testing.clocks import FakeClock, IdleTime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

    from flatfield.clock import Clock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def idle_time() -> IdleTime:
    """The test's event loop has time only while nothing happens: its limits strike when all else has come."""
    return IdleTime(asyncio.get_running_loop())


@pytest.fixture
def services_clock() -> Clock:
    """What `services` are timed by; modules whose tests wait for limits have `idle_time` here."""
    return SystemClock()


@pytest.fixture
async def services(tmp_path: Path, services_clock: Clock) -> AsyncIterator[Services]:
    from flatfield.http.transport import open_session

    async with open_session(services_clock) as session:
        yield Services(session=session, clock=services_clock, environ={}, cache=tmp_path)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Installs distributions with one entry point of a group each, whose module is `name`; returns the module's file.

    What is installed is seen by those who look from then on; the test that is next sees nothing of it.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def installed(group: str, name: str, text: str = "") -> Path:
        about = site / f"{name}-1.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Name: {name}\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {name}\n")
        file = site / f"{name}.py"
        file.write_text(text)
        return file

    plugins.look_again()
    yield installed
    plugins.look_again()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(site)):
            del sys.modules[name]


@pytest.fixture(scope="session")
def data_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """New folders, numbered here: pytest looks through all that there are to number one more, thousands in the end."""
    above = tmp_path_factory.mktemp("data")
    return (above / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_data_folder(data_folders: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where flatfield keeps what is no project's: each test's own, so that nobody's trust is changed or relied on."""
    folder = next(data_folders)
    folder.mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder / "flatfield"


KEPT_FINDINGS = 200
"""So many are remembered: some megabytes each, where there are many agents."""


@pytest.fixture(scope="session")
def findings() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes functions remember what they found for what they were given."""
    kept: dict[object, tuple[object, object]] = {}

    def remembering(function: Callable[..., Any]) -> Callable[..., Any]:
        def found(*given: object, **named: object) -> Any:
            by = (function, *map(_known_by, given), repr(named))
            if by not in kept:
                kept[by] = (given, function(*given, **named))  # what is known by its place must stay there
                if len(kept) > KEPT_FINDINGS:
                    del kept[next(iter(kept))]
            return kept[by][1]

        return found

    return remembering


def _known_by(given: object) -> object:
    """A value by what it is; one that holds draws, which nobody changes, is too large to look through: by its place."""
    return id(given) if type(given).__name__ in {"Study", "Posterior", "SumTable"} else repr(given)


@pytest.fixture
def chance_once(monkeypatch: pytest.MonkeyPatch, findings: Callable[..., Any]) -> None:
    """What is found by chance of the same trials is worked out once for all tests that have this fixture.

    It is a third of what many of them take. That it is the same each time, `tests/scoring/certainty` looks at.
    """
    from flatfield.scoring.certainty import choice, plan, study

    for room, name in ((study, "_studied"), (study, "_standings"), (choice, "reaches"), (plan, "purchases")):
        monkeypatch.setattr(room, name, findings(getattr(room, name)))


@pytest.fixture
def reachable(tmp_path: Path) -> Path:
    """A test's folder that other users can pass through to, as the sandbox's user must."""
    base = Path(tempfile.gettempdir())
    above = [folder for folder in (tmp_path, *tmp_path.parents) if folder != base and folder.is_relative_to(base)]
    for folder in above:  # for good: some of them are shared with tests of other processes
        folder.chmod(0o755)
    return tmp_path


@pytest.fixture(scope="session")
def kept_tools() -> Iterator[Path]:
    """A cache that keeps the sandbox's copy of pytest from test to test: to make it takes half a second."""
    with tempfile.TemporaryDirectory(prefix="tools-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


PROGRAMS = {
    "bwrap": (("bwrap",), "bubblewrap"),
    "chromium": (("chromium", "chromium-browser", "google-chrome"), "chromium"),
    "espeak-ng": (("espeak-ng", "say"), "espeak-ng"),
}
"""Programs of which one is needed, and the package that has it."""
FILES: dict[str, tuple[Callable[[], Path], str]] = {
    "axe": (lambda: cache_folder(os.environ) / "tests" / "axe.min.js", "no axe-core: `make test` fetches it with npm"),
    "model": (lambda: Path(os.environ["FLATFIELD_TEST_MODEL"]), "no model file: `make test` fetches it"),
    "half a billion": (
        lambda: cache_folder(os.environ) / "models" / "qwen2.5-coder-0.5b.gguf",
        "no model file: `make test-slow` fetches it",
    ),
    "one and a half billion": (
        lambda: cache_folder(os.environ) / "models" / "qwen2.5-coder-1.5b.gguf",
        "no model file: `make test-slow` fetches it",
    ),
}
"""Files that are needed, and how they are had."""
ON_LINUX = {"bwrap", "chromium"}
"""What can be had there alone."""


def _missing(part: str) -> str | None:
    """Why a part of the machine that tests need is not there; None when it is."""
    if part in PROGRAMS:
        programs, package = PROGRAMS[part]
        there = any(map(shutil.which, programs))
        return None if there else f"{package} is not installed (Debian: apt-get install {package})"
    if part in FILES:
        where, fix = FILES[part]
        return None if where().is_file() else fix
    return f"unknown part {part!r}"


def pytest_configure() -> None:
    # A machine that is busy makes no property false. `make test-slow` names the other profile.
    calm = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
    hypothesis.settings.register_profile("quick", calm, max_examples=25)
    hypothesis.settings.register_profile("thorough", calm, max_examples=2000)
    hypothesis.settings.load_profile("quick")
    for number in (signal.SIGQUIT, signal.SIGHUP):  # who starts tests in the background has them ignored, children too
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    pulled = cache_folder(os.environ) / "models" / "smollm2-135m.gguf"
    os.environ.setdefault("FLATFIELD_TEST_MODEL", str(pulled))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: looking through it for garbage again and again takes a tenth of the time.

    From then on only what is young is looked through often; all of it, millions of objects, hardly ever.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.set_threshold(10_000, 20, 1000)
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of tests that are marked `some`, all but so many cases are slow; before those are left out."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if any(mark.name == "some" for mark in item.own_markers):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for alike in cases.values():
        [number] = next(mark.args for mark in alike[0].own_markers if mark.name == "some")
        kept = {place * len(alike) // number for place in range(number)}
        for place, item in enumerate(alike):
            if place not in kept:
                item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """As many as there are cores (`-n logical`), or half as many more (`-n auto`): much of the time is waiting."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if config.option.numprocesses == "logical" else cores + (cores + 1) // 2


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        part = str(mark.args[0])
        reason = _missing(part)
        can_be_had = shutil.which("npm") if part == "axe" else part not in ON_LINUX or sys.platform.startswith("linux")
        if reason and can_be_had and os.environ.get("CI") == "true":
            pytest.fail(f"needed with CI=true: {reason}")
        if reason:
            pytest.skip(reason)
