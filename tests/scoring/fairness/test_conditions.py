"""What is said of the conditions under which a run was measured, and how fast tokens came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.records import Reply, Turn, Usage
from flatfield.scoring.fairness.conditions import conditions, output_tokens_per_second, turn_conditions

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import TrialRecord


def turn(usage: Usage | None, lag_seconds: float | None = None, **reply: Any) -> Turn:
    return Turn(reply=Reply(text="", usage=usage, **reply), lag_seconds=lag_seconds)


def test_tokens_are_counted_from_the_first_one_where_it_was_seen(make_trial: Callable[..., TrialRecord]) -> None:
    streamed = turn(Usage(output_tokens=100), model_seconds=3.0, first_token_seconds=1.0)
    whole = turn(Usage(output_tokens=50), model_seconds=1.0)
    assert output_tokens_per_second([make_trial(turns=(streamed,))]) == pytest.approx(50)
    assert output_tokens_per_second([make_trial(turns=(streamed, whole))]) == pytest.approx(50)


@pytest.mark.parametrize(
    "reply",
    [
        {"model_seconds": 1.0},  # not streamed
        {"model_seconds": 1.00001, "first_token_seconds": 1.0},  # came at once, in several reads
        {"model_seconds": 1.05, "first_token_seconds": 1.0, "pieces": 1},  # its text came at once, its end later
    ],
)
def test_what_did_not_come_in_pieces_tells_nothing(make_trial: Callable[..., TrialRecord], reply: Any) -> None:
    at_once = turn(Usage(output_tokens=70), **reply)
    assert output_tokens_per_second([make_trial(turns=(at_once,))]) is None
    streamed = turn(Usage(output_tokens=100), model_seconds=3.0, first_token_seconds=1.0, pieces=30)
    assert output_tokens_per_second([make_trial(turns=(at_once, streamed))]) == pytest.approx(50)


def test_reasoning_may_be_hidden_so_that_its_turn_counts_whole(make_trial: Callable[..., TrialRecord]) -> None:
    usage = Usage(output_tokens=100, reasoning_tokens=90)
    reasoned = turn(usage, model_seconds=10.0, first_token_seconds=9.0)
    assert output_tokens_per_second([make_trial(turns=(reasoned,))]) == pytest.approx(10)


@pytest.mark.parametrize(
    "turns",
    [(), (turn(None, model_seconds=1.0),), (turn(Usage(), model_seconds=1.0),), (turn(Usage(output_tokens=5)),)],
)
def test_what_is_not_known_is_none(make_trial: Callable[..., TrialRecord], turns: tuple[Turn, ...]) -> None:
    assert output_tokens_per_second([make_trial(turns=turns)]) is None


def test_lag_is_marked_above_20_ms_alone(make_trial: Callable[..., TrialRecord]) -> None:
    quiet, late, later = (turn(Usage(), lag_seconds=lag, model_seconds=1.0) for lag in (0.02, 0.021, 0.3))
    assert list(turn_conditions([turn(Usage(), lag_seconds=0.3)])) == []  # a control's: it took no time
    assert list(turn_conditions([quiet, turn(Usage())])) == []
    (note,) = turn_conditions([quiet, late])
    assert note.startswith("1 turn was measured while the event loop lagged by up to 21 ms")
    (note,) = conditions([make_trial(turns=(late, quiet)), make_trial(turns=(later,))])
    assert note.startswith("2 turns were measured while the event loop lagged by up to 300 ms")


def test_a_cache_that_was_warm_from_the_first_turn_is_marked(make_trial: Callable[..., TrialRecord]) -> None:
    cold, warm = turn(Usage(input_tokens=9)), turn(Usage(input_tokens=9, cache_read_tokens=5))
    assert conditions([make_trial(turns=(cold, warm)), make_trial(), make_trial(turns=(turn(None),))]) == ()
    (note,) = conditions([make_trial(turns=(warm, cold)), make_trial(turns=(cold,))])
    assert note.startswith("1 trial began with cached input")


def test_attempts_that_may_be_billed_are_marked(make_trial: Callable[..., TrialRecord]) -> None:
    (note,) = conditions([make_trial(turns=(turn(Usage(), attempts=4, abandoned=2), turn(Usage(), attempts=2)))])
    assert note.startswith("2 attempts broke off after the first token")
