"""Work on a real folder with a check: taken when it passes, else the folder is as it was, whatever ended the work."""

from __future__ import annotations

import asyncio
import json
import venv
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.agent.files.guarding import Protection
from flatfield.errors import FlatfieldError, NotReady
from flatfield.records import AgentConfig, Event, Limits, TrialRecord
from flatfield.runs.routes.here import check_of, work_here
from flatfield.runs.single import FolderWork, Surroundings
from flatfield.runs.world import Outside
from flatfield.scoring.prices.pricing import Prices
from flatfield.testing.fake_chat import FakeChat, FakeReply, Fault

from .conftest import PRICES, cascade, model, writing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.whole, pytest.mark.needs("bwrap")]

RIGHT = "grep -q right done.txt"
WRONG_FIRST = {"weak": "wrong", "strong": "right"}


@pytest.fixture
def folder(kept_tools: Path, reachable: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    temporary.chmod(0o755)
    monkeypatch.setenv("FLATFIELD_CACHE", str(reachable / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept_tools))
    made = reachable / "project"
    (made / "tests").mkdir(parents=True)
    (made / "done.txt").write_text("to do\n")
    (made / "tests" / "check.sh").write_text("grep -q right done.txt")
    return made


def seen(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


async def work(
    folder: Path,
    agent: AgentConfig,
    check: str = RIGHT,
    events: list[Event] | None = None,
    why: str = "",
    **given: Any,
) -> TrialRecord:
    told: list[Event] = [] if events is None else events
    around = Surroundings(outside=Outside(prices=Prices(PRICES)), observe=told.append, **given)
    asked = FolderWork(prompt="Do it.", agent=agent, folder=folder, limits=Limits(turns=5), check=check, why=why)
    return await work_here(asked, around)


def notes(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if event.kind == "note")


async def test_the_first_steps_work_that_passes_is_taken(folder: Path) -> None:
    events: list[Event] = []
    async with FakeChat(writing(WRONG_FIRST), models=["weak", "strong"]) as server:
        record = await work(folder, cascade(server.base_url, "visible"), events=events)
    assert [(step.agent, step.passed) for step in record.steps] == [("weak", False), ("strong", True)]
    assert (folder / "done.txt").read_text() == "right"
    assert [(change.path, change.kind) for change in record.changes] == [("done.txt", "modified")]
    assert record.cost_usd == pytest.approx(2 * 0.001 + 2 * 0.01)
    assert record.agent == "both"
    assert "weak did not pass the check: exit code 1" in notes(events)


async def test_no_step_that_passes_leaves_the_last_ones_work_and_says_so(folder: Path) -> None:
    events: list[Event] = []
    async with FakeChat(writing({"weak": "wrong", "strong": "wrong too"}), models=["weak", "strong"]) as server:
        record = await work(folder, cascade(server.base_url, RIGHT), events=events)
    assert (folder / "done.txt").read_text() == "wrong too"
    assert record.steps[-1].passed is False
    assert "no step passed the check; the last one's changes are taken" in notes(events)


async def test_one_agent_with_a_check_works_in_a_copy_too(folder: Path) -> None:
    async with FakeChat(writing({"weak": "right"}), models=["weak"]) as server:
        record = await work(folder, model(server.base_url, "weak"))
    assert [(step.agent, step.passed) for step in record.steps] == [("weak", True)]
    assert seen(folder)["done.txt"] == b"right"


async def test_a_step_cannot_pass_by_rewriting_a_test(folder: Path) -> None:
    def script(request: dict[str, Any], _: int) -> FakeReply:
        if any(message["role"] == "tool" for message in request["messages"]):
            return FakeReply(text="done")
        return FakeReply(calls=(("write_file", '{"file_path": "tests/check.sh", "content": "exit 0"}'),))

    async with FakeChat(script, models=["weak"]) as server:
        record = await work(folder, model(server.base_url, "weak"), check="sh tests/check.sh")
    assert record.steps[0].passed is False


async def test_what_commands_did_is_taken_as_files_and_programs(folder: Path) -> None:
    """A command makes a program, a link, folders; links and empty folders are told, not taken."""
    (folder / "old").symlink_to("done.txt")
    (folder / "out").symlink_to("/etc/hostname")
    (folder / "bare" / "in").mkdir(parents=True)
    command = (
        "rm -r bare; mkdir -p a/void/in a/b; chmod +x done.txt; ln -s done.txt new; rm old; echo x > a/b/c; "
        "touch $(printf 'n\\377')"
    )

    def script(request: dict[str, Any], _: int) -> FakeReply:
        if any(message["role"] == "tool" for message in request["messages"]):
            return FakeReply(text="done")
        return FakeReply(calls=(("run_command", json.dumps({"command": command})),))

    events: list[Event] = []
    async with FakeChat(script, models=["weak"]) as server:
        agent = model(server.base_url, "weak", tools=("run_command",))
        record = await work(folder, agent, check="test -x done.txt", events=events)
    assert record.failure is None
    assert (folder / "done.txt").stat().st_mode & 0o111
    assert set(seen(folder)) == {"done.txt", "tests/check.sh", "a/b/c", "out"}
    assert not (folder / "old").is_symlink()
    assert [(change.path, change.kind) for change in record.changes] == [
        ("a/b/c", "added"),
        ("done.txt", "modified"),
        ("old", "deleted"),
    ], "what is not taken is no change of the folder"
    assert "empty folders are not taken over: a/void" in notes(events).splitlines()
    assert "folders that were removed stay, empty: bare" in notes(events).splitlines()
    assert (folder / "bare" / "in").is_dir()
    assert not (folder / "a" / "void").exists()
    assert "no file or has a name that is no UTF-8: new, n\ufffd" in notes(events)
    assert "left out of the workspace, links that lead outside: out" in notes(events)


async def test_of_a_route_the_first_that_can_work_does_whatever_the_check_says(folder: Path) -> None:
    written = writing(WRONG_FIRST)

    def script(request: dict[str, Any], number: int) -> FakeReply | Fault:
        return Fault(status=400) if request["model"] == "broken" else written(request, number)

    events: list[Event] = []
    async with FakeChat(script, models=["broken", "weak", "strong"]) as server:
        away = model("http://127.0.0.1:1/v1", "away")
        steps = (away, *(model(server.base_url, name) for name in ("broken", "weak", "strong")))
        route = AgentConfig(name="desk", provider="auto", route="cheap", steps=steps)
        record = await work(folder, route, events=events, why="away: it is the best")
        assert {request["model"] for request in server.requests} == {"broken", "weak"}
    assert record.agent == "desk"
    assert [(step.agent, step.passed) for step in record.steps] == [("broken", None), ("weak", False)]
    assert record.notes[0] == "chosen: away: it is the best"
    assert (folder / "done.txt").read_text() == "wrong"
    assert "away cannot work" in notes(events)


async def test_a_check_leaves_nothing_behind(folder: Path) -> None:
    async with FakeChat(writing({"weak": "right"}), models=["weak"]) as server:
        await work(folder, model(server.base_url, "weak"), check=f"touch litter && {RIGHT}")
    assert set(seen(folder)) == {"done.txt", "tests/check.sh"}


@pytest.mark.parametrize(
    ("check", "lacks"),
    [("no-such-program --now", "no-such-program"), ("python3 -m no_such_module", "has no module no_such_module")],
)
async def test_a_check_that_cannot_start_costs_nothing(folder: Path, check: str, lacks: str) -> None:
    async with FakeChat(writing(WRONG_FIRST), models=["weak"]) as server:
        with pytest.raises(NotReady, match=f"cannot start: .*{lacks}"):
            await work(folder, model(server.base_url, "weak"), check=check)
        assert server.requests == []


async def test_a_check_that_passes_already_is_said(folder: Path) -> None:
    events: list[Event] = []
    async with FakeChat(writing(WRONG_FIRST), models=["weak"]) as server:
        await work(folder, model(server.base_url, "weak"), check="true", events=events)
    assert "the check passes already on the untouched folder" in notes(events)


async def test_what_a_check_needs_beside_the_sources_is_there_at_its_own_path(folder: Path) -> None:
    """A virtual environment, and a tool that has its whole path in its first line; neither is in a copy."""
    venv.create(folder / ".venv", symlinks=True, with_pip=False)
    tool = folder / "node_modules" / ".bin" / "mychecker"
    tool.parent.mkdir(parents=True)
    tool.write_text(f"#!/bin/sh\ntest -f {folder}/node_modules/here && grep -q right done.txt")
    tool.chmod(0o755)
    (folder / "node_modules" / "here").touch()
    (library := next((folder / ".venv").glob("lib/python3*/site-packages")) / "mylibrary.py").write_text(
        "word = 'right'"
    )
    before, events = seen(folder), list[Event]()
    check = "mychecker && python3 -c 'import mylibrary' && ! touch node_modules/x && ! touch .venv/x"
    async with FakeChat(writing({"weak": "right"}), models=["weak"]) as server:
        record = await work(folder, model(server.base_url, "weak"), check=check, events=events)
    assert record.steps[0].passed is True, notes(events)
    assert library.exists()
    assert {**seen(folder), "done.txt": b""} == {**before, "done.txt": b""}
    assert "the check sees node_modules of this folder, which it cannot change" in notes(events)


async def test_a_provider_that_fails_is_passed_over(folder: Path) -> None:
    written = writing(WRONG_FIRST)

    def script(request: dict[str, Any], number: int) -> FakeReply | Fault:
        return Fault(status=400) if request["model"] == "weak" else written(request, number)

    async with FakeChat(script, models=["weak", "strong"]) as server:
        record = await work(folder, cascade(server.base_url, RIGHT))
    assert record.failure is None
    assert (folder / "done.txt").read_text() == "right"
    before = seen(folder)
    async with FakeChat(script, models=["weak", "strong"]) as server:
        failed = await work(folder, model(server.base_url, "weak"))
    assert failed.failure is not None
    assert (failed.changes, seen(folder)) == ((), before)


async def test_an_interrupt_leaves_the_folder_byte_for_byte(folder: Path) -> None:
    before, asked = seen(folder), asyncio.Event()

    def script(request: dict[str, Any], number: int) -> FakeReply | Fault:
        if any(message["role"] == "tool" for message in request["messages"]):
            asked.set()
            return Fault(kind="stall")
        return writing({"weak": "right"})(request, number)

    async with FakeChat(script, models=["weak"]) as server:
        running = asyncio.ensure_future(work(folder, model(server.base_url, "weak")))
        await asked.wait()
        running.cancel()
        record = await running
    assert record.stop == "cancelled"
    assert record.changes == ()
    assert len(record.turns) == 1, "what was used until then is counted"
    assert seen(folder) == before


async def test_what_somebody_changed_meanwhile_is_not_overwritten(folder: Path) -> None:
    def script(request: dict[str, Any], number: int) -> FakeReply:
        (folder / "done.txt").write_text("by hand")
        return writing({"weak": "right"})(request, number)

    async with FakeChat(script, models=["weak"]) as server:
        record = await work(folder, model(server.base_url, "weak"))
    assert record.failure is not None
    assert "done.txt changed here while the agent worked" in record.failure.message
    assert (folder / "done.txt").read_text() == "by hand"


async def test_what_is_protected_in_the_folder_is_in_its_copy(folder: Path) -> None:
    (folder / "AGENTS.md").write_text("obey")

    def script(request: dict[str, Any], _: int) -> FakeReply:
        results = [message["content"] for message in request["messages"] if message["role"] == "tool"]
        if results:
            return FakeReply(text=str(results[-1]))
        arguments = json.dumps({"file_path": "AGENTS.md", "content": "mine"})
        return FakeReply(calls=(("write_file", arguments),))

    async with FakeChat(script, models=["weak"]) as server:
        record = await work(folder, model(server.base_url, "weak"), check="true")
        assert "AGENTS.md" in record.answer
        assert (folder / "AGENTS.md").read_text() == "obey"
        await work(folder, model(server.base_url, "weak"), check="true", allow=("AGENTS.md",))
    assert (folder / "AGENTS.md").read_text() == "mine"


async def test_work_begins_by_putting_back_what_a_killed_one_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flatfield.runs.routes import applying
    from flatfield.runs.routes.applying import Planned, apply, digest_of

    def killed(*_: Any) -> None:
        raise SystemExit

    change = Planned(path="done.txt", before=digest_of(b"to do\n"), after=b"half")
    with monkeypatch.context() as patched:
        patched.setattr(applying, "_write", killed)
        patched.setattr(applying, "_roll_back", lambda *_: False)
        with pytest.raises(SystemExit):
            apply([change], Protection(folder), Outside().environ)
    (folder / "done.txt").write_text("half")
    events: list[Event] = []
    async with FakeChat(writing({"weak": "unchanged"}), models=["weak"]) as server:
        await work(folder, model(server.base_url, "weak"), check="grep -q to done.txt", events=events)
    assert "was put back" in notes(events)


def test_which_command_checks() -> None:
    both = cascade("http://h/v1", "command: make test")
    assert check_of(both, None) == "make test"
    assert check_of(both, "pytest -q") == "pytest -q"
    assert check_of(model("http://h/v1", "m"), None) == ""
    assert check_of(model("http://h/v1", "m"), " make test ") == "make test"
    with pytest.raises(FlatfieldError, match="'visible', which tasks have and a folder has not"):
        check_of(cascade("http://h/v1", "visible"), None)
    with pytest.raises(FlatfieldError, match="the check is empty"):
        check_of(both, " ")
