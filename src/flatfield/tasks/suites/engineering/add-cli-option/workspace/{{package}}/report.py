"""Lines as they are printed."""


def listing(line):
    return f"{line.good:<12} {line.town:<12} {line.{{quantity}}:>6}"


def totals(lines):
    """The last line: how many lines, and what they come to."""
    return f"{len(lines)} lines, {{quantity}} {sum(line.{{quantity}} for line in lines)}"
