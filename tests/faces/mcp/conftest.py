"""A desk in a folder of its own, and the server on it, reached through the SDK's own client in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.agent.clock import SystemClock
from flatfield.faces.mcp.desk import Desk
from flatfield.scoring.prices.pricing import Prices

if TYPE_CHECKING:
    from pathlib import Path

    from mcp import Client

Open = Callable[..., AbstractAsyncContextManager["Client"]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    (made / "notes.txt").write_text("alpha")
    monkeypatch.chdir(made)
    for name in ("OPENAI_API_KEY", "FLATFIELD_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def make_desk(folder: Path) -> Callable[..., Desk]:
    def make(**fields: Any) -> Desk:
        values: dict[str, Any] = {
            "cwd": folder,
            "clock": SystemClock(),
            "environ_of": lambda _: {"FLATFIELD_CACHE": str(folder.parent / "cache"), "HOME": str(folder.parent)},
            "prices_of": lambda _: Prices(),
            "announce": lambda _: None,
        }
        return Desk(**(values | fields))

    return make


@pytest.fixture
def connected(make_desk: Callable[..., Desk]) -> Open:
    @asynccontextmanager
    async def open_client(desk: Desk | None = None, **options: Any) -> AsyncIterator[Client]:
        from mcp import Client

        from flatfield.faces.mcp.server import build

        async with Client(build(desk or make_desk()), mode="legacy", **options) as client:
            yield client

    return open_client


@pytest.fixture
def configured(folder: Path) -> Callable[[str], None]:
    """Write a flatfield.toml with one agent, `desk`, at an address."""

    def write(base_url: str) -> None:
        (folder / "flatfield.toml").write_text(
            f'[agents.desk]\nprovider = "openai-chat"\nmodel = "fake-model"\nbase_url = "{base_url}"\n'
        )

    return write
