"""The fairness manifest: what was sent, side by side, differences marked and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flatfield.records import AgentConfig, Evaluation, ManifestRow, Reply, Run, Task, TrialRecord, Turn
from flatfield.scoring.fairness.manifest import manifest

if TYPE_CHECKING:
    from collections.abc import Sequence


def make_run(*agents: AgentConfig) -> Run:
    return Run(
        id="r",
        created_at="",
        evaluation=Evaluation(),
        tasks=(Task(id="t", title="t", prompt="p"),),
        agents=agents,
        repeats={"t": 1},
        versions={"flatfield": "0.1.0", "genai-prices": "0.2.3"},
    )


def agent(name: str, **fields: Any) -> AgentConfig:
    return AgentConfig(name=name, provider=fields.pop("provider", "openai-chat"), model=name, **fields)


def trial(name: str, *requests: dict[str, Any], prompt: str = "p", cost_usd: float | None = None) -> TrialRecord:
    return TrialRecord(
        run="r",
        agent=name,
        task="t",
        repeat=1,
        task_digest="",
        agent_fingerprint="",
        stop="answered",
        prompt=prompt,
        cost_usd=cost_usd,
        turns=tuple(Turn(reply=Reply(text="", request=request)) for request in requests),
    )


def row(rows: Sequence[ManifestRow], label: str) -> ManifestRow:
    return next(item for item in rows if item.label == label)


def test_rows_stand_under_context_model_and_prompt_with_a_value_for_every_agent() -> None:
    rows = manifest(make_run(agent("a"), agent("b")), [trial("a", {"api": "chat"})])
    assert list(dict.fromkeys(item.heading for item in rows)) == ["context", "model", "prompt"]
    assert all(set(item.values) == {"a", "b"} for item in rows)


def test_values_are_what_was_sent_not_what_was_configured() -> None:
    rows = manifest(make_run(agent("a", temperature=0.9)), [trial("a", {"temperature": 0.2, "max_tokens": 16000})])
    assert row(rows, "temperature").values == {"a": "0.2"}
    assert row(rows, "output cap (tokens)").values == {"a": "16000"}


def test_without_a_request_on_record_the_configuration_is_shown_as_such() -> None:
    rows = manifest(make_run(agent("a", temperature=0.9, base_url="http://h:1/v1")), [])
    assert row(rows, "temperature").values == {"a": "0.9 (configured)"}
    assert row(rows, "host").values == {"a": "h:1 (configured)"}
    assert row(rows, "reasoning effort").values == {"a": "vendor's default"}
    assert row(rows, "system prompt (digest)").values == {"a": "not known"}


def test_a_setting_that_was_not_sent_is_explained() -> None:
    rows = manifest(
        make_run(agent("a", temperature=0.9), agent("b")), [trial("a", {"api": "x"}), trial("b", {"api": "x"})]
    )
    found = row(rows, "temperature")
    assert found.values == {"a": "not sent", "b": "vendor's default"}
    assert found.differs
    assert "a: 0.9 is configured, but was not sent: the API does not accept temperature" in found.note


def test_differences_are_marked_and_explained_and_controls_make_none() -> None:
    run = make_run(agent("a"), agent("b"), agent("oracle", provider="oracle"))
    same = [trial("a", {"protocol": "native"}), trial("b", {"protocol": "native"}), trial("oracle", {"api": "control"})]
    assert not row(manifest(run, same), "tool protocol").differs
    differ = [trial("a", {"protocol": "native"}), trial("b", {"protocol": "json"})]
    found = row(manifest(run, differ), "tool protocol")
    assert found.differs
    assert "json" in found.note


def test_tools_that_a_template_ignores_are_named() -> None:
    sent = {"protocol": "native", "tools_digest": "abc", "tools_ignored": True}
    rows = manifest(make_run(agent("a")), [trial("a", sent)])
    assert "a: the model's chat template ignores tools" in row(rows, "tool protocol").note


def test_a_base_url_is_shown_as_its_host_and_a_placeholder_as_it_is() -> None:
    run = make_run(agent("a"), agent("b"))
    trials = [
        trial("a", {"base_url": "https://api.example.org/v1"}),
        trial("b", {"base_url": "llama.cpp on this device"}),
    ]
    assert row(manifest(run, trials), "host").values == {"a": "api.example.org", "b": "llama.cpp on this device"}


def test_the_cap_is_that_of_first_turns_and_many_become_a_range() -> None:
    trials = [trial("a", {"max_tokens": cap}, {"max_tokens": 1}) for cap in (100, 400, 200, 300)]
    assert row(manifest(make_run(agent("a")), trials), "output cap (tokens)").values == {"a": "100 to 400"}
    assert row(manifest(make_run(agent("a")), trials[:2]), "output cap (tokens)").values == {"a": "100 | 400"}


def test_prices_used_and_versions() -> None:
    run = make_run(agent("a"), agent("b"), agent("c"), agent("d", usd_per_hour=2.0))
    trials = [trial("a", cost_usd=0.1), trial("b", cost_usd=0.0), trial("c"), trial("d", cost_usd=0.0)]
    rows = manifest(run, trials)
    assert row(rows, "prices").values == {
        "a": "genai-prices 0.2.3",
        "b": "$0: on the user's own device",
        "c": "no price known",
        "d": "$0: on the user's own device; $2 per hour of device time",
    }
    assert row(rows, "versions").values["a"] == "flatfield 0.1.0, genai-prices 0.2.3"
    assert not row(rows, "versions").differs


def test_prompts_must_be_the_same_for_all() -> None:
    run = make_run(agent("a"), agent("b"))
    assert not row(manifest(run, [trial("a"), trial("b")]), "task prompts (digest)").differs
    found = row(manifest(run, [trial("a"), trial("b", prompt="p ")]), "task prompts (digest)")
    assert found.differs
    assert "not comparable" in found.note


def test_what_a_model_does_not_accept_is_no_value_of_its_own_and_is_explained() -> None:
    run = make_run(agent("a", temperature=0.2, context_tokens=4096), agent("b", temperature=0.2))
    sent = {"temperature": "not accepted", "context_tokens": "not accepted"}
    rows = manifest(run, [trial("a", sent), trial("b", {"temperature": 0.2})])
    found = row(rows, "temperature")
    assert found.values == {"a": "not accepted (0.2 is configured)", "b": "0.2"}
    assert "a: 0.2 is configured, but was not sent: its API or model does not accept it" in found.note
    assert "b: " not in found.note
    assert "a: 4096 is configured, but was not sent" in row(rows, "context length (tokens)").note


def test_output_caps_stand_under_one_label_whatever_an_api_calls_them() -> None:
    names = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "num_predict")
    run = make_run(*(agent(name) for name in names))
    rows = manifest(run, [trial(name, {name: 16000}, {name: 15000}) for name in names])
    found = row(rows, "output cap (tokens)")
    assert found.values == dict.fromkeys(names, "16000")
    assert not found.differs


def test_what_the_api_says_of_any_reply_is_shown() -> None:
    first = {"model": "g", "anthropic_version": "2023-06-01", "service_tier": "standard", "model_version": "g-1"}
    rows = manifest(make_run(agent("a"), agent("b")), [trial("a", first, first | {"model_version": "g-2"}), trial("b")])
    assert row(rows, "answered by").values["a"] == "g-1 | g-2"
    assert row(rows, "API version").values["a"] == "2023-06-01"
    assert row(rows, "service tier").values == {"a": "standard", "b": "not reported"}
    assert row(rows, "service tier").differs


def test_thinking_is_shown_as_it_was_sent_in_words() -> None:
    sent = {"thinking": {"type": "enabled", "budget_tokens": 8192}, "reasoning_effort": "high", "stream": True}
    rows = manifest(make_run(agent("a")), [trial("a", sent)])
    assert row(rows, "thinking, as sent").values == {"a": "type enabled, budget_tokens 8192"}
    assert row(rows, "reasoning effort").values == {"a": "high"}
    assert row(rows, "streaming").values == {"a": "yes"}


def test_specialised_agents_are_marked() -> None:
    run = make_run(agent("a", system_prompt="Be brief.", tools=("read_file", "write_file")), agent("b"))
    found = row(manifest(run, []), "specialised")
    assert found.values == {"a": "own system prompt; own tools: read_file, write_file", "b": "no"}
    assert found.differs
    assert "its grades are of model, prompt and tools" in found.note
    assert not row(manifest(make_run(agent("a"), agent("b")), []), "specialised").differs
