"""Claude Code (`claude -p`): its command line, and its `stream-json` output."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from flatfield.records import Usage
from flatfield.vendors.scaffold.base import Report, Scaffold, amount, count, dollars, events, inner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.vendors.scaffold.base import Job

FILE_TOOLS = "Read,Write,Edit,Glob,Grep"
CACHED = ("cacheReadInputTokens", "cacheCreationInputTokens")


def arguments(job: Job) -> list[str]:
    """File tools alone, edits accepted; no MCP servers, no settings of the workspace, no session kept."""
    given = ["-p", "--output-format", "stream-json", "--verbose", "--strict-mcp-config", "--no-session-persistence"]
    given += ["--setting-sources", "user"]
    if job.model:
        given += ["--model", job.model]
    if job.effort:
        given += ["--effort", job.effort]
    if job.edits:
        return [*given, "--permission-mode", "acceptEdits", "--tools", FILE_TOOLS]
    return [*given, "--tools", ""]


def settings(_job: Job) -> dict[str, str]:
    """No repository: it asks `git status` at its start, and a repository's configuration may name programs for that."""
    return {"GIT_DIR": os.devnull}


def read(printed: str) -> Report:
    """The report in its events; the last one, `result`, is missing when it was ended."""
    told = events(printed)
    if not told:
        raise ValueError("no events")
    said = [inner(each, "message").get("content") for each in told if each.get("type") == "assistant"]
    blocks = [block for content in said if isinstance(content, list) for block in content if isinstance(block, dict)]
    result: dict[str, Any] = next((each for each in reversed(told) if each.get("type") == "result"), {})
    text = result.get("result") or next(
        (str(b.get("text", "")) for b in reversed(blocks) if b.get("type") == "text"), ""
    )
    failed = result.get("is_error") or result.get("subtype", "success") != "success"
    by_model = inner(result, "modelUsage")
    return Report(
        text=str(text),
        usage=_usage(result, by_model),
        cost_usd=dollars(result.get("total_cost_usd")),
        turns=count(result.get("num_turns")),
        tool_calls=sum(block.get("type") == "tool_use" for block in blocks),
        models=_models(told, by_model),
        error=str(result.get("result") or result.get("subtype") or "it failed") if failed else "",
    )


def _usage(result: dict[str, Any], by_model: dict[str, Any]) -> Usage | None:
    """All models' tokens, those of requests beside the conversation too; its input leaves out what is cached."""
    parts = [inner(by_model, name) for name in by_model]
    if parts:
        read, write = (sum(amount(part, name) for part in parts) for name in CACHED)
        fresh = sum(amount(part, "inputTokens") for part in parts)
        written = sum(amount(part, "outputTokens") for part in parts)
    elif usage := inner(result, "usage"):
        read, write = amount(usage, "cache_read_input_tokens"), amount(usage, "cache_creation_input_tokens")
        fresh, written = amount(usage, "input_tokens"), amount(usage, "output_tokens")
    else:
        return None
    return Usage(
        input_tokens=fresh + read + write, cache_read_tokens=read, cache_write_tokens=write, output_tokens=written
    )


def _models(told: Sequence[dict[str, Any]], by_model: dict[str, Any]) -> tuple[str, ...]:
    most = sorted(by_model, key=lambda name: -amount(inner(by_model, name), "inputTokens", "outputTokens", *CACHED))
    begun = next((each.get("model") for each in told if each.get("subtype") == "init"), None)
    return tuple(most) or ((str(begun),) if begun else ())


SCAFFOLD = Scaffold(
    program="claude",
    install="npm install -g @anthropic-ai/claude-code",
    vendor="anthropic",
    variables=("ANTHROPIC_*", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_DISABLE_*"),
    base_url_variable="ANTHROPIC_BASE_URL",
    takes_effort=True,
    arguments=arguments,
    settings=settings,
    read=read,
    proved="2.1.197",
)
