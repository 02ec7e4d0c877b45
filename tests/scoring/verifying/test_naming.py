"""What states a name and what only mentions it: a table of texts, each with what is right of it."""

from __future__ import annotations

import time

import pytest

from flatfield.scoring.verifying.matching import MOST_CHARACTERS, is_name, named

OTHERS = ("Mercury", "Venus", "Earth", "Mars", "Saturn", "Uranus", "Neptune", "Pluto")
ASKED = "Which planet of our solar system has the largest mass? Answer with its name only."
STATED = [
    "Jupiter",
    "jupiter.",
    "JUPITER!",
    "**Jupiter**",
    "__Jupiter__.",
    '"Jupiter"',
    "`Jupiter`",
    "# Jupiter",
    "- Jupiter",
    "> Jupiter",
    "Jupiter \U0001fa90",
    "Answer: Jupiter",
    "**Answer:** Jupiter",
    "The answer is Jupiter.",
    "The answer is **Jupiter**.",
    "It's Jupiter.",
    "That would be Jupiter.",
    "Sure! It's Jupiter.",
    "I believe it is Jupiter.",
    "My answer is: Jupiter.",
    "I think it's Jupiter.",
    "The planet Jupiter.",
    "Jupiter is the largest planet in our solar system.",
    "Jupiter has the largest mass.",
    "The planet with the largest mass in our solar system is Jupiter.",
    "Jupiter, the largest planet.",
    "Which planet of our solar system has the largest mass? Jupiter!",
    "The planet with the largest mass: Jupiter",
    "\\boxed{Jupiter}",
    "The planet with the largest mass is, of course, Jupiter.",
    "```\nJupiter\n```",
    "```text\nJupiter\n```",
    "\ufeffJupiter\r\n",
    "The planet with the largest mass\nis Jupiter.",
    "It is Jupiter!",
    "The largest planet is Jupiter.",
    "Yes, Jupiter.",
    "The answer is: Jupiter",
    "(Jupiter)",
    '{"answer": "Jupiter"}',
]
IN_OTHER_WORDS = [
    "Jupiter, of course!",
    "It is Jupiter, with more than twice the mass of all other planets together.",
    "I would say Jupiter.",
    "Planet Jupiter",
    "Jupiter has more mass than all the other planets combined.",
    "Of all the planets of our solar system, the most massive one is Jupiter.",
    "The largest planet is Jupiter (a gas giant), not Saturn.",
    "Jupiter, not Saturn.",
    "Jupiter (the gas giant)",
    "Jupiter - it isn't even close.",
    "Jupiter, by far.",
    "Jupiter, no doubt.",
    "It is none other than Jupiter, no doubt.",
    "Jupiter. It has a mass of 1.898 \u00d7 10^27 kg.",
    "Jupiter, with a mass 318 times that of Earth.",
    "Jupiter has 318 times the mass of Earth.",
    "Jupiter (about 318 times Earth's mass)",
    "Jupiter has the largest mass, and also the largest volume.",
    "Jupiter is the planet that has the largest mass.",
    "Without a doubt, it is Jupiter!",
    "The largest planet by mass is the gas giant Jupiter.",
    "Our solar system's most massive planet is Jupiter.",
    "I'm confident that it is Jupiter.",
    "Jupiter\n\nIt is the most massive planet.",
    "I read the question.\n\nJupiter",
]
"""Right, and more than the name that was asked for: no list tells these from those below."""
NOT_STATED = [
    "Saturn",
    "Jup",
    "Jupiters",
    "I do not know.",
    "It is not Jupiter.",
    "It is anything but Jupiter",
    "It isn\u2019t Jupiter.",
    "It isn't Jupiter",
    "It cannot be Jupiter.",
    "It can't be Jupiter.",
    "Not Jupiter: Saturn",
    "Not Jupiter.",
    "not jupiter",
    "Everyone says Jupiter, but it is Saturn",
    "Everyone says Jupiter.",
    "Some people say it is Jupiter.",
    "Jupiter is the largest? No.",
    "Jupiter?",
    "Is it Jupiter?",
    "Jupiter? Saturn!",
    "Jupiter isn't it.",
    "Jupiter is not the one.",
    "Jupiter, I think, is not the one.",
    "I doubt that it is Jupiter.",
    "Every planet except Jupiter",
    "Every planet is, except Jupiter",
    "Any planet other than Jupiter",
    "All but Jupiter",
    "The one after Jupiter",
    "The next one from Jupiter",
    "Jupiter or Saturn",
    "Jupiter and Saturn",
    "Saturn and Jupiter",
    "Saturn, Jupiter",
    "Jupiter, Saturn",
    "Jupiter/Saturn",
    "Jupiter, or the one with the rings",
    "The one with the rings / Jupiter",
    "Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus, Neptune",
    "Jupiter Saturn Uranus Neptune",
    "Jupiter is larger than",
    "Earth.",
    "Jupiter is smaller than Saturn.",
    "Jupiter is second to Saturn.",
    "Jupiter is the second largest.",
    "It is the one that is not called Jupiter",
    "Jupiter, that's wrong.",
    "Jupiter is wrong.",
    "Jupiter. No, wait: Saturn.",
    "Jupiter. Just kidding, Saturn.",
    "Jupiter - wrong!",
    "Wrong: Jupiter",
    "It would be Jupiter if the others were not there",
    "It used to be Jupiter",
    "If you ask fools, it is Jupiter",
    "It may be Jupiter or another one.",
    "Possibly Jupiter, possibly Saturn",
    "Jupiter is a planet.",
    "Jupiter, no.",
    "Jupiter: false",
    "The largest is Saturn, not Jupiter.",
    "Saturn, which is larger than Jupiter",
    "Saturn is larger, Jupiter is smaller",
    "Neither Jupiter nor Saturn",
    "Jupiter, not.",
    "Never Jupiter.",
    "Jupiter is the wrong answer.",
    "Jupiter excluded, it is the ringed one",
    "Jupiter aside, it is the ringed one",
    "Hardly Jupiter",
    "Io orbits Jupiter",
    "One of Jupiter's moons",
    "Jupiter's moon Ganymede",
    "It is Jupiter's neighbour.",
    "jupiter saturn",
    "The sun, then Jupiter",
    "X-Jupiter",
    "Larger than Jupiter",
    "Jupiter is the answer to another question",
    "Jupiter is the answer to another question.",
    "The wrong answer is Jupiter.",
    "The smallest planet is Jupiter.",
    "The planet with the least mass is Jupiter.",
    "Jupiter is out of the question.",
    "Far from Jupiter",
    "I refuse to say Jupiter",
    "Jupiter fails to be the largest",
    "The answer begins with J and rhymes with Jupiter",
    "Is the planet Jupiter",
    "Is the answer Jupiter?",
    "Jupiter is the largest planet?",
    "It is larger than Jupiter.",
    "It is the neighbour of Jupiter.",
    "It's a planet after Jupiter",
    "Saturn\nJupiter",
    "",
]
MENTIONED_ALONE = [
    "Jupiter, Saturn",
    "Jupiter and Saturn",
    "Saturn Jupiter",
    "Everyone says Jupiter",
    "Not Jupiter: Saturn",
]


