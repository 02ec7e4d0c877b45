import errno
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatfield import plugins
from flatfield.agent.toolbox import RESULT_LIMIT_BYTES, Toolbox, ToolText, failed_in_short, open_tools
from flatfield.agent.workspace import open_workspace
from flatfield.clock import SystemClock
from flatfield.errors import NotFound, NotReady, ToolError
from flatfield.plugins import default_tools
from flatfield.records import ToolCall, ToolResult, ToolSpec
from flatfield.testing.clocks import FakeClock


class Probe:
    """A tool with every kind of argument, that does what a test says."""

    spec = ToolSpec(
        name="probe",
        description="",
        parameters={
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "count": {"type": "integer"},
                "share": {"type": "number"},
                "flag": {"type": "boolean"},
                "items": {"type": "array"},
                "more": {"type": "object"},
                "any": {},
            },
            "required": ["text"],
            "additionalProperties": False,
        },
    )

    def __init__(self, clock: FakeClock, result: str | BaseException = "done") -> None:
        self.seen: list[Mapping[str, Any]] = []
        self._clock = clock
        self._result = result

    async def call(self, arguments: Mapping[str, Any]) -> Any:
        self.seen.append(arguments)
        self._clock.seconds += 2.5
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


def probe(arguments: str) -> ToolCall:
    return ToolCall(id="c1", name="probe", arguments=arguments)


async def test_a_good_call_is_done_and_measured(clock: FakeClock) -> None:
    tool = Probe(clock)
    result = await Toolbox([tool], clock).run(
        probe('{"text":"a\\u00e9","count":2,"share":1,"flag":true,"items":[1],"more":{"k":null},"any":3}')
    )
    assert (result.call_id, result.name, result.text, result.ok, result.seconds) == ("c1", "probe", "done", True, 2.5)
    assert tool.seen == [
        {"text": "aé", "count": 2, "share": 1, "flag": True, "items": [1], "more": {"k": None}, "any": 3}
    ]


async def test_what_is_not_the_tools_own_time_is_kept_apart(clock: FakeClock) -> None:
    class Sandboxed(Probe):
        async def call(self, arguments: Mapping[str, Any]) -> ToolText:
            return ToolText(text=await super().call(arguments), seconds=0.1)

    took = (await Toolbox([Probe(clock)], clock).run(ToolCall(id="c", name="probe", arguments='{"text": "a"}'))).seconds
    result = await Toolbox([Sandboxed(clock)], clock).run(ToolCall(id="c", name="probe", arguments='{"text": "a"}'))
    assert took > 0.1
    assert (result.seconds, result.sandbox_seconds) == pytest.approx((0.1, took - 0.1))


async def test_null_stands_for_an_argument_left_out(clock: FakeClock) -> None:
    tool = Probe(clock)
    assert (await Toolbox([tool], clock).run(probe('{"text":"a","count":null}'))).ok
    assert tool.seen == [{"text": "a"}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"text":', "not valid JSON"),
        ("text=a", "not valid JSON"),
        ('{"text":"\ud800"}', "not valid JSON"),
        ('{"text":"\\ud800"}', "not valid JSON"),
        ("[1]", "not one plain JSON object"),
        ('"{}"', "not one plain JSON object"),
        ('{"text":"a","any":' + "[" * 100_000 + "}", "nested too deeply"),
        ('{"text":"a","any":' + "[" * 100 + "]" * 100 + "}", "nested too deeply"),
        ("", "text is missing"),
        (" null ", "text is missing"),
        ("{}", "text is missing"),
        ('{"text":null}', "text must be a JSON string, not null"),
        ('{"text":1}', "text must be a JSON string, not integer"),
        ('{"text":"a","count":"2"}', "count must be a JSON integer, not string"),
        ('{"text":"a","count":true}', "count must be a JSON integer, not boolean"),
        ('{"text":"a","count":1.5}', "count must be a JSON integer, not number"),
        ('{"text":"a","flag":0}', "flag must be a JSON boolean"),
        ('{"text":"a","items":{}}', "items must be a JSON array, not object"),
        ('{"text":"a","other":1}', "there is no argument 'other'"),
        ('{"text":"a","other":null}', "there is no argument 'other'"),
    ],
)
async def test_bad_arguments_become_text_that_says_what_is_expected(
    clock: FakeClock, arguments: str, said: str
) -> None:
    tool = Probe(clock)
    result = await Toolbox([tool], clock).run(probe(arguments))
    assert not result.ok
    assert said in result.text
    assert "probe(text, count?, share?, flag?, items?, more?, any?)" in result.text
    assert '"text": string, "count": integer (optional)' in result.text
    assert len(result.text) < 600
    assert tool.seen == []


