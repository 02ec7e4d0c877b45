"""Programs that are killed while a cascade works: nothing of it is in the folder, and its trial is done again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.runs.store.store import Store
from flatfield.testing.fake_chat import FakeChat, FakeReply, Fault

from .conftest import writing

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.whole

CONFIG = """
[agents.weak]
provider = "openai-chat"
model = "weak"
base_url = "{url}"
protocol = "native"

[agents.strong]
provider = "openai-chat"
model = "strong"
base_url = "{url}"
protocol = "native"

[agents.both]
provider = "cascade"
steps = ["weak", "strong"]
check = "{check}"

[prices.weak]
input_mtok = 1
output_mtok = 1

[prices.strong]
input_mtok = 10
output_mtok = 10
"""
TASK = """---
id: t
files: {a.txt: a}
verify: [{file: {path: done.txt, equals: right}}]
---
# T
## Variables
PROMPT: "Do it."
"""


class Killing:
    """A script of two models that kills the program when the strong one has written, once."""

    def __init__(self, tools: Path) -> None:
        """`tools`: the cache with what the sandbox needs."""
        self.tools = tools
        self.process: Process | None = None
        self.killed = False
        self.asked: list[str] = []
        self._written: Callable[[dict[str, Any], int], FakeReply] = writing({"weak": "wrong", "strong": "right"})

    def __call__(self, request: dict[str, Any], number: int) -> FakeReply | Fault:
        self.asked.append(request["model"])
        has_written = any(message["role"] == "tool" for message in request["messages"])
        if request["model"] == "strong" and has_written and not self.killed and self.process is not None:
            self.killed = True
            os.kill(self.process.pid, signal.SIGKILL)
            return Fault(kind="stall")
        return self._written(request, number)

    async def run(self, folder: Path, *arguments: str) -> int:
        """Start the program there, and wait for its end."""
        own = {"HOME": str(folder), "FLATFIELD_CACHE": str(folder / "cache"), "XDG_CACHE_HOME": str(self.tools)}
        environ = {**os.environ, **own}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "flatfield", *arguments, cwd=folder, env=environ,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        return await self.process.wait()


def seen(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a project, with its bits; what flatfield keeps beside it is none of it."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".flatfield" not in path.parts
    }


@pytest.mark.needs("bwrap")
async def test_killed_between_its_copy_and_the_taking_over_a_folder_is_as_it_was(
    reachable: Path, kept_tools: Path
) -> None:
    home, project = reachable / "home", reachable / "project"
    (project / "src").mkdir(parents=True)
    home.mkdir()
    (project / "done.txt").write_text("to do\n")
    (project / "src" / "run.sh").write_bytes(b"#!/bin/sh\r\n\0")
    (project / "src" / "run.sh").chmod(0o750)
    before, script = seen(project), Killing(kept_tools)
    async with FakeChat(script, models=["weak", "strong"]) as server:
        check = "command: grep -q right done.txt"
        (home / "flatfield.toml").write_text(CONFIG.format(url=server.base_url, check=check))
        asked = ("run", "Do it.", "--agent", "both", "--workspace", str(project), "--trust")
        assert await script.run(home, *asked) == -signal.SIGKILL
        assert script.asked == ["weak", "weak", "strong", "strong"], "both steps had written, each into its copy"
        assert seen(project) == before
        assert await script.run(home, *asked) == 0
    assert seen(project) == {**before, "done.txt": (b"right", before["done.txt"][1])}


@pytest.mark.slow
async def test_killed_in_its_second_step_a_trial_is_done_again_from_the_first(tmp_path: Path, kept_tools: Path) -> None:
    script = Killing(kept_tools)
    (tmp_path / "t.md").write_text(TASK)
    async with FakeChat(script, models=["weak", "strong"]) as server:
        (tmp_path / "flatfield.toml").write_text(CONFIG.format(url=server.base_url, check="hidden"))
        assert await script.run(tmp_path, "eval", "t.md", "--agents", "both", "--trust") == -signal.SIGKILL
        assert await script.run(tmp_path, "eval", "--resume", "--trust") == 0
    assert script.asked == ["weak", "weak", "strong", "strong"] * 2
    store = Store(tmp_path / ".flatfield")
    (run,) = store.runs()
    (record,) = store.trials(run.id)
    assert [(step.agent, step.passed) for step in record.steps] == [("weak", False), ("strong", None)]
    assert record.checks[0].score == 1.0
    assert record.cost_usd == pytest.approx(2 * 0.001 + 2 * 0.01)
    finished = 2 * 0.001 + 0.01
    assert store.spent_usd(run.id) == pytest.approx((record.cost_usd or 0.0) + finished), "what was killed was paid for"
