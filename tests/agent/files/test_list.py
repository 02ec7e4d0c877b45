"""The list of protected names that people read is the one that is in force."""

from __future__ import annotations

import re
from pathlib import Path

from flatfield.agent.files.protected import listed

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def rows() -> list[str]:
    return [
        f"| {row['kind']} | {', '.join(row['names'])} | {'refused' if row['reads'] else 'allowed'} | {row['reason']} |"
        for row in listed()
    ]


def test_the_table_is_the_list() -> None:
    shown = [line for line in PAGE.splitlines() if re.search(r"\| (refused|allowed) \|", line)]
    assert "\n".join(shown) == "\n".join(rows())


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 25
    for path, test in named:
        assert f"def {test or 'test'}" in (ROOT / path).read_text(encoding="utf-8"), (path, test)
