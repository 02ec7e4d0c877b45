"""What the harness itself costs: CPU per turn, memory per agent, turns per second, beside a bare aiohttp + JSON loop.

Usage: python bench/harness.py [ROUNDS] [--provider NAME]. Each row runs both sides in turn, in processes of their own,
against a server in a third process that speaks the provider's protocol and answers at once. First table: 10 turns a
trial, 12 KB average request, a file read a turn. `whole`: the server answers unstreamed, whatever it is asked for.
`ollama` has its model loaded before each trial, `local` is without the process of its server.

Second table (of the provider that is named, else of openai-chat): ms per turn with 10 and with 80 turns a trial (75 KB
average request), beside a client that only sends bodies of that size, made beforehand, and takes the replies in: what
grows with the history is the sending of its bytes, because no turn encodes again what an earlier one did.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
PROVIDERS = tuple(sorted(file.stem.replace("_", "-") for file in (HERE / "bare").glob("[a-z]*.py")))
"""Those that a bare loop stands beside."""
MODES = ("whole", "stream")
TURNS = 10
MANY_TURNS = 80
FILES = 10
FILE_TEXT = "0123456789abcdef " * 94  # 1.6 KB, so that ten turns average 12 KB a request

Figures = dict[str, list[dict[str, float]]]


def measure(load: dict[str, Any], rounds: int, sides: tuple[str, ...]) -> Figures:
    """The sides' figures, from fresh processes in turn."""
    found: Figures = {side: [] for side in sides}
    for _ in range(rounds):
        for side, figures in found.items():
            command = [sys.executable, "-m", "bench.side", side, json.dumps(load)]
            ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
            figures.append(json.loads(ended.stdout))
    return found


def median(found: Figures, side: str, name: str) -> float:
    """The median of one figure over the rounds."""
    return statistics.median(figures[name] for figures in found[side])


@contextmanager
def serving(provider: str, mode: str, turns: int, *keep: str) -> Iterator[str]:
    """A server in a process of its own, which may keep the bodies in a file; its base URL."""
    server = subprocess.Popen(
        [sys.executable, str(HERE / "instant_server.py"), provider, mode, str(turns), *keep],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.communicate()


def main(rounds: int, provider: str) -> None:
    """Print the tables."""
    print(f"median of {rounds} rounds; cpu = ms per turn; mb = peak growth per concurrent agent")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            (Path(folder) / f"file_{number}.txt").write_text(FILE_TEXT)
        print("provider     mode      c  bare cpu  our cpu  ratio   bare t/s  our t/s  ratio  our mb")
        for name in PROVIDERS if provider == "all" else (provider,):
            for mode in MODES:
                side_by_side(folder, name, mode, rounds)
        name = "openai-chat" if provider == "all" else provider
        print(f"\n{name}: cpu at {TURNS} and at {MANY_TURNS} turns, and growth")
        print("mode        bytes only                 bare loop                  ours")
        for mode in MODES:
            by_length(folder, name, mode, rounds)


def side_by_side(folder: str, provider: str, mode: str, rounds: int) -> None:
    """Measure both sides in turn, with one trial at a time and with a hundred, and print a line for each."""
    with serving(provider, mode, TURNS) as base_url:
        load = {"provider": provider, "base_url": base_url, "folder": folder, "mode": mode, "turns": TURNS}
        for concurrent in (1, 100):
            load |= {"concurrent": concurrent, "trials": 30 if concurrent == 1 else 300}
            found = measure(load, rounds, ("bare", "flatfield"))
            pairs = list(zip(found["flatfield"], found["bare"], strict=True))
            cpu_ratio = statistics.median(ours["cpu_ms"] / bare["cpu_ms"] for ours, bare in pairs)
            rate_ratio = statistics.median(ours["turns_s"] / bare["turns_s"] for ours, bare in pairs)
            shown = (
                f"{median(found, 'bare', 'cpu_ms'):>9.2f}{median(found, 'flatfield', 'cpu_ms'):>9.2f}{cpu_ratio:>7.2f}",
                f"{median(found, 'bare', 'turns_s'):>10.0f}{median(found, 'flatfield', 'turns_s'):>9.0f}",
                f"{rate_ratio:>6.2f}{median(found, 'flatfield', 'mb'):>8.3f}",
            )
            print(f"{provider:12} {mode:7}{concurrent:>4} {' '.join(shown)}", flush=True)


def by_length(folder: str, provider: str, mode: str, rounds: int) -> None:
    """Measure all three with short and with long trials, and print one line of the second table."""
    cpu_ms: dict[str, list[float]] = {"bytes": [], "bare": [], "flatfield": []}
    for turns in (TURNS, MANY_TURNS):
        with serving(provider, mode, turns) as base_url:
            load = {"provider": provider, "base_url": base_url, "folder": folder, "mode": mode, "turns": turns}
            found = measure(load | {"concurrent": 1, "trials": 480 // turns}, rounds, tuple(cpu_ms))
        for side, figures in cpu_ms.items():
            figures.append(median(found, side, "cpu_ms"))
    shown = [f"{short:>7.2f}{long:>7.2f}  {long - short:>+6.2f}" for short, long in cpu_ms.values()]
    print(f"{mode:8}{'     '.join(shown)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--provider", choices=("all", *PROVIDERS), default="all")
    told = parser.parse_args()
    main(told.rounds, told.provider)
