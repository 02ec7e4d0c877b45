"""The log has its old lines and then the new one."""

from marking import expected, lines, same


def the_log(trial, files):
    return same("log.txt", lines(files, "log.txt"), expected(__file__)["log"])
