"""What a page that is looked at costs the evaluation that it shows: the same runs with and without `--view`.

Usage: python -m bench.viewing [ROUNDS]. A server with known delays answers (bench/timed_server.py). With a page,
somebody looks at it all the time: a client reads its events and asks for its figures whenever there are newer ones, as
the page in a browser does. Seconds are measured / known, of all turns; CPU is that of the whole processes, the one that
serves the page included; what a browser costs is not in it. Both sides take turns; medians of the rounds.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from bench.timing import HERE, LOADED, TASK, WHOLE_SECONDS, serving
from flatfield.runs.store.store import Store

CONCURRENT, TRIALS = 20, 600


class Measured(Struct, frozen=True):
    """One run: seconds of its turns in shares of the known ones, the middle and what 99 of 100 keep to; its costs."""

    median: float
    p99: float
    wall_seconds: float
    cpu_seconds: float
    looks: int


async def one(base_url: str, options: list[str]) -> Measured:
    """Carry out an evaluation; where its page is announced, look at it until it ends."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "task.md").write_text(TASK)
        (folder / "flatfield.toml").write_text(f"[lanes.{LOADED}]\nconcurrent = {CONCURRENT}\n")
        command = ("-m", "flatfield", "eval", "task.md", "--agents", f"{LOADED}:m@{base_url}", "--json", *options)
        environ = {"PATH": "/usr/bin:/bin", "HOME": made, "PYTHONPATH": str(HERE.parent / "src")}
        began, before = time.perf_counter(), os.times()
        pipe = asyncio.subprocess.PIPE
        program = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=folder, env=environ, stdout=pipe, stderr=pipe
        )
        assert program.stderr is not None
        looking = asyncio.ensure_future(looked_at(program.stderr))
        await asyncio.gather(program.stdout.read() if program.stdout else program.wait(), looking)
        if await program.wait():
            sys.exit(f"the evaluation ended with {program.returncode}")
        wall, after = time.perf_counter() - began, os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return told(folder, wall, cpu, looking.result())


async def looked_at(said: asyncio.StreamReader) -> int:
    """Look at the page that is announced, as long as it is there; how many events it told."""
    looking = None
    async for line in said:
        address = line.decode().partition("its page: ")[2].strip()
        if address:
            looking = asyncio.ensure_future(look(address))
    return await looking if looking else 0


async def look(address: str) -> int:
    """Read a page's events, and its figures when there are newer ones, until the server ends."""
    stamp, looks = None, 0
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        try:
            await begun(session, address)
            async with session.get(f"{address}events") as events:
                async for line in events.content:
                    if line.startswith(b"data: "):
                        looks += 1
                        found: dict[str, Any] = msgspec.json.decode(line.removeprefix(b"data: "))
                        if found["stamp"] != stamp:
                            stamp = found["stamp"]
                            async with session.get(f"{address}parts") as parts:
                                await parts.read()
        except aiohttp.ClientError:  # the evaluation is over, and its page with it
            return looks
    return looks


async def begun(session: aiohttp.ClientSession, address: str) -> None:
    """Wait as the page does that says that the run gets ready: it loads itself anew each second."""
    for _ in range(3600):
        async with session.get(address) as page:
            if 'id="race"' in await page.text():
                return
        await asyncio.sleep(1)


def told(folder: Path, wall: float, cpu: float, looks: int) -> Measured:
    """What was stored, as shares of what is known."""
    store = Store(folder / ".flatfield")
    turns = [turn for record in store.trials(store.runs()[0].id) for turn in record.turns]
    store.close()
    shares = sorted(turn.reply.model_seconds / WHOLE_SECONDS for turn in turns)
    p99 = shares[-1 - len(shares) // 100]
    return Measured(statistics.median(shares), p99, wall, cpu, looks)


async def main(rounds: int) -> None:
    """Print both sides and their ratio."""
    options = ["--repeats", str(TRIALS), "--jobs", str(CONCURRENT)]
    sides: dict[str, list[Measured]] = {"alone": [], "looked at": []}
    print(
        f"{TRIALS} trials, {CONCURRENT} at a time, {rounds} rounds\n            median     p99   wall s   cpu s   looks"
    )
    with serving(LOADED) as base_url:
        for _ in range(rounds):
            sides["alone"].append(await one(base_url, options))
            sides["looked at"].append(await one(base_url, [*options, "--view"]))
    medians = {
        side: [statistics.median(column) for column in zip(*map(row, found), strict=True)]
        for side, found in sides.items()
    }
    for side, (median, p99, wall, cpu, looks) in medians.items():
        print(f"{side:10}{median:>8.3f}{p99:>8.3f}{wall:>9.1f}{cpu:>8.1f}{looks:>8.0f}")
    ratios = [there / here for there, here in zip(medians["looked at"][:4], medians["alone"][:4], strict=True)]
    print(f"{'ratio':10}{ratios[0]:>8.3f}{ratios[1]:>8.3f}{ratios[2]:>9.2f}{ratios[3]:>8.2f}")


def row(each: Measured) -> tuple[float, float, float, float, int]:
    """A run's figures as columns."""
    return each.median, each.p99, each.wall_seconds, each.cpu_seconds, each.looks


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
