"""`flatfield eval --until-sure`: rounds that are told, a report that says how, and options that do not go together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.testing.fake_server import FakeReply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]
    Serve = Callable[..., FakeChat]

pytestmark = pytest.mark.whole


@pytest.fixture
def two(serve: Serve, project: Path) -> str:
    """Two agents, of which one finds Oslo more often, and three tasks."""
    lop = (project / "oslo.md").read_text()
    for number in range(3):
        (project / f"oslo{number}.md").write_text(lop.replace("id: oslo", f"id: oslo{number}"))

    def finding(times: str) -> Callable[[dict[str, Any], int], FakeReply]:
        return lambda _request, number: FakeReply(text="Oslo" if times[number % len(times)] == "+" else "Bergen")

    return ",".join(f"openai-chat:m@{serve(finding(times)).base_url}" for times in ("+++-", "+-"))


TASKS = ("oslo0.md", "oslo1.md", "oslo2.md")


def test_rounds_are_told_and_the_report_says_how_it_ended(cli: Cli, two: str) -> None:
    ended = cli("eval", *TASKS, "--agents", two, "--weights", "performance=1", "--until-sure", "--max-repeats", "8")
    assert ended.returncode == 0, ended.stderr
    assert "note: round 1: " in ended.stderr
    assert "not told apart yet (p = 0." in ended.stderr
    said = " ".join(ended.stdout.split())
    assert "- until sure: " in said
    assert "as if the repeats had been fixed beforehand" in said
    run = json.loads(cli("runs", "--json").stdout)[0]
    assert run["planned"] == run["measured"] > 6
    assert f"[{run['planned']}/{run['planned']}]" in ended.stderr
    again = cli("eval", "--resume", "--until-sure", "--max-repeats", "8")
    assert again.returncode == 0
    assert json.loads(cli("runs", "--json").stdout)[0]["planned"] == run["planned"]


def test_what_does_not_go_together_is_refused(cli: Cli) -> None:
    for asked, said in (
        (("oslo.md", "--agents", "noop", "--max-repeats", "9"), "--max-repeats limits what --until-sure adds"),
        (("--extend", "2026", "--agents", "noop", "--until-sure"), "extend first, then go on with"),
    ):
        ended = cli("eval", *asked)
        assert ended.returncode == 2
        assert said in ended.stderr
