"""A decision as files of other tools: read again as those tools read them, and without a key in any."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from msgspec import structs

from flatfield.errors import FlatfieldError
from flatfield.faces.exports import FORMS, export
from flatfield.records import AgentConfig, RunResult
from flatfield.scoring.decision import decide
from flatfield.scoring.grading import grade
from flatfield.tasks.importers.nano_agent_2025_08 import load
from flatfield.tasks.sub_agents import read_folder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.whole


def result(**changed: Any) -> RunResult:
    """The published run, of whose best agent some settings are others."""
    found = load()
    agents = tuple(
        structs.replace(agent, **changed) if agent.name == "gpt-5-nano" else agent for agent in found.run.agents
    )
    run = structs.replace(found.run, agents=agents)
    return RunResult(run=run, trials=found.trials, verdicts=(), grading=grade(run, found.trials, ()))


def exported(form: str, **changed: Any) -> str:
    given = result(**changed)
    return export(form, decide(given), given)


def test_the_sub_agent_is_one_that_flatfield_and_claude_code_read(tmp_path: Path) -> None:
    text = exported("claude-code")
    (tmp_path / "a.md").write_text(text)
    (agent,) = read_folder(tmp_path, "agents").agents
    assert (agent.provider, agent.model) == ("openai", "gpt-5-nano")
    matter = yaml.safe_load(text.split("---\n")[1])
    assert matter["name"] == "nano-agent-gpt-5-nano"
    assert set(matter) == {"name", "description", "model", "color", "tools"}
    assert "Use gpt-5-nano: it is the best of 9 agents" in text


def test_litellm_serves_the_best_one_and_falls_back_in_order() -> None:
    whole = yaml.safe_load(exported("litellm", temperature=0.5, max_output_tokens=99, reasoning_effort="low"))
    assert "set LITELLM_MASTER_KEY" in exported("litellm")
    first, *others = whole["model_list"]
    assert first == {
        "model_name": "flatfield",
        "litellm_params": {
            "model": "openai/gpt-5-nano",
            "api_key": "os.environ/OPENAI_API_KEY",
            "temperature": 0.5,
            "max_tokens": 99,
            "reasoning_effort": "low",
        },
    }
    assert whole["router_settings"]["fallbacks"] == [{"flatfield": [each["model_name"] for each in others]}]
    local = next(
        each["litellm_params"] for each in others if each["litellm_params"]["model"].startswith("ollama_chat/")
    )
    assert (local["api_base"], local["api_key"]) == ("http://127.0.0.1:11434", "none")


def test_claude_code_routers_file_names_providers_models_and_who_does_what() -> None:
    whole = json.loads(exported("claude-code-router"))
    known = {f"{each['name']},{model}" for each in whole["Providers"] for model in each["models"]}
    assert whole["Router"]["default"] == "openai,gpt-5-nano"
    back = whole["Router"].pop("fallback")
    assert set(whole["Router"].values()) <= known
    assert whole["fallback"]["default"][0] != whole["Router"]["default"]
    assert {one.replace("/", ",", 1) for one in back["models"]} == set(whole["fallback"]["default"]) < known
    by_name = {each["name"]: each for each in whole["Providers"]}
    assert by_name["openai"]["api_base_url"] == "https://api.openai.com/v1/chat/completions"
    assert by_name["anthropic"]["transformer"] == {"use": ["Anthropic"]}
    elsewhere = json.loads(exported("claude-code-router", base_url="http://h:1/v1", api_key_env="MY_KEY"))
    first = elsewhere["Providers"][0]
    assert (first["api_base_url"], first["api_key"]) == ("http://h:1/v1/chat/completions", "$MY_KEY")
    assert len({each["name"] for each in elsewhere["Providers"]}) == len(elsewhere["Providers"])


def test_json_has_all_of_them_best_first() -> None:
    whole = json.loads(exported("json"))
    assert whole["use"] == whole["agents"][0]["name"] == "gpt-5-nano"
    assert len(whole["agents"]) == 9
    assert whole["agents"][0]["usd"] > 0


@pytest.mark.parametrize("form", FORMS)
def test_no_export_holds_a_key(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-0123456789")
    assert not re.search(r"sk-\w", exported(form))


@pytest.mark.parametrize(
    ("form", "changed", "sentence"),
    [
        ("helicone", {}, "--export 'helicone' is no form; use one of claude-code, litellm, claude-code-router, json"),
        (
            "litellm",
            {"provider": "local"},
            "gpt-5-nano (local) is nothing that LiteLLM can ask; export it as claude-code",
        ),
        (
            "claude-code-router",
            {"steps": (AgentConfig(name="a", provider="openai", model="m"),)},
            "is nothing that Claude Code Router can ask",
        ),
        (
            "claude-code",
            {"steps": (AgentConfig(name="a", provider="openai", model="m"),), "check": "hidden"},
            "gpt-5-nano checks its steps by 'hidden', which tasks have and a folder has not",
        ),
    ],
)
def test_what_cannot_be_exported_is_said(form: str, changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FlatfieldError, match=re.escape(sentence)):
        exported(form, **changed)


def test_nobody_recommended_is_nobody_exported() -> None:
    given = result()
    nobody = structs.replace(decide(given), recommended=None, answer="No agent to recommend")
    with pytest.raises(FlatfieldError, match="nobody to export: No agent to recommend"):
        export("json", nobody, given)
