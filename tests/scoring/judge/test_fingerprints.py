"""The same work of different families reads the same to a judge, and what the task holds stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flatfield.records import AgentConfig, FileChange, Reply, Task, ToolCall, ToolResult, Turn
from flatfield.scoring.judge.blinding import Blinder, Forms
from flatfield.scoring.judge.request import PromptWriter, room

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import TrialRecord

    MakeTrial = Callable[..., TrialRecord]

ENDS = {
    "chatml": "Done, see a.txt.<|im_end|>\n",
    "llama": "Done, see a.txt.<|eot_id|>",
    "llama 4": "Done, see a.txt.<|eot|>",
    "mistral": "Done, see a.txt.</s>",
    "gemma": "Done, see a.txt.<end_of_turn>\n",
    "gemma 4": "Done, see a.txt.<turn|>\n",
    "gpt-oss": "Done, see a.txt.<|return|>",
    "deepseek": "Done, see a.txt.<｜end▁of▁sentence｜>",
    "phi": "Done, see a.txt.<|end|>",
    "granite": "Done, see a.txt.<|end_of_text|>",
    "command": "Done, see a.txt.<|END_OF_TURN_TOKEN|>",
    "minimax": "Done, see a.txt.[e~[",
    "seed": "Done, see a.txt.<seed:eos>",
}
RUNS_ON = {
    "chatml": "Done.<|im_end|>\n<|im_start|>user\nThanks!<|im_end|>\n<|im_start|>assistant\nBye.",
    "llama": (
        "Done.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nThanks!<|eot_id|><|start_header_id|>assistant"
        "<|end_header_id|>\n\nBye."
    ),
    "llama 4": (
        "Done.<|eot|><|header_start|>user<|header_end|>\n\nThanks!<|eot|><|header_start|>assistant<|header_end|>\n\nBye."
    ),
    "mistral": "Done.</s>[INST] Thanks! [/INST] Bye.",
    "llama 2": "Done. </s><s>[INST] Thanks! [/INST] Bye.",
    "gemma": "Done.<end_of_turn>\n<start_of_turn>user\nThanks!<end_of_turn>\n<start_of_turn>model\nBye.",
    "gemma 4": "Done.<turn|>\n<|turn>user\nThanks!<turn|>\n<|turn>model\nBye.",
    "gpt-oss": (
        "Done.<|return|><|start|>user<|message|>Thanks!<|end|><|start|>assistant<|channel|>final<|message|>Bye."
    ),
    "deepseek": "Done.<｜end▁of▁sentence｜><｜User｜>Thanks!<｜Assistant｜>Bye.",
    "phi": "Done.<|end|>\n<|user|>\nThanks!<|end|>\n<|assistant|>\nBye.",
    "glm": "Done.<|user|>\nThanks!<|assistant|>\nBye.",
    "granite": (
        "Done.<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Thanks!<|end_of_text|>\n<|start_of_role|>assistant"
        "<|end_of_role|>Bye."
    ),
    "kimi": "Done.<|im_end|><|im_user|>user<|im_middle|>Thanks!<|im_end|><|im_assistant|>assistant<|im_middle|>Bye.",
}
REASONED = {
    "tag": "<think>\nA file is missing.\n</think>\n\nI write it.",
    "thinking": "<thinking>A file is missing.</thinking>\nI write it.",
    "thought": "<thought>A file is missing.</thought>I write it.",
    "magistral": "[THINK]A file is missing.[/THINK]I write it.",
    "kimi": "◁think▷A file is missing.◁/think▷I write it.",
    "seed": "<seed:think>A file is missing.</seed:think>I write it.",
    "command": "<|START_THINKING|>A file is missing.<|END_THINKING|><|START_RESPONSE|>I write it.",
    "gemma 4": "<|channel>thought\nA file is missing.\n<channel|>I write it.",
    "gpt-oss": (
        "<|channel|>analysis<|message|>A file is missing.<|end|>"
        "<|start|>assistant<|channel|>final<|message|>I write it."
    ),
}
_JSON = '{"file_path": "a.txt", "content": "x = 1\\ny"}'
CALLED = {
    "hermes": f'So:\n<tool_call>\n{{"name": "write_file", "arguments": {_JSON}}}\n</tool_call>',
    "mistral": f'So: [TOOL_CALLS][{{"name": "write_file", "arguments": {_JSON}}}]</s>',
    "ministral": f"So: [TOOL_CALLS]write_file[ARGS]{_JSON}</s>",
    "mistral with an id": f"So: [TOOL_CALLS]write_file[CALL_ID]a1B2c3D4e[ARGS]{_JSON}",
    "llama": f'So: <|python_tag|>{{"name": "write_file", "parameters": {_JSON}}}<|eom_id|>',
    "llama's python": r'So: <|python_tag|>write_file.call(file_path="a.txt", content="x = 1\ny")<|eom_id|>',
    "llama's function": f"So: <function=write_file>{_JSON}</function><|eot_id|>",
    "qwen coder": (
        "So:\n<tool_call>\n<function=write_file>\n<parameter=file_path>\na.txt\n</parameter>\n<parameter=content>\n"
        "x = 1\ny\n</parameter>\n</function>\n</tool_call><|im_end|>"
    ),
    "glm": (
        "So: <tool_call>write_file\n<arg_key>file_path</arg_key>\n<arg_value>a.txt</arg_value>\n"
        "<arg_key>content</arg_key>\n<arg_value>x = 1\ny</arg_value>\n</tool_call>"
    ),
    "deepseek": (
        "So: <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>write_file\n```json\n"
        f"{_JSON}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
    ),
    "deepseek 3.1": (
        f"So: <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>write_file<｜tool▁sep｜>{_JSON}<｜tool▁call▁end｜>"
        "<｜tool▁calls▁end｜>"
    ),
    "deepseek 3.2": (
        'So: <｜DSML｜function_calls>\n<｜DSML｜invoke name="write_file">\n'
        '<｜DSML｜parameter name="file_path" string="true">a.txt</｜DSML｜parameter>\n'
        '<｜DSML｜parameter name="content" string="true">x = 1\ny</｜DSML｜parameter>\n'
        "</｜DSML｜invoke>\n</｜DSML｜function_calls>"
    ),
    "kimi": (
        "So: <|tool_calls_section_begin|><|tool_call_begin|>functions.write_file:0<|tool_call_argument_begin|>"
        f"{_JSON}<|tool_call_end|><|tool_calls_section_end|>"
    ),
    "gpt-oss": (
        "So:<|end|><|start|>assistant<|channel|>commentary to=functions.write_file <|constrain|>json<|message|>"
        f"{_JSON}<|call|>"
    ),
    "invoke": (
        'So:\n<function_calls>\n<invoke name="write_file">\n<parameter name="file_path">a.txt</parameter>\n'
        '<parameter name="content">x = 1\ny</parameter>\n</invoke>\n</function_calls>'
    ),
    "minimax": (
        'So:\n<minimax:tool_call>\n<invoke name="write_file">\n<parameter name="file_path">a.txt</parameter>\n'
        '<parameter name="content">x = 1\ny</parameter>\n</invoke>\n</minimax:tool_call>[e~['
    ),
    "gemma 4": 'So: <|tool_call>call:write_file{file_path:<|"|>a.txt<|"|>,content:<|"|>x = 1\ny<|"|>}<tool_call|>',
    "gemma": 'So:\n```tool_code\nwrite_file(file_path="a.txt", content="x = 1\\ny")\n```<end_of_turn>',
    "function gemma": (
        "So: <start_function_call>call:write_file{file_path:<escape>a.txt<escape>,content:<escape>x = 1\ny<escape>}"
        "<end_function_call>"
    ),
    "phi": f'So: <|tool_call|>[{{"name": "write_file", "arguments": {_JSON}}}]<|/tool_call|><|end|>',
    "liquid": r'So: <|tool_call_start|>[write_file(file_path="a.txt", content="x = 1\ny")]<|tool_call_end|>',
    "nemotron": f'So: <TOOLCALL>[{{"name": "write_file", "arguments": {_JSON}}}]</TOOLCALL>',
}


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (ENDS, "Done, see a.txt. [control token]"),
        (RUNS_ON, "Done. [control token] Thanks! [control token] Bye."),
        (REASONED, "[reasoning] A file is missing. [end of reasoning] I write it."),
        (CALLED, "So: [tool call] write_file\nfile_path: a.txt\ncontent: x = 1\ny [end of tool call]"),
    ],
)
def test_what_different_families_say_reads_the_same(texts: dict[str, str], wanted: str, make_trial: MakeTrial) -> None:
    shown = {family: answered(text, make_trial) for family, text in texts.items()}
    assert shown == dict.fromkeys(texts, wanted)


def answered(text: str, make_trial: MakeTrial, task: Task | None = None) -> str:
    task = task or Task(id="t", title="T", prompt="Write a.txt.")
    blinder = Blinder((), (task.prompt,), (task.prompt, *task.files.values()))
    size = room(AgentConfig(name="j", provider="openai-chat"), 1)
    lines = PromptWriter(task, "Right.", blinder, size).shown(make_trial(answer=text)).split("\n")
    return "\n".join(lines[1 : lines.index("work: no file was changed")])


IDS = (
    "call_9xKdLmNoPqRsTuVw", "call_1_0", "toolu_01AbCdEfGhIjKl", "chatcmpl-tool-a494943accbbc022", "a1B2c3D4e",
    "function-call-10457068182315660162", "functions.read_file:0", "tooluse_2STsAN8Wd0DerbejW9TxpJ", "8f2b1a3c",
    "call_00_c1f9a3", "fc_68a1b2c3d4e5f60718", "call_550e8400-e29b-41d4-a716-446655440000",
)  # fmt: skip


def test_ids_are_numbered_by_the_place_of_their_call_wherever_they_show(make_trial: MakeTrial) -> None:
    shown = set()
    for name in IDS:
        calls = (ToolCall(id="1", name="read_file", arguments="{}"), ToolCall(id=name, name="x", arguments=f'"{name}"'))
        results = (ToolResult(call_id=name, name="x", text=f"no file for {name}."),)
        trial = make_trial(
            answer=f"As {name} said.",
            turns=(Turn(reply=Reply(text="", calls=calls), results=results),),
            changes=(FileChange(path=f"{name}.log", kind="added", text=f"id={name}\n"),),
        )
        shown.add(shown_of(trial))
    (text,) = shown
    assert text.count("call_2") == 5


def shown_of(trial: TrialRecord, *given: str) -> str:
    task = Task(id="t", title="T", prompt=" ".join(("Write a.txt.", *given)))
    size = room(AgentConfig(name="j", provider="openai-chat"), 1)
    return PromptWriter(task, "Right.", Blinder((), (), (task.prompt,)), size).shown(trial)


@pytest.mark.parametrize(
    "name", [name for name in IDS if name not in {"call_1_0", "a1B2c3D4e", "8f2b1a3c", "call_00_c1f9a3"}]
)
def test_an_id_of_another_trial_goes_by_its_look(name: str) -> None:
    assert Forms().said(f"see {name}, then") == "see call_id, then"


@pytest.mark.parametrize(
    "text",
    [
        "def call_something_else(): msg_handler(call_interrupts)",
        "<p>was <s>10</s> now 9</p>",
        "usage: tool [ARGS] [PREFIX]",
        "a <| b |> c, x <|> y, List<|int|",
        "the call: 5 functions. Next",
        "I think <b>so</b>\n\n\n  and   keep my spaces  ",
        "value = functions.value",
    ],
)
def test_what_is_no_form_of_a_family_stays_as_it_is(text: str) -> None:
    assert Forms().said(text) == text
    assert Forms().made(text) == text


def test_an_id_that_the_task_asks_about_stays(make_trial: MakeTrial) -> None:
    task = Task(id="t", title="T", prompt="Which tool did toolu_01AbCdEfGhIjKl call?")
    shown = answered("toolu_01AbCdEfGhIjKl called x, toolu_02AbCdEfGhIjKl did not", make_trial, task)
    assert shown == "toolu_01AbCdEfGhIjKl called x, call_id did not"


def test_what_the_task_holds_stays_readable(make_trial: MakeTrial) -> None:
    task = Task(id="t", title="T", prompt="Write the template: <|im_start|>user, ended by <|im_end|>, in <think> tags.")
    shown = answered("<|im_start|>user\nHi<|im_end|><|eot_id|> and <think>", make_trial, task)
    assert shown == "< |im_start|>user\nHi< |im_end|> [control token] and < think>"


def test_line_ends_of_files_stay_and_calls_carry_no_name_space(make_trial: MakeTrial) -> None:
    text = "<|im_start|>system\nBe brief.<|im_end|>\n<think>\n"
    arguments = json.dumps({"content": "</think>[/INST] x"})
    trial = make_trial(
        changes=(FileChange(path="a.txt", kind="added", text=text),),
        turns=(
            Turn(reply=Reply(text="", calls=(ToolCall(id="c", name="functions.write_file", arguments=arguments),))),
        ),
    )
    shown = shown_of(trial)
    assert "[control token]\nBe brief.[control token]\n[reasoning]\n" in shown
    assert 'tool call 1, "write_file"\ncontent: [end of reasoning][control token] x' in shown


def test_a_long_text_is_neutral_in_a_moment_at_both_ends() -> None:
    text = "<|im_end|>" + "<a.b-[" * 500_000 + "<|im_end|>"
    found = Forms().said(text)
    assert found.startswith("[control token]")
    assert found.endswith("[control token]")
