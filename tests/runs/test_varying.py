"""An agent and its variations: which values become agents, what they are called, and what is asked back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flatfield.errors import FlatfieldError
from flatfield.records import AgentConfig, Variation
from flatfield.runs.varying import (
    Factor,
    Varied,
    baseline_of,
    factor_names,
    factor_values,
    parse_factors,
    vary,
)
from flatfield.tasks.agents import SETTINGS, Roster, is_name
from flatfield.tasks.project import shipped

A = "http://127.0.0.1:8080/v1"


def an_agent(**fields: Any) -> AgentConfig:
    """A model on a server of the user's own, whose protocol is fixed."""
    given = {"name": "mine", "provider": "openai-chat", "model": "m", "base_url": A, "protocol": "native"} | fields
    return AgentConfig(**given)


def of_vendor(provider: str, model: str, **fields: Any) -> AgentConfig:
    return AgentConfig(name=model, provider=provider, model=model, **fields)


def varied(agent: AgentConfig, *over: str, folder: Path | None = None, others: tuple[AgentConfig, ...] = ()) -> Varied:
    return vary(agent, parse_factors(over), Roster((agent, *others)), folder or Path("nowhere"), {})


def refused(agent: AgentConfig, *over: str, folder: Path | None = None) -> str:
    with pytest.raises(FlatfieldError) as caught:
        varied(agent, *over, folder=folder)
    return str(caught.value)


# ---------------------------------------------------------------------------- what is written


def test_every_setting_of_an_agent_can_be_varied_and_the_scaffold() -> None:
    assert set(factor_names()) == SETTINGS.keys() - {"description"} | {"scaffold"}
    assert set(factor_names()) <= {*AgentConfig.__struct_fields__, "scaffold"}


def test_values_have_commas_between_them_and_each_counts_once() -> None:
    assert parse_factors(["reasoning_effort=low, high", "temperature=0", "reasoning_effort=high,minimal"]) == (
        Factor(name="reasoning_effort", values=("low", "high", "minimal")),
        Factor(name="temperature", values=("0",)),
    )


def test_a_command_may_hold_commas() -> None:
    assert parse_factors(["command=tool --a,b"])[0].values == ("tool --a,b",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reasonning_effort=low", "no setting 'reasonning_effort'; did you mean 'reasoning_effort'?"),
        ("colour=red", "no setting 'colour'; there are: provider, model,"),
        ("temperature", "write the values with commas between them, such as --over reasoning_effort=low,high"),
        ("temperature=", "write the values"),
        ("temperature=0,,1", "write the values"),
    ],
)
def test_what_is_no_factor_is_asked_back(text: str, said: str) -> None:
    with pytest.raises(FlatfieldError) as caught:
        parse_factors([text])
    assert said in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(FlatfieldError) as caught:
        parse_factors(["a=1", "b=2"])
    assert len(str(caught.value).splitlines()) == 2
    with pytest.raises(FlatfieldError, match="name what is to be tried otherwise"):
        parse_factors([])


# ---------------------------------------------------------------------------- whose settings


def test_the_baseline_is_one_agent_as_it_is_configured() -> None:
    roster = Roster((an_agent(), *shipped()))
    assert baseline_of("mine", roster) == an_agent()
    assert baseline_of(f"openai-chat:m@{A}", roster).base_url == A


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("min", "did you mean 'mine'?"),
        ("gpt-5*", "name the one that is to be varied"),
        ("oracle", "is a control, which asks no model"),
    ],
)
def test_who_cannot_be_the_baseline(name: str, said: str) -> None:
    with pytest.raises(FlatfieldError) as caught:
        baseline_of(name, Roster((an_agent(), *shipped())))
    assert said in str(caught.value)


# ---------------------------------------------------------------------------- what becomes of values


def test_each_value_is_an_agent_with_that_setting_alone_otherwise() -> None:
    agent = an_agent(temperature=0.7)
    found = varied(agent, "reasoning_effort=low,high", "temperature=0")
    assert found.agents[0] == agent
    assert [(one.reasoning_effort, one.temperature) for one in found.agents[1:]] == [
        ("low", 0.7),
        ("high", 0.7),
        (None, 0.0),
    ]
    assert found.variations == (
        Variation(
            agent="mine+reasoning_effort:low", baseline="mine", factor="reasoning_effort", value="low", was="default"
        ),
        Variation(
            agent="mine+reasoning_effort:high", baseline="mine", factor="reasoning_effort", value="high", was="default"
        ),
        Variation(agent="mine+temperature:0", baseline="mine", factor="temperature", value="0", was="0.7"),
    )
    assert [one.name for one in found.agents[1:]] == [one.agent for one in found.variations]


