"""What people write."""

import re
from datetime import timedelta


def duration(text):
    """`2h15m`, `90m` or `30h`."""
    match = re.fullmatch(r"\s*(?:(\d+)h)?(?:(\d+)m)?\s*", text)
    if not match or not any(match.groups()):
        raise ValueError(f"not a duration: {text!r}")
    return timedelta(hours=int(match[1] or 0), minutes=int(match[2] or 0))


def split(text, sep=","):
    """The parts of a text, as they are."""
    return text.split(sep)
