"""Labels, which are printed in whole sheets."""

from {{lib}} import chunks

A_SHEET = {{sheet}}


def sheets(labels):
    """`(sheets, left)`: the full sheets, and the labels that wait for the next run."""
    full = chunks(labels, A_SHEET)
    return full, list(labels)[len(full) * A_SHEET :]
