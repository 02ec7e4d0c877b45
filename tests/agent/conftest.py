"""A session and services for tests of the agent's room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.clock import SystemClock
from flatfield.http.services import Services
from flatfield.http.transport import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    clock = SystemClock()
    async with open_session(clock) as session:
        yield Services(session=session, clock=clock, environ={}, cache=tmp_path)
