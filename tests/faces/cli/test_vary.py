"""`flatfield vary`: one agent against itself with one setting otherwise, on servers that differ."""

from __future__ import annotations

import json
import re
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.records import Usage
from flatfield.testing.fake_server import FakeReply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]
    Serve = Callable[..., FakeChat]

pytestmark = pytest.mark.whole

NUMBER = """---
id: number-{n}
files: {{notes.txt: "the number 4{n}7 is here"}}
verify:
  - answer: {{contains: "4{n}7"}}
---
# A number

## Variables

PROMPT: "Which number is in notes.txt"
"""
CODE = """#!{python}
import json, re, sys
if "--version" in sys.argv:
    sys.exit(print("2.1.197 (Claude Code)"))
found = re.search(r"number (\\d+)", open("notes.txt").read())[1]
print(json.dumps({{"type": "system", "subtype": "init", "model": "m"}}))
print(json.dumps({{"type": "result", "subtype": "success", "result": found, "num_turns": 2}}))
"""


def reads(request: dict[str, Any], _number: int) -> FakeReply:
    """A server whose model reads the file and says the number; with little effort it says another one."""
    reasoning = {"low": 30, None: 600}[request.get("reasoning_effort")]
    told = re.findall(r"number (\d+)", json.dumps(request["messages"]))
    usage = Usage(input_tokens=800 if told else 500, output_tokens=reasoning + 20, reasoning_tokens=reasoning)
    if not told:
        return FakeReply(calls=(("read_file", '{"file_path": "notes.txt"}'),), usage=usage)
    return FakeReply(text="It is 0" if reasoning == 30 else f"It is {told[-1]}", usage=usage)


def ignores_tools(_request: dict[str, Any], _number: int) -> FakeReply:
    return FakeReply(text="I cannot read files; paste it here.", usage=Usage(input_tokens=90, output_tokens=12))


@pytest.fixture
def tasks(project: Path) -> Path:
    folder = project / "tasks"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.md").write_text(NUMBER.format(n=n))
    return folder


@pytest.fixture
def good(serve: Serve) -> FakeChat:
    return serve(reads)


@pytest.fixture
def deaf(serve: Serve) -> FakeChat:
    return serve(ignores_tools)


def whole(done: CompletedProcess[str]) -> str:
    return " ".join(done.stdout.split())


def host(server: FakeChat) -> str:
    return server.base_url.partition("://")[2].removesuffix("/v1")


@pytest.mark.usefixtures("tasks")
def test_the_server_that_ignores_the_tools_is_named_and_what_makes_no_difference(
    cli: Cli, good: FakeChat, deaf: FakeChat
) -> None:
    agent = f"openai-chat:m@{good.base_url}"
    over = ("--over", f"base_url={deaf.base_url}", "--over", "temperature=0", "--over", "reasoning_effort=low")
    done = cli("vary", agent, "tasks", *over, "--repeats", "4")
    assert done.returncode == 0, done.stderr
    said = whole(done)
    first, second, third = re.findall(r"- (base_url|reasoning_effort|temperature): (.*?\.) (?=- |Every)", said)
    assert {first[0], second[0]} == {"base_url", "reasoning_effort"}
    by_name = dict([first, second, third])
    assert f"{host(deaf)} behind {host(good)}: the server at {host(deaf)} ignores the tools" in by_name["base_url"]
    assert f"(12 trials offered them and no call came; 12 calls with {host(good)})" in by_name["base_url"]
    assert "60 reasoning tokens a trial with low, 1,200 with its default" in by_name["reasoning_effort"]
    assert third[0] == "temperature"
    assert third[1].startswith("no measurable difference: 0 against its default -")
    assert "temperature=0: temperature: vendor's default → 0" in said
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "Report: .flatfield/reports/" in done.stderr


@pytest.mark.usefixtures("tasks")
def test_the_baseline_runs_once_and_all_are_shuffled_together(cli: Cli, good: FakeChat) -> None:
    agent = f"openai-chat:m@{good.base_url}"
    done = cli("vary", agent, "tasks", "--over", "temperature=0,1", "--over", "reasoning_effort=low", "--repeats", "2")
    assert done.returncode == 0, done.stderr
    report = json.loads(cli("report", "--json").stdout)
    did = [trial["agent"] for trial in report["trials"]]
    name = f"openai-chat:m@{host(good)}"
    assert {each: did.count(each) for each in did} == dict.fromkeys(
        (name, f"{name}+temperature:0", f"{name}+temperature:1", f"{name}+reasoning_effort:low"), 6
    )
    temperatures = [request.get("temperature") for request in good.requests]
    assert temperatures.count(0) == temperatures.count(1) == 12
    assert re.search(r"\[1/24\]", done.stderr)


