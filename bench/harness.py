"""What the harness itself costs: CPU per turn, memory per agent, turns per second, beside a bare aiohttp + JSON loop.

Usage: python bench/harness.py [ROUNDS]. Prints ratios; each row runs both sides in turn, in processes of their own,
against a server in a third process that answers at once. 10 turns a trial, 12 KB average request, a file read a turn.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TURNS = 10
PROMPT = "Read the files one after the other and say when you are done. " * 64  # 4 KB
FILE_TEXT = "0123456789abcdef " * 94  # 1.6 KB, so that ten turns average 12 KB a request


async def bare_trial(session: Any, url: str, folder: Path, tools: list[dict[str, Any]], *, stream: bool) -> int:  # noqa: ANN401
    """The least that does the same: aiohttp, json, a list of messages, a file read."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
    turns = 0
    while True:
        body = {"model": "m", "stream": stream, "messages": messages, "tools": tools, "max_tokens": 1000}
        data = json.dumps(body).encode()
        async with session.post(url, data=data, headers={"Content-Type": "application/json"}) as response:
            message = await (_bare_stream(response) if stream else _bare_whole(response))
        turns += 1
        messages.append(message)
        if not message.get("tool_calls"):
            return turns
        for call in message["tool_calls"]:
            arguments = json.loads(call["function"]["arguments"])
            text = (folder / arguments["file_path"]).read_text()
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})


async def _bare_whole(response: Any) -> dict[str, Any]:  # noqa: ANN401
    message: dict[str, Any] = json.loads(await response.read())["choices"][0]["message"]
    return message


async def _bare_stream(response: Any) -> dict[str, Any]:  # noqa: ANN401
    text: list[str] = []
    calls: dict[int, dict[str, Any]] = {}
    async for line in response.content:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            continue
        chunk = json.loads(line[6:])
        for choice in chunk["choices"]:
            delta = choice["delta"]
            text.append(delta.get("content") or "")
            for part in delta.get("tool_calls", ()):
                call = calls.setdefault(
                    part["index"], {"id": part.get("id"), "type": "function", "function": {"name": "", "arguments": ""}}
                )
                call["function"]["name"] += part["function"].get("name", "")
                call["function"]["arguments"] += part["function"].get("arguments", "")
    message: dict[str, Any] = {"role": "assistant", "content": "".join(text)}
    if calls:
        message["tool_calls"] = list(calls.values())
    return message


async def run_bare(base_url: str, folder: Path, trials: int, concurrent: int, *, stream: bool) -> None:
    """Run the bare loop's trials, `concurrent` at a time."""
    import aiohttp

    tools = [{"type": "function", "function": {"name": "read_file", "parameters": {"type": "object"}}}]
    gate = asyncio.Semaphore(concurrent)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> None:
            async with gate:
                turns = await bare_trial(session, f"{base_url}/chat/completions", folder, tools, stream=stream)
                assert turns == TURNS

        await asyncio.gather(*(one() for _ in range(trials)))


async def run_flatfield(base_url: str, folder: Path, trials: int, concurrent: int) -> None:
    """Run our trials, `concurrent` at a time: conversation, loop, tools and record."""
    import msgspec

    from flatfield.agent.clock import SystemClock
    from flatfield.agent.confined import ConfinedFiles
    from flatfield.agent.loop import NanoAgent
    from flatfield.agent.protocols import Opening, SandboxLimits, Services
    from flatfield.agent.providers import openai_chat
    from flatfield.agent.toolbox import open_tools
    from flatfield.agent.transport import open_session
    from flatfield.agent.workspace import Workspace
    from flatfield.records import AgentConfig, Limits, Task

    clock = SystemClock()
    gate = asyncio.Semaphore(concurrent)
    agent = AgentConfig(name="a", provider="openai-chat", model="m", base_url=base_url)
    task = Task(id="t", title="t", prompt=PROMPT)
    async with open_session(clock) as session:
        provider = openai_chat.create(Services(session=session, clock=clock, environ={}, cache=folder))

        async def one() -> None:
            async with gate:
                with ConfinedFiles(folder) as files:
                    workspace = Workspace(root=folder, files=files, sandbox=None, command_limits=SandboxLimits())
                    tools = open_tools(("read_file",), workspace, clock)
                    opening = Opening(
                        agent=agent, system_prompt="Be brief.", prompt=PROMPT, tools=tools.specs, task=task
                    )
                    conversation = await provider.converse(opening)
                    nano = NanoAgent(conversation, tools, Limits(), price=lambda _: None, observe=lambda _: None)
                    outcome = await nano.run()
                    assert (outcome.stop, len(outcome.turns)) == ("answered", TURNS), outcome
                    msgspec.json.encode(outcome)

        await asyncio.gather(*(one() for _ in range(trials)))


