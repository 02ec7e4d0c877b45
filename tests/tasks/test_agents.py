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
from flatfield.tasks.agents import NAME, fingerprint, parse_agent, read_agent_file, select_agents

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


def test_the_original_projects_agents_are_read_as_they_are(nano_agent: Path) -> None:
    read = {path.stem: read_agent_file(path) for path in (nano_agent / ".claude/agents").glob("*.md")}
    assert read.pop("greeter") is None
    assert len(read) == 9
    for stem, agent in read.items():
        assert agent is not None
        assert agent.name == stem
        assert agent.tools is None
    small, large = read["nano-agent-gpt-5-nano"], read["nano-agent-gpt-oss-120b"]
    assert small is not None
    assert large is not None
    assert (small.provider, small.model) == ("openai", "gpt-5-nano")
    assert (large.provider, large.model) == ("ollama", "gpt-oss:120b")
    assert small.description == "Hands a prompt over to a nano agent that runs on gpt-5-nano."


@pytest.mark.parametrize(
    "call",
    [
        "mcp__n__prompt_nano_agent(\n provider='p',\n agentic_prompt=\"(x), model=\\\"no\\\"\nline\",\n model='m',\n)",
        'First `mcp__x__prompt_nano_agent()`, then mcp__flatfield__prompt_nano_agent(PROMPT, model="no")\n' + CALL,
        'mcp__nano-agent__prompt_nano_agent( model = "m" , provider = "p" , read_only = true )',
    ],
)
def test_the_call_in_other_spellings(write: Write, call: str) -> None:
    agent = read_agent_file(write("some-name.md", f"---\ndescription: It says: go\n---\n{call}\n"))
    assert agent is not None
    assert (agent.name, agent.provider, agent.model) == ("some-name", "p", "m")
    assert agent.description == "It says: go"


def test_a_file_without_a_call_is_none_even_when_its_front_matter_is_no_yaml(write: Write) -> None:
    assert (
        read_agent_file(write("a.md", "---\ndescription: a: b: [\n---\nmcp__nano-agent__prompt_nano_agent\n")) is None
    )
    assert read_agent_file(write("b.md", f"---\nname: b\ntools: {CALL[:34]}\n---\nhello\n")) is None


@pytest.mark.parametrize(
    ("text", "line", "problem", "fix"),
    [
        (f"---\nname: a b\n---\n{CALL}", 2, "'a b' cannot be an agent's name", "letters"),
        ("---\nname: a\n---\n\n" + CALL.replace(', model="m"', ""), 5, "names no model", 'model="…"'),
        ("---\nname: a\n---\n" + CALL.replace('"p"', "PROVIDER"), 4, "names no provider", 'provider="…"'),
        (f"---\nname: a\ntemperature: 1\n---\n{CALL}", 3, "`temperature` is not read", "flatfield.toml"),
        (f"---\nname: [a]\n---\n{CALL}", 2, "`name` is a list", "write text"),
    ],
)
def test_mistakes(write: Write, mistakes: Mistakes, text: str, line: int, problem: str, fix: str) -> None:
    found = mistakes(read_agent_file, write("x.md", text))
    assert [(m.line, problem in m.problem, fix in m.fix) for m in found] == [(line, True, True)], found


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
    assert NAME.fullmatch(agent.name)


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
    same = AgentConfig(name="b", provider="p", headers={"y": "2", "x": "1"}, source="s", description="d")
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
