"""The plugin in the real Claude Code: it validates, and can be installed from the repository as a marketplace."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", ["plugin/.claude-plugin/plugin.json", "plugin", "."])
async def test_what_the_repository_holds_validates(path: str, stage: Any, installed: Callable[[str], None]) -> None:
    installed("claude")
    done = await stage.run(["claude", "plugin", "validate", "--strict", str(ROOT / path)], {})
    assert done.code == 0, done.out + done.err


async def test_the_agents_commands_and_hooks_of_the_plugin_validate(
    stage: Any, installed: Callable[[str], None]
) -> None:
    installed("claude")
    folder = stage.home / "plugin"
    shutil.copytree(ROOT / "plugin", folder)
    (folder / ".claude-plugin" / "marketplace.json").unlink()  # beside it, the marketplace alone is looked at
    done = await stage.run(["claude", "plugin", "validate", "--strict", str(folder)], {})
    assert done.code == 0, done.out + done.err
    (folder / "hooks" / "hooks.json").write_text('{"hooks": {"Stopp": 1}}')
    done = await stage.run(["claude", "plugin", "validate", "--strict", str(folder)], {})
    assert done.code != 0, "it does look at them"


async def test_the_repository_is_a_marketplace(stage: Any, installed: Callable[[str], None]) -> None:
    installed("claude")
    for words in (["marketplace", "add", str(ROOT)], ["install", "flatfield@flatfield"]):
        done = await stage.run(["claude", "plugin", *words], {})
        assert done.code == 0, done.out + done.err
    done = await stage.run(["claude", "plugin", "details", "flatfield"], {})
    assert "nano-agent-gpt-6-luna" in done.out, done.out + done.err
    assert "nano-agents" in done.out
