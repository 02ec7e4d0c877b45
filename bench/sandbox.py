"""What the sandbox adds to one command: bare, in the sandbox, and the difference.

python bench/sandbox.py [REPEATS]: prints medians in milliseconds. Bare and sandboxed runs take turns, so that what else
the machine does meets both alike.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.bubblewrap import Bubblewrap
from flatfield.machine.sandbox.finding import find_sandbox

COMMANDS = {"true": "true", "python": "{python} -c 'print(1)'"}
FILES = {"an empty workspace": 0, "a workspace of 200 files": 200}


async def bare(command: str, folder: Path) -> float:
    """Seconds of one command without any sandbox, started in the same way."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", command, cwd=folder, stdout=asyncio.subprocess.PIPE)
    await process.communicate()
    return time.perf_counter() - started


def filled(folder: Path, count: int) -> Path:
    """A folder that the sandbox's user may enter, with small files."""
    folder.chmod(0o755)
    for number in range(count):
        (folder / f"{number}.txt").write_text("x")
    return folder


async def main(repeats: int) -> None:
    """Measure each command in each workspace."""
    sandbox = find_sandbox(os.environ)
    python = sandbox.python.interpreter if isinstance(sandbox, Bubblewrap) else "python3"
    print(f"{sandbox.kind}, {repeats} repeats, median milliseconds")
    for name, count in FILES.items():
        with tempfile.TemporaryDirectory() as made:
            folder = filled(Path(made), count)
            for label, template in COMMANDS.items():
                command = template.format(python=python)
                times: tuple[list[float], list[float]] = ([], [])
                for _ in range(repeats):
                    times[0].append(await bare(command, folder))
                    started = time.perf_counter()
                    await sandbox.run(command, folder, SandboxLimits())
                    times[1].append(time.perf_counter() - started)
                without, inside = (1000 * statistics.median(each) for each in times)
                shown = (
                    f"bare {without:5.1f}  sandboxed {inside:5.1f}  {inside - without:+5.1f}  {inside / without:4.1f}x"
                )
                print(f"{name}, {label:7}{shown}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 100))
