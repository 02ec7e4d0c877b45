"""Calls that models write as text: read in every family's form where they fit, run over real wires, told in words."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.plugins import load
from flatfield.records import AgentConfig, Task, ToolResult, ToolSpec, Turn, TurnBudget
from flatfield.scoring.fairness.received import AS_TEXT, UNFIT, oddity
from flatfield.testing.fake_server import FakeReply, FakeServer
from flatfield.testing.wires import new_wire
from flatfield.vendors._text_calls import MOST_CHARACTERS, looks_like_call, read_calls
from flatfield.vendors._tool_protocols import GO_ON
from flatfield.vendors.base import Opening
from flatfield.vendors.openai_chat.reader import ChatReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flatfield.records import Reply
    from flatfield.testing.clocks import FakeClock

pytestmark = pytest.mark.whole

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


def tool(name: str, properties: dict[str, Any], *required: str) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return ToolSpec(name=name, description="", parameters=schema)


READ = tool("read_file", {"file_path": TEXT}, "file_path")
WRITE = tool("write_file", {"file_path": TEXT, "content": TEXT}, "file_path", "content")
LIST = tool("list_directory", {"directory_path": TEXT})
COUNT = tool("count", {"n": NUMBER}, "n")
TOOLS = (READ, WRITE, LIST, COUNT)
NAMES = [each.name for each in TOOLS]
CALL = '{"name": "read_file", "arguments": {"file_path": "a.txt"}}'
ONE = [("read_file", {"file_path": "a.txt"})]

BROKEN = f'{{"name": "write_file", "arguments": {{"file_path": "a", "content": "{CALL}"}}}}'

FORMS = {
    "bare": CALL,
    "fenced": f"I will read it.\n```json\n{CALL}\n```",
    "fenced without a language": f"```\n{CALL}\n```",
    "Hermes and Qwen": f"<tool_call>\n{CALL}\n</tool_call>",
    "Hermes without its end": f"<tool_call>\n{CALL}",
    "Qwen, with another pair of tags": f"<tools>\n{CALL}\n</tools>",
    "Llama 3": '{"name": "read_file", "parameters": {"file_path": "a.txt"}}',
    "Llama 3 with its tag": '<|python_tag|>{"name": "read_file", "parameters": {"file_path": "a.txt"}}',
    "Llama 3, a built-in's form": '<|python_tag|>read_file.call(file_path="a.txt")',
    "Llama 3, custom": '<function=read_file>{"file_path": "a.txt"}</function>',
    "Llama 4": '[read_file(file_path="a.txt")]',
    "Mistral": f"[TOOL_CALLS][{CALL}]",
    "Mistral, newer": '[TOOL_CALLS]read_file[ARGS]{"file_path": "a.txt"}',
    "Mistral, with an id": '[TOOL_CALLS]read_file[CALL_ID]abc123def[ARGS]{"file_path": "a.txt"}',
    "Harmony": (
        '<|channel|>commentary to=functions.read_file <|constrain|>json<|message|>{"file_path": "a.txt"}<|call|>'
    ),
    "Harmony, addressed first": (
        "<|start|>assistant to=functions.read_file<|channel|>commentary <|constrain|>json<|message|>"
        '{"file_path": "a.txt"}<|call|>'
    ),
    "Harmony, in the other channel": (
        '<|channel|>analysis to=functions.read_file code<|message|>{"file_path": "a.txt"}<|call|>'
    ),
    "Qwen3-Coder": (
        "<tool_call>\n<function=read_file>\n<parameter=file_path>\na.txt\n</parameter>\n</function>\n</tool_call>"
    ),
    "MiniMax": '<invoke name="read_file">\n<parameter name="file_path">a.txt</parameter>\n</invoke>',
    "GLM": "<tool_call>read_file\n<arg_key>file_path</arg_key>\n<arg_value>a.txt</arg_value>\n</tool_call>",
    "DeepSeek": (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>read_file\n```json\n"
        '{"file_path": "a.txt"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
    ),
    "DeepSeek, newer": '<｜tool▁call▁begin｜>read_file<｜tool▁sep｜>{"file_path": "a.txt"}<｜tool▁call▁end｜>',
    "Kimi": (
        '<|tool_call_begin|>functions.read_file:0<|tool_call_argument_begin|>{"file_path": "a.txt"}<|tool_call_end|>'
    ),
    "Phi": f"<|tool_call|>[{CALL}]<|/tool_call|>",
    "Gemma": '```tool_code\nprint(default_api.read_file(file_path="a.txt"))\n```',
    "LFM": '<|tool_call_start|>[read_file(file_path="a.txt")]<|tool_call_end|>',
    "DeepSeek 3.2": (
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="read_file">\n'
        '<｜DSML｜parameter name="file_path" string="true">a.txt</｜DSML｜parameter>\n'
        "</｜DSML｜invoke>\n</｜DSML｜function_calls>"
    ),
    "Gemma 4": '<|tool_call>call:read_file{file_path:<|"|>a.txt<|"|>}<tool_call|>',
    "Function Gemma": "<start_function_call>call:read_file{file_path:<escape>a.txt<escape>}<end_function_call>",
    "Nemotron": f"<TOOLCALL>[{CALL}]</TOOLCALL>",
    "an API's own wrapping": '{"tool_calls": [{"type": "function", "function": {"name": "read_file", '
    '"arguments": "{\\"file_path\\": \\"a.txt\\"}"}}]}',
    "a prefix": '{"name": "functions.read_file", "arguments": {"file_path": "a.txt"}}',
    "null for what is left out": '{"tool": "read_file", "args": {"file_path": "a.txt"}}',
}


def read(text: str, tools: tuple[ToolSpec, ...] = TOOLS) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, json.loads(call.arguments)) for call in read_calls(text, tools, 1)]


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_every_form_is_read_and_is_known_for_a_call(text: str) -> None:
    assert read(text) == ONE
    assert looks_like_call(text, NAMES)


def test_several_in_one_reply_keep_their_order_and_have_ids_of_their_own() -> None:
    second = '{"name": "write_file", "arguments": {"file_path": "b", "content": "x\\ny"}}'
    for text in (f"{CALL}\n{second}", f"[{CALL}, {second}]", f"```json\n{CALL}\n```\nthen\n```json\n{second}\n```"):
        calls = read_calls(text, TOOLS, 7)
        assert [call.name for call in calls] == ["read_file", "write_file"]
        assert json.loads(calls[1].arguments)["content"] == "x\ny"
        assert len({call.id for call in calls}) == 2
    assert read('[read_file(file_path="a"), list_directory(), list_directory()]') == [
        ("read_file", {"file_path": "a"}),
        ("list_directory", {}),
        ("list_directory", {}),
    ]
    assert read_calls(CALL, TOOLS, 1)[0].id != read_calls(CALL, TOOLS, 2)[0].id


def test_values_keep_every_character() -> None:
    raw = '{"name": "write_file", "arguments": {"file_path": "a", "content": "one\ntwo\t\\"three\\""}}'
    assert read(raw) == [("write_file", {"file_path": "a", "content": 'one\ntwo\t"three"'})]
    value = "<parameter=content>\n\n  x <b>\n\n</parameter>"
    tagged = f"<function=write_file><parameter=file_path>a</parameter>{value}</function>"
    assert read(tagged) == [("write_file", {"file_path": "a", "content": "\n  x <b>\n"})]
    assert read("<function=count><parameter=n>\n3\n</parameter></function>") == [("count", {"n": 3})]
    assert read("count(n=3)") == [("count", {"n": 3})]
    assert read('read_file("a.txt")') == ONE


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ada", "arguments": {"file_path": "a.txt"}}',  # the name of no tool
        '{"name": "read_file", "arguments": {"mode": "r"}}',
        '{"name": "read_file", "arguments": {"file_path": 7}}',
        '{"name": "read_file", "arguments": {"file_path": "a.txt", "mode": "r"}}',
        '{"name": "read_file", "arguments": {"file_path": "a.txt", "required": ["content"]}}',
        '{"name": "read_file", "arguments": ["a.txt"]}',
        '{"name": "read_file"}',
        '{"name": "count", "arguments": {"n": true}}',
        '{"answer": {"name": "read_file", "arguments": {"file_path": "a.txt"}}}',  # within another value
        f'{{"answer": {CALL},}}',  # the same, in JSON that is none
        f'[{{"step": 1}}, {CALL[:-1]}, "result": "red"}}]',  # tells of a call that was made
        f"```python\ncall = {CALL}\nclient.send(call)\n```",
        f"```js\nsend({CALL});\n```",
        f"Models write `{CALL}` to read it.",
        f"Qwen writes `<tool_call>{CALL}</tool_call>` to read it.",
        'write_file("a", b"text")',  # no value of JSON
        "list_directory((1, 2))",
        '{"name": "write_file", "arguments": {"file_path": "a", "content": "```python\nlist_directory()\n```" oops}}',
        BROKEN,  # what it holds is no call of its own
        'Use read_file("a.txt") to read it.',
        "```python\nwith open('a.txt') as file:\n    read_file(file)\n```",
        "<function=read_file><parameter=file_path>a.txt",
        "The largest planet is Jupiter.",
        "",
    ],
)
def test_what_fits_no_tool_is_an_answer(text: str) -> None:
    assert read(text) == []


def test_what_a_model_copied_from_the_schema_is_none_of_its_arguments() -> None:
    echo = '"required": ["file_path"], "additionalProperties": false'
    assert read(f'{{"name": "read_file", "arguments": {{"file_path": "a.txt", {echo}}}}}') == ONE


@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```", " {}\n"])
def test_a_call_of_a_tool_that_there_is_not_is_said(form: str) -> None:
    """It stays the answer, as a task may ask for just that; but it is never one in silence."""
    text = form.format('{"name": "rename_key", "arguments": {"raven": "basalt"}}')
    assert read(text) == []
    assert looks_like_call(text, NAMES)
    assert not looks_like_call(f"An example: {text}", NAMES)


def test_json_that_is_the_right_answer_stays_one() -> None:
    """A task may ask for just such an object; only one that is a call of an offered tool is read as one."""
    assert read(CALL, (WRITE, LIST)) == []
    assert not looks_like_call('{"name": "Ada", "age": 36}', NAMES)
    assert not looks_like_call('{"name": "Ada", "arguments": ["for"]}', NAMES)
    assert looks_like_call('{"name": "read_file", "arguments": {"mode": "r"}}', NAMES)


def test_what_follows_a_result_that_the_model_made_up_is_not_read() -> None:
    text = f"{CALL}\n<tool_response>\nred\n</tool_response>\n" + CALL.replace("a.txt", "b.txt")
    assert read(text) == ONE


def test_made_up_results_end_it_in_every_form() -> None:
    first, second = FORMS["Harmony"], FORMS["Harmony"].replace("a.txt", "b.txt")
    assert read(f"{first}<|start|>functions.read_file to=assistant<|channel|>commentary<|message|>red{second}") == ONE
    assert read(f"<tool_call>{CALL}</tool_call><tool_response>red</tool_response>{CALL}") == ONE


@pytest.mark.parametrize("mark", ["<|im_start|>", "[TOOL_RESULTS]", "<tool_response>"])
def test_marks_within_what_is_written_are_a_part_of_it(mark: str) -> None:
    call = json.dumps({"name": "write_file", "arguments": {"file_path": "a", "content": f"x {mark} y"}})
    for text in (call, f"<tool_call>{call}</tool_call>"):
        assert read(text) == [("write_file", {"file_path": "a", "content": f"x {mark} y"})]


@pytest.mark.parametrize("value", ["3j", "...", "{1}", 'b"a"', "{(1, 2): 3}", "1e999"])
def test_a_value_that_json_has_not_is_no_call(value: str) -> None:
    free = ToolSpec(name="free", description="", parameters={"type": "object", "properties": {"v": {}}})
    assert read(f"free(v={value})", (free,)) == []
    assert looks_like_call(f"free(v={value})", ["free"])


def test_half_a_character_is_for_the_tool_to_refuse() -> None:
    (call,) = read_calls('{"name": "read_file", "arguments": {"file_path": "\\ud83d"}}', TOOLS, 1)
    assert call.arguments.encode() == rb'{"file_path": "\ud83d"}'


@pytest.mark.parametrize(
    "text",
    [
        '{"arguments": {"mode": "r"}, "name": "read_file"}',
        "{'name': 'read_file', 'arguments': {'file_path': 'a.txt'}}",
        '{"name": "read_file", "arguments": {"file_path": "a.txt"},}',
        '```python\nwrite_file("a.md", "`x`")\n```',
        '```python\nwrite_file("a.md", text)\n```',
    ],
)
def test_a_call_that_cannot_be_read_is_known_for_one(text: str) -> None:
    assert read(text) == []
    assert looks_like_call(text, NAMES)


@given(st.text(alphabet=st.sampled_from(list('{}[]":,<>|=/ \n')) | st.characters(codec="utf-8")))
def test_any_text_is_read_without_an_error(text: str) -> None:
    read_calls(text, TOOLS, 1)
    looks_like_call(text, NAMES)


@given(st.text(max_size=200), st.text(max_size=40))
def test_what_json_can_say_comes_out_as_it_went_in(content: str, path: str) -> None:
    call = json.dumps({"name": "write_file", "arguments": {"file_path": path, "content": content}})
    assert read(f"Now:\n{call}") == [("write_file", {"file_path": path, "content": content})] or "<" in call


@pytest.mark.parametrize(
    "unit",
    ['{"a":', '[{"a"', "<tool_call>", "<parameter=a>", "<function=read_file><parameter=a>", '{"name":{',
     "to=functions.a ", "```\n", '<invoke name="a">', "[TOOL_CALLS] a", "read_file(",
     '{"name": "read_file", "arguments": {'],
)  # fmt: skip
@pytest.mark.some(5)
def test_no_text_takes_long(unit: str) -> None:
    text = (unit * MOST_CHARACTERS)[:MOST_CHARACTERS]
    began = time.process_time()
    read_calls(text, TOOLS, 1)
    looks_like_call(text, NAMES)
    assert time.process_time() - began < 5.0
    assert read(CALL + " " * MOST_CHARACTERS) == []


BUDGET = TurnBudget(seconds=30.0, output_tokens=1000)


async def talked(
    provider: str, script: Sequence[FakeReply], folder: Path, clock: FakeClock, protocol: Any = "text"
) -> tuple[list[Reply], list[dict[str, Any]]]:
    """The replies of a conversation in which each call returns "red", and the requests that it took."""
    replies: list[Reply] = []
    async with FakeServer(new_wire(provider), script) as server, open_session(clock) as session:
        services = Services(session=session, clock=clock, environ={}, cache=folder)
        opened = load("provider", provider).create(services)
        agent = AgentConfig(
            name="a", provider=provider, model="fake-model", base_url=server.base_url, protocol=protocol
        )
        task = Task(id="t", title="t", prompt="")
        conversation = await opened.converse(
            Opening(agent=agent, system_prompt="Be brief.", prompt="Do it.", tools=(READ,), task=task)
        )
        results: tuple[ToolResult, ...] = ()
        for _ in script:
            reply = await conversation.turn(results, BUDGET)
            replies.append(reply)
            results = tuple(ToolResult(call_id=call.id, name=call.name, text="red") for call in reply.calls)
        await opened.close()
        return replies, server.requests


@pytest.mark.parametrize("provider", ["openai-chat", "ollama"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_call_in_the_text_is_run_and_its_result_told(
    provider: str, form: str, tmp_path: Path, clock: FakeClock
) -> None:
    script = [FakeReply(text=FORMS[form]), FakeReply(text="It says red.")]
    (first, last), requests = await talked(provider, script, tmp_path, clock)
    assert [(call.name, json.loads(call.arguments)) for call in first.calls] == [("read_file", {"file_path": "a.txt"})]
    assert first.finish == "tool_calls"
    assert (last.text, last.calls, last.finish) == ("It says red.", (), "stop")
    assert [tool["function"]["name"] for tool in requests[0]["tools"]] == ["read_file"]
    assert requests[1]["messages"][-2:] == [
        {"role": "assistant", "content": FORMS[form]},  # as the model wrote it, to the byte
        {"role": "user", "content": f"read_file returned:\nred\n\n{GO_ON}"},
    ]
    assert first.request.protocol == "text"


@pytest.mark.parametrize("provider", ["openai-chat", "ollama"])
async def test_a_native_call_stays_native(provider: str, tmp_path: Path, clock: FakeClock) -> None:
    script = [FakeReply(calls=(("read_file", '{"file_path": "a"}'),)), FakeReply(text="It says red.")]
    (first, _), requests = await talked(provider, script, tmp_path, clock)
    assert first.calls[0].name == "read_file"
    assert requests[1]["messages"][-1]["role"] == "tool"


@pytest.mark.parametrize(
    "text", ['{"name": "Ada", "arguments": {"file_path": "a"}}', '{"name": "read_file", "arguments": {"mode": 1}}']
)
async def test_an_answer_that_is_such_json_ends_the_work(text: str, tmp_path: Path, clock: FakeClock) -> None:
    (only,), _ = await talked("openai-chat", [FakeReply(text=text)], tmp_path, clock)
    assert (only.text, only.calls, only.finish) == (text, (), "stop")


async def test_a_call_that_is_not_read_is_pointed_out_with_the_setting(tmp_path: Path, clock: FakeClock) -> None:
    text = FORMS["fenced"]
    (native,), _ = await talked("openai-chat", [FakeReply(text=text)], tmp_path, clock, "native")
    assert native.calls == ()
    assert oddity((Turn(reply=native),)) == AS_TEXT
    assert 'set protocol = "text" or "auto"' in AS_TEXT
    (unfit,), _ = await talked("openai-chat", [FakeReply(text=text.replace("file_path", "path"))], tmp_path, clock)
    assert oddity((Turn(reply=unfit),)) == UNFIT


async def test_a_cut_reply_holds_no_call(tmp_path: Path, clock: FakeClock) -> None:
    script = [FakeReply(text=FORMS["bare"], finish="length")]
    (only,), _ = await talked("openai-chat", script, tmp_path, clock)
    assert (only.calls, only.finish) == ((), "length")


@pytest.mark.parametrize("provider", ["openai-chat", "ollama"])
@pytest.mark.parametrize("protocol", ["native", "text"])
async def test_thinking_in_the_text_is_reasoning(
    provider: str, protocol: str, tmp_path: Path, clock: FakeClock
) -> None:
    script = [FakeReply(text=f"<think>\nI could say {FORMS['bare']}\n</think>\n\n4")]
    (only,), _ = await talked(provider, script, tmp_path, clock, protocol)
    assert (only.text, only.calls) == ("4", ())
    assert only.reasoning.startswith("I could say")


async def test_a_reply_without_end_is_ended_early(tmp_path: Path, clock: FakeClock) -> None:
    (only,), _ = await talked("ollama", [FakeReply(text="I will read it again. " * 500)], tmp_path, clock)
    assert only.finish == "repeats"
    assert len(only.text) < 11_000
    assert only.calls == ()
    (whole,), _ = await talked("openai-chat", [FakeReply(text="I will read it again. " * 500)], tmp_path, clock)
    assert whole.finish == "stop"


def test_llama_cpp_is_known_by_its_timings() -> None:
    reader = ChatReader()
    timings = {"prompt_n": 8, "prompt_ms": 80.0, "predicted_n": 3, "predicted_ms": 300.0}
    event = {"choices": [{"delta": {"content": "again " * 1000}}]}
    reader.event(json.dumps(event).encode())
    assert not reader.repeats
    reader.event(json.dumps(event | {"timings": timings}).encode())
    assert reader.repeats
