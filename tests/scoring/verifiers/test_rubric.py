from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.scoring.verifiers import rubric

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.scoring.protocols import VerifyContext


async def test_leaves_its_items_to_the_judge(make_context: Callable[..., VerifyContext]) -> None:
    check = await rubric.create(rubric.parse(["clear", "short"])).verify(make_context())
    assert (check.score, check.reason, check.output) == (None, "graded by the judge", "clear\nshort")


def test_one_text_is_a_list_of_one() -> None:
    assert rubric.parse("clear").items == ("clear",)


@pytest.mark.parametrize("value", [[], {}, {"items": ["x"]}, None, 3, [""], ["x", 3], [["x"]]])
def test_what_is_no_list_of_texts_is_a_mistake(value: object) -> None:
    with pytest.raises(ValueError, match="`rubric`"):
        rubric.parse(value)
