"""One line for each step of a call."""

import itertools
import logging
from contextvars import ContextVar

CALL = ContextVar("call", default="-")
_numbers = itertools.count(1)
_logger = logging.getLogger("{{package}}")


def begin(what):
    """Give the call that begins here a number."""
    CALL.set(f"c{next(_numbers)}")
    step(what)


def step(what):
    """Write down a step of this call."""
    _logger.info("%s %s", CALL.get(), what)
