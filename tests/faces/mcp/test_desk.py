"""Where clients' agents may work, and which agents they may name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatfield.errors import FlatfieldError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def places(tmp_path: Path, folder: Path) -> dict[str, Path]:
    made = {"cwd": folder, "other": tmp_path / "other", "inner": folder / "inner"}
    for path in made.values():
        path.mkdir(exist_ok=True)
    return made


def test_without_roots_the_servers_own_folder_is_it(make_desk: Any, places: dict[str, Path]) -> None:
    desk = make_desk()
    assert desk.workspace(None, ()) == places["cwd"]
    assert desk.workspace("inner", ()) == places["inner"]
    with pytest.raises(FlatfieldError, match="must lie inside"):
        desk.workspace(str(places["other"]), ())


def test_a_trusted_clients_roots_count_and_the_first_is_where_it_works(make_desk: Any, places: dict[str, Path]) -> None:
    desk = make_desk()
    assert desk.workspace(None, (places["other"],)) == places["other"]
    assert desk.workspace(str(places["other"]), (places["other"],)) == places["other"]


def test_a_client_over_http_can_only_narrow(make_desk: Any, places: dict[str, Path]) -> None:
    desk = make_desk(trusts_client=False)
    assert desk.places((places["other"],)) == ()
    assert desk.places((places["inner"],)) == (places["inner"],)
    assert desk.workspace(None, (places["inner"],)) == places["inner"]
    with pytest.raises(FlatfieldError, match="must lie inside"):
        desk.workspace(str(places["other"]), (places["other"],))


def test_root_takes_the_place_of_the_servers_folder(make_desk: Any, places: dict[str, Path]) -> None:
    desk = make_desk(roots=(places["other"],))
    assert desk.workspace(None, ()) == places["other"]
    with pytest.raises(FlatfieldError, match="must lie inside"):
        desk.workspace(str(places["cwd"]), ())


def test_a_link_out_of_the_root_is_outside(make_desk: Any, places: dict[str, Path]) -> None:
    (places["cwd"] / "link").symlink_to(places["other"])
    with pytest.raises(FlatfieldError, match="must lie inside"):
        make_desk().workspace("link", ())


@given(parts=st.lists(st.sampled_from(["..", "inner", ".", "other", "/", "work", "~"]), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
def test_no_path_leads_outside(make_desk: Any, places: dict[str, Path], parts: list[str]) -> None:
    try:
        found = make_desk().workspace("/".join(parts), ())
    except FlatfieldError:
        return
    assert found.is_relative_to(places["cwd"])


def test_agents_are_named_by_name_by_model_or_by_model_and_provider(make_desk: Any, folder: Path) -> None:
    (folder / "flatfield.toml").write_text('[agents.mine]\nprovider = "ollama"\nmodel = "gpt-oss:20b"\n')
    desk = make_desk()
    project = desk.project()
    assert desk.chosen(project, "mine", None, None).name == "mine"
    assert desk.chosen(project, None, None, "gpt-oss:20b").name == "mine", "one's own comes first"
    assert desk.chosen(project, None, "ollama", "gpt-oss:20b").name == "mine"
    assert desk.chosen(project, "ollama:gpt-oss:20b", None, None).name == "mine"
    assert desk.chosen(project, None, None, None).name == "mine", "the first of one's own works when nobody is named"
    assert make_desk(agent="noop").chosen(project, None, None, None).name == "noop"


def test_an_address_is_for_those_who_allow_it(make_desk: Any) -> None:
    desk = make_desk(allow_urls=True)
    found = desk.chosen(desk.project(), "openai-chat:q@http://127.0.0.1:1/v1", None, None)
    assert (found.model, found.base_url) == ("q", "http://127.0.0.1:1/v1")
