"""Whether the seconds are right: beside a server whose delays are known, and beside what llama.cpp says it took.

Usage: python -m bench.timing [MODEL.gguf] [--only providers|load|llama]. Ratios are measured / known. Exits with 1 when
a median is off by more than 2 % (known delays; 10 % beside llama.cpp's `timings`: prompt_ms + predicted_ms).

First table: all providers that have a bare loop (bench/bare), with 1 and with 100 conversations at a time; lag is the
event loop's, the largest. All conversations of a round begin in the same instant, and so do their chunks: no real run
is as unkind to the loop.
`local` is without its server's process, but for the last table.

Second table: `flatfield eval` as a whole (workspaces, verifiers, store, display), 1, 20, 100 and 1,000 trials at once.
What is tolerable: the median within 2 % and 99 of 100 turns within 5 % with up to 100. With 1,000 all begin at
once, and setting them up takes the loop longer than the server takes to answer: what is late there is said to be
(`lag_seconds` of the turn; "lagged" counts those above 20 ms, which reports note), so its median is shown, not judged.

Last: without a model file, smollm2-135m is taken from the cache folder (FLATFIELD_CACHE), if it is there.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bench.harness import PROVIDERS
from bench.side import Load, converser
from flatfield.agent.lag import measured_lag
from flatfield.clock import SystemClock
from flatfield.http.retrying import Post
from flatfield.http.services import Services
from flatfield.http.transport import Transport, open_session
from flatfield.machine.llama.hosting import LocalServers, ServerSpec, usable_threads
from flatfield.machine.models import cache_folder
from flatfield.records import AgentConfig, Reply, Task, TurnBudget
from flatfield.runs.store.store import Store
from flatfield.runs.traffic.lanes import Lanes
from flatfield.vendors.base import Opening
from flatfield.vendors.openai_chat.reader import ChatReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import Turn

HERE = Path(__file__).resolve().parent
FIRST_SECONDS, BETWEEN_SECONDS, PIECES = 1.0, 0.05, 21
WHOLE_SECONDS = FIRST_SECONDS + BETWEEN_SECONDS * (PIECES - 1)
KNOWN_TOLERANCE, LLAMA_TOLERANCE = 0.02, 0.10
P99_TOLERANCE = 0.05
LAGGED_SECONDS = 0.02
LOADS = ((1, 10), (20, 60), (100, 300), (1000, 1000))
"""Trials at a time, and trials in all."""
LOADED = "openai-chat"
TASK = """\
---
id: timed
verify: [{answer: {contains: lighthouse}}, {file: {path: notes.txt, equals: x}}]
files: {notes.txt: x}
---
# Timed

## Variables

PROMPT: "Go."
"""
PROMPTS = ("Say hello.", "Name three colours of the rainbow. " * 20, "Tell a story about a lighthouse. " * 60)


@contextmanager
def serving(provider: str) -> Iterator[str]:
    """The timed server in a process of its own; its base URL."""
    schedule = (str(FIRST_SECONDS), str(BETWEEN_SECONDS), str(PIECES))
    command = [sys.executable, "-m", "bench.timed_server", provider, *schedule]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.communicate()


async def turns(provider: str, base_url: str, concurrent: int, each: int) -> tuple[list[Reply], float]:
    """The replies of `concurrent` conversations at once, `each` one after the other; and the largest lag in seconds."""
    clock = SystemClock()
    agent = AgentConfig(name="a", provider=provider, model="m", base_url=base_url, api_key_env="BENCH_KEY")
    opening = Opening(agent=agent, system_prompt="", prompt="Go.", tools=(), task=Task(id="t", title="t", prompt="Go."))
    load = Load(
        provider=provider, base_url=base_url, folder="", mode="stream", trials=each, turns=1, concurrent=concurrent
    )
    replies: list[Reply] = []
    async with open_session(clock) as session:
        services = Services(
            session=session, clock=clock, environ={"BENCH_KEY": "bench-key"}, cache=HERE, pressure=Lanes(clock)
        )
        converse = converser(services, load)

        async def one() -> None:
            for _ in range(each):
                conversation = await converse(opening)
                replies.append(await conversation.turn((), TurnBudget(seconds=60, output_tokens=1000)))

        with measured_lag() as meter:
            began = meter.now()
            await asyncio.gather(*(one() for _ in range(concurrent)))
            return replies, meter.since(began)


def against_known(provider: str, base_url: str, concurrent: int, each: int) -> bool:
    """Print one line; whether both medians are within 2 %."""
    replies, lag_seconds = asyncio.run(turns(provider, base_url, concurrent, each))
    model = [reply.model_seconds / WHOLE_SECONDS for reply in replies]
    first = [(reply.first_token_seconds or 0.0) / FIRST_SECONDS for reply in replies]
    shown = "   ".join(
        f"{statistics.median(ratios):.4f} ({min(ratios):.4f} to {max(ratios):.4f})" for ratios in (model, first)
    )
    right = all(abs(statistics.median(ratios) - 1) <= KNOWN_TOLERANCE for ratios in (model, first))
    print(
        f"{provider:12}{concurrent:>4} {len(replies):>6}   {shown}   {lag_seconds * 1000:>5.1f} ms"
        f"{'' if right else '   OFF'}",
        flush=True,
    )
    return right


def under_load(base_url: str, concurrent: int, trials: int) -> bool:
    """Run a whole evaluation and print one line; whether it is as right as is asked of so many trials at a time."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "task.md").write_text(TASK)
        (folder / "flatfield.toml").write_text(f"[lanes.{LOADED}]\nconcurrent = {concurrent}\n")
        options = ["--repeats", str(trials), "--jobs", str(concurrent), "--json"]
        command = [sys.executable, "-m", "flatfield", "eval", "task.md", "--agents", f"{LOADED}:m@{base_url}", *options]
        environ = {"PATH": "/usr/bin:/bin", "HOME": made, "PYTHONPATH": str(HERE.parent / "src")}
        subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
        store = Store(folder / ".flatfield")
        turns = [turn for record in store.trials(store.runs()[0].id) for turn in record.turns]
        store.close()
    assert len(turns) == trials
    return _told(concurrent, turns)


