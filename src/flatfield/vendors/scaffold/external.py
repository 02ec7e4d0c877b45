"""What is known of an external coding agent: how it is started, what it may be told, and how its report is read.

It is started so that the workspace's own settings, hooks, plugins, servers and `.env` count for nothing: the workspace
is a task's, which may come from anybody. What a scaffold offers for that differs; what it obeys all the same is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping  # noqa: TC003 - msgspec may resolve this module's annotations at runtime
from pathlib import Path  # noqa: TC003 - msgspec
from typing import Any

from msgspec import Struct, field

from flatfield import json_text
from flatfield.records import ModelUse, Usage  # noqa: TC001 - msgspec


class ScaffoldJob(Struct, frozen=True, kw_only=True):
    """One run of a scaffold: with which model ("": its own choice), where, and whether it may edit files there.

    `effort`: the reasoning effort that is configured; `command`: the user's own, empty for a known scaffold.
    """

    model: str
    workspace: str
    edits: bool
    prompt: str
    effort: str | None = None
    command: tuple[str, ...] = ()


class ScaffoldReport(Struct, frozen=True, kw_only=True):
    """What a scaffold says of its run; None is "it does not say". `error`: why it says that it failed, else "".

    `models`: those that it says it asked, the one that was asked most first; `by_model`: what it used of each, where it
    tells them apart. `service_tier`: what it says of how it was served, as a vendor's replies do.
    """

    text: str = ""
    usage: Usage | None = None
    cost_usd: float | None = None
    turns: int | None = None
    tool_calls: int | None = None
    models: tuple[str, ...] = ()
    by_model: tuple[ModelUse, ...] = ()
    service_tier: str = ""
    error: str = ""


class Scaffold(Struct, frozen=True, kw_only=True):
    """One external coding agent: its program, what it costs to get it, and its ways.

    `install`: the command that installs it. `vendor`: who serves its models, as prices call it; "" where the model's
    name says it (`vendor/model`). `variables`: names of environment variables that it is handed, with `*` at the end
    for all that begin so. `base_url_variable`: the one that sends it to another address. `arguments`: its command line;
    its prompt is on stdin. `settings`: variables that it is given. `home`: variables for a private folder that is made
    for the run and filled from the environment that it is handed; raises ProviderError. `takes_effort`: whether it is
    told a reasoning effort. `read`: the report in what it printed; raises ValueError where it is none. `unanswered`: in
    what it printed and what it complained of until it was ended, its last words on a request that its vendor did not
    answer; "" where it said something else since.

    `proved`: the version with which the tests see that it obeys nothing of a workspace but `obeys` (words for people).
    `runs`: names of files and folders whose code it runs whatever it is told, also from the folders above: where one of
    them is, it is not started.
    """

    read: Callable[[str], ScaffoldReport]
    program: str = ""
    install: str = ""
    vendor: str = ""
    variables: tuple[str, ...] = ()
    base_url_variable: str = ""
    takes_effort: bool = False
    unanswered: Callable[[str, str], str] = lambda _printed, _complained: ""
    arguments: Callable[[ScaffoldJob], list[str]] = lambda _job: []
    settings: Callable[[ScaffoldJob], Mapping[str, str]] = field(default=lambda _job: {})
    home: Callable[[ScaffoldJob, Path, Mapping[str, str]], Mapping[str, str]] = field(
        default=lambda _job, _folder, _environ: {}
    )
    proved: str = ""
    obeys: str = ""
    runs: tuple[str, ...] = ()


def events(printed: str) -> list[dict[str, Any]]:
    """The JSON objects of output with one on each line; other lines (warnings, a line cut short) are passed over."""
    found = []
    for line in printed.splitlines():
        try:
            value = json_text.decoded(line) if line.startswith("{") else None
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def whole_object(printed: str) -> dict[str, Any]:
    """The one JSON object that was printed, with whatever lines before it.

    Raises:
        ValueError: there is none.
    """
    start = 0 if printed.startswith("{") else printed.find("\n{") + 1
    try:
        value = json_text.decoded(printed[start:].strip())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - what was printed is the value that is wrong
    return value


def inner(value: object, *path: str) -> dict[str, Any]:
    """The object at a path of keys; an empty one where there is something else, or nothing."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def count(value: object) -> int | None:
    """A number of things; None for anything that is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def amount(values: Mapping[str, Any], *names: str) -> int:
    """The sum of numbers of tokens by name; one that is missing is 0."""
    return sum(count(values.get(name)) or 0 for name in names)


def dollars(value: object) -> float | None:
    """An amount of dollars; None for anything that is none."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return float(value) if known else None  # type: ignore[arg-type]
