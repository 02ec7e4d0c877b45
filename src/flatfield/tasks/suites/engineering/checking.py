"""What the suite's `checks.py` files share: they read what an agent left, and run none of it."""

import re
from decimal import Decimal


def changed(trial):
    """The paths that the agent added, modified or deleted; caches and logs of test runs do not count."""
    left = re.compile(r"(^|/)(__pycache__|\.pytest_cache|\.mypy_cache|\.ruff_cache)(/|$)|\.pyc$")
    return sorted(change.path for change in trial.changes if not left.search(change.path))


def others(trial, *allowed):
    """What the agent changed beside the paths that it was allowed to."""
    return [path for path in changed(trial) if path not in allowed]


def fields(answer):
    """`NAME: value` lines of an answer as a dict with lower-case names; Markdown around them does not count.

    The last line of a name counts, as a model may think aloud before it answers.
    """
    found = {}
    for line in answer.splitlines():
        match = re.match(r"\W*([A-Za-z][\w -]*?)\W*:\W*?(\S.*)", line.replace("*", "").replace("`", ""))
        if match:
            found[match[1].strip().lower()] = match[2].strip()
    return found


def plain(text):
    """A text without case, quotes, a final point and white space at its ends, for comparing short answers."""
    return text.strip().strip("\"'.").strip().lower()


def number(value):
    """The number that a text or a JSON value writes in digits 0-9, thousands separated or not; None for anything else."""
    match = re.fullmatch(r"-?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]+)?", str(value).strip())
    return Decimal(match[0].replace(",", "")) if match else None


def graded(parts):
    """(score, reason) of a list of (what holds, its name): the fraction that holds, and what does not."""
    wrong = [name for holds, name in parts if not holds]
    score = 1 - len(wrong) / len(parts)
    return score, f"not right: {', '.join(wrong)}" if wrong else "all is right"
