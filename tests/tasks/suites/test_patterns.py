"""The patterns of all checks that ship are told at once of any text, however long."""

from __future__ import annotations

import random
import re
import string
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

import flatfield
from flatfield.scoring.verifying.matching import SEARCH_LIMIT_CHARACTERS, search

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.whole

SHIPPED = Path(flatfield.__file__).parent
MOST_SECONDS = 0.2


def _patterns(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["matches"]] if isinstance(value.get("matches"), str) else ())
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _patterns(item)


@cache
def _shipped() -> dict[str, str]:
    found = {}
    for place in sorted(SHIPPED.rglob("*.md")):
        parts = place.read_text(encoding="utf-8", errors="replace").split("\n---\n")
        if parts[0].startswith("---\n") and "verify:" in parts[0]:
            for number, pattern in enumerate(_patterns(yaml.safe_load(parts[0].removeprefix("---\n")))):
                found[f"{place.stem}-{number}"] = pattern
    return found


def _long(pattern: str) -> Iterator[str]:
    words = random.Random(7)
    named = [*re.findall(r"[A-Za-z]{3,}", pattern), "Jupiter", "green", "not"]
    yield from (f"{word} " * (SEARCH_LIMIT_CHARACTERS // (len(word) + 1)) for word in dict.fromkeys(named))
    yield from (
        piece * (SEARCH_LIMIT_CHARACTERS // len(piece)) for piece in ("a", " ", "\n", "`", " \n", "*_", "=", "\r\n")
    )
    yield " ".join("".join(words.choices(string.ascii_lowercase, k=6)) for _ in range(SEARCH_LIMIT_CHARACTERS // 7))


@pytest.mark.slow
async def test_no_pattern_takes_long() -> None:
    for name, pattern in _shipped().items():
        texts = tuple(_long(pattern))
        assert (await search(pattern, texts[0])).holds is not None, name
        for text in texts:
            begun = time.thread_time()
            re.search(pattern, text, re.MULTILINE)
            assert time.thread_time() - begun < MOST_SECONDS, (name, text[:20])


def test_there_are_patterns_to_be_tried() -> None:
    assert {"leaf-0", "lop_eval_1__dummy_test-0", "lop_eval_2__basic_read_test-0"} <= set(_shipped())
