"""The whole scene in the real Claude Code: its HOP hands a task to nine models at once, and is heard to the end.

The models are scripted and do what they are told: the orchestrator what the HOP says, a wrapper what its file says, a
nano agent what its prompt says. They know nothing beforehand: what they need, they take from what they are given.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from msgspec import Struct

from flatfield.faces.claude_code.parts import LINEUP, PLUGIN, PROJECT, Layout
from flatfield.faces.speech.sentences import agent_sentence, spoken_name
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault
from flatfield.testing.wires.openai_chat import ChatWire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aiohttp import web

LOP = "lop_eval_3"
DUMMY = "dummy-key-0123456789"
SCENE_SECONDS = 480.0
MEETING_SECONDS = 120.0
STOCK = {"shelves": ["attic", "cellar", "lower", "upper"], "items": 9}
"""What the task's answer is."""
THIRD_OF_A_CENT = "input_mtok = 10.0\noutput_mtok = 10.0\n"
"""A price at which an agent's three turns of 100 and 10 tokens cost $0.0033."""
ROUTED = "house/strong"
"""The only model that the router knows."""
OVER_ROUTER, NOT_ROUTED = "claude-sonnet-5-5", "claude-opus-5-5"
"""Agents that ask where Claude Code asks, one for what the router knows and one for what it does not know."""
TRIES = 12
"""So often the HOP says to wait for the server."""
pytestmark = pytest.mark.timeout(SCENE_SECONDS + 120)
LAYOUTS = pytest.mark.parametrize("layout", [PROJECT, PLUGIN], ids=["project", "plugin"])
Model = Callable[[dict[str, Any], int], FakeReply | Fault]


class Desk(FakeServer):
    """A model server that answers nobody's first request until all have asked: only those that overlap get on."""

    def __init__(self, agents: Sequence[str]) -> None:
        self._wire_of_all = Named()
        super().__init__(self._wire_of_all, self._answer_to, models=[f"desk/{agent}" for agent in agents])
        self._barrier = asyncio.Barrier(len(agents))
        self.met = 0

    def _answer_to(self, request: dict[str, Any], number: int) -> FakeReply:
        self._wire_of_all.names[number] = request["model"]
        return worker(request, number)

    async def _counted(self, request: web.Request) -> web.StreamResponse:
        sent = json.loads(await request.read())
        if sent.get("tools") and all(message["role"] != "assistant" for message in sent["messages"]):
            async with asyncio.timeout(MEETING_SECONDS):
                await self._barrier.wait()
            self.met += 1
        return await super()._counted(request)


class Named(ChatWire):
    """A wire whose replies name the model that was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[int, str] = {}

    def stream(self, reply: FakeReply, number: int) -> list[bytes]:
        """The reply's events."""
        name = json.dumps(self.names[number]).encode()
        return [event.replace(b'"fake-model"', name) for event in super().stream(reply, number)]


def worker(request: dict[str, Any], _number: int) -> FakeReply:
    """A nano agent's model: it reads the stock, writes the two files that its prompt names, looks, and names them."""
    if not request.get("tools"):  # whether the server is there, which flatfield asks when it is silent for long
        return FakeReply(text="ok")
    messages = [message for message in request["messages"] if message["role"] != "system"]
    shelves, seen = (re.search(rf"\b{name}_\w+\.\w+", said(messages[0]))[0] for name in ("shelves", "seen"))  # type: ignore[index]
    turns = sum(message["role"] == "assistant" for message in messages)
    if turns == 0:
        return FakeReply(calls=(("read_file", '{"file_path": "perf/stock.json"}'),))
    if turns == 1:
        name = shelves.removeprefix("shelves_").removesuffix(".json")
        stock = object_in(said(messages[-1]))["shelves"]
        items = sum(len(shelf["items"]) for shelf in stock.values())
        found = json.dumps({"model": name, "shelves": sorted(stock), "items": items})
        writes = [{"file_path": shelves, "content": found}, {"file_path": seen, "content": f"seen by {name}\n"}]
        calls = [("write_file", json.dumps(each)) for each in writes]
        return FakeReply(calls=(*calls, ("list_directory", "{}")))
    return FakeReply(text=f"{shelves} and {seen}")


