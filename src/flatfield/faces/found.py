"""What was found on this machine that can be compared: the user's own agents, models of servers, model files, keys."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.tasks.project import Project

FLOOR = "smollm2-135m"
"""The model file that the demo pulls: it shows how all of this works, and is no contender for anybody's work."""
MOST_AGENTS = 6
NEWEST_OF_A_VENDOR = 2
_CHECKS = (
    ("Cargo.toml", "cargo test --offline"),
    ("go.mod", "go test ./..."),
    ("package.json", "npm test"),
    ("pyproject.toml", "pytest -q"),
    ("tests", "pytest -q"),
    ("Makefile", "make test"),
)
"""What a project's folder holds, and how such projects are checked as a rule."""
_USUAL_CHECK = "pytest -q"


class Here(Struct, frozen=True, kw_only=True):
    """What was found on this machine: agents on its own servers and of pulled models, and agents whose keys are set.

    `configured`: names of the user's own agents. `keys`: the variables that are set. `why` says of agents, as they are
    named where agents are listed, where they were found.
    """

    own: tuple[AgentConfig, ...] = ()
    known: tuple[str, ...] = ()
    configured: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    why: dict[str, str] = field(default_factory=dict)

    def specs(self) -> tuple[str, ...]:
        """How a few of them are named where agents are listed: the user's own, else all that were found."""
        return self.all_specs()[:MOST_AGENTS]

    def all_specs(self) -> tuple[str, ...]:
        """All of them, those of one place after the first ones of the others; the floor where there is no other."""
        if self.configured:
            return tuple(dict.fromkeys(self.configured))
        places: dict[str, list[str]] = {}
        for spec in (*map(spec_of, self.own), *self.known):
            places.setdefault(self.why.get(spec, ""), []).append(spec)
        in_turn = chain.from_iterable(zip_longest(*places.values()))
        specs = tuple(dict.fromkeys(spec for spec in in_turn if spec is not None))
        return tuple(spec for spec in specs if spec != f"local:{FLOOR}") or specs


def spec_of(agent: AgentConfig) -> str:
    """An agent as `PROVIDER:MODEL[@URL]`."""
    return f"{agent.provider}:{agent.model}{f'@{agent.base_url}' if agent.base_url else ''}"


async def look(project: Project, services: Services) -> Here:
    """What a user could begin with: their own agents, models on this machine, models whose keys are set."""
    from flatfield.machine.models import list_models
    from flatfield.runs.readiness import find_servers, key_variables
    from flatfield.tasks.agents import is_control

    environ = services.environ
    why: dict[str, str] = {}
    for server in await find_servers(services):
        address = f"@{server.usual.address}" if server.usual.address else ""
        models = [model for model in server.models if "embed" not in model.lower()]
        why |= {f"{server.usual.provider}:{model}{address}": f"served by {server.usual.name} here" for model in models}
    pulled = [entry.name for entry in list_models(services.cache) if entry.pulled]
    own = _named([*why, *(f"local:{name}" for name in pulled)])
    why |= {f"local:{name}": "a model file on this machine" for name in pulled}
    known = dict(_known(environ))
    configured = [one for one in project.roster if not one.is_shipped and not is_control(one)]
    why |= known | {one.name: f"yours, in {one.source}" for one in configured}
    keys = tuple(name for name in key_variables() if environ.get(name, "").strip())
    return Here(own=own, known=tuple(known), configured=tuple(one.name for one in configured), keys=keys, why=why)


def _named(specs: Sequence[str]) -> tuple[AgentConfig, ...]:
    """The agents of these, each with a name that it can be called by."""
    from msgspec.structs import replace

    from flatfield.tasks.agents import parse_agent
    from flatfield.tasks.source import slug

    found: dict[str, AgentConfig] = {}
    for agent in map(parse_agent, dict.fromkeys(specs)):
        name = slug(agent.model.rpartition("/")[2].replace(":", "-"))
        while name in found:
            name = f"{name}-{agent.provider}"
        found[name] = replace(agent, name=name)
    return tuple(found.values())


def _known(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Of each vendor whose key is set, the two newest models that are still served, and which key that is."""
    from datetime import date

    from flatfield import plugins
    from flatfield.tasks.roster import known_models

    today = date.today()  # noqa: DTZ011 - a vendor's date, seen from the user's calendar
    for vendor in plugins.all_traits():
        key = next((name for name in vendor.key_variables if environ.get(name, "").strip()), None)
        if key is None:
            continue
        models = [one for one in known_models() if one.provider == vendor.name and not one.is_retired(today)]
        models.sort(key=lambda one: one.released or date.min)
        yield from ((one.name, f"{key} is set") for one in models[-NEWEST_OF_A_VENDOR:])


def usual_check(folder: Path) -> str:
    """How work in a folder is checked as a rule, by what lies there; where nothing tells, as most projects are."""
    return next((command for name, command in _CHECKS if (folder / name).exists()), _USUAL_CHECK)
