"""A server takes what a trusted folder's files say, but nothing that wants more than was seen when it was trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import FlatfieldError
from flatfield.runs.permission import agent_wants
from flatfield.tasks.access import Access
from flatfield.tasks.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {"MY_KEY": "planted-0123456789"}
AGENT = (
    '[agents.{name}]\nprovider = "openai-chat"\nmodel = "m"\nbase_url = "http://{host}/v1"\napi_key_env = "MY_KEY"\n'
)
PROGRAM = '[agents.prog]\nprovider = "cli"\ncommand = ["{command}"]\n'


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "trust.json")


@pytest.fixture
def desk(make_desk: Any, ledger: Ledger) -> Any:
    return make_desk(environ_of=lambda _: ENVIRON, access_of=lambda _: Access(ledger, strict=True))


def trust(desk: Any, ledger: Ledger, folder: Path) -> None:
    access = Access(ledger)
    project = desk.project()
    wants = [want for agent in project.roster for want in agent_wants(agent, ENVIRON, access)]
    access.remember(str(folder), wants)


def address(desk: Any, name: str) -> object:
    return next(agent.base_url for agent in desk.project().roster if agent.name == name)


def test_an_agent_of_an_untrusted_folder_waits(desk: Any, folder: Path) -> None:
    (folder / "flatfield.toml").write_text(AGENT.format(name="a", host="one.example"))
    project = desk.project()
    assert f"waits for `flatfield trust {folder}`: it cannot be used" in desk.waits["a"]
    assert desk.waits["a"] in project.notes


def test_a_trusted_folders_changes_are_taken_until_one_wants_more(desk: Any, folder: Path, ledger: Ledger) -> None:
    config = folder / "flatfield.toml"
    config.write_text(AGENT.format(name="a", host="one.example"))
    trust(desk, ledger, folder)
    assert address(desk, "a") == "http://one.example/v1"
    assert not desk.waits
    config.write_text(AGENT.format(name="b", host="one.example") + AGENT.format(name="a", host="two.example"))
    assert address(desk, "b") == "http://one.example/v1", "the same pair of key and host"
    assert address(desk, "a") == "http://one.example/v1", "it goes on with what it had"
    assert "the one from before is used" in desk.waits["a"]
    trust(desk, ledger, folder)  # of what is in force: not of the new address
    assert address(desk, "a") == "http://one.example/v1"
    config.write_text(AGENT.format(name="a", host="one.example"))
    desk.project()
    assert not desk.waits


def test_a_new_program_waits_also_in_a_trusted_folder(desk: Any, folder: Path, ledger: Ledger) -> None:
    (folder / "flatfield.toml").write_text(PROGRAM.format(command="first"))
    trust(desk, ledger, folder)
    assert not (desk.project() and desk.waits)
    (folder / "flatfield.toml").write_text(PROGRAM.format(command="second"))
    commands = [agent.command for agent in desk.project().roster if agent.name == "prog"]
    assert commands == [("first",)]


async def test_what_waits_is_refused_by_name(desk: Any, connected: Any, folder: Path) -> None:
    (folder / "flatfield.toml").write_text(PROGRAM.format(command="touch"))
    async with connected(desk) as client:
        found = await client.call_tool("prompt_nano_agent", {"agentic_prompt": "Go.", "agent": "prog"})
    assert found.is_error
    assert "is not trusted with what it wants to do: run a program: touch" in found.content[0].text


async def test_an_evaluation_of_untrusted_code_does_not_begin(desk: Any, connected: Any, folder: Path) -> None:
    (folder / "checks.py").write_text("def verify(trial, files):\n    return 1.0, ''\n")
    lop = '---\nid: t\nverify:\n- python: checks.py::verify\n---\n# T\n\n## Variables\n\nPROMPT: "Go."\n'
    (folder / "t.md").write_text(lop)
    async with connected(desk) as client:
        found = await client.call_tool("evaluate", {"lops": ["t.md"], "agents": ["noop"]})
        named = await client.call_tool("evaluate", {"lops": ["suite:basic"], "agents": ["cli:claude-code"]})
    assert found.is_error
    assert "run code: " in found.content[0].text
    assert named.is_error, "a client's model typed this, not the user"
    assert "run a program: claude-code" in named.content[0].text


# ---------------------------------------------------------------------------- workspaces by accident


@pytest.mark.parametrize("roots", [(), ("/",), ("home",), ("above",)])
@pytest.mark.parametrize("asked", [None, "/etc", "home/project", "~"])
def test_a_server_that_was_started_in_the_home_folder_opens_nothing(
    make_desk: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, roots: tuple[str, ...], asked: str | None
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    (folder / "project").mkdir()
    named = {"home": folder, "above": folder.parent}
    asked = asked and asked.replace("home", str(folder))
    for cwd in (folder, folder.parent, type(folder)("/")):
        desk = make_desk(cwd=cwd)
        with pytest.raises(FlatfieldError, match=r"no folder is open to agents here: .* --root DIR"):
            desk.workspace(asked, tuple(named.get(root, type(folder)(root)) for root in roots))
        opened = make_desk(cwd=cwd, roots=(folder,))
        assert opened.workspace(str(folder / "project"), ()) == folder / "project"


def test_a_clients_own_project_is_open_wherever_the_server_was_started(
    make_desk: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    (folder / "project").mkdir()
    assert make_desk(cwd=folder).workspace(None, (folder / "project",)) == folder / "project"


def test_its_store_then_lies_in_flatfields_own_folder(
    make_desk: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, own_data_folder: Path
) -> None:
    assert make_desk().project().data == folder / ".flatfield"
    monkeypatch.setenv("HOME", str(folder))
    assert make_desk().project().data == own_data_folder / "home"
    (folder / ".flatfield").mkdir()
    assert make_desk().project().data == folder / ".flatfield", "where runs are stored already"
