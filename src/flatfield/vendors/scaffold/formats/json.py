"""A command that prints one JSON object: its answer, and what it says that it used."""

from __future__ import annotations

from flatfield.records import Usage
from flatfield.vendors.scaffold.external import Scaffold, ScaffoldReport, amount, count, dollars, whole_object

_MODEL = "model"


def read(printed: str) -> ScaffoldReport:
    """`text`, and any of the other keys: `error`, `model`, `turns`, `tool_calls`, `cost_usd` and the names of tokens.

    `input_tokens` and `output_tokens` (input with what is cached, output with reasoning) are both needed for tokens.
    """
    told = whole_object(printed)
    if not isinstance(told.get("text"), str) and not told.get("error"):
        raise ValueError("no `text` in its JSON object")
    known = all(count(told.get(name)) is not None for name in ("input_tokens", "output_tokens"))
    return ScaffoldReport(
        text=str(told.get("text") or ""),
        usage=Usage(**{name: amount(told, name) for name in Usage.__struct_fields__}) if known else None,
        cost_usd=dollars(told.get("cost_usd")),
        turns=count(told.get("turns")),
        tool_calls=count(told.get("tool_calls")),
        models=(str(told[_MODEL]),) if told.get(_MODEL) else (),
        error=str(told.get("error") or ""),
    )


SCAFFOLD = Scaffold(read=read)
