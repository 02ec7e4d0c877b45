"""Whatever a record holds, its text can be read again."""

from __future__ import annotations

from typing import Any, get_type_hints
from unittest import mock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, json, structs

from flatfield import records
from flatfield.records import (
    MOST,
    AgentConfig,
    Check,
    Evaluation,
    FileChange,
    LimitChanges,
    Reply,
    Round,
    Run,
    Sabotage,
    Sent,
    SolutionStep,
    Task,
    TrialRecord,
    Turn,
    VerifierSpec,
)
from flatfield.runs.store.codec import decode, encode, is_measured

RECORD = TrialRecord(
    run="r", agent="a", task="t", repeat=1, task_digest="d", agent_fingerprint="f", stop="answered", wall_seconds=1.5
)


@given(answer=st.text(), seconds=st.floats(0.0, MOST))
def test_a_record_comes_back_as_it_was(answer: str, seconds: float) -> None:
    record = structs.replace(RECORD, answer=answer, wall_seconds=seconds)
    assert decode(encode(record), TrialRecord) == record


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), -1.0, 1e300])
def test_numbers_that_json_lacks_do_not_lose_the_record(number: float) -> None:
    found = decode(encode(structs.replace(RECORD, wall_seconds=number, cost_usd=number, answer="kept")), TrialRecord)
    assert (found.answer, found.wall_seconds, found.cost_usd) == ("kept", 0.0, None)
    assert found.failure is not None
    assert "wall_seconds cannot be" in found.failure.message


def test_a_file_name_that_is_not_utf_8_does_not_lose_the_record() -> None:
    record = structs.replace(RECORD, changes=(FileChange(path="\udcff.txt", kind="added"),))
    assert decode(encode(record), TrialRecord).changes[0].path == "\\udcff.txt"


def test_a_foreign_object_in_a_request_is_written_as_its_repr() -> None:
    record = structs.replace(
        RECORD, turns=(Turn(reply=Reply(text="", request=Sent(parameters={"stream": slice(1, 2)}))),)
    )
    assert decode(encode(record), TrialRecord).turns[0].reply.request.parameters == {"stream": "slice(1, 2, None)"}


def test_fields_of_a_newer_version_are_ignored() -> None:
    data = json.decode(encode(RECORD)) | {"field_of_tomorrow": [1]}
    assert decode(json.encode(data).decode(), TrialRecord) == RECORD


def test_words_of_a_newer_version_are_said_and_the_rest_counts() -> None:
    turns = (Turn(reply=Reply(text="hi", finish="daydreaming")),)  # type: ignore[arg-type]
    changes = (FileChange(path="a", kind="renamed"),)  # type: ignore[arg-type]
    for text in (
        json.encode(structs.replace(RECORD, stop="vanished", turns=turns, changes=changes)).decode(),
        encode(structs.replace(RECORD, stop="vanished", turns=turns, changes=changes)),
    ):
        found = decode(text, TrialRecord)
        assert (found.stop, found.failure, found.wall_seconds) == ("error", None, 1.5)
        assert (found.turns[0].reply.text, found.turns[0].reply.finish) == ("hi", "stop")
        assert found.changes[0].kind == "modified"
        assert all(f"'{word}'" in found.notes[0] for word in ("vanished", "daydreaming", "renamed"))


def test_a_trial_that_misses_what_grades_stand_on_is_not_measured_and_says_so() -> None:
    data = json.decode(encode(RECORD))
    for change in ({"wall_seconds": "soon"}, {"turns": [7]}, {"checks": [{"verifier": "answer", "score": 1}]}):
        found = decode(json.encode(data | {"answer": "kept"} | change).decode(), TrialRecord)
        assert found.answer == "kept"
        assert found.failure is not None
        assert found.failure.message.startswith("its record in the store is read with changes: ")
    del data["stop"]
    assert decode(json.encode(data).decode(), TrialRecord).failure


@pytest.mark.parametrize(
    "change",
    [
        {"abandoned_usage": [{"usage": {"input_tokens": -1}}]},
        {"notes": [7]},
        {"turns": [{"reply": {"text": 7, "model_seconds": "long"}, "results": [7], "queue_seconds": -5.0}]},
        {"turns": [{"results": []}]},
        {"turns": [{"reply": []}]},
        {"turns": {}},
        {"wall_seconds": -3.0},
        {"usage": {"input_tokens": "many"}},
        {"checks": [7]},
        {"task": 7},
        {"stop": "vanished"},
        {"failure": {"kind": "odd", "message": "m"}},
    ],
)
def test_a_short_look_sees_who_is_measured_as_reading_does(change: dict[str, Any]) -> None:
    """What reading finds fault with is measured all the same where no grade stands on it: its notes say so."""
    text = json.encode(json.decode(encode(RECORD)) | change).decode()
    found = decode(text, TrialRecord)
    assert found.notes or found.failure is not None
    assert not is_measured(text) or found.failure is None
    light = next(iter(change)) in {"abandoned_usage", "notes"} or "text" in str(change)
    assert is_measured(text) is light


