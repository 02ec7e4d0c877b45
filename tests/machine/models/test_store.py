"""Names and paths of models, and what lies in the cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.errors import NotReady
from flatfield.machine.models.known import KNOWN, KnownModel
from flatfield.machine.models.places import find_model, hub_source, list_models, near_models, pulled_path, unknown_model
from flatfield.tasks.cache import cache_folder


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"FLATFIELD_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/flatfield"),
        ({"XDG_CACHE_HOME": "b", "HOME": "/c"}, "/c/.cache/flatfield"),
        ({"XDG_CACHE_HOME": "", "HOME": "/c"}, "/c/.cache/flatfield"),
    ],
)
def test_where_the_cache_is(environ: dict[str, str], folder: str) -> None:
    assert cache_folder(environ) == Path(folder)


def test_any_gguf_file_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "own.gguf"
    file.write_bytes(b"GGUF\3\0\0\0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (str(file), "own.gguf", "./own.gguf", "~/own.gguf"):
        assert find_model(name, tmp_path / "cache") == file


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs", "is not a GGUF file"),
        (b"", "is not a GGUF file"),
        (None, "cannot be read (No such"),
    ],
)
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "own.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(NotReady) as caught:
        find_model(str(file), tmp_path)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="cannot be read"):
        find_model(f"{tmp_path}/", tmp_path)


def test_part_of_a_known_model_is_not_taken_for_it(tmp_path: Path) -> None:
    path = pulled_path("smollm2-135m", tmp_path)
    assert path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF half of it")
    with pytest.raises(NotReady, match=r"damaged .* run: flatfield models pull smollm2-135m"):
        find_model("smollm2-135m", tmp_path)
    assert not any(entry.pulled for entry in list_models(tmp_path))


def test_what_is_there_is_listed(tmp_path: Path) -> None:
    path = pulled_path("hf:owner/repo/sub/file.Q4.gguf", tmp_path)
    assert path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF")
    entries = {entry.name: entry for entry in list_models(tmp_path)}
    assert set(entries) == {"hf:owner/repo/sub/file.Q4.gguf", *(model.name for model in KNOWN)}
    assert entries["hf:owner/repo/sub/file.Q4.gguf"].size_bytes == 4
    assert entries["smollm2-135m"].license == "Apache-2.0"
    assert find_model("hf:owner/repo/sub/file.Q4.gguf", tmp_path) == path


@given(name=st.text(alphabet="ab./-_:~\\\0 ", max_size=20).map(lambda text: f"hf:{text}.gguf"))
def test_no_name_leads_out_of_the_cache(name: str) -> None:
    cache = Path("/cache")
    path = pulled_path(name, cache)
    assert (path is None) == (hub_source(name) is None)
    if path is not None:
        assert ".." not in path.parts
        assert path.is_relative_to(cache / "models" / "hf")


@pytest.mark.parametrize(
    "name", ["hf:a/b.gguf", "hf:../b/c.gguf", "hf:a/b/../../c.gguf", "hf:a/b/c.bin", "hf:a//c.gguf"]
)
def test_names_that_are_no_hub_names(name: str) -> None:
    assert hub_source(name) is None
    with pytest.raises(NotReady, match="there is no model"):
        find_model(name, Path("/cache"))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("qwen2.5-coder", ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")),
        ("qwen 1.5b", ("qwen2.5-coder-1.5b",)),
        ("Qwen2.5-Coder-1.5B", ("qwen2.5-coder-1.5b",)),
        ("Qwen2.5-Coder-0.5B-Instruct-GGUF", ("qwen2.5-coder-0.5b",)),
        ("SmolLM2", ("smollm2-135m",)),
        ("smolm2-135m", ("smollm2-135m",)),
        ("gpt-5", ()),
        ("", ()),
        ("?", ()),
    ],
)
def test_who_is_near_is_offered(name: str, near: tuple[str, ...]) -> None:
    assert near_models(name) == near
    assert all(each in unknown_model(name) for each in near or (model.name for model in KNOWN))


@pytest.mark.parametrize("model", KNOWN, ids=lambda model: model.name)
def test_the_wheels_of_a_known_model_make_its_whole_file(model: KnownModel) -> None:
    ends = [wheel.end_bytes for wheel in model.wheels]
    assert ends == sorted(set(ends))
    assert (ends[-1], model.wheels[-1].end_sha256) == (model.size_bytes, model.sha256)
    assert len({wheel.member for wheel in model.wheels}) == len({wheel.requirement for wheel in model.wheels})


def test_what_a_broken_pull_left_is_told(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "smollm2-135m.gguf.b179.part").write_bytes(b"GGUF half")
    entries = {entry.name: entry for entry in list_models(tmp_path)}
    assert [entry.arrived_bytes for entry in entries.values()] == [0, 0, 9]
    assert not entries["smollm2-135m"].pulled
