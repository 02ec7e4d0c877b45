"""Holds a device's lock until its input is closed: `python holding_child.py FOLDER DEVICE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from flatfield.clock import SystemClock
from flatfield.runs.traffic.lanes import Devices


async def main(folder: str, device: str) -> None:
    async with Devices(Path(folder), SystemClock(), lambda _: None).hold(device, shared=False):
        sys.stdout.write("held\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
