"""Lengths of yarn, as docs/lengths.md specifies them."""


def parse_length(text):
    """The length in {{name_d}}s that a text stands for."""
    raise NotImplementedError


def format_length(length):
    """The text of a length in {{name_d}}s."""
    raise NotImplementedError
