"""Tells whether an answer names what is asked for and nothing else: alone, or in a short English statement.

What a statement may look like is listed, and all else is not taken: of the ways to deny, doubt or hedge there is no
list. Who asks such a question asks for the name only, so that an agent that does as it is told is never misread.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from flatfield.scoring.verifying.matching import Found, shown, without_fence

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_CHARACTERS = 400
"""Whoever is asked for a name and writes more has not answered with it."""
_QUOTES = str.maketrans(dict.fromkeys("‘’´`ʼ", "'") | dict.fromkeys("‐‑‒–—−", "-"))
_MARKUP = re.compile(r"\\(?:boxed|text|textbf|mathrm)\b|[*_`#>~\"“”„«»{}\[\]$\\|]|(?<!\w)'|'(?!\w)")
_HARMLESS = re.compile(
    r"\b(?:there(?:'s| is) )?(?:no |without (?:a |any )?|beyond (?:a |any )?)doubt(?: (?:about|on) (?:it|that))?\b"
    r"|\bwithout (?:any )?question\b|\bnone other than\b|\bno contest\b|\b(?:un|not )surprisingly\b"
    r"|\b(?:(?:it|that)(?:'s| is) not|(?:it|that) isn't|not) (?:even )?(?:close|a contest)\b"
    r"|\bno other (?=\w+ comes close\b)"
)
"""Words that would deny, where they do not."""
_DENIED = re.compile(
    r"n't\b|\b(?:isnt|cant|dont|wont|not|never|no|nor|neither|none|nobody|cannot|hardly|doubt\w*|unlikely|false|fake|untrue"
    r"|wrong\w*|incorrect\w*|mistake\w*|errs?|error|myth|lie|lies|joke|kidding|if|whether|unless|except\w*|exclud\w*"
    r"|excepting|but|however|though|although|or|could|might|may|maybe|perhaps|possibly|second|third|smaller|smallest"
    r"|less|least|lightest|once|formerly|until|used to|instead|everyone|everybody|people|some|many|they|said|says"
    r"|claim\w*|would be if|guess)\b|\?"
)
"""What makes a statement something else than one: a denial, a doubt, a choice, a question, the word of others."""
_OWN_WORDS = re.compile(r"\bi(?:'d| would) (?:have to )?(?:say|guess)\b|\b(?:my|best|educated) guess\b|\bi guess\b")
_LEAD = re.compile(
    r"(?:\b(?:the|a|my|final|short|simple|full|correct|right|answer|response|reply|name|planet|city|town|country|capital"
    r"|sure|sure thing|yes|okay|ok|well|certainly|absolutely|of course|definitely|clearly|obviously|easy|easily|simply"
    r"|by far|surely|hm+|ah|oh|so|thus|hence|therefore|hello|hi|here you go|i'd say|done|great question|of)\b"
    r"|[\s,:!.;=()-])*"
)
_SAID = re.compile(
    r"(?:^|.*[\s(])(?:\S+'s|is|are|be|was|called|named|that would be)"
    r"(?:[\s,:-]+(?:the|planet|city|capital|of|course|called|named|simply|clearly|definitely|certainly|obviously|easily"
    r"|naturally|indeed|surely|undoubtedly|by|far|probably|likely|most|gas|giant|massive|mighty))*[\s,:-]*"
    r"|.*\bi(?:'d| would)? (?:say|pick|choose|answer(?: with)?|go with|believe it to be)[\s,:-]*"
)
"""A sentence up to the name that it states."""
_CLAUSE = (
    r"the|a|an|it|its|it's|that|that's|this|which|whose|with|by|at|of|our|about|approximately|around|roughly|also"
    r"|definitely|obviously|certainly|clearly|naturally|easily|simply|undoubtedly|surely|hands|more|over|having|as|since"
    r"|because|being|i|hope|let|feel|thanks|thank|done|known|located|in|on|\d[\d.,]*"
)
_GOES_ON = re.compile(
    rf"[\s)']*(?:$|[.!,;:(=-][\s.!,;:(=-]*(?:$|(?:{_CLAUSE})(?!\w))"
    r"|(?:is|has|holds|wins|takes|contains)[\s,]+(?:the|by|our|clearly|definitely|certainly|obviously|easily|of|indeed|still|about"
    r"|over|around|it|that|right|correct|where|what|a mass|more|\d[\d.,]*)(?!\w)"
    r"|(?:of course|by far|definitely|obviously|certainly|in|no doubt|hands down)(?!\w))"
)
"""What may follow a name so that it stays stated: an end, a clause that tells more of it, a verb."""


def named(text: str, names: Sequence[str], others: Sequence[str] = ()) -> Found:
    """Whether a text states one of `names`, in any case and markup, and none of `others` but to set it apart."""
    if len(text.strip()) > MOST_CHARACTERS:
        said = f"has more than {MOST_CHARACTERS} characters, where {_listed(names)} was asked for and nothing else"
        return Found(holds=False, reason=said)
    read = plain(without_fence(text))
    rival = _word(others)
    wanted = re.search(_word(names), read)
    if wanted is None:
        return Found(holds=False, reason=f"does not name {_listed(names)}")
    head, tail = read[: wanted.start()], read[wanted.end() :]
    tail = re.sub(rf"(?:,|\band\b|-)?\s*\b(?:not|rather than) (?:the )?(?:\w+ )?{rival}", " ", tail)
    tail = re.sub(_word(names), "it", tail)
    tail = re.sub(rf"\btimes (?:[\w'-]+ ){{0,5}}{rival}(?:'s)?", "times as much", tail)
    told = re.search(rival, f"{head} {tail}")
    if told is not None:
        return Found(holds=False, reason=f"names {_listed(names)} and {shown(told.group())}")
    if not (_leads(head) and _follows(tail)):
        return Found(holds=False, reason=f"does not state {_listed(names)} alone or in one short statement")
    return Found(holds=True, reason=f"names {_listed(names)}")


def is_name(text: str) -> bool:
    """Whether a text has what a name is found by: a letter or a digit."""
    return any(each.isalnum() for each in plain(text))


def _leads(head: str) -> bool:
    """Whether what stands before the name only leads to it; a question that is said again before the answer does."""
    asked, _, last = _without_harmless(head).rpartition("?")
    if _DENIED.search(last) or (re.search(r"[.!:]", asked) and _DENIED.search(asked)):
        return False
    sentence = re.split(r"[.!:]\s", f"{last} ")[-1]
    return bool(_LEAD.fullmatch(sentence) or _SAID.fullmatch(sentence))


def _follows(tail: str) -> bool:
    """Whether what stands behind the name leaves it stated."""
    rest = _without_harmless(tail)
    return not _DENIED.search(rest) and bool(_GOES_ON.match(rest))


def _without_harmless(text: str) -> str:
    return _OWN_WORDS.sub("i'd say", _HARMLESS.sub("of course", text))


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
