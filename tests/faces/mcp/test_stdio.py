"""`flatfield mcp` as clients start it: a clean stdout, a quick answer, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from flatfield.runs.store.store import Store
from flatfield.testing.fake_server import FakeReply, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import TrialRecord
    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.whole

MODERN_ENOUGH = "2025-06-18"


def message(number: int, method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"


HELLO = message(
    1, "initialize", protocolVersion=MODERN_ENOUGH, capabilities={}, clientInfo={"name": "t", "version": "1"}
)
READY = b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n'


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "flatfield", "mcp", *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "FLATFIELD_CACHE": str(folder / "cache")},
    )


def test_stdout_carries_the_protocol_alone_and_the_end_of_stdin_ends_it(folder: Path) -> None:
    process = start(folder)
    call = message(2, "tools/call", name="prompt_nano_agent", arguments={"agentic_prompt": "x", "agent": "noop"})
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(HELLO + READY + call)
    process.stdin.flush()
    lines = [process.stdout.readline()]
    while b'"id":2' not in lines[-1]:
        lines.append(process.stdout.readline())
    rest, _ = process.communicate(timeout=60)
    told = [json.loads(line) for line in (*lines, *rest.splitlines())]
    assert all(one["jsonrpc"] == "2.0" for one in told)
    assert told[0]["result"]["serverInfo"]["name"] == "flatfield"
    assert process.returncode == 0


@pytest.mark.slow
def test_what_a_call_needs_is_not_loaded_before_the_first_call(folder: Path) -> None:
    code = (
        "import sys; sys.argv = ['flatfield', 'mcp']\n"
        "from flatfield.faces.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numpy', 'aiohttp', 'genai_prices', 'xllamacpp'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=HELLO, capture_output=True, cwd=folder, check=True, timeout=60
    )
    assert b'"id":1' in done.stdout
    assert done.stderr.decode().strip() == "[]"


@pytest.mark.slow
def test_a_client_that_vanishes_leaves_no_process(folder: Path) -> None:
    process = start(folder)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(HELLO + READY)
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdin.close()
    deadline = time.monotonic() + 60
    assert process.wait(timeout=deadline - time.monotonic()) == 0
    assert process.stderr is not None
    assert b"bug" not in process.stderr.read()
    process.stderr.close()


def children(parent: int) -> list[str]:
    """The processes that a process has started and that are still there."""
    pids = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").read_bytes()]


def until(true: Any, seconds: float) -> float:
    """Wait until something holds; how long that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.needs("model")
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are looked up in /proc")
def test_a_cancelled_agent_on_this_device_leaves_no_model_behind(folder: Path) -> None:
    model = os.environ["FLATFIELD_TEST_MODEL"]
    (folder / "flatfield.toml").write_text(f'[agents.here]\nprovider = "local"\nmodel = "{model}"\n')
    process = start(folder)
    assert process.stdin is not None
    prompt = {"agentic_prompt": "Tell a very long story.", "agent": "here"}
    process.stdin.write(HELLO + READY + message(2, "tools/call", name="prompt_nano_agent", arguments=prompt))
    process.stdin.flush()
    until(lambda: children(process.pid), 60)
    gone = b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}\n'
    process.stdin.write(gone)
    process.stdin.flush()
    until(lambda: not children(process.pid), 60)
    process.communicate(timeout=60)
    assert process.returncode == 0


NUMBERS = (
    signal.SIGTERM,
    pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    pytest.param(signal.SIGQUIT, marks=pytest.mark.slow),
)


class Slow:
    """A model that asks for a tool once and then never answers again."""

    def __init__(self) -> None:
        self.hangs = threading.Event()

    def __call__(self, _request: dict[str, Any], number: int) -> FakeReply | Fault:
        if number == 0:
            return FakeReply(calls=(("list_directory", "{}"),))
        self.hangs.set()
        return Fault(kind="slow_headers")


def stored(folder: Path) -> TrialRecord:
    store = Store(folder / ".flatfield")
    (run,) = store.runs()
    (trial,) = store.trials(run.id)
    return trial


