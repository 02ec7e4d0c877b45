"""The judge: an agent that grades trials against their task's rubric, without knowing whose work it grades.

A rubric that compares is judged listwise: all answers to a task and repeat in one request, in two orders, the second
the reverse of the first, shuffled one, so that every answer has the same mean position; the letter of the mean of the
two letters' midpoints is the verdict. Any other rubric is judged one trial at a time.
"""

from __future__ import annotations

import asyncio
import functools
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from msgspec import structs

from flatfield import plugins
from flatfield.records import MIDPOINTS, Placed, Verdict
from flatfield.scoring.judge.blinding import Blinder
from flatfield.scoring.judge.reply import Mark, read_item, read_list, with_evidence
from flatfield.scoring.judge.request import (
    Bench,
    JudgeReply,
    PromptWriter,
    Question,
    Spent,
    is_small,
    room,
    schema,
    shares,
    total,
)
from flatfield.scoring.measures.scales import letter_of, mean

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig, Reply, Run, Task, TrialRecord
    from flatfield.vendors.base import Conversation, Opening


# Tells a rubric that compares answers with each other ("the shortest") from one that grades each by itself.


_ADJECTIVES = (
    "concise|complete|accurate|efficient|readable|elegant|verbose|detailed|helpful|precise|correct|compact|robust|thorough"
    "|succinct|economical|idiomatic|creative|useful|faithful"
)
_COMPARATIVES = (
    "shorter|faster|slower|better|worse|cleaner|clearer|simpler|quicker|cheaper|briefer|terser|smaller|tighter|leaner"
    "|stronger|weaker"
)
_PEERS = (
    r"(?:(?:the|all|any|every|most)\s+)*"
    r"(?:others?|rest|competing|competitors?|peers?|remaining|answers?|agents?|models?|responses?|submissions?|candidates?)\b"
)
_NO_SUPERLATIVE = re.compile(
    r"(?:py|unit|doc|re|con|pro|at|de)?tests?|requests?|rest|(?:re)?arrest|interest|honest|modest|suggest|west|nest|guest"
    r"|(?:con|in)?quest|digest|forest|manifest|harvest|invest|latest|chest|ingest|crest|zest|vest|pest|jest|earnest|priest"
    r"|divest|infest|everest|budapest|northwest|southwest|midwest",
    re.IGNORECASE,
)
_SIGNS = (
    rf"\bcompar(?:ed|ing|ison|es?)\b[^.\n]{{0,20}}\b(?:to|with|against|between|across|among)\s+{_PEERS}",
    r"\bcompared (?:to|with|against)\b",
    r"\brelative(?:ly)? to\b",
    r"\b(?:versus|vs|outperform\w*)\b",
    rf"\brank(?:s|ed|ing)?\b[^.\n]{{0,30}}\b(?:them|{_PEERS})",
    rf"\b(?:among|amongst|of)\s+(?:all|the)\s+{_PEERS}",
    rf"\bthan\s+(?:average\b|{_PEERS})",
    r"\bthe (?:\w+er|more|less)\b[^.\n]{0,30}\bthe (?:better|worse|higher|lower|more|less)\b",
    r"\b(?:most|least) (?!of\b|recent|common|likely|importantly|part\b|lines\b|words\b|cases\b|items\b)[a-z]{5,}\b",
    rf"\b(?:more|less) (?:{_ADJECTIVES})\b",
    rf"(?<!\bor )(?<!\bno )\b(?:{_COMPARATIVES})\b(?! than (?:\d|one\b|two\b|three\b|ten\b|an?\b))",
    r"\b(?:best|worst)\b(?! practices?\b| efforts?\b| of (?:its|their) (?:ability|knowledge)\b)",
)
_SIGN = re.compile("|".join(f"(?:{sign})" for sign in _SIGNS), re.IGNORECASE)
_SUPERLATIVE = re.compile(r"\b[a-z]{3,}est\b", re.IGNORECASE)
_NOT_COMPARING = re.compile(r"\bat (?:most|least|best|worst)\b", re.IGNORECASE)


def is_comparative(rubric: str) -> bool:
    """Whether a rubric holds a superlative or a comparative that needs the other answers to be judged.

    Limits ("at most 10 lines", "fewer than 3 errors", "B or better") do not compare. A superlative about the task's own
    matter ("names the largest file") is taken for one: judging such a rubric listwise costs more but grades no worse.
    """
    text = _NOT_COMPARING.sub(" ", rubric)
    if _SIGN.search(text):
        return True
    return any(not _NO_SUPERLATIVE.fullmatch(word) and word.lower() != "best" for word in _SUPERLATIVE.findall(text))


# Who made a model, as far as its name or its API tells: for asking whether a judge favours its own.


