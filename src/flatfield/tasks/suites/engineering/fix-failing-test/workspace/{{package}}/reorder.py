"""What to buy again."""

LOW = {{low}}


def to_reorder(stock):
    """The items that run out, the scarcest first."""
    scarce = [name for name, pieces in stock.items() if pieces < LOW]
    return sorted(scarce, {{reorder_line}})
