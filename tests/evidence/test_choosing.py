"""Who is chosen while nothing is measured here, from what others published and what can be asked."""

from __future__ import annotations

import pytest

from flatfield.evidence.choosing import OnHand, PublishedChoice, WithinReach, choose
from flatfield.records import Evidence, KindOfWork, Preferences, Weights

TODAY = "2026-11-30"
GOOD = OnHand(agent="good", model="good-1")
CHEAP = OnHand(agent="cheap", model="cheap-1")
LOCAL = OnHand(agent="server:small-1", model="small-1", local=True)
KEYED = OnHand(agent="keyed", model="best-1", needs="BEST_API_KEY")


def row(model: str, solved: float, **given: object) -> Evidence:
    usual: dict[str, object] = {
        "agent": model,
        "scaffold": "Tool",
        "model": model,
        "benchmark": "swe-bench",
        "kind": "code-repair",
        "solved": solved,
        "tasks": 500,
        "usd": 1.0,
        "seconds": 100.0,
        "date": "2026-05-30",
        "source": "somebody/results@abc",
        "licence": "MIT",
    }
    return Evidence(**(usual | given))  # type: ignore[arg-type]


ROWS = (
    row("good-1", 400.0, usd=2.0),
    row("cheap-1", 380.0, usd=0.1),
    row("small-1", 300.0, usd=None, weights_b=30.0),
    row("best-1", 480.0),
    row("far-1", 470.0),
)

TRY = "flatfield try \"YOUR TASK\" --check 'pytest -q' --agents "


def ask(
    *models: OnHand,
    rows: tuple[Evidence, ...] = ROWS,
    kind: KindOfWork | None = "code-repair",
    memory_bytes: int | None = None,
    check: str = "pytest -q",
    **wanted: object,
) -> PublishedChoice:
    here = WithinReach(models=models, memory_bytes=memory_bytes, today=TODAY)
    return choose(rows, here, Preferences(**wanted), kind, check)  # type: ignore[arg-type]


def test_the_sentence_says_what_when_and_from_where() -> None:
    found = ask(GOOD)
    assert found.recommended == "good"
    assert found.answer == (
        "Nothing is measured here yet; by what others published, use good: 80% of the 500 tasks of swe-bench for $2.00"
        " and in 100.0 s each (Tool, 2026-05-30, 6 months ago, from somebody/results@abc)."
    )
    assert found.command == TRY + "good"
    assert '--check "npm test"' in ask(GOOD, check="npm test").command.replace("'", '"')


def test_only_what_can_be_asked_is_compared() -> None:
    found = ask(GOOD, CHEAP, KEYED)
    assert {one.agent for one in found.candidates} == {"good", "cheap"}
    said = " ".join(found.advice)
    assert "With BEST_API_KEY set, keyed could be asked: 96% of the 500 tasks" in said
    assert "none of your agents: far-1 (94%)" in said


def test_what_matters_decides() -> None:
    assert ask(GOOD, CHEAP).recommended == "cheap"
    assert ask(GOOD, CHEAP, weights=Weights(performance=1.0, speed=0.0, cost=0.0)).recommended == "good"
    assert ask(GOOD, CHEAP, solved_usd=100.0).recommended == "good"
    assert ask(GOOD, CHEAP, solved_usd=1.0).recommended == "cheap"


def test_what_is_not_known_counts_as_the_most_that_is() -> None:
    found = ask(GOOD, CHEAP, LOCAL)
    assert found.recommended == "cheap"
    assert "Nobody told the cost of server:small-1: they count as the dearest." in found.advice
    rows = tuple(row(one.model, one.solved, usd=None) for one in ROWS)
    assert ask(GOOD, CHEAP, rows=rows).recommended == "good"


def test_limits_are_kept_by_what_is_known_alone() -> None:
    found = ask(GOOD, CHEAP, LOCAL, max_cost_usd=1.5)
    assert [one.agent for one in found.candidates] == ["cheap"]
    assert "Left out, for nobody tells that they keep to the limits: good, server:small-1." in found.advice
    assert ask(GOOD, CHEAP, min_performance="B").recommended == "cheap"
    assert ask(GOOD, CHEAP, min_performance="S").recommended is None


