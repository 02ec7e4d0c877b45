"""Runs as each Python of the verifier's command starts: pytest is imported before the workspace can be.

Only its text is used by flatfield, which puts it beside the plugin as `sitecustomize.py`, first on PYTHONPATH. The
folder that Python looks into before all others, the current one, is added only after this has run.
"""

from __future__ import annotations

import importlib
import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs every Python 10 ms
WORKSPACE = os.path.dirname(FOLDER)  # noqa: PTH120 - see above
WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
LATER = (
    *("difflib", "doctest", "getpass", "grp", "importlib.metadata", "inspect", "packaging.version", "pdb", "pickle"),
    *("pprint", "pwd", "shutil", "tempfile", "tomllib", "tracemalloc", "unittest"),
)
"""What pytest imports only when it needs it: then, the workspace would be asked first."""


def runs_pytest(arguments: list[str]) -> bool:
    """Whether an interpreter that was started with these arguments, itself the first, is about to run pytest."""
    words = iter(arguments[1:])
    for word in words:
        if word == "-m":
            return next(words, "") in {"pytest", "py.test"}
        if word in WITH_VALUE:
            next(words, "")
        elif not word.startswith("-"):
            return os.path.basename(word).partition("-")[0] in {"pytest", "py.test"}  # noqa: PTH119 - see above
        elif word.startswith("-c"):
            return False
    return False


def without_workspace(path: list[str]) -> list[str]:
    """The places to import from that no agent could write to, and the plugin's."""
    return [each for each in path if each == FOLDER or not f"{os.path.abspath(each)}/".startswith(f"{WORKSPACE}/")]  # noqa: PTH100 - see above


def start() -> None:
    """Import pytest and the plugin from where no agent could write, then let the paths be what they were."""
    paths = sys.path[:]
    sys.path[:] = without_workspace(paths)
    try:
        if runs_pytest(sys.orig_argv):
            for name in ("case_watch", *LATER):
                _load(name)
        # Ours hides the one that a system may have.
        sys.path.remove(FOLDER)
        own = sys.modules.pop("sitecustomize")
        if not _load("sitecustomize"):
            sys.modules["sitecustomize"] = own
    finally:
        sys.path[:] = paths


def _load(name: str) -> bool:
    """Import a module; one that is not there will be said where it is looked for."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


if __name__ == "sitecustomize":
    start()