class Claude:
    """Claude Code's model: the orchestrator, its wrappers, and whoever gives a conversation its title.

    `on_pending` is called when the server was waited for in vain. `waits` are the answers to waiting, `results` what
    the sub-agents returned, by agent.
    """

    def __init__(self, layout: Layout, folder: Path, on_pending: Callable[[], object] = lambda: None) -> None:
        self._layout = layout
        self._folder = folder
        self._on_pending = on_pending
        self.waits: list[str] = []
        self.returned: dict[str, str] = {}
        self.problems: list[str] = []

    def __call__(self, request: dict[str, Any], number: int) -> FakeReply | Fault:
        """The reply; what the model cannot make sense of is a problem, and is not asked again."""
        try:
            return self._reply(request, number)
        except (AssertionError, LookupError, TypeError, ValueError):
            self.problems.append(traceback.format_exc())
            return Fault(status=400, message="the scripted model is lost")

    def _reply(self, request: dict[str, Any], number: int) -> FakeReply:
        tools = {tool["name"] for tool in request.get("tools", [])}
        if not tools:
            return FakeReply(text="A title")
        if "read_file" in tools:
            return worker(request, number)
        if "You pass a prompt on." in json.dumps(request["system"]):
            return self._pass_on(request, tools)
        return self._orchestrate(Told(request["messages"]), tools)

    def _pass_on(self, request: dict[str, Any], tools: set[str]) -> FakeReply:
        """As a wrapper's file says: call the one tool with the prompt, and return what it says."""
        assert tools == {self._layout.tool}, "a sub-agent may call nobody else"
        told = Told(request["messages"])
        if told.of(self._layout.tool):
            (text,) = told.of(self._layout.tool)
            failed = {"success": False, "result": "", "error": text}
            return FakeReply(text=json.dumps(failed) if told.failed else text)
        call = re.search(r"\(agentic_prompt=PROMPT, (.+?)\)\n", system_of(request))
        assert call is not None
        whom = {name: json.loads(value) for name, value in re.findall(r'(\w+)=("[^"]*")', call[1])}
        return FakeReply(calls=((self._layout.tool, json.dumps({"agentic_prompt": told.prompt, **whom})),))

    def _orchestrate(self, told: Told, tools: set[str]) -> FakeReply:
        """As the HOP says, step by step."""
        hop = told.prompt
        self.waits = [*told.of("WaitForMcpServers"), *told.of("ToolSearch")]
        if not told.of("Read"):
            return called("Read", {"file_path": self._lop(hop)})
        lop = Lop(told.of("Read")[0])
        if not told.of("Write"):
            return called(
                "Write", *({"file_path": str(self._folder / name), "content": text} for name, text in lop.files)
            )
        if self._layout.tool not in tools:
            return self._wait(told, tools)
        starts = next(name for name in ("Agent", "Task") if name in tools)
        if not told.of(starts):
            return called(starts, *(self._start(name, lop) for name in lop.agents))
        self.returned = dict(zip(lop.agents, told.of(starts), strict=True))
        written = [path for each in self.returned.values() for path in about(parsed(each)).get("files_changed", ())]
        if len(told.of("Read")) == 1 and written:
            return called("Read", *({"file_path": str(self._folder / path)} for path in written))
        return FakeReply(text=report(hop, self.returned))

    def _lop(self, hop: str) -> str:
        """The LOP's path, found as the HOP says."""
        name = re.search(r"carry it out: (\S+)", hop)
        folder = re.search(r"is a file in `([^`]+)`", hop)
        assert name is not None
        assert folder is not None
        (path,) = (self._folder / folder[1]).glob(f"{name[1]}*.md")
        return str(path)

    def _wait(self, told: Told, tools: set[str]) -> FakeReply:
        if self.waits and "still connecting" in self.waits[-1].lower():
            self._on_pending()
        assert len(self.waits) < TRIES, self.waits
        if "WaitForMcpServers" in tools:
            return called("WaitForMcpServers", {})
        assert "ToolSearch" in tools, (sorted(tools), self.waits)
        return called("ToolSearch", {"query": f"select:{self._layout.tool}"})

    def _start(self, name: str, lop: Lop) -> dict[str, str]:
        prompt = lop.prompt.replace("MODEL_NAME", re.sub(r"\W", "_", name))
        return {"subagent_type": f"{self._layout.type_prefix}{name}", "description": name, "prompt": prompt}