_OTHERS: Mapping[str, str] = {
    "meta": r"(?:code)?llama|tinyllama",
    "mistral": r"mistral|mixtral|ministral|magistral|codestral|devstral|pixtral",
    "alibaba": r"qwen|qwq",
    "deepseek": r"deepseek",
    "xai": r"grok",
    "microsoft": r"phi",
    "cohere": r"command|cohere",
    "huggingface": r"smollm",
    "zhipu": r"glm|chatglm",
    "moonshot": r"kimi|moonshot",
    "nvidia": r"nemotron",
    "ibm": r"granite",
    "amazon": r"nova|titan",
}
"""Makers that no vendor states: their models are served by others."""


def maker_of(agent: AgentConfig) -> str | None:
    """The maker by the model's name (its last path segment first), else by a vendor's own API; None: not known."""
    known = tuple(_makes())
    for segment in reversed(re.split(r"[/\\]", agent.model)):
        found = {
            maker for maker, words in known if re.search(rf"(?<![a-z])(?:{words})(?![a-z])", segment, re.IGNORECASE)
        }
        if len(found) == 1:
            return found.pop()
    return plugins.traits_or_usual(agent.provider).maker or None


def _makes() -> Iterator[tuple[str, str]]:
    """Each maker, with a regular expression for the words in models' names that are its own."""
    yield from ((vendor.maker, vendor.makes) for vendor in plugins.all_traits() if vendor.maker and vendor.makes)
    yield from _OTHERS.items()


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One task as the judge sees it."""

    run: str
    task: Task
    rubric: str
    blinder: Blinder
    bench: Bench

    def verdict(
        self,
        trial: TrialRecord,
        mark: Mark | str,
        spent: Spent,
        mode: Literal["item", "list"],
        placed: tuple[Placed, ...] = (),
        *,
        unasked: bool,
    ) -> Verdict:
        """The verdict on a trial; a text instead of a mark says how the judge failed."""
        return Verdict(
            run=self.run,
            agent=trial.agent,
            task=trial.task,
            repeat=trial.repeat,
            judge=self.bench.agent.name,
            letter=None if isinstance(mark, str) else mark.letter,
            reason=mark if isinstance(mark, str) else mark.reason,
            mode=mode,
            cost_usd=spent.cost_usd,
            usage=spent.usage,
            evidence=() if isinstance(mark, str) else mark.evidence,
            trial_started_at=trial.started_at,
            judge_vendor=maker_of(self.bench.agent),
            placed=placed,
            unasked=unasked,
        )


def rubric_of(task: Task) -> str:
    """What the judge grades by: the task's rubric and the items of its `rubric` verifiers; "" when there is neither."""
    items: list[str] = []
    for spec in task.verifiers:
        if plugins.verifier_traits(spec.kind).judged:
            value = spec.options.get("value", spec.options.get("items", ()))
            items.extend([value] if isinstance(value, str) else value)
    return "\n".join(part for part in (task.rubric.strip(), *(f"- {item}" for item in items)) if part)


def mode_of(rubric: str) -> Literal["item", "list"]:
    """How a judge is asked by a rubric: about one trial at a time, or about all of a task and repeat at once."""
    return "list" if is_comparative(rubric) else "item"


async def judge(
    run: Run,
    trials: Sequence[TrialRecord],
    judge_agent: AgentConfig,
    converse: Callable[[Opening], Awaitable[Conversation]],
    price: Callable[[Reply], float | None],
    mode: Literal["item", "list"] | None = None,
) -> tuple[Verdict, ...]:
    """One verdict for each trial that was measured here and whose task has a rubric, in the order of `trials`.

    Where a task's `files` hold what its files were before, changes to them are shown as differences. `mode` None: as
    the rubric asks for; the order of a list follows from the run's seed. `converse` opens a conversation with the
    judge's model; `price` gives dollars for a reply, None when not known.
    Whatever fails is a verdict without a letter whose reason says how: nothing is raised for it. The dollars and tokens
    of a listwise request are divided evenly over its trials.
    """
    bench = Bench(agent=judge_agent, converse=converse, price=price)
    work: list[Awaitable[dict[str, Verdict]]] = []
    for task in run.tasks:
        chosen = [trial for trial in trials if trial.task == task.id and not trial.failure and not trial.imported]
        rubric = rubric_of(task)
        if not rubric or not chosen:
            continue
        given = (task.prompt, *task.files, *task.files.values())
        named = (*run.agents, *(step for agent in run.agents for step in agent.steps), judge_agent)
        blinder = Blinder(named, (task.prompt, task.expected, rubric), given)
        case = _Case(run=run.id, task=task, rubric=rubric, blinder=blinder, bench=bench)
        if (mode or mode_of(rubric)) == "list":
            repeats = sorted({trial.repeat for trial in chosen})
            work += [
                _compare(case, [trial for trial in chosen if trial.repeat == each], run.evaluation.seed)
                for each in repeats
            ]
        else:
            work += [_grade(case, trial) for trial in chosen]
    verdicts = {key: verdict for found in await asyncio.gather(*work) for key, verdict in found.items()}
    return tuple(verdicts[trial.id] for trial in trials if trial.id in verdicts)


