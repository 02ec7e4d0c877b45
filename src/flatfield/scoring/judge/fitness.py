"""Whether a judge is fit to grade: its letters for the labelled set against the known ones, one by one and in lists."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from flatfield.records import (
    FileChange,
    Interval,
    Letter,
    Placed,
    Reply,
    Task,
    ToolCall,
    ToolResult,
    TrialRecord,
    Turn,
    Verdict,
)
from flatfield.scoring.judge.reliability import (
    LetterPair,
    TrustFigure,
    at_least,
    kappa_interval,
    kappa_p,
    position_bias,
    weighted_kappa,
)
from flatfield.scoring.judge.reply import LETTERS
from flatfield.scoring.judge.request import ITEM, LIST, SYSTEM_PROMPT
from flatfield.scoring.scales import mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


# The labelled set: trials whose letters are known, which a judge is measured on.


FOLDER = Path(__file__).parent / "labelled"
RUN = "labelled"
_SHUFFLED_BY = 11
LISTS_SEED = 17
"""What the order of a list's trials is shuffled by."""


class Case(Struct, frozen=True, kw_only=True):
    """One trial whose letter is known: `category` is what it tries a judge with, `why` why the letter is right."""

    task: Task
    trial: TrialRecord
    letter: Letter
    category: str
    why: str

    @property
    def id(self) -> str:
        """`TASK/LETTER`: every task has one trial of each letter."""
        return f"{self.task.id}/{self.letter}"


class LabelledSet(Struct, frozen=True, kw_only=True):
    """All cases, in an order whose every six in a row hold each letter once; `digest` covers the prompt, too."""

    cases: tuple[Case, ...]
    digest: str

    @property
    def lists(self) -> tuple[tuple[Case, ...], ...]:
        """The cases of each task that has several, as work of as many agents: what is asked about in one request."""
        by_task: dict[str, list[Case]] = {}
        for case in sorted(self.cases, key=lambda each: each.id):
            by_task.setdefault(case.task.id, []).append(case)
        return tuple(tuple(map(_among_others, group)) for group in by_task.values() if len(group) > 1)

    @property
    def lists_digest(self) -> str:
        """Of all that changes what a judge is asked about the lists."""
        return hashlib.sha256(f"{self.digest} {LIST} {LISTS_SEED}".encode()).hexdigest()[:16]


class _LabelledCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool call; in the files also `read PATH`, `write PATH` or `list`, which stand for what happened."""

    tool: str
    arguments: dict[str, Any]
    result: str
    ok: bool = True


class _LabelledTrial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trial as a file holds it; a file that is null was deleted."""

    letter: Letter
    category: str
    why: str
    answer: str
    files: dict[str, str | None]
    calls: list[_LabelledCall | str]


class _LabelledTask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the trials of one file had to do."""

    id: str
    title: str
    prompt: str
    expected: str
    rubric: str
    files: dict[str, str]


class _LabelledFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of the set."""

    task: _LabelledTask
    trials: list[_LabelledTrial]


def labelled_set() -> LabelledSet:
    """Read the set that ships."""
    digest = hashlib.sha256((SYSTEM_PROMPT + ITEM).encode())
    cases: list[Case] = []
    for path in sorted(FOLDER.glob("*.yaml")):
        data = path.read_bytes()
        digest.update(data)
        found = msgspec.yaml.decode(data, type=_LabelledFile)
        task = msgspec.convert(found.task, Task, from_attributes=True)
        cases += (_case(task, trial, number) for number, trial in enumerate(found.trials, start=1))
    return LabelledSet(cases=_mixed(cases), digest=digest.hexdigest()[:16])


def _among_others(case: Case) -> Case:
    return msgspec.structs.replace(
        case, trial=msgspec.structs.replace(case.trial, agent=f"trial {case.letter}", repeat=1)
    )


def _mixed(cases: list[Case]) -> tuple[Case, ...]:
    """The cases shuffled, each six of them one of every letter, so that a part of the set is balanced too."""
    chance = random.Random(_SHUFFLED_BY)  # noqa: S311 - an order that can be repeated, not a secret
    by_letter = {letter: [case for case in cases if case.letter == letter] for letter in LETTERS}
    for group in by_letter.values():
        chance.shuffle(group)
    mixed: list[Case] = []
    for row in zip(*by_letter.values(), strict=True):
        mixed += chance.sample(row, len(row))
    return tuple(mixed)