class Told:
    """A conversation with Claude Code's model: the prompt, what each tool said, and whether one failed."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        blocks = [block for message in messages for block in blocks_of(message)]
        texts = [block["text"] for block in blocks_of(messages[0]) if block["type"] == "text"]
        self.prompt = next(text for text in reversed(texts) if not text.startswith("<system-reminder>"))
        self._calls = [(block["name"], block["id"]) for block in blocks if block["type"] == "tool_use"]
        answers = [block for block in blocks if block["type"] == "tool_result"]
        self._said = {block["tool_use_id"]: said(block) for block in answers}
        self.failed = any(block.get("is_error") for block in answers)

    def of(self, tool: str) -> list[str]:
        """What one tool said, in the order of the calls: it comes in the order in which they end."""
        return [self._said[call] for name, call in self._calls if name == tool]


class Lop:
    """A LOP as a tool that numbers lines showed it."""

    def __init__(self, shown: str) -> None:
        text = re.sub(r"^ *\d+[→\t]", "", shown, flags=re.MULTILINE)
        front, body = text.split("---\n", 2)[1:]
        self.files = list(yaml.safe_load(front)["files"].items())
        prompt = re.search(r'^PROMPT: "(.+?)"$', body, re.MULTILINE | re.DOTALL)
        assert prompt is not None
        self.prompt = prompt[1]
        self.agents = re.findall(r"^@agent-(\S+) PROMPT$", body, re.MULTILINE)


def called(tool: str, *arguments: dict[str, Any]) -> FakeReply:
    return FakeReply(text="Working.", calls=tuple((tool, json.dumps(each)) for each in arguments))


def blocks_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def said(holder: dict[str, Any]) -> str:
    return "".join(said(block) if "content" in block else block.get("text", "") for block in blocks_of(holder))


def system_of(request: dict[str, Any]) -> str:
    return said({"content": request["system"]})


def object_in(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.JSONDecoder().raw_decode(text[text.index("{") :])[0]
    return found


def parsed(text: str) -> dict[str, Any] | None:
    """The one JSON object that a sub-agent returned; Claude Code writes what it used behind it."""
    return json.JSONDecoder().raw_decode(text)[0] if text.startswith("{") else None


def about(result: dict[str, Any] | None) -> dict[str, Any]:
    """A result's metadata; a call that failed has none."""
    metadata: dict[str, Any] = (result or {}).get("metadata", {})
    return metadata


def report(hop: str, returned: dict[str, str]) -> str:
    """The report, in the form that the HOP shows: its headings and tables, a line for each agent."""
    results = {name: parsed(text) for name, text in returned.items()}
    rows = {
        "Agent Responses": lambda name, each: (name, each["result"]),
        "Results Summary": lambda name, each: (name, *("S" if each["success"] else "F") * 4),
        "Performance Metrics": metrics,
    }
    lines: list[str] = []
    heading = ""
    for line in hop.partition("## Response format")[2].splitlines():
        heading = line.removeprefix("### ") if line.startswith("### ") else heading
        if line.startswith("1. name"):
            ranked = sorted(results, key=lambda name: not (results[name] or {}).get("success"))
            lines += [f"{place}. {name}" for place, name in enumerate(ranked, 1)]
            continue
        if not line.startswith("| name |"):
            lines.append(line)
            continue
        for name, each in results.items():
            cells = rows[heading](name, each) if each else (name, f"failed: {returned[name]}")
            lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def metrics(name: str, result: dict[str, Any]) -> tuple[object, ...]:
    """Seconds, tokens and dollars, or that they are not measured."""
    given = about(result)
    tokens = [given.get("input_tokens"), given.get("output_tokens")]
    total = sum(each for each in tokens if each is not None) if None not in tokens else None
    cost = given.get("cost_usd")
    cells = (given.get("active_seconds"), total, None if cost is None else f"${cost:.4f}", *tokens)
    return name, *("not measured" if cell is None else cell for cell in cells)


