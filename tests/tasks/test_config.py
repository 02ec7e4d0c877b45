"""flatfield.toml: its agents, and every mistake with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.errors import InvalidFiles
from flatfield.records import AgentConfig, LaneLimits, Preferences, Price, Weights
from flatfield.tasks.config import read_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str, str], Path]

    from flatfield.records import Mistake

HEAD = '[agents.a]\nprovider = "ollama"\nmodel = "m"\n'


def test_every_setting_of_an_agent(write: Write) -> None:
    path = write(
        "flatfield.toml",
        '\n[agents.a]\nprovider = "openai-chat"\nmodel = "m"\nbase_url = "http://h/v1"\napi_key_env = "MY_KEY"\n'
        'headers = {X = "1"}\ntemperature = 0\nmax_output_tokens = 5\nreasoning_effort = "low"\ncontext_tokens = 9\n'
        'protocol = "json"\non_device = true\nusd_per_hour = 1.5\nsystem_prompt = ""\ntools = []\ndescription = "d"\n',
    )
    assert read_config(path, "f.toml").agents == (
        AgentConfig(
            name="a", provider="openai-chat", model="m", base_url="http://h/v1", api_key_env="MY_KEY",
            headers={"X": "1"}, temperature=0.0, max_output_tokens=5, reasoning_effort="low", context_tokens=9,
            protocol="json", on_device=True, usd_per_hour=1.5, system_prompt="", tools=(), description="d",
            source="f.toml:2",
        ),
    )  # fmt: skip


def test_an_external_agent_is_a_command_and_its_output(write: Write) -> None:
    path = write("flatfield.toml", '[agents.a]\nprovider = "cli"\ncommand = ["x", "{prompt}"]\noutput = "json"\n')
    (agent,) = read_config(path, "f.toml").agents
    assert agent == AgentConfig(
        name="a", provider="cli", command=("x", "{prompt}"), output="json", source="f.toml:1"
    ), "it needs no model"


@pytest.mark.parametrize(
    ("text", "line", "problem", "fix"),
    [
        (HEAD + 'command = ["x"]', 4, "agent a has `command`, which is for external agents", 'provider = "cli"'),
        (HEAD + "subscription = true", 4, "agent a has `subscription`", 'provider = "cli"'),
        (HEAD + 'output = "json"', 4, "agent a has `output`, which is for external agents", 'provider = "cli"'),
        ('[agents.a]\nprovider = "cli"\nmodel = "codex"\noutput = "json"', 4, "`output` without `command`", "remove"),
        ('[agents.a]\nprovider = "cli"\ncommand = []', 3, "`command` is an empty list", "command: [a, b]"),
        ('[agents.a]\nprovider = "cli"\ncommand = ["x"]\noutput = "xml"', 4, "`output` is 'xml'", "claude-code, codex"),
        ('[agents.a]\nprovider = "cli"', 1, "agent a has no model", "model"),
        (HEAD + "temprature = 1", 4, "agent a has no key `temprature`", "`temperature`"),
        (HEAD + 'temperature = "hot"', 4, "`temperature` is 'hot'", "a number"),
        (HEAD + "model2 = 1\n[agent.b]", 5, "no table `agent`", "`agents`"),
        (HEAD + 'protocol = "xml"', 4, "`protocol` is 'xml'", "auto, native, text, json"),
        (HEAD + 'base_url = "h/v1"', 4, "base_url 'h/v1' is no address", "http://"),
        (HEAD + 'base_url = "http://u:pw@h/v1"', 4, "base_url holds a user name, a password or a query", "headers"),
        (HEAD + 'base_url = "http://h/v1?key=pw"', 4, "base_url holds a user name, a password or a query", "${NAME}"),
        (HEAD + "on_device = 1", 4, "`on_device` is 1", "true or false"),
        (HEAD + 'tools = ["read_fil"]', 4, "no tool `read_fil`", "`read_file`"),
        (HEAD + "headers = {X = 1}", 4, "`X` in `headers` is 1", "text"),
        (HEAD + "\n[agents.b]\nmodel = 'x'", 5, "agent b has no provider", "provider ="),
        (HEAD + '\n[agents.b]\nprovider = "openai"', 5, "agent b has no model", "model ="),
        ('[agents."a/b"]\nprovider = "noop"', 1, "'a/b' cannot be an agent's name", "letters"),
        ("[agents]\na = 1", 2, "agent a is 1, not a map", "provider"),
        ("agents = 3", 1, "`agents` is 3", "[agents.NAME]"),
        ("[agents.a\n", 1, "not TOML", "quotes"),
    ],
)
def test_mistakes(
    write: Write, mistakes: Callable[..., list[Mistake]], text: str, line: int, problem: str, fix: str
) -> None:
    found = mistakes(read_config, write("flatfield.toml", text), "f.toml")
    assert (line, True, True) in [(m.line, problem in m.problem, fix in m.fix) for m in found], found
    assert {m.path for m in found} == {"f.toml"}


PRICED = '[prices."gpt-5"]\ninput_mtok = 1\noutput_mtok = 2\n'


def test_prices_by_model_and_by_provider_and_model(write: Write) -> None:
    text = (
        PRICED + '[prices."openai:x"]\ninput_mtok = 0.5\ncache_read_mtok = 0.1\ncache_write_mtok = 0\n'
        "cache_write_1h_mtok = 2\noutput_mtok = 3\n"
    )
    assert read_config(write("flatfield.toml", text), "f.toml").prices == {
        "gpt-5": Price(input_mtok=1.0, output_mtok=2.0, source="f.toml:1"),
        "openai:x": Price(
            input_mtok=0.5,
            cache_read_mtok=0.1,
            cache_write_mtok=0.0,
            cache_write_1h_mtok=2.0,
            output_mtok=3.0,
            source="f.toml:4",
        ),
    }


@pytest.mark.parametrize(
    ("text", "line", "problem", "fix"),
    [
        (PRICED + "cache_mtok = 1", 4, "the price of gpt-5 has no key `cache_mtok`", "did you mean `cache_read_mtok`?"),
        (PRICED + "cache_read_mtok = -1", 4, "`cache_read_mtok` is -1", "at least 0"),
        ('[prices."m"]\ninput_mtok = "free"\noutput_mtok = 1', 2, "`input_mtok` is 'free'", "a number"),
        ('[prices."m"]\ninput_mtok = 1', 1, "the price of m has no output_mtok", "per million tokens"),
        ("[prices.gpt-5.5]\ninput_mtok = 1", 1, "the price of gpt-5 holds another table", '[prices."gpt-5.5"]'),
        ("prices = 3", 1, "`prices` is 3", '[prices."MODEL"]'),
        ("[prices]\nm = 3", 2, "the price of m is 3, not a map", "input_mtok"),
        ("[price.m]", 1, "no table `price`", "`prices`"),
    ],
)
def test_mistakes_in_prices(
    write: Write, mistakes: Callable[..., list[Mistake]], text: str, line: int, problem: str, fix: str
) -> None:
    found = mistakes(read_config, write("flatfield.toml", text), "f.toml")
    assert (line, True, True) in [(m.line, problem in m.problem, fix in m.fix) for m in found], found


def test_a_key_pasted_where_its_variable_belongs_is_not_printed(
    write: Write, mistakes: Callable[..., list[Mistake]]
) -> None:
    found = mistakes(read_config, write("f.toml", HEAD + 'api_key_env = "sk-secret-123"'), "f.toml")
    assert found[0].line == 4
    assert "secret" not in str(found[0])


def test_controls_need_no_model(write: Write) -> None:
    assert read_config(write("f.toml", '[agents.x]\nprovider = "oracle"\n'), "f.toml").agents[0].model == ""


def test_lanes_by_provider_and_by_host(write: Write) -> None:
    text = (
        "[lanes.openai]\nconcurrent = 8\nrequests_per_minute = 60\n"
        '[lanes."api.example:8443"]\ntokens_per_minute = 200000\n'
    )
    assert read_config(write("flatfield.toml", text), "f.toml").lanes == {
        "openai": LaneLimits(concurrent=8, requests_per_minute=60, source="f.toml:1"),
        "api.example:8443": LaneLimits(tokens_per_minute=200_000, source="f.toml:4"),
    }


@pytest.mark.parametrize(
    ("text", "line", "problem", "fix"),
    [
        ("[lanes.opnai]\nconcurrent = 1", 1, "'opnai' is neither a provider nor a host", "did you mean `openai`?"),
        ("[lanes.local]\nconcurrent = 2", 1, "local has no server that is asked", "remove the table"),
        ("[lanes.openai]\nconcurrent = 0", 2, "`concurrent` is 0", "a whole number, 1 or more"),
        ("[lanes.openai]\nrequests_per_minute = 1.5", 2, "`requests_per_minute` is 1.5", "a whole number"),
        ("[lanes.openai]\nrequests_per_min = 1", 2, "no key `requests_per_min`", "`requests_per_minute`"),
        ("[lanes.openai]", 1, "the lane openai says nothing", "concurrent, requests_per_minute"),
        ("[lanes.api.example]\nconcurrent = 1", 1, "the lane api holds another table", '[lanes."api.example"]'),
        ("lanes = 3", 1, "`lanes` is 3", '[lanes."PROVIDER"]'),
        ("[lanes]\nopenai = 3", 2, "the lane openai is 3, not a map", "concurrent"),
    ],
)
def test_mistakes_of_lanes(write: Write, text: str, line: int, problem: str, fix: str) -> None:
    with pytest.raises(InvalidFiles) as error:
        read_config(write("flatfield.toml", text), "f.toml")
    assert len(error.value.mistakes) == 1
    mistake = error.value.mistakes[0]
    assert (mistake.path, mistake.line) == ("f.toml", line)
    assert problem in mistake.problem
    assert fix in mistake.fix


def test_profiles_say_what_matters(write: Write) -> None:
    text = (
        "[profiles.day]\nsolved_usd = 5\nhour_usd = 80\nmax_seconds = 60\n"
        '[profiles.night]\nweights = {performance = 1, speed = 0, cost = 1}\nmin_performance = "B"\n'
        "max_cost_usd = 0\nlocal_only = true\n"
    )
    assert read_config(write("flatfield.toml", text), "f.toml").profiles == {
        "day": Preferences(profile="day", solved_usd=5.0, hour_usd=80.0, max_seconds=60.0),
        "night": Preferences(
            profile="night",
            weights=Weights(performance=1.0, speed=0.0, cost=1.0),
            min_performance="B",
            max_cost_usd=0.0,
            local_only=True,
        ),
    }


@pytest.mark.parametrize(
    ("text", "line", "problem", "fix"),
    [
        ("[profiles.day]", 1, "the profile day says nothing", "weights, solved_usd"),
        ("[profiles.research]\nsolved_usd = 1", 1, "the profile research is called as a kind of work is", "another"),
        ("[profiles.day]\nsolved_usd = 0", 2, "`solved_usd` is 0", "a number above 0"),
        ("[profiles.day]\nhour_usd = 80", 2, "the profile day has hour_usd without solved_usd", "write solved_usd = "),
        (
            "[profiles.day]\nweights = {speed = 1}\nsolved_usd = 5",
            3,
            "the profile day has weights and money",
            "keep `weights`, or `solved_usd`",
        ),
        ('[profiles.day]\nmin_performance = "E"', 2, "`min_performance` is 'E'", "write one of: S, A, B, C, D, F"),
        ("[profiles.day]\nweights = {performance = 0, speed = 0, cost = 0}", 2, "`weights` are all 0", "above 0"),
        ("[profiles.day]\nmax_second = 5", 2, "the profile day has no key `max_second`", "`max_seconds`"),
        ("profiles = 3", 1, "`profiles` is 3", "write one table [profiles.NAME]"),
    ],
)
def test_mistakes_in_profiles_are_told_with_their_lines(
    write: Write, text: str, line: int, problem: str, fix: str
) -> None:
    with pytest.raises(InvalidFiles) as caught:
        read_config(write("flatfield.toml", text), "f.toml")
    (mistake,) = caught.value.mistakes
    assert (mistake.line, problem in mistake.problem, fix in mistake.fix) == (line, True, True), mistake
