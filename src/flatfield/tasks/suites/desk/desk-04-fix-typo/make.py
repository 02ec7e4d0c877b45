"""A short letter with one word misspelt."""

from making import GOODS, PEOPLE, TOWNS, draw, text, write

SHORTEST = 6  # letters of the word


def build(seed, folder):
    rng = draw(seed, "desk-04-fix-typo")
    right, other = rng.sample([word for word in GOODS if len(word) >= SHORTEST], 2)
    wrong = _misspelt(rng, right)
    to, sender = rng.sample(PEOPLE, 2)
    line = f"the {wrong} for {rng.choice(TOWNS)} have not come yet."
    body = [line, f"We still have {rng.randint(12, 60)} {other}.", f"Please call me before {rng.randint(2, 5)} pm."]
    letter = [f"Dear {to},", *body, f"Yours, {sender}"]
    corrected = [each.replace(wrong, right) for each in letter]
    write(folder, {"letter.txt": text(letter)}, {"letter": corrected})
    return {
        "wrong": wrong,
        "right": right,
        "letter": text(corrected),
        "line": line.replace(wrong, right),
    }


def _misspelt(rng, word):
    """The word with two neighbouring letters, which differ, in each other's place."""
    at = rng.choice([at for at in range(1, len(word) - 2) if word[at] != word[at + 1]])
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
