"""What `flatfield mcp` costs until it has answered `initialize`, beside importing the SDK alone.

    .venv/bin/python bench/mcp_start.py [ROUNDS]

Prints the CPU seconds (user and system) of whole processes, the least of all rounds, and their difference.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys

ROUNDS = 7
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}},
}
PROGRAMS = {
    "python alone": "pass",
    "the SDK alone": "import mcp.server.mcpserver",
    "the SDK, collector off": "import gc; gc.disable(); import mcp.server.mcpserver",
    "flatfield mcp": "import sys; sys.argv = ['flatfield', 'mcp']; from flatfield.faces.cli import main; main()",
}


def cpu_seconds(code: str) -> float:
    """What one process uses until it ends; it is given `initialize` and the end of its input."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    given = json.dumps(HELLO).encode() + b"\n"
    subprocess.run([sys.executable, "-c", code], input=given, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure all programs in turn, so that a busy moment hits them alike."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    least = dict.fromkeys(PROGRAMS, float("inf"))
    for _ in range(rounds):
        for name, code in PROGRAMS.items():
            least[name] = min(least[name], cpu_seconds(code))
    for name, seconds in least.items():
        print(f"{name:24} {seconds:.2f} s CPU")
    print(f"{'beyond the SDK':24} {least['flatfield mcp'] - least['the SDK alone']:.2f} s CPU")


if __name__ == "__main__":
    main()
