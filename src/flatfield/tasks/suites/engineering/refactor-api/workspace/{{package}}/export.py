"""Records as comma-separated values."""

from {{package}}.legacy import {{old}} as read


def export(text, chosen):
    """A head and one line a record of the kind."""
    return "\n".join(["town,kilograms", *(f"{town},{weight}" for town, weight in read(text, {{param_old}}=chosen))])
