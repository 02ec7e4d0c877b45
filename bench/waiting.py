"""What refusals cost a whole run: 200 trials, 50 at a time, against a server that refuses, beside one that does not.

Usage: python -m bench.waiting [ROUNDS] [--trials N] [--turns N] [--retry-after SECONDS] [--only NAME]. The command is
the real `flatfield eval`, in a process of its own; the server is an aiohttp one on loopback, which answers after 0.3 s
and refuses at once:

    stray       5 % of the requests with 429, 5 % with 429 and Retry-After, 5 % with 529
    saturated   429 for all above 10 at a time; beside a lane that the user set to 10
    neighbour   429 for one model's requests above 1 at a time: the time of the other model's trials

A ratio is the time with refusals / that without, starting included, median of the rounds; tolerable is 1.5, and that
no trial is lost. A trial of one or two turns is over before a second attempt is made, and Retry-After of many times the
reply's time must be waited for: there the last trials take longer, whatever the others do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from flatfield.testing.fake_server import FakeReply
from flatfield.testing.wires import new_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Refusal = tuple[int, dict[str, str]] | None
    Policy = Callable[[str, int], Refusal]

PROVIDER = "openai-chat"
CONCURRENT, ADMITTED, REPLY_SECONDS, SHARE = 50, 10, 0.3, 0.05
TASK = """\
---
id: waiting
tools: [read_file]
files: {a.txt: "alpha"}
verify:
  - answer: {contains: "done"}
---
# Waiting

## Variables

PROMPT: "Read a.txt some times and say that you are done"
"""


class Busy:
    """The server: `policy` says for a model, and how many of its requests are being answered, what refuses one."""

    def __init__(self, turns: int, policy: Policy) -> None:
        self._turns = turns
        self._policy = policy
        self._wire = new_wire(PROVIDER)
        self.busy: dict[str, int] = {}
        self.refused = 0
        self.began = 0.0
        self.last: dict[str, float] = {}

    def app(self) -> web.Application:
        """Its routes."""
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        return app

    async def _models(self, _request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "one"}, {"id": "other"}]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        asked: dict[str, Any] = await request.json()
        model = asked["model"]
        self.last[model] = time.perf_counter()
        self.began = self.began or self.last[model]
        refusal = self._policy(model, self.busy.get(model, 0))
        if refusal is not None:
            self.refused += 1
            return web.json_response({"error": {"message": "not now"}}, status=refusal[0], headers=refusal[1])
        self.busy[model] = self.busy.get(model, 0) + 1
        try:
            await asyncio.sleep(REPLY_SECONDS)
        finally:
            self.busy[model] -= 1
        done = sum(message["role"] == "tool" for message in asked["messages"]) >= self._turns - 1
        reply = FakeReply(text="done") if done else FakeReply(calls=(("read_file", '{"file_path": "a.txt"}'),))
        return web.Response(body=b"".join(self._wire.stream(reply, 1)), content_type="text/event-stream")


def stray(retry_after: float) -> Policy:
    """Refuses by chance, the same in each run."""
    dice = random.Random(11)  # noqa: S311 - dice, not a secret
    kinds: list[Refusal] = [(429, {}), (429, {"Retry-After": f"{retry_after:g}"}), (529, {})]

    def policy(_model: str, _busy: int) -> Refusal:
        cast = dice.random()
        return kinds[int(cast / SHARE)] if cast < SHARE * len(kinds) else None

    return policy


def above(most: int, only: str = "") -> Policy:
    """Refuses what is more than so many at a time, of one model or of each."""
    return lambda model, busy: (429, {}) if busy >= most and (not only or model == only) else None


@contextmanager
def serving(server: Busy) -> Iterator[str]:
    """The server's base URL, while it serves in a thread."""
    loop, ready, port = asyncio.new_event_loop(), threading.Event(), 0

    async def serve(stop: asyncio.Event) -> None:
        nonlocal port
        runner = web.AppRunner(server.app())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        port = runner.addresses[0][1]
        ready.set()
        await stop.wait()
        await runner.cleanup()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(stop),))
    thread.start()
    ready.wait()
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def run(
    server: Busy, models: Sequence[str], repeats: int, concurrent: int = CONCURRENT
) -> tuple[float, dict[str, Any]]:
    """Seconds of a whole evaluation, and its report."""
    with tempfile.TemporaryDirectory() as made, serving(server) as url:
        folder = Path(made)
        (folder / "task.md").write_text(TASK)
        (folder / "flatfield.toml").write_text(f"[lanes.{PROVIDER}]\nconcurrent = {concurrent}\n")
        agents = ",".join(f"{PROVIDER}:{model}@{url}" for model in models)
        options = ["--agents", agents, "--repeats", str(repeats), "--jobs", str(CONCURRENT), "--json"]
        began = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, "-m", "flatfield", "eval", "task.md", *options],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
            check=False,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - began
    if ended.returncode not in {0, 3}:
        sys.exit(ended.stdout + ended.stderr)
    return seconds, json.loads(ended.stdout)


def lost(report: dict[str, Any]) -> int:
    """Trials that were not measured."""
    return sum(trial["failure"] is not None for trial in report["trials"])


def compared(name: str, rounds: int, trials: int, sides: Sequence[tuple[Callable[[], Busy], int]]) -> None:
    """Run both sides in turn, (what serves, the lane's width), and print a line."""
    ratios, shown = [], ""
    for _ in range(rounds):
        (make, width), (make_faulty, faulty_width) = sides
        calm, _ = run(make(), ("one",), trials, width)
        server = make_faulty()
        seconds, report = run(server, ("one",), trials, faulty_width)
        ratios.append(seconds / calm)
        queue = statistics.mean(trial["wall_seconds"] - trial["active_seconds"] for trial in report["trials"])
        shown = (
            f"{calm:6.1f} s {seconds:6.1f} s  refused {server.refused:5}  lost {lost(report)}  off work {queue:.1f} s"
        )
    print(f"{name:10} {shown}  ratio {statistics.median(ratios):.2f}", flush=True)


def neighbour(trials: int, turns: int) -> None:
    """One model that is refused beside one that is not: the other's trials must not wait for it."""
    half = trials // 2
    for policy in (above(10**6), above(1, only="one")):
        server = Busy(turns, policy)
        seconds, report = run(server, ("one", "other"), half)
        told = ", ".join(f"{model} was asked last after {at - server.began:.1f} s" for model, at in server.last.items())
        print(f"neighbour  {seconds:6.1f} s  refused {server.refused:5}  lost {lost(report)}  {told}", flush=True)


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--retry-after", type=float, default=1.0)
    parser.add_argument("--only", choices=("stray", "saturated", "neighbour"))
    told = parser.parse_args()
    calm = (lambda: Busy(told.turns, above(10**6)), CONCURRENT)
    if told.only in {None, "stray"}:
        faulty = (lambda: Busy(told.turns, stray(told.retry_after)), CONCURRENT)
        compared("stray", told.rounds, told.trials, (calm, faulty))
    if told.only in {None, "saturated"}:
        known = (lambda: Busy(told.turns, above(ADMITTED)), ADMITTED)
        found = (lambda: Busy(told.turns, above(ADMITTED)), CONCURRENT)
        compared("saturated", told.rounds, told.trials, (known, found))
    if told.only in {None, "neighbour"}:
        neighbour(told.trials, told.turns)


if __name__ == "__main__":
    main()
