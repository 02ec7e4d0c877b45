"""The letter is the old one but for the word."""

from marking import expected, lines, same


def the_letter(trial, files):
    return same("letter.txt", lines(files, "letter.txt"), expected(__file__)["letter"])
