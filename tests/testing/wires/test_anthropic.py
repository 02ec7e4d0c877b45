"""The fake Messages API: the vendor's own SDK talks with it, and it refuses what the vendor refuses."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from flatfield.testing.fake_server import FakeReply, FakeServer, Fault, Step
from flatfield.testing.wires.anthropic import AnthropicWire, blocks

pytestmark = pytest.mark.whole

TOOL: dict[str, Any] = {
    "name": "read_file",
    "description": "Read.",
    "input_schema": {"type": "object", "properties": {"file_path": {"type": "string"}}},
}
THOUGHTFUL = FakeReply(
    text="Looking…", reasoning="Größe? 🙂", calls=(("read_file", '{"file_path": "é🙂"}'), ("read_file", "{}"))
)


@pytest.mark.parametrize("piece_bytes", [None, 1, 7])
@pytest.mark.some(1)
async def test_the_vendors_sdk_holds_a_streamed_tool_conversation(piece_bytes: int | None) -> None:
    from anthropic import AsyncAnthropic

    messages: list[Any] = [{"role": "user", "content": "Do it."}]
    async with (
        FakeServer(AnthropicWire(), [THOUGHTFUL, FakeReply(text="Größe: 3 🙂")], piece_bytes=piece_bytes) as server,
        AsyncAnthropic(api_key="dummy", base_url=server.base_url, max_retries=0) as client,
    ):
        for _ in range(2):
            async with client.messages.stream(
                model="fake-model",
                max_tokens=4000,
                tools=[TOOL],
                system="Be brief.",
                thinking={"type": "adaptive"},
                messages=messages,
            ) as stream:
                message = await stream.get_final_message()
            messages.append({"role": "assistant", "content": message.content})
            answers = [
                {"type": "tool_result", "tool_use_id": block.id, "content": "text"}
                for block in message.content
                if block.type == "tool_use"
            ]
            messages.append({"role": "user", "content": answers})
    assert server.violations == []
    first = messages[1]["content"]
    assert [block.type for block in first] == ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]
    assert (first[0].thinking, first[2].text, first[3].input) == ("Größe? 🙂", "Looking…", {"file_path": "é🙂"})
    assert message.content[0].text == "Größe: 3 🙂"
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("end_turn", 60, 10)
    assert message.usage.cache_read_input_tokens == 40


async def test_the_vendors_sdk_understands_whole_replies_refusals_models_and_errors() -> None:
    from anthropic import APIStatusError, AsyncAnthropic

    script: list[Step] = [
        FakeReply(refusal="No."),
        Fault(status=529, message="busy"),
        Fault(kind="error_event", message="later"),
    ]
    async with (
        FakeServer(AnthropicWire(), script, models=["new", "retired-old"]) as server,
        AsyncAnthropic(api_key="dummy", base_url=server.base_url, max_retries=0) as client,
    ):
        listed = [model async for model in client.models.list()]
        asked: Any = {"model": "fake-model", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        refused = await client.messages.create(**asked)
        with pytest.raises(APIStatusError, match="busy") as overloaded:
            await client.messages.create(**asked)
        with pytest.raises(APIStatusError, match="later"):
            async with client.messages.stream(**asked) as stream:
                await stream.get_final_message()
    assert [(model.id, model.lifecycle) for model in listed] == [("new", "active"), ("retired-old", "retired")]
    assert refused.stop_reason == "refusal"
    assert refused.stop_details
    assert refused.stop_details.explanation == "No."
    assert overloaded.value.status_code == 529


def request() -> dict[str, Any]:
    """A request that keeps all the rules, after one reply."""
    answered = [{"type": "tool_result", "tool_use_id": f"{block['id']}"} for block in blocks(THOUGHTFUL, 0)[3:]]
    return {
        "model": "m",
        "max_tokens": 4000,
        "tools": [deepcopy(TOOL)],
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Do it."}]},
            {"role": "assistant", "content": blocks(THOUGHTFUL, 0)},
            {"role": "user", "content": answered},
        ],
    }


def problem(sent: dict[str, Any], version: str = "2026-10-21", *replies: FakeReply) -> str | None:
    return AnthropicWire().violation(sent, {"Anthropic-Version": version}, replies or (FakeReply(text="x"), THOUGHTFUL))


def test_a_request_that_keeps_the_rules() -> None:
    assert problem(request()) is None


MARK = {"type": "ephemeral"}
MARKED = [TOOL | {"name": f"t{number}", "cache_control": MARK} for number in range(5)]
HERE = {"type": "text", "text": "Here:"}
OPEN = {"type": "json_schema", "schema": {"anyOf": [{"type": "object", "properties": {}}]}}
BREAKS: list[tuple[str, str, Any]] = [
    ("no version", "is no version", lambda r: r.update()),
    ("Extra inputs", "temperature: Extra", lambda r: r.update(temperature=1)),
    ("unknown field", "store: Extra", lambda r: r.update(store=False)),
    ("model", "model: Field required", lambda r: r.pop("model")),
    ("no cap", "max_tokens", lambda r: r.pop("max_tokens")),
    ("zero cap", "max_tokens", lambda r: r.update(max_tokens=0)),
    ("thinking kind", "thinking.type", lambda r: r.update(thinking={"type": "on"})),
    ("budget over", "budget_tokens: must", lambda r: r.update(thinking={"type": "enabled", "budget_tokens": 4000})),
    ("budget under", "budget_tokens: must", lambda r: r.update(thinking={"type": "enabled", "budget_tokens": 1023})),
    ("budget extra", "budget_tokens: Extra", lambda r: r.update(thinking={"type": "adaptive", "budget_tokens": 2000})),
    ("effort", "output_config.effort", lambda r: r.update(output_config={"effort": "minimal"})),
    ("format", "format.type", lambda r: r.update(output_config={"format": {"type": "json", "schema": {}}})),
    ("open schema", "additionalProperties", lambda r: r.update(output_config={"format": OPEN})),
    ("twins", "tools: names", lambda r: r.update(tools=[TOOL, TOOL])),
    ("tool name", "is no name", lambda r: r["tools"][0].update(name="read file")),
    ("tool schema", "input_schema.type", lambda r: r["tools"][0].update(input_schema={})),
    ("no tools", "tools: required", lambda r: r.pop("tools")),
    ("five marks", "cache_control: at most 4", lambda r: r.update(tools=MARKED)),
    ("marked thinking", "cannot be set", lambda r: r["messages"][1]["content"][0].update(cache_control=MARK)),
    ("mark's type", "must be ephemeral", lambda r: r["system"][0].update(cache_control={"type": "forever"})),
    ("empty text", "non-whitespace", lambda r: r["messages"][0]["content"][0].update(text=" \n")),
    ("no messages", "at least one", lambda r: r.update(messages=[])),
    ("two of a role", "roles must alternate", lambda r: r["messages"].insert(0, r["messages"][0])),
    ("empty message", "content must not be empty", lambda r: r["messages"][0].update(content=[])),
    ("last is ours", "must be the user's", lambda r: r["messages"].pop()),
    ("one unanswered", "tool_result for", lambda r: r["messages"][2]["content"].pop()),
    ("answered twice", "tool_result for", lambda r: r["messages"][2]["content"].append(r["messages"][2]["content"][0])),
    ("other id", "tool_result for", lambda r: r["messages"][2]["content"][0].update(tool_use_id="toolu_9")),
    ("text first", "must come first", lambda r: r["messages"][2]["content"].insert(0, HERE)),
    ("no thinking", "must remain as they were", lambda r: r["messages"][1]["content"].pop(0)),
    ("no redacted", "must remain as they were", lambda r: r["messages"][1]["content"].pop(1)),
    ("thinking", "must remain as they were", lambda r: r["messages"][1]["content"][0].update(thinking="Größe?")),
    ("signature", "must remain as they were", lambda r: r["messages"][1]["content"][0].update(signature="")),
    ("order", "must remain", lambda r: r["messages"][1]["content"].insert(4, r["messages"][1]["content"].pop(2))),
    ("input", "must remain as they were", lambda r: r["messages"][1]["content"][4].update(input={"file_path": "b"})),
]  # fmt: skip


@pytest.mark.parametrize(("version", "said", "breaks"), [pytest.param(*row, id=row[0]) for row in BREAKS])
def test_what_the_vendor_refuses_is_refused(version: str, said: str, breaks: Any) -> None:
    broken = deepcopy(request())
    breaks(broken)
    found = problem(broken, "1999-01-01" if version == "no version" else "2026-10-21")
    assert found is not None
    assert said in found


def test_an_id_that_was_never_given_is_known() -> None:
    broken = request()
    broken["messages"][1]["content"][3]["id"] = broken["messages"][2]["content"][0]["tool_use_id"] = "toolu_0_0_wrong"
    assert problem(broken) == "messages.1: 'toolu_0_0_wrong' is no id of a call"


def test_temperature_in_the_version_that_has_it() -> None:
    assert problem(request() | {"temperature": 0.5}, "2023-06-01") is None
    thinking = {"temperature": 0.5, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    assert problem(request() | thinking, "2023-06-01") == "temperature: may only be 1 when thinking is enabled"
    assert problem(request() | {"temperature": 1.5}, "2023-06-01") == "temperature: must be from 0 to 1"


def test_a_paused_turn_may_be_sent_back_for_more() -> None:
    paused = FakeReply(text="Searching…", reasoning="Hm.", finish="pause_turn")
    sent = request() | {
        "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": blocks(paused, 0)}]
    }
    assert problem(sent, "2026-10-21", paused) is None
    assert problem(sent, "2026-10-21", paused, FakeReply(text="y")) == "messages: the last one must be the user's"
