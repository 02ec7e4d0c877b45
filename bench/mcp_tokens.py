"""How many tokens a client's model pays in each session to know the MCP tools: name, description and input schema.

    .venv/bin/python bench/mcp_tokens.py COMMAND…

COMMAND reads a text on standard input and prints how many tokens it has, so that no tokenizer is needed here. With
npm's gpt-tokenizer, for o200k (GPT-5's):

    npm install gpt-tokenizer
    .venv/bin/python bench/mcp_tokens.py node --input-type=module -e "
      import {countTokens} from 'gpt-tokenizer/encoding/o200k_base'; import fs from 'fs';
      console.log(countTokens(fs.readFileSync(0, 'utf8')))"

Each tool is counted as one line of JSON without spaces, {"name":…,"description":…,"inputSchema":…}, as clients
hand it on, more or less. Without COMMAND the bytes alone are printed, which a test guards.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from flatfield.clock import SystemClock
from flatfield.faces.mcp.desk import ServerDesk
from flatfield.faces.mcp.server import build
from flatfield.scoring.prices.pricing import Prices


def told() -> dict[str, str]:
    """What clients are told of each tool, by its name."""
    desk = ServerDesk(
        cwd=Path.cwd(),
        clock=SystemClock(),
        environ_of=lambda _: {},
        prices_of=lambda _: Prices(),
        announce=lambda _: None,
    )
    tools = asyncio.run(build(desk).list_tools())
    return {
        tool.name: json.dumps(
            {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for tool in tools
    }


def tokens(text: str, command: list[str]) -> int:
    """How many the command counts."""
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    return int(done.stdout)


def main() -> None:
    """Print a line a tool, and the sum."""
    command, total_bytes, total_tokens = sys.argv[1:], 0, 0
    for name, text in told().items():
        size = len(text.encode())
        total_bytes += size
        counted = ""
        if command:
            count = tokens(text, command)
            total_tokens += count
            counted = f"{count:6} tokens"
        print(f"{name:20} {size:6} bytes {counted}")
    print(f"{'all':20} {total_bytes:6} bytes {f'{total_tokens:6} tokens' if command else ''}")


if __name__ == "__main__":
    main()
