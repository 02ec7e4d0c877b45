"""Runs in a process of its own, as root or as an ordinary user: a harness with secrets, which runs what it is told.

Reads lines of JSON, `[command, workspace, limits]`, and answers each with a line: the result, or `{"error": …}`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import msgspec

from flatfield.errors import FlatfieldError
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.finding import find_sandbox

IN_MEMORY = bytearray(os.environ["PLANTED_API_KEY"].encode())
"""What a careless harness may have lying about."""


async def _run(line: str) -> object:
    command, workspace, limits = json.loads(line)
    try:
        return await find_sandbox(os.environ).run(command, Path(workspace), SandboxLimits(**limits))
    except FlatfieldError as error:
        return {"error": str(error)}


for line in sys.stdin:
    sys.stdout.write(msgspec.json.encode(asyncio.run(_run(line))).decode() + "\n")
    sys.stdout.flush()
