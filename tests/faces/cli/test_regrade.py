"""`flatfield regrade`: other judges, other weights, and never an old verdict lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.testing.fake_server import FakeReply, Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]
    Serve = Callable[..., FakeChat]

pytestmark = pytest.mark.whole


def saying(letter: str) -> Callable[[dict[str, Any], int], FakeReply | Fault]:
    def script(request: dict[str, Any], _number: int) -> FakeReply:
        if str(request["messages"][0]["content"]).startswith("You grade"):
            return FakeReply(text=json.dumps({"reason": f"I say {letter}", "evidence": [], "letter": letter}))
        return FakeReply(text="Knock knock.")

    return script


def at(server: FakeChat, model: str = "m") -> str:
    return f"openai-chat:{model}@{server.base_url}"


def report(cli: Cli) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli("report", "--json").stdout)
    return found


def test_another_judge_counts_and_the_first_ones_letters_are_kept(cli: Cli, serve: Serve) -> None:
    kind, strict = serve(saying("S")), serve(saying("D"))
    assert cli("eval", "joke.md", "--agents", at(kind), "--repeats", "2", "--judge", at(kind)).returncode == 0
    trials = len(kind.requests)
    ended = cli("regrade", "--judge", at(strict))
    assert ended.returncode == 0, ended.stderr
    assert (len(kind.requests), len(strict.requests)) == (trials, 2), "no agent is run, and the first judge not asked"
    assert "S 0.97 → D 0.38" in " ".join(ended.stdout.split())
    assert "count now; those of" in ended.stderr
    assert "never passed its check" in ended.stderr
    found = report(cli)
    assert {each["letter"] for each in found["verdicts"]} == {"D"}
    assert {each["letter"] for each in found["verdicts_set_aside"]} == {"S"}
    assert [each["letters"] for each in found["judges"]["judges"]] == [2]
    back = cli("regrade", "--judge", at(kind), "--missing")
    assert back.returncode == 0
    assert len(kind.requests) == trials, "it has a letter for all"
    assert {each["letter"] for each in report(cli)["verdicts"]} == {"S"}


def test_the_same_judge_again_tells_how_stable_it_is(cli: Cli, serve: Serve) -> None:
    letters = iter("SSSB")

    def wavering(request: dict[str, Any], number: int) -> FakeReply | Fault:
        return saying(next(letters))(request, number)

    judge, agents = at(serve(wavering), "n"), at(serve(saying("F")))
    cli("eval", "joke.md", "--agents", agents, "--repeats", "2", "--judge", judge)
    cli("regrade", "--judge", judge)
    (figures,) = report(cli)["judges"]["judges"]
    assert (figures["stability"]["value"], figures["stability"]["n"]) == (0.5, 2)
    assert [(each["before"], each["after"]) for each in figures["moved"]] == [("S", "B")]
    markdown = cli("report", "--format", "markdown", "--full").stdout
    assert "## How Far the Judges Can Be Trusted" in markdown
    assert "1 letter moved when asked again" in markdown
    text = cli("report").stdout
    assert "How Far the Judges Can Be Trusted" in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_panel_that_is_not_through_leaves_the_old_one(cli: Cli, serve: Serve) -> None:
    kind = serve(saying("S"))
    cli("eval", "joke.md", "--agents", at(kind), "--judge", at(kind))
    broken = serve(lambda *_: Fault(status=400, message="no"))
    ended = cli("regrade", "--judge", at(broken))
    assert ended.returncode == 3
    assert "regrade --missing asks for them" in ended.stderr
    assert cli("report").returncode == 0
    assert {each["letter"] for each in report(cli)["verdicts"]} == {"S", None}


def test_weights_and_scales_hold_for_this_report_only(cli: Cli, norway: str) -> None:
    cli("eval", "oslo.md", "--agents", norway, "--repeats", "2")
    ended = cli("regrade", "--weights", "performance=1", "--json")
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["weights"] == {"performance": 1.0, "speed": 0.0, "cost": 0.0}
    assert report(cli)["weights"]["speed"] == 0.25
    assert "No agent's grade changed." in cli("regrade").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--missing"], "name them with --judge"),
        (["--judge", "noop"], "has a rubric: there is nothing to judge by"),
        (["1999"], "there is no run '1999'"),
        (["--judge", "openai-chat:gpt-5"], "nothing to judge by"),
    ],
)
def test_what_cannot_be_regraded_is_said(cli: Cli, norway: str, arguments: list[str], sentence: str) -> None:
    cli("eval", "oslo.md", "--agents", norway)
    ended = cli("regrade", *arguments)
    assert ended.returncode == 2
    assert sentence in ended.stderr


def test_published_figures_cannot_be_judged(cli: Cli) -> None:
    cli("examples", "load", "nano-agent-2025-08")
    ended = cli("regrade", "--judge", "noop")
    assert ended.returncode == 2
    assert "its letters stay as they are" in ended.stderr