def child(side: str, base_url: str, folder: str, trials: int, concurrent: int, mode: str) -> None:
    """Run one side after a warm-up and print its figures as JSON."""
    stream = mode == "stream"

    def go(count: int) -> None:
        if side == "bare":
            asyncio.run(run_bare(base_url, Path(folder), count, concurrent, stream=stream))
        else:
            asyncio.run(run_flatfield(base_url, Path(folder), count, concurrent))

    go(1)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu, wall = time.process_time(), time.perf_counter()
    go(trials)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    after_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    turns = trials * TURNS
    print(
        json.dumps({"cpu_ms": cpu / turns * 1000, "turns_s": turns / wall, "mb": (after_mb - before_mb) / concurrent})
    )


def measure(side: str, base_url: str, folder: str, concurrent: int, mode: str) -> dict[str, float]:
    """One side's figures, from a fresh process."""
    trials = 30 if concurrent == 1 else 300
    command = [sys.executable, __file__, "--child", side, base_url, folder, str(trials), str(concurrent), mode]
    figures: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return figures


def main(rounds: int) -> None:
    """Print the table."""
    print(f"median of {rounds} rounds; cpu = ms per turn; mb = peak growth per concurrent agent")
    print("mode      c  bare cpu  our cpu  ratio   bare t/s  our t/s  ratio  our mb")
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(TURNS + 1):
            (Path(folder) / f"file_{turn}.txt").write_text(FILE_TEXT)
        for mode in ("whole", "stream"):
            server = subprocess.Popen(
                [sys.executable, str(HERE / "instant_server.py"), mode],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert server.stdout is not None
            base_url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
            for concurrent in (1, 100):
                row(base_url, folder, concurrent, mode, rounds)
            server.communicate()


def row(base_url: str, folder: str, concurrent: int, mode: str, rounds: int) -> None:
    """Measure both sides in turn, and print one line."""
    sides: dict[str, list[dict[str, float]]] = {"bare": [], "flatfield": []}
    for _ in range(rounds):
        for side, figures in sides.items():
            figures.append(measure(side, base_url, folder, concurrent, mode))

    def median(side: str, name: str) -> float:
        return statistics.median(figures[name] for figures in sides[side])

    pairs = list(zip(sides["flatfield"], sides["bare"], strict=True))
    cpu_ratio = statistics.median(ours["cpu_ms"] / bare["cpu_ms"] for ours, bare in pairs)
    rate_ratio = statistics.median(ours["turns_s"] / bare["turns_s"] for ours, bare in pairs)
    shown = (
        f"{median('bare', 'cpu_ms'):>9.2f}{median('flatfield', 'cpu_ms'):>9.2f}{cpu_ratio:>7.2f}",
        f"{median('bare', 'turns_s'):>10.0f}{median('flatfield', 'turns_s'):>9.0f}{rate_ratio:>7.2f}",
        f"{median('flatfield', 'mb'):>7.3f}",
    )
    print(f"{mode:7}{concurrent:>4} {' '.join(shown)}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _, _, a_side, a_url, a_folder, a_trials, a_concurrent, a_mode = sys.argv
        child(a_side, a_url, a_folder, int(a_trials), int(a_concurrent), a_mode)
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
