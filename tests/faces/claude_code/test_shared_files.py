"""Settings and servers that others write too: older hooks of ours go, what is others' keeps its bytes."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.errors import InvalidFiles
from flatfield.faces.claude_code.parts import CALL_HOOKS, HOOKS, PROJECT, files
from flatfield.faces.claude_code.writing import added, with_hooks, with_server
from flatfield.records import AgentConfig

OURS = files((AgentConfig(name="a", provider="ollama", model="m"),), PROJECT)
SETTINGS, SERVERS = OURS[".claude/settings.json"], OURS[".mcp.json"]
NEW = json.loads(SETTINGS)["hooks"]
COMMAND = "flatfield speak --hook"
FIRST = {"type": "command", "command": COMMAND, "async": True, "timeout": 60}
"""What `init` wrote before hooks outlived Claude Code."""
SHORT = {"type": "command", "command": COMMAND}
THEIRS = {"type": "command", "command": "say done"}
CHECK = {"matcher": "Bash", "hooks": [{"type": "command", "command": "check"}]}


def hooks_of(settings: Any, *, force: bool = False) -> Any:
    """The hooks after `init`, which a second `init` leaves as they are."""
    text, _ = added(json.dumps(settings, indent=2), SETTINGS, "s.json", with_hooks, force=force)
    assert added(text, SETTINGS, "s.json", with_hooks, force=force)[0] == text, "twice is once"
    return json.loads(text)["hooks"]


def speaking(hooks: Any) -> list[tuple[str, Any]]:
    """Where flatfield is called, in the order of the file."""
    return [
        (event, hook)
        for event, groups in hooks.items()
        for group in groups
        for hook in group["hooks"]
        if "flatfield" in hook["command"]
    ]


@pytest.mark.parametrize("old", [FIRST, SHORT, {**FIRST, "timeout": 10}, NEW["Stop"][0]["hooks"][0]])
def test_older_hooks_are_replaced_in_any_order(old: Any) -> None:
    for order in itertools.permutations(HOOKS):
        found = hooks_of({"hooks": {event: [{"hooks": [old]}] for event in order}})
        assert found == NEW, order
        assert list(found) == [*order, *CALL_HOOKS]


@pytest.mark.parametrize("inner", list(itertools.permutations([FIRST, THEIRS, SHORT])))
def test_others_hooks_in_the_same_group_stay_where_they_are(inner: tuple[Any, ...]) -> None:
    found = hooks_of({"hooks": {"Stop": [{"hooks": list(inner)}], "PreToolUse": [CHECK]}})
    (group,) = found["Stop"]
    assert sorted(hook["command"] for hook in group["hooks"]) == [COMMAND, "say done"]
    first_of_ours = next(index for index, hook in enumerate(inner) if hook is not THEIRS)
    assert (group["hooks"].index(THEIRS) < 1) == (inner.index(THEIRS) < first_of_ours)
    assert found["PreToolUse"] == [CHECK]
    assert {event for event, _ in speaking(found)} == {*HOOKS, *CALL_HOOKS}


@given(
    st.dictionaries(
        st.sampled_from([*HOOKS, *CALL_HOOKS, "PreToolUse"]),
        st.lists(
            st.fixed_dictionaries(
                {"hooks": st.lists(st.sampled_from([FIRST, SHORT, THEIRS, NEW["Stop"][0]["hooks"][0]]), max_size=4)},
                optional={"matcher": st.sampled_from(["", "*", "Bash", NEW["PostToolUse"][0]["matcher"]])},
            ),
            max_size=3,
        ),
    )
)
def test_whatever_is_there_each_event_speaks_and_nothing_of_others_is_lost(hooks: Any) -> None:
    found = hooks_of({"a": 1, "hooks": hooks})
    told = speaking(found)
    assert {event for event, _ in told} == {*HOOKS, *CALL_HOOKS}
    assert all("async" not in hook for _, hook in told)
    theirs = [each for groups in hooks.values() for group in groups for each in group["hooks"] if each == THEIRS]
    left = [each for groups in found.values() for group in groups for each in group["hooks"] if each == THEIRS]
    assert left == theirs
    for event in CALL_HOOKS:
        assert all(
            group["matcher"] == NEW[event][0]["matcher"]
            for group in found[event]
            for hook in group["hooks"]
            if "flatfield" in hook["command"]
        )


def test_the_bytes_of_all_that_is_others_stay() -> None:
    text = (
        '\ufeff{\r\n\t"model":"opus",   "env": {"A":"\\u00e9","B":1e3},\r\n'
        '\t"hooks": {\r\n\t\t"PreToolUse": [ {"matcher":"Bash","hooks":[{"type":"command","command":"check"}]} ],\r\n'
        '\t\t"Stop": [{"hooks": [{"command":"say done","type":"command"},\r\n'
        '\t\t\t{"type":"command","command":"flatfield speak --hook","async":true,"timeout":60}]}]\r\n\t},\r\n'
        '\t"permissions": {"allow":["Read( a )"]}\r\n}\r\n\r\n'
    )
    found, kept = added(text, SETTINGS, "s.json", with_hooks, force=False)
    for part in text.split('{"type":"command","command":"flatfield speak --hook","async":true,"timeout":60}'):
        for line in filter(None, part.removesuffix('}]\r\n\t},\r\n\t"permissions"').split("\r\n")):
            assert line.removesuffix("}]") in found
    assert found.startswith("\ufeff{\r\n\t")
    assert found.endswith('\t"permissions": {"allow":["Read( a )"]}\r\n}\r\n\r\n')
    assert "\n" not in found.replace("\r\n", "")
    assert "async" not in found
    assert kept is False


def test_how_it_is_started_stays_unless_forced() -> None:
    mine = {"hooks": {"Stop": [{"hooks": [{**FIRST, "command": "'/a b/bin/flatfield' speak --hook"}]}]}}
    assert {hook["command"] for _, hook in speaking(hooks_of(mine))} == {"'/a b/bin/flatfield' speak --hook"}
    assert added(json.dumps(mine), SETTINGS, "s.json", with_hooks, force=False)[1], "which is said"
    assert {hook["command"] for _, hook in speaking(hooks_of(mine, force=True))} == {COMMAND}


@pytest.mark.parametrize(
    "command",
    ["flatfield speak --hook --to said.wav", "flatfield speak --hook || true", "cd x && flatfield speak --hook"],
)
def test_a_command_that_its_user_wrote_in_another_way_stays_alone(command: str) -> None:
    mine = {"hooks": [{"type": "command", "command": command}]}
    found = hooks_of({"hooks": {"Stop": [mine]}})
    assert found["Stop"] == [mine]
    assert found["Notification"] == NEW["Notification"]


@pytest.mark.parametrize("command", ["other speak --hook", "flatfield speak 'I am done'", "flatfield doctor", "'"])
def test_other_commands_are_nobodys_business(command: str) -> None:
    mine = {"hooks": [{"type": "command", "command": command}]}
    assert hooks_of({"hooks": {"Stop": [mine]}})["Stop"] == [mine, *NEW["Stop"]]


def test_a_narrower_choice_of_messages_is_its_users() -> None:
    mine = {"matcher": "permission_prompt", "hooks": [FIRST]}
    assert hooks_of({"hooks": {"Notification": [mine]}})["Notification"] == [{**mine, **NEW["Notification"][0]}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n  "hooks": {},\n}', "s.json:3: this is not JSON"),
        ('{\n  // who speaks\n  "hooks": {}\n}', "s.json:2: this is not JSON"),
        ("", "s.json:1: this is not JSON"),
        ("\n[]", "s.json:2: this is no object"),
        ('{\n\n"hooks": []}', "s.json:3: `hooks` is no object"),
        ('{"hooks": {\n"Stop": {}}}', "s.json:2: `Stop` is no list"),
        (
            '{"hooks": {"Stop": [\n{"hooks": []},\n{"matcher": "x"}]}}',
            "s.json:3: this of `Stop` has no list of `hooks`",
        ),
        ('{"hooks": {"Stop": [\n{"hooks": ["say"]}]}}', "s.json:2: this of `Stop` has no list of `hooks`"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_broken_settings_are_refused_with_their_line(text: str, said: str, force: bool) -> None:
    with pytest.raises(InvalidFiles) as raised:
        added(text, SETTINGS, "s.json", with_hooks, force=force)
    assert str(raised.value).startswith(said)


def servers_of(servers: Any, *, force: bool = False) -> tuple[Any, bool]:
    text, kept = added(json.dumps({"mcpServers": servers}), SERVERS, "m.json", with_server, force=force)
    return json.loads(text)["mcpServers"], kept


def test_a_server_gets_what_it_lacks_and_its_arguments_stay_with_its_command() -> None:
    mine = {"command": "uvx", "args": ["flatfield", "mcp"], "env": {"KEY": "x"}}
    wanted = json.loads(SERVERS)["mcpServers"]["flatfield"]
    further = {"alwaysLoad": True, "timeout": wanted["timeout"]}
    assert servers_of({"other": {}, "flatfield": mine}) == ({"other": {}, "flatfield": {**mine, **further}}, True)
    assert servers_of({"flatfield": mine}, force=True) == ({"flatfield": {**mine, **wanted}}, False)
    assert servers_of({"flatfield": {"command": "mine"}})[0]["flatfield"] == {"command": "mine", **further}
    assert servers_of({"flatfield": {"type": "http", "url": "u"}})[0]["flatfield"] == {
        "type": "http",
        "url": "u",
        **further,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"mcpServers":\n[]}', "m.json:1: `mcpServers` is no object"),
        ('{"mcpServers": {\n"flatfield": "x"}}', "m.json:2: the server `flatfield` is no object"),
    ],
)
def test_broken_servers_are_refused_with_their_line(text: str, said: str) -> None:
    with pytest.raises(InvalidFiles) as raised:
        added(text, SERVERS, "m.json", with_server, force=True)
    assert str(raised.value).startswith(said)