def test_a_score_that_none_can_be_is_not_measured() -> None:
    record = structs.replace(RECORD, checks=(Check(verifier="answer", label="a", score=1.5, reason="r"),))
    assert decode(json.encode(record).decode(), TrialRecord).checks[0].score is None


def test_rounding_below_nothing_is_nothing() -> None:
    record = structs.replace(RECORD, wall_seconds=-1e-12, cost_usd=-1e-18)
    found = decode(encode(record), TrialRecord)
    assert (found.wall_seconds, found.cost_usd, found.failure, found.notes) == (0.0, 0.0, None, ())


@pytest.mark.parametrize("text", ["", "{", "7", "[]", '{"run": 1e400', "\x00", "{}" * 3])
def test_what_is_no_record_at_all_is_one_kind_of_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text, TrialRecord)


def test_what_only_a_lenient_parser_reads_is_read() -> None:
    text = encode(RECORD).replace('"answer":""', '"answer":"\\ud800 \n"')
    text = text.replace('"published":{}', '"published":{"n":1e999,"m":' + "9" * 5000 + "}")
    found = decode(text, TrialRecord)
    assert found.answer == "\\ud800 \n"
    assert set(found.published) == {"n", "m"}


@pytest.mark.whole
def test_depth_is_cut_when_written_and_when_read() -> None:
    deep: object = 1
    for _ in range(100_000):
        deep = {"a": deep}
    written = decode(encode(structs.replace(RECORD, published={"deep": deep})), TrialRecord)
    text = encode(RECORD).replace('"published":{}', '"published":{"deep":' + "[" * 100_000 + "]" * 100_000 + "}")
    for found in (written, decode(text, TrialRecord)):
        assert "left out: nested too deeply" in json.encode(found.published).decode()
        assert structs.replace(found, published={}) == RECORD


@pytest.mark.parametrize(("levels", "kept"), [(126, True), (127, True), (128, False), (140, False)])
def test_what_is_as_deep_as_a_record_may_be_is_kept_as_it_is(levels: int, kept: bool) -> None:
    deep: object = "deepest"
    for _ in range(levels - 1):
        deep = [deep]
    record = structs.replace(RECORD, published={"deep": deep})
    assert ("deepest" in encode(record)) == kept
    assert (decode(encode(record), TrialRecord) == record) == kept


DEEP: dict[str, Any] = {}
for _ in range(300):
    DEEP = {"a": DEEP}
SPEC, STEP = VerifierSpec(kind="k", options=DEEP), SolutionStep(arguments=DEEP)
HOLDERS: tuple[Struct, ...] = (
    structs.replace(RECORD, published=DEEP),
    structs.replace(
        RECORD, turns=(Turn(reply=Reply(text="")), Turn(reply=Reply(text="", request=Sent(parameters=DEEP))))
    ),
    Task(id="t", title="t", prompt="p", verifiers=(SPEC,)),
    Task(id="t", title="t", prompt="p", solution=(STEP,)),
    Task(id="t", title="t", prompt="p", sabotages=(Sabotage(name="s", steps=(SolutionStep(), STEP)),)),
)


@pytest.mark.parametrize("record", HOLDERS)
def test_depth_is_looked_for_wherever_anything_may_stand(record: Struct) -> None:
    assert "left out: nested too deeply" in encode(record)


def test_every_field_that_may_hold_anything_is_known() -> None:
    found = {name for name, value in vars(records).items() if isinstance(value, type) and issubclass(value, Struct)
             and any("Any" in str(hint) for hint in get_type_hints(value).values())}  # fmt: skip
    assert found == {"Sent", "TrialRecord", "VerifierSpec", "SolutionStep", "ToolSpec"}, "those that are tried above"


def test_a_request_as_older_versions_kept_it_is_read_whole() -> None:
    """They kept a table of what was sent, by the APIs' own names; nothing is lost, and no note is made."""
    older = {
        "model": "claude-opus-4-6",
        "stream": True,
        "temperature": "not accepted",
        "thinking": {"type": "adaptive"},
        "anthropic_version": "2026-10-21",
        "api": "Anthropic Messages",
        "base_url": "https://api.anthropic.com",
        "protocol": "native",
        "system_digest": "0123456789ab",
        "tool_names": ["read_file"],
        "tools_digest": "ba9876543210",
        "max_tokens": 16000,
        "output_config": {"effort": "max"},
        "service_tier": "standard",
    }
    record = structs.replace(RECORD, turns=(Turn(reply=Reply(text="")),))
    kept = msgspec.to_builtins(record)
    kept["turns"][0]["reply"]["request"] = older
    found = decode(msgspec.json.encode(kept).decode(), TrialRecord)
    assert found.turns[0].reply.request == Sent(
        api="Anthropic Messages",
        base_url="https://api.anthropic.com",
        api_version="2026-10-21",
        model="claude-opus-4-6",
        stream=True,
        protocol="native",
        service_tier="standard",
        system="0123456789ab",
        tools=("read_file",),
        tools_digest="ba9876543210",
        output_cap_tokens=16000,
        thinking={"type": "adaptive"},
        not_accepted=("temperature",),
        parameters={"output_config": {"effort": "max"}},
    )
    assert (found.notes, found.failure) == (record.notes, record.failure)
    kept["turns"][0]["reply"]["request"] = {"api": "cli: codex", "tool_names": "the scaffold's own", "novel": 1}
    request = decode(msgspec.json.encode(kept).decode(), TrialRecord).turns[0].reply.request
    assert (request.api, request.tools, request.parameters) == ("cli: codex", ("the scaffold's own",), {"novel": 1})