class Scene(Struct, kw_only=True):
    """What came of it."""

    done: Any
    model: FakeServer
    claude: Claude
    heard: list[str]
    heard_before_the_end: list[str]

    @property
    def results(self) -> dict[str, dict[str, Any] | None]:
        """What each agent's sub-agent returned."""
        return {name: parsed(text) for name, text in self.claude.returned.items()}

    @property
    def report(self) -> str:
        """What Claude Code's user is shown in the end."""
        events = [json.loads(line) for line in self.done.out.splitlines()]
        return str(next(event["result"] for event in events if event["type"] == "result"))

    def asked_by_wrappers(self) -> list[dict[str, Any]]:
        """The sub-agents' requests."""
        return [one for one in self.model.requests if "You pass a prompt on." in json.dumps(one.get("system", ""))]


def configure(stage: Any, agents: dict[str, str]) -> None:
    """The agents, by name and what is set of each; all have the same price."""
    tables = [f'[agents."{name}"]\n{settings}' for name, settings in agents.items()]
    prices = [f'[prices."desk/{name}"]\n{THIRD_OF_A_CENT}' for name in agents]
    (stage.work / "flatfield.toml").write_text("\n".join((*tables, *prices)))


def desk_agent(name: str, desk: FakeServer) -> str:
    return f'provider = "openai-chat"\nmodel = "desk/{name}"\nbase_url = "{desk.base_url}"\nprotocol = "native"\n'


def start_program(stage: Any, held: Path | None = None) -> Path:
    """A program that is flatfield; as an MCP server it begins only when the file `held` is there."""
    waits = f'if [ "$1" = mcp ]; then until [ -e {held} ]; do sleep 0.1; done; fi\n' if held else ""
    path: Path = stage.home / "flatfield"
    path.write_text(f'#!/bin/sh\n{waits}exec {shlex.join([sys.executable, "-P", "-m", "flatfield"])} "$@"\n')
    path.chmod(0o755)
    return path


def start_voice(stage: Any) -> tuple[Path, Path, Path]:
    """A voice that writes down what it says; its last words only when Claude Code is gone. Also both files."""
    heard, gone = stage.home / "heard.txt", stage.home / "gone"
    waits = f'[ "$2" = "I am done" ] && until [ -e {gone} ]; do sleep 0.1; done'
    stage.write("voices/say", f'#!/bin/sh\n{waits}\necho "$2" >> {heard}\n')
    (stage.home / "voices" / "say").chmod(0o755)
    return stage.home / "voices", heard, gone


async def initialised(stage: Any, layout: Layout, program: Path, *more: str) -> list[str]:
    """`flatfield init claude-code` for the agents of the folder; the options that Claude Code needs then."""
    folder = stage.work if layout is PROJECT else stage.home / "plugin"
    argv = [str(program), "init", "claude-code", "--dir", str(folder), "--program", str(program), *more]
    done = await stage.run([*argv, "--project"] if layout is PROJECT else argv, {})
    assert done.code == 0, done.err
    return [] if layout is PROJECT else ["--plugin-dir", str(folder)]


async def play(
    stage: Any, claude: Claude, model: FakeServer, layout: Layout, options: Sequence[str], **settings: str
) -> Scene:
    """Start Claude Code with the HOP as its prompt, and wait until all has been said."""
    voices, heard, gone = start_voice(stage)
    stage.write("tmp/is-here", "")
    environ = {
        "ANTHROPIC_BASE_URL": model.base_url,
        "ANTHROPIC_API_KEY": DUMMY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "MCP_TIMEOUT": "120000",  # a busy machine may need more than its 30 seconds to start a server
        "PATH": f"{voices}:{stage.environ['PATH']}",
        "STAGE_MARK": stage.mark,
        "TMPDIR": str(stage.home / "tmp"),  # where what is to be said waits: nobody else's speaker shall take it
        **settings,
    }
    argv = ["claude", *options, "-p", f"/{layout.command} {LOP}", "--output-format", "stream-json", "--verbose"]
    done = await stage.run(argv, environ, SCENE_SECONDS)
    before = heard.read_text().splitlines() if heard.exists() else []
    gone.touch()
    assert await stage.left() == [], "nobody is left, the speaker neither"
    after = heard.read_text().splitlines() if heard.exists() else []
    assert claude.problems == []
    assert done.code == 0, f"exit {done.code}\n{done.out[-3000:]}\n{done.err[-2000:]}"
    return Scene(done=done, model=model, claude=claude, heard=after, heard_before_the_end=before)


