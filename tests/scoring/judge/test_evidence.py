from __future__ import annotations

import pytest

from flatfield.scoring.judge.reply import UnusableReply, found_quotes, quotes_of, read_item, with_evidence

SHOWN = 'work: final answer\nIt is the “cache”, and\n  nothing else — really.\nx = {"a": 1}\n... left as it was'


@pytest.mark.parametrize(
    "quote",
    [
        "It is the",
        'it IS the "cache", and nothing else',
        "nothing else - really",
        '"nothing else"',
        "It is … really",
        "It is the [...] nothing else...",
        'x = {\\"a\\": 1}',
        "and\\n  nothing",
        "`x = `",
    ],
)
def test_a_quote_that_is_there(quote: str) -> None:
    assert found_quotes([quote], SHOWN) == (quote,)


@pytest.mark.parametrize("quote", ["It was the cache", "really … It is", "…", "...", '""', "=", "nothing else at all"])
def test_a_quote_that_is_not_there_or_says_nothing(quote: str) -> None:
    assert found_quotes([quote], SHOWN) == ()


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(None, ()), ("one", ("one",)), ([" a ", "", 3, {"b": 1}], ("a",)), (["q"] * 9, ("q",) * 5), ({"a": 1}, ())],
)
def test_quotes_of_a_reply(value: object, wanted: tuple[str, ...]) -> None:
    assert quotes_of(value) == wanted


def test_quotes_that_are_not_there_are_asked_for_once_more_and_then_left_out() -> None:
    mark = read_item('{"reason": "so", "evidence": ["nothing else", "made up"], "letter": "B"}')
    with pytest.raises(UnusableReply, match="1 of 2 quotes are not in the work") as caught:
        with_evidence(mark, SHOWN, last=False)
    assert "made up" not in str(caught.value), (
        "what was not found may be an agent's words: it stays out of the question"
    )
    found = with_evidence(mark, SHOWN, last=True)
    assert (found.letter, found.evidence) == ("B", ("nothing else",))
    assert found.reason == "so (not found in the work: 1 of 2 quotes)"


def test_a_letter_whose_quotes_are_all_made_up_does_not_count() -> None:
    mark = read_item('{"reason": "so", "evidence": ["made up"], "letter": "S"}')
    with pytest.raises(UnusableReply, match="evidence not found"):
        with_evidence(mark, SHOWN, last=True)
    bare = read_item('{"reason": "so", "letter": "F"}')
    assert with_evidence(bare, SHOWN, last=False) == bare
