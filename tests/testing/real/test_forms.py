"""What replies look like, and where two of them differ."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flatfield.testing.fake_server import Beliefs
from flatfield.testing.real.differing import Difference, in_order, of_errors, of_forms
from flatfield.testing.real.forms import Look, looked_at, looked_at_error, skeleton

TYPED = Beliefs(ids=frozenset({"id"}), written=frozenset({"input"}), counts=("end:usage",))


def streamed(*events: Any, named: bool = False) -> bytes:
    head = "event: some\n" if named else ""
    return "".join(f"{head}data: {json.dumps(event)}\n\n" for event in events).encode()


def look(*events: Any, beliefs: Beliefs = TYPED) -> Look:
    return looked_at(streamed(*events), beliefs)


@pytest.mark.parametrize(
    ("body", "framing", "places"),
    [
        (streamed({"type": "a"}, {"type": "b"}), "server-sent events", ["a:", "b:"]),
        (streamed({"type": "a"}, named=True), "server-sent events with names", ["a:"]),
        (b': hello\n\ndata: {"x": 1}\n\ndata: [DONE]\n\n', "server-sent events", ["event:", "[DONE]:"]),
        (b'{"x": 1}\n{"x": 2}\n', "JSON lines", ["event:"]),
        (b'{\n "x": 1\n}\n', "whole", ["whole:"]),
        (b"<html>", "whole", ["whole:"]),
        (b"", "whole", ["whole:"]),
    ],
)
def test_events_are_told_apart_however_they_are_framed(body: bytes, framing: str, places: list[str]) -> None:
    found = looked_at(body, TYPED)
    assert (found.framing, list(found.forms)) == ({framing}, places)


def test_places_tell_kinds_apart_and_stop_at_what_the_model_wrote() -> None:
    item = {"type": "call", "id": "call_7", "input": {"whatever": {"the": "model"}}}
    found = look({"type": "end", "usage": {"out": 3}, "content": [item, {"type": "text"}], "delta": {"type": "t"}})
    assert list(found.forms) == ["end:", "end:usage", "end:content[call]", "end:content[text]", "end:delta(t)"]
    assert found.forms["end:content[call]"].types["input"] == {"object"}
    assert found.marks == {"end:content[call].id": {"call"}}
    assert found.counts == {"end:usage.out": 3}


@pytest.mark.parametrize("name", ["org-1234567", "jo@example.org", "a name", "x" * 60, "/home/jo"])
def test_names_that_may_be_somebodys_are_not_told(name: str) -> None:
    told = str(skeleton(look({"type": name, name: {name: 1}}, {"role": name})))
    assert name not in told
    assert "…" in told


def test_what_differs_is_said_once_and_by_its_place() -> None:
    kit = look({"type": "a", "x": 1, "y": {"z": 1}}, {"type": "a", "x": 1}, {"type": "b", "in": [{"type": "i"}]})
    real = look({"type": "a", "x": "1", "new": {"deep": {"er": 1}}}, {"type": "a"}, {"type": "c", "u": {"v": 1}})
    found = {(each.kind, each.at) for each in of_forms(real, kit, kit)}
    assert found == {
        ("event", "b:"),
        ("event", "c:"),
        ("more", "a:new"),
        ("missing", "a:x"),
        ("missing", "a:y"),
        ("type", "a:x"),
    }
    assert list(of_forms(kit, kit, kit)) == []


def test_kinds_whose_names_begin_alike_are_not_mixed_up() -> None:
    kit = look({"type": "response.item", "x": {"y": 1}}, {"type": "response.item.done"})
    real = look({"type": "response.item.done"})
    assert [(each.kind, each.at) for each in of_forms(real, kit, kit)] == [("event", "response.item:")]


def test_errors_are_compared_by_form_and_by_their_words() -> None:
    kit = looked_at_error(b'{"error": {"type": "invalid", "message": "m"}}', TYPED)
    same = looked_at_error(b'{"error": {"type": "invalid", "message": "other"}}', TYPED)
    other = looked_at_error(b'{"error": {"type": "bad", "detail": []}}', TYPED)
    assert list(of_errors("s", same, kit)) == []
    assert {each.at for each in of_errors("s", other, kit)} == {
        "error:error.detail",
        "error:error.message",
        "error:error.type",
    }
    (page,) = of_errors("s", looked_at_error(b"<html>", TYPED), kit)
    assert page.found == "its body is no JSON object"


def test_the_gravest_stands_first_and_what_repeats_is_said_of_the_first_step() -> None:
    more = Difference(kind="more", at="a:x", found="f")
    first, again = (Difference(kind="word", at="a:y", found="f", step=step) for step in ("turn 1", "turn 2"))
    status = Difference(kind="status", at="answer", found="f")
    assert in_order([more, first, again, status]) == (status, first, more)
