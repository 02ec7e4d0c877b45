"""`kill -9` in the middle of trials: what finished turns used is known, counts for the budget, and counts once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
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

PRICES = "[prices.m]\ninput_mtok = 1000.0\noutput_mtok = 0.0\n"
TURN_USD = 0.1  # 100 input tokens
FLYING = 3


class Hanging:
    """A model that asks for a tool in each trial's first turn and hangs in the second, until it is mended."""

    def __init__(self) -> None:
        self.mended = False
        self.hanging = 0
        self.all_hang = threading.Event()

    def __call__(self, request: dict[str, Any], _number: int) -> FakeReply | Fault:
        if self.mended:
            return FakeReply(text="Oslo")
        if not any(message["role"] == "tool" for message in request["messages"]):
            return FakeReply(calls=(("list_directory", "{}"),))
        self.hanging += 1
        if self.hanging == FLYING:
            self.all_hang.set()
        return Fault(kind="slow_headers")


@pytest.fixture
def killed(project: Path, serve: Serve) -> Hanging:
    """An evaluation that was killed with so many trials in flight, each in its second turn."""
    (project / "flatfield.toml").write_text(PRICES)
    model = Hanging()
    server = serve(model)
    arguments = ["eval", "oslo.md", "--agents", f"openai-chat:m@{server.base_url}", "--repeats", "4", "--jobs", "3"]
    with subprocess.Popen(
        [sys.executable, "-m", "flatfield", *arguments],
        cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        assert model.all_hang.wait(100)
        running.kill()
    model.mended = True
    return model


def spent(cli: Cli) -> float:
    (run,) = json.loads(cli("runs", "--json").stdout)
    return float(run["cost_usd"])


def test_what_finished_turns_cost_is_known_and_a_resumed_run_counts_it_once(cli: Cli, killed: Hanging) -> None:
    assert killed.mended
    assert spent(cli) == pytest.approx(FLYING * TURN_USD)
    done = cli("eval", "--resume")
    assert done.returncode == 0, done.stderr
    assert "3 trials were in flight when their process was ended; they had used $0.3" in done.stderr
    assert "4 of 4 trials measured" in done.stdout
    assert spent(cli) == pytest.approx(FLYING * TURN_USD + 4 * TURN_USD)


@pytest.mark.slow
def test_a_resumed_runs_budget_starts_with_it(cli: Cli, killed: Hanging) -> None:
    assert killed.mended
    done = cli("eval", "--resume", "--budget-usd", "0.3")
    assert done.returncode == 3
    assert "no more trials start: $0.300 of the budget of $0.300 are spent" in done.stderr
    (run,) = json.loads(cli("runs", "--json").stdout)
    assert (run["measured"], run["stored"]) == (0, FLYING)
    trial = json.loads(cli("report", "--format", "json").stdout)["trials"][0]
    assert (trial["input_tokens"], trial["cost_usd"], trial["turns"]) == (100, pytest.approx(TURN_USD), 1)
    shown = cli("show", f"{run['id']}/{trial['agent']}/{trial['task']}/{trial['repeat']}").stdout
    assert "what finished turns used is counted, their texts are lost" in " ".join(shown.split())
