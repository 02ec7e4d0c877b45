"""`.env`: read as people expect, found only by asking, and behind the real environment."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.common import Environment, read_environment
from flatfield.records import AgentConfig
from flatfield.tasks.agents import Roster
from flatfield.tasks.project import Project
from flatfield.testing.fake_server import FakeReply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from flatfield.testing.wires.openai_chat import FakeChat

PLANTED = "sk-planted-0123456789"


def project(folder: Path, *variables: str) -> Project:
    agents = tuple(AgentConfig(name=name, provider="openai-chat", api_key_env=name) for name in variables)
    return Project(folder=folder, config=None, data=folder, roster=Roster(agents), notes=())


def found(folder: Path, text: str, real: dict[str, str] | None = None) -> Environment:
    (folder / ".env").write_text(text, encoding="utf-8")
    return read_environment(project(folder, "MY_KEY"), folder, real or {})[0]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("OPENAI_API_KEY=abc", "abc"),
        ("export OPENAI_API_KEY=abc", "abc"),
        ("  OPENAI_API_KEY = abc  # mine", "abc"),
        ("OPENAI_API_KEY='a b # c'", "a b # c"),
        ('OPENAI_API_KEY="a\\nb"', "a\nb"),
        ("OPENAI_API_KEY=a${HOME}b", "a${HOME}b"),
        ("\ufeffOPENAI_API_KEY=abc\r\n", "abc"),
        ("# OPENAI_API_KEY=no\n\nOPENAI_API_KEY=", ""),
        ("OPENAI_API_KEY", None),
    ],
)
def test_lines_as_people_write_them(tmp_path: Path, line: str, value: str | None) -> None:
    assert found(tmp_path, line).get("OPENAI_API_KEY") == value


def test_only_what_providers_look_up_is_taken(tmp_path: Path) -> None:
    text = "\n".join(
        f"{name}=x"
        for name in (
            "GEMINI_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "OPENAI_BASE_URL",
            "OLLAMA_HOST",
            "MY_KEY",
            "PATH",
            "OTHER",
        )
    )
    here = found(tmp_path, text)
    assert [here.get(name) for name in ("GEMINI_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_BASE_URL")] == ["x"] * 3
    assert (here.get("OLLAMA_HOST"), here.get("MY_KEY"), here.get("PATH"), here.get("OTHER")) == ("x", "x", None, None)


def test_the_real_environment_wins_then_the_folder_one_is_in(tmp_path: Path) -> None:
    here = tmp_path / "sub"
    here.mkdir()
    (tmp_path / ".env").write_text("OPENAI_API_KEY=project\nGEMINI_API_KEY=project\nANTHROPIC_API_KEY=project\n")
    (here / ".env").write_text("OPENAI_API_KEY=here\nGEMINI_API_KEY=here\n")
    environ, _ = read_environment(project(tmp_path), here, {"OPENAI_API_KEY": "real"})
    names = ("OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY")
    assert [environ[name] for name in names] == ["real", "here", "project"]


def test_it_is_found_only_by_asking(tmp_path: Path) -> None:
    environ = found(tmp_path, f"OPENAI_API_KEY={PLANTED}", {"PATH": "/bin"})
    assert environ["OPENAI_API_KEY"] == PLANTED
    assert dict(environ) == {**environ} == {"PATH": "/bin"}
    assert len(environ) == 1
    assert PLANTED not in repr(environ)
    assert "OPENAI_API_KEY" not in os.environ


def test_a_subprocess_that_is_given_it_sees_no_key(tmp_path: Path) -> None:
    environ = found(tmp_path, f"OPENAI_API_KEY={PLANTED}", dict(os.environ))
    code = "import os; print(sorted(os.environ.items()))"
    shown = subprocess.run([sys.executable, "-c", code], env=dict(environ), capture_output=True, text=True, check=True)
    assert PLANTED not in shown.stdout


def test_a_line_that_is_none_is_passed_over_with_its_number_and_without_its_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"A=1\n'{PLANTED}\nOPENAI_API_KEY=abc\n")
    environ, notes = read_environment(project(tmp_path), tmp_path, {})
    assert environ["OPENAI_API_KEY"] == "abc"
    assert notes == (f"{tmp_path / '.env'}:2: this is no KEY=VALUE; the line is passed over",)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"OPENAI_API_KEY=\xff\n")
    with pytest.raises(FlatfieldError, match="is not UTF-8"):
        read_environment(project(tmp_path), tmp_path, {})


def test_a_folder_of_that_name_is_none(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert dict(read_environment(project(tmp_path), tmp_path, {})[0]) == {}


def test_a_run_uses_the_key_and_leaves_it_nowhere(
    cli: Callable[..., CompletedProcess[str]], serve: Callable[..., FakeChat], project: Path
) -> None:
    server = serve([FakeReply(text="Oslo")] * 3)
    (project / ".env").write_text(f"PLANTED_API_KEY={PLANTED}\n")
    (project / "flatfield.toml").write_text(
        f'[agents.a]\nprovider = "openai-chat"\nmodel = "m"\nbase_url = "{server.base_url}"\n'
        'api_key_env = "PLANTED_API_KEY"\n[prices.m]\ninput_mtok = 1000\noutput_mtok = 1000\n'
    )
    done = cli("eval", "oslo.md", "--agents", "a")
    assert done.returncode == 0, done.stderr
    shown = cli("report", "--format", "json")
    assert "user price file: m" in shown.stdout
    assert '"cost_usd": 0.' in shown.stdout
    traces = [path for path in project.rglob("*") if path.is_file() and path.name != ".env"]
    assert traces
    assert not [path for path in traces if PLANTED.encode() in path.read_bytes()]
    assert PLANTED not in done.stdout + done.stderr + shown.stdout
    assert "PLANTED_API_KEY" not in os.environ
