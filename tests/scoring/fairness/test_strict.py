"""What agents need not differ in is named with those who differ and the fix; what cannot be helped is let be."""

from __future__ import annotations

from typing import Any

import pytest

from flatfield.records import AgentConfig
from flatfield.scoring.fairness.manifest import avoidable_differences


def agent(name: str, model: str = "gpt-5.4", **fields: Any) -> AgentConfig:
    return AgentConfig(name=name, provider=fields.pop("provider", "openai"), model=model, **fields)


def test_agents_with_the_same_settings_do_not_differ_whatever_they_are_called_and_wherever_they_run() -> None:
    same: dict[str, Any] = {"temperature": 0.0, "max_output_tokens": 4000, "reasoning_effort": "low"}
    agents = [
        agent("a", **same),
        agent("b", "claude-opus-4-1", provider="anthropic", **same),
        agent("c", "gpt-oss:20b", provider="ollama", base_url="http://127.0.0.1:11434", usd_per_hour=0.1, **same),
        agent("d", "smollm2-135m", provider="local", on_device=True, **same),
    ]
    assert avoidable_differences(agents) == ()
    assert avoidable_differences(agents[:1]) == ()
    assert avoidable_differences([]) == ()


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ({"temperature": 0.2}, {}, "temperature: 0.2 (a), not set (b); set the same temperature for all"),
        ({"temperature": 0.0}, {"temperature": 1.0}, "temperature: 0.0 (a), 1.0 (b); set the same"),
        ({"max_output_tokens": 100}, {}, "output cap: 100 (a), not set (b); leave max_output_tokens out"),
        ({"reasoning_effort": "high"}, {}, "reasoning effort of gpt models: high (a), not set (b); set the same"),
        ({"protocol": "json"}, {}, "tool protocol: json (a), native (b); set the same protocol"),
        ({"tools": ("read_file",)}, {}, "tools: read_file (a), task's (b); leave `tools` out"),
        ({"system_prompt": "Be brief."}, {}, "system prompt: an own prompt (a), shared (b); leave `system_prompt` out"),
        ({"system_prompt": ""}, {}, "system prompt: none at all (a), shared (b)"),
        ({"system_prompt": "x"}, {"system_prompt": "y"}, "system prompt: own prompt 1 (a), own prompt 2 (b)"),
    ],
)
def test_each_avoidable_difference_is_named_with_its_fix(
    first: dict[str, Any], second: dict[str, Any], sentence: str
) -> None:
    (found,) = avoidable_differences([agent("a", **first), agent("b", **second)])
    assert found.startswith(sentence)


def test_what_a_model_does_not_accept_cannot_be_avoided() -> None:
    plain, thinking = agent("a", "gpt-4.1", temperature=0.2), agent("b", "gpt-5")
    assert avoidable_differences([plain, thinking]) == ()
    assert avoidable_differences([plain, agent("c", "claude-opus-5", provider="anthropic")]) == ()
    assert avoidable_differences([plain, agent("d", "gemini-4-argon", provider="gemini")]) == ()
    assert avoidable_differences([plain, agent("e", "claude-opus-4-1", provider="anthropic")])
    assert avoidable_differences([agent("f", "gpt-4.1"), agent("g", "gpt-5", reasoning_effort="low")]) == ()
    assert avoidable_differences([agent("h", "gpt-5-mini"), agent("g", "gpt-5", reasoning_effort="low")])


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("flatfield.toml:7", "Change b in [agents.b] at flatfield.toml:7"),
        ("agents/b.md", "Change b in a table [agents.b] of flatfield.toml (agents/b.md holds no settings; "),
        ("shipped", "Change b in a table [agents.b] of flatfield.toml (flatfield itself holds no settings; "),
        ("command line", "Change b, which is named on the command line, by a table [agents.NAME] in flatfield.toml"),
    ],
)
def test_where_to_change_it_is_said_of_those_who_differ_from_most(source: str, where: str) -> None:
    same = [agent("a", source="flatfield.toml:1"), agent("c", source="flatfield.toml:20")]
    (found,) = avoidable_differences([*same, agent("b", max_output_tokens=9, source=source)])
    assert where in found
    assert "flatfield.toml:1 " not in found


def test_a_protocol_that_is_found_out_is_no_choice_of_the_users() -> None:
    found_out = AgentConfig(name="b", provider="local", model="m")
    auto = AgentConfig(name="c", provider="anthropic", model="m", protocol="auto")
    assert avoidable_differences([agent("a"), found_out, auto]) == ()
    set_ = AgentConfig(name="d", provider="local", model="m", protocol="text")
    assert any("tool protocol: native (a), text (d)" in each for each in avoidable_differences([agent("a"), set_]))


def test_a_setting_that_one_of_two_has_is_to_be_changed_where_it_is_set() -> None:
    (found,) = avoidable_differences([agent("a"), agent("b.1", protocol="native", tools=(), source="flatfield.toml:9")])
    assert found.endswith('Change b.1 in [agents."b.1"] at flatfield.toml:9')


def test_the_order_of_tools_is_no_difference() -> None:
    assert not avoidable_differences([agent("a", tools=("x", "y")), agent("b", tools=("y", "x"))])


def test_effort_is_compared_within_a_family_of_models_only() -> None:
    agents = [agent("a", "gpt-5", reasoning_effort="high"), agent("b", "claude-sonnet-4"), agent("c", "gpt-oss:20b")]
    assert avoidable_differences(agents) == ()
    (found,) = avoidable_differences([*agents, agent("d", "openai/GPT-5-mini", provider="openai-chat")])
    assert found.startswith("reasoning effort of gpt models: high (a), not set (d)")


def test_context_is_compared_among_those_that_can_choose_it() -> None:
    on_device = agent("a", "gpt-oss:20b", provider="ollama", context_tokens=8192)
    assert avoidable_differences([on_device, agent("b")]) == ()
    (found,) = avoidable_differences([on_device, agent("b"), agent("c", "qwen3", provider="local")])
    assert found.startswith("context length: 8192 (a), not set (c)")


def test_every_difference_is_told_at_once() -> None:
    found = avoidable_differences([agent("a", temperature=0.1, protocol="json"), agent("b")])
    assert [text.partition(":")[0] for text in found] == ["temperature", "tool protocol"]
