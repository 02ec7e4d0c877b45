"""The one page has the new word, and no other page was touched."""

from marking import expected, lines, same


def the_pages(trial, files):
    wanted = expected(__file__)
    inside = [change.path for change in trial.changes if change.path.startswith("pages/")]
    touched = sorted(path for path in inside if path != wanted["path"])
    if touched:
        return 0.0, f"touched as well: {', '.join(touched)}"
    return same(wanted["path"], lines(files, wanted["path"]), wanted["page"])
