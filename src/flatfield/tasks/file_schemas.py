"""What the files that people write may hold, as JSON Schemas: for editors, which complete and check from them.

They are made of the readers of those files, and of the verifiers and tools that are installed here. What each key is
stands in `said_of_keys.json`, which `make docs` takes from the tables of docs/files.md. A schema says less than its
reader: whether a file is there, whether a name is known, and what two keys mean together, only reading finds out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flatfield.tasks import config, generating, hop, lop, solution, verify
from flatfield.tasks.frontmatter import CLAUDE_KEYS
from flatfield.tasks.source import map_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Schema = dict[str, Any]
WORDS = Path(__file__).with_name("said_of_keys.json")
DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that the language servers of YAML and TOML both read."""


def lop_schema() -> Schema:
    """The front matter of a task; in one that is generated, a placeholder stands for any value."""
    schema = map_of(lop.readers())
    step = {"$ref": "#/definitions/step"}
    properties = schema["properties"] | {
        "verify": {"type": "array", "items": verify.item_schema()},
        "solution": {"type": "array", "items": step, "minItems": 1},
        "sabotages": {"type": "array", "items": {"$ref": "#/definitions/sabotages"}},
        generating.KEY: {"type": "string"},
    }
    made = {"type": "string", "pattern": r"^\{\{\w+\}\}$"}
    schema["properties"] = {
        key: value if value.get("type") == "string" else {"anyOf": [value, made]} for key, value in properties.items()
    }
    return schema | {"definitions": {"step": solution.step_schema(), "sabotages": solution.sabotage_schema(step)}}


def hop_schema() -> Schema:
    """The front matter of an evaluation."""
    return map_of(hop.readers())


FORMS: Mapping[str, tuple[str, Callable[[], Schema]]] = {
    "lop": ("The front matter of a task (LOP) of flatfield", lop_schema),
    "hop": ("The front matter of an evaluation (HOP) of flatfield", hop_schema),
    "config": ("flatfield.toml", config.file_schema),
}
"""What there is a schema of: its title, and what makes it."""


def schema_of_file(form: str) -> Schema:
    """The whole schema of one form, with what each key is."""
    title, make = FORMS[form]
    schema = make()
    said: dict[str, dict[str, str]] = json.loads(WORDS.read_text(encoding="utf-8"))
    tables = {name: table.get("additionalProperties", {}) for name, table in schema["properties"].items()}
    for name, part in {form: schema, **schema.get("definitions", {}), **tables}.items():
        for key, text in said.get(name, {}).items():
            if key in (part or {}).get("properties", {}):
                part["properties"][key] = {"description": text, **part["properties"][key]}
    if form != "config":
        schema["properties"] |= {key: True for key in CLAUDE_KEYS if key not in schema["properties"]}
    return {"$schema": DRAFT, "title": title, **schema}
