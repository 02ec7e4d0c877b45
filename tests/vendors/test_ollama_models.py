"""What Ollama tells of a model, and what follows from it: context, thinking, and when a conversation was cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.records import AgentConfig
from flatfield.vendors.ollama.models import ModelFacts, context_window, read_facts, think_value, was_cut


def shown(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_what_show_tells() -> None:
    facts = read_facts(
        shown(
            capabilities=["completion", "tools"],
            details={"family": "llama"},
            model_info={"general.architecture": "llama", "llama.context_length": 8192, "other": [1]},
            parameters='num_keep                       24\nnum_ctx                        4096\nstop "num_ctx 5"',
            thinking={"values": ["low", True], "default": "low"},
            remote_host="https://ollama.com:443",
        )
    )
    assert facts == ModelFacts(
        capabilities=("completion", "tools"),
        context_tokens=8192,
        num_ctx=4096,
        think_values=("low", True),
        family="llama",
        remote=True,
    )


@pytest.mark.parametrize("body", [b"", b"{not json", b"[]", b"{}", shown(model_info={"a.context_length": 5})])
def test_a_server_that_tells_nothing(body: bytes) -> None:
    assert read_facts(body) == ModelFacts()


@pytest.mark.parametrize(
    ("asked", "own", "trained", "remote", "window"),
    [
        (None, None, None, False, 8192),
        (None, None, 131072, False, 8192),
        (None, None, 2048, False, 2048),
        (None, 16384, 131072, False, 16384),
        (65536, 16384, 131072, False, 65536),
        (200000, None, 131072, False, 131072),
        (4096, None, None, False, 4096),
        (None, None, 131072, True, 131072),
        (None, None, None, True, 8192),
    ],
)
def test_the_context_that_is_asked_for(
    asked: int | None, own: int | None, trained: int | None, remote: bool, window: int
) -> None:
    agent = AgentConfig(name="a", provider="ollama", model="m", context_tokens=asked)
    assert context_window(agent, ModelFacts(num_ctx=own, context_tokens=trained), remote=remote) == window


THINKS = ("completion", "thinking")


@pytest.mark.parametrize(
    ("effort", "model", "facts", "value"),
    [
        ("high", "gpt-oss:20b", ModelFacts(), "high"),
        ("high", "mine", ModelFacts(family="gptoss"), "high"),
        ("max", "gpt-oss:20b", ModelFacts(), None),
        ("max", "x", ModelFacts(capabilities=THINKS, think_values=("high", "max")), "max"),
        ("high", "qwen3:8b", ModelFacts(capabilities=THINKS), True),
        ("high", "qwen3:8b", ModelFacts(capabilities=THINKS, think_values=(True, False)), True),
        ("high", "x", ModelFacts(think_values=("low", True)), None),
        ("none", "qwen3:8b", ModelFacts(capabilities=THINKS), False),
        ("off", "x", ModelFacts(think_values=("low", "high")), None),
        ("on", "qwen3:8b", ModelFacts(), True),
        ("low", "llama3.2", ModelFacts(capabilities=("completion", "tools")), None),
        ("none", "llama3.2", ModelFacts(think_values=(False,)), False),
    ],
)
def test_reasoning_effort_becomes_what_the_model_accepts(
    effort: str, model: str, facts: ModelFacts, value: bool | str | None
) -> None:
    assert think_value(effort, model, facts) == value


@pytest.mark.parametrize(
    ("count", "num_ctx", "sent_bytes", "before", "cut"),
    [
        (2051, 4096, 36_000, 0, True),  # measured: 9,200 tokens sent
        (4099, 8192, 36_000, 0, True),
        (2050, 4096, 30_000, 0, True),
        (16387, 32768, 600_000, 0, True),
        (2600, 4096, 30_000, 3900, True),  # messages were dropped from the front
        (120, 8192, 20_000, 5100, False),  # a count of what was not in the server's cache
        (4096, 4096, 9_000, 3000, True),  # no room for an answer
        (2051, 4096, 8_000, 1900, False),  # half a window, of half a window's text
        (3900, 4096, 15_000, 3000, False),
        (120, 4096, 900, 3000, False),  # only what was not cached was counted
    ],
)
def test_a_shortened_conversation_is_noticed(count: int, num_ctx: int, sent_bytes: int, before: int, cut: bool) -> None:
    assert was_cut(count, num_ctx=num_ctx, sent_bytes=sent_bytes, before_tokens=before) is cut


@given(st.integers(512, 131072), st.data())
def test_text_of_the_usual_kind_that_fits_is_never_taken_for_cut(num_ctx: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, num_ctx - 1))
    before = data.draw(st.integers(0, count))
    sent_bytes = int(count * data.draw(st.floats(1.0, 5.5)))
    assert not was_cut(count, num_ctx=num_ctx, sent_bytes=sent_bytes, before_tokens=before)
