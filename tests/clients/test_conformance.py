"""The protocol's own conformance suite against our server over HTTP: what applies passes, the rest is listed."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SERVER = Path(__file__).parent / "conformance_server.py"
PLAIN = ("server-initialize", "ping", "tools-list", "resources-list", "prompts-list", "dns-rebinding-protection")
"""Scenarios that need no fixture of the suite: flatfield's own tools are there."""
FIXTURES = (
    *(
        "server-initialize",
        "logging-set-level",
        "ping",
        "completion-complete",
        "tools-list",
        "tools-call-simple-text",
        "tools-call-image",
    ),
    *("tools-call-audio", "tools-call-embedded-resource", "tools-call-mixed-content", "tools-call-with-logging"),
    *("tools-call-error", "tools-call-with-progress", "tools-call-sampling", "tools-call-elicitation"),
    *(
        "json-schema-2020-12",
        "elicitation-sep1034-defaults",
        "elicitation-sep1330-enums",
        "server-sse-multiple-streams",
    ),
    *("resources-list", "resources-read-text", "resources-read-binary", "resources-templates-read"),
    *("resources-subscribe", "resources-unsubscribe", "prompts-list", "prompts-get-simple", "prompts-get-with-args"),
    *("prompts-get-embedded-resource", "prompts-get-with-image", "dns-rebinding-protection"),
)
NOT_APPLICABLE = {
    "server-sse-polling": "flatfield keeps no event store: a dropped stream is not resumed, the run's record is read",
}


@asynccontextmanager
async def served(stage: Any, *arguments: str) -> AsyncIterator[str]:
    """The server in a process of its own; its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SERVER), *arguments), cwd=stage.work, stdout=asyncio.subprocess.PIPE
    )
    if process.stdout is None:
        raise OSError("no pipe")
    try:
        async with asyncio.timeout(100):
            yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


def outcomes(printed: str) -> dict[str, tuple[int, int]]:
    """How many checks passed and failed, by scenario, as the suite sums up."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed)
    found = re.findall(r"^[✓✗] (\S+): (\d+) passed, (\d+) failed", plain, re.MULTILINE)
    return {name: (int(passed), int(failed)) for name, passed, failed in found}


@pytest.mark.parametrize("name", PLAIN)
async def test_flatfields_own_server_passes(name: str, stage: Any, installed: Callable[[str], None]) -> None:
    installed("conformance")
    async with served(stage, "plain") as url:
        done = await stage.run(["conformance", "server", "--url", url, "--scenario", name], {})
    assert (done.code, "FAILURE" in done.out) == (0, False), done.out


async def test_with_the_suites_fixtures_every_scenario_passes_that_applies(
    stage: Any, installed: Callable[[str], None]
) -> None:
    installed("conformance")
    async with served(stage) as url:
        done = await stage.run(["conformance", "server", "--url", url, "--suite", "all"], {})
    found = outcomes(done.out + done.err)
    assert {name for name, (passed, failed) in found.items() if passed and not failed} == set(FIXTURES), done.out
    assert {name for name, (_, failed) in found.items() if failed} == set(NOT_APPLICABLE)
    assert set(PLAIN) <= set(FIXTURES)
