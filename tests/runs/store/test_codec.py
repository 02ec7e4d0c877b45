"""Whatever a record holds, its text can be read again."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import ValidationError, json, structs

from flatfield.records import FileChange, Reply, TrialRecord, Turn
from flatfield.runs.store.codec import decode, encode

RECORD = TrialRecord(
    run="r", agent="a", task="t", repeat=1, task_digest="d", agent_fingerprint="f", stop="answered", wall_seconds=1.5
)


@given(answer=st.text(), seconds=st.floats(allow_nan=False, allow_infinity=False))
def test_a_record_comes_back_as_it_was(answer: str, seconds: float) -> None:
    record = structs.replace(RECORD, answer=answer, wall_seconds=seconds)
    assert decode(encode(record), TrialRecord) == record


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_json_lacks_do_not_lose_the_record(number: float) -> None:
    found = decode(encode(structs.replace(RECORD, wall_seconds=number, answer="kept")), TrialRecord)
    assert found.answer == "kept"
    assert abs(found.wall_seconds) in (sys.float_info.max, 0.0)


def test_a_file_name_that_is_not_utf_8_does_not_lose_the_record() -> None:
    record = structs.replace(RECORD, changes=(FileChange(path="\udcff.txt", kind="added"),))
    assert decode(encode(record), TrialRecord).changes[0].path == "\\udcff.txt"


def test_a_foreign_object_in_a_request_is_written_as_its_repr() -> None:
    record = structs.replace(RECORD, turns=(Turn(reply=Reply(text="", request={"stream": slice(1, 2)})),))
    assert decode(encode(record), TrialRecord).turns[0].reply.request == {"stream": "slice(1, 2, None)"}


def test_fields_of_a_newer_version_are_ignored() -> None:
    data = json.decode(encode(RECORD)) | {"field_of_tomorrow": [1]}
    assert decode(json.encode(data).decode(), TrialRecord) == RECORD


def test_a_record_that_breaks_its_type_is_refused_when_written() -> None:
    with pytest.raises(ValidationError):
        encode(structs.replace(RECORD, stop="vanished"))