def _told(concurrent: int, turns: list[Turn]) -> bool:
    """Print the line of a load; 1,000 at a time are not judged."""
    model = [turn.reply.model_seconds / WHOLE_SECONDS for turn in turns]
    first = [(turn.reply.first_token_seconds or 0.0) / FIRST_SECONDS for turn in turns]
    lags = [turn.lag_seconds or 0.0 for turn in turns]
    figures = [(statistics.median(ratios), _p99(ratios)) for ratios in (model, first)]
    shown = "   ".join(
        f"{median:.3f} {p99:.3f} {max(ratios):.3f}"
        for (median, p99), ratios in zip(figures, (model, first), strict=True)
    )
    lagged = sum(lag > LAGGED_SECONDS for lag in lags) / len(lags)
    right = all(abs(median - 1) <= KNOWN_TOLERANCE and p99 - 1 <= P99_TOLERANCE for median, p99 in figures)
    verdict = "" if right else "   OFF" if concurrent <= 100 else "   late"
    print(f"{concurrent:>5}{len(turns):>7}   {shown}   {max(lags) * 1000:>6.0f} ms {lagged:>6.0%}{verdict}", flush=True)
    return right or concurrent > 100


def _p99(values: list[float]) -> float:
    """What 99 of 100 values do not exceed."""
    return sorted(values)[-1 - len(values) // 100]


class TimedReader(ChatReader):
    """The chat reader, with what llama.cpp says of its own time in the last chunk."""

    __slots__ = ("timings",)

    def __init__(self) -> None:
        super().__init__()
        self.timings: dict[str, Any] = {}

    def event(self, data: bytes) -> None:
        """Take one chunk, and its timings if it has some."""
        super().event(data)
        if b'"timings"' in data:
            self.timings = msgspec.json.decode(data)["timings"]


async def against_llama(model: Path) -> bool:
    """Print a line for each prompt; whether the median of all replies is within 10 %."""
    clock, ratios = SystemClock(), list[float]()
    async with open_session(clock) as session:
        services = Services(session=session, clock=clock, environ=os.environ, cache=model.parent)
        servers = LocalServers()
        try:
            server, _ = await servers.serve(
                ServerSpec(path=str(model), alias="m", context_tokens=8192, threads=usable_threads()), services
            )
            headers = {"Content-Type": "application/json", **server.headers}
            for prompt in PROMPTS:
                for _ in range(3):
                    body = {
                        "model": "m",
                        "messages": [{"role": "user", "content": prompt}],
                        "max_tokens": 64,
                        "stream": True,
                        "cache_prompt": False,
                    }
                    url = f"{server.url}/v1/chat/completions"
                    post = Post(url=url, headers=headers, body=msgspec.json.encode(body), seconds=120)
                    exchange = await Transport(session, clock).post(post, TimedReader)
                    ratios.append(_beside(exchange.model_seconds, exchange.reader.timings))
        finally:
            await servers.close()
    median = statistics.median(ratios)
    print(f"median {median:.4f}", flush=True)
    return abs(median - 1) <= LLAMA_TOLERANCE


def _beside(model_seconds: float, timings: dict[str, Any]) -> float:
    """Print one reply's seconds beside the server's own; their ratio."""
    known_seconds: float = (timings["prompt_ms"] + timings["predicted_ms"]) / 1000
    tokens = f"{timings['prompt_n']:>5} {timings['predicted_n']:>5}"
    print(f"{tokens}   {model_seconds:.4f} {known_seconds:.4f}   {model_seconds / known_seconds:.4f}", flush=True)
    return model_seconds / known_seconds


def main(model: Path, only: str | None) -> None:
    """Print the tables; exit with 1 when something is off."""
    right: list[bool] = []
    print(f"known delays: first token after {FIRST_SECONDS} s, last byte after {WHOLE_SECONDS:g} s")
    if only in (None, "providers"):
        print("provider       c  turns   model_seconds: median (range)      first_token_seconds: median (range)   lag")
        for provider in PROVIDERS:
            with serving(provider) as base_url:
                right += [against_known(provider, base_url, 1, 3), against_known(provider, base_url, 100, 2)]
    if only in (None, "load"):
        print(f"\nflatfield eval, {LOADED}")
        print("    c  turns   model: median p99 max   first: median p99 max   largest lag, lagged")
        with serving(LOADED) as base_url:
            right += [under_load(base_url, *load) for load in LOADS]
    if only in (None, "llama"):
        if model.is_file():
            print("\nllama.cpp: tokens in, out; model_seconds, its own prompt_ms + predicted_ms, ratio")
            right.append(asyncio.run(against_llama(model.resolve())))
        else:
            print(f"\nllama.cpp: not compared, there is no {model}")
    sys.exit(0 if all(right) else 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pulled = cache_folder(os.environ) / "models" / "smollm2-135m.gguf"
    parser.add_argument("model", nargs="?", type=Path, default=pulled)
    parser.add_argument("--only", choices=("providers", "load", "llama"))
    told = parser.parse_args()
    main(told.model, told.only)
