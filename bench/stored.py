"""What reading a large run costs: `report`, `pick`, `plan`, `compare`, and a resume with nothing missing.

Usage: python -m bench.stored [TRIALS [ROUNDS]]. A real evaluation of 10 agents on 25 tasks, of 10 turns each, is done
once; its trials are stored again as further repeats, until there are TRIALS of them (10,000; at least 500), each as
large as it was. Then the real commands run in processes of their own: seconds of CPU (the median of the rounds), and
the largest of their peaks of memory. `runs` is there for comparison: it reads no trial.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from bench.harness import FILE_TEXT, FILES, TURNS, serving
from bench.whole import PATH, PROVIDER, TASK
from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from flatfield.records import TrialRecord

AGENTS, TASKS = 10, 25
CHUNK = 500
COMMANDS = {
    "report": ["report", "--format", "json"],
    "pick": ["pick"],
    "plan": ["plan", "tasks", "--repeats", "2", "--agents", ",".join(f"a{number}" for number in range(AGENTS))],
    "compare": ["compare", "a0", "a1"],
    "resume": ["eval", "--resume", "newest"],
    "runs": ["runs"],
}
MEASURED = """
import resource, subprocess, sys
ended = subprocess.run([sys.executable, "-m", "flatfield", *sys.argv[1:]], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(ended.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.stderr.write(ended.stderr)
"""


def lay_out(folder: Path, base_url: str) -> None:
    """Write the tasks and the agents, which are one model at other temperatures."""
    (folder / "tasks").mkdir()
    files = {f"file_{number}.txt": FILE_TEXT for number in range(FILES)}
    for number in range(TASKS):
        prompt = json.dumps(f"Task {number}: read the files one after the other, and say when you are done.")
        shown = {"files": json.dumps(files), "text": json.dumps(FILE_TEXT), "prompt": prompt}
        text = TASK.format(turns=2 * TURNS, **shown).replace("id: reading", f"id: reading-{number}")
        (folder / f"tasks/task_{number}.md").write_text(text)
    agents = "".join(
        f'[agents.a{number}]\nprovider = "{PROVIDER}"\nmodel = "m"\nbase_url = "{base_url}"\n'
        f"temperature = {number / 10}\n"
        for number in range(AGENTS)
    )
    (folder / "flatfield.toml").write_text(f"{agents}[lanes.{PROVIDER}]\nconcurrent = 100\n")


def measured(folder: Path, command: list[str]) -> tuple[float, float]:
    """CPU seconds and peak MB of one command."""
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": os.environ.get("BENCH_PATH", PATH)}
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], cwd=folder, env=environ, check=True, capture_output=True, text=True
    )
    code, seconds, megabytes = ended.stdout.split()
    if code != "0":
        sys.exit(f"{command[0]} ended with {code}: {ended.stderr}")
    return float(seconds), float(megabytes)


async def multiplied(folder: Path, trials: int) -> int:
    """Store the run's trials again as further repeats; how many bytes a record has."""
    async with Store(folder / ".flatfield") as store:
        run = store.load_run()
        first = store.trials(run.id)
        repeats = trials // len(first)
        await store.save_run(structs.replace(run, repeats=dict.fromkeys(run.repeats, repeats)), update=True)
        copies = [(record, repeat) for repeat in range(2, repeats + 1) for record in first]
        for begin in range(0, len(copies), CHUNK):
            await asyncio.gather(*(store.save_trial(again(*each)) for each in copies[begin : begin + CHUNK]))
    return (folder / ".flatfield/store.db").stat().st_size // (repeats * len(first))


def again(record: TrialRecord, repeat: int) -> TrialRecord:
    """The trial as another repeat of it, which took a little longer."""
    return structs.replace(
        record,
        repeat=repeat,
        active_seconds=record.active_seconds * (1 + repeat % 7 / 100),
        attempt=f"{record.attempt[:8]}{repeat:08x}",
    )


def main(trials: int, rounds: int) -> None:
    """Print a line for each command."""
    with tempfile.TemporaryDirectory() as made, serving(PROVIDER, "stream", TURNS) as base_url:
        folder = Path(made)
        lay_out(folder, base_url)
        agents = ["--agents", ",".join(f"a{number}" for number in range(AGENTS)), "--jobs", "50"]
        measured(folder, ["eval", "tasks", *agents])
        size = asyncio.run(multiplied(folder, trials))
        print(f"{trials} trials of {TURNS} turns, {size / 1024:.0f} KB each on the disk; medians of {rounds} rounds")
        print("           cpu s   peak MB")
        for name, command in COMMANDS.items():
            found = [measured(folder, command) for _ in range(rounds)]
            seconds, megabytes = statistics.median(each[0] for each in found), max(each[1] for each in found)
            print(f"{name:10}{seconds:>6.2f}{megabytes:>10.0f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", nargs="?", type=int, default=10_000)
    parser.add_argument("rounds", nargs="?", type=int, default=1)
    told = parser.parse_args()
    main(told.trials, told.rounds)
