"""A verifier that is one function, and what becomes of whatever it returns or raises."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from flatfield.scoring.verifying.calling import FunctionVerifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.scoring.protocols import VerifyContext

    MakeContext = Callable[..., VerifyContext]


class Options(msgspec.Struct):
    at_most: int = 3


async def test_it_is_given_trial_files_and_options(make_context: MakeContext) -> None:
    def rule(trial: Any, files: Any, options: Options) -> tuple[float, str]:
        (name,) = files.names()
        return len(trial.answer.split()) / options.at_most, files.read_text(name)

    check = await FunctionVerifier(rule, Options(at_most=4)).verify(
        make_context(answer="a b", before={"a.txt": "left"})
    )
    assert (check.score, check.reason, check.trouble) == (0.5, "left", "")


async def test_it_may_be_async_and_holds_up_no_other_trial(make_context: MakeContext) -> None:
    async def rule(*_: object) -> tuple[bool, str]:
        return threading.current_thread() is not threading.main_thread(), "where it runs"

    assert (await FunctionVerifier(rule, Options()).verify(make_context())).score == 1.0


async def test_a_file_that_is_not_there_scores_0_with_the_reason(make_context: MakeContext) -> None:
    check = await FunctionVerifier(lambda _, files, __: (1, files.read_json("out.json")), Options()).verify(
        make_context()
    )
    assert (check.score, check.reason) == (0.0, "there is no file out.json")


@pytest.mark.parametrize(
    ("error", "trouble"), [(KeyError("lost"), "data"), (RuntimeError("lost"), "code"), (SystemExit(1), "code")]
)
async def test_a_crash_is_not_measured(make_context: MakeContext, error: BaseException, trouble: str) -> None:
    def rule(*_: object) -> tuple[bool, str]:
        raise error

    check = await FunctionVerifier(rule, Options()).verify(make_context())
    assert (check.score, check.trouble) == (None, trouble)
    assert check.reason.startswith("the verifier crashed: ")
    assert "in rule" in check.output


@pytest.mark.parametrize("returned", [True, 0.5, None, "fine", (2.0, "too much"), (1.0, 2), (float("nan"), "none")])
async def test_what_is_no_score_with_a_reason_is_not_measured(make_context: MakeContext, returned: object) -> None:
    check = await FunctionVerifier(lambda *_: returned, Options()).verify(make_context())
    assert (check.score, check.trouble) == (None, "code")
    assert "it must return (score, reason)" in check.reason


async def test_none_with_a_reason_is_not_measured_and_no_trouble(make_context: MakeContext) -> None:
    check = await FunctionVerifier(lambda *_: (None, "no network"), Options()).verify(make_context())
    assert (check.score, check.reason, check.trouble) == (None, "no network", "")
