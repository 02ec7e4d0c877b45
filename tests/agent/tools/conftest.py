"""The file tools in a small workspace: `good` and `bad` call one and give its text."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from flatfield.agent.toolbox import open_tools
from flatfield.agent.workspace import open_workspace
from flatfield.plugins import default_tools
from flatfield.records import ToolCall, ToolResult
from flatfield.testing.clocks import FakeClock

Use = Callable[..., Awaitable[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "src/pkg").mkdir(parents=True)
    (root / "src/main.py").write_text("import os\n\n\ndef main():\n    return 1\n")
    (root / "src/pkg/util.py").write_text("x = 1\n")
    (root / "notes.txt").write_text("one\ntwo\n")
    return root


@pytest.fixture
def run(root: Path, clock: FakeClock) -> Iterator[Callable[..., Awaitable[ToolResult]]]:
    workspace = open_workspace(root)
    box = open_tools(default_tools(), workspace, clock)

    async def call(name: str, **arguments: str) -> ToolResult:
        return await box.run(ToolCall(id="1", name=name, arguments=msgspec.json.encode(arguments).decode()))

    yield call
    workspace.files.close()


@pytest.fixture
def good(run: Callable[..., Awaitable[ToolResult]]) -> Use:
    async def call(name: str, **arguments: str) -> str:
        result = await run(name, **arguments)
        assert result.ok, result.text
        return result.text

    return call


@pytest.fixture
def bad(run: Callable[..., Awaitable[ToolResult]], tmp_path: Path) -> Use:
    async def call(name: str, **arguments: str) -> str:
        result = await run(name, **arguments)
        assert not result.ok, result.text
        assert str(tmp_path) not in result.text  # our own folders' names are nobody's business
        return result.text

    return call
