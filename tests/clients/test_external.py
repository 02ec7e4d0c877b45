"""The real scaffolds as agents of ours: an edit in the workspace, none outside of it, and their tokens read."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

DUMMY = "dummy-key-0123456789"
VENDORS = {"claude-code": "anthropic", "codex": "openai", "gemini-cli": "gemini", "opencode": "openai-chat"}
PROGRAMS = {"claude-code": "claude", "codex": "codex", "gemini-cli": "gemini", "opencode": "opencode"}
MODELS = {
    "claude-code": "claude-code/claude-sonnet-4-5",
    "codex": "codex/gpt-5",
    "gemini-cli": "gemini-cli/gemini-2.5-flash",
    "opencode": "opencode/fake/fake-model",
}


def edit(scaffold: str, path: str) -> tuple[str, dict[str, str]]:
    """How this one's model writes a file."""
    return {
        "claude-code": ("Write", {"file_path": path, "content": "hi\n"}),
        "codex": ("exec_command", {"cmd": f"echo hi > '{path}'"}),
        "gemini-cli": ("write_file", {"file_path": path, "content": "hi\n"}),
        "opencode": ("write", {"filePath": path, "content": "hi\n"}),
    }[scaffold]


def prepared(scaffold: str, stage: Any, base_url: str) -> dict[str, str]:
    """The user's own settings that lead a scaffold to the scripted vendor, and the variables for it."""
    if scaffold == "claude-code":
        keys = {"ANTHROPIC_BASE_URL": base_url, "ANTHROPIC_API_KEY": DUMMY}
        return {**keys, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    if scaffold == "codex":
        stage.write(
            ".codex/config.toml",
            f'model_provider = "fake"\n[model_providers.fake]\nname = "fake"\nbase_url = "{base_url}"\n'
            'env_key = "OPENAI_API_KEY"\nwire_api = "responses"\n',
        )
        return {"OPENAI_API_KEY": DUMMY}
    if scaffold == "gemini-cli":
        stage.write(".gemini/settings.json", {"security": {"auth": {"selectedType": "gemini-api-key"}}})
        return {"GEMINI_API_KEY": DUMMY, "GOOGLE_GEMINI_BASE_URL": base_url}
    options = {"baseURL": base_url, "apiKey": DUMMY}
    models = {"fake-model": {"name": "fake", "tool_call": True}}
    fake = {"npm": "@ai-sdk/openai-compatible", "name": "fake", "options": options, "models": models}
    stage.write(".config/opencode/opencode.json", {"provider": {"fake": fake}})
    return {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}


async def worked(scaffold: str, stage: Any, vendor: Any, model: Any) -> dict[str, Any]:
    """What `flatfield run` says of it."""
    argv = [sys.executable, "-m", "flatfield", "run", "Write hi to out.txt.", "--json", "--agent"]
    async with vendor(VENDORS[scaffold], model) as server:
        environ = prepared(scaffold, stage, server.base_url)
        done = await stage.run([*argv, f"cli:{MODELS[scaffold]}"], {**environ, "STAGE_MARK": stage.mark})
    assert done.code == 0, (done.code, done.out[-2000:], done.err[-2000:])
    said: dict[str, Any] = json.loads(done.out)
    assert await stage.left() == []
    return said


@pytest.mark.parametrize("scaffold", VENDORS)
async def test_it_edits_in_the_workspace_and_its_tokens_are_read(
    scaffold: str, stage: Any, vendor: Any, calling: Any, installed: Callable[[str], None]
) -> None:
    installed(PROGRAMS[scaffold])
    said = await worked(scaffold, stage, vendor, calling(*edit(scaffold, str(stage.work / "out.txt"))))
    assert (stage.work / "out.txt").read_text() == "hi\n", said
    (turn,) = said["turns"]
    reply = turn["reply"]
    assert (said["stop"], said["answer"]) == ("answered", "All done.")
    assert [change["path"] for change in said["changes"]] == ["out.txt"]
    usage = said["usage"]
    assert (usage["input_tokens"], usage["cache_read_tokens"], usage["output_tokens"]) == (200, 80, 20)
    assert usage["reasoning_tokens"] == (0 if scaffold == "claude-code" else 8), "Claude Code does not say"
    assert reply["scaffold"]["name"] == scaffold
    assert reply["scaffold"]["version"]
    assert reply["scaffold"]["tool_calls"] == 1
    assert reply["scaffold"]["turns"] == (None if scaffold == "codex" else 2)
    assert DUMMY not in json.dumps(said)


@pytest.mark.parametrize("scaffold", VENDORS)
async def test_it_edits_nothing_outside(
    scaffold: str, stage: Any, vendor: Any, calling: Any, installed: Callable[[str], None]
) -> None:
    installed(PROGRAMS[scaffold])
    outside = stage.home.parent / "beside.txt"
    said = await worked(scaffold, stage, vendor, calling(*edit(scaffold, str(outside))))
    assert not outside.exists(), said
    assert said["changes"] == []