def test_a_request_of_a_newer_version_loses_only_what_is_not_known_here() -> None:
    sent = Sent(api="x", system="0123", tools=("read_file",), output_cap_tokens=7, answered_by="m-2", price_vendor="v")
    kept = msgspec.to_builtins(structs.replace(RECORD, turns=(Turn(reply=Reply(text="", request=sent)),)))
    kept["turns"][0]["reply"]["request"]["novel"] = {"n": 1}
    found = decode(msgspec.json.encode(kept).decode(), TrialRecord)
    assert (found.turns[0].reply.request, found.notes) == (sent, RECORD.notes)
    kept["turns"][0]["reply"]["request"]["temperature"] = "warm"
    found = decode(msgspec.json.encode(kept).decode(), TrialRecord)
    assert found.turns[0].reply.request == sent
    assert "temperature cannot be 'warm'" in found.notes[-1]


def test_older_records_are_read_nearly_as_fast_as_new_ones() -> None:
    """In steps, not in seconds: none of them is mended field by field."""
    older = {"model": "m", "tool_names": ["read_file"], "max_tokens": 7, "system_digest": "0123", "stream": True}
    kept = msgspec.to_builtins(structs.replace(RECORD, turns=(Turn(reply=Reply(text="")),) * 20))
    for turn in kept["turns"]:
        turn["reply"]["request"] = older
    with mock.patch("flatfield.runs.store.codec.mended") as mended:
        found = decode(msgspec.json.encode(kept).decode(), TrialRecord)
    assert {turn.reply.request.output_cap_tokens for turn in found.turns} == {7}
    mended.assert_not_called()


RUN = Run(
    id="r",
    created_at="2026-01-02T03:04:05+00:00",
    evaluation=Evaluation(limits=LimitChanges(turns=3)),
    tasks=(Task(id="rounds", title="t", prompt="p"),),
    agents=(),
    repeats={"rounds": 2},
    begun=True,
    rounds=(Round(trials=6, open_pairs=(("a", "b"),)), Round(trials=4, open_pairs=(("a", "b"),))),
    rounds_ended=("until sure: the budget is spent", "until sure: its repeats were added by what was seen"),
)


def test_records_that_are_as_they_should_be_are_written_at_once() -> None:
    """None of them is mended field by field, also where a kind of record has parts of its own kind."""
    step = AgentConfig(name="step", provider="p", model="m")
    both = AgentConfig(name="both", provider="p", model="m", steps=(step, step))
    with mock.patch("flatfield.runs.store.codec.mended") as mended:
        for record in (RECORD, structs.replace(RUN, agents=(both,)), both):
            assert decode(encode(record), type(record)) == record
    mended.assert_not_called()


def test_a_run_comes_back_with_its_rounds() -> None:
    assert decode(encode(RUN), Run) == RUN


def test_an_older_run_told_its_rounds_and_that_it_had_begun_in_notes_and_versions() -> None:
    older = json.decode(encode(RUN))
    for name in ("begun", "rounds", "rounds_ended"):
        del older[name]
    older["versions"] = {"prices": "genai-prices 1"}
    rounds = (
        "round 1: a and b are not told apart yet (p = 0.81, 0.97 needed): 6 more trials",
        "round 2: a and b are not told apart yet (too few repeats): 4 more trials",
    )
    older["notes"] = ["x was left out", rounds[0], "round trips cost nothing", rounds[1], *RUN.rounds_ended]
    found = decode(json.encode(older).decode(), Run)
    assert found.begun
    assert [each.trials for each in found.rounds] == [6, 4]
    assert found.rounds_ended == RUN.rounds_ended
    assert list(found.notes) == older["notes"]
    assert found.evaluation.limits == LimitChanges(turns=3)


def test_an_older_run_without_rounds_has_none_and_has_not_begun() -> None:
    older = json.decode(encode(structs.replace(RUN, rounds=(), rounds_ended=(), begun=False)))
    for name in ("begun", "rounds", "rounds_ended"):
        del older[name]
    found = decode(json.encode(older).decode(), Run)
    assert (found.begun, found.rounds, found.rounds_ended) == (False, (), ())
