from __future__ import annotations

import pytest

from flatfield.scoring.judge.judge import is_comparative


@pytest.mark.parametrize(
    "rubric",
    [
        "S for the shortest answer.",
        "The most concise explanation wins.",
        "Give S to the fastest, F to the slowest.",
        "Which one is best?",
        "Quality compared to the other answers",
        "Length relative to the others",
        "Shorter is better.",
        "The shorter the better",
        "Rank the answers by clarity.",
        "Is it more readable than other submissions?",
        "- correct\n- Fewest lines",
        "The CLEANEST code gets an S",
        "least verbose",
        "graded among all agents",
        "better than the rest",
        "outperforms the field",
        "Compare the response with the other responses.",
    ],
)
def test_these_compare(rubric: str) -> None:
    assert is_comparative(rubric)


@pytest.mark.parametrize(
    "rubric",
    [
        "",
        "Names the cause and proposes a fix.",
        "The tests pass; pytest reports no errors in the latest request.",
        "At most 100 words, at least two examples.",
        "Fewer than 3 mistakes; shorter than 100 words.",
        "More than 10 lines; no more than 20.",
        "B or better needs both keys.",
        "Follows best practices.",
        "The manifest is honest and modest.",
        "Most of the lines are kept.",
        "A: the answer is correct. F: nothing is.",
        "Explains other options and the rest of the file.",
        "The report compares two cities.",
        "Interest, forest, digest, suggest, west.",
    ],
)
def test_these_do_not(rubric: str) -> None:
    assert not is_comparative(rubric)
