"""`flatfield run`: one agent here and now; its tool calls on stderr, its answer on standard output."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.testing.fake_server import FakeReply, Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]
    Serve = Callable[..., FakeChat]

pytestmark = pytest.mark.whole


def writing(request: dict[str, Any], _number: int) -> FakeReply:
    if request["messages"][-1]["role"] == "tool":
        return FakeReply(text="written\x1b[0m")
    return FakeReply(calls=(("write_file", json.dumps({"file_path": "new.txt", "content": "hello"})),))


def test_it_works_in_the_directory_and_shows_what_it_does(cli: Cli, project: Path, serve: Serve) -> None:
    ended = cli("run", "write new.txt", "--model", f"openai-chat:m@{serve(writing).base_url}")
    assert ended.returncode == 0
    assert ended.stdout == "written\x1b[0m\n"
    assert '  → write_file {"file_path": "new.txt", "content": "hello"}' in ended.stderr
    assert "2 turns · 1 tool call · " in ended.stderr
    assert "200 tokens in, 20 out · no price" in ended.stderr
    assert "files changed: new.txt (added)" in ended.stderr
    assert (project / "new.txt").read_text() == "hello"


ANSWER = "a\r\nb\u200fשלום\u200e \x1b[2Jc\t\u202e"


def answering(_request: dict[str, Any], _number: int) -> FakeReply:
    return FakeReply(text=ANSWER)


def test_in_a_pipe_or_a_file_an_answer_is_byte_for_byte_what_the_model_wrote(cli: Cli, serve: Serve) -> None:
    model = f"openai-chat:m@{serve(answering).base_url}"
    assert cli("run", "hi", "--model", model).stdout == f"{ANSWER}\n"
    shown = cli("run", "hi", "--model", model, "--json").stdout
    assert json.loads(shown)["answer"] == ANSWER
    assert not set(shown) & set("\x1b\r\u200e\u200f\u202e")


def test_on_a_terminal_nothing_in_an_answer_is_a_command(
    cli: Cli, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = cli("run", "hi", "--model", f"openai-chat:m@{serve(answering).base_url}").stdout
    assert shown == "a\nb\\u200fשלום\\u200e \\x1b[2Jc\t\\u202e\n"


def test_another_directory_may_be_named(cli: Cli, project: Path, serve: Serve) -> None:
    (project / "there").mkdir()
    cli("run", "write", "--model", f"openai-chat:m@{serve(writing).base_url}", "--workspace", "there")
    assert (project / "there" / "new.txt").exists()


def test_json_is_the_record(cli: Cli, norway: str) -> None:
    ended = cli("run", "hi", "--model", norway, "--json")
    found = json.loads(ended.stdout)
    assert (found["answer"], found["stop"], len(found["turns"])) == ("Oslo", "answered", 1)


def test_a_limit_that_ends_it_is_said(cli: Cli, serve: Serve) -> None:
    def endless(_request: dict[str, Any], _number: int) -> FakeReply:
        return FakeReply(calls=(("list_directory", "{}"),))

    ended = cli("run", "hi", "--model", f"openai-chat:m@{serve(endless).base_url}", "--turns", "2")
    assert ended.returncode == 0
    assert "ended by its turn limit" in ended.stderr


def test_a_server_that_fails_is_code_3(cli: Cli, serve: Serve) -> None:
    def refusing(_request: dict[str, Any], _number: int) -> Fault:
        return Fault(status=400, message="no such thing")

    ended = cli("run", "hi", "--model", f"openai-chat:m@{serve(refusing).base_url}")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "not finished: " in ended.stderr
    assert "no such thing" in ended.stderr


def test_a_configured_agent_may_be_named(cli: Cli, project: Path, norway: str) -> None:
    provider, _, rest = norway.partition(":")
    model, _, url = rest.partition("@")
    lines = ["[agents.mine]", f'provider = "{provider}"', f'model = "{model}"', f'base_url = "{url}"']
    (project / "flatfield.toml").write_text("\n".join(lines))
    assert cli("run", "hi", "--agent", "mine").stdout == "Oslo\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["hi"], "say who works: either --agent NAME or --model"),
        (["hi", "--agent", "noop", "--model", "noop:"], "say who works"),
        ([" ", "--agent", "noop"], "the prompt is empty"),
        (["hi", "--agent", "smollm*"], "means 2 agents; name one"),
        (["hi", "--agent", "nobody"], "there is no agent 'nobody'"),
        (["hi", "--model", "nobody:m"], "there is no provider 'nobody'"),
        (["hi", "--model", "m"], "write PROVIDER:MODEL[@URL]"),
        (["hi", "--agent", "noop", "--workspace", "nowhere"], "the workspace nowhere is no directory"),
        (["hi", "--model", "local:smollm2-135m"], "run: flatfield models pull smollm2-135m"),
        (["hi", "--model", "openai-chat:gpt-5"], "set the environment variable OPENAI_API_KEY"),
    ],
)
def test_bad_input_is_a_sentence(cli: Cli, arguments: list[str], sentence: str) -> None:
    ended = cli("run", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


def by_model(written: dict[str, str]) -> Callable[[dict[str, Any], int], FakeReply]:
    def script(request: dict[str, Any], _number: int) -> FakeReply:
        if request["messages"][-1]["role"] == "tool":
            return FakeReply(text=f"by {request['model']}")
        arguments = json.dumps({"file_path": "done.txt", "content": written[request["model"]]})
        return FakeReply(calls=(("write_file", arguments),))

    return script


CASCADE = """[agents.weak]
provider = "openai-chat"
model = "m"
base_url = "{url}"
[agents.strong]
provider = "openai-chat"
model = "n"
base_url = "{url}"
[agents.both]
provider = "cascade"
steps = ["weak", "strong"]
check = "visible"
"""


@pytest.mark.needs("bwrap")
def test_a_cascade_goes_on_where_the_check_fails(cli: Cli, project: Path, serve: Serve) -> None:
    server = serve(by_model({"m": "wrong", "n": "right"}))
    (project / "flatfield.toml").write_text(CASCADE.format(url=server.base_url))
    (project / "done.txt").write_text("to do")
    bare = cli("run", "do it", "--agent", "both")
    assert (bare.returncode, bare.stdout) == (2, "")
    assert "both checks its steps by 'visible', which tasks have and a folder has not: name a check" in bare.stderr
    ended = cli("run", "do it", "--agent", "both", "--check", "grep -q right done.txt")
    assert (ended.returncode, ended.stdout) == (0, "by n\n"), ended.stderr
    assert "note: weak did not pass the check: exit code 1" in ended.stderr
    assert "files changed: done.txt (modified)" in ended.stderr
    assert (project / "done.txt").read_text() == "right"
    failing = cli("run", "do it", "--agent", "weak", "--check", "grep -q right done.txt")
    assert failing.returncode == 1, "the check is a gate"
    missing = cli("run", "do it", "--agent", "both", "--check", "no-such-program")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "the check 'no-such-program' cannot start" in missing.stderr
