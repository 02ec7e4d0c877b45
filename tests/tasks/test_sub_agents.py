"""Agents read from sub-agent files, as they are found in public projects."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from flatfield.tasks.sub_agents import read_agent_file, read_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str, str], Path]

    from flatfield.records import Mistake

    Mistakes = Callable[..., list[Mistake]]

CALL = 'mcp__nano-agent__prompt_nano_agent(agentic_prompt=PROMPT, model="m", provider="p")'
OTHER_MODEL = CALL.replace('"m"', '"n"')
OTHER_PROVIDER = CALL.replace('"p"', '"q"')
NO_MODEL = CALL.replace('"m"', "MODEL")
OWN = CALL.replace("nano-agent__", "flatfield__")


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
        "First `mcp__x__prompt_nano_agent()`, then mcp__flatfield__prompt_nano_agent(PROMPT, model=MODEL)\n" + CALL,
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
        (f"---\nname: a b\n---\n{CALL}", 2, "'a b' cannot be an agent's name", "such as a-b"),
        ("---\nname: a\n---\n\n" + CALL.replace('"m"', "MODEL"), 5, "names no model", 'model="…"'),
        ("---\nname: a\n---\n\n" + OWN.replace(', provider="p"', ""), 5, "names no provider", 'provider="…"'),
        ("---\nname: a\n---\n" + CALL.replace('"p"', "PROVIDER"), 4, "names no provider", 'provider="…"'),
        (f"---\nname: a\ntemperature: 1\n---\n{CALL}", 3, "`temperature` is not read", "flatfield.toml"),
        (
            "---\nname: a\n---\n" + CALL.replace('"m"', "“m”"),
            4,
            "the model in the call is not in straight",
            'model="…"',
        ),
        (
            "---\nname: a\n---\n" + CALL.replace('"m"', "gpt-oss:20b"),
            4,
            "the model in the call is not in str",
            'model="…"',
        ),
        (
            "---\nname: a\n---\n" + CALL.replace('"p"', "`p`"),
            4,
            "the provider in the call is not in straig",
            'provider="…"',
        ),
        ("---\nname: a\n---\n" + CALL.replace('"m"', "config['m']"), 4, "the call names no model", 'model="…"'),
        (
            f"---\nname: a\n---\n{CALL[:-1]}, temperature=0.1)",
            4,
            "`temperature` is not read",
            "[agents.x] in flatfield.toml",
        ),
        (f"---\nname: a\n---\n{CALL}\n\n{OTHER_MODEL}", 6, "than the one in line 4", "a file of its own"),
        (f"---\nname: a\n---\n{CALL}\n{OTHER_PROVIDER}", 5, "than the one in line 4", "a file of its own"),
        (f"---\nname: [a]\n---\n{CALL}", 2, "`name` is a list", "write text"),
    ],
)
def test_mistakes(write: Write, mistakes: Mistakes, text: str, line: int, problem: str, fix: str) -> None:
    found = mistakes(read_agent_file, write("x.md", text))
    assert [(m.line, problem in m.problem, fix in m.fix) for m in found] == [(line, True, True)], found


@pytest.mark.parametrize(
    ("call", "provider", "model"),
    [
        (CALL.replace(', model="m", provider="p"', ""), "openai", "gpt-5-mini"),
        (CALL.replace(', provider="p"', ""), "openai", "m"),
        (CALL.replace(', model="m"', ""), "p", "gpt-5-mini"),
        ('mcp__nano-agent__prompt_nano_agent(PROMPT, "m", "p")', "p", "m"),
        ('mcp__nano-agent__prompt_nano_agent(PROMPT, provider="p", model="m")', "p", "m"),
        ("mcp__nano-agent__prompt_nano_agent({'agentic_prompt': PROMPT, 'model': 'm', 'provider': 'p'})", "p", "m"),
        (CALL.replace("PROMPT", 'f"{PROMPT}"'), "p", "m"),
        (CALL.replace("PROMPT", '"x " + PROMPT'), "p", "m"),
        (CALL.replace("PROMPT", "PROMPT.strip()"), "p", "m"),
        (CALL.replace("PROMPT", "json.dumps({'a': [PROMPT, (1, 2)]})"), "p", "m"),
        (CALL.replace("PROMPT", "the user's prompt"), "p", "m"),
        (CALL.replace("PROMPT", "“Do it, (now”"), "p", "m"),
        (CALL.replace("PROMPT", '"one\n\ntwo)"'), "p", "m"),
        (CALL.replace("PROMPT", '"it\'s", model="m"').replace(', model="m"', "", 1), "p", "m"),
        (CALL[:-1] + ", read_only=True, temperature=None, api_key=KEY)", "p", "m"),
        (CALL[:-1] + "\n\nThat is all.", "p", "m"),
        (f'mcp__nano-agent__prompt_nano_agent(PROMPT, model="…")\n{CALL}\n{CALL}', "p", "m"),
        ('mcp__nano-agent__prompt_nano_agent(agentic_prompt: PROMPT, model: "m", provider: "p")', "p", "m"),
        ('mcp__nano-agent__prompt_nano_agent(agentic_prompt="""a "b", c""", model="m", provider="p")', "p", "m"),
        (
            """mcp__nano-agent__prompt_nano_agent(  # (sends it)
  agentic_prompt=PROMPT,  # as it is, unchanged
  model="m",
  # where it runs:
  provider="p",
  api_key=abc123  # your key
)""",
            "p",
            "m",
        ),
    ],
)
def test_call_forms_and_the_defaults_of_the_originals_tool(write: Write, call: str, provider: str, model: str) -> None:
    agent = read_agent_file(write("x.md", f"---\nname: x\n---\n# X\n\n{call}\n\nThen stop (at once).\n"))
    assert agent is not None
    assert (agent.provider, agent.model) == (provider, model)


@pytest.mark.parametrize(
    "call",
    [
        "mcp__nano-agent__prompt_nano_agent()",
        "mcp__nano-agent__prompt_nano_agent (see its documentation)",
        'mcp__flatfield__prompt_nano_agent(agentic_prompt=PROMPT, agent="desk")',
        "mcp__flatfield__prompt_nano_agent(agentic_prompt=PROMPT)",
    ],
)
def test_calls_that_ask_for_no_model(write: Write, call: str) -> None:
    assert read_agent_file(write("x.md", f"---\nname: x\n---\n{call}\n")) is None


@pytest.mark.parametrize("name", ["日本語", "Ünïcode", "агент-1", "وكيل", "हिन्दी", "தமிழ்", "می\u200cخواهم"])
def test_a_name_may_be_written_in_any_script(write: Write, name: str) -> None:
    agent = read_agent_file(write("x.md", f"---\nname:\t{name}\n---\n{CALL}"))
    assert agent is not None
    assert agent.name == name


def test_a_folder_with_folders_in_it_and_files_of_others(write: Write, tmp_path: Path) -> None:
    write("agents/team/a.md", f"---\nname: a\n---\n{CALL}")
    write("agents/node_modules/b.md", f"---\nname: b\n---\n{CALL}")
    write("agents/.old/c.md", f"---\nname: c\n---\n{CALL}")
    write("agents/template.md", f"---\nname: [provider]-agent-[name]\n---\n{CALL}")
    (tmp_path / "agents/reviewer.md").write_bytes("---\nname: relecteur\n---\nVérifie.\n".encode("latin-1"))
    (tmp_path / "agents/odd.md").write_bytes(f"---\nname: odd\n---\nVérifie. {CALL}\n".encode("latin-1"))
    (tmp_path / "agents/gone.md").symlink_to("nowhere.md")
    (tmp_path / "agents/folder.md").mkdir()
    read = read_folder(tmp_path / "agents", "agents")
    assert [(agent.name, agent.source) for agent in read.agents] == [("a", "agents/team/a.md")]
    assert read.skipped == ("reviewer.md", "template.md")
    assert sorted(read.unread) == ["gone", "odd"]
    assert [(m.path, m.line) for m in read.unread["odd"]] == [("agents/odd.md", 4)]


def test_two_files_with_one_name_are_told_when_it_is_asked_for(write: Write, tmp_path: Path) -> None:
    for at in ("agents/a.md", "agents/team/b.md"):
        write(at, f"---\nname: same\n---\n{CALL}")
    read = read_folder(tmp_path / "agents", "agents")
    assert read.agents == ()
    (mistake,) = read.unread["same"]
    assert (mistake.path, mistake.problem) == ("agents/team/b.md", "the name 'same' is also that of agents/a.md")


def test_what_is_no_file_is_passed_over_and_a_folder_that_cannot_be_read_is_told(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("agents/a.md", f"---\nname: a\n---\n{CALL}")
    os.mkfifo(tmp_path / "agents/pipe.md")
    (tmp_path / "agents/link.md").symlink_to("pipe.md")
    (tmp_path / "agents/closed").mkdir()
    scan = os.scandir

    def refuse(at: str) -> object:
        if str(at).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(at))
        return scan(at)

    monkeypatch.setattr(os, "scandir", refuse)
    read = read_folder(tmp_path / "agents", "agents")
    assert [agent.name for agent in read.agents] == ["a"]
    assert (read.unread, read.skipped, read.untold) == ({}, (), ("closed: Permission denied",))


def test_a_name_on_the_next_line_is_a_name(write: Write, tmp_path: Path) -> None:
    write("agents/a.md", f"---\nname: >\n  folded\n---\n{CALL}")
    write("agents/b.md", f"---\nname: >-\n  broken\n---\n{NO_MODEL}")
    read = read_folder(tmp_path / "agents", "agents")
    assert [agent.name for agent in read.agents] == ["folded"]
    assert (list(read.unread), read.skipped) == (["broken"], ())


def test_a_call_in_utf_16_is_told(write: Write, tmp_path: Path) -> None:
    write("agents/none.md", "")
    (tmp_path / "agents/wide.md").write_bytes(f"---\nname: wide\n---\n{CALL}".encode("utf-16"))
    (tmp_path / "agents/other.md").write_bytes("---\nname: other\n---\nhello".encode("utf-16"))
    read = read_folder(tmp_path / "agents", "agents")
    (mistake,) = read.unread["wide"]
    assert (mistake.problem, mistake.fix) == ("the file is UTF-16, not UTF-8", "save the file as UTF-8")
    assert read.skipped == ("none.md", "other.md")


def test_a_key_in_a_call_is_never_said(write: Write, mistakes: Mistakes) -> None:
    text = f"---\nname: x\n---\n{CALL[:-1]}, api_key=sk-abc123, temperature=0.5)"
    found = mistakes(read_agent_file, write("x.md", text.replace('"m"', "sk-abc123")))
    assert len(found) == 2
    assert "abc123" not in str(found)
