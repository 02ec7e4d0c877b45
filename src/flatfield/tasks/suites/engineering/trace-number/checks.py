"""The data are as they were, and the work was begun."""

from checking import changed


def data_kept(trial, files):
    touched = changed(trial)
    spoilt = [path for path in touched if path.startswith("data/")]
    if not any(path.startswith("pipeline/") for path in touched):
        return 0.0, "no stage was changed"
    return (0.0, f"{', '.join(spoilt)} changed") if spoilt else (1.0, "data/ is as it was")
