"""Claude Code (`claude -p`): its command line, and its `stream-json` output."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from flatfield.records import ModelUse, Usage
from flatfield.vendors._counts import tier_of
from flatfield.vendors.scaffold.external import Scaffold, ScaffoldReport, amount, count, dollars, events, inner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.vendors.scaffold.external import ScaffoldJob

FILE_TOOLS = "Read,Write,Edit,Glob,Grep"
CACHED = ("cacheReadInputTokens", "cacheCreationInputTokens")
_WINDOW = re.compile(r"\[\d+m\]$")
"""What it writes behind a model's name for a longer context."""


def arguments(job: ScaffoldJob) -> list[str]:
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


def settings(_job: ScaffoldJob) -> dict[str, str]:
    """No repository: it asks `git status` at its start, and a repository's configuration may name programs for that."""
    return {"GIT_DIR": os.devnull}


def read(printed: str) -> ScaffoldReport:
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
    return ScaffoldReport(
        text=str(text),
        usage=_usage(result, by_model),
        cost_usd=_cost(result, by_model),
        turns=count(result.get("num_turns")),
        tool_calls=sum(block.get("type") == "tool_use" for block in blocks),
        models=_models(told, by_model),
        by_model=_uses(result, by_model),
        service_tier=tier_of(inner(result, "usage")),
        error=str(result.get("result") or result.get("subtype") or "it failed") if failed else "",
    )


def unanswered(printed: str, _complained: str) -> str:
    """What it said of a request that it tries again, if that is its last event."""
    last = (events(printed) or [{}])[-1]
    if last.get("subtype") != "api_retry":
        return ""
    status = last.get("error_status")
    why = f"status {status}" if status else f"no connection ({last.get('error') or 'unknown'})"
    return f"{why}, at attempt {last.get('attempt')} of {last.get('max_retries')}"


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
        input_tokens=fresh + read + write,
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=min(write, _kept_for_an_hour(result)),
        output_tokens=written,
    )


def _uses(result: dict[str, Any], by_model: dict[str, Any]) -> tuple[ModelUse, ...]:
    """What was used of each model, with what it says that this cost."""
    total = _usage(result, by_model)
    hour = total.cache_write_1h_tokens if total else 0
    return tuple(_use(name, inner(by_model, name), total, hour) for name in by_model)


def _use(name: str, part: dict[str, Any], total: Usage | None, hour: int) -> ModelUse:
    """One model's; its usage None where it cannot be priced: it searched the web, or wrote who knows what for an hour.

    What is kept in the cache for an hour is told of the whole run alone: it is known of a model if nothing or all of
    what was written is kept so long, or if no other one wrote.
    """
    read, write = (amount(part, cached) for cached in CACHED)
    all_written = total.cache_write_tokens if total else 0
    own_hour = min(write, hour) if not hour or not write or all_written in (hour, write) else None
    usage = Usage(
        input_tokens=amount(part, "inputTokens") + read + write,
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=own_hour or 0,
        output_tokens=amount(part, "outputTokens"),
    )
    is_known = own_hour is not None and not count(part.get("webSearchRequests"))
    return ModelUse(
        model=_WINDOW.sub("", str(part.get("canonicalModel") or name)),
        usage=usage if is_known else None,
        reported_cost_usd=None if part.get("costBasis") == "unknown" else dollars(part.get("costUSD")),
    )


def _kept_for_an_hour(result: dict[str, Any]) -> int:
    return amount(inner(result, "usage", "cache_creation"), "ephemeral_1h_input_tokens")


def _cost(result: dict[str, Any], by_model: dict[str, Any]) -> float | None:
    """What it says that the run cost; None where it did not know the price of a model itself."""
    is_guess = any(inner(by_model, name).get("costBasis") == "unknown" for name in by_model)
    return None if is_guess else dollars(result.get("total_cost_usd"))


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
    unanswered=unanswered,
    proved="2.1.197",
)
