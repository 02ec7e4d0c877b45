"""Codex (`codex exec`): its command line, and its `--json` events."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from flatfield.records import Usage
from flatfield.vendors.scaffold.external import Scaffold, ScaffoldReport, amount, events, inner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.vendors.scaffold.external import ScaffoldJob

TOOLS = frozenset({"command_execution", "file_change", "mcp_tool_call", "web_search"})
"""Items that are a call of a tool, as its events name them."""
SETTINGS = (
    'web_search="disabled"',
    "sandbox_workspace_write.exclude_slash_tmp=true",  # where the other trials' workspaces lie
    "sandbox_workspace_write.exclude_tmpdir_env_var=true",
    "project_doc_max_bytes=0",  # no AGENTS.md of the workspace
)
ENDINGS = frozenset({"turn.failed", "turn.completed"})


def arguments(job: ScaffoldJob) -> list[str]:
    """Commands and edits in its own sandbox: the workspace can be written, there is no network."""
    given = ["exec", "--json", "--skip-git-repo-check", "--ephemeral", "--color", "never"]
    for setting in (*SETTINGS, f"projects={{{','.join(_untrusted(job.workspace))}}}"):
        given += ["-c", setting]
    if job.model:
        given += ["--model", job.model]
    if job.effort:
        given += ["-c", f'model_reasoning_effort="{job.effort}"']
    return [*given, "--sandbox", "workspace-write" if job.edits else "read-only", "-"]


def _untrusted(workspace: str) -> Iterator[str]:
    """Entries that take its trust from the workspace and all folders above, whatever the user once said of them.

    A dotted key (`projects."/a".trust_level`) would do nothing: its parts are split at dots, quotes or not.
    """
    named, real = Path(workspace), Path(workspace).resolve()
    for folder in dict.fromkeys((named, *named.parents, real, *real.parents)):
        yield f'{msgspec.json.encode(str(folder)).decode()}={{trust_level="untrusted"}}'


def read(printed: str) -> ScaffoldReport:
    """The report in its events; it does not say how many requests it made, nor what they cost."""
    told = events(printed)
    if not told:
        raise ValueError("no events")
    done = [inner(each, "item") for each in told if each.get("type") == "item.completed"]
    usages = [inner(each, "usage") for each in told if each.get("type") == "turn.completed"]
    ending: dict[str, Any] = next((each for each in reversed(told) if str(each.get("type")) in ENDINGS), {})
    problem = inner(ending, "error").get("message") or "it failed" if ending.get("type") == "turn.failed" else ""
    texts = [str(item.get("text", "")) for item in done if item.get("type") == "agent_message"]
    return ScaffoldReport(
        text=texts[-1] if texts else "",
        usage=_usage(usages[-1]) if usages else None,
        tool_calls=sum(str(item.get("type")) in TOOLS for item in done),
        error=str(problem),
    )


def unanswered(printed: str, _complained: str) -> str:
    """What it said of its connection, if that is its last event: what it does not get over ends its turn."""
    last = (events(printed) or [{}])[-1]
    return str(last.get("message") or "") if last.get("type") == "error" else ""


def _usage(usage: dict[str, object]) -> Usage:
    """Its input holds what is cached, its output the reasoning."""
    return Usage(
        input_tokens=amount(usage, "input_tokens"),
        cache_read_tokens=amount(usage, "cached_input_tokens"),
        cache_write_tokens=amount(usage, "cache_write_input_tokens"),
        output_tokens=amount(usage, "output_tokens"),
        reasoning_tokens=amount(usage, "reasoning_output_tokens"),
    )


SCAFFOLD = Scaffold(
    program="codex",
    install="npm install -g @openai/codex",
    vendor="openai",
    variables=("OPENAI_*", "CODEX_HOME", "CODEX_API_KEY"),
    base_url_variable="OPENAI_BASE_URL",
    takes_effort=True,
    arguments=arguments,
    read=read,
    unanswered=unanswered,
    proved="0.169.0",
    obeys="the names and descriptions of skills in .codex/skills and .agents/skills, which its model is told",
)
