"""One file, or one entry point, adds a part by its name; nothing is imported before it is used."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from flatfield import plugins
from flatfield.errors import NotFound, NotReady


def with_entry_point(monkeypatch: pytest.MonkeyPatch, kind: str, name: str, load: Any) -> None:
    point = SimpleNamespace(name=name, value=f"third.party:{name}", load=load)

    def points(*, group: str, name: str | None = None) -> list[Any]:
        return [point] if group == f"flatfield.{kind}s" and name in (None, point.name) else []

    monkeypatch.setattr(plugins, "entry_points", points)


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        ("provider", {"openai-chat", "local", "oracle", "noop"}),
        ("tool", {"read_file", "edit_file", "run_command"}),
        ("verifier", {"answer", "file", "command", "python", "rubric"}),
        ("report", {"terminal", "markdown", "json", "csv"}),
        ("importer", {"nano-agent-2025-08"}),
    ],
)
def test_names_are_those_that_users_write(kind: str, some: set[str]) -> None:
    found = plugins.names(kind)
    assert some <= set(found)
    assert list(found) == sorted(found)
    assert not any(name.startswith(("_", "-")) for name in found)
    for name in some:
        assert isinstance(plugins.load(kind, name), ModuleType)


@pytest.mark.parametrize("name", ["openia-chat", "openai_chat", "_chat_reader", "../tools", "", "os"])
def test_what_there_is_not_is_told_with_what_there_is(name: str) -> None:
    with pytest.raises(NotFound, match=f"there is no provider {name!r}; there are: .*openai-chat"):
        plugins.load("provider", name)


def test_names_import_nothing() -> None:
    code = (
        "import sys; from flatfield import plugins; plugins.names('provider'); plugins.names('report');"
        "print([m for m in sys.modules if m.split('.')[0] in ('aiohttp', 'rich', 'numpy')"
        " or m.startswith('flatfield.agent.providers.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_third_partys_part_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = ModuleType("theirs")
    with_entry_point(monkeypatch, "provider", "their-own", lambda: theirs)
    assert "their-own" in plugins.names("provider")
    assert "their-own" not in plugins.names("tool")
    assert plugins.load("provider", "their-own") is theirs


@pytest.mark.parametrize("error", [ImportError("No module named 'their_lib'"), AttributeError("no attribute 'x'")])
def test_one_that_cannot_be_imported_is_not_ready(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def load() -> ModuleType:
        raise error

    with_entry_point(monkeypatch, "provider", "their-own", load)
    with pytest.raises(
        NotReady, match=r"provider 'their-own' of third\.party:their-own cannot be imported: .*; install"
    ):
        plugins.load("provider", "their-own")
