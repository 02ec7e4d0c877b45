"""What the page computes under other weights, money and limits is what flatfield computes, as rounded in the tables."""

from __future__ import annotations

import random
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from flatfield.faces.advice import candidates
from flatfield.faces.wording import rank
from flatfield.records import Preferences, Weights
from flatfield.saying import dollars, likely, seconds, written
from flatfield.scoring.answer import graded, signed_usd
from flatfield.scoring.certainty.study import Study, compare
from flatfield.scoring.decision import decide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flatfield.records import RunResult

pytestmark = [pytest.mark.whole, pytest.mark.needs("chromium")]

READ = """(ask) => {
  page.ask = ask;
  showAll();
  const rows = [...document.querySelectorAll('#table tbody tr')];
  const plain = (node) => node.textContent.replace(/[\\s()]/g, '');
  return {
    answer: document.getElementById('answer').textContent,
    rows: rows.map((row) => {
      const cell = (name) => row.querySelector(`[data-of=${name}]`);
      const [rank, best, overall, usd] = ['rank', 'best', 'overall', 'usd'].map(cell);
      return [row.dataset.agent, rank && plain(rank), plain(best), plain(overall), plain(usd)];
    }),
    tiles: [...document.querySelectorAll('#tiles dd')].map((each) => each.textContent),
  };
}"""


def asks(count: int) -> Iterator[Preferences]:
    """Weights at the corners, on the edges and inside; money; limits."""
    chance = random.Random(count)
    for one in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0), (0, 0.5, 0.5)):
        yield _by_weights(*one)
    for _ in range(count):
        found = _by_weights(*(chance.choice((0, chance.randint(1, 100))) / 100 for _ in range(3)))
        if chance.random() < 0.35:
            found = Preferences(solved_usd=chance.choice((0.001, 0.05, 0.7, 5)), hour_usd=chance.choice((0, 3, 80)))
        yield _limited(found, chance)


def _by_weights(performance: float, speed: float, cost: float) -> Preferences:
    none = performance + speed + cost <= 0
    return Preferences(weights=Weights(performance=1.0 if none else performance, speed=speed, cost=cost))


def _limited(wanted: Preferences, chance: random.Random) -> Preferences:
    if chance.random() < 0.5:
        return wanted
    return replace(
        wanted,
        min_performance=chance.choice((None, None, "S", "A", "B", "C")),
        max_seconds=chance.choice((None, None, 5, 25, 40.5)),
        max_cost_usd=chance.choice((None, None, 0.005, 0.02)),
        local_only=chance.random() < 0.2,
    )


def as_asked(wanted: Preferences, result: RunResult) -> dict[str, Any]:
    """Preferences as the page keeps them."""
    found = wanted.weights or result.run.evaluation.weights
    money = None if wanted.solved_usd is None else {"solved": wanted.solved_usd, "hour": wanted.hour_usd or 0}
    return {
        "weights": [found.performance, found.speed, found.cost],
        "money": money,
        "limits": {
            "performance": wanted.min_performance,
            "seconds": wanted.max_seconds,
            "usd": wanted.max_cost_usd,
            "onDevice": wanted.local_only,
        },
    }


def told(result: RunResult) -> dict[str, Any]:
    """What the other faces say: the answer, and the rows of `pick`'s table with the report's ranks."""
    decision = decide(result)
    (table,) = candidates(decision, result).tables
    cards = {card.agent: card for card in result.grading.scorecards}
    utility = {one.agent: one.next.utility for one in decision.standings}
    rows = []
    for row in table.rows:
        agent, best, usd = row[0], row[2], row[-1]
        card = cards[agent]
        said = graded(card.overall)
        if decision.unit == "usd":
            mean, low, high = (signed_usd(getattr(utility[agent], end)) for end in ("mean", "low", "high"))
            said = f"{mean}{low}to{high}"
        rows.append([agent, None if decision.unit == "usd" else rank(card.rank), best, _plain(said), _plain(usd)])
    lost = [decision.regret.mean, decision.regret.worst] if decision.regret else []
    return {"answer": decision.answer, "rows": rows, "lost": [_much(amount, decision.unit) for amount in lost]}


