"""The fairness manifest: what was sent, side by side, differences marked and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from flatfield.http.tape import Tape
from flatfield.records import (
    AgentConfig,
    Evaluation,
    Failure,
    Limits,
    ManifestRow,
    Probed,
    Reply,
    Run,
    ScaffoldWork,
    Sent,
    Task,
    TrialRecord,
    Turn,
    Usage,
)
from flatfield.runs.store.codec import upgraded
from flatfield.runs.store.figures import SlimTrials
from flatfield.scoring.fairness.manifest import manifest
from flatfield.scoring.fairness.received import carried, digest

if TYPE_CHECKING:
    from collections.abc import Sequence


def make_run(*agents: AgentConfig) -> Run:
    return Run(
        id="r",
        created_at="",
        evaluation=Evaluation(),
        tasks=(
            Task(id="t", title="t", prompt="p"),
            Task(id="u", title="u", prompt="q", limits=Limits(output_tokens=8000, turns=5, cost_usd=0.5)),
        ),
        agents=agents,
        repeats={"t": 1, "u": 1},
        versions={"flatfield": "0.1.0", "genai-prices": "0.2.3", "device": "a CPU"},
    )


def agent(name: str, **fields: Any) -> AgentConfig:
    return AgentConfig(name=name, provider=fields.pop("provider", "openai-chat"), model=name, **fields)


def as_sent(request: dict[str, Any]) -> Sent:
    """A request by the names that APIs have for its fields, as older versions kept it."""
    return msgspec.convert(upgraded(request), Sent)


def trial(name: str, *requests: dict[str, Any], **fields: Any) -> TrialRecord:
    """A trial with a turn for each request; without any, one whose request is not on record."""
    turns = tuple(Turn(reply=Reply(text="", request=as_sent(request))) for request in requests or ({},))
    given: dict[str, Any] = {"task": "t", "prompt": "p", "turns": turns} | fields
    return TrialRecord(run="r", agent=name, repeat=1, task_digest="", agent_fingerprint="", stop="answered", **given)


def used(request: dict[str, Any], **usage: int) -> Turn:
    return Turn(reply=Reply(text="", request=as_sent(request), usage=Usage(**usage)))


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


def test_every_turn_of_every_trial_is_read_and_what_varies_is_marked() -> None:
    sent = {"api": "x", "temperature": 0.7}
    trials = [trial("a", *[sent] * 6), trial("a", *[sent] * 6, {"api": "x"}), trial("b", sent)]
    found = row(manifest(make_run(agent("a", temperature=0.7), agent("b", temperature=0.7)), trials), "temperature")
    assert found.values == {"a": "0.7 (12 turns), not sent (1 turn)", "b": "0.7"}
    assert (found.differs, found.varies) == (True, ("a",))
    assert "a: 0.7 is configured, but was not sent in every turn: its API has no temperature" in found.note
    assert "varied over turns or trials of the same task: a" in found.note


def test_equal_requests_of_a_runs_figures_are_read_once_and_counted_by_turns() -> None:
    run = make_run(agent("a"))
    trials = [trial("a", {"temperature": 1.0}, {"temperature": 1.0}, {"temperature": 0.5}) for _ in range(50)]
    slim = list(map(SlimTrials().of, trials))
    assert [each.turns for each in carried(slim)] == [100, 50]
    assert manifest(run, slim) == manifest(run, trials)


def test_what_varies_alike_in_all_agents_is_marked_though_it_is_no_difference() -> None:
    trials = [trial(name, {"service_tier": "default"}, {"service_tier": "flex"}) for name in ("a", "b")]
    found = row(manifest(make_run(agent("a"), agent("b")), trials), "service tier")
    assert (found.differs, found.varies) == (False, ("a", "b"))
    assert found.values["a"] == "default (1 turn), flex (1 turn)"


def test_agents_are_compared_task_by_task() -> None:
    run = make_run(agent("a"), agent("b"))
    one, two = {"tool_names": ["read_file"]}, {"tool_names": ["read_file", "run_command"]}
    alike = [trial("a", one), trial("a", two, task="u"), trial("b", one, one), trial("b", two, task="u")]
    found = row(manifest(run, alike), "tools")
    assert found.values["a"] == found.values["b"] == "read_file (t) | read_file, run_command (u)"
    assert (found.differs, found.varies) == (False, ())
    assert not row(manifest(run, alike[:-1]), "tools").differs  # b has not done the other task
    crossed = [trial("a", one), trial("a", two, task="u"), trial("b", two), trial("b", one, task="u")]
    assert row(manifest(run, crossed), "tools").differs
    assert row(manifest(run, [trial("a", one), trial("b", two, task="u")]), "tools").differs


def test_an_agent_that_never_began_did_not_run_and_makes_no_difference() -> None:
    failed = trial("b", turns=(), failure=Failure(kind="not_ready", message="no key"))
    rows = manifest(make_run(agent("a", temperature=0.1), agent("b"), agent("c")), [trial("a", {"api": "x"}), failed])
    assert {value for each in rows for name, value in each.values.items() if name != "a"} == {"did not run"}
    assert not any(each.differs for each in rows)


def test_without_a_request_on_record_the_configuration_is_shown_as_such() -> None:
    run = make_run(agent("a", temperature=0.9, base_url="http://user:secret@h:1/v1", headers={"X-Title": "t"}))
    for record in (trial("a"), trial("a", turns=(), imported=True)):
        rows = manifest(run, [record])
        assert row(rows, "temperature").values == {"a": "0.9 (configured)"}
        assert row(rows, "address").values == {"a": "http://h:1/v1 (configured)"}
        assert row(rows, "extra headers").values == {"a": "X-Title (configured)"}
        assert row(rows, "reasoning effort").values == {"a": "vendor's default"}
        assert row(rows, "system prompt (digest)").values == {"a": "not known"}


def test_a_setting_that_was_not_sent_is_explained() -> None:
    rows = manifest(
        make_run(agent("a", temperature=0.9), agent("b")), [trial("a", {"api": "x"}), trial("b", {"api": "x"})]
    )
    found = row(rows, "temperature")
    assert found.values == {"a": "not sent", "b": "vendor's default"}
    assert found.differs
    assert "not set for b, so vendor's default holds" in found.note
    assert "a: 0.9 is configured, but was not sent: its API has no temperature" in found.note


def test_differences_are_marked_and_explained_and_controls_make_none() -> None:
    run = make_run(agent("a"), agent("b"), agent("oracle", provider="oracle"))
    same = [trial("a", {"protocol": "native"}), trial("b", {"protocol": "native"}), trial("oracle", {"api": "control"})]
    assert not row(manifest(run, same), "tool protocol").differs
    differ = [trial("a", {"protocol": "native"}), trial("b", {"protocol": "json"})]
    found = row(manifest(run, differ), "tool protocol")
    assert found.differs
    assert "json" in found.note
    probed = structs.replace(run, probed={"b": Probed(protocol="json", passed={"native": 1, "json": 5}, probes=6)})
    assert "b: json, by 6 probes: native 1, json 5" in row(manifest(probed, differ), "tool protocol").note


def test_tools_that_a_template_ignores_are_named() -> None:
    sent = {"protocol": "native", "tools_digest": "abc", "tools_ignored": True}
    rows = manifest(make_run(agent("a")), [trial("a", sent)])
    assert "a: its chat template ignores tools" in row(rows, "tool protocol").note


def test_addresses_are_shown_without_keys_and_a_placeholder_as_it_is() -> None:
    run = make_run(agent("a"), agent("b"))
    trials = [
        trial("a", {"base_url": "https://u:p@api.example.org/v1?key=k"}),
        trial("b", {"base_url": "llama.cpp on this device", "model_file": "sha256 0123"}),
    ]
    rows = manifest(run, trials)
    assert row(rows, "address").values == {"a": "https://api.example.org/v1", "b": "llama.cpp on this device"}
    assert row(rows, "model file (digest)").values == {"a": "not on this device", "b": "sha256 0123"}


def test_extra_headers_are_named_and_their_values_are_not_shown() -> None:
    sent = {"Authorization": "Bearer s3cr3t-key", "Content-Type": "application/json", "X-Team": "s3cr3t-team"}
    turns = [
        Turn(reply=Reply(text="", request=Sent(api="x"), wire=(Tape().keep("http://h/v1", each, b"{}", b""),)))
        for each in (sent, {"Content-Type": "application/json"})
    ]
    run = make_run(agent("a"), agent("b"))
    rows = manifest(run, [trial("a", turns=turns[:1]), trial("b", turns=turns[1:])])
    found = row(rows, "extra headers")
    assert found.values == {"a": "x-team", "b": "none"}
    assert found.differs
    assert "a sends headers of its own" in found.note
    assert "s3cr3t" not in repr(rows)
    mine = make_run(agent("a", headers={"Authorization": "mine"}))
    assert row(manifest(mine, [trial("a", turns=turns[:1])]), "extra headers").values == {"a": "authorization, x-team"}


def test_later_turns_are_sent_what_is_left_of_the_cap_and_anything_else_is_shown() -> None:
    def turns(*caps: int) -> tuple[Turn, ...]:
        return tuple(used({"max_tokens": cap}, output_tokens=1000) for cap in caps)

    def shown(*caps: int, **fields: Any) -> str:
        name = "output cap (tokens)"
        return row(manifest(make_run(agent("a", **fields)), [trial("a", turns=turns(*caps))]), name).values["a"]

    assert shown(16000, 15000, 14000) == "16000"
    assert shown(500, 500, 500, max_output_tokens=500) == "500"
    assert shown(16000, 14500) == "16000"  # a reply that paused was charged in the middle of its turn
    assert shown(16000, 9000) == "16000 (1 turn), 9000 after 16000 (1 turn)"
    assert shown(4096, 16000) == "4096 (1 turn), 16000 after 4096 (1 turn)"


def test_many_numbers_become_a_range_and_those_of_tasks_name_them() -> None:
    trials = [trial("a", {"max_tokens": cap}, {"max_tokens": 16}) for cap in (100, 400, 200, 300)]
    label = "output cap (tokens)"
    assert row(manifest(make_run(agent("a")), trials), label).values == {"a": "100 to 400 (4 values in 8 turns)"}
    assert row(manifest(make_run(agent("a")), trials[:2]), label).values == {"a": "100 (2 turns), 400 (2 turns)"}
    by_task = [trial("a", {"max_tokens": 16000}), trial("a", {"max_tokens": 8000}, task="u")]
    assert row(manifest(make_run(agent("a")), by_task), label).values == {"a": "16000 (t) | 8000 (u)"}


def test_prices_used_and_versions() -> None:
    run = make_run(agent("a"), agent("b"), agent("c"), agent("d", usd_per_hour=2.0), agent("e"))
    paid = {"cost_usd": 0.1, "priced": "$1 in, $2 out per million tokens: genai-prices 0.2.3"}
    trials = [
        trial("a", **paid, started_at="2026-01-31T10:00:00+00:00"),
        trial("a", **paid, started_at="2026-02-01T10:00:00+00:00"),
        trial("a", cost_usd=None),
        trial("b", cost_usd=0.0),
        trial("c"),
        trial("d", cost_usd=0.0),
        trial("e", cost_usd=0.1),
    ]
    rows = manifest(run, trials)
    assert row(rows, "prices").values == {
        "a": (
            "$1 in, $2 out per million tokens: genai-prices 0.2.3, as of 2026-01-31 to 2026-02-01;"
            " no price known for 1 of 3 trials"
        ),
        "b": "$0: on the user's own device",
        "c": "no price known",
        "d": "$0: on the user's own device; $2 per hour of device time",
        "e": "genai-prices 0.2.3",
    }
    assert row(rows, "versions").values["a"] == "flatfield 0.1.0, genai-prices 0.2.3"
    assert not row(rows, "versions").differs
    assert row(rows, "scaffold").values["a"] == "the nano agent of flatfield 0.1.0"


def test_the_device_is_named_for_models_on_it_alone() -> None:
    run = make_run(agent("a", provider="local"), agent("b"), agent("c", on_device=True), agent("d"))
    trials = [trial("a"), trial("b", cost_usd=0.1), trial("c", cost_usd=0.2), trial("d", cost_usd=0.0)]
    own = "yes: a CPU"
    assert row(manifest(run, trials), "on device").values == {"a": own, "b": "no", "c": own, "d": own}


def test_limits_stand_with_their_tasks() -> None:
    rows = manifest(make_run(agent("a")), [trial("a", {"api": "x"}), trial("a", {"api": "x"}, task="u")])
    assert row(rows, "limits per trial").values == {
        "a": "20 turns, 300 s, 16000 output tokens (t) | 5 turns, 300 s, 8000 output tokens, $0.5 (u)"
    }


def test_cache_hits_across_trials_are_told() -> None:
    cold, warm = used({"api": "x"}, input_tokens=9), used({"api": "x"}, input_tokens=9, cache_read_tokens=5)
    run = make_run(agent("a"), agent("b"), agent("c"))
    trials = [trial("a", turns=(cold, warm)), trial("a", turns=(warm,)), trial("b", turns=(cold, warm)), trial("c")]
    found = row(manifest(run, trials), "warm cache")
    assert found.values == {"a": "1 of 2 trials began with cached input", "b": "none", "c": "not known"}
    assert found.differs


def test_prompts_must_be_the_same_for_all() -> None:
    run = make_run(agent("a"), agent("b"))
    assert not row(manifest(run, [trial("a"), trial("b")]), "task prompts (digest)").differs
    found = row(manifest(run, [trial("a"), trial("b", prompt="p ")]), "task prompts (digest)")
    assert found.differs
    assert "not comparable" in found.note


def test_the_line_with_an_agents_own_name_is_no_difference_between_system_prompts() -> None:
    def sent(prompt: str, more: str = "", **request: Any) -> dict[str, Any]:
        turns = (Turn(reply=Reply(text="", request=as_sent({"system_digest": digest(prompt + more), **request}))),)
        return {"system_prompt": prompt, "turns": turns}

    run = make_run(agent("a"), agent("b"), agent("c", protocol="json"), agent("d", system_prompt="Mine."))
    named = "Work.\nYour model name is agent_{}."
    trials = [trial("a", **sent(named.format(1))), trial("b", **sent(named.format(2)))]
    found = row(manifest(run, trials), "system prompt (digest)")
    assert not found.differs
    assert found.values["a"] == f"{digest('Work.')} + a line with its name"
    trials.append(trial("c", **sent(named.format(3), " tools…", protocol="json")))
    trials.append(trial("d", **sent("Mine.", "!")))
    found = row(manifest(run, trials), "system prompt (digest)")
    assert found.differs
    assert found.values["c"] == f"{digest('Work.')} + a line with its name + the json protocol's instructions"
    assert found.values["d"] == f"{digest('Mine.')} + sent as {digest('Mine.!')}"
    assert "c is told of its tools in the prompt, as the json protocol does" in found.note
    assert "d brings its own system prompt" in found.note


def test_what_a_model_does_not_accept_is_no_value_of_its_own_and_is_explained() -> None:
    run = make_run(agent("a", temperature=0.2, context_tokens=4096), agent("b", temperature=0.2))
    sent = {"temperature": "not accepted", "context_tokens": "not accepted"}
    rows = manifest(run, [trial("a", sent), trial("b", {"temperature": 0.2})])
    found = row(rows, "temperature")
    assert found.values == {"a": "not accepted (0.2 is configured)", "b": "0.2"}
    assert found.note == "set to 0.2 for b; a does not accept temperature: 0.2 is configured, but was not sent"
    assert "a does not accept context length" in row(rows, "context length (tokens)").note


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
    assert row(rows, "answered by").values["a"] == "g-1 (1 turn), g-2 (1 turn)"
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
    found = row(manifest(run, [trial("a"), trial("b")]), "specialised")
    assert found.values == {"a": "own system prompt; only these tools: read_file, write_file", "b": "no"}
    assert found.differs
    assert "its grades are of model, prompt and tools" in found.note
    assert not row(manifest(make_run(agent("a"), agent("b")), [trial("a"), trial("b")]), "specialised").differs


def test_another_scaffold_is_shown_with_its_version_and_marked() -> None:
    work = ScaffoldWork(name="claude-code", version="2.1.197")
    request = {"api": "cli: claude-code", "system_prompt": "the scaffold's own", "tool_names": "the scaffold's own"}
    turn = Turn(reply=Reply(text="", request=as_sent(request), scaffold=work))
    external = agent("x", provider="cli")
    rows = manifest(make_run(agent("a"), external), [trial("a", {"api": "chat"}), trial("x", turns=(turn,))])
    found = row(rows, "scaffold")
    assert found.values == {"a": "the nano agent of flatfield 0.1.0", "x": "claude-code 2.1.197"}
    assert found.differs
    assert found.note.startswith("scaffold differs")
    assert row(rows, "system prompt (digest)").values["x"] == "the scaffold's own"
    assert not row(manifest(make_run(agent("a"), agent("b")), [trial("a"), trial("b")]), "scaffold").differs
