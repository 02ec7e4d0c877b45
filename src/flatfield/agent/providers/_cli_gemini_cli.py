"""Gemini CLI (`gemini`): its command line, and its `json` output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.agent.providers._scaffold import Report, Scaffold, amount, count, inner, whole_object
from flatfield.records import Usage

if TYPE_CHECKING:
    from flatfield.agent.providers._scaffold import Job


def arguments(job: Job) -> list[str]:
    """Edits are accepted, and what else would be asked about is refused."""
    given = ["--output-format", "json", "--skip-trust", "--approval-mode", "auto_edit" if job.edits else "default"]
    return [*given, "--model", job.model] if job.model else given


def read(printed: str) -> Report:
    """The report, which comes whole at the end; it does not say what the run cost."""
    told = whole_object(printed)
    by_model = inner(told, "stats", "models")
    tokens = [inner(by_model, name, "tokens") for name in by_model]
    requests = [count(inner(by_model, name, "api").get("totalRequests")) for name in by_model]
    error = inner(told, "error")
    return Report(
        text=str(told.get("response") or ""),
        usage=Usage(
            input_tokens=sum(amount(each, "prompt", "tool") for each in tokens),
            cache_read_tokens=sum(amount(each, "cached") for each in tokens),
            output_tokens=sum(amount(each, "candidates", "thoughts") for each in tokens),
            reasoning_tokens=sum(amount(each, "thoughts") for each in tokens),
        )
        if tokens
        else None,
        turns=None if not requests or None in requests else sum(each or 0 for each in requests),
        tool_calls=count(inner(told, "stats", "tools").get("totalCalls")),
        models=tuple(sorted(by_model, key=lambda name: -amount(inner(by_model, name, "tokens"), "total"))),
        error=str(error.get("message") or "it failed") if error else "",
    )


SCAFFOLD = Scaffold(
    program="gemini",
    install="npm install -g @google/gemini-cli",
    vendor="google",
    variables=("GEMINI_*", "GOOGLE_*"),
    base_url_variable="GOOGLE_GEMINI_BASE_URL",
    arguments=arguments,
    read=read,
)
