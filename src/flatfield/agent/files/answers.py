"""Tells which files would give a plain LOP's answers away, so that no workspace gets them."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield import plugins

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import Task

FOLDERS = frozenset({".git", ".venv", "node_modules", ".flatfield"})
PEEK_BYTES = 1024**2
SUSPECTS = (".md", ".json", ".html", ".csv", ".toml")
"""Only files with these endings are looked at; all others are copied unread."""

_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1[`~]*[ \t]*$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`\n]*`")
_VARIABLES = re.compile(r"^##[ \t]+Variables[ \t]*$(?:(?!^##[ \t]).)*?^[ \t]*PROMPT[ \t]*:", re.MULTILINE | re.DOTALL)
_ROSTER = re.compile(r"\A---[ \t]*\n(?:(?!^---).*\n)*?agents[ \t]*:", re.MULTILINE)
_RANKING = re.compile(r"^#+[ \t]+.*Final Ranking", re.MULTILINE | re.IGNORECASE)
_GRADING = re.compile(r"^#+[ \t]+.*Grading Criteria", re.MULTILINE | re.IGNORECASE)
_EVALUATES = re.compile(r"@agent-|\bevaluat|\bgrad(e|ing)|\brank(s|ed|ing)?\b|\brepeats\b", re.IGNORECASE)
_JSON_REPORT = re.compile(r'\A\s*\{\s*"run"\s*:')


def named_out(path: str) -> str | None:
    """The part of a relative path that is never copied (`.git`, `.env*`, `.venv`, …), None when there is none."""
    parts = path.split("/")
    for at, part in enumerate(parts):
        if part in FOLDERS or part.startswith(".env"):
            return "/".join(parts[: at + 1])
    return None


def kind_of_answer(path: str, text: Callable[[], str]) -> str | None:
    """What makes this file one that holds answers; None for all others.

    `text` is called, for the file's beginning, only when the name alone does not tell.
    """
    name = posixpath.basename(path).lower()
    if name == "flatfield.toml" or "/.claude/agents/" in f"/{path}":
        return "agent file"
    if not name.endswith(SUSPECTS) or name.endswith(".toml"):
        return None
    content = text().replace("\r\n", "\n")
    if name.endswith(".md"):
        return _markdown(path, name, content)
    if name.endswith(".json"):
        return "report" if _JSON_REPORT.match(content) and '"active_seconds"' in content else None
    if name.endswith(".csv"):
        first, _, _ = content.partition("\n")
        return "report" if {"agent", "task", "repeat", "active_seconds"} <= set(first.strip().split(",")) else None
    return "report" if "Final Ranking" in content and "Grading Criteria" in content else None


def _markdown(path: str, name: str, content: str) -> str | None:
    prose = _FENCE.sub("", content)  # an example in a manual is no task
    if _VARIABLES.search(prose):
        return "LOP"
    if "/agents/" in f"/{path}" and "prompt_nano_agent" in content:
        return "agent file"
    if name.startswith("readme"):  # explains HOPs and reports, is none
        return None
    if _ROSTER.match(content) or _takes_lops(path, content, prose):
        return "HOP"
    return "report" if _RANKING.search(prose) and _GRADING.search(prose) else None


def _takes_lops(path: str, content: str, prose: str) -> bool:
    """Whether a file takes LOPs as its arguments; many a manual speaks of `$ARGUMENTS` too, and is about no grades."""
    if "/.claude/commands/" in f"/{path}":
        return "$ARGUMENTS" in content
    return "$ARGUMENTS" in _INLINE_CODE.sub("", prose) and _EVALUATES.search(prose) is not None


def own_answers(task: Task) -> frozenset[Path]:
    """What the task itself must not give to its agent, should its folder be copied: the LOP, checks, hidden tests."""
    if not task.path:
        return frozenset()
    lop = Path(task.path).resolve()
    found = {lop}
    for spec in task.verifiers:
        named = (spec.options.get(option) for option in plugins.verifier_traits(spec.kind).hidden_options)
        found.update((lop.parent / text.split("::")[0]).resolve() for text in named if isinstance(text, str))
    return frozenset(found)
