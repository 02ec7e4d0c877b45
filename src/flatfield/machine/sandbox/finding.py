"""Decides whether commands can be run safely here: finds the sandbox's parts, tries it out, says what is missing."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

from flatfield.errors import NotReady
from flatfield.machine.sandbox.bubblewrap import Bubblewrap
from flatfield.machine.sandbox.container import Container
from flatfield.machine.sandbox.examining import examine
from flatfield.machine.sandbox.interpreter import sandbox_python

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_USER = 60_873
"""Where the search for an unused uid starts: above people's accounts, below `nobody`, which services share."""
INSTALL = {"bwrap": "bubblewrap", "prlimit": "util-linux", "setpriv": "util-linux"}
IMAGE = "flatfield-sandbox"
"""The image that containers are made of, unless FLATFIELD_SANDBOX_IMAGE names another; never pulled."""
BACKENDS = ("bubblewrap", "podman", "docker")
RELEVANT = (
    *("PATH", "HOME", "XDG_CACHE_HOME", "FLATFIELD_SANDBOX_IMAGE", "XDG_RUNTIME_DIR", "TMPDIR"),
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST", "CONTAINERS_CONF"),
)


def find_sandbox(environ: Mapping[str, str]) -> Bubblewrap | Container:
    """The sandbox for commands, once it has shown that it shuts them off: bubblewrap, else Podman, else Docker.

    The first call in a process takes about a second, because the sandbox is tried out; later ones take nothing. It
    blocks, so call it before the loop has work or in a thread.

    Args:
        environ: PATH says where programs are looked for, XDG_CACHE_HOME and HOME where a copy of pytest is kept,
            FLATFIELD_SANDBOX_IMAGE which image containers are made of.

    Raises:
        NotReady: there is no safe sandbox here; the reason and the fix.
    """
    found = _found(tuple((name, environ[name]) for name in RELEVANT if name in environ))
    if isinstance(found, str):
        raise NotReady(found)
    return found


@lru_cache(maxsize=8)
def _found(variables: tuple[tuple[str, str], ...]) -> Bubblewrap | Container | str:
    """The sandbox, or why there is none; both are remembered, because neither changes while a process lives."""
    reasons = []
    for name in BACKENDS:
        try:
            sandbox = _assemble(name, {"PATH": os.defpath, **dict(variables)})
            problems = examine(sandbox) if sandbox else ()
        except NotReady as error:
            reasons.append(str(error))
        except OSError as error:
            reasons.append(f"the sandbox cannot be tried out: {error}")
        else:
            if sandbox and not problems:
                return sandbox
            reasons += [f"the sandbox ({name}) does not shut commands off: {'; '.join(problems)}"] if problems else []
    return "; and ".join(reasons)


def _assemble(name: str, environ: Mapping[str, str]) -> Bubblewrap | Container | None:
    user = _unused_user() if os.geteuid() == 0 else None
    return _bubblewrap(environ, user) if name == "bubblewrap" else _container(name, environ, user)


def _bubblewrap(environ: Mapping[str, str], user: int | None) -> Bubblewrap:
    if not sys.platform.startswith("linux"):
        raise NotReady(
            "commands are sandboxed by bubblewrap on Linux alone; elsewhere it takes Podman or Docker, "
            f"with an image named {IMAGE} (docs/sandbox.md)"
        )
    needed = ("bwrap", "prlimit") if user is None else ("bwrap", "prlimit", "setpriv")
    parts = {name: shutil.which(name, path=environ["PATH"]) for name in needed}
    missing = [name for name, part in parts.items() if part is None]
    if missing:
        packages = " ".join(sorted({INSTALL[name] for name in missing}))
        raise NotReady(f"the sandbox needs {' and '.join(missing)}; install them (Debian: apt-get install {packages})")
    return Bubblewrap(
        bwrap=str(parts["bwrap"]),
        setpriv=parts.get("setpriv"),
        choom=shutil.which("choom", path=environ["PATH"]),
        python=sandbox_python(environ, user),
        user=user,
    )


def _container(name: str, environ: Mapping[str, str], user: int | None) -> Container | None:
    """None where the program is not installed: bubblewrap is what is then asked for."""
    program = shutil.which(name, path=environ["PATH"])
    if program is None:
        return None
    image = environ.get("FLATFIELD_SANDBOX_IMAGE") or IMAGE
    passed = {key: value for key, value in environ.items() if key != "FLATFIELD_SANDBOX_IMAGE"}
    container = Container(program=program, image=image, environ=passed, user=user)
    container.sweep()
    return container


def sweep_containers(environ: Mapping[str, str]) -> None:
    """Remove the containers that processes of ours left which are no more, whichever program is here now; blocking."""
    for name in BACKENDS[1:]:
        # Making one clears away what is left of others.
        _container(name, {"PATH": os.defpath, **{key: environ[key] for key in RELEVANT if key in environ}}, None)


def _unused_user() -> int:
    """A uid that no account has: nothing else on the host is run by it or belongs to it."""
    user = FIRST_USER
    while _is_account(user):
        user += 1
    return user


def _is_account(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True
