"""What a person may write on with, in the prompt's arguments and in resources' addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mcp_types import PromptReference, ResourceTemplateReference

from flatfield.faces.storing import store_of
from flatfield.tasks.importers.nano_agent_2025_08 import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.faces.mcp.desk import ServerDesk

pytestmark = pytest.mark.whole

RUN = load().run.id
TRIAL = "flatfield://trials/{run}/{agent}/{task}/{repeat}"


@pytest.fixture
async def published(make_desk: Callable[[], ServerDesk], folder: Path) -> ServerDesk:
    desk = make_desk()
    async with store_of(desk.project()) as store:
        await store.save_run(load().run)
    (folder / "my capital.md").write_text('# C\n\n## Variables\n\nPROMPT: "x"\n\n## Expected Output\n\nOslo\n')
    return desk


@pytest.mark.parametrize(
    ("argument", "value", "found"),
    [
        ("lops", "my", ["my capital.md"]),
        ("lops", "my capital.md, suite:ba", ["my capital.md, suite:basic"]),
        ("lops", "capital", ["my capital.md"]),
        ("agents", "gpt-oss", ["gpt-oss-20b", "gpt-oss-120b"]),
        ("agents", "gpt-oss-20b,gpt-oss", ["gpt-oss-20b,gpt-oss-120b"]),
        ("agents", "nobody at all", []),
    ],
)
@pytest.mark.some(3)
async def test_the_prompts_arguments(
    connected: Any, published: ServerDesk, argument: str, value: str, found: list[str]
) -> None:
    async with connected(published) as client:
        ref = PromptReference(type="ref/prompt", name="hop_evaluate")
        told = await client.complete(ref, {"name": argument, "value": value})
    assert sorted(told.completion.values) == sorted(found)


@pytest.mark.parametrize(
    ("uri", "typed", "given", "found"),
    [
        ("flatfield://runs/{run}", {"name": "run", "value": RUN[:4]}, {}, [RUN]),
        ("flatfield://lops/{name}", {"name": "name", "value": "my"}, {}, ["my capital"]),
        (TRIAL, {"name": "agent", "value": "gpt-5-"}, {"run": RUN}, ["gpt-5-mini", "gpt-5-nano"]),
        (TRIAL, {"name": "task", "value": "2"}, {"run": RUN, "agent": "gpt-5"}, ["2_basic_read"]),
        (TRIAL, {"name": "repeat", "value": ""}, {"run": RUN, "agent": "gpt-5", "task": "2_basic_read"}, ["1"]),
        (TRIAL, {"name": "agent", "value": ""}, {"run": "2099"}, []),
    ],
)
@pytest.mark.some(3)
async def test_addresses(
    connected: Any, published: ServerDesk, uri: str, typed: dict[str, str], given: dict[str, str], found: list[str]
) -> None:
    async with connected(published) as client:
        ref = ResourceTemplateReference(type="ref/resource", uri=uri)
        told = await client.complete(ref, typed, context_arguments=given)
    assert sorted(told.completion.values) == found
    assert told.completion.total == len(found)
