"""What is reported to people."""


class Problem(Exception):
    """Its text says what is wrong."""
