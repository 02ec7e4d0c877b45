"""The long chain: how far trials come in their task's steps, and how often agents succeed in k tries."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from flatfield import json_text
from flatfield.records import MIDPOINTS
from flatfield.scoring.measures.performance import ALL, is_verified, measure, trial_scores
from flatfield.scoring.measures.scales import mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from flatfield.records import RunResult, Task, ToolCall, TrialRecord


PLACES = ("file_path", "directory_path")
HERE = frozenset({"", ".", "./"})


class Chain(Struct, frozen=True, kw_only=True):
    """One trial's tool calls.

    `failed`: answered with an error, or not answered. `repeated`: the same tool with the same arguments as an earlier
    call (looking at a file again after changing it counts too). `last_success`: the turn, from 1, of the last call that
    worked; 0 for none. `oracle_calls`: how many the task's solution makes; `followed`: how many of them the trial's
    working calls contain in the same order, by tool and path, whatever was written (None: no solution is known).
    """

    turns: int
    calls: int
    failed: int
    repeated: int
    last_success: int
    oracle_calls: int | None
    followed: int | None


class AgentChains(Struct, frozen=True, kw_only=True):
    """An agent's chains over the trials that the harness did not fail.

    Means per trial; `failed_share` and `repeated_share` are of all its calls (None: it made none). `oracle_calls` and
    `followed_share` are over trials of tasks whose solution makes calls. `short`: its measured trials that scored less
    than 1; of these, `short_score` is the mean score (how much of the checks held), `short_followed` the mean share of
    the solution's calls that they followed, and `short_limited` how many a limit ended.
    """

    agent: str
    trials: int
    turns: float
    calls: float
    failed_share: float | None
    repeated_share: float | None
    oracle_calls: float | None
    followed_share: float | None
    short: int
    short_score: float | None
    short_followed: float | None
    short_limited: int


def is_scaffolds(trial: TrialRecord) -> bool:
    """Whether another scaffold than ours did the work: its calls are not on record, only how many they were."""
    return any(turn.reply.scaffold is not None for turn in trial.turns)


def chain_of(trial: TrialRecord, task: Task | None) -> Chain:
    """A trial's calls, counted; `task` None: one that the run does not know. Calls of other scaffolds are not seen."""
    made = list(_calls(trial))
    seen: set[tuple[str, bytes]] = set()
    repeated = 0
    working: list[str] = []
    for _, call, ok in made:
        arguments = _arguments(call)
        key = (call.name, _canonical(call, arguments))
        repeated += key in seen
        seen.add(key)
        if ok:
            working.append(_step(call.name, arguments if isinstance(arguments, dict) else {}))
    needed = (
        [_step(step.tool, step.arguments) for step in task.solution if step.tool] if task and task.solution else None
    )
    return Chain(
        turns=len(trial.turns),
        calls=len(made),
        failed=sum(not ok for _, _, ok in made),
        repeated=repeated,
        last_success=max((number for number, _, ok in made if ok), default=0),
        oracle_calls=None if needed is None else len(needed),
        followed=None if needed is None else in_order(needed, working),
    )


def each_chain(result: RunResult) -> dict[str, Chain]:
    """Each trial's chain by its id; those of other scaffolds, whose calls are not seen, have none."""
    tasks = {task.id: task for task in result.run.tasks}
    return {trial.id: chain_of(trial, tasks.get(trial.task)) for trial in result.trials if not is_scaffolds(trial)}


def chains(result: RunResult, counted: Mapping[str, Chain] | None = None) -> tuple[AgentChains, ...]:
    """Every agent's chains, in the run's order; agents without a trial, and imported trials, have none.

    `counted` is `each_chain` of the same result, where somebody has it.
    """
    counted = each_chain(result) if counted is None else counted
    scores = trial_scores(result.run, result.trials, result.verdicts)
    found: dict[str, list[tuple[TrialRecord, Chain]]] = {agent.name: [] for agent in result.run.agents}
    for trial in result.trials:
        if trial.failure is None and not trial.imported and trial.agent in found and trial.id in counted:
            found[trial.agent].append((trial, counted[trial.id]))
    return tuple(_chains_of(agent, each, scores) for agent, each in found.items() if each)


def in_order(needed: Sequence[str], made: Iterable[str]) -> int:
    """The length of the longest common subsequence, a bit for each needed step.

    Source: Hyyrö, Bit-parallel LCS-length computation revisited, AWOCA 2004.
    """
    places: dict[str, int] = {}
    for position, step in enumerate(needed):
        places[step] = places.get(step, 0) | 1 << position
    whole = (1 << len(needed)) - 1
    open_ = whole
    for step in made:
        taken = open_ & places.get(step, 0)
        open_ = ((open_ + taken) | (open_ - taken)) & whole
    return len(needed) - open_.bit_count()


