"""`flatfield models`: listed, pulled, checked; what cannot be is a sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]


def test_what_is_not_here_has_the_command_that_fetches_it(cli: Cli) -> None:
    ended = cli("models", "list")
    line = next(line for line in ended.stdout.splitlines() if line.startswith("smollm2-135m"))
    assert line.split()[-5:] == ["no:", "flatfield", "models", "pull", "smollm2-135m"]
    assert "98 MB" in line
    assert max(map(len, ended.stdout.splitlines())) <= 100


def test_the_list_as_json(cli: Cli, tmp_path: Path) -> None:
    found = json.loads(cli("models", "list", "--json").stdout)
    assert found[0]["name"] == "smollm2-135m"
    assert found[0]["pulled"] is False
    assert found[0]["path"].startswith(str(tmp_path / "cache"))


def test_a_file_of_ones_own_is_used_where_it_is(cli: Cli, project: Path) -> None:
    (project / "own.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    ended = cli("models", "pull", "./own.gguf", "--json")
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["size_bytes"] == 104
    assert "is ready: " in cli("models", "pull", "./own.gguf").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["pull", "nope"], "there is no model 'nope'; use one of smollm2-135m, hf:OWNER/REPO/FILE.gguf"),
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
