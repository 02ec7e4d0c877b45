"""What comes into the warehouse and what leaves it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Move:
    """`pieces` of an item came in (positive) or left (negative) on a day."""

    day: int
    item: str
    pieces: int


def read_moves(text):
    """One move a line: `DAY ITEM PIECES`; blank lines do not count."""
    moves = []
    for line in text.splitlines():
        if line.strip():
            day, item, pieces = line.split()
            moves.append(Move(int(day), item, int(pieces)))
    return moves
