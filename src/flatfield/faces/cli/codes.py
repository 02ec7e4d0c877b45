"""The exit codes of all commands."""

from __future__ import annotations

GATE_FAILED = 1
BAD_INPUT = 2
NOT_MEASURED = 3
BUG = 70
"""A bug in flatfield: EX_SOFTWARE of sysexits.h."""
INTERRUPTED = 130
