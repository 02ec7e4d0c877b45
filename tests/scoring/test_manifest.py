"""The fairness manifest: what was sent, side by side, differences marked and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flatfield.records import AgentConfig, Evaluation, ManifestRow, Reply, Run, Task, TrialRecord, Turn
from flatfield.scoring.manifest import manifest

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
