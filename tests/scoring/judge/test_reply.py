from __future__ import annotations

import pytest

from flatfield.scoring.judge.reply import UnusableReply, read_item, read_list


@pytest.mark.parametrize(
    ("text", "letter", "reason"),
    [
        ('{"letter": "S", "reason": "fine"}', "S", "fine"),
        ('{"reason": "fine", "letter": "b"}', "B", "fine"),
        ('```json\n{"letter": "A", "reason": "x"}\n```', "A", "x"),
        ('Let me think {about it}.\n{"letter": "C", "reason": "{odd}"} That is all.', "C", "{odd}"),
        ('{"letter": "S"} no, rather {"letter": "D", "reason": "y"}', "D", "y"),
        ('{"letter": "E", "reason": "bad"}', "F", "bad"),
        ('{"letter": "F"}', "F", "the judge gave no reason"),
        ('[1] {"letter": " a ", "reason": "z"}', "A", "z"),
    ],
)
def test_one_grade_is_found_in_fences_and_prose(text: str, letter: str, reason: str) -> None:
    mark = read_item(text)
    assert (mark.letter, mark.reason) == (letter, reason)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON object"),
        ("The letter is S.", "no JSON object"),
        ('{"grade": "S"}', "no JSON object"),
        ('{"letter": "S", "reason": "cut', "no JSON object"),
        ('{"letter": "A+", "reason": ""}', "the letter 'A+' is not one of S, A, B, C, D, F"),
        ('{"letter": null}', "is not one of"),
        ('{"grades": [{"letter": "S"}]}', "no JSON object"),
        ("{" * 100_000, "no JSON object"),
        ("[" * 100_000, "no JSON object"),
    ],
)
def test_what_holds_no_grade_says_why(text: str, says: str) -> None:
    with pytest.raises(UnusableReply) as raised:
        read_item(text)
    assert says in str(raised.value)


def test_a_list_is_read_in_the_order_of_its_ids() -> None:
    text = (
        '{"grades": [{"id": "work_2", "letter": "F", "reason": "b"}, {"id": "Work_1", "letter": "S", "reason": "a"}]}'
    )
    assert [(mark.letter, mark.reason) for mark in read_list(f"Sure: {text}", 2)] == [("S", "a"), ("F", "b")]
    assert [mark.letter for mark in read_list('[{"id": "work_1", "letter": "A"}]', 1)] == ["A"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nothing", '"grades"'),
        ('{"grades": []}', '"grades"'),
        ('{"grades": ["S"]}', '"grades"'),
        ('{"grades": [{"id": "work_1", "letter": "S"}]}', "there is no grade for work_2"),
        ('{"grades": [{"id": "work_3", "letter": "S"}]}', "'work_3' is not one of work_1, work_2"),
        ('{"grades": [{"id": "work_1", "letter": "S"}, {"id": "work_1", "letter": "A"}]}', "graded twice"),
        ('{"grades": [{"id": "work_1", "letter": "S"}, {"id": "work_2"}]}', "the letter '' is not one of"),
    ],
)
def test_a_list_that_is_not_complete_says_why(text: str, says: str) -> None:
    with pytest.raises(UnusableReply) as raised:
        read_list(text, 2)
    assert says in str(raised.value)