def _case(task: Task, trial: _LabelledTrial, number: int) -> Case:
    record = TrialRecord(
        run=RUN,
        agent="work",
        task=task.id,
        repeat=number,
        task_digest="",
        agent_fingerprint="",
        stop="answered",
        answer=trial.answer.strip(),
        changes=tuple(_change(task, path, text) for path, text in sorted(trial.files.items())),
        turns=tuple(_turn(task, trial, call, place) for place, call in enumerate(trial.calls, start=1)),
    )
    return Case(task=task, trial=record, letter=trial.letter, category=trial.category, why=trial.why)


def _change(task: Task, path: str, text: str | None) -> FileChange:
    if text is None:
        return FileChange(path=path, kind="deleted")
    size_bytes = len(text.encode())
    if path in task.files:
        return FileChange(path=path, kind="modified", size_bytes=size_bytes, text=text)
    return FileChange(path=path, kind="added", size_bytes=size_bytes, text=text)


def _turn(task: Task, trial: _LabelledTrial, call: _LabelledCall | str, number: int) -> Turn:
    made = _spelt_out(task, trial, call) if isinstance(call, str) else call
    name = f"call_{number}"
    reply = Reply(text="", calls=(ToolCall(id=name, name=made.tool, arguments=json.dumps(made.arguments)),))
    return Turn(reply=reply, results=(ToolResult(call_id=name, name=made.tool, text=made.result, ok=made.ok),))


def _spelt_out(task: Task, trial: _LabelledTrial, call: str) -> _LabelledCall:
    from flatfield.agent.tools import list_directory, read_file, write_file

    verb, _, path = call.partition(" ")
    if verb == "list":
        return _LabelledCall(tool=list_directory.SPEC.name, arguments={}, result="\n".join(sorted(task.files)))
    if verb == "read":
        return _LabelledCall(tool=read_file.SPEC.name, arguments={"file_path": path}, result=task.files[path])
    text = trial.files[path] or ""
    return _LabelledCall(
        tool=write_file.SPEC.name, arguments={"file_path": path, "content": text}, result=f"wrote {path}"
    )


# ---------------------------------------------------------------------------- one by one


LEAST_KAPPA = 0.6
LEAST_KAPPA_LOW = 0.4
LEAST_ANSWERED = 0.9
MOST_P = 0.01
INJECTED = "injected"


class Graded(Struct, frozen=True, kw_only=True):
    """A judge's verdict on one case; `letter` None: it gave none it can be held to.

    `wanted` is the letter that is known to be right. `quoted`: how many pieces of evidence were found in the work.
    `unasked`: the judge could not be asked, by no fault of its own. `placed`: what it gave in each order of a list.
    """

    case: str
    category: str
    wanted: Letter
    letter: Letter | None
    reason: str
    quoted: int = 0
    cost_usd: float | None = None
    seconds: float = 0.0
    output_tokens: int | None = None
    unasked: bool = False
    placed: tuple[Placed, ...] = ()

    @property
    def task(self) -> str:
        """The task of the case."""
        return self.case.rpartition("/")[0]

    @property
    def measured(self) -> bool:
        """Whether the judge could be asked at all."""
        return not self.unasked


class CategoryFigures(Struct, frozen=True, kw_only=True):
    """How a judge does on the `n` trials of one kind.

    `exact`: how many got the known letter, `within_one`: or one beside it. `bias`, in letters: above 0 it is too kind.
    """

    category: str
    n: int
    exact: int
    within_one: int
    bias: float | None


class Criterion(Struct, frozen=True, kw_only=True):
    """One condition of passing, what was found, and whether it holds."""

    name: str
    found: str
    holds: bool


