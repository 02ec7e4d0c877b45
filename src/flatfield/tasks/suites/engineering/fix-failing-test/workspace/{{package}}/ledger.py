"""How much of each item there is on a day."""


def stock_on(moves, item, day):
    """Pieces of `item` at the end of `day`."""
    return sum(move.pieces for move in moves {{ledger_line}} and move.item == item)


def stock_of_all(moves, day):
    """Pieces of every item at the end of `day`, by name."""
    return {item: stock_on(moves, item, day) for item in sorted({move.item for move in moves})}
