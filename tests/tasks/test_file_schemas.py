"""The JSON Schemas of what people write take all that ships, and refuse what the readers refuse."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from flatfield import plugins
from flatfield.errors import InvalidFiles
from flatfield.tasks import agents, config, frontmatter, source, verify
from flatfield.tasks.config import read_config
from flatfield.tasks.file_schemas import FORMS, WORDS, schema_of_file
from flatfield.tasks.hop import is_evaluation, read_evaluation
from flatfield.tasks.lop import read_task
from flatfield.tasks.source import Described, plain

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "src" / "flatfield" / "tasks" / "suites"
BLOCK = re.compile(r"(?ms)^(`{3,})(\w+)\n(.*?)^\1$")
TASK = """---
id: one
level: 1
verify:
  - answer: {contains: Oslo}
    weight: 2
solution:
  - write_file: {file_path: a.txt, content: x}
  - answer: Oslo
---
# One

## Variables

PROMPT: "Go."
"""
HOP = "---\nagents: [a]\nrepeats: 2\nweights: {speed: 1}\n---\n# H\n"
CONFIG = '[agents.a]\nprovider = "openai"\nmodel = "m"\n\n[profiles.day]\nmax_seconds = 3\n'


@pytest.fixture(scope="module")
def judges() -> dict[str, Any]:
    made = {form: jsonschema.Draft7Validator(schema_of_file(form)) for form in FORMS}
    for form, judge in made.items():
        judge.check_schema(schema_of_file(form))
    return made


def matter(text: str) -> object:
    return plain(frontmatter.read(text, source.Findings("x"), drop=lambda _key: False))


def form_of(text: str) -> str:
    return "hop" if is_evaluation(text) else "lop"


def test_all_that_ships_is_taken(judges: dict[str, Any]) -> None:
    seen = {"lop": 0, "hop": 0}
    for path in SUITES.rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        if "workspace" in path.parts or not text.startswith("---\n"):
            continue
        form = form_of(text)
        seen[form] += 1
        problems = [error.message for error in judges[form].iter_errors(matter(text))]
        assert problems == [], path
    assert seen["lop"] > 30
    assert seen["hop"] > 0


@pytest.mark.parametrize("page", ["files.md", "write-a-lop.md", "write-a-hop.md", "local-models.md"])
def test_the_pages_examples_are_taken(page: str, judges: dict[str, Any]) -> None:
    seen = 0
    for _, language, text in BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
        value: object = None
        if language == "toml":
            form, value = "config", tomllib.loads(text)
        elif language == "markdown" and text.startswith("---\n") and "mcp__" not in text:
            form, value = form_of(text), matter(text)
        if value is not None:
            assert [error.message for error in judges[form].iter_errors(value)] == []
            seen += 1
    assert seen


def reads(form: str, text: str, folder: Path) -> bool:
    """Whether the reader takes it."""
    path = folder / ("flatfield.toml" if form == "config" else "file.md")
    path.write_text(text)
    try:
        if form == "lop":
            read_task(path)
        elif form == "hop":
            read_evaluation(path)
        else:
            read_config(path, "x")
    except InvalidFiles:
        return False
    return True


@pytest.mark.parametrize(
    ("form", "text", "old", "new"),
    [
        ("lop", TASK, "level: 1", "level: -1"),
        ("lop", TASK, "level: 1", "levle: 1"),
        ("lop", TASK, "contains:", "contain:"),
        ("lop", TASK, "answer: {contains", "anwser: {contains"),
        ("lop", TASK, "weight: 2", "weight: 0"),
        ("lop", TASK, "{file_path: a.txt, content: x}", "{file_path: a.txt}"),
        ("lop", TASK, "write_file", "write_files"),
        ("lop", TASK, "level: 1", "tools: [read_fiel]"),
        ("lop", TASK, "level: 1", "limits: {turns: 0}"),
        ("lop", TASK, "level: 1", "sabotages: [{name: x}]"),
        ("hop", HOP, "repeats: 2", "repeats: two"),
        ("hop", HOP, "repeats: 2", "names: real"),
        ("hop", HOP, "repeats: 2", "judge_weight: 2"),
        ("hop", HOP, "{speed: 1}", "{sped: 1}"),
        ("config", CONFIG, 'provider = "openai"\n', ""),
        ("config", CONFIG, 'model = "m"', 'model = "m"\ntemperature = "hot"'),
        ("config", CONFIG, 'model = "m"', 'model = "m"\nprotocol = "yaml"'),
        ("config", CONFIG, "max_seconds = 3", "max_second = 3"),
        ("config", CONFIG, "[profiles.day]", "[profile.day]"),
    ],
)
def test_what_the_readers_refuse_is_refused(
    form: str, text: str, old: str, new: str, tmp_path: Path, judges: dict[str, Any]
) -> None:
    wrong = text.replace(old, new)
    for each, right in ((text, True), (wrong, False)):
        value = tomllib.loads(each) if form == "config" else matter(each)
        assert reads(form, each, tmp_path) is right
        assert judges[form].is_valid(value) is right


def test_every_verifier_tool_and_setting_is_in_them() -> None:
    lop, tables = schema_of_file("lop"), schema_of_file("config")["properties"]["agents"]["additionalProperties"]
    settings, *_others = tables["anyOf"]
    assert set(plugins.names("verifier")) <= set(lop["properties"]["verify"]["anyOf"][0]["items"]["properties"])
    assert set(plugins.names("tool")) <= set(lop["definitions"]["step"]["properties"])
    assert set(settings["properties"]) == set(agents.SETTINGS)
    assert settings["properties"]["provider"]["enum"] == list(plugins.names("provider"))


def test_every_key_says_what_it_is() -> None:
    words = json.loads(WORDS.read_text(encoding="utf-8"))
    assert set(agents.SETTINGS) <= set(words["agents"])
    assert set(config.PREFERENCES) <= set(words["profiles"])
    for form in ("lop", "hop"):
        for key, value in schema_of_file(form)["properties"].items():
            assert value is True or value.get("description"), f"{form}: {key}"


def test_a_reader_that_is_described_reads_as_before() -> None:
    found = source.Findings("x")
    reader = source.integer(1)
    assert isinstance(reader, Described)
    assert reader(source.Node(3, 2), "`turns`", found) == 2
    assert reader(source.Node(3, 0), "`turns`", found) is None
    assert [mistake.line for mistake in found.mistakes] == [3]


class Inner(msgspec.Struct):
    deep: int = 0


class Options(msgspec.Struct):
    """Of a verifier of somebody else's."""

    at_most: int
    within: Inner = msgspec.field(default_factory=Inner)


def test_a_verifier_of_others_is_described_by_its_options() -> None:
    class Module:
        pass

    module: Any = Module()
    module.Options = Options
    schema = verify._options_schema(module)
    assert schema["required"] == ["at_most"]
    assert schema["properties"]["at_most"] == {"type": "integer"}
    module.parse = lambda value: value
    judge = jsonschema.Draft7Validator(verify._options_schema(module))
    assert judge.is_valid("another form")
    assert not judge.is_valid({"at_mots": 1})
