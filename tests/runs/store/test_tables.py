"""What is looked at of a stored trial without reading its whole record."""

from __future__ import annotations

from msgspec import structs

from flatfield.records import TrialRecord
from flatfield.runs.store.codec import graded_parts


def test_every_amount_of_a_record_is_looked_at() -> None:
    amounts = {field.name: field for field in structs.fields(TrialRecord) if field.name.endswith(("_seconds", "_usd"))}
    looked = {field.name: field for field in structs.fields(graded_parts())}
    assert len(amounts) > 10
    assert {name: looked[name].type for name in amounts} == {name: field.type for name, field in amounts.items()}
    assert {name: looked[name].default for name in amounts} == {name: field.default for name, field in amounts.items()}
