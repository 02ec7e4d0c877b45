"""What a judge takes is nobody's but the evaluation's: its retries, waiting, seconds, tokens and dollars."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from flatfield.records import AgentConfig, Evaluation, Price, RunResult, Task, Usage, VerifierSpec
from flatfield.runs.evaluation.evaluate import Conduct, evaluate
from flatfield.runs.order import new_run
from flatfield.runs.results import load_result
from flatfield.runs.store.store import Store
from flatfield.runs.world import Outside
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.access import everything
from flatfield.testing.clocks import FakeClock
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.testing.clocks import IdleTime

pytestmark = pytest.mark.whole

PRICES = Prices({"fake-model": Price(input_mtok=1.0, output_mtok=2.0, source="test")})
CONTAINS = VerifierSpec(kind="answer", options={"contains": "42"})
RUBRIC = VerifierSpec(kind="rubric", options={"value": ["It is polite."]})
TASKS = (
    Task(id="one", title="one", prompt="Do one.", digest="1", verifiers=(CONTAINS, RUBRIC)),
    Task(id="two", title="two", prompt="Do two.", digest="2", rubric="It is polite."),
)
ACCIDENTAL = {"run", "started_at", "lag_seconds", "date", "attempt", "headers"}
"""What differs between any two runs."""
MILLIONS = Usage(input_tokens=9_000_000, output_tokens=500_000)


class Served:
    """A server of agents and judge alike, on a clock of its own: an agent's turn takes 20 seconds.

    `hard`: the judge gets 503 twice, then takes 250 seconds and millions of tokens for each letter. `down`: only 400.
    """

    def __init__(self, clock: FakeClock, *, hard: bool = False, down: bool = False) -> None:
        self._clock = clock
        self._hard, self._down = hard, down
        self.judged = 0
        self._turns = 0

    def script(self, request: dict[str, Any], _number: int) -> FakeReply | Fault:
        if not str(request["messages"][0]["content"]).startswith("You grade the work"):
            self._turns += 1
            self._clock.seconds += 20.0
            return FakeReply(text="42" if self._turns % 3 else "41")
        self.judged += 1
        if self._down:
            return Fault(status=400, message="no")
        if self._hard and self.judged <= 2:
            return Fault(status=503, message="busy")
        if self._hard:
            self._clock.seconds += 250.0
        text = json.dumps({"reason": "r", "evidence": [], "letter": "B"})
        return FakeReply(text=text, usage=MILLIONS) if self._hard else FakeReply(text=text)


@pytest.fixture(autouse=True)
async def _time_stands_still(idle_time: IdleTime) -> None:
    """What checks take is told by the event loop, and is compared, too."""
    idle_time.only(0.0)


async def sat(folder: Path, rounds: int | None, *manners: dict[str, bool]) -> list[tuple[RunResult, Served]]:
    """The same run with each of these judges, on a fresh clock each; agents and judge share server, model and lane."""
    clocks = [FakeClock() for _ in manners]
    served = [Served(clock, **manner) for clock, manner in zip(clocks, manners, strict=True)]
    found: list[tuple[RunResult, Served]] = []

    def script(request: dict[str, Any], number: int) -> FakeReply | Fault:
        return served[len(found)].script(request, number)

    async with FakeChat(script) as server:
        here = {"provider": "openai-chat", "model": "fake-model", "base_url": server.base_url, "protocol": "native"}
        agents = [msgspec.convert({"name": name, **here}, AgentConfig) for name in ("a", "b")]
        judge = msgspec.structs.replace(agents[0], name="j")
        for number, clock in enumerate(clocks):
            evaluation = Evaluation(agents=("a", "b"), repeats=1 if rounds else 3, jobs=1)
            run = new_run(evaluation, TASKS, agents, clock.utc(), command="test")
            async with Store(folder / f"store {number}") as store:
                conduct = Conduct(
                    outside=Outside(clock=clock, prices=PRICES, access=everything()),
                    source=folder,
                    observe=lambda _event: None,
                    stop=asyncio.Event(),
                    judges=(judge,),
                    until_sure=rounds,
                )
                await evaluate(run, store, conduct)
                found.append((load_result(store), served[number]))
    return found


def apart(one: object, other: object, name: str = "") -> list[str]:
    """Where two records differ, but for what differs between any two runs.

    What came late from the kernel is real time, tenths of a second where much else runs; dollars are exact.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in one.keys() | other.keys() if key not in ACCIDENTAL]
        return [found for key in keys for found in apart(one.get(key), other.get(key), f"{name}.{key}")]
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for place, pair in pairs for found in apart(*pair, f"{name}[{place}]")]
    if isinstance(one, float) and isinstance(other, float):
        nearly = 1e-12 if "usd" in name.rpartition(".")[2] else 0.4 if "seconds" in name else 0.04
        return [] if abs(one - other) <= nearly else [f"{name}: {one} and {other}"]
    return [] if one == other else [f"{name}: {one} and {other}"]


def differing(one: RunResult, other: RunResult) -> list[str]:
    return apart(
        *(msgspec.to_builtins({trial.id.partition("/")[2]: trial for trial in r.trials}) for r in (one, other))
    )


@pytest.mark.parametrize("rounds", [None, 5])
@pytest.mark.some(1)
async def test_a_judge_that_is_slow_refused_and_dear_changes_no_figure_of_any_agent(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rounds: int | None,
) -> None:
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))
    (quick, _), (hard, served) = await sat(tmp_path, rounds, {}, {"hard": True})
    assert served.judged == len(hard.verdicts) + 2
    assert {verdict.letter for verdict in hard.verdicts} == {"B"}
    assert min(verdict.cost_usd or 0.0 for verdict in hard.verdicts) == pytest.approx(10.0)
    assert max(verdict.cost_usd or 0.0 for verdict in quick.verdicts) < 0.001
    assert differing(hard, quick) == []
    assert len(hard.trials) > 4 if rounds else len(hard.trials) == 12, "with rounds, trials come after letters, too"
    assert all(abs((trial.active_seconds or 0.0) - 20.0) <= 0.4 for trial in hard.trials)
    assert apart(msgspec.to_builtins(hard.grading), msgspec.to_builtins(quick.grading)) == []
    assert apart(msgspec.to_builtins(hard.manifest), msgspec.to_builtins(quick.manifest)) == []


async def test_a_judge_that_is_down_makes_no_trial_look_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))
    (quick, _), (down, _) = await sat(tmp_path, None, {}, {"down": True})
    assert {verdict.letter for verdict in down.verdicts} == {None}
    assert all(verdict.unasked for verdict in down.verdicts)
    assert differing(down, quick) == []
    assert not any(trial.failure for trial in down.trials)
    for well, ill in zip(quick.grading.cells, down.grading.cells, strict=True):
        if well.task == "one":
            found = apart(
                msgspec.to_builtins(well), msgspec.to_builtins(msgspec.structs.replace(ill, judge=well.judge))
            )
            # Ranges learn from the other tasks, of which nothing is known here.
            assert [one for one in found if not re.search(r"interval|at_worst|at_best", one)] == []
    unjudged = [cell for cell in down.grading.cells if cell.task == "two"]
    assert [cell.performance.score for cell in unjudged] == [None, None]
    assert all("not measured" in cell.performance.note for cell in unjudged)
    assert all(abs((cell.active_seconds or 0.0) - 20.0) <= 0.4 for cell in unjudged)