def own_files(wrapper: str) -> list[str]:
    name = re.sub(r"\W", "_", wrapper)
    return [f"seen_{name}.txt", f"shelves_{name}.json"]


def wrapper(agent: str) -> str:
    return f"nano-agent-{agent.replace('.', '-')}"


def check_work(stage: Any, agent: str, result: dict[str, Any], model: str) -> None:
    """The agent did what the task asked for, and its result says so."""
    told, files = result["metadata"], own_files(wrapper(agent))
    assert (result["success"], result["error"], told["stop"]) == (True, None, "answered")
    assert result["result"] == f"{files[1]} and {files[0]}"
    assert (told["agent"], told["model"], told["answered_by"]) == (agent, model, model)
    assert sorted(told["files_changed"]) == files, "its own two and nobody else's"
    assert (told["turns"], told["tool_calls"]) == (3, 4)
    assert (told["input_tokens"], told["output_tokens"], told["cache_read_tokens"]) == (300, 30, 120)
    name = files[0].removeprefix("seen_").removesuffix(".txt")
    assert json.loads((stage.work / files[1]).read_text()) == {"model": name, **STOCK}
    assert (stage.work / files[0]).read_text() == f"seen by {name}\n"


def check_report(scene: Scene, agents: Sequence[str]) -> None:
    """It has the HOP's form, and a line for each agent in each of its tables."""
    parts = re.split(r"^### ", scene.report, flags=re.MULTILINE)[1:]
    names = ["Agent Responses", "Results Summary", "Performance Metrics", "Grading Criteria", "Final Ranking"]
    assert [part.partition("\n")[0] for part in parts] == names
    for part in parts[:3]:
        assert re.findall(r"^\| (nano-agent-\S+) \|", part, re.MULTILINE) == [wrapper(agent) for agent in agents]
    assert "Not blind: graded by the orchestrator." in parts[1]


@LAYOUTS
async def test_nine_agents_work_at_once_and_all_of_it_is_heard(
    layout: Layout, stage: Any, vendor: Any, installed: Callable[[str], None]
) -> None:
    installed("claude")
    claude = Claude(layout, stage.work)
    async with Desk(LINEUP) as desk, vendor("anthropic", claude) as model:
        configure(stage, {name: desk_agent(name, desk) for name in LINEUP})
        options = await initialised(stage, layout, start_program(stage))
        scene = await play(stage, claude, model, layout, options)
    first = json.dumps(model.requests[0]["messages"])
    assert "$ARGUMENTS" not in first
    assert "CLAUDE_PLUGIN_ROOT" not in first
    assert desk.met == len(LINEUP) == 9, "all asked before the first was answered"
    assert (desk.violations, sorted(scene.results)) == ([], sorted(map(wrapper, LINEUP)))
    for agent in LINEUP:
        result = scene.results[wrapper(agent)]
        assert result is not None, scene.claude.returned
        check_work(stage, agent, result, f"desk/{agent}")
        assert result["metadata"]["cost_usd"] == pytest.approx(0.0033)
    check_report(scene, LINEUP)
    assert "| $0.0033 | 300 | 30 |" in scene.report
    ends = [each for each in scene.results.values() if each]
    told = [
        agent_sentence(each["metadata"]["agent"], each["execution_time_seconds"], usd=each["metadata"]["cost_usd"])
        for each in ends
    ]
    assert sorted(scene.heard[:-1]) == sorted(told), "each end once, as its result says"
    assert all(re.fullmatch(r"\S+ .+: done in .+, a third of a cent", each) for each in told)
    assert (scene.heard[-1], scene.heard_before_the_end) == ("I am done", scene.heard[:-1])


def routed(script: Model) -> Model:
    """A router's answers: it knows one model, by a name of its own, and refuses all others."""

    def answer(request: dict[str, Any], number: int) -> FakeReply | Fault:
        if request["model"] == ROUTED:
            return script(request, number)
        return Fault(status=404, message=f"no route for model {request['model']}")

    return answer


