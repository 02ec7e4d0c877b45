"""opencode (`opencode run`): its command line, its permissions, and its `json` events."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from flatfield.records import Usage
from flatfield.vendors.scaffold.external import Scaffold, ScaffoldReport, amount, dollars, events, inner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.vendors.scaffold.external import ScaffoldJob

_FAILED = re.compile(r'^timestamp=(\S+) .*message="stream error" .*small=false .*error\.error="([^"]*)"', re.MULTILINE)
"""A line of its log on a request that failed; `small` are those for a title."""
ALLOWED = ("read", "edit", "glob", "grep", "list", "todowrite")
"""What it may do where it may edit; everything else, commands and other folders too, is refused."""


def arguments(job: ScaffoldJob) -> list[str]:
    """One message; what it may do is in its settings. Why a request failed stands in its log alone."""
    return [
        "run",
        "--format",
        "json",
        "--print-logs",
        "--log-level",
        "ERROR",
        *(["--model", job.model] if job.model else []),
    ]


def settings(job: ScaffoldJob) -> dict[str, str]:
    """Its configuration, over the user's own and without the workspace's: permissions, nothing shared or updated."""
    permission = {"*": "deny", **(dict.fromkeys(ALLOWED, "allow") if job.edits else {}), "external_directory": "deny"}
    config = {"permission": permission, "share": "disabled", "autoupdate": False}
    return {
        "OPENCODE_CONFIG_CONTENT": msgspec.json.encode(config).decode(),
        "OPENCODE_PERMISSION": msgspec.json.encode(permission).decode(),
        "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
    }


def read(printed: str) -> ScaffoldReport:
    """The report in its events. The request that makes up a title is in none of them; a price of 0 is none known."""
    told = events(printed)
    if not told:
        raise ValueError("no events")
    steps = [inner(each, "part") for each in told if each.get("type") == "step_finish"]
    texts = [str(inner(each, "part").get("text", "")) for each in told if each.get("type") == "text"]
    problem = next((inner(each, "error") for each in reversed(told) if each.get("type") == "error"), None)
    costs = [dollars(step.get("cost")) for step in steps]
    cost = None if None in costs else sum(each or 0.0 for each in costs)
    return ScaffoldReport(
        text=texts[-1] if texts else "",
        usage=_usage(steps) if steps else None,
        cost_usd=cost or None,
        turns=len(steps),
        tool_calls=sum(each.get("type") == "tool_use" for each in told),
        error=""
        if problem is None
        else str(inner(problem, "data").get("message") or problem.get("name") or "it failed"),
    )


def unanswered(printed: str, complained: str) -> str:
    """What its log says of a request of the agent's that failed, if no event came since: it tries for ever."""
    failed = _FAILED.findall(complained)
    if not failed:
        return ""
    stamp, why = failed[-1]
    last = (events(printed) or [{}])[-1].get("timestamp")
    failed_at = datetime.fromisoformat(stamp).timestamp()
    return "" if isinstance(last, int | float) and last / 1000 > failed_at else str(why)


def _usage(steps: Sequence[dict[str, Any]]) -> Usage:
    """Its input leaves out what is cached, its output the reasoning."""
    tokens = [inner(step, "tokens") for step in steps]
    read = sum(amount(inner(each, "cache"), "read") for each in tokens)
    write = sum(amount(inner(each, "cache"), "write") for each in tokens)
    return Usage(
        input_tokens=sum(amount(each, "input") for each in tokens) + read + write,
        cache_read_tokens=read,
        cache_write_tokens=write,
        output_tokens=sum(amount(each, "output", "reasoning") for each in tokens),
        reasoning_tokens=sum(amount(each, "reasoning") for each in tokens),
    )


SCAFFOLD = Scaffold(
    program="opencode",
    install="npm install -g opencode-ai",
    variables=("OPENCODE_*",),
    arguments=arguments,
    settings=settings,
    read=read,
    unanswered=unanswered,
    proved="1.18.33",
    runs=(".opencode", "opencode.json", "opencode.jsonc"),  # it imports the plugins that these hold or name
)
