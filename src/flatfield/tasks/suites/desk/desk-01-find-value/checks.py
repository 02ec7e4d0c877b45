"""The answer names the town's code and no other."""

from marking import CODE, expected, only


def the_code(trial, files):
    return only(trial.answer, CODE, expected(__file__)["code"])