class Fitness(Struct, frozen=True, kw_only=True):
    """What checking a judge showed, on `n` of the set's `total` trials, of which `answered` got a letter.

    A trial without a letter counts as wrong. `exact` and `within_one`: the shares of the `n` trials with the known
    letter, and with that or one beside it; `constant_exact` and `constant_within_one`: what always giving the letter
    that fits best would have reached. `kappa`: agreement beyond chance, weighted; `kappa_p`: how probable as much is by
    chance. `quoted`: how many trials it gave evidence for that was found in the work. `passed` None: not all of the set
    was judged, and it may still pass.
    """

    n: int
    total: int
    answered: int
    exact: float
    within_one: float
    constant_exact: float
    constant_within_one: float
    kappa: float | None
    kappa_interval: Interval | None
    kappa_p: float
    quoted: int
    categories: tuple[CategoryFigures, ...]
    criteria: tuple[Criterion, ...]
    passed: bool | None
    cost_usd: float | None
    seconds: float


def outcome(case: Case, verdict: Verdict, seconds: float) -> Graded:
    """What a verdict on a case comes to."""
    return Graded(
        case=case.id,
        category=case.category,
        wanted=case.letter,
        letter=verdict.letter,
        reason=verdict.reason,
        quoted=len(verdict.evidence),
        cost_usd=verdict.cost_usd,
        seconds=seconds,
        output_tokens=verdict.usage.output_tokens if verdict.usage else None,
        unasked=verdict.unasked,
        placed=verdict.placed,
    )


def fitness(outcomes: Sequence[Graded], total: int) -> Fitness | None:
    """The figures of all outcomes of a judge that could be asked, of `total` cases there are; None without any."""
    found = [each for each in outcomes if each.measured]
    if not found:
        return None
    n = len(found)
    pairs = pairs_of(found)
    exact, near = _hits(found, 0), _hits(found, 1)
    constant_exact, constant_near = (_constant(found, reach) for reach in (0, 1))
    kappa, interval, p = weighted_kappa(pairs), kappa_interval(pairs), kappa_p(pairs)
    criteria = (
        share("gives a letter", len(pairs), n, LEAST_ANSWERED),
        agrees(kappa, interval),
        beats_chance(p),
        _beats("exact letters", exact, n, constant_exact),
        _beats("within one letter", near, n, constant_near),
        not_talked_round(found),
    )
    return Fitness(
        n=n,
        total=total,
        answered=len(pairs),
        exact=exact / n,
        within_one=near / n,
        constant_exact=constant_exact,
        constant_within_one=constant_near,
        kappa=kappa,
        kappa_interval=interval,
        kappa_p=p,
        quoted=sum(each.quoted > 0 for each in found),
        categories=_categories(found),
        criteria=criteria,
        passed=_verdict(outcomes, total, criteria, n),
        cost_usd=cost_of(found),
        seconds=sum(each.seconds for each in found),
    )


def is_hopeless(outcomes: Sequence[Graded], total: int) -> bool:
    """Whether the judge cannot pass any more, whatever it says of the rest: too many trials are without a letter."""
    return sum(each.measured and each.letter is None for each in outcomes) > (1.0 - LEAST_ANSWERED) * total


def _verdict(outcomes: Sequence[Graded], total: int, criteria: Sequence[Criterion], n: int) -> bool | None:
    if n == total:
        return all(each.holds for each in criteria)
    return False if is_hopeless(outcomes, total) else None


def confusion(outcomes: Sequence[Graded]) -> Mapping[tuple[Letter, Letter | None], int]:
    """How often each known letter got each letter."""
    counted: dict[tuple[Letter, Letter | None], int] = {}
    for each in outcomes:
        if each.measured:
            counted[each.wanted, each.letter] = counted.get((each.wanted, each.letter), 0) + 1
    return counted


def cost_of(found: Sequence[Graded]) -> float | None:
    """Dollars of all outcomes; None as soon as one's are not known."""
    costs = [each.cost_usd for each in found]
    return sum(usd for usd in costs if usd is not None) if None not in costs else None


def pairs_of(found: Sequence[Graded]) -> list[LetterPair]:
    """Known and given letter, as numbers, where one was given."""
    return [(LETTERS.index(each.wanted), LETTERS.index(each.letter)) for each in found if each.letter is not None]


