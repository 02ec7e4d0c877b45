"""Which external agents there are, which of them an agent is, and what it is handed of the environment."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flatfield.errors import NotReady

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig
    from flatfield.vendors.scaffold.base import Scaffold

COMMON = ("PATH", "HOME", "TERM", "LANG")
OWN_OUTPUTS = ("text", "json")
"""Formats of commands that are nobody's in particular."""
_FORMATS = "flatfield.vendors.scaffold.formats"


class External(NamedTuple):
    """A scaffold with its name, and the model that it is asked to use ("": its own choice)."""

    name: str
    scaffold: Scaffold
    model: str


def scaffold_names() -> tuple[str, ...]:
    """The external agents that are known by name."""
    return tuple(name for name in output_names() if name not in OWN_OUTPUTS)


def output_names() -> tuple[str, ...]:
    """The formats of output that can be read: one file each in the folder `formats`."""
    files = pkgutil.iter_modules([str(Path(__file__).parent / "formats")])
    return tuple(sorted(module.name.replace("_", "-") for module in files))


def external_of(agent: AgentConfig) -> External:
    """Which scaffold an agent is, and with which model: `claude-code`, `claude-code/MODEL`, or a command of the user's.

    Raises:
        NotReady: there is no such scaffold, or no such format of output.
    """
    if agent.command:
        name, model, known = agent.output or OWN_OUTPUTS[0], agent.model, output_names()
    else:
        name, _, model = agent.model.partition("/")
        known = scaffold_names()
    if name not in known:
        what = "output" if agent.command else "scaffold"
        raise NotReady(
            f"agent {agent.name!r}: there is no {what} {name!r}; there are: {', '.join(known)}"
            f"{'' if agent.command else ' (or give a `command` in flatfield.toml)'}"
        )
    module = importlib.import_module(f"{_FORMATS}.{name.replace('-', '_')}")
    return External(name, module.SCAFFOLD, model)


def environment(environ: Mapping[str, str], agent: AgentConfig, external: External) -> dict[str, str]:
    """What a scaffold is handed of the environment: four variables, its vendor's, and the one that holds its key."""
    wanted = [*COMMON, *external.scaffold.variables, *([agent.api_key_env] if agent.api_key_env else [])]
    vendor = vendor_of(external)
    if not external.scaffold.vendor and vendor:
        wanted.append(f"{re.sub('[^A-Z0-9]', '_', vendor.upper())}_*")
    names = {name[:-1] for name in wanted if name.endswith("*")}
    return {
        name: value for name, value in environ.items() if name in wanted or any(name.startswith(head) for head in names)
    }


def obeyed(scaffold: Scaffold, version: str, *, own: bool) -> str:
    """What of a workspace it may obey, in words; "" for nothing. `own`: it is a command of the user's.

    A version that is older than the one that the tests use may not know what it is told.
    """
    if own or not scaffold.proved:
        return "what a command of one's own obeys of the workspace's settings is not known"
    if _numbers(version) < _numbers(scaffold.proved):
        which = version or "its version"
        return f"perhaps the workspace's own settings: {which} is not known to leave them out, {scaffold.proved} is"
    return scaffold.obeys


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def vendor_of(external: External) -> str:
    """Who serves its models, as prices call it; "" when nobody knows."""
    provider, slash, _ = external.model.partition("/")
    return external.scaffold.vendor or (provider if slash else "")