async def test_behind_a_router_and_with_a_slow_server_it_waits_and_each_says_how_it_ended(
    stage: Any, vendor: Any, installed: Callable[[str], None]
) -> None:
    installed("claude")
    held = stage.home / "the-server-may-start"
    claude = Claude(PLUGIN, stage.work, held.touch)
    at_desk = [name for name in LINEUP if name not in {OVER_ROUTER, NOT_ROUTED}]
    async with Desk(at_desk) as desk, vendor("anthropic", routed(claude), models=[ROUTED]) as router:
        agents = {name: desk_agent(name, desk) for name in LINEUP}
        agents[OVER_ROUTER] = f'provider = "anthropic"\nmodel = "{ROUTED}"\n'
        agents[NOT_ROUTED] = f'provider = "anthropic"\nmodel = "{NOT_ROUTED}"\n'
        configure(stage, agents)
        options = await initialised(stage, PLUGIN, start_program(stage, held))
        scene = await play(stage, claude, router, PLUGIN, [*options, "--model", ROUTED])
    assert "Still connecting" in claude.waits[0], "it was not there when it was first waited for"
    assert "Connected" in claude.waits[-1]
    assert {one["model"] for one in scene.asked_by_wrappers()} == {ROUTED}, "a wrapper has no model of its own"
    assert len(scene.asked_by_wrappers()) == 2 * len(LINEUP)
    results = {name: result for name in LINEUP if (result := scene.results[wrapper(name)])}
    assert list(results) == list(LINEUP), scene.claude.returned
    for name in at_desk:
        check_work(stage, name, results[name], f"desk/{name}")
        assert results[name]["metadata"]["address"] == desk.base_url
    over, lost = results[OVER_ROUTER], results[NOT_ROUTED]
    assert (over["success"], over["metadata"]["address"]) == (True, router.base_url), "it says that it asked there too"
    assert sorted(over["metadata"]["files_changed"]) == own_files(wrapper(OVER_ROUTER))
    assert lost["success"] is False
    assert f"does not serve '{NOT_ROUTED}'" in lost["error"]
    check_report(scene, LINEUP)
    assert f"| {wrapper(NOT_ROUTED)} | F | F | F | F |" in scene.report
    (failure,) = [each for each in scene.heard if "failed" in each]
    assert failure.startswith(f"{spoken_name(NOT_ROUTED)}: failed: 127.0.0.1 does not serve '{NOT_ROUTED}'")
    assert sum(": done in " in each for each in scene.heard) == len(LINEUP) - 1
    assert (scene.heard[-1], scene.heard_before_the_end) == ("I am done", scene.heard[:-1])


async def test_a_wrapper_with_a_model_of_its_own_gets_nowhere_behind_a_router(
    stage: Any, vendor: Any, installed: Callable[[str], None]
) -> None:
    installed("claude")
    claude = Claude(PROJECT, stage.work)
    name = LINEUP[0]
    async with Desk([name]) as desk, vendor("anthropic", routed(claude), models=[ROUTED]) as router:
        configure(stage, {name: desk_agent(name, desk)})
        options = await initialised(stage, PROJECT, start_program(stage), "--wrapper-model", "haiku")
        scene = await play(stage, claude, router, PROJECT, [*options, "--model", ROUTED])
    assert parsed(claude.returned[wrapper(name)]) is None, "no result came back"
    assert desk.requests == [], "nor was the nano agent asked"
    assert any("haiku" in one["model"] for one in router.requests)
    failure, end = scene.heard
    assert failure.startswith(f"{spoken_name(name)}: failed: There's an issue with the selected model")
    assert end == "I am done"


async def test_where_tools_are_searched_for_it_searches_until_the_server_is_there(
    stage: Any, vendor: Any, installed: Callable[[str], None]
) -> None:
    installed("claude")
    held = stage.home / "the-server-may-start"
    claude = Claude(PLUGIN, stage.work, held.touch)
    name = LINEUP[0]
    async with Desk([name]) as desk, vendor("anthropic", claude) as model:
        configure(stage, {name: desk_agent(name, desk)})
        options = await initialised(stage, PLUGIN, start_program(stage, held))
        scene = await play(stage, claude, model, PLUGIN, options, ENABLE_TOOL_SEARCH="true")
    assert "still connecting" in claude.waits[0], "it was not there when it was first searched for"
    result = scene.results[wrapper(name)]
    assert result is not None, scene.claude.returned
    check_work(stage, name, result, f"desk/{name}")
    assert scene.heard[-1] == "I am done"
