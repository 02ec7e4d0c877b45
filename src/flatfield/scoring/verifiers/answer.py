"""`answer`: compares the agent's final answer with what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, UnsetType, field

from flatfield.records import Check, VerifierTraits
from flatfield.scoring.protocols import listing, read_map
from flatfield.scoring.verifying import matching

if TYPE_CHECKING:
    from flatfield.records import Task
    from flatfield.scoring.protocols import VerifyContext

TRAITS = VerifierTraits(runs_code=False)


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the answer must be like; all keys that are given must hold.

    `contains`: this text occurs in it, case-sensitive. `equals`: this text, whitespace around both taken away and
    nothing else. `matches`: Python's `re.search` with MULTILINE finds this pattern. `json`: the whole answer is JSON
    equal to this value (1 equals 1.0; the order of an object's keys does not matter); a Markdown code fence around it
    is tolerated. `names`: it states this name (or one of several), in any case, alone or in a plain statement made
    of the task's own words; `others`, beside it: names that it must not hold.
    """

    contains: str | UnsetType = UNSET
    equals: str | UnsetType = UNSET
    matches: str | UnsetType = UNSET
    json_value: Any = field(default=UNSET, name="json")
    names: str | tuple[str, ...] | UnsetType = UNSET
    others: tuple[str, ...] | UnsetType = UNSET

    @property
    def wanted_names(self) -> tuple[str, ...]:
        """The spellings of the name that is asked for; none where no name is."""
        if self.names is UNSET:
            return ()
        return (self.names,) if isinstance(self.names, str) else self.names


def parse(value: object) -> Options:
    """The options as written in a LOP.

    Raises:
        ValueError: one sentence with what is wrong and what would be right.
    """
    options = read_map(value, Options, "answer")
    if not value:
        raise ValueError(
            f"`answer` needs at least one of {listing(['contains', 'equals', 'matches', 'json', 'names'])}"
        )
    if options.contains == "":
        raise ValueError("`answer`: every answer contains the empty text; write the text that `contains` looks for")
    if problem := _names_problem(options):
        raise ValueError(f"`answer`: {problem}")
    if options.matches is not UNSET and (problem := matching.pattern_problem(options.matches)):
        raise ValueError(f"`answer`: {problem}; write the pattern in single quotes")
    if problem := matching.json_problem(options.json_value):
        raise ValueError(f"`answer`: {problem}")
    return options


def _names_problem(options: Options) -> str | None:
    if options.names is UNSET:
        return None if options.others is UNSET else "`others` stands beside `names`; write the name that is right there"
    names, others = options.wanted_names, options.others or ()
    if not names or not all(matching.is_name(name) for name in (*names, *others)):
        return "`names` and `others` are names with a letter or digit in them, such as `names: Paris`"
    both = next((name for name in names for other in others if matching.plain(name) == matching.plain(other)), None)
    return f"{both} is in `names` and in `others`; leave it out of one" if both else None


def create(options: Options) -> AnswerVerifier:
    """The verifier for these options."""
    return AnswerVerifier(options)


class AnswerVerifier:
    """Scores 1 when all that the options state holds for the answer, else 0."""

    def __init__(self, options: Options) -> None:
        self._options = options

    async def verify(self, context: VerifyContext) -> Check:
        """Compare; the reason names the first key that does not hold."""
        answer = context.trial.answer
        reasons = []
        matched = await self._matches(answer, context.least_seconds)
        found_name = self._names(answer, context.task)
        for found in (self._contains(answer), self._equals(answer), matched, self._json(answer), found_name):
            if found is None:
                continue
            if not found.holds:
                reason = f"the answer: {_told(found, answer)}"
                if found.holds is None:
                    return Check(verifier="answer", label="", score=None, reason=reason, trouble=found.trouble)
                return Check(verifier="answer", label="", score=0.0, reason=reason)
            reasons.append(found.reason)
        return Check(verifier="answer", label="", score=1.0, reason=f"the answer: {'; '.join(reasons)}")

    def _contains(self, answer: str) -> matching.Match | None:
        text = self._options.contains
        return None if text is UNSET else matching.contained(text, answer)

    def _equals(self, answer: str) -> matching.Match | None:
        text = self._options.equals
        return None if text is UNSET else matching.equal_text(text.strip(), answer.strip())

    async def _matches(self, answer: str, least_seconds: float) -> matching.Match | None:
        pattern = self._options.matches
        return None if pattern is UNSET else await matching.search(pattern, answer, least_seconds=least_seconds)

    def _names(self, answer: str, task: Task) -> matching.Match | None:
        names, asked = self._options.wanted_names, " ".join((task.prompt, *task.files.values()))
        return matching.named(answer, names, self._options.others or (), asked) if names else None

    def _json(self, answer: str) -> matching.Match | None:
        if self._options.json_value is UNSET:
            return None
        try:
            value = matching.parse_json(matching.without_fence(answer))
        except ValueError as error:
            return matching.Match(holds=False, reason=f"is not JSON as a whole ({error})")
        return matching.equal_json(self._options.json_value, value)


def _told(found: matching.Match, answer: str) -> str:
    """The reason, and the answer's beginning where the reason does not quote it."""
    return (
        found.reason
        if found.quotes or found.holds is None
        else f"{found.reason}; it is {matching.shown(answer.strip())}"
    )
