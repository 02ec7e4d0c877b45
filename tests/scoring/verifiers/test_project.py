"""The project verifier: a project's own check, with its tests and environments as they are, whatever an agent left."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.workspace import changes, snapshot
from flatfield.machine.protocols import CommandResult, Sandbox, SandboxLimits
from flatfield.machine.sandbox.unsafe import UnsafeSandbox
from flatfield.records import Check, Task, TrialRecord
from flatfield.scoring.protocols import VerifyContext
from flatfield.scoring.verifiers.project import create, parse
from flatfield.scoring.verifying.own_project import is_test, own_check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STARTED = {"add.py": "2", "tests/check.sh": "grep -q 3 add.py", "conftest.py": "first"}


@pytest.fixture
def place() -> Iterator[Path]:
    """A project in `mine/`, and its copy in `home/ws/`."""
    with tempfile.TemporaryDirectory(prefix="verify-") as name:
        for top in (Path(name, "mine"), Path(name, "home", "ws")):
            for path, text in STARTED.items():
                (top / path).parent.mkdir(parents=True, exist_ok=True)
                (top / path).write_text(text)
        yield Path(name)


async def verify(place: Path, run: str, left: Callable[[Path], None], sandbox: Sandbox | None) -> Check:
    root = place / "home" / "ws"
    with ConfinedFiles(root) as files:
        before = snapshot(files)
        left(root)
        trial = TrialRecord(
            run="r", agent="a", task="t", repeat=1, task_digest="", agent_fingerprint="", stop="answered",
            changes=changes(before, files),
        )  # fmt: skip
        context = VerifyContext(
            trial=trial,
            task=Task(id="t", title="t", prompt="p"),
            files=files,
            root=root,
            before=before,
            sandbox=sandbox,
            sandbox_reason="none here",
            source=str(place / "mine"),
        )
        return await create(parse(run)).verify(context)


async def test_its_tests_are_as_they_were(place: Path) -> None:
    def cheats(root: Path) -> None:
        (root / "tests" / "check.sh").write_text("exit 0")
        (root / "tests" / "conftest.py").write_text("cheat")
        (root / "conftest.py").unlink()

    check = "sh tests/check.sh && test -f conftest.py && ! test -e tests/conftest.py"
    failed = await verify(place, check, cheats, UnsafeSandbox({"PATH": "/usr/bin:/bin"}))
    assert (failed.score, failed.reason) == (0.0, "exit code 1")
    (place / "home" / "ws" / "add.py").write_text("3")
    passed = await verify(place, check, cheats, UnsafeSandbox({"PATH": "/usr/bin:/bin"}))
    assert (passed.score, passed.reason) == (1.0, "exit code 0")


async def test_what_an_agent_leaves_where_environments_are_shown_goes(place: Path) -> None:
    (place / "mine" / "node_modules").mkdir()

    def leaves(root: Path) -> None:
        (root / "node_modules").write_text("a file in its place")

    check = await verify(place, "! test -e node_modules", leaves, UnsafeSandbox({"PATH": "/usr/bin:/bin"}))
    assert check.score == 1.0


class _Ended:
    """A sandbox in which every command ends in one way."""

    kind, user = "played", None

    def __init__(self, done: CommandResult) -> None:
        self._done = done

    def with_packages(self, _packages: Path) -> _Ended:
        return self

    async def run(self, _command: str, _workspace: Path, _limits: SandboxLimits) -> CommandResult:
        return self._done


async def test_what_says_nothing_of_the_agent_is_not_measured(place: Path) -> None:
    ended = CommandResult(exit_code=None, output="1 failed\n\n", timed_out=False, seconds=1.0)
    for sandbox, said, trouble in (
        (None, "the check was not run: none here", ""),
        (_Ended(_with(ended, host_short=True, stopped="no memory")), "the check was stopped: no memory", ""),
        (_Ended(_with(ended, timed_out=True)), "the check was still running after 600 seconds", "time"),
    ):
        check = await verify(place, "true", lambda _root: None, sandbox)
        assert (check.score, check.reason, check.trouble) == (None, said, trouble)
    failed = await verify(place, "true", lambda _root: None, _Ended(_with(ended, exit_code=1)))
    assert (failed.score, failed.reason) == (0.0, "exit code 1: 1 failed")


def _with(done: CommandResult, **given: object) -> CommandResult:
    from msgspec.structs import replace

    return replace(done, **given)


def test_environments_are_folders_of_the_projects_own(place: Path) -> None:
    """A link may lead to anything; what was copied is the agent's."""
    for name in ("node_modules/.bin", "build", "target"):
        (place / "mine" / name).mkdir(parents=True)
    (place / "mine" / ".venv").symlink_to(place)
    ended = CommandResult(exit_code=0, output="", timed_out=False, seconds=1.0)
    own = own_check(place / "mine", "npm test", ["build/x.js", "add.py"], _Ended(ended))
    assert own.shown == ("node_modules", "target")
    assert own.command == f"PATH={place}/mine/node_modules/.bin:$PATH; npm test"


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("tests/data/x.json", True),
        ("src/a.spec.ts", True),
        ("pkg/a_test.go", True),
        ("conftest.py", True),
        ("src/latest.py", False),
        ("contest.py", False),
    ],
)
def test_tests_are_known_by_their_paths(path: str, known: bool) -> None:
    assert is_test(path) is known


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (" ", "`run` is empty"),
        ({"run": "true", "timeout_seconds": 0}, "is more than 0"),
        ({"run": "true", "hidden": "x"}, "has no key `hidden`"),
        (["true"], "takes a map"),
    ],
)
def test_a_mistake_is_a_sentence(value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(value)
