"""HOPs: told from LOPs, read, and their mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.records import Evaluation, LimitChanges, Weights
from flatfield.tasks.hop import is_evaluation, read_evaluation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str, str], Path]

    from flatfield.records import Mistake


def test_the_original_projects_hop_works_with_defaults(nano_agent: Path) -> None:
    path = nano_agent / ".claude/commands/perf/hop_evaluate_nano_agents.md"
    evaluation = read_evaluation(path)
    defaults = Evaluation(title="Evaluate nano agents", path=str(path), body=evaluation.body)
    assert evaluation == defaults
    assert evaluation.body.startswith("\n# Evaluate nano agents\n")
    assert evaluation.body.endswith("(Overall Grade: X)")
    assert is_evaluation(path.read_text())


def test_everything_in_the_front_matter(write: Write) -> None:
    text = (
        "---\nagents: [a, 'b*']\nrepeats: 3\nseed: 7\njobs: 2\nlimits: {turns: 4}\nbudget_usd: 1\njudge: j\n"
        "judge_weight: 0.5\nweights: {performance: 1, cost: 0}\nnames: actual\n---\nBody\r\n"
    )
    evaluation = read_evaluation(write("my hop.md", text))
    assert evaluation.agents == ("a", "b*")
    assert (evaluation.repeats, evaluation.seed, evaluation.jobs, evaluation.limits) == (3, 7, 2, LimitChanges(turns=4))
    assert (evaluation.budget_usd, evaluation.judge, evaluation.judge_weight) == (1.0, ("j",), 0.5)
    assert evaluation.weights == Weights(performance=1.0, cost=0.0)
    assert (evaluation.names, evaluation.title, evaluation.body) == ("actual", "my hop", "Body\r\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# H\n\nRead: $ARGUMENTS\n", True),
        ("---\nagents: [a]\n---\n", True),
        ("---\nmodel: opus\nbroken: [\nagents: [a]\n---\n", True),
        ('---\nagents: [a]\n---\n## Variables\nPROMPT: "x"\n', True),
        ('# T\n\n## Variables\n\nPROMPT: "Explain $ARGUMENTS to me"\n', False),
        ("---\ntitle: $ARGUMENTS\n---\n", False),
        ("---\nlimits:\n  agents: 3\n---\n", False),
        ("# T\n", False),
        ("", False),
    ],
)
def test_what_is_a_hop(text: str, expected: bool) -> None:
    assert is_evaluation(text) is expected


@pytest.mark.parametrize(
    ("matter", "problem", "fix"),
    [
        ("agent: [a]", "no key `agent`", "`agents`"),
        ("agents: []", "`agents` is an empty list", "[a, b]"),
        ("agents: [a, [b]]", "an item of `agents` is a list", "write text"),
        ("repeats: 1.5", "`repeats` is 1.5", "whole number"),
        ("judge_weight: 2", "`judge_weight` is 2", "of at least 0, of at most 1"),
        ("weights: {performance: -1}", "`performance` is -1", "of at least 0"),
        ("weights: {performance: 0, speed: 0, cost: 0}", "all 0", "above 0"),
        ("weights: 1", "`weights` is 1", "performance"),
        ("names: yes", "`names` is 'yes'", "neutral, actual"),
        ("limits: {turn: 3}", "no key `turn`", "`turns`"),
        ("budget: 3", "no key `budget`", "`budget_usd`"),
    ],
)
def test_mistakes(write: Write, mistakes: Callable[..., list[Mistake]], matter: str, problem: str, fix: str) -> None:
    found = mistakes(read_evaluation, write("h.md", f"---\n{matter}\n---\n$ARGUMENTS\n"))
    assert [(m.line, problem in m.problem, fix in m.fix) for m in found] == [(2, True, True)], found
