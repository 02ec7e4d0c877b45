"""Tells a rubric that compares answers with each other ("the shortest") from one that grades each by itself."""

from __future__ import annotations

import re

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
