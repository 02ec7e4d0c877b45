"""Times and tags as this package reads them."""

from datetime import timedelta

from {{lib}} import duration, split


def whole_minutes(text):
    """Minutes of `{{h}}h{{m}}m`; 0 of a blank text."""
    return duration(text) // timedelta(minutes=1) if text.strip() else 0


def words(text):
    """The parts of `Garden, heavy` in lower case."""
    return [part.strip().lower() for part in split(text) if part.strip()]
