"""`flatfield bundle`: a run as one file for others, without names, folders, machines and keys of who made it."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli import common
from flatfield.faces.storing import store_of

if TYPE_CHECKING:
    from flatfield.evidence.bundles import Private
    from flatfield.records import Run
    from flatfield.tasks.project import Project

SUFFIX = ".flatfield"
EPILOG = common.examples(
    "flatfield bundle                          the newest run, as RUN.flatfield",
    "flatfield bundle 20260102 -o ours.flatfield",
    "flatfield import bundle ours.flatfield    on the other machine",
)


def command(
    context: typer.Context,
    run: common.RunArgument = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help=f"Where to; else RUN{SUFFIX} here.")
    ] = None,
) -> None:
    """Make one file of a run, that others can load, grade again and look at.

    It holds the run's tasks, trials with their transcripts, and verdicts. User and host names, home folders, the
    project's folder, own servers, keys and the raw exchanges with servers are taken out; what was, is listed. A file
    that was changed on its way is refused when it is loaded.
    """
    from flatfield.evidence.bundles import Redaction, write
    from flatfield.saying import many

    project = common.settings(context).project()
    store = store_of(project)
    found = store.load_run(run)
    redaction = Redaction(_private(found, project))
    path = output or Path(f"{found.id}{SUFFIX}")
    if path.exists():
        raise FlatfieldError(f"{path} is there already: move it away, or name another file with -o")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        trials = (redaction.record(trial) for trial in store.each_trial(found.id))
        verdicts = [redaction.record(each) for each in store.verdicts(found.id)]
        digest = write(draft, redaction, redaction.record(found), trials, verdicts)
        common.write("taken out, or changed:\n")
        common.write("".join(f"- {each}\n" for each in redaction.said()) or "- nothing\n")
        draft.rename(path)
    except OSError as error:
        raise FlatfieldError(f"{path} cannot be written: {error.strerror}; name another with -o") from None
    finally:
        draft.unlink(missing_ok=True)
    stored = path.stat().st_size
    size = f"{stored / 1e6:.1f} MB" if stored >= 100_000 else f"{stored / 1e3:.1f} KB"
    trial_count = many(len(store.rows(found.id)), "trial")
    common.write(f"{path}: run {found.id} with {trial_count}, {size}, sha256:{digest}\n")
    common.note(f"read it before you send it, transcripts may tell more; to load it: flatfield import bundle {path}")


def _private(run: Run, project: Project) -> Private:
    """What names this user, this machine, its folders, its servers, and the keys that are set here."""
    from flatfield import plugins
    from flatfield.evidence.bundles import Private, own_servers

    vendors = plugins.all_traits()
    public = (host for vendor in vendors for host in (vendor.key_host, _host_in(vendor.url)) if host)
    variables = {name for vendor in vendors for name in vendor.key_variables}
    variables |= {agent.api_key_env for agent in run.agents if agent.api_key_env}
    environ = common.environ_of(project)
    name = socket.gethostname()
    folders = [run.source, str(project.folder), *(agent.folder for agent in run.agents)]
    return Private(
        users=_users(),
        hosts=(name, name.partition(".")[0], *own_servers(run.agents, public)),
        homes=tuple(dict.fromkeys((str(Path.home()), str(Path.home().resolve())))),
        folders=tuple(folder for folder in folders if folder and folder != str(Path.home())),
        keys=tuple(value for variable in sorted(variables) if (value := environ.get(variable))),
    )


def _host_in(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).hostname or ""


def _users() -> tuple[str, ...]:
    """The user's names: of the account, of the home folder, and the one in full."""
    import pwd

    names = [Path.home().name, *(os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER"))]
    try:
        account = pwd.getpwuid(os.getuid())
    except KeyError:
        return tuple(dict.fromkeys(filter(None, names)))
    return tuple(dict.fromkeys(filter(None, (*names, account.pw_name, account.pw_gecos.partition(",")[0]))))
