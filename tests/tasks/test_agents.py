"""Agents from sub-agent files and from the command line; selection and fingerprints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield import plugins
from flatfield.errors import NotFound
from flatfield.records import AgentConfig
from flatfield.tasks.agents import fingerprint, is_name, parse_agent, select_agents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str, str], Path]

    from flatfield.records import Mistake

    Mistakes = Callable[..., list[Mistake]]

CALL = 'mcp__nano-agent__prompt_nano_agent(agentic_prompt=PROMPT, model="m", provider="p")'
ROSTER = (
    AgentConfig(name="nano-agent-gpt-5", provider="openai", model="gpt-5"),
    AgentConfig(name="nano-agent-gpt-5-nano", provider="openai", model="gpt-5-nano"),
    AgentConfig(name="desk", provider="local", model="small"),
    AgentConfig(name="oracle", provider="oracle"),
)


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "names", lambda _: ("noop", "ollama", "openai-chat", "oracle"))


@pytest.mark.parametrize(
    ("text", "provider", "model", "url", "name"),
    [
        ("openai:gpt-5", "openai", "gpt-5", None, "openai:gpt-5"),
        ("ollama:gpt-oss:20b", "ollama", "gpt-oss:20b", None, "ollama:gpt-oss:20b"),
        ("a:b@http://h:1/v1", "a", "b", "http://h:1/v1", "a:b@h:1"),
        ("a:b@httpx@https://h/v1", "a", "b@httpx", "https://h/v1", "a:b@httpx@h"),
        ("a:org/model@v2", "a", "org/model@v2", None, "a:org-model@v2"),
        ("local:/models/x.gguf", "local", "/models/x.gguf", None, "local:-models-x.gguf"),
        ("noop:", "noop", "", None, "noop"),
    ],
)
def test_provider_model_and_url(text: str, provider: str, model: str, url: str | None, name: str) -> None:
    agent = parse_agent(text)
    assert (agent.provider, agent.model, agent.base_url, agent.name) == (provider, model, url, name)


@pytest.mark.parametrize(
    "url", ["http://planted:pw@h/v1", "http://planted@h/v1", "http://h/v1?key=planted", "http://h/v1#planted"]
)
def test_an_address_with_what_may_be_a_key_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(NotFound, match="the address of a:b holds a user name, a password or a query") as caught:
        parse_agent(f"a:b@{url}")
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "gpt-5", ":m", "openai:", "openai:@http://h/v1", "a:b@http://", "a:b@http://h:0x/"]
)
def test_what_is_no_agent(text: str) -> None:
    with pytest.raises(NotFound):
        parse_agent(text)


@given(
    provider=st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True),
    model=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: "@http" not in text),
)
def test_every_provider_and_model_can_be_written(provider: str, model: str) -> None:
    agent = parse_agent(f"{provider}:{model}@http://127.0.0.1:9/v1")
    assert (agent.provider, agent.model, agent.base_url) == (provider, model, "http://127.0.0.1:9/v1")
    assert is_name(agent.name)
    assert parse_agent(agent.typed_as) == agent


@pytest.mark.usefixtures("providers")
def test_names_globs_and_specs_keep_their_order_and_come_once() -> None:
    chosen = select_agents(["desk", "nano-*", "desk", " ollama:x ", "oracle"], ROSTER)
    assert [agent.name for agent in chosen] == [
        "desk",
        "nano-agent-gpt-5",
        "nano-agent-gpt-5-nano",
        "ollama:x",
        "oracle",
    ]


def test_a_glob_leaves_the_controls_out() -> None:
    assert [agent.name for agent in select_agents(["*"], ROSTER)] == [agent.name for agent in ROSTER[:3]]
    with pytest.raises(NotFound, match="no agent's name matches 'orac"):
        select_agents(["orac*"], ROSTER)


SHIPPED = (
    AgentConfig(name="gpt-5", provider="openai", model="gpt-5", source="shipped"),
    AgentConfig(name="gpt-5-mini", provider="openai", model="gpt-5-mini", source="shipped"),
    AgentConfig(name="noop", provider="noop", source="shipped"),
)


def test_a_glob_selects_ones_own_agents_before_those_brought_along() -> None:
    everybody = (*ROSTER, AgentConfig(name="gpt-5-own", provider="local", model="x"), *SHIPPED)
    assert [agent.name for agent in select_agents(["*"], everybody)] == [*(a.name for a in ROSTER[:3]), "gpt-5-own"]
    assert [agent.name for agent in select_agents(["gpt-5*"], everybody)] == ["gpt-5-own"]
    assert [agent.name for agent in select_agents(["gpt-5-mini"], everybody)] == ["gpt-5-mini"]


def test_a_glob_takes_agents_brought_along_only_when_it_names_their_beginning() -> None:
    assert [agent.name for agent in select_agents(["gpt-5*"], SHIPPED)] == ["gpt-5", "gpt-5-mini"]
    for glob in ("*", "?pt-5", "[g]pt-5", "*mini"):
        with pytest.raises(NotFound, match="not taken all at once"):
            select_agents([glob], SHIPPED)
    with pytest.raises(NotFound, match=r"there are: 3 that flatfield brings along"):
        select_agents(["x*"], SHIPPED)


@pytest.mark.usefixtures("providers")
def test_two_specs_of_one_name_stay_two_agents() -> None:
    specs = [f"openai-chat:m@http://h:1/{path}/v1" for path in "ab"]
    assert [agent.name for agent in select_agents([*specs, *specs], ())] == ["openai-chat:m@h:1", "openai-chat:m@h:1-2"]


@pytest.mark.usefixtures("providers")
def test_everything_unknown_is_said_at_once_with_what_comes_close() -> None:
    with pytest.raises(NotFound) as caught:
        select_agents(["dsek", "zzz", "olama:x", "q*", "desk"], ROSTER)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert "did you mean 'desk'?" in lines[0]
    assert "there are: nano-agent-gpt-5," in lines[1]
    assert "no provider 'olama'" in lines[2]
    assert "'ollama'" in lines[2]
    assert "matches 'q*'" in lines[3]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("provider", "x"), ("model", "x"), ("base_url", "http://x"), ("api_key_env", "X"), ("headers", {"a": "b"}),
        ("temperature", 0.0), ("max_output_tokens", 1), ("reasoning_effort", "low"), ("context_tokens", 1),
        ("protocol", "json"), ("on_device", False), ("usd_per_hour", 1.0), ("system_prompt", ""), ("tools", ()),
    ],
)  # fmt: skip
def test_a_fingerprint_changes_with_all_that_changes_behaviour(field: str, value: Any) -> None:
    agent = AgentConfig(name="a", provider="p", model="m")
    assert fingerprint(msgspec.structs.replace(agent, **{field: value})) != fingerprint(agent)


def test_a_fingerprint_is_what_it_was_before_there_were_external_agents() -> None:
    """Stored runs are resumed by it."""
    agent = AgentConfig(name="a", provider="openai", model="gpt-5")
    assert fingerprint(agent) == "97809b3efab9fe9e"
    assert fingerprint(msgspec.structs.replace(agent, command=("x",))) != fingerprint(agent)
    assert fingerprint(msgspec.structs.replace(agent, output="text")) != fingerprint(agent)


def test_a_fingerprint_does_not_change_with_names_and_order() -> None:
    agent = AgentConfig(name="a", provider="p", headers={"x": "1", "y": "2"})
    same = AgentConfig(
        name="b", provider="p", headers={"y": "2", "x": "1"}, source="s", description="d", subscription=True
    )
    assert fingerprint(agent) == fingerprint(same)
    assert len(fingerprint(agent)) == 16
    assert int(fingerprint(agent), 16) >= 0


def test_an_address_of_another_kind_is_no_model() -> None:
    with pytest.raises(NotFound, match="must begin with http"):
        parse_agent("openai-chat:x@ftp://127.0.0.1/v1")


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8080", "localhost:1234/v1", "gpu-box:8000", "[::1]:8080/v1", "localhost", "10.0.0.7:9"]
)
def test_an_address_without_its_scheme_is_asked_back(address: str) -> None:
    with pytest.raises(NotFound, match=re.escape(f"did you mean openai-chat:qwen3:8b@http://{address}?")):
        parse_agent(f"openai-chat:qwen3:8b@{address}")


@pytest.mark.parametrize("model", ["claude-sonnet-4-5@20250929", "qwen3:8b", "hf.co/a/b:Q4_K_M"])
def test_a_name_with_an_at_is_a_name(model: str) -> None:
    assert parse_agent(f"openai-chat:{model}").model == model
