"""Fetches axe-core, by which tests look whether everybody can use a page; npm gets it, into flatfield's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from flatfield.machine.models import cache_folder

VERSION = "4.14.1"


def axe_file() -> Path:
    """Where it is kept."""
    return cache_folder(os.environ) / "tests" / "axe.min.js"


def fetch() -> str:
    """Why it is not there after all; "" where it is."""
    if axe_file().is_file():
        return ""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed (Debian: apt-get install npm)"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [npm, "pack", "--silent", f"axe-core@{VERSION}"], cwd=folder, capture_output=True, text=True, check=False
        )
        packed = next(Path(folder).glob("*.tgz"), None)
        if done.returncode or packed is None:
            return f"npm could not fetch axe-core: {done.stderr.strip()[-200:]}"
        with tarfile.open(packed) as archive:
            member = archive.extractfile("package/axe.min.js")
            if member is None:
                return "axe-core has another form than expected"
            axe_file().parent.mkdir(parents=True, exist_ok=True)
            axe_file().write_bytes(member.read())
    return ""


if __name__ == "__main__":
    problem = fetch()
    if problem:
        print(f"{problem}: the test that needs it is skipped", file=sys.stderr)  # noqa: T201