def asks_for_work(server: FakeChat, number: int = 2) -> bytes:
    prompt = {"agentic_prompt": "x", "agent": f"openai-chat:m@{server.base_url}"}
    return message(number, "tools/call", name="prompt_nano_agent", arguments=prompt)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_ends_what_is_in_flight_and_its_record_is_stored(
    folder: Path, serve: Callable[..., FakeChat], number: signal.Signals
) -> None:
    model = Slow()
    process = start(folder, "--allow-urls")
    assert process.stdin is not None
    process.stdin.write(HELLO + READY + asks_for_work(serve(model)))
    process.stdin.flush()
    assert model.hangs.wait(100)
    process.send_signal(number)
    assert process.wait(60) == 130
    process.communicate()
    trial = stored(folder)
    assert (trial.stop, trial.turn_count) == ("cancelled", 1)
    assert trial.usage is not None
    assert trial.usage.input_tokens == 100


@pytest.mark.parametrize(
    "number", [pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGTERM, signal.SIGHUP)]
)
def test_over_http_too(folder: Path, serve: Callable[..., FakeChat], number: signal.Signals) -> None:
    model = Slow()
    process = start(folder, "--allow-urls", "--http", "127.0.0.1:0")
    assert process.stderr is not None
    address = process.stderr.readline().decode().split()[2].rstrip(";")
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    with urlopen(Request(address, HELLO, headers), timeout=60) as reply:
        headers |= {"Mcp-Session-Id": reply.headers["Mcp-Session-Id"], "MCP-Protocol-Version": MODERN_ENOUGH}
    with urlopen(Request(address, READY, headers), timeout=60):
        pass
    with urlopen(Request(address, asks_for_work(serve(model)), headers), timeout=60):
        assert model.hangs.wait(100)
        process.send_signal(number)
        assert process.wait(60) == 130
    process.communicate()
    assert (stored(folder).stop, stored(folder).turn_count) == ("cancelled", 1)


@pytest.mark.slow
async def test_kill_9_leaves_what_finished_turns_used(folder: Path, serve: Callable[..., FakeChat]) -> None:
    (folder / "flatfield.toml").write_text("[prices.m]\ninput_mtok = 1000.0\noutput_mtok = 0.0\n")
    model = Slow()
    process = start(folder, "--allow-urls")
    assert process.stdin is not None
    process.stdin.write(HELLO + READY + asks_for_work(serve(model)))
    process.stdin.flush()
    assert model.hangs.wait(100)
    process.kill()
    process.communicate()
    (listed,) = Store(folder / ".flatfield").runs()
    assert (listed.delegated, listed.stored) == (True, 0)
    assert listed.cost_usd == pytest.approx(0.1)
    async with Store(folder / ".flatfield"):
        pass  # as any later call does
    trial = stored(folder)
    assert (trial.stop, trial.turn_count) == ("cancelled", 1)
    assert trial.cost_usd == pytest.approx(0.1)
    assert trial.failure is not None
    assert trial.failure.kind == "interrupted"


def test_what_is_wrong_on_the_command_line_is_one_sentence(folder: Path, cli: Cli) -> None:
    for arguments, said in (
        (("--http", "nowhere"), "write HOST:PORT"),
        (("--root", "nowhere"), "is no directory"),
        (("--agent", "nobody"), "nobody"),
        (("--allow-host", "x"), "add --http"),
    ):
        done = cli("mcp", *arguments)
        assert done.returncode == 2, arguments
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_an_agent_in_the_background_is_asked_for_in_a_later_call(folder: Path) -> None:
    process = start(folder, "--parallel", "3", "--ignore-base-urls")
    assert process.stdin is not None
    assert process.stdout is not None
    begins = {"agentic_prompt": "x", "agent": "noop", "background": True}
    process.stdin.write(HELLO + READY + message(2, "tools/call", name="prompt_nano_agent", arguments=begins))
    process.stdin.flush()
    told = json.loads(process.stdout.readline())
    while told.get("id") != 2:
        told = json.loads(process.stdout.readline())
    trial = told["result"]["structuredContent"]["metadata"]["trial"]
    asked = message(3, "tools/call", name="agent_result", arguments={"trial": trial, "wait_seconds": 60})
    process.stdin.write(asked)
    process.stdin.flush()
    while told.get("id") != 3:
        told = json.loads(process.stdout.readline())
    process.communicate(timeout=20)
    assert told["result"]["structuredContent"]["metadata"]["stop"] == "answered"
    assert Store(folder / ".flatfield").trial(trial).stop == "answered"
    assert process.returncode == 0