def test_what_states_it(subtests: pytest.Subtests) -> None:
    for text in STATED:
        with subtests.test(text):
            found = named(text, ["Jupiter"], OTHERS, ASKED)
            assert (found.holds, found.reason) == (True, 'names "Jupiter"')


def test_what_does_not_state_it(subtests: pytest.Subtests) -> None:
    for text in (*NOT_STATED, *IN_OTHER_WORDS):
        with subtests.test(text):
            assert named(text, ["Jupiter"], OTHERS, ASKED).holds is False


def test_words_that_deny_deny_also_where_the_task_has_them() -> None:
    asked = f"{ASKED} Do not guess: never name another one, no moon, or a wrong one, without a reason."
    for text in ("The planet is not Jupiter", "No: Jupiter", "Never: Jupiter", "Wrong: Jupiter", "Jupiter or another"):
        assert named(text, ["Jupiter"], OTHERS, asked).holds is False


def test_a_statement_in_the_tasks_words_is_none_in_those_of_another_task() -> None:
    assert named("The capital of Norway is Oslo.", ["Oslo"], asked="What is the capital of Norway?").holds is True
    assert named("The capital of Norway is Oslo.", ["Oslo"], asked="Where does the king live?").holds is False


def test_a_choice_is_no_statement_where_the_others_are_not_known_either(subtests: pytest.Subtests) -> None:
    for text in MENTIONED_ALONE:
        with subtests.test(text):
            assert named(text, ["Jupiter"]).holds is False


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Jove", 'does not name "Jupiter"'),
        ("Jupiter or Saturn", 'names "Jupiter" and "saturn"'),
        ("Not Jupiter", 'does not state "Jupiter" alone or in one plain statement'),
        ("Jupiter " * 60, 'has more than 400 characters, where "Jupiter" was asked for and nothing else'),
    ],
)
def test_the_reason_says_what_is_wrong(text: str, reason: str) -> None:
    assert named(text, ["Jupiter"], OTHERS).reason == reason


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("To\u0304kyo\u0304", True),
        ("\uff34\uff4f\uff4b\uff59\uff4f", True),
        ("Tokyo (\u6771\u4eac)", True),
        ("tokyo,  Japan", True),
        ("What is the capital of Japan? The answer is Tokyo.", True),
        ("T\u014dky\u014d is the capital", True),
        ("Tokyo-to", False),
        ("Tokyoite", False),
    ],
)
def test_a_name_in_several_spellings(text: str, holds: bool) -> None:
    asked = "Read note.txt. Answer its question with a name only. What is the capital of Japan?"
    assert named(text, ["Tokyo", "T\u014dky\u014d", "\u6771\u4eac", "Tokyo, Japan"], ["Kyoto"], asked).holds is holds


@pytest.mark.parametrize(
    "piece", ["Jupiter ", "not ", "a", "is the ", ": ", "of course ", "' ", "? ", "\n\n", "times a b "]
)
@pytest.mark.parametrize("characters", [MOST_CHARACTERS - 12, 1_000_000])
def test_it_is_told_at_once_of_any_text(piece: str, characters: int) -> None:
    text = (piece * characters)[:characters]
    for answer in (text, f"{text} Jupiter", f"Jupiter {text}", f"{text[20:]} zz Jupiter", f"Jupiter {text[20:]} zz"):
        begun = time.thread_time()
        named(answer, ["Jupiter"], OTHERS, f"{ASKED} a b zz {piece}")
        assert time.thread_time() - begun < 0.2


def test_a_name_has_a_letter_or_digit() -> None:
    assert is_name("C3")
    assert not is_name(" *\u200b")
