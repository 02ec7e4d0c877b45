"""What a whole run costs: `flatfield eval` of 200 trials of 10 turns, 100 at a time, beside a bare aiohttp loop.

Usage: python -m bench.whole [ROUNDS] [--trials N] [--profile FILE]. The command is the real one, in a process of its
own: files are read, workspaces are made and discarded, file tools and two verifiers work, every trial is stored and the
report is written. The bare loop (bench/bare/_loop.py) is in a process of its own, too, which imports nothing but what
it needs; it makes as many requests with the same bodies (those of one trial of ours, which the server kept; the loop
compares its first trial's with them) and reads the same files. The server is in a third process and answers at once:
as a `stream` of 50 events, which is what vendors answer with, for we ask for streams; 2.5 times the bare loop is
tolerable. Hardly a server answers `whole` then: this shows what is left where reading events costs neither side most.

CPU and wall are those of the whole processes, imports included; median of the rounds, in which both sides take turns.
Each run of ours is the first in its folder: a forecast reads earlier runs, so that each round would cost more than the
one before. With --profile, one more run of ours is written there for `python -m pstats`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import bare
from bench.harness import FILE_TEXT, FILES, HERE, MODES, TURNS, serving
from bench.side import PROMPT

if TYPE_CHECKING:
    from collections.abc import Sequence

PROVIDER = "openai-chat"
Figures = dict[str, list[tuple[float, float]]]
CONCURRENT = 100
KEPT = "bodies.jsonl"
PATH = os.pathsep.join((str(HERE.parent / "src"), str(HERE.parent)))
TASK = """\
---
id: reading
tools: [read_file]
files: {files}
limits: {{turns: {turns}}}
verify:
  - answer: {{contains: "0123456789"}}
  - file: {{path: file_0.txt, equals: {text}}}
---
# Reading

## Variables

PROMPT: {prompt}
"""


def lay_out(folder: Path) -> None:
    """Write what both sides work on: a task with its files, the files themselves, and a lane that is wide enough."""
    files = {f"file_{number}.txt": FILE_TEXT for number in range(FILES)}
    for name, text in files.items():
        (folder / name).write_text(text)
    shown = {"files": json.dumps(files), "text": json.dumps(FILE_TEXT), "prompt": json.dumps(PROMPT)}
    (folder / "task.md").write_text(TASK.format(turns=2 * TURNS, **shown))
    (folder / "flatfield.toml").write_text(f"[lanes.{PROVIDER}]\nconcurrent = {CONCURRENT}\n")


def ours(base_url: str, trials: int) -> list[str]:
    """The command that runs so many trials."""
    agent = f"{PROVIDER}:{bare.MODEL}@{base_url}"
    options = ["--agents", agent, "--repeats", str(trials), "--jobs", str(CONCURRENT), "--json"]
    return ["-m", "flatfield", "eval", "task.md", *options]


def run(folder: Path, command: Sequence[str]) -> tuple[float, float]:
    """CPU and wall seconds of a whole Python process, with this project's modules."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": PATH},
        check=False,
        capture_output=True,
        text=True,
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        sys.exit(ended.stdout + ended.stderr)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def run_first(folder: Path, command: Sequence[str]) -> tuple[float, float]:
    """The same, where nothing was stored before."""
    shutil.rmtree(folder / ".flatfield", ignore_errors=True)
    return run(folder, command)


def main(rounds: int, trials: int, profile: str | None) -> None:
    """Print both sides' figures and their ratio."""
    print(f"{trials} trials of {TURNS} turns, {CONCURRENT} at a time; medians of {rounds} rounds")
    print("                   cpu s   wall s   cpu ms a turn")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        lay_out(folder)
        with serving(PROVIDER, "stream", TURNS, str(folder / KEPT)) as base_url:
            run(folder, ours(base_url, 1))
        for mode in MODES:
            with serving(PROVIDER, mode, TURNS) as base_url:
                shown(mode, trials, both(folder, base_url, mode, trials, rounds))
                if profile is not None and mode == "stream":
                    run_first(folder, ["-m", "cProfile", "-o", str(Path(profile).resolve()), *ours(base_url, trials)])


def both(folder: Path, base_url: str, mode: str, trials: int, rounds: int) -> Figures:
    """CPU and wall seconds of both sides, in turn."""
    loop = ["-m", "bench.bare._loop", base_url, str(folder / KEPT), str(trials), str(CONCURRENT), mode]
    figures: Figures = {"bare": [], "flatfield": []}
    for _ in range(rounds):
        figures["bare"].append(run(folder, loop))
        figures["flatfield"].append(run_first(folder, ours(base_url, trials)))
    return figures


def shown(mode: str, trials: int, figures: Figures) -> None:
    """Print a line for each side, and the ratio, which is the median of the rounds' own."""
    for side, found in figures.items():
        cpu, wall = (statistics.median(each) for each in zip(*found, strict=True))
        print(f"{mode:7}{side:10}{cpu:>7.2f}{wall:>9.2f}{cpu * 1000 / trials / TURNS:>16.2f}")
    pairs = list(zip(figures["flatfield"], figures["bare"], strict=True))
    cpu, wall = (statistics.median(we[which] / it[which] for we, it in pairs) for which in (0, 1))
    print(f"{mode:7}{'ratio':10}{cpu:>7.1f}{wall:>9.1f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--profile", metavar="FILE")
    told = parser.parse_args()
    main(told.rounds, told.trials, told.profile)
