"""A run of suite:desk that flatfield itself measured on another machine: three small models, twelve tasks, three times.

What was measured there is as it was: seconds, tokens, checks and what the models wrote. The raw exchanges with the
servers are left out, and so are the paths of that machine.
"""

from __future__ import annotations

import gzip
from importlib.resources import files

import msgspec

from flatfield.records import Imported

DATA = "desk_2026_11.json.gz"


def load() -> Imported:
    """The run; always the same records."""
    packed = files("flatfield.tasks.importers").joinpath("data", DATA).read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=Imported)