def _chains_of(agent: str, own: Sequence[tuple[TrialRecord, Chain]], scores: Mapping[str, float]) -> AgentChains:
    calls = sum(chain.calls for _, chain in own)
    guided = [chain for _, chain in own if chain.oracle_calls]
    short = [(trial, chain) for trial, chain in own if scores.get(trial.id, 1.0) < 1.0]
    return AgentChains(
        agent=agent,
        trials=len(own),
        turns=mean(chain.turns for _, chain in own),
        calls=mean(chain.calls for _, chain in own),
        failed_share=sum(chain.failed for _, chain in own) / calls if calls else None,
        repeated_share=sum(chain.repeated for _, chain in own) / calls if calls else None,
        oracle_calls=_mean(chain.oracle_calls for chain in guided),
        followed_share=_mean(map(_share, guided)),
        short=len(short),
        short_score=_mean(scores[trial.id] for trial, _ in short),
        short_followed=_mean(_share(chain) for _, chain in short if chain.oracle_calls),
        short_limited=sum(trial.stop.endswith("_limit") for trial, _ in short),
    )


def _calls(trial: TrialRecord) -> Iterator[tuple[int, ToolCall, bool]]:
    """Each call with the number of its turn, and whether it worked; results stand in the order of the calls."""
    for number, turn in enumerate(trial.turns, start=1):
        results = turn.results
        for position, call in enumerate(turn.reply.calls):
            yield number, call, position < len(results) and results[position].ok


def _arguments(call: ToolCall) -> Any:  # noqa: ANN401 - any JSON value
    """What a call's arguments are as JSON; `UNSET` where they are none."""
    try:
        return json_text.decoded(call.arguments)
    except ValueError:
        return msgspec.UNSET


def _canonical(call: ToolCall, arguments: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """The arguments as sorted JSON; as they were written where they are none."""
    if arguments is msgspec.UNSET:
        return call.arguments.encode("utf-8", "replace")
    return msgspec.json.encode(arguments, order="deterministic")


def _step(tool: str, arguments: Mapping[str, Any]) -> str:
    """A call by its tool and the path that it is about."""
    place = next((str(arguments[name]) for name in PLACES if arguments.get(name)), "")
    return f"{tool} {'' if place in HERE else place.removeprefix('./').rstrip('/')}"


def _share(chain: Chain) -> float:
    return (chain.followed or 0) / chain.oracle_calls if chain.oracle_calls else 0.0


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


# pass@k and pass^k: one success in k tries, and k successes in k tries, per agent over tasks.


KS = (1, 2, 3, 5, 10, 20, 50)


class PassRates(Struct, frozen=True, kw_only=True):
    """How probably an agent succeeds in k tries of a task: `at_least_once` (pass@k), and `every_time` (pass^k).

    Means over the `tasks` that it was measured on at least k times, in `trials` of them.
    """

    agent: str
    k: int
    at_least_once: float
    every_time: float
    tasks: int
    trials: int


def pass_at_k(n: int, passed: int, k: int) -> float:
    """The probability that at least one of k tries passes, from `passed` of n: 1 - C(n - passed, k) / C(n, k).

    Unbiased for n >= k. Source: Chen et al., Evaluating Large Language Models Trained on Code (2021), section 2.1.
    """
    return 1.0 - comb(n - passed, k) / comb(n, k)


def pass_hat_k(n: int, passed: int, k: int) -> float:
    """The probability that all of k tries pass, from `passed` of n: C(passed, k) / C(n, k).

    Unbiased for n >= k. Source: Yao et al., tau-bench: A Benchmark for Tool-Agent-User Interaction in Real-World
    Domains (2024), section 3.
    """
    return comb(passed, k) / comb(n, k)


def threshold(task: Task) -> float:
    """From which score a trial passes: all of it where verifiers measure; where a judge alone does, an S's middle."""
    return ALL if is_verified(task) or not (task.rubric or task.verifiers) else MIDPOINTS["S"]


def passing(result: RunResult) -> tuple[PassRates, ...]:
    """Every agent's figures, for k of 1, 2, 3, 5, 10, 20, 50 and its number of repeats; each task counts once."""
    figures = measure(result.run, result.trials, result.verdicts).figures
    levels = {task.id: threshold(task) for task in result.run.tasks}
    found: list[PassRates] = []
    for agent in result.run.agents:
        counts = [
            (len(trials), sum(each.score >= level for each in trials))
            for task, level in levels.items()
            if (trials := figures.get((agent.name, task), ()))
        ]
        found += _rates_of(agent.name, counts)
    return tuple(found)


def _rates_of(agent: str, counts: Sequence[tuple[int, int]]) -> list[PassRates]:
    most = max((n for n, _ in counts), default=0)
    rows = []
    for k in sorted({*(k for k in KS if k <= most), *({most} if most else ())}):
        able = [(n, passed) for n, passed in counts if n >= k]
        rows.append(
            PassRates(
                agent=agent,
                k=k,
                at_least_once=mean(pass_at_k(n, passed, k) for n, passed in able),
                every_time=mean(pass_hat_k(n, passed, k) for n, passed in able),
                tasks=len(able),
                trials=sum(n for n, _ in able),
            )
        )
    return rows
