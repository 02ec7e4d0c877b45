"""How each format is read; other programs register theirs here."""

from {{package}}.legacy import {{old}}

READERS = {"plain": {{old}}}


def read(format, text, chosen=None):
    """The records of a text in one of the formats."""
    return READERS[format](text, {{param_old}}=chosen)