async def _grade(case: _Case, trial: TrialRecord) -> dict[str, Verdict]:
    """Pointwise: one trial, one request."""
    writer = functools.partial(PromptWriter, case.task, case.rubric, case.blinder, room(case.bench.agent, 1))

    def read(text: str, last: bool) -> Mark:  # noqa: FBT001 - the one flag that Question hands on
        return with_evidence(read_item(text), writer().shown(trial), last=last)

    question = Question(
        write=lambda problem: writer().item(trial, problem),
        read=read,
        schema=schema(None, short=is_small(case.bench.agent)),
    )
    asked = await case.bench.ask(question)
    mark = asked.value or asked.problem
    return {trial.id: case.verdict(trial, mark, asked.spent, "item", unasked=asked.unasked)}


async def _compare(case: _Case, trials: Sequence[TrialRecord], seed: int) -> dict[str, Verdict]:
    """Listwise: all trials of a task and repeat in two orders, which are one when there is only one trial."""
    shuffled = sorted(trials, key=lambda trial: trial.agent)
    order = f"{seed}/{case.task.id}/{trials[0].repeat}"
    random.Random(order).shuffle(shuffled)  # noqa: S311 - an order that can be repeated, not a secret
    orders = [shuffled, shuffled[::-1]][: len(shuffled)]
    asked = await asyncio.gather(*(_ask_list(case, each) for each in orders))
    marks: dict[str, list[Mark]] = {trial.id: [] for trial in trials}
    placed: dict[str, list[Placed]] = {trial.id: [] for trial in trials}
    for each, outcome in zip(orders, asked, strict=True):
        for place, (trial, mark) in enumerate(zip(each, outcome.value or (), strict=False), start=1):
            marks[trial.id].append(structs.replace(mark, reason=_named(mark.reason, each)))
            placed[trial.id].append(Placed(place=place, letter=mark.letter))
    problems = [outcome.problem for outcome in asked if outcome.problem]
    spent = shares(total([outcome.spent for outcome in asked]), len(trials))
    unasked = any(outcome.unasked for outcome in asked)
    found = {}
    for trial, share in zip(trials, spent, strict=True):
        letter = _combined(marks[trial.id], problems)
        found[trial.id] = case.verdict(trial, letter, share, "list", tuple(placed[trial.id]), unasked=unasked)
    return found


async def _ask_list(case: _Case, trials: Sequence[TrialRecord]) -> JudgeReply[tuple[Mark, ...]]:
    count = len(trials)
    writer = functools.partial(PromptWriter, case.task, case.rubric, case.blinder, room(case.bench.agent, count))

    def read(text: str, last: bool) -> tuple[Mark, ...]:  # noqa: FBT001 - the one flag that Question hands on
        marks = zip(read_list(text, count), trials, strict=True)
        return tuple(with_evidence(mark, writer().shown(trial), last=last) for mark, trial in marks)

    question = Question(
        write=lambda problem: writer().listing(trials, problem),
        read=read,
        schema=schema(count, short=is_small(case.bench.agent)),
        pieces=count,
    )
    return await case.bench.ask(question)


def _named(reason: str, order: Sequence[TrialRecord]) -> str:
    """A reason with the agent's name where the judge, who knew none, wrote work_2, which differs between orders."""
    names = {f"work_{number}": trial.agent for number, trial in enumerate(order, start=1)}
    return re.sub(r"\bwork_\d+\b", lambda match: names.get(match[0], match[0]), reason)


def _combined(marks: Sequence[Mark], problems: Sequence[str]) -> Mark | str:
    """One mark from those of both orders; one order alone still counts, and the reason says that the other failed."""
    if not marks:
        return "; ".join(dict.fromkeys(problems))
    letter = letter_of(mean(MIDPOINTS[mark.letter] for mark in marks))
    reason = marks[0].reason
    if len({mark.letter for mark in marks}) > 1:
        reason = "; ".join(
            f"{mark.letter} in order {number}: {mark.reason}" for number, mark in enumerate(marks, start=1)
        )
    if problems:
        reason = f"{reason} (one order only: in the other, {problems[0]})"
    evidence = dict.fromkeys(quote for mark in marks for quote in mark.evidence)
    return Mark(letter=letter, reason=reason, evidence=tuple(evidence))
