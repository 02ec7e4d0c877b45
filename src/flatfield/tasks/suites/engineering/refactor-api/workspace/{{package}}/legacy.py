"""Functions of the first version."""


def {{old}}(text, {{param_old}}):
    """(town, kilograms) of each record of one kind; of all, when it is None."""
    found = []
    for line in text.splitlines():
        line = line.split("#")[0]
        if not line.strip():
            continue
        first, town, weight = line.split()
        if {{param_old}} in (None, first):
            found.append((town, int(weight)))
    return found


def stamp(number):
    """The label of a parcel."""
    return f"P-{number:06d}"


def unstamp(label):
    """The number on a label."""
    return int(label.removeprefix("P-"))