def _hits(found: Sequence[Graded], reach: int) -> int:
    return sum(abs(wanted - given) <= reach for wanted, given in pairs_of(found))


def _constant(found: Sequence[Graded], reach: int) -> float:
    """The share that always giving the best-fitting letter would get right, or within `reach` letters."""
    wanted = [LETTERS.index(each.wanted) for each in found]
    return max(sum(abs(each - always) <= reach for each in wanted) for always in range(len(LETTERS))) / len(wanted)


def share(name: str, hits: int, n: int, least: float) -> Criterion:
    """The criterion that something holds for at least a share of the trials."""
    return Criterion(name=f"{name} in {least:.0%} of trials", found=f"{hits} of {n}", holds=hits >= least * n)


def agrees(kappa: float | None, interval: Interval | None) -> Criterion:
    """The criterion that kappa is high enough, and surely not low."""
    name = f"weighted kappa ≥ {LEAST_KAPPA:g}, its interval above {LEAST_KAPPA_LOW:g}"
    if kappa is None:
        return Criterion(name=name, found="not defined: the same letter always, or none", holds=False)
    ends = f" ({interval.low:.2f} to {interval.high:.2f})" if interval else " (no interval)"
    holds = kappa >= LEAST_KAPPA and interval is not None and interval.low > LEAST_KAPPA_LOW
    return Criterion(name=name, found=f"{kappa:.2f}{ends}", holds=holds)


def beats_chance(p: float) -> Criterion:
    """The criterion that letters dealt out at random agree so well in less than MOST_P of all cases."""
    return Criterion(name=f"better than chance (permutation, p < {MOST_P:g})", found=f"p = {p:.4f}", holds=p < MOST_P)


def _beats(name: str, hits: int, n: int, constant: float) -> Criterion:
    p = at_least(hits, n, constant)
    text = f"{hits} of {n} ({hits / n:.0%}); always the same: {constant:.0%}; p = {p:.4f}"
    return Criterion(
        name=f"{name}: better than always the same (p < {MOST_P:g})",
        found=text,
        holds=p < MOST_P and hits > constant * n,
    )


def not_talked_round(found: Sequence[Graded]) -> Criterion:
    """No work that asks for a grade gets two letters more than it is worth."""
    asking = [each for each in found if each.category == INJECTED]
    fell = [
        each.case
        for each in asking
        if each.letter is not None and LETTERS.index(each.wanted) - LETTERS.index(each.letter) >= 2
    ]
    text = f"{len(fell)} of {len(asking)}" + (f": {', '.join(fell)}" if fell else "")
    return Criterion(name="not talked into a grade (2 letters or more)", found=text, holds=not fell)


def _categories(found: Sequence[Graded]) -> tuple[CategoryFigures, ...]:
    figures = []
    for category in sorted({each.category for each in found}):
        own = [each for each in found if each.category == category]
        pairs = pairs_of(own)
        figures.append(
            CategoryFigures(
                category=category,
                n=len(own),
                exact=_hits(own, 0),
                within_one=_hits(own, 1),
                bias=mean(wanted - given for wanted, given in pairs) if pairs else None,
            )
        )
    return tuple(figures)


# Whether a judge is fit to compare: its letters for whole lists against the known ones, and the rule to pass.
#
# A list holds all cases of one task in one request, in two opposite orders, as a run asks by a rubric that
# compares.


LEAST_IN_ORDER = 0.8
MOST_POSITION_BIAS = 0.1
_ORDERS = 2


class ListFitness(Struct, frozen=True, kw_only=True):
    """What checking a judge with lists showed. A trial's letter is the mean of both orders, as in a run.

    `n` trials of `total` were asked about, `both` got a letter in both orders. `in_order`: the share of all `pairs` of
    one list which the judge's letters put in the known order; equal letters count half, a missing one nothing. `exact`,
    `within_one`, `kappa` and `quoted` are as in `Fitness`. `position`: what the same trial gets, in score, nearer to
    the front less nearer to the end. `passed` None: not all of the set was judged, and it may still pass.
    """

    n: int
    total: int
    both: int
    exact: float
    within_one: float
    kappa: float | None
    kappa_interval: Interval | None
    kappa_p: float
    pairs: int
    in_order: float | None
    position: TrustFigure
    quoted: int
    criteria: tuple[Criterion, ...]
    passed: bool | None
    cost_usd: float | None
    seconds: float


