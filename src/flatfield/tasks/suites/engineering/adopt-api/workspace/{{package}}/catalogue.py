"""The tools."""

from {{lib}} import keyed, words


def catalogue(rows):
    """The tools by their code; a later row corrects an earlier one."""
    return keyed(rows, "code")


def tagged(rows, tag):
    """The codes of the tools with a tag; tags are written `Garden, heavy`, in any case."""
    wanted = words(tag)
    return [row["code"] for row in rows if all(one in words(row["tags"]) for one in wanted)]
