"""How long trials take together: jobs and lanes are kept, and nothing waits without reason."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from flatfield.runs.evaluation.forecasting import Slot, makespan

WIDTHS = {"device": 1, "server": 3, "wide": 16}
slots = st.lists(
    st.builds(
        lambda seconds, lane: Slot(seconds=seconds, lane=lane, width=WIDTHS[lane]),
        st.integers(0, 100).map(float),
        st.sampled_from(sorted(WIDTHS)),
    ),
    max_size=40,
)


@given(slots=slots, jobs=st.integers(1, 12))
def test_it_lies_between_what_is_possible_and_one_after_the_other(slots: list[Slot], jobs: int) -> None:
    found = makespan(slots, jobs)
    alone = [
        math.fsum(slot.seconds for slot in slots if slot.lane == lane) / min(width, jobs)
        for lane, width in WIDTHS.items()
    ]
    total = math.fsum(slot.seconds for slot in slots)
    least = max([*alone, total / jobs, *(slot.seconds for slot in slots)], default=0.0)
    assert least - 1e-9 <= found <= total + 1e-9


def test_a_device_goes_one_by_one_and_holds_up_nobody() -> None:
    device = [Slot(seconds=10.0, lane="device", width=1)] * 4
    server = [Slot(seconds=10.0, lane="server", width=8)] * 4
    assert makespan([*device, *server], 8) == 40.0
    assert makespan([*device, *server], 2) == 50.0 - 10.0
    assert makespan(server, 2) == 20.0
    assert makespan((), 8) == 0.0
