"""`flatfield` alone: where you stand, and the one next step; quick, so nothing that runs agents is imported."""

from __future__ import annotations

import http.client
import json
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from flatfield.faces.cli import common
from flatfield.faces.storing import store_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import typer

    from flatfield.records import RunSummary
    from flatfield.tasks.project import Project
    from flatfield.vendors.base import UsualServer

LOOK_SECONDS = 2.0
"""Where no server listens, that is known at once; one that is busy is waited for so long."""
NAMED = 4
LOCKED = "locked"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Surveyed(NamedTuple):
    """What there is: the user's own agents, models of servers here by the server's name, pulled files, keys, runs.

    `addresses`: variables that send a vendor's agents elsewhere, each with the host. `locked`: servers here that tell
    nobody without a key which models they have.
    """

    place: str
    agents: tuple[str, ...]
    servers: dict[str, tuple[str, ...]]
    files: tuple[str, ...]
    keys: tuple[str, ...]
    runs: tuple[RunSummary, ...]
    addresses: tuple[tuple[str, str], ...] = ()
    locked: tuple[str, ...] = ()

    @property
    def has_agents(self) -> bool:
        """Whether anything here could work."""
        return bool(self.agents or any(self.servers.values()) or self.files or self.keys)


def show(context: typer.Context) -> None:
    """Print where the user stands."""
    found = look(common.settings(context).project())
    common.write("\n".join((*lines(found), "", *next_step(found, Path.cwd()), "All commands: flatfield --help", "")))


def look(project: Project) -> Surveyed:
    """What there is here; servers that usually listen on this machine are asked which models they have."""
    from flatfield import plugins
    from flatfield.machine.models import cache_folder, list_models
    from flatfield.tasks.agents import is_control

    environ = common.environ_of(project)
    vendors = plugins.all_traits()
    names = (name for one in vendors for name in (*one.key_variables, *one.usual_key_variables))
    elsewhere = {one.url_variable: environ.get(one.url_variable, "").strip() for one in vendors if one.url_variable}
    with ThreadPoolExecutor() as pool:
        asked = [(server.name, pool.submit(_models, server.base_url)) for server in _usual_servers(environ)]
        files = tuple(entry.name for entry in list_models(cache_folder(environ)) if entry.pulled)
        runs = store_of(project).runs() if (project.data / "store.db").is_file() else ()
        answers = {name: future.result() for name, future in asked}
    return Surveyed(
        place=f"{project.config}" if project.config else f"{project.folder} (no flatfield.toml)",
        agents=tuple(one.name for one in project.roster if not one.is_shipped and not is_control(one)),
        servers={name: models for name, models in answers.items() if isinstance(models, tuple)},
        locked=tuple(name for name, models in answers.items() if models == LOCKED),
        files=files,
        keys=tuple(name for name in dict.fromkeys(names) if environ.get(name, "").strip()),
        runs=runs,
        addresses=tuple((name, _host(url)) for name, url in elsewhere.items() if url),
    )


def _host(url: str) -> str:
    """Where an address leads, without what may be a password."""
    return url.rpartition("://")[2].partition("/")[0].rpartition("@")[2]


def _usual_servers(environ: Mapping[str, str]) -> Iterator[UsualServer]:
    from flatfield import plugins

    for provider in plugins.names("provider"):
        of_vendor = getattr(plugins.vendor_if_there(provider), "usual_servers", None)
        yield from of_vendor(environ) if of_vendor else ()


def _models(base_url: str) -> tuple[str, ...] | str | None:
    """The models of a server on this machine; LOCKED: it wants a key; None: none answers, or it is elsewhere."""
    parts = urlsplit(base_url)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK:
        return None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=LOOK_SECONDS)
    try:
        connection.request("GET", f"{parts.path}/models")
        answer = connection.getresponse()
        if answer.status in {http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}:
            return LOCKED
        listed = json.loads(answer.read()) if answer.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    models = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(models, list):
        return None
    return tuple(str(one["id"]) for one in models if isinstance(one, dict) and "id" in one)


def lines(found: Surveyed) -> Iterator[str]:
    """What there is, a line for each part."""
    from flatfield.saying import few, many

    yield "flatfield: the same agentic task, tools and limits for every model."
    yield ""
    yield f"project  {found.place}"
    yield f"agents   {few(found.agents, NAMED) or 'none of your own'}"
    served = [
        f"{name} with {many(len(models), 'model')}{f': {few(models, NAMED)}' if models else ''}"
        for name, models in found.servers.items()
    ]
    served += [f"{name}, which wants a key (--key-env)" for name in found.locked]
    yield f"servers  {'; '.join(served) or 'none answers on this machine'}"
    yield f"models   {few(found.files, NAMED) or 'no file is pulled'}"
    yield f"keys     {few(found.keys, NAMED) or 'none is set'}"
    yield from (f"address  {name} sends to {host}" for name, host in found.addresses)
    own = _evaluations(found)
    if not own:
        yield f"runs     none{f' measured here; {len(found.runs):,} to look at: flatfield runs' if found.runs else ''}"
        return
    newest = own[0]
    yield f"runs     {len(own):,}; newest {newest.id}: {newest.title}"
    yield f"         {newest.measured:,} of {many(newest.planned, 'trial')} measured"


def next_step(found: Surveyed, folder: Path) -> Iterator[str]:
    """The one thing to do now, and what for."""
    from flatfield.faces.found import usual_check

    own = _evaluations(found)
    if own and (own[0].stored < own[0].planned or own[0].measured <= own[0].planned / 2):
        yield "Next, to do what is missing of the newest run:"
        yield "  flatfield eval --resume"
    elif own:
        yield "Next, which agent to use, and why:"
        yield "  flatfield pick"
    elif found.has_agents:
        yield "Next, which of them does a task of yours:"
        yield f'  flatfield try "YOUR TASK" --check {shlex.quote(usual_check(folder))}'
    else:
        yield "Next, to see it at work with a small model that is fetched (98 MB, no key needed):"
        yield "  flatfield demo"


def _evaluations(found: Surveyed) -> tuple[RunSummary, ...]:
    """The runs that were measured here, newest first; one that another process carries out is among them."""
    return tuple(run for run in found.runs if not (run.imported or run.delegated))
