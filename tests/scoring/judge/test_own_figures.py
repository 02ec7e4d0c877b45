"""What an author used goes, whole; amounts that anything else took or cost stay."""

from __future__ import annotations

import time

import pytest

from flatfield.scoring.judge.blinding import without_own_figures

OWN = [
    ("It took 3.2 s and cost $0.02.", "It […]."),
    ("Runtime: 3.2 seconds; cost: $0.02", "[…]; […]"),
    ("**Time taken:** 3.2s", "**[…]"),
    ("Elapsed: 3.2s", "[…]"),
    ("Elapsed time = about 12 seconds", "[…]"),
    ("(3.2 s, $0.02)", "([…])"),
    ("Fixed the bug (3.2 s, $0.02).", "Fixed the bug ([…])."),
    ("Fixed.\n3.2 s | 1,234 tokens | $0.02", "Fixed.\n[…]"),
    ("$0.02 spent", "[…]"),
    ("All tests pass. 3.2 s elapsed, $0.02 spent.", "All tests pass. […], […]."),
    ("I used 1,234 tokens", "I […]"),
    ("used 1,234 tokens", "[…]"),
    ("took 3.2s and 5 cents", "[…]"),
    ("It took me 3 minutes 20 seconds.", "It […]."),
    ("This took me about 3 minutes and 20 seconds in total.", "This […]."),
    ("The refactoring took me 40 seconds", "The refactoring […]"),
    ("This run cost $0.02", "This run […]"),
    ("The whole run took 12 s for $0.10", "The whole run […]"),
    ("Done in 3.2 s.", "[…]."),
    ("Total cost 0.02 USD", "[…]"),
    ("Es kostete 0,02 $ und dauerte 3 s", "Es […]"),
    ("Ich habe 3 Sekunden gebraucht.", "Ich […]."),
    ("Es hat 0,02 $ gekostet und 3 Minuten 20 Sekunden gedauert.", "Es […]."),
    ("Laufzeit: 3,2 Sekunden, Kosten: 0,02 €", "[…], […]"),
    ("Der Lauf dauerte 3 s", "Der Lauf […]"),
    ("Cela a pris 3 secondes et a coûté 0,02 $.", "Cela […]."),
    ("J'ai mis 3 minutes", "J'[…]"),
    ("Durée : 3,2 s ; coût : 0,02 €", "[…] ; […]"),
    ("Tardé 3 segundos", "[…]"),
    ("Esto costó 0,02 USD y tardó 3 segundos.", "Esto […]."),
    ("Duración: 3 s. Costo: $0.02", "[…]. […]"),
]
OF_OTHERS = [
    "The war cost $3 million in 1914.",
    "The train took 20 minutes to arrive.",
    "She used 5 tokens on the carousel and spent $20 on candy.",
    "The whole sort took 3 s.",
    "Der Zug brauchte 20 Minuten.",
    "Le train a pris 20 minutes.",
    "El tren tardó 20 minutos.",
    "Der Krieg kostete 3 Millionen Dollar.",
    "It cost $3 million to build.",
    "Bake it (20 minutes) at 180 degrees.",
    "Wait 5 seconds, then pay $20.",
    "timeout = 30",
    "time.sleep(3)",
    "The ticket costs $20 and is valid for 90 minutes.",
    "It used 5 files and took 3 steps",
    "A token of 20 minutes spent on the beach",
    "The film runs 90 minutes.",
    "",
]


@pytest.mark.parametrize(("text", "left"), OWN)
def test_what_the_author_used_goes_whole(text: str, left: str) -> None:
    assert without_own_figures(text) == left


@pytest.mark.parametrize("text", OF_OTHERS)
def test_what_others_took_and_cost_stays(text: str) -> None:
    assert without_own_figures(text) == text


@pytest.mark.parametrize(
    "piece", ["3 s ", "it took ", "I have only ", "$3, ", "1.", "cost: ", " ", "3 s, $", "in total "]
)
def test_it_is_done_in_a_moment(piece: str) -> None:
    text = (piece * 20_000)[:20_000]
    begun = time.thread_time()
    without_own_figures(text)
    assert time.thread_time() - begun < 1.0
