"""Two hundred and fifty stock cards; 34 of them are the chain, and which ones depends on a number that is carried along."""

import json

from shared import COMPANIES, GOODS, code, draw, write

LENGTH = 34
CARDS = 250


def build(seed, folder):
    rng = draw(seed, "long-chain")
    factor, shift = rng.choice([3, 7, 9, 11, 13]), rng.randint(20, 300)
    cards = {number: _card(rng) for number in range(CARDS)}
    first = rng.randint(11, 99)
    start, way, carry = _walk(rng, cards, first, factor, shift)
    last = way[-1]
    files = {_path(number): _text(number, card, number == last) for number, card in cards.items()}
    files["README.md"] = README.format(factor=factor, shift=shift, cards=CARDS, example=_path(7))
    write(folder / "workspace", files)
    receipts = [cards[number]["receipt"] for number in way]
    receipt, company = receipts[-1], rng.choice(COMPANIES)
    write(folder, {"expected.json": json.dumps({"carry": carry, "receipt": receipt, "receipts": receipts})})
    reads = [{"read_file": {"file_path": path}} for path in ["README.md", *map(_path, way)]]
    return {
        "steps": [*reads, {"answer": f"carry: {carry}\nreceipt: {receipt}"}],
        "all": list(range(1, len(reads) + 1)),
        "company": company,
        "start": _path(start),
        "first": first,
        "carry": carry,
        "miscounted": carry + cards[last]["out"],
        "receipt": receipt,
        "other": receipts[-2],
    }


def _card(rng):
    return {"item": rng.choice(GOODS), "in": rng.randint(3, 60), "out": rng.randint(1, 50), "receipt": code(rng)}


def _next(number, carry, factor, shift):
    return (number + factor * carry + (shift if carry % 2 else 0)) % CARDS


def _walk(rng, cards, first, factor, shift):
    """A start from which no card comes twice, so that the last one can end the chain."""
    while True:
        number, carry, way = rng.randrange(CARDS), first, []
        start = number
        while len(way) < LENGTH and number not in way:
            way.append(number)
            carry += cards[number]["in"] - cards[number]["out"]
            carry = carry if carry >= 0 else -carry
            number = _next(number, carry, factor, shift)
        if len(way) == LENGTH:
            return start, way, carry


def _path(number):
    return f"cards/{number // 50}/card-{number:03d}.txt"


def _text(number, card, last):
    end = "The audit ends here.\n" if last else ""
    return (
        f"card {number:03d}: {card['item']}\nreceived: {card['in']}\nissued: {card['out']}\n"
        f"receipt: {card['receipt']}\n{end}"
    )


README = """# How a stock card is read

There are {cards} cards, numbered from 000: card 7 is {example}, in the folder of its number divided by 50, rounded down.

At each card, the first and the last included:

1. Add what was received to the carry and subtract what was issued. If the result is negative, take it without its sign.
2. If the card says that the audit ends here, stop: this is the carry at the end.
3. Otherwise the number of the next card is the number of this card plus {factor} times the new carry, and {shift} more if
   the new carry is odd; of this sum, the remainder when it is divided by {cards}.
"""
