"""The copy is the list, and the list is as it was."""

from marking import expected, lines, same, spoilt


def the_copy(trial, files):
    return spoilt(trial, "list.txt") or same("copy.txt", lines(files, "copy.txt"), expected(__file__)["list"])