@pytest.mark.usefixtures("tasks")
def test_json_has_every_figure_and_a_stored_run_is_read_again_without_a_request(
    cli: Cli, good: FakeChat, deaf: FakeChat
) -> None:
    agent = f"openai-chat:m@{good.base_url}"
    done = cli("vary", agent, "tasks", "--over", f"base_url={deaf.base_url}", "--repeats", "3", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (factor,) = found["factors"]
    (value,) = factor["values"]
    assert found["sentences"] == [factor["sentence"]]
    assert (value["value"], value["was"]) == (deaf.base_url, good.base_url)
    assert value["comparison"]["difference"] < -0.9
    assert [cause["kind"] for cause in value["causes"]] == ["tools never called", "reasoning"]
    assert value["differences"][0]["label"] == "address"
    asked = len(good.requests), len(deaf.requests)
    assert cli("vary", "--of", found["run"], "--json").stdout == done.stdout
    assert (len(good.requests), len(deaf.requests)) == asked


@pytest.mark.usefixtures("tasks")
def test_it_is_a_run_like_any_other(cli: Cli, good: FakeChat) -> None:
    agent = f"openai-chat:m@{good.base_url}"
    assert cli("vary", agent, "tasks", "--over", "reasoning_effort=low").returncode == 0
    (run,) = json.loads(cli("runs", "--json").stdout)
    assert run["planned"] == run["measured"] == 6
    name = f"openai-chat:m@{host(good)}"
    assert f"{name} did 100 points more of the work" in whole(cli("compare", name, f"{name}+reasoning_effort:low"))
    resumed = cli("eval", "--resume", "--repeats", "2")
    assert ": 6 trials done, 6 trials to do" in resumed.stderr
    assert "What Makes the Difference" in resumed.stdout
    assert "on 3 tasks × 2;" in whole(cli("vary", "--of", "last"))
    assert "## What Makes the Difference" in cli("report", "--format", "markdown").stdout
    variations = json.loads(cli("report", "--json").stdout)["variations"]
    assert [one["factor"] for one in variations] == ["reasoning_effort"]


@pytest.mark.usefixtures("tasks")
def test_a_server_that_is_down_stops_all_before_the_first_request_or_is_skipped(cli: Cli, good: FakeChat) -> None:
    agent = f"openai-chat:m@{good.base_url}"
    over = ("--over", "base_url=http://127.0.0.1:9/v1", "--over", "temperature=0")
    ended = cli("vary", agent, "tasks", *over)
    assert ended.returncode == 2
    assert "no server answers at http://127.0.0.1:9/v1" in ended.stderr
    assert good.requests == []
    skipped = cli("vary", agent, "tasks", *over, "--skip-unready")
    assert skipped.returncode == 3
    assert f"127.0.0.1:9 cannot be compared with {host(good)}: 0 of 3 trials" in whole(skipped)


def test_another_scaffold_has_the_same_model(
    cli: Cli, tasks: Path, project: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = project / "bin" / "claude"
    program.parent.mkdir()
    program.write_text(CODE.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    agent = f"openai-chat:m@{serve(ignores_tools).base_url}"
    refused = cli("vary", agent, str(tasks), "--over", "scaffold=nano,cli:claude-code")
    assert refused.returncode == 2
    assert "name one that it runs by itself: claude-code/MODEL" in refused.stderr
    done = cli("vary", agent, str(tasks), "--over", "scaffold=nano,cli:claude-code/m", "--repeats", "2")
    assert done.returncode == 0, done.stderr
    said = whole(done)
    assert "scaffold: 100 points apart (" in said
    assert "cli:claude-code/m before nano" in said
    assert "no tool was ever called" not in said, "the scaffold tells of no call either"
    assert "claude-code 2.1.197" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name the agent whose settings are to be varied"),
        (("mine", "oslo.md"), "name what is to be tried otherwise"),
        (("nobody", "oslo.md", "--over", "temperature=0"), "there is no agent 'nobody'"),
        (("oracle", "oslo.md", "--over", "temperature=0"), "is a control"),
        (("AGENT", "--over", "temperature=0"), "name what to evaluate"),
        (("AGENT", "oslo.md", "--over", "temprature=0"), "did you mean 'temperature'?"),
        (("AGENT", "oslo.md", "--over", "protocol=auto"), "that is what openai-chat:m@127.0.0.1"),
        (("AGENT", "oslo.md", "--over", "system_prompt=short.md"), "there is no file"),
        (("AGENT", "joke.md", "--over", "temperature=0"), "nothing checks what an agent does here"),
        (("gpt-5-mini", "oslo.md", "--over", "temperature=0"), "does not take temperature"),
        (("AGENT", "oslo.md", "--of", "last"), "leave openai-chat:m@http"),
        (
            ("AGENT", "oslo.md", "--over", "temperature=0", "--max-repeats", "5"),
            "--max-repeats limits what --until-sure",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(
    cli: Cli, good: FakeChat, arguments: tuple[str, ...], said: str
) -> None:
    agent = f"openai-chat:m@{good.base_url}"
    done = cli("vary", *(agent if each == "AGENT" else each for each in arguments))
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert good.requests == []


def test_a_run_of_another_kind_has_nothing_to_read_again(cli: Cli) -> None:
    assert cli("eval", "oslo.md", "--agents", "oracle").returncode == 0
    done = cli("vary", "--of", "last")
    assert done.returncode == 2
    assert "tries no setting otherwise: start one with flatfield vary AGENT --over" in done.stderr
    assert done.stdout == ""


def test_a_key_goes_to_no_other_host_unasked(
    cli: Cli, tasks: Path, project: Path, good: FakeChat, deaf: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project's file names the variable: where its value goes is the user's to say, on the command line too."""
    config = f'[agents.mine]\nprovider = "openai-chat"\nmodel = "m"\nbase_url = "{good.base_url}"\n'
    (project / "flatfield.toml").write_text(f'{config}api_key_env = "HOUSE_KEY"\n')
    monkeypatch.setenv("HOUSE_KEY", "s3cret")
    over = ("vary", "mine", str(tasks), "--over", f"base_url={deaf.base_url}")
    done = cli(*over)
    assert done.returncode == 2
    assert "HOUSE_KEY goes to" in done.stderr
    assert (good.requests, deaf.requests) == ([], [])
    assert cli(*over, "--trust").returncode == 0
    assert {headers["Authorization"] for headers in deaf.headers} == {"Bearer s3cret"}
    assert "s3cret" not in cli("vary", "--of", "last", "--json").stdout
