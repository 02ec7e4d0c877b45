"""The walks of docs/internals.md lead through the code as it is."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

import flatfield
from flatfield import records
from flatfield.agent.loop import Outcome

HOUSE = Path(flatfield.__file__).parent
PAGE = (Path(__file__).parents[1] / "docs" / "internals.md").read_text(encoding="utf-8")
MOST_RECORDS = 6
MOST_ROOMS = 5
HANDED_ON = ("runs/routes/here.py", "agent/loop.py", "runs/store/store.py")
"""Where the prompt is a part of the work, the conversation or the record, which have names of their own."""


class Stop(NamedTuple):
    """A row of a walk: what is met there, and what the line of the file is said to hold."""

    met: str
    file: str
    line: int
    text: str


def walk(title: str) -> list[Stop]:
    """The rows of the first table below a title."""
    table = PAGE.partition(f"**{title}")[2].partition("\n\n|")[2].partition("\n\n")[0]
    rows = re.findall(r"(?m)^\|? *(.*?) \| `([\w/]+\.py):(\d+)` \| `(.+?)` \| .* \|$", table)
    return [Stop(met.strip("| `"), file, int(line), text) for met, file, line, text in rows]


TOKENS = walk("A count of tokens, from the wire to the report**")
PROMPT = walk("A prompt from an MCP client, to its record**")


def test_there_are_two_walks() -> None:
    assert (len(TOKENS), len(PROMPT)) == (8, 9)


@pytest.mark.parametrize("stop", [*TOKENS, *PROMPT], ids=lambda stop: f"{stop.file}:{stop.line}")
def test_each_stop_is_where_the_page_says(stop: Stop) -> None:
    lines = (HOUSE / stop.file).read_text(encoding="utf-8").splitlines()
    found = [number for number, line in enumerate(lines, start=1) if stop.text in line]
    assert stop.line in found, f"docs/internals.md: `{stop.text}` of {stop.file} stands at {found}, not at {stop.line}"


def test_a_count_of_tokens_goes_through_six_records_at_most() -> None:
    names = [stop.met for stop in TOKENS if stop.met]
    assert len(names) <= MOST_RECORDS
    shapes = {**vars(records), "Outcome": Outcome}
    for earlier, later in pairwise(names):
        holds = " ".join(str(shape) for shape in shapes[later].__annotations__.values())
        if later == "TrialRecord":  # the sum is a new value of the same kind; the turns are kept beside it
            earlier = "Usage"  # noqa: PLW2901
        assert re.search(rf"\b{earlier}\b", holds), f"no {later} holds a {earlier}"


def test_a_prompt_goes_through_five_rooms_at_most() -> None:
    assert len({Path(stop.file).parent for stop in PROMPT}) <= MOST_ROOMS
    assert all("prompt" in stop.text or stop.file in HANDED_ON for stop in PROMPT)
    files = [(HOUSE / stop.file).read_text(encoding="utf-8") for stop in PROMPT]
    modules = [stop.file.removesuffix(".py").replace("/", ".") for stop in PROMPT]
    for place, module in enumerate(modules[1:], start=1):
        before = files[:place]
        assert module in modules[:place] or any(f"from flatfield.{module} import" in text for text in before), module


# ---------------------------------------------------------------------------- the paths that pages name

ROOMS = "agent|children|faces|http|machine|runs|scoring|tasks|testing|vendors"
PLACE = re.compile(rf"(?m)(?:^|[`\s(])((?:{ROOMS})/[\w/-]*\w(?:\.\w+)*)")
EXAMPLES = re.compile(r"/(NAME|first_tool|count_words|words|tally|spring_figures|compiles)\b|greet-packages")


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", "docs/internals.md", "docs/security.md"])
def test_files_that_a_page_names_are_there(page: str) -> None:
    text = (Path(__file__).parents[1] / page).read_text(encoding="utf-8")
    for place in PLACE.findall(text):
        if not EXAMPLES.search(f"/{place}"):
            assert is_there(place), f"{page} names {place}"


def is_there(place: str) -> bool:
    """Whether there is such a file or folder, or such a name in a file: `tasks/loading.load`."""
    if any((folder / place).exists() for folder in (HOUSE, Path(__file__).parent)):
        return True
    module, *names = place.split(".")
    file = HOUSE / f"{module}.py"
    return file.exists() and all(re.search(rf"\b(def|class) {name}\b", file.read_text("utf-8")) for name in names)


def test_a_place_that_is_gone_is_seen() -> None:
    assert is_there("tasks/loading.load")
    assert is_there("http/transport.Transport.post")
    assert is_there("scoring/verifying/")
    assert not is_there("tasks/loading.unload")
    assert not is_there("scoring/verify")
