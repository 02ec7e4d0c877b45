"""Laws that the posterior keeps whatever was measured."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatfield.scoring.certainty.choice import best_probabilities, best_shares, rank_ranges
from flatfield.scoring.certainty.posterior import DrawnMeans, posterior_of
from flatfield.scoring.certainty.study import study
from flatfield.scoring.certainty.table import tabulate
from flatfield.scoring.certainty.utility import utility
from tests.scoring.certainty.made_up import observations, studied

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from flatfield.scoring.certainty.posterior import Posterior

pytestmark = pytest.mark.whole

LAWS = settings(max_examples=settings().max_examples // 5, deadline=None, suppress_health_check=list(HealthCheck))
SCORES = st.sampled_from([0.0, 0.3, 0.6, 0.94, 1.0])


@st.composite
def evaluations(draw: st.DrawFn, least_tasks: int = 1) -> dict[str, list[list[float]]]:
    """Two to four agents on the same tasks, each with the same repeats."""
    agents, tasks = draw(st.integers(2, 4)), draw(st.integers(least_tasks, 6))
    repeats = draw(st.integers(1, 3))
    cell = st.lists(SCORES, min_size=repeats, max_size=repeats)
    return {f"a{i}": draw(st.lists(cell, min_size=tasks, max_size=tasks)) for i in range(agents)}


def width(draws: NDArray[np.float64]) -> float:
    """The mean width of the agents' intervals."""
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    return float(np.mean(high - low))


def column(draws: NDArray[np.float64], posterior: Posterior, agent: str) -> NDArray[np.float64]:
    """One agent's draws."""
    found: NDArray[np.float64] = draws[:, [posterior.agents.index(agent)]]
    return found


def all_of(means: DrawnMeans) -> list[NDArray[np.float64]]:
    parts = [means.performance, means.speed, means.solved, means.seconds, means.expected_wait_seconds]
    return [*parts, *(part for part in (means.cost, means.usd, means.expected_usd) if part is not None)]


@given(evaluations())
@LAWS
def test_every_draw_is_a_number_in_its_range(scores: dict[str, list[list[float]]]) -> None:
    posterior = studied(scores).posterior
    for means in (posterior.these, posterior.next):
        for part in all_of(means):
            assert np.isfinite(part).all()
            assert (part >= 0.0).all()
        assert means.cost is not None
        for score in (means.performance, means.speed, means.solved, means.cost):
            assert (score <= 1.0).all()


@given(evaluations())
@LAWS
def test_probabilities_sum_right(scores: dict[str, list[list[float]]]) -> None:
    found = studied(scores)
    from flatfield.records import Weights

    values = utility(found.posterior.next, Weights())
    share, best = best_shares(values, 0.01), best_probabilities(values, 0.01)
    assert share.sum() == pytest.approx(1.0)
    assert (share <= best + 1e-12).all()
    assert best.sum() >= 1.0 - 1e-12
    for low, high in rank_ranges(values):
        assert 1 <= low <= high <= len(scores)


@given(evaluations(), st.randoms(use_true_random=False))
@LAWS
def test_the_order_of_agents_tasks_and_trials_changes_nothing(
    scores: dict[str, list[list[float]]], random: object
) -> None:
    found = observations(scores)
    agents, tasks = list(scores), sorted({one.task for one in found})
    before = study(found, agents, tasks)
    shuffle = random.shuffle  # type: ignore[attr-defined]
    for some in (found, agents, tasks):
        shuffle(some)
    after = study(found, agents, tasks)
    assert before is not None
    assert after is not None
    assert before.posterior.agents == after.posterior.agents
    for one, other in zip(all_of(before.posterior.next), all_of(after.posterior.next), strict=True):
        assert np.percentile(one, [2.5, 50, 97.5], axis=0) == pytest.approx(
            np.percentile(other, [2.5, 50, 97.5], axis=0), rel=1e-3, abs=1e-3
        )


def test_names_change_nothing() -> None:
    scores = {"a": [[1.0], [1.0], [0.0], [1.0]], "b": [[0.0], [1.0], [0.0], [0.0]], "c": [[1.0], [0.0], [0.0], [1.0]]}
    renamed = {"z": scores["a"], "b": scores["b"], "c": scores["c"]}
    one, other = studied(scores).posterior, studied(renamed).posterior
    assert (column(one.next.performance, one, "a") == column(other.next.performance, other, "z")).all()