def _much(amount: float, unit: str) -> str:
    if unit == "usd":
        return f"{signed_usd(amount)} a task"
    points = amount * 100
    return f"{points:.1f} points of 100" if points < 9.95 else f"{points:.0f} points of 100"


def _plain(text: str) -> str:
    return "".join(text.split()).replace("(", "").replace(")", "")


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("motley", 4),
        *(pytest.param(name, 150, marks=pytest.mark.slow) for name in ("motley", "published", "near", "untold")),
    ],
)
def test_the_page_says_what_the_tables_say(
    name: str,
    count: int,
    request: pytest.FixtureRequest,
    certain: Callable[[RunResult], RunResult],
    asked: Callable[[RunResult, Preferences], RunResult],
    show: Callable[..., Any],
) -> None:
    result = certain(request.getfixturevalue(name))
    opened = show(result)
    for wanted in asks(count):
        expected = told(asked(result, wanted))
        found = opened.page.evaluate(READ, as_asked(wanted, result))
        assert found["answer"] == expected["answer"], wanted
        assert found["rows"][: len(expected["rows"])] == expected["rows"], wanted
        if " agents" in expected["answer"] and expected["lost"]:  # else there is nobody to lose against
            assert found["tiles"][1:3] == expected["lost"], wanted
    assert opened.problems == []


@pytest.mark.slow
def test_pairs_are_told_apart_as_compare_tells_them_apart(motley: RunResult, show: Callable[..., Any]) -> None:
    page = show(motley).page
    assert isinstance(motley.study, Study)
    names = motley.study.posterior.agents
    for question in ("these", "next"):
        for first, second in permutations(range(len(names)), 2):
            found = page.evaluate("([q, a, b]) => pairedOff(page.draws, q, a, b)", [question, first, second])
            expected = compare(motley.study, names[first], names[second], question)
            assert found["probability"] == pytest.approx(expected.probability, abs=1e-12)
            for end in ("mean", "low", "high"):
                assert found[end] == pytest.approx(getattr(expected.difference, end), abs=1e-12)


MAP = """(ask) => {
  const few = {...page.draws, count: 400};
  for (const [name, columns] of page.data.draws.arrays) few[name] = page.draws[name].slice(0, 400 * columns);
  return answerMap(page.data, few, ask, 12).map(({p, s, agent}) => {
    const weights = [p / 12, s / 12, (12 - p - s) / 12];
    return [agent, decided(page.data, few, {...ask, weights}).field[0] ?? null];
  });
}"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["motley", "near", "untold"])
def test_each_place_of_the_triangle_has_the_colour_of_its_answer(
    name: str, request: pytest.FixtureRequest, show: Callable[..., Any]
) -> None:
    result = request.getfixturevalue(name)
    found = show(result).page.evaluate(MAP, as_asked(Preferences(), result))
    assert len(found) == 91
    assert all(place == answer for place, answer in found), found


@pytest.mark.slow
def test_numbers_are_written_as_python_writes_them(motley: RunResult, show: Callable[..., Any]) -> None:
    page = show(motley).page
    chance = random.Random(5)
    numbers = [
        0.125,
        0.375,
        2.5,
        3.5,
        9.995,
        119.95,
        0.9995,
        1e-9,
        1234567.891,
        *(10 ** chance.uniform(-9, 7) for _ in range(300)),
    ]
    found = page.evaluate(
        "(all) => all.map((one) => [saidDollars(one), saidSeconds(one), written(one), fixed(one, 2)])", numbers
    )
    for number, said in zip(numbers, found, strict=True):
        assert said == [dollars(number), seconds(number), written(number), f"{number:.2f}"], number
    shares = [chance.random() for _ in range(200)] + [0.125, 0.01, 0.99, 0.0, 1.0]
    assert page.evaluate("(all) => all.map(likely)", shares) == [likely(one) for one in shares]
