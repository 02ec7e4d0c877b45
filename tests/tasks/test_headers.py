"""Headers name the variables that hold their keys; a key that stands in the file is refused, and not printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.errors import InvalidFiles
from flatfield.tasks.agents import filled, is_secret, variables
from flatfield.tasks.config import read_config

if TYPE_CHECKING:
    from pathlib import Path

AGENT = '[agents.a]\nprovider = "openai-chat"\nmodel = "m"\nheaders = {%s}\n'


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "API-Key", "X-Auth-Token", "client-secret", "Cookie"])
def test_a_key_in_the_file_is_refused_and_not_printed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "flatfield.toml"
    path.write_text(AGENT % f'{name} = "Bearer planted-key-0123"')
    with pytest.raises(InvalidFiles) as raised:
        read_config(path, "flatfield.toml")
    said = str(raised.value)
    assert said.startswith(f"flatfield.toml:4: the header `{name}` holds a key, which would be stored with every run;")
    assert f'{name} = "${{NAME}}"' in said
    assert "planted" not in said
    path.write_text(AGENT % f'{name} = "Bearer ${{MY_KEY}}", X-Team = "benchmarks"')
    (agent,) = read_config(path, "flatfield.toml").agents
    assert agent.headers == {name: "Bearer ${MY_KEY}", "X-Team": "benchmarks"}


def test_what_cannot_be_a_variable_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "flatfield.toml"
    path.write_text(AGENT % 'X-Team = "${not a name}"')
    with pytest.raises(InvalidFiles, match="cannot be an environment variable"):
        read_config(path, "flatfield.toml")


def test_values_are_filled_from_the_environment() -> None:
    headers = {"Cookie": "a=${A}; b=${B}; c=${A}", "X-Team": "$5"}
    assert variables(headers) == ("A", "B")
    assert filled(headers, {"A": " 1 ", "B": "${A}"}) == {"Cookie": "a=1; b=${A}; c=1", "X-Team": "$5"}
    with pytest.raises(KeyError, match="B"):
        filled(headers, {"A": "1", "B": ""})


@pytest.mark.parametrize("name", ["X-Team", "anthropic-beta", "Content-Type", "HTTP-Referer"])
def test_other_headers_hold_no_keys(name: str) -> None:
    assert not is_secret(name)
