"""Names that are none: what they may have meant is offered, and taken only where it can be no other agent."""

from __future__ import annotations

import pytest

from flatfield.records import SHIPPED, AgentConfig
from flatfield.tasks.near_names import did_you_mean, meant, near


def agent(name: str, provider: str, model: str = "", source: str = SHIPPED) -> AgentConfig:
    return AgentConfig(name=name, provider=provider, model=model or name, source=source)


ROSTER = (
    agent("desk", "openai-chat", "openai/gpt-5-nano", "flatfield.toml"),
    agent("gpt-5-mini", "openai"),
    agent("gpt-5-nano", "openai"),
    agent("claude-opus-5", "anthropic"),
    agent("claude-opus-5-5", "anthropic"),
    agent("claude-haiku-4-5", "anthropic"),
    agent("gpt-oss-20b", "ollama", "gpt-oss:20b"),
    agent("my-opus", "openai-chat", "m", "flatfield.toml"),
    AgentConfig(name="oracle", provider="oracle", source=SHIPPED),
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("opus", ["my-opus", "claude-opus-5-5", "claude-opus-5"]),
        ("claude opus 5.5", ["claude-opus-5-5"]),
        ("gpt5-mini", ["gpt-5-mini"]),
        ("GPT_5_MINI", ["gpt-5-mini"]),
        ("gpt-5-mni", ["gpt-5-mini"]),
        ("openai/gpt5-mini", ["gpt-5-mini"]),
        ("haiku", ["claude-haiku-4-5"]),
        ("oracel", ["oracle"]),
        ("hunter2-key", []),
        ("nobody", []),
        ("", []),
        ("🙂", []),
    ],
)
def test_what_a_name_may_have_meant(name: str, found: list[str]) -> None:
    assert [one.name for one in near(name, ROSTER)] == found
    offered = did_you_mean(name, ROSTER)
    assert all(f"{one!r}" in offered for one in found)
    assert bool(offered) == bool(found)


def test_how_it_is_asked() -> None:
    assert did_you_mean("opus", ROSTER) == "; did you mean 'my-opus', 'claude-opus-5-5' or 'claude-opus-5'?"
    assert did_you_mean("gpt5-mini", ROSTER) == "; did you mean 'gpt-5-mini'?"


def test_of_one_provider_alone_where_that_is_named() -> None:
    assert [one.name for one in near("opus", ROSTER, "anthropic")] == ["claude-opus-5-5", "claude-opus-5"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("openai/gpt-5-mini", ["gpt-5-mini"]),
        ("openai:gpt-5-mini", ["gpt-5-mini"]),
        ("chatgpt/gpt-5-mini", ["gpt-5-mini"]),
        ("ollama/gpt-oss:20b", ["gpt-oss-20b"]),
        ("anthropic/gpt-5-mini", []),
        ("openai/gpt5-mini", []),
        ("gpt-5-mini", []),
        ("opus", []),
    ],
)
def test_only_a_whole_name_behind_its_provider_is_taken(name: str, found: list[str]) -> None:
    assert [one.name for one in meant(name, ROSTER)] == found


def test_several_names_with_spaces_between_them_lack_their_commas() -> None:
    assert did_you_mean("gpt-5-mini my-opus", ROSTER) == (
        "; several names have commas between them: 'gpt-5-mini,my-opus'"
    )
    assert did_you_mean("claude opus 5.5", ROSTER) == "; did you mean 'claude-opus-5-5'?"
