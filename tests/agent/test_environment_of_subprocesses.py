"""What the subprocesses of models are started with: the environment without keys."""

from __future__ import annotations

import pytest

from flatfield.http.secrecy import without_keys

NEEDED = {"PATH": "/bin", "HOME": "/root", "LD_LIBRARY_PATH": "/lib", "CUDA_VISIBLE_DEVICES": "0", "HTTPS_PROXY": "x"}


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "MY_KEY", "ANTHROPIC_AUTH_TOKEN", "HF_TOKEN", "client_secret", "DB_PASSWORD"]
)
def test_keys_are_left_out_and_all_else_stays(name: str) -> None:
    assert without_keys({**NEEDED, name: "sk-planted"}) == NEEDED