def test_on_this_device_alone() -> None:
    found = ask(GOOD, LOCAL, local_only=True)
    assert found.recommended == "server:small-1"
    assert found.suite == "suite:desk"


def test_agents_are_compared_in_one_scaffold_alone() -> None:
    rows = (*ROWS, row("cheap-1", 499.0, scaffold="Other Tool"))
    found = ask(GOOD, CHEAP, rows=rows)
    assert found.scaffold == "Tool"
    assert {one.published.scaffold for one in found.candidates} == {"Tool"}


def test_who_fails_is_not_recommended() -> None:
    found = ask(GOOD, rows=(row("good-1", 100.0),))
    assert found.recommended is None
    assert "nobody who can be asked from here does code-repair well, and the best of them is good: 20%" in found.answer


def test_a_difference_by_chance_is_said() -> None:
    assert "by no more than chance" in " ".join(ask(GOOD, CHEAP).advice)
    assert "by no more than chance" not in " ".join(ask(GOOD, LOCAL).advice)


def test_open_weights_that_would_fit_are_named() -> None:
    said = " ".join(ask(GOOD, memory_bytes=32_000_000_000).advice)
    assert (
        "Open weights that would fit this machine's 32 GB at four bits, for code-repair: small-1 (60%, about 19 GB)"
        in said
    )
    assert "Open weights" not in " ".join(ask(GOOD, memory_bytes=16_000_000_000).advice)
    assert "Open weights" not in " ".join(ask(LOCAL, memory_bytes=32_000_000_000).advice)


@pytest.mark.parametrize(
    ("models", "step", "command"),
    [
        ((), "What is missing, and how to mend it", "flatfield doctor"),
        ((KEYED,), "With BEST_API_KEY set, to measure it here", TRY + "keyed"),
        (
            (KEYED, OnHand(agent="tiny", model="tiny-1", local=True)),
            "To measure what can be asked from here",
            TRY + "tiny",
        ),
        (
            tuple(OnHand(agent=f"own-{n}", model=f"own-{n}", local=n != 1) for n in range(4)),
            "To measure what can be asked from here",
            TRY + "own-0,own-2",  # two of this machine's, not one alone, nor one that costs
        ),
    ],
)
def test_where_nothing_was_published_of_what_is_here(models: tuple[OnHand, ...], step: str, command: str) -> None:
    found = ask(*models)
    assert found.recommended is None
    assert found.answer.startswith("Nothing is measured here, and nobody whose results for code-repair")
    assert (found.next_step, found.command) == (step, command)


def test_on_this_device_alone_no_other_is_to_be_measured() -> None:
    found = ask(GOOD, KEYED, local_only=True)
    assert found.answer.endswith("were published runs on this device.")
    assert found.command == "flatfield doctor"
    assert "BEST_API_KEY" not in " ".join((*found.advice, found.next_step))


def test_whom_the_limits_leave_out_can_be_asked_all_the_same() -> None:
    found = ask(GOOD, max_cost_usd=0.5)
    assert found.answer.endswith("were published can be asked from here and keeps to the limits.")
    assert "Left out, for nobody tells that they keep to the limits: good." in found.advice


def test_without_a_kind_the_first_that_something_can_be_said_of() -> None:
    rows = (*ROWS, row("mini-1", 400.0, kind="research", benchmark="gaia"))
    found = ask(OnHand(agent="mini", model="mini-1"), rows=rows, kind=None)
    assert (found.kind, found.recommended) == ("research", "mini")
    assert "This is for research; other kinds of work: code-repair" in found.advice[-1]
    assert ask(GOOD, rows=rows, kind="file-work").candidates == ()


def test_of_several_settings_of_a_model_the_best_counts() -> None:
    rows = (row("good-1", 300.0, agent="good-1 (low)"), row("good-1", 400.0, agent="good-1 (high)", setting="diff"))
    found = ask(GOOD, rows=rows)
    assert len(found.candidates) == 1
    assert "(Tool, diff, high, 2026-05-30" in found.answer


def test_what_is_to_be_known_of_the_model_is_said() -> None:
    one = OnHand(agent="good", model="good-1", note="good-1 retires on 2026-12-11")
    assert "good-1 retires on 2026-12-11." in ask(one).advice


def test_no_evidence_at_all_is_no_trouble() -> None:
    assert ask(GOOD, rows=()).command == TRY + "good"
