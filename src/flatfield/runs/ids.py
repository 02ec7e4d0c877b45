"""Names runs and trials: `YYYYMMDD-HHMMSS-xxxx` and `RUN/agent/task/repeat`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.errors import NotFound
from flatfield.records import TrialPlan

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random


def new_run_id(now: datetime, random: Random) -> str:
    """`YYYYMMDD-HHMMSS-xxxx` from a moment in UTC and 16 random bits, in hexadecimal digits.

    The random part keeps runs that start in the same second apart; ids sort by time.
    """
    return f"{now:%Y%m%d-%H%M%S}-{random.getrandbits(16):04x}"


NEWEST = frozenset({"last", "newest", "latest"})
"""Words that mean the newest run, or the trial that was stored last, wherever one is named."""


def parse_trial_id(text: str) -> TrialPlan:
    """The trial that `RUN/agent/task/repeat` names; agent and task may hold anything but "/".

    Raises:
        NotFound: it is not written like a trial's id.
    """
    run, agent, task, repeat = (text.split("/") + [""] * 4)[:4]
    if text.count("/") != 3 or not (run and agent and task and repeat.isascii() and repeat.isdigit()):
        raise NotFound(f"{text!r} is not a trial's id: write RUN/agent/task/repeat, as `flatfield report` shows it")
    return TrialPlan(run=run, agent=agent, task=task, repeat=int(repeat))