async def test_an_unknown_tool_is_answered_with_the_known_ones(clock: FakeClock) -> None:
    call = ToolCall(id="x", name="bash" * 1000, arguments="{}")
    result = await Toolbox([Probe(clock)], clock).run(call)
    assert not result.ok
    assert "there is no tool 'bashbash" in result.text
    assert "probe(text, count?" in result.text
    assert len(result.text) < 300
    assert "the tools are: none" in (await Toolbox([], clock).run(call)).text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ToolError("do it so"), "do it so"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "no space left on device"),
        (OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), "yyy"), "yyy: file name too long"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/our/own/root/a"), "permission denied"),
        (OSError("odd"), "oserror"),
    ],
)
async def test_what_goes_wrong_in_a_tool_becomes_text(clock: FakeClock, error: Exception, said: str) -> None:
    result = await Toolbox([Probe(clock, error)], clock).run(probe('{"text":"a"}'))
    assert (result.ok, result.text, result.seconds) == (False, said, 2.5)


async def test_a_failing_harness_is_not_blamed_on_the_model(clock: FakeClock) -> None:
    with pytest.raises(NotReady):
        await Toolbox([Probe(clock, NotReady("no sandbox"))], clock).run(probe('{"text":"a"}'))


async def test_long_results_are_cut_and_say_so(clock: FakeClock) -> None:
    whole = "é" * RESULT_LIMIT_BYTES
    result = await Toolbox([Probe(clock, whole)], clock).run(probe('{"text":"a"}'))
    assert result.text.endswith(f"\n[cut: {RESULT_LIMIT_BYTES:,} of {2 * RESULT_LIMIT_BYTES:,} bytes shown]")
    assert result.text.startswith("é" * (RESULT_LIMIT_BYTES // 2) + "\n")
    assert (await Toolbox([Probe(clock, "x\udc80é")], clock).run(probe('{"text":"a"}'))).text == "x?é"


def test_open_tools_has_the_file_tools_as_they_are_named(tmp_path: Path, clock: FakeClock) -> None:
    workspace = open_workspace(tmp_path)
    box = open_tools((*default_tools(), "read_file"), workspace, clock)
    arguments = {spec.name: tuple(spec.parameters["properties"]) for spec in box.specs}
    assert arguments == {
        "read_file": ("file_path",),
        "list_directory": ("directory_path",),
        "write_file": ("file_path", "content"),
        "edit_file": ("file_path", "old_str", "new_str"),
        "get_file_info": ("file_path",),
    }
    for spec in box.specs:
        assert spec.parameters["type"] == "object"
        assert spec.parameters["additionalProperties"] is False
        expected = [] if spec.name == "list_directory" else list(spec.parameters["properties"])
        assert spec.parameters["required"] == expected
        assert 0 < len(spec.description) < 130
    with pytest.raises(NotFound, match="there is no tool 'erase'"):
        open_tools(["erase"], workspace, clock)
    workspace.files.close()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    name=st.sampled_from(default_tools()) | st.text(max_size=12),
    arguments=st.text(max_size=40)
    | st.dictionaries(
        st.sampled_from(["file_path", "content", "old_str", "new_str", "directory_path", "x"]), json_values
    ).map(lambda value: __import__("json").dumps(value)),
)
async def test_law_nothing_that_a_model_sends_raises(tmp_path: Path, name: str, arguments: str) -> None:
    workspace = open_workspace(tmp_path)
    result = await open_tools(default_tools(), workspace, SystemClock()).run(
        ToolCall(id="", name=name, arguments=arguments)
    )
    workspace.files.close()
    result.text.encode()
    assert result.ok or result.text


async def test_a_call_costs_next_to_nothing_beside_the_file_system(clock: FakeClock) -> None:
    box = Toolbox([Probe(clock)], clock)
    call = probe('{"text":"' + "x" * 1000 + '","count":3}')
    best = sys.float_info.max
    for _ in range(20):
        started = time.process_time()
        for _ in range(50):
            await box.run(call)
        best = min(best, (time.process_time() - started) / 50)
    assert best < 0.0001


def test_a_failed_call_is_told_by_its_first_line() -> None:
    failed = ToolResult(call_id="1", name="read_file", text="\nthere is no x.\nIn .: y", ok=False)
    assert failed_in_short(failed) == " → error: there is no x."
    assert failed_in_short(ToolResult(call_id="1", name="read_file", text="fine")) == ""
    assert len(failed_in_short(ToolResult(call_id="1", name="r", text="x" * 900, ok=False))) < 140


@pytest.mark.parametrize(
    ("called", "meant"),
    [
        ("functions.read_file", "read_file"),
        ("Read", "read_file"),
        ("mcp__files__read_file", "read_file"),
        ("str_replace_editor", "edit_file"),
        ("default_api:LIST_DIRECTORY", "list_directory"),
        ("ReadFile", "read_file"),
        ("read-file", "read_file"),
        ("functions.read_file:12", "read_file"),
        ("read_file<|channel|>commentary", "read_file"),
        ('read_file" path="in.txt', "read_file"),
        ("$WriteToFile()", "write_file"),
        ("bash", ""),
        ("hammer", ""),
    ],
)
async def test_a_tool_called_by_another_name_is_told_the_right_one(tmp_path: Path, called: str, meant: str) -> None:
    workspace = open_workspace(tmp_path)
    with workspace.files:
        tools = open_tools(plugins.default_tools(), workspace, SystemClock())
        result = await tools.run(ToolCall(id="c", name=called, arguments="{}"))
    assert not result.ok
    assert (f"(call it {meant})" in result.text) == bool(meant)
    assert ("(call it" in result.text) == bool(meant)
