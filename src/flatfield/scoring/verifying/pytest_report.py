"""Tells whether a command runs pytest, and reads how each of its cases ended from its XML report."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

LIMIT_BYTES = 16 * 1024**2
"""A report of 50,000 cases is smaller; what is larger was made large on purpose."""
_PYTHON = re.compile(r"python[0-9.]*$")
_PYTEST = re.compile(r"(pytest|py\.test)(-[0-9.]+)?$")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_WORDS_BEFORE = frozenset({"exec", "env", "time", "nice", "command", "if", "then", "else", "do", "!", "{"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Cases:
    """How a run's cases ended: `failed` names those that did not pass; `others_failed`: cases that do not count did."""

    passed: int
    failed: tuple[str, ...]
    others_failed: bool = False

    @property
    def total(self) -> int:
        """All cases that count."""
        return self.passed + len(self.failed)


def runs_pytest(command: str) -> bool:
    """Whether one of a shell command's simple commands is pytest (or `python -m pytest`)."""
    lexer = shlex.shlex(command.replace("\n", ";"), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:  # unbalanced quotes: the shell will say so
        return False
    return any(_is_pytest(words) for words in _simple_commands(tokens))


def _simple_commands(tokens: list[str]) -> Iterator[list[str]]:
    words: list[str] = []
    for token in tokens:
        if token.strip("();<>|&"):
            words.append(token)
        else:
            yield words
            words = []
    yield words


def _is_pytest(words: list[str]) -> bool:
    while words and (words[0] in _WORDS_BEFORE or _ASSIGNMENT.match(words[0])):
        words = words[1:]
    if words and words[0] == "timeout":
        words = words[2:]
    if not words:
        return False
    program = words[0].rsplit("/", 1)[-1]
    as_module = any(pair == ("-m", "pytest") for pair in pairwise(words))
    return bool(_PYTEST.match(program) or (_PYTHON.match(program) and as_module))


def read_report(data: bytes, only: Collection[str] = ()) -> Cases:
    """The cases of a report in the format `xunit1`.

    A case that failed, could not be set up or torn down, was skipped, or could not be collected has not passed. An
    expected failure (`xfail`) that failed is left out: it is neither. A case has one name, however often it is listed.

    Args:
        data: the XML; it may have been written by anybody.
        only: the files whose cases count, relative to pytest's root; empty: all.

    Raises:
        ValueError: it is no such report.
    """
    if b"<!" in data.replace(b"<![CDATA[", b""):
        raise ValueError("the report declares entities")
    try:
        root = ET.fromstring(data)  # noqa: S314 - entities were refused
    except ET.ParseError as error:
        raise ValueError(f"the report is not XML: {error}") from error
    outcomes: dict[tuple[str, str, str], bool] = {}
    for case in root.iter("testcase"):
        passed = _passed(case)
        if passed is not None:
            key = (case.get("file", ""), case.get("classname", ""), case.get("name", ""))
            outcomes[key] = outcomes.get(key, True) and passed
    counted = {key: passed for key, passed in outcomes.items() if not only or key[0] in only}
    failed = tuple(key[2] for key, passed in counted.items() if not passed)
    others_failed = any(not passed for key, passed in outcomes.items() if key not in counted)
    return Cases(passed=len(counted) - len(failed), failed=failed, others_failed=others_failed)


def _passed(case: ET.Element) -> bool | None:
    """Whether a listed case passed; None when it was expected to fail and did."""
    skipped = case.find("skipped")
    if skipped is not None and skipped.get("type") == "pytest.xfail":
        return None
    return skipped is None and case.find("failure") is None and case.find("error") is None
