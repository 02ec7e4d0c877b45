"""Reads a LOP's `verify:` list into VerifierSpecs, each checked by the verifier that it names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from flatfield import plugins
from flatfield.records import VerifierSpec
from flatfield.tasks import source
from flatfield.tasks.source import plain, right_key, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

    from flatfield.tasks.source import Findings, Node

_BESIDE: dict[str, source.NodeReader] = {
    "weight": source.number(above=0),
    "full_at": source.number(above=0, most=1),
    "skill": source.text(),
}
"""What may stand beside the kind in an item's map."""
_LABEL_CHARACTERS = 80
_UNSAID = frozenset({"path", "run", "hidden", "into", "timeout_seconds", "counts", "guards"})
"""Options that say where and how a verifier looks; a label says what it looks for."""
_KINDS = {"str": "text (in quotes)", "bool": "true or false", "int": "a whole number", "float": "a number"}
_MISFIT = re.compile(r"Expected `(\w+)(?: \| null)?`, got ")


def read(node: Node | None, folder: Path, found: Findings) -> tuple[VerifierSpec, ...]:
    """Read the list; `folder` is the LOP's. Mistakes go into `found`, their items are left out."""
    if node is None:
        return ()
    if node.items is None:
        found.add(node.line, f"`verify` is {shown(node)}, not a list", "write items such as `- answer: {contains: …}`")
        return ()
    specs = [_item(item, folder, found) for item in node.items]
    return tuple(spec for spec in specs if spec is not None)


def label(spec: VerifierSpec) -> str:
    """What a verifier looks at, in a few words: `file out.json: equals`, `command python -m pytest -q`."""
    options = spec.options
    if set(options) == {"value"}:
        value = options["value"]
        text = f"{len(value)} items" if isinstance(value, list | tuple) else str(value)
    else:
        subject = next((str(options[key]) for key in ("path", "run") if key in options), "")
        keys = ", ".join(key for key in options if key not in _UNSAID)
        text = f"{subject}: {keys}" if subject and keys else subject or keys
    text = " ".join(f"{spec.kind} {text}".split())
    return text if len(text) <= _LABEL_CHARACTERS else text[: _LABEL_CHARACTERS - 1] + "…"


def named_paths(specs: Sequence[VerifierSpec], folder: Path) -> list[Path]:
    """The files and folders beside the LOP that any option names (`tests/`, `checks.py::verify`).

    Verifiers do not say which of their options are paths; hashing one text too many only makes a digest stricter.
    """
    base = folder.resolve()
    paths: list[Path] = []
    for text in (text for spec in specs for text in _texts(spec.options)):
        try:
            path = (base / text.partition("::")[0]).resolve()
            if path != base and path.is_relative_to(base) and path.exists():
                paths.append(path)
        except (OSError, ValueError):  # too long or with NUL: a text, not a path
            continue
    return paths


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _item(node: Node, folder: Path, found: Findings) -> VerifierSpec | None:
    known = plugins.names("verifier")
    kinds = [key for key in node.map or {} if key not in _BESIDE]
    if node.map is None or not kinds:
        found.add(
            node.line, f"an item of `verify` is {shown(node)} without a verifier", f"write one of: {', '.join(known)}"
        )
        return None
    unknown = [key for key in kinds if key not in known]
    for key in unknown:
        found.add(node.keys[key], f"there is no verifier `{key}`", right_key(key, [*known, *_BESIDE]))
    beside = {key: entry for key, entry in node.map.items() if key in _BESIDE}
    extra = {key: _BESIDE[key](entry, f"`{key}`", found) for key, entry in beside.items()}
    if unknown:
        return None
    if len(kinds) > 1:
        found.add(
            node.keys[kinds[1]], f"`{kinds[0]}` and `{kinds[1]}` stand in one item", "start a new `- ` item for each"
        )
        return None
    kind = kinds[0]
    if not _valid(kind, node, folder, found) or None in extra.values():
        return None
    value = plain(node.map[kind])
    options = value if isinstance(value, dict) else {"value": value}
    return VerifierSpec(kind=kind, options=options, line=node.keys[kind], **extra)


def _valid(kind: str, item: Node, folder: Path, found: Findings) -> bool:
    """Whether the verifier accepts the options; notes what it says against them."""
    node = (item.map or {})[kind]
    line = item.keys[kind]
    try:
        module = plugins.load("verifier", kind)
    except ImportError as error:
        found.add(line, f"the verifier `{kind}` cannot be loaded: {error}", "install what it needs")
        return False
    if lacking := _unfinished(module):
        found.add(line, f"the verifier `{kind}` {lacking}", "correct its file")
        return False
    options, sentence = _options(module, plain(node))
    if sentence:
        before = len(found.mistakes)
        _located(module, kind, node, found)
        if len(found.mistakes) == before:
            _sentence(kind, sentence, line, _example(module), found)
        return False
    check = getattr(module, "check_options", None)
    problem = check(options, folder) if check else None
    if problem:
        _sentence(kind, problem, line, "correct the LOP or the file", found)
    return problem is None


