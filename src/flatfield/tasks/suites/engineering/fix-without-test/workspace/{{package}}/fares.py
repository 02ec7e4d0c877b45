"""What a crossing costs."""

SUMMER_FROM = {{summer}}
SUMMER_TO = {{autumn}}
SUMMER_CENTS = {{high}}
WINTER_CENTS = {{low}}


def fare(day):
    """Cents for one person on a day."""
    {{season}}
        return SUMMER_CENTS
    return WINTER_CENTS
