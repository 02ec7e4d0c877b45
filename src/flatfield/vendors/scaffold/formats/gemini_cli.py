"""Gemini CLI (`gemini`): its command line, the home that it is given for a run, and its `json` output."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from flatfield.errors import ProviderError
from flatfield.records import ModelUse, Usage, total_usage
from flatfield.vendors.scaffold.external import Scaffold, ScaffoldReport, amount, count, inner, whole_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.vendors.scaffold.external import ScaffoldJob

OWN = ".gemini"
"""The folder of the user's settings and login, in the home."""
_ATTEMPT = re.compile(r"^(Attempt (\d+) failed\b.*)$", re.MULTILINE)
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_EDITS = '[[rule]]\ntoolName = ["write_file", "replace"]\ndecision = "allow"\npriority = 100\n'


def arguments(job: ScaffoldJob) -> list[str]:
    """What would be asked about is refused; that edits are accepted stands in the home's policy."""
    given = ["--output-format", "json", "--approval-mode", "default"]
    return [*given, "--model", job.model] if job.model else given


def home(job: ScaffoldJob, folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """A home that is the user's, entry by entry, but for its settings: the workspace is not trusted, and may be used.

    Only there can both be said: without the settings it ends in a folder that is not trusted, and where the folder is
    trusted it obeys the folder's settings. What it would read of the user's own `.env` in a trusted folder is handed
    over, a `.env` of the workspace is not read.

    Raises:
        ProviderError: the user's settings cannot be read.
    """
    users = Path(environ.get("GEMINI_CLI_HOME") or environ.get("HOME") or folder)
    (folder / OWN).mkdir()
    for entry in (users / OWN).iterdir() if (users / OWN).is_dir() else ():
        if entry.name != "settings.json":
            (folder / OWN / entry.name).symlink_to(entry.absolute())
    if (users / ".env").exists():
        (folder / ".env").symlink_to((users / ".env").absolute())
    policy = folder / "edits.toml"
    policy.write_text(_EDITS if job.edits else "")
    settings = _settings(users / OWN / "settings.json")
    policies = settings.get("policyPaths")
    settings["policyPaths"] = [*(policies if isinstance(policies, list) else ()), str(policy)]
    settings["security"] = {**inner(settings, "security"), "folderTrust": {"enabled": False}}
    settings["advanced"] = {**inner(settings, "advanced"), "ignoreLocalEnv": True}
    (folder / OWN / "settings.json").write_bytes(msgspec.json.encode(settings))
    return {
        **_variables(users / OWN / ".env", environ),
        "GEMINI_CLI_HOME": str(folder),
        "GEMINI_CLI_TRUST_WORKSPACE": "false",
    }


def _settings(path: Path) -> dict[str, Any]:
    """The user's settings, which may hold comments."""
    try:
        value = msgspec.json.decode(_COMMENT.sub(lambda found: found.group(1) or "", path.read_text("utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ProviderError(f"{path} cannot be read, so Gemini CLI was not started; correct it ({error})") from None
    if not isinstance(value, dict):
        raise ProviderError(f"{path} is not a JSON object, so Gemini CLI was not started; correct it")
    return value


def _variables(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Those of the user's own `.env` for it that the environment does not set."""
    from dotenv import dotenv_values

    values = dotenv_values(path, interpolate=False) if path.is_file() else {}
    return {name: value for name, value in values.items() if value is not None and name not in environ}


def read(printed: str) -> ScaffoldReport:
    """The report, which comes whole at the end; it does not say what the run cost."""
    told = whole_object(printed)
    by_model = inner(told, "stats", "models")
    uses = tuple(ModelUse(model=name, usage=_usage(inner(by_model, name, "tokens"))) for name in by_model)
    requests = [count(inner(by_model, name, "api").get("totalRequests")) for name in by_model]
    error = inner(told, "error")
    return ScaffoldReport(
        text=str(told.get("response") or ""),
        usage=total_usage(use.usage for use in uses),
        turns=None if not requests or None in requests else sum(each or 0 for each in requests),
        tool_calls=count(inner(told, "stats", "tools").get("totalCalls")),
        by_model=uses,
        models=tuple(sorted(by_model, key=lambda name: -amount(inner(by_model, name, "tokens"), "total"))),
        error=str(error.get("message") or "it failed") if error else "",
    )


def unanswered(printed: str, complained: str) -> str:
    """What it said of a request that failed twice or more; its report comes last, so nothing tells what followed."""
    attempts = _ATTEMPT.findall(complained)
    return "" if printed.strip() or not attempts or attempts[-1][1] == "1" else attempts[-1][0]


def _usage(tokens: dict[str, Any]) -> Usage:
    """A model's tokens; its prompt holds what is cached, its candidates leave out the thoughts."""
    return Usage(
        input_tokens=amount(tokens, "prompt", "tool"),
        cache_read_tokens=amount(tokens, "cached"),
        output_tokens=amount(tokens, "candidates", "thoughts"),
        reasoning_tokens=amount(tokens, "thoughts"),
    )


SCAFFOLD = Scaffold(
    program="gemini",
    install="npm install -g @google/gemini-cli",
    vendor="google",
    variables=("GEMINI_*", "GOOGLE_*"),
    base_url_variable="GOOGLE_GEMINI_BASE_URL",
    arguments=arguments,
    home=home,
    read=read,
    unanswered=unanswered,
    proved="0.61.0",
)
