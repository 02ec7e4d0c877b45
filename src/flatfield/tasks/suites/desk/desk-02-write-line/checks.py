"""The new file holds the line and no more; blanks around it are left open."""

from marking import expected, same


def the_line(trial, files):
    wanted = expected(__file__)
    return same(wanted["path"], files.read_text(wanted["path"]).strip().split("\n"), [wanted["line"]])
