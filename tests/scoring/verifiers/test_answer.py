from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.scoring.verifiers import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import Check
    from flatfield.scoring.protocols import VerifyContext

    MakeContext = Callable[..., VerifyContext]


async def check(context: VerifyContext, options: object) -> Check:
    return await answer.create(answer.parse(options)).verify(context)


@pytest.mark.parametrize(
    ("options", "text", "score"),
    [
        ({"contains": "Paris"}, "It is Paris.", 1.0),
        ({"contains": "Paris"}, "It is paris.", 0.0),
        ({"equals": "Paris"}, "\n  Paris \t\n", 1.0),
        ({"equals": " Paris\n"}, "Paris", 1.0),
        ({"equals": "Paris"}, "Paris.", 0.0),
        ({"equals": "Paris"}, "paris", 0.0),
        ({"equals": "a  b"}, "a b", 0.0),
        ({"equals": ""}, " \n", 1.0),
        ({"matches": r"^\d{4}$"}, "the year:\n1969\nthat was it", 1.0),
        ({"matches": r"^\d{4}$"}, "the year 1969", 0.0),
        ({"json": {"a": 1, "b": [1, 2]}}, '{"b": [1.0, 2], "a": 1.0}', 1.0),
        ({"json": {"a": 1}}, '```json\n{"a": 1}\n```', 1.0),
        ({"json": {"a": 1}}, '  ```\n{"a": 1}\n```\n', 1.0),
        ({"json": {"a": 1}}, 'Here it is: {"a": 1}', 0.0),
        ({"json": {"a": 1}}, 'Here:\n```json\n{"a": 1}\n```', 0.0),
        ({"json": [1, 2]}, "[2, 1]", 0.0),
        ({"json": 1}, "true", 0.0),
        ({"json": True}, "1", 0.0),
        ({"json": False}, "false", 1.0),
        ({"json": None}, "null", 1.0),
        ({"json": None}, "", 0.0),
        ({"json": 1}, "NaN", 0.0),
        ({"json": []}, "[" * 100_000, 0.0),
        ({"json": []}, "[" * 900 + "]" * 900, 0.0),
        ({"json": 1}, "1e999", 0.0),
        ({"json": {"a": 2}}, '{"a": 1, "a": 2}', 0.0),
        ({"json": {"a": 2}}, '{"a": 2, "a": 2}', 0.0),
        ({"json": [{"a": 2}, {"a": 2}]}, '[{"a": 2}, {"a": 2}]', 1.0),
        ({"names": "Paris"}, "It is **Paris**.", 1.0),
        ({"names": ["Paris", "Lutetia"]}, "lutetia", 1.0),
        ({"names": "Paris", "others": ["Lyon"]}, "Paris, not Lyon", 0.0),
        ({"names": "Paris"}, "The answer is Paris.", 1.0),
        ({"names": "Paris"}, "Paris is the answer to another question", 0.0),
        ({"names": "Paris", "others": ["Lyon"]}, "Paris is where Lyon is", 0.0),
        ({"names": "Paris"}, "It is not Paris.", 0.0),
        ({"contains": "a", "matches": "b"}, "ab", 1.0),
        ({"contains": "a", "matches": "b"}, "a", 0.0),
        ({"contains": "a", "equals": "b"}, "b", 0.0),
    ],
)
async def test_scores_what_is_asked_and_nothing_else(
    make_context: MakeContext, options: dict[str, Any], text: str, score: float
) -> None:
    found = await check(make_context(answer=text), options)
    assert found.score == score
    assert found.reason


async def test_the_reason_names_what_does_not_hold(make_context: MakeContext) -> None:
    found = await check(make_context(answer='{"a": [1, {"b": "x"}]}'), {"json": {"a": [1, {"b": "y"}]}})
    assert found.reason == 'the answer: $.a[1].b: expected "y", found "x"'
    found = await check(make_context(answer="one\ntwo\nthree"), {"equals": "one\n2\nthree"})
    assert found.reason == 'the answer: line 2: expected "2", found "two"'


async def test_a_lone_surrogate_in_the_answer_is_searched_like_any_text(make_context: MakeContext) -> None:
    assert (await check(make_context(answer="x \ud83d done"), {"matches": "done$"})).score == 1.0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("Paris", "takes a map"),
        ({}, "at least one of"),
        (
            {"contain": "x"},
            "no key `contain`; its keys are `contains`, `equals`, `matches`, `json`, `names` and `others`",
        ),
        ({"contains": 42}, "`contains` takes text (in quotes)"),
        ({"contains": None}, "`contains` takes text (in quotes)"),
        ({"contains": ""}, "every answer contains the empty text"),
        ({"matches": "(unclosed"}, "not a regular expression"),
        ({"json": {1: "x"}}, "the key 1 at $ is not text"),
        ({"names": []}, "a letter or digit"),
        ({"names": "*"}, "a letter or digit"),
        ({"others": ["Lyon"]}, "`others` stands beside `names`"),
        ({"names": "Paris", "others": ["PARIS"]}, "Paris is in `names` and in `others`"),
        ({"json": [float("nan")]}, "no JSON number"),
    ],
)
def test_a_mistake_is_found_when_the_file_is_read(options: object, says: str) -> None:
    with pytest.raises(ValueError, match=r"`answer`") as raised:
        answer.parse(options)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"contains": "caf\u00e9"}, "It is cafe\u0301."),
        ({"contains": "Oslo"}, "It is Os\u200blo"),
        ({"equals": "don't"}, "don\u2019t"),
        ({"equals": "10 000"}, "10\u00a0000"),
        ({"matches": "-5"}, "It is \u22125."),
        ({"json": {"n": "Jos\u00e9"}}, '{"n": "Jose\u0301"}'),
        ({"json": {"caf\u00e9": 1}}, '{"cafe\u0301": 1}'),
        ({"json": [["Oslo"]]}, '[["Os\u200blo"]]'),
    ],
)
async def test_the_reason_names_characters_that_only_look_right(
    make_context: MakeContext, options: dict[str, Any], text: str
) -> None:
    found = await check(make_context(answer=text), options)
    assert found.score == 0.0
    assert "look alike, but are other Unicode characters" in found.reason


async def test_what_does_not_look_right_is_not_said_to_look_so(make_context: MakeContext) -> None:
    for options in ({"contains": "Oslo"}, {"equals": "Oslo"}, {"matches": "Oslo"}, {"json": "Oslo"}):
        assert "alike" not in (await check(make_context(answer='"B\u00e9rgen"'), options)).reason


async def test_the_reason_names_a_key_that_stands_twice(make_context: MakeContext) -> None:
    found = await check(make_context(answer='{"b": {"a": 1, "a": 2}}'), {"json": {"b": {"a": 2}}})
    reason = 'the answer: is not JSON as a whole (the key "a" stands in one object more than once)'
    assert found.reason.startswith(reason)
