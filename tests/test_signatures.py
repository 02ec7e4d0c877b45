"""What a tool's parameters ask of arguments: one rule for calls that come natively and for those in a text."""

from __future__ import annotations

from typing import Any

import pytest

from flatfield.errors import ToolError
from flatfield.records import ToolSpec
from flatfield.signatures import Signature, signature

TEXT = {"type": "string"}


def of(properties: dict[str, Any], *required: str, **schema: Any) -> Signature:
    parameters = {"type": "object", "properties": properties, "required": list(required), **schema}
    return signature(ToolSpec(name="tool", description="", parameters=parameters))


CLOSED = of({"path": TEXT, "n": {"type": "integer"}, "any": {}}, "path", additionalProperties=False)


def test_arguments_fit_or_not() -> None:
    assert CLOSED.fits({"path": "a"})
    assert CLOSED.fits({"path": "a", "n": None, "any": [1]})
    assert not CLOSED.fits({"path": None})
    assert not CLOSED.fits({"path": 7})
    assert not CLOSED.fits({"path": "a", "n": True})
    assert not CLOSED.fits({"path": "a", "other": 1})
    assert not CLOSED.fits({})
    assert of({}).fits({"anything": 1})


def test_it_is_worded_with_and_without_types() -> None:
    assert CLOSED.wording == "tool(path, n?, any?)"
    assert CLOSED.typed == "tool(path: string, n?: integer, any?: any value)"


def test_what_does_not_fit_is_said_with_what_does() -> None:
    assert CLOSED.check({"path": "a", "n": None}) == {"path": "a"}
    with pytest.raises(
        ToolError, match=r"n must be a JSON integer, not string; expected: tool\(path, n\?, any\?\) with"
    ):
        CLOSED.check({"path": "a", "n": "1"})