def read_options(module: ModuleType, value: object) -> Any:  # noqa: ANN401 - each verifier has its own Options
    """A verifier's Options; `value` is what stands below its name.

    Raises:
        ValueError: one sentence with what is wrong; it may go on with `; ` and what would be right.
    """
    if hasattr(module, "parse"):
        return module.parse(value)
    known = module.Options.__struct_encode_fields__  # not from `structs.fields`: each trial asks, see `read_map`
    if not isinstance(value, dict):
        raise ValueError(f"it takes a map; {_example(module)}")  # noqa: TRY004 - as `parse` raises
    if unknown := next((key for key in value if key not in known), None):
        raise ValueError(f"it has no option `{unknown}`; {_example(module)}")
    try:
        return msgspec.convert(value, module.Options)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _options(module: ModuleType, value: object) -> tuple[Any, str]:
    """The verifier's Options, or the sentence it has against the value."""
    try:
        return read_options(module, value), ""
    except (ValueError, msgspec.ValidationError) as error:
        return None, str(error)


def _located(module: ModuleType, kind: str, node: Node, found: Findings) -> None:
    """Find the mistakes in a map of options one by one: msgspec stops at the first and knows no lines."""
    if node.map is None:
        return
    known = {field.encode_name: field for field in msgspec.structs.fields(module.Options)}
    for key, entry in node.map.items():
        if key not in known:
            found.add(node.keys[key], f"`{kind}` has no option `{key}`", right_key(key, known))
            continue
        try:
            msgspec.convert(plain(entry), known[key].type)
        except msgspec.ValidationError as error:
            problem, wanted = f"`{key}` of `{kind}` is {shown(entry)}", wanted_kind(error)
            said = "" if wanted else f": {str(error).replace('Expected', 'expected', 1)}"
            found.add(entry.line, f"{problem}{said}", f"write {wanted or 'a value of that kind'}")
    for key, field in known.items():
        if field.required and key not in node.map:
            found.add(node.line, f"`{kind}` needs `{key}`", f"write `{key}: …` in it")


def wanted_kind(error: msgspec.ValidationError) -> str:
    """What stands in the place of an option's value of the wrong type, in plain words; "" where there are none."""
    match = _MISFIT.match(str(error))
    return _KINDS.get(match[1], "") if match else ""


def _sentence(kind: str, sentence: str, line: int, otherwise: str, found: Findings) -> None:
    """Note a verifier's own sentence, `what is wrong; what would be right`."""
    problem, _, fix = sentence.partition("; ")
    found.add(line, problem if f"`{kind}" in problem else f"`{kind}`: {problem}", fix or otherwise)


def _unfinished(module: ModuleType) -> str:
    """What a verifier's file lacks."""
    options = getattr(module, "Options", None)
    if not (isinstance(options, type) and issubclass(options, msgspec.Struct)):
        return "has no `Options`, a msgspec.Struct of what may stand below its name"
    has_door = callable(getattr(module, "verify", None)) or callable(getattr(module, "create", None))
    return "" if has_door else "has neither `verify(trial, files, options)` nor `create(options)`"


def _example(module: ModuleType) -> str:
    keys = [field.encode_name for field in msgspec.structs.fields(module.Options)]
    return f"its options are: {', '.join(keys)}" if keys else "write it without options"


# What an item may hold, as JSON Schema.


def item_schema() -> dict[str, Any]:
    """An item of `verify:`: one of the verifiers that are installed here, with what may stand beside it."""
    properties = {key: source.schema_of(reader) for key, reader in _BESIDE.items()}
    kinds = {kind: _options_schema(plugins.load("verifier", kind)) for kind in plugins.names("verifier")}
    return {
        "type": "object",
        "properties": {**kinds, **properties},
        "additionalProperties": False,
        "oneOf": [{"required": [kind]} for kind in kinds],
    }


def _options_schema(module: ModuleType) -> dict[str, Any]:
    """What stands below a verifier's name: its `SCHEMA`, else its Options; of one that parses, also no map at all."""
    said: dict[str, Any] | None = getattr(module, "SCHEMA", None)
    if said is not None:
        return said
    schema = msgspec.json.schema(module.Options)
    parts = schema.pop("$defs", {})
    options: dict[str, Any] = parts.pop(schema["$ref"].rpartition("/")[2])
    for key, value in options["properties"].items():
        if parts and "$ref" in value:  # of records within records, only that they are maps
            options["properties"][key] = {"type": "object"}
    return {"anyOf": [options, {"not": {"type": "object"}}]} if hasattr(module, "parse") else options
