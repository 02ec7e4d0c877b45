"""One file, or one entry point, adds a part by its name; nothing is imported before it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from flatfield import plugins
from flatfield.errors import NotFound, NotReady
from flatfield.records import ReportTraits, ToolTraits, VerifierTraits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Install = Callable[..., Path]


@pytest.fixture(autouse=True)
def look_again() -> Iterator[None]:
    """What one test installs is not seen by the next."""
    plugins.look_again()
    yield
    plugins.look_again()


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
        ("reader", {"csv", "jsonl", "openhands-index"}),
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
    with pytest.raises(
        NotFound, match=rf"there is no provider {name!r}( \(did you mean .*\?\))?; there are: .*openai-chat"
    ):
        plugins.load("provider", name)


def test_names_import_nothing() -> None:
    code = (
        "import sys; from flatfield import plugins; plugins.names('provider'); plugins.names('report');"
        "print([m for m in sys.modules if m.split('.')[0] in ('aiohttp', 'rich', 'numpy')"
        " or m.startswith('flatfield.vendors.')])"
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


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_installed_distributions_are_read_once_however_often_a_part_is_loaded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def counted(*, group: str) -> Any:
        looks.append(group)
        return entry_points(group=group)

    monkeypatch.setattr(plugins, "entry_points", counted)
    first = plugins.names(kind)[0]
    assert {plugins.load(kind, first) for _ in range(100)} == {plugins.load(kind, first)}
    assert plugins.names(kind)[0] == first
    assert looks == [f"flatfield.{kind}s"]


def test_one_that_is_installed_after_the_first_look_is_found_by_its_name(install: Install) -> None:
    with pytest.raises(NotFound, match="there is no verifier 'late_verifier'"):
        plugins.load("verifier", "late_verifier")
    file = install("flatfield.verifiers", "late_verifier")
    assert plugins.load("verifier", "late_verifier").__file__ == str(file)
    assert "late_verifier" in plugins.names("verifier"), "and is listed from then on"


def test_what_is_not_there_is_told_with_what_is_installed_by_now(install: Install) -> None:
    assert "later_report" not in plugins.names("report")
    install("flatfield.reports", "later_report")
    with pytest.raises(NotFound, match=r"there is no report 'other'; there are: .*later_report"):
        plugins.load("report", "other")


def test_what_was_found_cannot_be_changed_by_who_asked() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        plugins.known("report")["mine"] = None  # type: ignore[index]


# ---------------------------------------------------------------------------- what parts state about themselves


def test_a_third_partys_traits_are_those_of_its_module(install: Install) -> None:
    text = "from flatfield.records import VerifierTraits\nTRAITS = VerifierTraits(runs_code=False)\n"
    install("flatfield.verifiers", "looking", text)
    assert plugins.verifier_traits("looking") == VerifierTraits(runs_code=False)


@pytest.mark.parametrize("text", ["", "TRAITS = {'runs_code': False}", "import no_such_library", "1 / 0", "def"])
def test_one_that_states_nothing_that_can_be_read_is_taken_to_run_code_without_a_sandbox(
    install: Install, text: str
) -> None:
    for group in ("verifiers", "tools", "reports"):
        install(f"flatfield.{group}", f"old_{group}", text)
    found = plugins.verifier_traits("old_verifiers")
    assert (found.runs_code, found.needs_sandbox, found.judged) == (True, False, False)
    assert plugins.tool_traits("old_tools") == ToolTraits()
    assert plugins.report_traits("old_reports") == ReportTraits()


def test_what_is_no_longer_installed_is_asked_for_once_and_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def counted(*, group: str) -> Any:
        looks.append(group)
        return entry_points(group=group)

    monkeypatch.setattr(plugins, "entry_points", counted)
    for _ in range(1000):
        for kind in ("gone", "away", "answer"):
            assert plugins.verifier_traits(kind).runs_code == (kind != "answer")
    assert looks == ["flatfield.verifiers"]


def test_the_default_tools_stand_in_their_places_whatever_is_installed_beside_them(install: Install) -> None:
    text = "from flatfield.records import ToolTraits\nTRAITS = ToolTraits(default_place=0, content_argument='x')\n"
    install("flatfield.tools", "mine", text)
    expected = ("read_file", "list_directory", "write_file", "edit_file", "get_file_info")
    assert "mine" in plugins.names("tool")
    assert plugins.default_tools() == expected
    assert plugins.file_writer() == "write_file"


def test_no_default_tool_is_left_out_because_it_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(kind: str, name: str) -> ModuleType:
        if name == "edit_file":
            raise NotReady("a library is missing")
        return original(kind, name)

    original = plugins.load
    monkeypatch.setattr(plugins, "load", load)
    with pytest.raises(NotReady, match="a library is missing"):
        plugins.default_tools()


def test_every_part_of_ours_states_its_traits() -> None:
    for kind, struct in (("tool", ToolTraits), ("verifier", VerifierTraits), ("report", ReportTraits)):
        for name, point in plugins.known(kind).items():
            assert point or isinstance(plugins.load(kind, name).TRAITS, struct), name
