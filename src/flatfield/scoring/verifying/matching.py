"""Compares text and JSON with what a task's author expects, and says in a few words where they part."""

from __future__ import annotations

import json
import math
import re
import sys
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield import json_text
from flatfield.records import Trouble  # noqa: TC001 - msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


# Tells texts that look alike and are other characters, which is all that a reader of a reason would not see.


SAID = "look alike, but are other Unicode characters"

_SAME = {
    # Quotes, dashes and signs that keyboards and word processors exchange.
    **dict.fromkeys("‘’‚‛ʹʻʼʽˈ`´′＇", "'"),
    **dict.fromkeys("“”„‟″«»＂", '"'),
    **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    **dict.fromkeys("⁄∕", "/"),
    "×": "x",
    "…": "...",
    # Cyrillic and Greek letters that are drawn as Latin ones.
    **dict(zip("АВЕЅІЈКМНОРСТХУаеѕіјорсхуԁһ", "ABESIJKMHOPCTXYaesijopcxydh", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονγ", "ABEZHIKMNOPTYXovy", strict=True)),
}
_TABLE = str.maketrans(_SAME)


def drawn(text: str) -> str:
    """The text as it looks: composed (NFKC), without invisible characters, and one character for all that look so."""
    plain = unicodedata.normalize("NFKC", text).translate(_TABLE)
    unseen = filter(_is_unseen, set(plain))  # each character is looked up once, however long the text
    return plain.translate(dict.fromkeys(map(ord, unseen)))


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f"


def look_alike(one: str, other: str) -> bool:
    """Whether two texts that are not the same look the same."""
    return one != other and drawn(one) == drawn(other)


def twin_of(name: str, names: Iterable[str]) -> str | None:
    """The one of several names that looks like `name`, or is it in other cases; None when there is none."""
    candidates = [other for other in names if other != name]
    alike = (other for other in candidates if look_alike(name, other))
    return next(alike, next((other for other in candidates if other.casefold() == name.casefold()), None))


# Tells whether an answer names what is asked for and nothing else: alone, or in a plain statement.
#
# A plain statement says nothing in words of its own: a lead-in ("The answer is") or the words of the task itself
# ("The largest planet is") before the name, or the task's words behind it ("is the largest planet"). There is no
# list of the ways to deny, doubt or hedge: they are other words. Who asks such a question asks for the name only.


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w[\w'-]*", text))


MOST_CHARACTERS = 400
"""Whoever is asked for a name and writes more has not answered with it."""
_QUOTES = str.maketrans(dict.fromkeys("‘’´`ʼ", "'") | dict.fromkeys("‐‑‒–—−", "-"))
_MARKUP = re.compile(r"\\(?:boxed|text|textbf|mathrm)\b|[*_`#>~\"“”„«»{}\[\]$\\|]|(?<!\w)'|'(?!\w)")
_LEAD_INS = _words(
    "sure yes okay ok certainly of course the my final answer i think believe it it's that that's is would be"
)
_JOINING = _words("the of in our by is")
"""Words that a statement in the task's words may have beside these."""
_DENYING = _words("not no never none neither nor without except but or if wrong false incorrect")
"""Words that turn a statement round or leave it open, in a task too: "do not guess, or you are wrong"."""
_LEADS = re.compile(
    r"(?:.*(?:[:?]|\w is|\b(?:it|that)(?:'s| is| would be))|(?:.*\W)?(?:sure|yes|okay|ok|certainly|of course))?"
    r"(?:(?:^| )the \w+)?"
)
"""How what stands before a name ends, so that the name is what it leads to."""


def named(text: str, names: Sequence[str], others: Sequence[str] = (), asked: str = "") -> Match:
    """Whether a text states one of `names`, in any case and markup, and none of `others`.

    `asked` is what the task says: a statement may be made of its words.
    """
    if len(text.strip()) > MOST_CHARACTERS:
        said = f"has more than {MOST_CHARACTERS} characters, where {_listed(names)} was asked for and nothing else"
        return Match(holds=False, reason=said)
    read = plain(without_fence(text))
    told = re.search(_word(others), read)
    found = list(re.finditer(rf"{_word(names)}(?: \({_word(names)}\))?", read))
    if not found:
        return Match(holds=False, reason=f"does not name {_listed(names)}")
    if told is not None:
        return Match(holds=False, reason=f"names {_listed(names)} and {shown(told.group())}")
    theirs = (_words(plain(asked)) | _JOINING) - _DENYING
    if any(_leads(read[: one.start()], theirs) and _ends(read[one.end() :], theirs) for one in found):
        return Match(holds=True, reason=f"names {_listed(names)}")
    return Match(holds=False, reason=f"does not state {_listed(names)} alone or in one plain statement")


def is_name(text: str) -> bool:
    """Whether a text has what a name is found by: a letter or a digit."""
    return any(each.isalnum() for each in plain(text))


def _leads(before: str, theirs: frozenset[str]) -> bool:
    """Whether what stands before a name is a lead-in, or the task's own words, up to the name that they state."""
    return _words(before) <= theirs | _LEAD_INS and bool(_LEADS.fullmatch(before.strip(" .,;!()-")))


def _ends(after: str, theirs: frozenset[str]) -> bool:
    """Whether nothing stands behind a name, or what the task asked for in its own words."""
    rest = after.strip(" .,;:!()-")
    return not rest or (rest.startswith(("the ", "is the ", "has the ")) and "?" not in rest and _words(rest) <= theirs)


def plain(text: str) -> str:
    """The text as it is read: in one case, on one line, without markup and pictures, letters composed.

    Paragraphs are sentences.
    """
    composed = unicodedata.normalize("NFKC", text).casefold().translate(_QUOTES)
    seen = (each for each in composed if unicodedata.category(each) not in {"Cf", "So", "Sk"} and each != "\ufe0f")
    text = re.sub(r"\s*\n\s*\n\s*", ". ", "".join(seen).strip())
    return " ".join(_MARKUP.sub("", text).split())


def _word(names: Sequence[str]) -> str:
    """A pattern that finds one of the names as a word of its own; of no names, nothing."""
    if not names:
        return r"(?!)"
    written = "|".join(
        r"\s+".join(map(re.escape, plain(name).split())) for name in sorted(names, key=len, reverse=True)
    )
    return rf"(?<![\w-])(?:{written})(?![\w]|'(?!s\b)|-\w)"


def _listed(names: Sequence[str]) -> str:
    return " or ".join(map(shown, names))


SEARCH_LIMIT_CHARACTERS = 1_000_000
SEARCH_SECONDS = 10.0
_SHOWN_CHARACTERS = 80

# Python's `re` holds the interpreter while it searches: a catastrophic pattern can only be ended from outside.
_SEARCH = """
import json, re, sys
pattern, text = json.load(sys.stdin)
sys.stdout.write("1" if re.search(pattern, text, re.MULTILINE) else "0")
"""


class Match(Struct, frozen=True, kw_only=True):
    """Whether something holds (None: could not be measured), and why.

    `late`: finding out took too long; `quotes`: the reason says what was found in the place of what was wanted.
    """

    holds: bool | None
    reason: str
    quotes: bool = False
    late: bool = False

    @property
    def trouble(self) -> Trouble:
        """What a check that this was found by had trouble with."""
        return "time" if self.late else "" if self.holds is not None else "code"


def shown(value: object) -> str:
    """A value as JSON in at most about 80 characters, for reasons."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "a deeply nested value"
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def shown_pattern(pattern: str) -> str:
    """A regular expression as it was written, for reasons: no backslash is doubled."""
    text = '"{}"'.format(pattern.replace("\n", "\\n"))
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def pattern_problem(pattern: str) -> str | None:
    """What is wrong with a regular expression, None when it compiles."""
    try:
        re.compile(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        return f"{shown_pattern(pattern)} is not a regular expression that Python's re understands ({error})"
    return None


async def search(pattern: str, text: str, *, least_seconds: float = 0.0, again: bool = False) -> Match:
    """`re.search` with MULTILINE in a process of its own, over the first SEARCH_LIMIT_CHARACTERS of `text`.

    A search that takes longer than SEARCH_SECONDS, or than `least_seconds` where that is more, is late and found
    nothing out. Where nothing is found, it is searched `again` in the text as it looks, for the reason alone.
    """
    from flatfield.scoring.verifying.child import run_child

    seconds = max(SEARCH_SECONDS, least_seconds)
    data = json.dumps([pattern, text[:SEARCH_LIMIT_CHARACTERS]]).encode()
    command = [sys.executable, "-I", "-S", "-c", _SEARCH]
    result = await run_child(command, data, timeout_seconds=seconds)
    cut = f" (only its first {SEARCH_LIMIT_CHARACTERS:,} characters were searched)"
    note = cut if len(text) > SEARCH_LIMIT_CHARACTERS else ""
    if result.exit_code is None:
        reason = f"searching for {shown_pattern(pattern)} took more than {seconds:g} seconds; use a simpler pattern"
        return Match(holds=None, reason=reason + note, late=True)
    if result.printed == "1":
        return Match(holds=True, reason=f"matches {shown_pattern(pattern)}{note}")
    if result.printed == "0":
        alike = drawn(text) if not again else text
        if alike != text and (await search(drawn(pattern), alike, again=True)).holds:
            note = f" (what would match and what is there {SAID}){note}"
        return Match(holds=False, reason=f"does not match {shown_pattern(pattern)}{note}")
    trouble = result.complained.strip().splitlines()
    return Match(
        holds=None, reason=f"searching for {shown_pattern(pattern)} failed: {trouble[-1] if trouble else 'no output'}"
    )


def equal_text(expected: str, found: str) -> Match:
    """Character for character; the reason names the first line that differs."""
    if expected == found:
        return Match(holds=True, reason="equals what is expected")
    if expected.rstrip("\r\n") == found.rstrip("\r\n"):
        ends = f"expected to end with {shown(_ending(expected))}, ends with {shown(_ending(found))}"
        return Match(holds=False, reason=f"differs only in the line ends at its end: {ends}")
    wanted, got = expected.split("\n"), found.split("\n")
    for number, (left, right) in enumerate(zip(wanted, got, strict=False), start=1):
        if left != right:
            return Match(holds=False, reason=f"line {number}: {_apart(left, right)}", quotes=True)
    return Match(holds=False, reason=f"expected {len(wanted)} lines, found {len(got)}", quotes=True)


def _apart(expected: str, found: str) -> str:
    """Two lines that differ, from a little before the place where they do."""
    at = next((at for at, (one, two) in enumerate(zip(expected, found, strict=False)) if one != two), None)
    start = max((min(len(expected), len(found)) if at is None else at) - _SHOWN_CHARACTERS // 2, 0)
    where = f"from character {start + 1}: " if start else ""
    text = f"{where}expected {shown(expected[start:])}, found {shown(found[start:])}"
    return f"{text} (they {SAID})" if look_alike(expected, found) else text


def contained(part: str, text: str) -> Match:
    """Whether `part` occurs in a text, character for character; the reason names a part that only looks so."""
    if part in text:
        return Match(holds=True, reason=f"contains {shown(part)}")
    alike = f" (it has characters that {SAID})" if drawn(part) in drawn(text) else ""
    return Match(holds=False, reason=f"does not contain {shown(part)}{alike}")


def _ending(text: str) -> str:
    return text[len(text.rstrip("\r\n")) :]


def parse_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value of all of `text`.

    Raises:
        ValueError: it is not JSON (NaN and Infinity are not), nested too deeply to be read, holds a number that no
            reader keeps, or an object with a key twice, of which one reader takes the first value and another the last.
    """
    if json_text.is_deeper(text):
        raise ValueError(f"nested more than {json_text.DEEPEST} levels deep")
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_with_each_key_once)


def _refuse_constant(name: str) -> Any:  # noqa: ANN401 - the signature that json asks for
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {shown(digits)} is out of range")
    return number


def _with_each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise ValueError(f"the key {shown(twice)} stands in one object more than once")
    return found


_FENCE = re.compile(r"\A(`{3,}|~{3,})[^\n`]*\n(?P<body>.*?)\n?[ \t]*\1[ \t]*\Z", re.DOTALL)


def without_fence(text: str) -> str:
    """The inside of a Markdown code fence that surrounds all of `text`; the stripped text when there is none."""
    stripped = text.strip()
    match = _FENCE.match(stripped)
    return match.group("body") if match else stripped


def json_problem(value: object, path: str = "$", levels: int = json_text.DEEPEST) -> str | None:
    """Why a value written in YAML can equal no JSON (a key that is no text, NaN, too deep); None when it can."""
    if not levels:
        return f"the value is nested more than {json_text.DEEPEST} levels deep"
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"the key {shown(key)} at {path} is not text: put it in quotes"
            if problem := json_problem(item, f"{path}.{key}", levels - 1):
                return problem
    elif isinstance(value, list):
        problems = (json_problem(item, f"{path}[{index}]", levels - 1) for index, item in enumerate(value))
        return next((problem for problem in problems if problem), None)
    elif isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124 - NaN
        return f"{value} at {path} is no JSON number"
    return None


def equal_json(expected: object, found: object) -> Match:
    """JSON equality: 1 equals 1.0, true is no number, only arrays have an order; the reason names the first place."""
    return _difference(expected, found, "$") or Match(holds=True, reason="is the expected JSON")


def _difference(expected: object, found: object, path: str) -> Match | None:
    if isinstance(expected, dict) and isinstance(found, dict):
        return _object_difference(expected, found, path)
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            said = f"{path}: expected {len(expected)} items, found {len(found)}"
            return Match(holds=False, reason=said, quotes=True)
        pairs = enumerate(zip(expected, found, strict=True))
        places = (_difference(left, right, f"{path}[{index}]") for index, (left, right) in pairs)
        return next((place for place in places if place), None)
    if _kind(expected) == _kind(found) and expected == found:
        return None
    said = f"{path}: expected {shown(expected)}, found {shown(found)}"
    alike = isinstance(expected, str) and isinstance(found, str) and look_alike(expected, found)
    return Match(holds=False, reason=f"{said} (they {SAID})" if alike else said, quotes=True)


def _object_difference(expected: dict[str, Any], found: dict[str, Any], path: str) -> Match | None:
    if missing := [key for key in expected if key not in found]:
        twin = next((key for key in found if look_alike(missing[0], key)), None)
        other = f", and {shown(twin)} is there (they {SAID})" if twin else ""
        return Match(holds=False, reason=f"{path}: the key {shown(missing[0])} is missing{other}")
    if extra := [key for key in found if key not in expected]:
        return Match(holds=False, reason=f"{path}: the key {shown(extra[0])} is not expected")
    places = (_difference(expected[key], found[key], f"{path}.{key}") for key in expected)
    return next((place for place in places if place), None)


def _kind(value: object) -> str:
    """JSON's type of a value: Python would take true for 1."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__