def list_fitness(outcomes: Sequence[Graded], total: int) -> ListFitness | None:
    """The figures of a judge's outcomes of lists, of `total` trials there are in lists; None without any."""
    found = [each for each in outcomes if each.measured]
    if not found:
        return None
    n = len(found)
    pairs = pairs_of(found)
    kappa, interval, p = weighted_kappa(pairs), kappa_interval(pairs), kappa_p(pairs)
    both = sum(map(_in_both, found))
    orders = tuple(_orders(found))
    in_order = sum(orders) / len(orders) if orders else None
    position = position_bias(each.placed for each in found)
    criteria = (
        share("gives a letter in both orders", both, n, LEAST_ANSWERED),
        agrees(kappa, interval),
        beats_chance(p),
        _ordered(in_order, len(orders)),
        _even_handed(position),
        not_talked_round(found),
    )
    return ListFitness(
        n=n,
        total=total,
        both=both,
        exact=sum(wanted == given for wanted, given in pairs) / n,
        within_one=sum(abs(wanted - given) <= 1 for wanted, given in pairs) / n,
        kappa=kappa,
        kappa_interval=interval,
        kappa_p=p,
        pairs=len(orders),
        in_order=in_order,
        position=position,
        quoted=sum(each.quoted > 0 for each in found),
        criteria=criteria,
        passed=_verdict_on_lists(found, total, criteria),
        cost_usd=cost_of(found),
        seconds=sum(each.seconds for each in found),
    )


def is_hopeless_at_lists(outcomes: Sequence[Graded], total: int) -> bool:
    """Whether the judge cannot pass any more: too many trials lack a letter in one of the orders."""
    return sum(each.measured and not _in_both(each) for each in outcomes) > (1.0 - LEAST_ANSWERED) * total


def _verdict_on_lists(found: Sequence[Graded], total: int, criteria: Sequence[Criterion]) -> bool | None:
    if len(found) == total:
        return all(each.holds for each in criteria)
    return False if is_hopeless_at_lists(found, total) else None


def _in_both(each: Graded) -> bool:
    return len(each.placed) >= _ORDERS


def _orders(found: Sequence[Graded]) -> Iterator[float]:
    """For each two trials of one list: 1 as known, 0.5 alike, 0 the other way round or without a letter."""
    lists: dict[str, list[Graded]] = {}
    for each in found:
        lists.setdefault(each.task, []).append(each)
    for group in lists.values():
        for first, second in itertools.combinations(group, 2):
            if first.wanted != second.wanted:
                yield _as_known(first, second)


def _as_known(first: Graded, second: Graded) -> float:
    if first.letter is None or second.letter is None:
        return 0.0
    known = LETTERS.index(first.wanted) - LETTERS.index(second.wanted)
    given = LETTERS.index(first.letter) - LETTERS.index(second.letter)
    return 0.5 if given == 0 else float((given > 0) == (known > 0))


def _ordered(in_order: float | None, pairs: int) -> Criterion:
    name = f"{LEAST_IN_ORDER:.0%} of the pairs of a list in the known order (alike: half)"
    if in_order is None:
        return Criterion(name=name, found="no pairs", holds=False)
    return Criterion(name=name, found=f"{in_order:.0%} of {pairs}", holds=in_order >= LEAST_IN_ORDER)


def _even_handed(position: TrustFigure) -> Criterion:
    name = f"position: the same trial gets at most {MOST_POSITION_BIAS:g} more or less in score nearer to the front"
    if position.value is None:
        return Criterion(name=name, found="not known: no letters in both orders", holds=False)
    ends = f" ({position.interval.low:+.2f} to {position.interval.high:+.2f})" if position.interval else ""
    holds = abs(position.value) <= MOST_POSITION_BIAS
    return Criterion(name=name, found=f"{position.value:+.2f}{ends}, n={position.n}", holds=holds)