@given(evaluations(least_tasks=2))
@LAWS
def test_the_same_data_again_narrows(scores: dict[str, list[list[float]]]) -> None:
    """As more repeats it does so on these tasks, as more tasks on the next one."""
    once = studied(scores).posterior
    twice = studied({agent: [[*cell, *cell] for cell in cells] for agent, cells in scores.items()}).posterior
    longer = studied({agent: [*cells, *cells] for agent, cells in scores.items()}).posterior
    assert width(twice.these.performance) < width(once.these.performance)
    assert width(twice.next.performance) < width(once.next.performance) * 1.03
    assert width(longer.next.performance) < width(once.next.performance)
    assert width(longer.these.performance) < width(once.these.performance)
    assert width(np.log(longer.next.seconds)) < width(np.log(once.next.seconds))


def expected_widths(tasks: int, repeats: int) -> tuple[float, float, float, float]:
    """Of made-up evaluations on average: performance and overall on these tasks, and on the next."""
    from flatfield.records import Weights

    found = []
    for turn in range(24):
        r = np.random.default_rng([turn])
        chance = np.clip(np.asarray([[0.8], [0.5], [0.6]]) + 0.3 * r.uniform(-1, 1, 40)[None, :tasks], 0.05, 0.95)
        passed = (r.random((3, 40, 6))[:, :tasks, :repeats] < chance[:, :, None]).astype(float)
        a, t, _ = np.indices(passed.shape)
        noise = r.normal(0.0, 0.5, (2, 3, 40, 6))[:, :, :tasks, :repeats]
        values = np.stack([passed, passed, np.exp(2 + noise[0]), np.exp(2 + noise[0]), np.exp(noise[1] - 3)], axis=-1)
        names = tuple(f"t{i}" for i in range(tasks))
        table = tabulate(a.ravel(), t.ravel(), values.reshape(-1, 5), ("a", "b", "c"), names)
        posterior = posterior_of(table, draws=1000, seed=turn)
        both = [posterior.these, posterior.next]
        found.append([width(m.performance) for m in both] + [width(utility(m, Weights())) for m in both])
    one, two, three, four = np.mean(found, axis=0).tolist()
    return one, two, three, four


@pytest.mark.slow
def test_the_expected_width_falls_with_every_task_and_nothing_jumps() -> None:
    counts = (1, 2, 3, 4, 6, 19, 20, 21)
    widths = [expected_widths(tasks, 2) for tasks in counts]
    for (few, before), (many, after) in pairwise(zip(counts, widths, strict=True)):
        for wide, narrow in zip(before, after, strict=True):
            assert narrow < wide * (1.0 if many - few > 1 or many < 5 else 1.01)
            assert narrow > 0.8 * wide * (few / many) ** 0.75


@pytest.mark.slow
def test_the_expected_width_falls_with_every_trial() -> None:
    widths = [expected_widths(6, repeats) for repeats in (1, 2, 3, 4, 6)]
    for before, after in pairwise(widths):
        for wide, narrow in zip(before, after, strict=True):
            assert narrow < wide * 1.01
    assert widths[-1][0] < 0.6 * widths[0][0]


def test_a_missing_cell_widens() -> None:
    full = {"a": [[1.0], [0.0], [1.0], [1.0]], "b": [[1.0], [0.0], [1.0], [0.0]]}
    less = {"a": [[1.0], [0.0], [1.0], []], "b": full["b"]}
    before, after = studied(full).posterior, studied(less).posterior
    for one, other in ((before.these, after.these), (before.next, after.next)):
        assert width(column(other.performance, after, "a")) > width(column(one.performance, before, "a"))
        assert width(np.log(column(other.seconds, after, "a"))) > width(np.log(column(one.seconds, before, "a")))


def test_an_agent_is_judged_by_what_the_tasks_it_lacks_are_for_others() -> None:
    """Both passed all that they did; one of them lacks the tasks that the others fail."""
    hard = [[1.0]] * 6 + [[0.0]] * 6
    rest = {f"r{i}": hard for i in range(4)}
    easy_only = studied({"easy": [[1.0]] * 6 + [[]] * 6, **rest}).posterior
    hard_only = studied({"easy": [[]] * 6 + [[1.0]] * 6, **rest}).posterior
    for name in ("these", "next"):
        low, high = (column(getattr(each, name).performance, each, "easy").mean() for each in (easy_only, hard_only))
        assert low < high - 0.15
