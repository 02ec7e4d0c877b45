"""`flatfield eval --extend` adds agents to a stored run; `--strict-fair` refuses agents that differ needlessly."""

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

SETTINGS = """[agents.warm]
provider = "openai-chat"
model = "n"
base_url = "{url}"
temperature = 0.7
"""


def report(cli: Cli) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli("report", "--format", "json").stdout)
    return found


def test_an_added_agent_joins_the_run_and_re_letters_nobody(cli: Cli, serve: Serve, norway: str) -> None:
    assert cli("eval", "oslo.md", "--agents", f"{norway},noop", "--repeats", "2").returncode == 0
    before = report(cli)
    other = serve(lambda _request, _number: FakeReply(text="It is Oslo."))
    added = f"openai-chat:n@{other.base_url}"
    ended = cli("eval", "--extend", before["run"], "--agents", added)
    assert ended.returncode == 0, ended.stderr
    assert "added, 2 trials to do" in ended.stderr
    assert "frozen as they were before agents were added" in " ".join(ended.stdout.split())
    after = report(cli)
    assert after["run"] == before["run"]
    assert len(other.requests) == 2
    assert sorted(trial["repeat"] for trial in after["trials"] if trial["agent"].startswith("openai-chat:n")) == [1, 2]
    old = {card["agent"]: card for card in before["scorecards"]}
    for card in after["scorecards"]:
        if card["agent"] in old:
            was = old[card["agent"]]
            for name in ("performance", "speed", "cost", "overall"):  # ranges learn from everybody, letters do not
                assert [card[name][key] for key in ("score", "letter", "n")] == [
                    was[name][key] for key in ("score", "letter", "n")
                ]
            assert card["active_seconds"] == was["active_seconds"]
    assert json.loads(cli("runs", "--json").stdout)[0]["planned"] == 6


def test_trials_of_the_others_are_left_alone(cli: Cli, norway: str) -> None:
    cli("eval", "oslo.md", "--agents", "openai-chat:gpt-5,oracle", "--skip-unready")
    ended = cli("eval", "--extend", report(cli)["run"], "--agents", norway)
    assert "[1/1]" in ended.stderr
    assert "needs a key" not in ended.stderr
    assert [trial["failure"] is None for trial in report(cli)["trials"]].count(False) == 1


def test_neutral_names_stay_when_a_tenth_agent_comes(cli: Cli, serve: Serve, project: Path) -> None:
    server = serve(lambda _request, _number: FakeReply(text="Oslo"))
    path = project / "oslo.md"
    path.write_text(path.read_text().replace("Norway", "Norway, MODEL_NAME"))
    table = '[agents.m{}]\nprovider = "openai-chat"\nmodel = "m"\nbase_url = "{}"\n'
    tables = "".join(table.format(number, server.base_url) for number in range(10))
    (project / "flatfield.toml").write_text(tables)
    assert cli("eval", "oslo.md", "--agents", ",".join(f"m{number}" for number in range(9))).returncode == 0
    assert cli("eval", "--extend", report(cli)["run"], "--agents", "m9").returncode == 0
    asked = [request["messages"][0]["content"].rpartition(" is ")[2] for request in server.requests]
    assert sorted(asked) == [*(f"agent_{number}." for number in range(1, 10)), "agent_a."]
    found = next(row for row in report(cli)["manifest"] if row["label"].startswith("system prompt"))
    assert (found["differs"], len(set(found["values"].values()))) == (False, 1)


def test_scales_of_another_version_of_a_task_are_not_taken(cli: Cli, norway: str, project: Path) -> None:
    assert cli("eval", "oslo.md", "--agents", norway).returncode == 0
    first = report(cli)["run"]
    path = project / "oslo.md"
    path.write_text(path.read_text().replace("Norway", "Norway, please"))
    assert cli("eval", "oslo.md", "--agents", norway).returncode == 0
    second = report(cli)
    again = json.loads(cli("report", "--anchors", first, "--json").stdout)
    assert again["anchors"] == second["anchors"]
    note = f"run {first} was done with other versions of oslo: its scales are not taken for them, they set their own"
    assert note in again["notes"]
    assert not any("frozen" in text for text in again["notes"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--agents", "oracle"], "has oracle already: name only new agents"),
        ([], "--extend needs --agents"),
        (["--agents", "noop", "oslo.md"], "leave oslo.md out"),
        (["--agents", "noop", "--resume"], "leave --resume out"),
        (["--agents", "noop", "--repeats", "3"], "leave out --repeats"),
        (["--agents", "noop", "--judge", "noop"], "leave out --judge"),
        (["--agents", "nobody"], "there is no agent 'nobody'"),
    ],
)
@pytest.mark.some(3)
def test_extending_is_for_agents_only(cli: Cli, arguments: list[str], sentence: str) -> None:
    cli("eval", "oslo.md", "--agents", "oracle")
    before = report(cli)
    ended = cli("eval", "--extend", before["run"], *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
    assert report(cli) == before


def test_a_task_that_has_changed_is_refused(cli: Cli, project: Path) -> None:
    cli("eval", "oslo.md", "--agents", "oracle")
    path = project / "oslo.md"
    path.write_text(path.read_text().replace("Norway", "Norway, please"))
    ended = cli("eval", "--extend", report(cli)["run"], "--agents", "noop")
    assert ended.returncode == 2
    assert "was done with other versions of oslo (" in ended.stderr
    assert "put the files back" in ended.stderr


def test_an_imported_run_cannot_be_extended(cli: Cli) -> None:
    cli("examples", "load", "nano-agent-2025-08")
    ended = cli("eval", "--extend", report(cli)["run"], "--agents", "noop")
    assert ended.returncode == 2
    assert "imported from published figures: nothing can be added to it" in ended.stderr


def test_strict_fair_refuses_what_could_be_the_same_before_anything_is_sent(
    cli: Cli, serve: Serve, project: Path
) -> None:
    server = serve(lambda _request, _number: FakeReply(text="Oslo"))
    (project / "flatfield.toml").write_text(SETTINGS.format(url=server.base_url))
    agents = f"warm,openai-chat:m@{server.base_url}"
    ended = cli("eval", "oslo.md", "--agents", agents, "--strict-fair")
    assert (ended.returncode, ended.stdout, server.requests) == (2, "", [])
    assert "--strict-fair: agents differ where they need not" in ended.stderr
    assert "temperature: 0.7 (warm), not set (openai-chat:m@" in ended.stderr
    assert cli("runs").stdout.startswith("No runs are stored")
    assert cli("eval", "oslo.md", "--agents", f"{agents},oracle").returncode == 0


def test_strict_fair_lets_equal_agents_run_and_controls_beside_them(cli: Cli, norway: str) -> None:
    assert cli("eval", "oslo.md", "--agents", f"{norway},oracle,noop", "--strict-fair").returncode == 0
