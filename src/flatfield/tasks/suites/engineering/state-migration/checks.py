"""The store and the documents are as they were, and the work was begun."""

from checking import changed


def left_alone(trial, files):
    touched = changed(trial)
    if not any(path.endswith("/migrations.py") for path in touched):
        return 0.0, "no migrations.py was changed"
    spoilt = [path for path in touched if path.startswith("docs/") or path.endswith("/store.py")]
    return (0.0, f"{', '.join(spoilt)} changed") if spoilt else (1.0, "the store and the documents are as they were")