def test_names_are_agents_names_and_no_two_are_the_same(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "short.md").write_text(f"Be {place}.")
    over = ("base_url=http://h:1/v1,http://h:1/w/v1", "system_prompt=a/short.md,b/short.md", "tools=read_file,none")
    names = [one.name for one in varied(an_agent(), *over, folder=tmp_path).agents]
    assert names[1:] == [
        "mine+base_url:h:1",
        "mine+base_url:h:1-2",
        "mine+system_prompt:short.md",
        "mine+system_prompt:short.md-2",
        "mine+tools:read_file",
        "mine+tools:none",
    ]
    assert all(is_name(name) for name in names)


def test_what_the_agent_has_anyway_is_the_baseline() -> None:
    found = varied(an_agent(temperature=0.0), "temperature=0,1", "protocol=native,json", "tools=default,none")
    assert [one.name for one in found.agents] == [
        "mine",
        "mine+temperature:1",
        "mine+protocol:json",
        "mine+tools:none",
    ]
    assert [note.partition(" is what mine")[0] for note in found.notes] == [
        "temperature=0",
        "protocol=native",
        "tools=default",
    ]


def test_a_setting_whose_only_value_is_the_agents_own_is_refused() -> None:
    said = refused(an_agent(), f"base_url={A}")
    assert said == f"--over base_url={A}: that is what mine has as it is; name another value"


def test_a_protocol_that_is_found_out_is_another_one_than_each_that_is_named() -> None:
    agent = an_agent(protocol=None)
    assert [one.protocol for one in varied(agent, "protocol=auto,native,text").agents] == [None, "native", "text"]


def test_the_same_value_in_other_words_is_one_agent() -> None:
    assert len(varied(an_agent(), "temperature=0,0.0").agents) == 2


def test_default_leaves_a_setting_out() -> None:
    (_, found) = varied(an_agent(temperature=0.5), "temperature=default").agents
    assert found.temperature is None


def test_prompts_are_files_and_none_is_no_prompt(tmp_path: Path) -> None:
    (tmp_path / "short.md").write_text("\nBe short.\n\n")
    found = varied(an_agent(system_prompt="Mine."), "system_prompt=short.md,none,default", folder=tmp_path)
    assert [one.system_prompt for one in found.agents] == ["Mine.", "Be short.", "", None]
    assert {one.was for one in found.variations} == {"its own"}


def test_tools_have_plus_signs_between_them() -> None:
    found = varied(an_agent(), "tools=read_file+write_file,none")
    assert [one.tools for one in found.agents] == [None, ("read_file", "write_file"), ()]


def test_numbers_and_truths_are_read_as_the_config_reads_them() -> None:
    found = varied(an_agent(), "max_output_tokens=500", "on_device=true", "usd_per_hour=0.5").agents
    assert (found[1].max_output_tokens, found[2].on_device, found[3].usd_per_hour) == (500, True, 0.5)


def test_a_model_may_look_like_a_number() -> None:
    assert varied(an_agent(), "model=4").agents[1].model == "4"


def test_models_are_named_by_the_last_part_of_their_path() -> None:
    agent = of_vendor("local", "q4.gguf")
    assert varied(agent, "model=/models/q8.gguf").agents[1].name == "q4.gguf+model:q8.gguf"


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ("protocol=nativ", "`protocol` is 'nativ'; write one of: auto, native, text, json"),
        ("temperature=-1", "`temperature` is -1; write a number of at least 0"),
        ("temperature=warm", "`temperature` is 'warm'; write a number"),
        ("max_output_tokens=0.5", "write a whole number, 1 or more"),
        ("tools=readfile+write_file", "there is no tool `readfile`; did you mean `read_file`?"),
        ("base_url=127.0.0.1:80", "that is no address; write http://HOST"),
        ("provider=opnai", "there is no provider 'opnai'; did you mean 'openai'?"),
        ("provider=noop", "noop is a control, which asks no model"),
        ("model=default", "an agent has no model by default"),
        ("headers=a:b", "into flatfield.toml"),
        ("command=a 'b", "cannot be read as a shell's words"),
        ("command=tool", "command is for external agents, and mine is none"),
        ("scaffold=claude", "write nano, cli:PROGRAM, or the name of an agent"),
        ("gpu_layers=3", "m, as openai-chat serves it, does not take gpu_layers"),
        ("context_tokens=4096", "start a server with each size, and vary base_url"),
    ],
)
def test_values_that_cannot_be_are_asked_back(over: str, said: str) -> None:
    found = refused(an_agent(), over)
    assert found.startswith(f"--over {over}: ")
    assert said in found


def test_files_that_are_not_there_are_told_with_their_path(tmp_path: Path) -> None:
    (tmp_path / "shorts.md").write_text(" \n")
    (tmp_path / "bad.md").write_bytes(b"a\n\xff")
    said = refused(an_agent(), "system_prompt=short.md,shorts.md,bad.md", folder=tmp_path).splitlines()
    assert said[0].endswith(f"there is no file {tmp_path / 'short.md'}; did you mean 'shorts.md'?")
    assert f"{tmp_path / 'shorts.md'} is empty; write none" in said[1]
    assert "bad.md:2: byte 0xff is not UTF-8" in said[2]


