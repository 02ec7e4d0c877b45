"""`flatfield run` in a user's own folder: attacks that a model may try there, replayed against the whole command."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.testing.fake_server import FakeReply

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]
    Serve = Callable[..., FakeChat]

pytestmark = pytest.mark.whole

SECRET = "the-secret-of-the-user"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n"
EVIL = '[agents.mine]\nprovider = "cli"\nmodel = "m"\ncommand = ["sh", "-c", "echo run > /tmp/evil"]\n'


def calling(*calls: tuple[str, dict[str, str]]) -> Callable[[dict[str, Any], int], FakeReply]:
    """A model that makes these calls at once, then answers."""

    def script(request: dict[str, Any], _number: int) -> FakeReply:
        if request["messages"][-1]["role"] == "tool":
            return FakeReply(text="done")
        return FakeReply(calls=tuple((name, json.dumps(arguments)) for name, arguments in calls))

    return script


def write(path: str, content: str = "evil") -> tuple[str, dict[str, str]]:
    return "write_file", {"file_path": path, "content": content}


def results(server: FakeChat) -> list[str]:
    """What the model was told of its calls."""
    return [message["content"] for message in server.requests[-1]["messages"] if message["role"] == "tool"]


@pytest.fixture
def attack(cli: Cli, serve: Serve) -> Callable[..., list[str]]:
    def run(*calls: tuple[str, dict[str, str]], options: tuple[str, ...] = ()) -> list[str]:
        server = serve(calling(*calls))
        ended = cli("run", "attack", "--model", f"openai-chat:m@{server.base_url}", *options)
        assert ended.returncode == 0, ended.stderr
        return results(server)

    return run


def test_what_the_next_call_would_run_cannot_be_written(attack: Callable[..., list[str]], project: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], check=True, cwd=project)
    (project / "flatfield.toml").write_text("# mine\n")
    (project / ".claude").mkdir()
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    told = attack(
        write("flatfield.toml", EVIL),
        ("edit_file", {"file_path": "flatfield.toml", "old_str": "# mine", "new_str": EVIL}),
        write(".git/config", "[core]\n\tfsmonitor = echo run > /tmp/evil\n"),
        write(".git/hooks/pre-commit", "#!/bin/sh\necho run"),
        write(".claude/settings.json", "{}"),
        write(".mcp.json", "{}"),
        write(".github/workflows/ci.yml", "on: push"),
        write("sub/.GIT/config"),
        write(".flatfield/store.db", "x"),
        write("agents/evil.md"),
        write("AGENTS.md"),
    )
    assert len(told) == 11
    for text in told:
        assert " is protected: " in text
        assert "tell the user" in text
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_secrets_are_not_read(attack: Callable[..., list[str]], project: Path) -> None:
    (project / ".env").write_text(f"KEY={SECRET}\n")
    (project / "id").write_text(KEY)
    (project / ".ssh").mkdir()
    (project / ".ssh/config").write_text(SECRET)
    (project / "link").symlink_to(".env")
    (project / ".env.example").write_text("KEY=\n")
    told = attack(*(("read_file", {"file_path": path}) for path in (".env", "id", ".ssh/config", "link", "./.ENV")))
    assert not any(SECRET in text for text in told)
    assert all("is protected" in text for text in told[:-1])
    assert attack(("read_file", {"file_path": ".env.example"})) == ["KEY=\n"]


def test_the_configuration_in_force_is_protected_wherever_it_lies(
    cli: Cli, serve: Serve, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "conf").mkdir()
    (project / "conf/models.toml").write_text("# mine\n")
    server = serve(calling(write("conf/models.toml", EVIL)))
    model = f"openai-chat:m@{server.base_url}"
    cli("--config", "conf/models.toml", "run", "x", "--model", model)
    assert "it is the configuration of flatfield that is in force" in results(server)[0]
    monkeypatch.setenv("FLATFIELD_CONFIG", "conf/models.toml")
    cli("run", "x", "--model", model)
    assert "is in force" in results(server)[0]
    assert (project / "conf/models.toml").read_text() == "# mine\n"


def test_a_user_opens_what_is_named(attack: Callable[..., list[str]], cli: Cli, project: Path) -> None:
    told = attack(write("AGENTS.md"), write("CLAUDE.md"), options=("--allow", "AGENTS.md", "--allow", ".mcp.json"))
    assert told[0].startswith("wrote ")
    assert "is protected" in told[1]
    (project / "flatfield.toml").write_text('allow = ["CLAUDE.md", "docs/**/SKILL.md"]\n')
    assert cli("trust").returncode == 0
    told = attack(write("AGENTS.md"), write("CLAUDE.md"), write("docs/a/b/SKILL.md"), write("SKILL.md"))
    assert [text.split()[0] for text in told] == ["AGENTS.md", "wrote", "wrote", "SKILL.md"]


def test_what_flatfield_toml_opens_is_meant_from_its_own_folder(
    attack: Callable[..., list[str]], cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "flatfield.toml").write_text('allow = ["sub/AGENTS.md"]\n')
    assert cli("trust").returncode == 0
    (project / "sub/deep").mkdir(parents=True)
    assert attack(write("AGENTS.md"), options=("--workspace", "sub"))[0].startswith("wrote ")
    assert "is protected" in attack(write("AGENTS.md"), options=("--workspace", "sub/deep"))[0]
    monkeypatch.chdir(project / "sub")
    assert attack(write("AGENTS.md"))[0].startswith("wrote ")


def test_what_was_opened_is_in_the_record_and_said(cli: Cli, norway: str) -> None:
    ended = cli("run", "hi", "--model", norway, "--json", "--allow", "AGENTS.md", "--allow", "README.md")
    notes = json.loads(ended.stdout)["notes"]
    assert "opened by the user: AGENTS.md, README.md" in notes
    assert "README.md needs no opening: nothing protects that very name" in notes
    assert "note: opened by the user: AGENTS.md" in cli("run", "hi", "--model", norway, "--allow", "AGENTS.md").stderr


def test_a_protected_workspace_is_refused_before_anything_is_asked(
    cli: Cli, norway: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".git/hooks").mkdir(parents=True)
    ended = cli("run", "hi", "--model", norway, "--workspace", ".git/hooks")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "is protected: git runs the hooks" in ended.stderr
    assert "open this one with --allow ." in ended.stderr
    assert cli("run", "hi", "--model", norway, "--workspace", ".git/hooks", "--allow", ".").stdout == "Oslo\n"
    monkeypatch.setenv("HOME", str(project))
    ended = cli("run", "hi", "--model", norway)
    assert ended.returncode == 2
    assert "with all that is in your home folder" in ended.stderr
    assert cli("run", "hi", "--model", norway, "--workspace", str(project)).stdout == "Oslo\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('allow = "AGENTS.md"', "is 'AGENTS.md'"),
        ('allow = ["/etc/passwd"]', "is no relative path"),
        ('allow = ["~/.bashrc"]', "is no relative path"),
        ('allow = ["a/../../b"]', "leads out of the folder"),
        ('allow = [""]', "not text"),
        ("allow = [1]", "not text"),
        ('alow = ["x"]', "did you mean `allow`?"),
    ],
)
def test_mistakes_in_allow_are_said_with_their_line(
    cli: Cli, project: Path, norway: str, line: str, words: str
) -> None:
    (project / "flatfield.toml").write_text(f"\n{line}\n")
    ended = cli("run", "hi", "--model", norway)
    assert ended.returncode == 2
    assert "flatfield.toml:2" in ended.stderr
    assert words in ended.stderr


def test_an_allow_option_that_names_nothing_is_said(cli: Cli, norway: str) -> None:
    ended = cli("run", "hi", "--model", norway, "--allow", " ")
    assert ended.returncode == 2
    assert "--allow ' ' names nothing" in ended.stderr


# ------------------------------------------------------------------------ commands


def configured(project: Path, server: FakeChat, tools: str) -> None:
    (project / "flatfield.toml").write_text(
        f'[agents.mine]\nprovider = "openai-chat"\nmodel = "m"\nbase_url = "{server.base_url}"\ntools = {tools}\n'
    )


COMMAND = (
    "echo evil > flatfield.toml; echo evil > .git/config; mkdir -p .github/workflows; echo evil > .github/workflows/x;"
    "cat .env .flatfield/*; git status --short; echo fine > fine.txt"
)


@pytest.mark.needs("bwrap")
@pytest.mark.usefixtures("reachable")
def test_commands_in_place_change_nothing_protected(cli: Cli, serve: Serve, project: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], check=True, cwd=project)
    (project / ".env").write_text(f"KEY={SECRET}\n")
    server = serve(calling(("run_command", {"command": COMMAND})))
    configured(project, server, '["run_command"]')
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    ended = cli("run", "attack", "--agent", "mine")
    assert ended.returncode == 0, ended.stderr
    [told] = results(server)
    assert SECRET not in told
    assert "?? oslo.md" in told
    assert "[.github/workflows is protected: its commands run on the build servers" in told
    assert {path: path.read_bytes() for path in before} == before
    assert (project / "fine.txt").read_text() == "fine\n"
    assert not (project / ".github/workflows").exists()
    offered = [tool["function"]["name"] for tool in server.requests[0]["tools"]]
    assert offered == ["run_command"]
    assert "Protected files of the user's" in server.requests[0]["tools"][0]["function"]["description"]


def test_without_a_sandbox_an_agent_with_commands_is_refused_with_the_reason(
    cli: Cli, serve: Serve, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(calling(("run_command", {"command": "true"})))
    configured(project, server, '["run_command", "read_file"]')
    monkeypatch.setenv("PATH", str(project))
    ended = cli("run", "hi", "--agent", "mine")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "commands cannot be run safely here: the sandbox needs bwrap" in ended.stderr
    assert server.requests == []


def test_agents_without_run_command_among_their_tools_have_none(attack: Callable[..., list[str]]) -> None:
    assert "there is no tool 'run_command'" in attack(("run_command", {"command": "true"}))[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="root may enter it, the sandbox's user may not")
@pytest.mark.needs("bwrap")
def test_a_workspace_that_the_sandbox_cannot_enter_is_refused_before_anything_is_asked(
    cli: Cli, serve: Serve, project: Path
) -> None:
    server = serve(calling(("run_command", {"command": "true"})))
    configured(project, server, '["run_command"]')
    closed = Path(project, "closed", "inner")
    closed.mkdir(parents=True)
    closed.parent.chmod(0o700)
    ended = cli("run", "hi", "--agent", "mine", "--workspace", str(closed))
    assert ended.returncode == 2
    assert "who may not pass" in ended.stderr
    assert server.requests == []
