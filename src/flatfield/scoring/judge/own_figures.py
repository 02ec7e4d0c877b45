"""Takes out what a text tells of its author's own seconds, dollars and tokens; those of trains and wars stay.

An amount is the author's where a label says so ("Runtime: 3.2 s"), where the author, "it" or the run is who took, cost
or used it, where it is "spent" or "elapsed", or where time and money stand side by side alone ("(3.2 s, $0.02)"). In
English, German, French and Spanish.
"""

from __future__ import annotations

import re

_NUMBER = r"(?>(?<!\d)\d{1,12}(?:[.,]\d{1,9}){0,4}(?!\d))"
# Possessive and bounded throughout: a text of nothing but amounts must be read in a moment, too.
_TIME_UNIT = (
    r"(?:ms|s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|millisec\w*|sekunden?|minuten?|stunden?|secondes?|heures?"
    r"|segundos?|minutos?|horas?)"
)
_TIME = rf"{_NUMBER}\s*{_TIME_UNIT}(?![^\W_])"
_LARGE = r"(?!\s*(?:k|m|bn|thousand|million|billion|trillion|mio|mrd|millionen|millions|millones)(?![^\W_]))"
_MONEY = (
    rf"(?:(?:US)?[$€£]\s?{_NUMBER}(?:\s*(?:USD|EUR))?"
    rf"|{_NUMBER}\s*(?:[$€£]|(?:USD|EUR|dollars?|dólares|cents?|euros?|centimes?|centavos?|céntimos?)(?![^\W_])))"
    rf"{_LARGE}"
)
_TOKENS = rf"{_NUMBER}\s*(?:(?:input|output|prompt|completion|total)\s+)?tokens?(?![^\W_])"
_FIGURE = rf"(?:{_TIME}|{_MONEY}|{_TOKENS})"
_AND = r"\s{0,3}+(?:[,;/|·+&]|and|und|et|y|for|für|pour|por|in|en)?\s{0,3}+"
_FIGURES = rf"(?>{_FIGURE}(?:{_AND}{_FIGURE}){{0,3}})"
_NEARLY = (
    r"(?:(?:me|us|mich|mir|about|around|only|just|roughly|approximately|a total of|a|in total|etwa|rund|ca\.|nur"
    r"|ungefähr|insgesamt|environ|seulement|unos|unas|solo|en total|≈|~)\s*){0,4}+"
)
_VERB = (
    r"(?:took|takes?|cost|costs|used|spent|needed|consumed|lasted|ran\s+(?:for|in)|(?:finished|done|completed)\s+in"
    r"|dauerte|brauchte|kostete|verbrauchte|benötigte|hat|habe|(?:fertig|erledigt)\s+(?:in|nach)"
    r"|(?:a\s+|ai\s+)?(?:pris|coûté|duré|mis|utilisé|consommé|dépensé|terminé\s+en)|coûte|coûtait"
    r"|(?:ha\s+|he\s+)?(?:tardado|costado|durado|usado|gastado|tomado)|tardó|tardé|costó|duró|tomó|llevó|usé|usó|gasté)"
)
_DONE = r"(?:\s+(?:gebraucht|gedauert|gekostet|verbraucht|benötigt|in\s+total|insgesamt|au\s+total|en\s+total)\b)?"
_SUBJECT = (
    r"(?:\b(?:I|it|this|that|we|everything|ich|es|das|dies|wir|alles|je|cela|ça|ce|nous|esto|eso|yo|me)"
    r"|\b(?:this|the|my|dieser|der|mein|cette|mon|esta|la)\s+(?:whole\s+|entire\s+)?(?:run|work|task|job|lauf|durchlauf"
    r"|exécution|tâche|travail|ejecución|tarea|trabajo)|\bl['’]exécution)"
)
_ADVERB = r"(?:\s+(?:has|have|had|only|just|also|all|me|m['’]a|en\s+tout)){0,3}"
_AT_START = r"(?:^|[.!?;:(\[]\s|[(\[])\s{0,8}+"
_MADE = rf"{_VERB}\s+{_NEARLY}{_FIGURES}{_DONE}(?:\s+(?:and|und)\s+{_FIGURES}{_DONE})?"
_MORE = rf"(?:\s*(?:,|and|und|et|y|,\s*and)\s*(?:it\s+|es\s+)?{_MADE}){{0,3}}"
_LABEL = (
    r"\b(?:(?:total|overall|wall|wall[\s-]clock|elapsed|api|my)[\s-]+)?(?:run[\s-]?time|elapsed(?:\s+time)?|duration|latency"
    r"|time(?:\s+(?:taken|spent|used|elapsed))?|costs?|price|spent|tokens?(?:\s+used)?|took|laufzeit|dauer|zeit|gesamtzeit"
    r"|kosten|gesamtkosten|durée|temps(?:\s+\w+)?|coûts?|duración|tiempo(?:\s+\w+)?|costos?|costes?)"
)
_SIDE = r"\s{0,3}[,;/|·+]\s{0,3}"
_MIXED = (
    rf"(?:{_TIME}(?:{_SIDE}(?:{_MONEY}|{_TOKENS})){{1,3}}|{_MONEY}(?:{_SIDE}(?:{_TIME}|{_TOKENS})){{1,3}}"
    rf"|{_TOKENS}(?:{_SIDE}(?:{_TIME}|{_MONEY})){{1,3}})"
)
_ENDS = r"(?=\s*(?:[.,;:!)\]]|$))"
_GONE = (
    r"(?:spent|elapsed|used|in\s+total|gebraucht|verbraucht|ausgegeben|dépensés?|écoulée?s?|utilisés?|gastados?|usados?"
    r"|transcurridos?)"
)
_FLAGS = re.IGNORECASE | re.MULTILINE
_KEEPING = (
    re.compile(rf"({_SUBJECT}{_ADVERB}\s+){_MADE}{_MORE}", _FLAGS),
    re.compile(rf"(\bj['’]){_MADE}{_MORE}", _FLAGS),
    re.compile(rf"({_AT_START}){_MADE}{_MORE}", _FLAGS),
    re.compile(rf"((?:^|[.;:,(\[—-])\s{{0,8}}+){_FIGURES}\s+{_GONE}{_ENDS}", _FLAGS),
    re.compile(r"()\b(?:took|cost)\s+(?:me|us)\s+" + rf"{_NEARLY}{_FIGURES}", _FLAGS),
    re.compile(rf"(){_LABEL}\s{{0,3}}[:=][*_\s]{{0,4}}{_NEARLY}{_FIGURES}", _FLAGS),
    re.compile(rf"()\btotal\s+(?:costs?|time)\s+{_FIGURES}", _FLAGS),
    re.compile(rf"([(\[]\s{{0,3}}){_MIXED}(?=\s{{0,3}}[)\]])", _FLAGS),
    re.compile(rf"(^[ \t*—-]{{0,8}}+){_MIXED}(?=[ \t.*]{{0,8}}$)", _FLAGS),
)
"""What the first group holds stays; all behind it goes."""
WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        cost costs dollar dollars seconds second minutes minute took token tokens duration runtime usd
        kosten kostet kostete dauer dauert sekunden minuten laufzeit
        coût coûte durée secondes costo coste cuesta duración segundos minutos
        """,
    )
)
"""A task that has one of these may ask for such figures."""


def without_own_figures(text: str) -> str:
    """`text` with what its author used replaced by `[…]`."""
    for pattern in _KEEPING:
        text = pattern.sub(r"\1[…]", text)
    return text
