"""Tells whether an answer names what is asked for and nothing else: alone, or in a plain statement.

A plain statement says nothing in words of its own: a lead-in ("The answer is") or the words of the task itself ("The
largest planet is") before the name, or the task's words behind it ("is the largest planet"). There is no list of the
ways to deny, doubt or hedge: they are other words. Who asks such a question asks for the name only.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from flatfield.scoring.verifying.matching import Found, shown, without_fence

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def named(text: str, names: Sequence[str], others: Sequence[str] = (), asked: str = "") -> Found:
    """Whether a text states one of `names`, in any case and markup, and none of `others`.

    `asked` is what the task says: a statement may be made of its words.
    """
    if len(text.strip()) > MOST_CHARACTERS:
        said = f"has more than {MOST_CHARACTERS} characters, where {_listed(names)} was asked for and nothing else"
        return Found(holds=False, reason=said)
    read = plain(without_fence(text))
    told = re.search(_word(others), read)
    found = list(re.finditer(rf"{_word(names)}(?: \({_word(names)}\))?", read))
    if not found:
        return Found(holds=False, reason=f"does not name {_listed(names)}")
    if told is not None:
        return Found(holds=False, reason=f"names {_listed(names)} and {shown(told.group())}")
    theirs = (_words(plain(asked)) | _JOINING) - _DENYING
    if any(_leads(read[: one.start()], theirs) and _ends(read[one.end() :], theirs) for one in found):
        return Found(holds=True, reason=f"names {_listed(names)}")
    return Found(holds=False, reason=f"does not state {_listed(names)} alone or in one plain statement")


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