def test_a_key_in_a_value_is_not_printed() -> None:
    said = refused(an_agent(), "base_url=http://user:s3cret@h/v1", "api_key_env=sk-s3cret")
    assert "s3cret" not in said
    assert "a user name, a password or a query" in said
    assert "name the variable, not the key" in said


@pytest.mark.parametrize(
    ("agent", "over", "takes"),
    [
        (of_vendor("openai", "gpt-5-mini"), "temperature=0", False),
        (of_vendor("openai", "gpt-5-mini"), "reasoning_effort=low", True),
        (of_vendor("openai", "gpt-4.1"), "temperature=0", True),
        (of_vendor("anthropic", "claude-sonnet-4-6"), "context_tokens=4096", False),
        (of_vendor("ollama", "qwen3:8b"), "context_tokens=4096", True),
        (of_vendor("local", "q.gguf"), "context_tokens=4096", True),
        (of_vendor("cli", "claude-code/sonnet"), "temperature=0", False),
        (of_vendor("cli", "claude-code/sonnet"), "reasoning_effort=low", True),
        (of_vendor("cli", "opencode/openai/gpt-5"), "reasoning_effort=low", False),
    ],
)
def test_a_setting_that_is_not_taken_is_refused_before_anything_is_asked(
    agent: AgentConfig, over: str, takes: bool
) -> None:
    if takes:
        assert len(varied(agent, over).agents) == 2
    else:
        assert over.partition("=")[0] in refused(agent, over)


# ---------------------------------------------------------------------------- another scaffold


def test_another_scaffold_runs_the_same_model_with_what_it_can_be_told() -> None:
    agent = of_vendor("anthropic", "claude-sonnet-4-6", temperature=0.2, reasoning_effort="low", system_prompt="Be.")
    (_, found) = varied(agent, "scaffold=nano,cli:claude-code").agents
    assert (found.provider, found.model) == ("cli", "claude-code/claude-sonnet-4-6")
    assert (found.temperature, found.reasoning_effort, found.system_prompt) == (None, "low", "Be.")
    assert found.name == "claude-sonnet-4-6+scaffold:cli:claude-code"


def test_a_scaffold_of_any_vendors_models_is_told_the_vendor() -> None:
    agent = of_vendor("openai", "gpt-5-mini", reasoning_effort="low")
    (_, found) = varied(agent, "scaffold=cli:opencode").agents
    assert (found.model, found.reasoning_effort) == ("opencode/openai/gpt-5-mini", None)


def test_nano_alone_is_no_variation() -> None:
    assert "name another value" in refused(of_vendor("openai", "gpt-5"), "scaffold=nano")
    assert varied(of_vendor("openai", "gpt-5"), "scaffold=nano,cli:codex").notes == ()


def test_a_model_that_a_scaffold_does_not_run_has_to_be_named() -> None:
    said = refused(of_vendor("openai", "gpt-5"), "scaffold=cli:claude-code")
    assert "claude-code is not known to run; name one that it runs by itself: claude-code/MODEL" in said
    assert f"asks {A}, and claude-code asks where its own settings say" in refused(
        an_agent(), "scaffold=cli:claude-code"
    )
    (_, found) = varied(an_agent(), "scaffold=cli:claude-code/opus").agents
    assert (found.model, found.base_url, found.protocol) == ("claude-code/opus", None, None)
    assert "there is no scaffold 'cursor'" in refused(of_vendor("openai", "gpt-5"), "scaffold=cli:cursor")


def test_a_scaffold_may_be_an_agent_of_ones_own() -> None:
    own = AgentConfig(name="house", provider="cli", command=("house", "{prompt}"), folder="/project")
    (_, found) = varied(an_agent(), "scaffold=house", others=(own,)).agents
    assert (found.command, found.folder, found.name) == (own.command, "/project", "mine+scaffold:house")


def test_a_scaffolds_own_agent_has_no_other_scaffold() -> None:
    assert "is a scaffold's own agent" in refused(of_vendor("cli", "claude-code"), "scaffold=cli:codex")


# ---------------------------------------------------------------------------- whose word it is


def test_a_variation_belongs_to_the_project_that_wrote_its_agent() -> None:
    found = varied(an_agent(folder="/project", source="flatfield.toml:3"), "base_url=http://other:1/v1").agents[1]
    assert (found.folder, found.source) == ("/project", "flatfield.toml:3, with base_url=http://other:1/v1")


def test_values_that_can_be_listed_are() -> None:
    assert factor_values("protocol") == ("auto", "native", "text", "json")
    assert "read_file" in factor_values("tools")
    assert {"nano", "cli:claude-code", "house"} <= set(
        factor_values("scaffold", [AgentConfig(name="house", provider="cli"), an_agent()])
    )
    assert "mine" not in factor_values("scaffold", [an_agent()])
    assert factor_values("model") == ()
