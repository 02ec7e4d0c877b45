"""`flatfield plan` predicts before spending: no key, no server, no dollar; guesses are called guesses."""

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

PRICES = "[prices.m]\ninput_mtok = 1000.0\noutput_mtok = 0.0\n"


def planned(cli: Cli, *arguments: str) -> dict[str, Any]:
    ended = cli("plan", *arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_without_a_past_it_guesses_and_says_so(cli: Cli, project: Path) -> None:
    asked = ("oslo.md", "--agents", "gpt-5-mini,openai-chat:x@http://127.0.0.1:9/v1,oracle", "--repeats", "4")
    ended = cli("plan", *asked)
    assert ended.returncode == 0
    assert "Plan: 3 agents × 1 task, 12 trials" in ended.stdout
    assert "A guess: as many turns" in " ".join(ended.stdout.split())
    assert "not known of openai-chat:x@127.0.0.1:9, for want of a price" in " ".join(ended.stdout.split())
    assert max(map(len, ended.stdout.splitlines())) <= 100
    found = planned(cli, *asked)
    priced, unpriced, control = found["agents"]
    assert priced["known"] == unpriced["known"] == {"guess": 1}
    assert (unpriced["usd"], unpriced["most_usd"], found["usd"]) == (None, None, None)
    assert 0 < priced["usd"] < priced["most_usd"]
    assert (control["usd"], control["known"]) == (0.0, {"control": 1})
    assert not (project / ".flatfield").exists()


def test_what_was_measured_is_predicted(cli: Cli, serve: Serve, project: Path) -> None:
    (project / "flatfield.toml").write_text(PRICES)
    agent = f"openai-chat:m@{serve(lambda _request, _number: FakeReply(text='It is Oslo.')).base_url}"
    assert cli("eval", "oslo.md", "--agents", agent, "--repeats", "2").returncode == 0
    spent = json.loads(cli("runs", "--json").stdout)[0]["cost_usd"]
    found = planned(cli, "oslo.md", "--agents", agent, "--repeats", "6")
    assert found["usd"] == pytest.approx(3 * spent)
    assert found["agents"][0]["known"] == {"measured": 1}
    assert (found["past_runs"], found["past_trials"]) == (1, 2)
    (project / "oslo.md").write_text((project / "oslo.md").read_text().replace("Which", "What"))
    assert planned(cli, "oslo.md", "--agents", agent)["agents"][0]["known"] == {"other tasks": 1}


def test_a_device_does_one_after_the_other(cli: Cli) -> None:
    found = planned(cli, "oslo.md", "--agents", "local:smollm2-135m,ollama:x", "--repeats", "5")
    assert found["wall_seconds"] == pytest.approx(found["active_seconds"])
    hosted = planned(cli, "oslo.md", "--agents", "gpt-5,gpt-5-mini", "--repeats", "5", "--jobs", "10")
    assert hosted["wall_seconds"] == pytest.approx(hosted["active_seconds"] / 10)
    alone = planned(cli, "oslo.md", "--agents", "gpt-5,gpt-5-mini", "--repeats", "5", "--jobs", "1")
    assert alone["wall_seconds"] == pytest.approx(alone["active_seconds"])


def test_the_judge_is_overhead_shown_apart(cli: Cli) -> None:
    ended = cli("plan", "joke.md", "--agents", "gpt-5-mini", "--judge", "gpt-5", "--repeats", "3")
    assert "Judging: the evaluation's overhead, in no agent's cost" in ended.stdout
    found = planned(cli, "joke.md", "--agents", "gpt-5-mini", "--judge", "gpt-5", "--repeats", "3")
    without = planned(cli, "joke.md", "--agents", "gpt-5-mini", "--repeats", "3")
    assert found["usd"] == without["usd"]
    assert found["judges_usd"] > 0
    assert [line["trials"] for line in found["judges"]] == [3]
    assert "there is nothing to judge" in cli("plan", "oslo.md", "--agents", "gpt-5", "--judge", "gpt-5").stdout


def test_how_far_a_budget_goes(cli: Cli) -> None:
    asked = ("plan", "oslo.md", "--agents", "gpt-5", "--budget-usd")
    assert "would end it after about" in cli(*asked, "0.001").stdout
    assert "within the budget of $50.00" in cli(*asked, "50").stdout


def test_what_it_takes_to_tell_two_apart(cli: Cli) -> None:
    ended = cli("plan", "suite:basic", "--agents", "gpt-5,gpt-5-mini", "--separate", "0.5", "--repeats", "3")
    said = " ".join(ended.stdout.split())
    assert "the plan as it is finds a difference of 0." in said
    assert "on the next tasks like these (power 80%, told apart with 99%)" in said
    assert "to find a difference of 0.5 on these 6 tasks: " in said
    assert "around a pass rate of 0.50, tasks making 30% of a trial's variance (assumed)" in said
    easy = planned(cli, "suite:basic", "--agents", "gpt-5", "--separate", "0.9")["separation"]
    hard = planned(cli, "suite:basic", "--agents", "gpt-5", "--separate", "0.1")["separation"]
    assert hard["repeats_needed"] > easy["repeats_needed"]
    assert hard["tasks_needed"] > easy["tasks_needed"]
    assert easy["these"] < easy["following"]
    assert easy["before"] is None


def test_earlier_trials_of_the_same_agents_and_tasks_say_who_is_ahead(cli: Cli, serve: Serve, project: Path) -> None:
    (project / "flatfield.toml").write_text(PRICES)
    right, wrong = (
        f"openai-chat:m@{serve(lambda _request, _number, text=text: FakeReply(text=text)).base_url}"
        for text in ("It is Oslo.", "It is Bergen.")
    )
    both = f"{right},{wrong}"
    assert cli("eval", "oslo.md", "--agents", both, "--repeats", "4").returncode == 0
    asked = ("oslo.md", "--agents", both, "--repeats")
    few, many = (planned(cli, *asked, repeats)["separation"]["before"] for repeats in ("1", "40"))
    names = {name.removeprefix("openai-chat:m@http://").removesuffix("/v1"): name for name in (right, wrong)}
    best, second = (few[key].removeprefix("openai-chat:m@") for key in ("best", "runner_up"))
    assert (names[best], names[second]) == (right, wrong)
    assert few["trials"] == 8
    assert few["probability"] > 0.8
    assert 0.0 <= few["regret"] < 0.1
    assert 0.3 < few["power"] < many["power"] <= 1.0
    said = " ".join(cli("plan", *asked, "1").stdout.split())
    assert "by 8 earlier trials openai-chat:m@" in said
    assert f"is the best in performance (P = {few['probability']:.2f}" in said
    assert f"on this task with probability {few['power']:.2f}" in said


def test_earlier_trials_of_others_or_of_another_version_say_nothing(cli: Cli, serve: Serve, project: Path) -> None:
    (project / "flatfield.toml").write_text(PRICES)
    url = serve(lambda _request, _number: FakeReply(text="It is Oslo.")).base_url
    one, other = f"openai-chat:m@{url}", f"openai-chat:n@{url}"
    assert cli("eval", "oslo.md", "--agents", one, "--repeats", "2").returncode == 0
    assert planned(cli, "oslo.md", "--agents", f"{one},{other}")["separation"]["before"] is None
    assert cli("eval", "oslo.md", "--agents", other, "--repeats", "2").returncode == 0
    known = planned(cli, "oslo.md", "--agents", f"{one},{other}")["separation"]["before"]
    assert known["trials"] == 4, "of two runs"
    (project / "oslo.md").write_text((project / "oslo.md").read_text().replace("Which", "What"))
    assert planned(cli, "oslo.md", "--agents", f"{one},{other}")["separation"]["before"] is None


def test_what_cannot_be_planned_is_an_error(cli: Cli) -> None:
    for asked, said in (
        (("oslo.md", "--agents", "nobody"), "there is no agent 'nobody'"),
        (("oslo.md", "--agents", "nobody:x"), "there is no provider 'nobody'"),
        (("gone.md", "--agents", "gpt-5"), "there is no file or folder gone.md"),
        ((), "name what to evaluate"),
    ):
        ended = cli("plan", *asked)
        assert (ended.returncode, said in ended.stderr) == (2, True), ended.stderr
