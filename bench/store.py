"""How many trials a second the store takes, and how long the event loop stands still meanwhile.

    python bench/store.py [ROWS [PRODUCERS [FOLDER]]]

Each row is a trial of about 50 KB and ten turns: once as it is, once with what each turn used put down before, as is
done while a trial is in flight. A row counts when it is on the disk. The stall is the longest time by which a timer
of 1 ms was late once all producers have started. FOLDER should lie on the disk that is to be measured: a temporary
directory may be memory.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from msgspec import structs

from flatfield.records import AgentConfig, Evaluation, Reply, Run, Task, TrialRecord, Turn
from flatfield.runs.store.store import Store
from flatfield.runs.store.underway import Begun

TURN_TEXT = "The quick brown fox jumps over the lazy dog. " * 110
BEAT_SECONDS = 0.001


def record_of(repeat: int) -> TrialRecord:
    """A trial of ten turns, about 50 KB as JSON."""
    turns = tuple(Turn(reply=Reply(text=TURN_TEXT, model_seconds=1.0)) for _ in range(10))
    return TrialRecord(
        run="bench",
        agent="agent",
        task="task",
        repeat=repeat,
        task_digest="digest",
        agent_fingerprint="fingerprint",
        stop="answered",
        turns=turns,
        cost_usd=0.01,
        attempt=f"{repeat:016x}",
    )


async def longest_stall(end: asyncio.Event) -> float:
    """The seconds by which the latest of many short timers was late."""
    longest = 0.0
    while not end.is_set():
        before = time.perf_counter()
        await asyncio.sleep(BEAT_SECONDS)
        longest = max(longest, time.perf_counter() - before - BEAT_SECONDS)
    return longest


async def produce(store: Store, records: list[TrialRecord], *, turn_by_turn: bool) -> None:
    """Store records, one after the other, until none are left."""
    while records:
        record = records.pop()
        for turn in record.turns if turn_by_turn else ():
            store.underway.add(record.attempt, partial(Begun, trial=structs.replace(record, turns=())), turn)
            await asyncio.sleep(0)
        await store.save_trial(record)


async def measure(folder: Path, rows: int, producers: int, *, turn_by_turn: bool) -> None:
    """Store and read `rows` trials, and print how that went."""
    records = [record_of(repeat) for repeat in range(1, rows + 1)]
    run = Run(
        id="bench",
        created_at="",
        evaluation=Evaluation(),
        tasks=(Task(id="task", title="", prompt=""),),
        agents=(AgentConfig(name="agent", provider="noop"),),
        repeats={"task": rows},
    )
    end = asyncio.Event()
    async with Store(folder) as store:
        await store.save_run(run)
        before, cpu_before = time.perf_counter(), time.process_time()
        work = [asyncio.create_task(produce(store, records, turn_by_turn=turn_by_turn)) for _ in range(producers)]
        await asyncio.sleep(0)
        watch = asyncio.create_task(longest_stall(end))
        await asyncio.gather(*work)
        seconds, cpu_seconds = time.perf_counter() - before, time.process_time() - cpu_before
        end.set()
        stall = await watch
        before = time.perf_counter()
        read = len(store.trials("bench"))
        read_seconds = time.perf_counter() - before
    print("each turn put down when it ends:" if turn_by_turn else "trials alone:")
    print(f"{rows} rows from {producers} producers: {rows / seconds:,.0f} rows/s")
    print(f"CPU: {cpu_seconds / rows * 1e3:.2f} ms a row")
    print(f"longest stall of the event loop: {stall * 1e3:.1f} ms")
    print(f"read back: {read} rows, {read / read_seconds:,.0f} rows/s")


def main() -> None:
    """Measure as the command line says."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    producers = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    for turn_by_turn in (False, True):
        with tempfile.TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else None) as folder:
            asyncio.run(measure(Path(folder), rows, producers, turn_by_turn=turn_by_turn))


if __name__ == "__main__":
    main()
