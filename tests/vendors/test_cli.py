"""External agents: what they print is read, what they are handed is little, and nothing that they started is left."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield import plugins
from flatfield.agent.allowance import reply_usd
from flatfield.children.running import Finished
from flatfield.errors import NotReady, ProviderError
from flatfield.http.services import Services
from flatfield.http.tape import rebuilt
from flatfield.http.transport import open_session
from flatfield.records import AgentConfig, Price, Reply, Task, Turn, TurnBudget, Usage
from flatfield.scoring.judge.reply import UnusableReply
from flatfield.scoring.judge.request import SYSTEM_PROMPT as JUDGES_PROMPT
from flatfield.scoring.judge.request import Bench, Question
from flatfield.scoring.prices.pricing import AS_REPORTED, Prices
from flatfield.vendors.base import SYSTEM_PROMPT, Opening
from flatfield.vendors.scaffold import delegation as _scaffolds
from flatfield.vendors.scaffold.external import ScaffoldJob

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from flatfield.testing.clocks import FakeClock, IdleTime

pytestmark = pytest.mark.whole

RECORDED = Path(__file__).parent / "scaffolds"
FILES = {"claude-code": "jsonl", "codex": "jsonl", "gemini-cli": "json", "opencode": "jsonl"}
PROGRAMS = {"claude-code": "claude", "codex": "codex", "gemini-cli": "gemini", "opencode": "opencode"}
USAGES = {
    "claude-code": Usage(input_tokens=200, cache_read_tokens=80, output_tokens=20),
    "codex": Usage(input_tokens=200, cache_read_tokens=80, output_tokens=20, reasoning_tokens=8),
    "gemini-cli": Usage(input_tokens=200, cache_read_tokens=80, output_tokens=20, reasoning_tokens=8),
    "opencode": Usage(input_tokens=200, cache_read_tokens=80, output_tokens=20, reasoning_tokens=8),
}
"""All four told the same story: two requests of 100 tokens in (40 of them cached) and 10 out (4 of reasoning)."""
KEY = "planted-key-0123456789"
CLAUDE = AgentConfig(name="c", provider="cli", model="claude-code/claude-sonnet-4-5")
BUDGET = TurnBudget(seconds=60.0, output_tokens=1000)


def priced(prices: Prices | None = None, agent: AgentConfig = CLAUDE) -> Callable[[Reply], float | None]:
    """How a trial prices a reply."""
    known = prices or Prices()
    return lambda reply: known.usd(agent, reply.usage, on_device=False, sent=reply.request)


class Field:
    """A folder of fake programs on the PATH, a workspace, and the provider."""

    def __init__(self, folder: Path, services: Callable[[dict[str, str]], Services]) -> None:
        self.programs = folder / "bin"
        self.workspace = folder / "w"
        self.programs.mkdir()
        self.workspace.mkdir()
        self.environ = {"PATH": f"{self.programs}:{os.environ['PATH']}", "HOME": str(folder), "LANG": "C.UTF-8"}
        self._services = services

    def install(self, name: str, code: str) -> None:
        """A program of that name; `--version` is answered for it."""
        path = self.programs / name
        path.write_text(
            f"#!{sys.executable} -SE\nimport json, os, sys, time\n"
            f'if sys.argv[1:] == ["--version"]:\n    sys.exit(print("{name} 1.2.3 (Fake)"))\n{code}\n'
        )
        path.chmod(0o755)

    def printing(self, name: str, printed: str, more: str = "") -> None:
        (self.programs / f"{name}.out").write_text(printed)
        self.install(name, f"{more}\nsys.stdout.write(open({str(self.programs / name) + '.out'!r}).read())")

    def provider(self) -> Any:
        return plugins.load("provider", "cli").create(self._services(self.environ))

    async def turn(self, agent: AgentConfig, budget: TurnBudget = BUDGET, **fields: Any) -> Reply:
        given: dict[str, Any] = {"system_prompt": SYSTEM_PROMPT, "prompt": "Do it.", "workspace": str(self.workspace)}
        task = Task(id="t", title="t", prompt="Do it.")
        opening = Opening(agent=agent, task=task, tools=(), **(given | fields))
        reply: Reply = await (await self.provider().converse(opening)).turn((), budget)
        return reply


@pytest.fixture
async def field(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Field]:
    async with open_session(clock) as session:
        yield Field(
            tmp_path, lambda environ: Services(session=session, clock=clock, environ=environ, cache=tmp_path / "cache")
        )


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.{FILES[name]}").read_text()


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def command(code: str, output: str = "text") -> AgentConfig:
    return AgentConfig(name="own", provider="cli", command=(sys.executable, "-SEc", code), output=output)


def test_a_scaffold_is_one_file() -> None:
    assert _scaffolds.output_names() == plugins.traits_of("cli").outputs
    assert _scaffolds.scaffold_names() == tuple(FILES)


@pytest.mark.parametrize("name", FILES)
async def test_what_it_reports_is_read(field: Field, name: str) -> None:
    field.printing(PROGRAMS[name], "a warning\n" * (name != "gemini-cli") + recorded(name))
    reply = await field.turn(AgentConfig(name="a", provider="cli", model=name))
    assert reply.text == "All done."
    assert reply.usage == USAGES[name]
    assert reply.scaffold is not None
    assert (reply.scaffold.name, reply.scaffold.version, reply.scaffold.tool_calls) == (name, "1.2.3", 1)
    assert reply.scaffold.turns == (None if name == "codex" else 2), "Codex does not say"
    assert reply.reported_cost_usd == (0.000684 if name == "claude-code" else None), "a cost of 0 is none known"
    assert (reply.finish, reply.calls) == ("stop", ()), "its calls are not ours to run"
    assert recorded(name).strip() in next(iter(rebuilt(reply.wire))).response


def failing(name: str) -> str:
    return {
        "claude-code": '{"type":"result","subtype":"success","is_error":true,"result":"Invalid API key"}',
        "codex": '{"type":"turn.failed","error":{"message":"Invalid API key"}}',
        "gemini-cli": '{"error":{"type":"Error","message":"Invalid API key","code":41}}',
        "opencode": '{"type":"error","error":{"name":"APIError","data":{"message":"Invalid API key"}}}',
    }[name]


@pytest.mark.parametrize("name", FILES)
async def test_what_it_says_that_failed_is_a_failure(field: Field, name: str) -> None:
    field.printing(PROGRAMS[name], failing(name))
    with pytest.raises(ProviderError, match=rf"{name} \(exit code 0\): Invalid API key"):
        await field.turn(AgentConfig(name="a", provider="cli", model=name))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("printed", ["", "what?\n", "{not json\n", "[1]\n"])
@pytest.mark.some(6)
async def test_garbage_is_a_failure_and_not_an_answer(field: Field, name: str, printed: str) -> None:
    field.printing(PROGRAMS[name], printed)
    with pytest.raises(ProviderError, match="printed what cannot be read"):
        await field.turn(AgentConfig(name="a", provider="cli", model=name))


@pytest.mark.parametrize("name", FILES)
async def test_every_shape_of_json_can_be_read_or_refused(field: Field, name: str) -> None:
    """Wherever a value is another one than expected, nothing breaks: it counts as not reported."""
    scaffold = _scaffolds.external_of(AgentConfig(name="a", provider="cli", model=name)).scaffold
    whole = recorded(name)
    lines = [whole] if FILES[name] == "json" else whole.splitlines()
    for number, line in enumerate(lines):
        for changed in broken(json.loads(line)):
            with suppress(ValueError):
                scaffold.read("\n".join((*lines[:number], json.dumps(changed), *lines[number + 1 :])))


def broken(value: Any) -> list[Any]:
    """The value with each of its parts replaced in turn."""
    if not isinstance(value, dict):
        return [None, "x", -1, [], {}, ["x"]]
    return [{**value, key: other} for key, part in value.items() for other in broken(part)]


async def test_a_crash_is_told_with_what_it_said_and_no_key(field: Field) -> None:
    field.environ["ANTHROPIC_API_KEY"] = KEY
    field.install("claude", "sys.stderr.write('no: ' + os.environ['ANTHROPIC_API_KEY']); sys.exit(3)")
    with pytest.raises(ProviderError) as caught:
        await field.turn(CLAUDE)
    assert str(caught.value) == "claude-code (exit code 3): printed what cannot be read: no events; it said: no: [key]"
    assert KEY not in "".join(sent.response for sent in rebuilt(caught.value.left.wire))


async def test_a_report_of_a_failure_on_stderr_is_read_too(field: Field) -> None:
    field.install("gemini", f"sys.stderr.write('Warning: x\\n' + {failing('gemini-cli')!r}); sys.exit(41)")
    with pytest.raises(ProviderError, match=r"^gemini-cli \(exit code 41\): Invalid API key; it said: "):
        await field.turn(AgentConfig(name="a", provider="cli", model="gemini-cli"))


async def test_a_wrong_exit_code_is_a_failure_also_with_a_report(field: Field) -> None:
    field.printing("claude", recorded("claude-code"), "import atexit; atexit.register(os._exit, 7)")
    with pytest.raises(ProviderError, match=r"claude-code \(exit code 7\): failed"):
        await field.turn(CLAUDE)


async def test_a_signal_is_named(field: Field) -> None:
    with pytest.raises(ProviderError, match=r"text \(signal 9\)"):
        await field.turn(command("import os; os.kill(os.getpid(), 9)"))


async def test_it_is_handed_little_of_the_environment(field: Field) -> None:
    field.environ |= {"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": "not for it", "SECRET": "nor this", "TERM": "dumb"}
    field.environ |= {"CLAUDECODE": "1", "CLAUDE_CODE_ENTRYPOINT": "cli"}
    save = "json.dump(dict(os.environ), open('seen.json', 'w'))"
    field.printing("claude", recorded("claude-code"), save)
    await field.turn(CLAUDE)
    seen = set(json.loads((field.workspace / "seen.json").read_text())) - {"LC_CTYPE", "TASK_PROCESS_MARK"}
    assert seen == {"PATH", "HOME", "TERM", "LANG", "ANTHROPIC_API_KEY", "GIT_DIR"}


def test_opencode_is_handed_the_key_of_its_models_provider() -> None:
    agent = AgentConfig(name="a", provider="cli", model="opencode/open-router/some/model")
    environ = {"OPEN_ROUTER_API_KEY": KEY, "OPENAI_API_KEY": KEY, "OPENCODE_X": "1", "PATH": "/bin"}
    handed = _scaffolds.environment(environ, agent, _scaffolds.external_of(agent))
    assert set(handed) == {"OPEN_ROUTER_API_KEY", "OPENCODE_X", "PATH"}


async def test_the_prompt_is_on_stdin_byte_for_byte_with_what_is_the_agents_own_before_it(field: Field) -> None:
    field.printing("claude", recorded("claude-code"), "open('said', 'wb').write(sys.stdin.buffer.read())")
    prompt = "--help\n$HOME {workspace} é🙂" + "x" * 200_000
    await field.turn(CLAUDE, prompt=prompt)
    assert (field.workspace / "said").read_bytes() == prompt.encode(), "the nano agent's own prompt is not its"
    await field.turn(CLAUDE, prompt="P", system_prompt=f"{SYSTEM_PROMPT}\nYour model name is agent_1.")
    assert (field.workspace / "said").read_text() == "Your model name is agent_1.\n\nP"
    await field.turn(CLAUDE, prompt="P", system_prompt="Speak French.")
    assert (field.workspace / "said").read_text() == "Speak French.\n\nP"


async def test_it_keeps_to_edits_in_the_workspace_and_a_judge_edits_nothing(field: Field) -> None:
    code = (
        "open(os.path.join(os.environ['HOME'], 'seen'), 'w').write("
        "json.dumps([sys.argv[1:], os.getcwd(), os.environ.get('OPENCODE_CONFIG_CONTENT', '{}')]))\n"
        "home = os.environ.get('GEMINI_CLI_HOME')\n"
        "if home: open(os.environ['HOME'] + '/policy', 'w').write(open(home + '/edits.toml').read())"
    )
    seen: dict[tuple[str, bool], tuple[list[str], str, dict[str, Any]]] = {}
    policies: dict[bool, str] = {}
    for name, program in PROGRAMS.items():
        field.printing(program, recorded(name), code)
        for edits in (True, False):
            fields: dict[str, Any] = {} if edits else {"workspace": None}
            agent = AgentConfig(name="a", provider="cli", model=f"{name}/v/m", reasoning_effort="high")
            await field.turn(agent, **fields)
            argv, cwd, config = json.loads((field.workspace.parent / "seen").read_text())
            assert (cwd == str(field.workspace)) is edits
            assert Path(cwd).exists() is edits, "a judge's folder is gone"  # noqa: ASYNC240 - one look
            assert "v/m" in argv
            if name == "gemini-cli":
                policies[edits] = (field.workspace.parent / "policy").read_text()
            seen[name, edits] = argv, cwd, json.loads(config)
    claude, codex, gemini, opencode = (seen[name, True] for name in PROGRAMS)
    assert claude[0][-4:] == ["--permission-mode", "acceptEdits", "--tools", "Read,Write,Edit,Glob,Grep"]
    assert claude[0][claude[0].index("--effort") + 1] == "high"
    assert codex[0][-3:] == ["--sandbox", "workspace-write", "-"]
    assert 'model_reasoning_effort="high"' in codex[0]
    assert gemini[0][gemini[0].index("--approval-mode") + 1] == "default"
    assert 'toolName = ["write_file", "replace"]\ndecision = "allow"' in policies[True]
    assert opencode[2]["permission"]["edit"] == "allow"
    assert opencode[2]["permission"]["*"] == opencode[2]["permission"]["external_directory"] == "deny"
    claude, codex, gemini, opencode = (seen[name, False] for name in PROGRAMS)
    assert claude[0][-2:] == ["--tools", ""]
    assert "read-only" in codex[0]
    assert policies[False] == ""
    assert set(opencode[2]["permission"].values()) == {"deny"}


async def test_it_is_told_to_obey_nothing_of_the_workspace(field: Field) -> None:
    save = "json.dump([sys.argv[1:], dict(os.environ)], open(os.path.join(os.environ['HOME'], 'seen'), 'w'))"
    told: dict[str, tuple[list[str], dict[str, str]]] = {}
    field.environ |= {"GEMINI_CLI_TRUST_WORKSPACE": "true", "OPENCODE_PERMISSION": '{"bash": "allow"}'}
    for name, program in PROGRAMS.items():
        field.printing(program, recorded(name), save)
        await field.turn(AgentConfig(name="a", provider="cli", model=f"{name}/v/m"))
        told[name] = tuple(json.loads((field.workspace.parent / "seen").read_text()))
    (claude, of_claude), (codex, _), (gemini, of_gemini), (_, of_opencode) = told.values()
    assert claude[claude.index("--setting-sources") + 1] == "user"
    assert "--strict-mcp-config" in claude
    assert of_claude["GIT_DIR"] == os.devnull
    (projects,) = (part.removeprefix("projects=") for part in codex if part.startswith("projects="))
    entries = tomllib.loads(f"projects = {projects}")["projects"]
    assert {str(field.workspace), str(field.workspace.parent), "/"} <= set(entries)
    assert all(entry == {"trust_level": "untrusted"} for entry in entries.values())
    assert "project_doc_max_bytes=0" in codex
    assert "--skip-trust" not in gemini
    assert of_gemini["GEMINI_CLI_TRUST_WORKSPACE"] == "false"
    assert of_opencode["OPENCODE_DISABLE_PROJECT_CONFIG"] == "1"
    assert json.loads(of_opencode["OPENCODE_PERMISSION"])["*"] == "deny"
    assert "bash" not in of_opencode["OPENCODE_PERMISSION"]


def test_a_path_of_any_letters_is_one_entry_for_codex(tmp_path: Path) -> None:
    odd = tmp_path / 'a.b "c" = é'
    arguments = _scaffolds.external_of(AgentConfig(name="a", provider="cli", model="codex")).scaffold.arguments(
        ScaffoldJob(model="", workspace=str(odd), edits=True, prompt="")
    )
    (given,) = (part for part in arguments if part.startswith("projects="))
    assert str(odd) in tomllib.loads(given)["projects"]


GEMINIS_SETTINGS = """// mine
{"security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": true}}, /* a */
 "ui": {"theme": "a // b \\" /* c */"}, "policyPaths": ["/mine.toml"]}
"""


async def test_gemini_is_given_the_users_home_but_for_its_trust(field: Field) -> None:
    users = field.workspace.parent / ".gemini"
    users.mkdir()
    (users / "settings.json").write_text(GEMINIS_SETTINGS)
    (users / "oauth_creds.json").write_text("{}")
    (users / ".env").write_text(f"GEMINI_API_KEY={KEY}\nGOOGLE_CLOUD_PROJECT=theirs\n")
    field.environ["GOOGLE_CLOUD_PROJECT"] = "mine"
    look = """
home = os.environ["GEMINI_CLI_HOME"]
settings = json.load(open(home + "/.gemini/settings.json"))
open(home + "/.gemini/oauth_creds.json", "w").write("renewed")
kept = [settings, os.environ["GEMINI_API_KEY"], os.environ["GOOGLE_CLOUD_PROJECT"], home, os.stat(home).st_mode & 0o777]
json.dump(kept, open(os.path.join(os.environ["HOME"], "seen"), "w"))
"""
    field.printing("gemini", json.dumps({"response": f"It is {KEY}."}), look)
    reply = await field.turn(AgentConfig(name="a", provider="cli", model="gemini-cli"))
    settings, key, project, home, mode = json.loads((field.workspace.parent / "seen").read_text())
    assert settings["security"] == {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}}
    assert settings["advanced"] == {"ignoreLocalEnv": True}
    assert settings["ui"] == {"theme": 'a // b " /* c */'}
    assert settings["policyPaths"] == ["/mine.toml", f"{home}/edits.toml"]
    assert (key, project, mode) == (KEY, "mine", 0o700)
    assert reply.text == "It is [key].", "a key of the user's own .env is one too"
    assert (users / "oauth_creds.json").read_text() == "renewed", "a login that is renewed is the user's"
    assert (users / "settings.json").read_text() == GEMINIS_SETTINGS
    assert not Path(home).exists()  # noqa: ASYNC240 - one look
    (users / "settings.json").write_text("[]")
    with pytest.raises(ProviderError, match=r"settings\.json is not a JSON object, so Gemini CLI was not started"):
        await field.turn(AgentConfig(name="a", provider="cli", model="gemini-cli"))


@pytest.mark.parametrize("planted", [".opencode", "opencode.json", "opencode.jsonc"])
async def test_opencode_is_not_started_where_plugins_are_named(field: Field, planted: str) -> None:
    field.printing(
        "opencode", recorded("opencode"), "open(os.path.join(os.environ['HOME'], 'started'), 'a').write('x')"
    )
    agent, started = AgentConfig(name="a", provider="cli", model="opencode"), field.workspace.parent / "started"
    (field.workspace.parent / planted).mkdir()  # the user's own, in the home
    await field.turn(agent)
    assert started.read_text() == "x"
    (field.workspace / planted).symlink_to("nowhere")
    with pytest.raises(ProviderError, match=r"opencode was not started: it would run the plugins of .*w/\.?opencode"):
        await field.turn(agent)
    (field.workspace / planted).unlink()
    inner = field.workspace / "a" / "b"
    (field.workspace / "a" / planted).mkdir(parents=True)
    inner.mkdir()
    with pytest.raises(ProviderError, match="it would run the plugins of"):
        await field.turn(agent, workspace=str(inner))
    assert started.read_text() == "x"


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("claude-code", "2.1.197", ""),
        ("claude-code", "2.2.0", ""),
        ("claude-code", "2.1.96", "perhaps the workspace's own settings: 2.1.96 is not known to leave them out"),
        ("claude-code", "", "perhaps the workspace's own settings: its version is not known"),
        ("codex", "0.169.0", "the names and descriptions of skills"),
        ("text", "", "what a command of one's own obeys"),
    ],
)
def test_what_it_obeys_all_the_same_is_said(name: str, version: str, said: str) -> None:
    own = name == "text"
    agent = AgentConfig(name="a", provider="cli", command=("x",) if own else (), model="" if own else name)
    obeyed = _scaffolds.obeyed(_scaffolds.external_of(agent).scaffold, version, own=own)
    assert (obeyed.startswith(said), bool(obeyed)) == (True, bool(said))


RETRY = '{"type":"system","subtype":"api_retry","attempt":3,"max_retries":10,"error_status":%s,"error":"unknown"}'
LOGGED = (
    'timestamp=2026-11-30T07:22:%s.162Z level=ERROR run=1 message="stream error" providerID=x modelID=m small=%s '
    'agent=build error.error="AI_APICallError: Cannot connect to API"'
)
WAITS = '{"type":"error","message":"Reconnecting... waiting for network (Connection failed)"}'
TWICE = "Attempt 1 failed. Retrying…\n    at chunk.js:1\nAttempt 2 failed with status 503. Retrying…\n    at chunk.js:1"
SAID = '{"type":"assistant","message":{"content":[{"type":"text","text":"Writing."}]}}'
STEP = '{"type":"text","timestamp":1796023355000,"part":{"text":"Writing."}}'
"""As the programs themselves print it where nothing listens at their address, or 503 is answered. STEP: 07:22:35."""


@pytest.mark.parametrize(
    ("name", "printed", "complained", "said"),
    [
        ("claude-code", RETRY % "null", "", "no connection (unknown), at attempt 3 of 10"),
        ("claude-code", f"{SAID}\n{RETRY % 529}", "", "status 529, at attempt 3 of 10"),
        ("codex", WAITS, "", "waiting for network"),
        ("gemini-cli", "", TWICE, "Attempt 2 failed with status 503"),
        ("opencode", "", LOGGED % ("29", "false"), "Cannot connect to API"),
        ("opencode", STEP, LOGGED % ("59", "false"), "Cannot connect to API"),
    ],
)
async def test_one_that_waits_for_its_vendor_till_its_time_is_over_is_not_measured(
    field: Field, monkeypatch: pytest.MonkeyPatch, name: str, printed: str, complained: str, said: str
) -> None:
    async def killed(*_: Any, **_how: Any) -> Finished:
        return Finished(exit_code=None, printed=printed, complained=complained)

    monkeypatch.setattr("flatfield.vendors.scaffold.delegation.run_process", killed)
    agent = AgentConfig(name="a", provider="cli", model=f"{name}/x/m")
    with pytest.raises(ProviderError, match=r"\(ended for time\): its vendor did not answer") as failed:
        await field.turn(agent)
    assert said in str(failed.value)


@pytest.mark.parametrize(
    ("name", "printed", "complained"),
    [
        ("claude-code", f"{RETRY % 529}\n{SAID}", ""),
        ("codex", f'{WAITS}\n{{"type":"item.completed","item":{{"type":"agent_message","text":"Hm."}}}}', ""),
        ("gemini-cli", "", TWICE.partition("\n")[0]),
        ("opencode", STEP, LOGGED % ("29", "false")),
        ("opencode", "", LOGGED % ("29", "true")),
        ("opencode", "", ""),
    ],
)
def test_one_that_was_answered_since_was_too_slow(name: str, printed: str, complained: str) -> None:
    scaffold = _scaffolds.external_of(AgentConfig(name="a", provider="cli", model=f"{name}/x/m")).scaffold
    assert scaffold.unanswered(printed, complained) == ""


async def test_time_is_limited_and_what_it_had_said_is_kept(field: Field, idle_time: IdleTime) -> None:
    idle_time.only(BUDGET.seconds + 1.0, once=(field.workspace / "said").exists)
    said = recorded("claude-code").splitlines()[:3]
    field.printing("claude", "\n".join(said), "")
    field.install("claude", f"print({chr(10).join(said)!r}, flush=True); open('said', 'w'); time.sleep(600)")
    reply = await field.turn(CLAUDE, BUDGET)
    assert (reply.finish, reply.text, reply.usage) == ("time", "Writing.", None)
    assert reply.scaffold is not None
    assert (reply.scaffold.turns, reply.scaffold.tool_calls) == (None, None), "not all that it did"


BREEDING = """
import os, subprocess, sys, time
child = [sys.executable, "-SEc", "import time; time.sleep(600)"]
for own in (False, True):  # one in its group, one in a session of its own
    pid = subprocess.Popen(child, start_new_session=own).pid
    with open("pids", "a") as stream:
        print(pid, file=stream)
if os.fork() == 0:  # and an orphan of an orphan, which holds the pipe open
    os.setsid()
    if os.fork() == 0:
        with open("pids", "a") as stream:
            print(os.getpid(), file=stream, flush=True)
        time.sleep(600)
    os._exit(0)
while open("pids").read().count("\\n") < 3:
    time.sleep(0.01)
"""


@pytest.mark.parametrize("ending", ["", "time.sleep(600)", "sys.exit(5)"])
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes that left the group are found in /proc")
async def test_nothing_that_it_started_is_left(field: Field, idle_time: IdleTime, ending: str) -> None:
    idle_time.only(BUDGET.seconds + 1.0, once=(field.workspace / "bred").exists)
    with suppress(ProviderError):
        await field.turn(command(f"{BREEDING}open('bred', 'w')\n{ending}"), BUDGET)
    pids = [int(line) for line in (field.workspace / "pids").read_text().split()]
    assert len(pids) == 3
    assert [pid for pid in pids if alive(pid)] == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes that left the group are found in /proc")
async def test_cancelling_ends_all_of_it(field: Field) -> None:
    turn = asyncio.create_task(field.turn(command(f"{BREEDING}time.sleep(600)")))
    pids = field.workspace / "pids"
    deadline = time.monotonic() + 60
    while not pids.exists() or pids.read_text().count("\n") < 3:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert [pid for pid in map(int, pids.read_text().split()) if alive(pid)] == []


async def test_a_command_of_ones_own_is_given_its_parts(field: Field) -> None:
    code = "import json, os, sys; print(json.dumps([sys.argv[1:], sys.stdin.read()]))"
    argv = (sys.executable, "-SEc", code, "--prompt={prompt}", "{model}", "{workspace}", "{other}")
    agent = AgentConfig(name="own", provider="cli", model="m", command=argv)
    reply = await field.turn(agent, prompt="{model} {prompt}")
    assert json.loads(reply.text) == [["--prompt={model} {prompt}", "m", str(field.workspace), "{other}"], ""]
    reply = await field.turn(AgentConfig(name="own", provider="cli", command=(sys.executable, "-SEc", code)))
    assert json.loads(reply.text) == [[], "Do it."], "without a place for it, the prompt is on stdin"
    assert (reply.usage, reply.reported_cost_usd) == (None, None)
    assert reply.scaffold is not None
    assert reply.scaffold.turns is None


async def test_a_command_may_say_what_it_used(field: Field) -> None:
    told: dict[str, Any] = {"text": "hi", "input_tokens": 10, "output_tokens": 2, "cost_usd": 0.5, "turns": 3}
    reply = await field.turn(command(f"print('warning'); print({json.dumps(told)!r})", "json"))
    assert (reply.text, reply.usage) == ("hi", Usage(input_tokens=10, output_tokens=2))
    assert reply.reported_cost_usd == 0.5
    assert reply.scaffold is not None
    assert (reply.scaffold.turns, reply.scaffold.tool_calls) == (3, None)
    reply = await field.turn(command(f"print({json.dumps({'text': 'hi', 'output_tokens': 2})!r})", "json"))
    assert reply.usage is None, "half of it is not known"
    with pytest.raises(ProviderError, match="no `text`"):
        await field.turn(command("print('{}')", "json"))
    with pytest.raises(ProviderError, match="broken"):
        await field.turn(command('print(\'{"error": "broken"}\')', "json"))


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (CLAUDE, "claude is not on the PATH; install it: npm install -g @anthropic-ai/claude-code"),
        (
            AgentConfig(name="c", provider="cli", model="cursor"),
            "there is no scaffold 'cursor'; there are: claude-code,",
        ),
        (AgentConfig(name="c", provider="cli", command=("no-such-agent",)), "no-such-agent is not on the PATH"),
        (AgentConfig(name="c", provider="cli", model="codex", base_url="http://x/v1"), "base_url is not for"),
        (AgentConfig(name="c", provider="cli", model="codex", protocol="json"), "protocol"),
        (AgentConfig(name="c", provider="cli", command=("env",), api_key_env="NO_KEY"), "NO_KEY is not set"),
    ],
)
async def test_what_is_missing_is_said_before_anything_runs(field: Field, agent: AgentConfig, said: str) -> None:
    field.environ["PATH"] = "/usr/bin:/bin" if agent.command else str(field.programs)
    with pytest.raises(NotReady, match=r"agent 'c': ") as caught:
        await field.provider().check(agent)
    assert said in str(caught.value)


async def test_an_installed_one_is_ready(field: Field) -> None:
    field.install("claude", "")
    await field.provider().check(CLAUDE)
    assert field.provider().lane(CLAUDE).name == "cli claude-code"
    assert field.provider().on_device(CLAUDE) is False


async def test_its_tokens_are_priced_by_its_vendors_model_at_the_rates_of_small_requests(field: Field) -> None:
    many = {"claude-opus-4-1": {"inputTokens": 1_000_000, "outputTokens": 100_000, "cacheReadInputTokens": 0}}
    result = {"type": "result", "subtype": "success", "result": "ok", "modelUsage": many, "total_cost_usd": 1.0}
    field.printing("claude", json.dumps(result))
    reply = await field.turn(CLAUDE)
    usd = Prices().usd(CLAUDE, reply.usage, on_device=False, sent=reply.request)
    assert usd == pytest.approx(15.0 + 7.5)
    assert reply.reported_cost_usd == 1.0, "beside it"
    gemini = {"stats": {"models": {"gemini-2.5-pro": {"tokens": {"prompt": 1_000_000, "candidates": 0}}}}}
    field.printing("gemini", json.dumps({"response": "ok", **gemini}))
    agent = AgentConfig(name="g", provider="cli", model="gemini-cli")
    reply = await field.turn(agent)
    assert Prices().usd(agent, reply.usage, on_device=False, sent=reply.request) == pytest.approx(1.25), "not 2.50"


async def test_at_another_address_nobody_knows_the_price(field: Field) -> None:
    field.environ["ANTHROPIC_BASE_URL"] = "http://127.0.0.1:1"
    field.printing("claude", recorded("claude-code"))
    reply = await field.turn(CLAUDE)
    assert reply.request.base_url == "http://127.0.0.1:1"
    assert Prices().usd(CLAUDE, reply.usage, on_device=False, sent=reply.request) is None


async def test_it_grades_as_a_judge(field: Field, tmp_path: Path) -> None:
    """The judge's own instructions and the question go in, and its JSON comes out, after one that cannot be read."""
    save = f"""
said = sys.stdin.read()
asked = os.path.join({str(tmp_path)!r}, "asked")
open(asked, "a").write(said + chr(0))
text = "A, I think" if open(asked).read().count(chr(0)) == 1 else '{{"letter": "B", "reason": "good"}}'
json.dump({{"type": "result", "subtype": "success", "result": text, "usage": {{"input_tokens": 7, "output_tokens": 1}},
    "total_cost_usd": 0.1}}, sys.stdout)
"""
    field.install("claude", save)
    provider = field.provider()
    seen: list[str] = []

    def read(text: str, _last: bool) -> str:
        seen.append(text)
        if not text.startswith("{"):
            raise UnusableReply("no JSON")
        return str(json.loads(text)["letter"])

    bench = Bench(agent=CLAUDE, converse=provider.converse, price=lambda _: None)
    question = Question(write=lambda problem: f"Grade it. {problem}", read=read, schema={"type": "object"})
    asked = await bench.ask(question)
    assert (asked.value, asked.problem) == ("B", "")
    assert asked.spent.usage == Usage(input_tokens=14, output_tokens=2)
    first, second, _ = (tmp_path / "asked").read_text().split("\0")
    assert first == f"{JUDGES_PROMPT.strip()}\n\nGrade it. "
    assert second.endswith("no JSON")


def told_by_claude(usage: dict[str, Any], **models: dict[str, Any]) -> str:
    """Claude Code's report of a run that used several models."""
    used = {name.replace("_", "-"): {"inputTokens": 0, "outputTokens": 0, **fields} for name, fields in models.items()}
    total = sum(fields.get("costUSD", 0.0) for fields in models.values())
    result = {"type": "result", "subtype": "success", "is_error": False, "result": "Done.", "total_cost_usd": total}
    return json.dumps({**result, "usage": usage, "modelUsage": used})


MUCH = {"inputTokens": 100_000, "outputTokens": 100, "costUSD": 0.1005}
LITTLE = {"inputTokens": 1000, "outputTokens": 1000, "costUSD": 0.018}


async def test_several_models_are_priced_each_at_its_own_price(field: Field) -> None:
    """The one that read most was not the dear one: all at its price would be a fraction of the cost."""
    field.printing("claude", told_by_claude({}, claude_haiku_4_5=MUCH, claude_sonnet_4_5=LITTLE))
    reply = await field.turn(CLAUDE)
    assert reply.usage == Usage(input_tokens=101_000, output_tokens=1100)
    assert [each.request.model for each in reply.by_model] == ["claude-haiku-4-5", "claude-sonnet-4-5"]
    usd = reply_usd(reply, priced())
    assert usd == pytest.approx(reply.reported_cost_usd) == pytest.approx(0.1005 + 0.018)
    said = Prices().described_turns(CLAUDE, (Turn(reply=reply, cost_usd=usd),))
    assert said.startswith("claude-haiku-4-5: $1 in, ")
    assert " | claude-sonnet-4-5: $3 and more in, " in said


@pytest.mark.parametrize(
    ("usage", "models", "hours"),
    [
        ({"ephemeral_1h_input_tokens": 0}, {"claude_haiku_4_5": 10, "claude_sonnet_4_5": 50}, (0, 0)),
        ({"ephemeral_1h_input_tokens": 60}, {"claude_haiku_4_5": 10, "claude_sonnet_4_5": 50}, (10, 50)),
        ({"ephemeral_1h_input_tokens": 40}, {"claude_haiku_4_5": 0, "claude_sonnet_4_5": 50}, (0, 40)),
        ({"ephemeral_1h_input_tokens": 40}, {"claude_haiku_4_5": 10, "claude_sonnet_4_5": 50}, (None, None)),
    ],
    ids=["none", "all", "one wrote", "who knows"],
)
async def test_what_it_keeps_in_the_cache_for_an_hour(
    field: Field, usage: dict[str, int], models: dict[str, int], hours: tuple[int | None, ...]
) -> None:
    used = {name: {"cacheCreationInputTokens": written, "costUSD": 0.5} for name, written in models.items()}
    field.printing("claude", told_by_claude({"cache_creation": usage}, **used))
    reply = await field.turn(CLAUDE)
    assert tuple(each.usage and each.usage.cache_write_1h_tokens for each in reply.by_model) == hours
    usd = reply_usd(reply, priced())
    said = Prices().described_turns(CLAUDE, (Turn(reply=reply, cost_usd=usd),))
    assert (usd == 1.0, said == AS_REPORTED) == (None in hours, None in hours), "its own word, marked"


async def test_its_own_cost_counts_where_a_price_is_not_known(field: Field) -> None:
    field.printing("claude", told_by_claude({}, claude_next_9=LITTLE, claude_haiku_4_5=MUCH))
    reply = await field.turn(CLAUDE)
    assert reply_usd(reply, priced()) == pytest.approx(0.1185)
    guessed = told_by_claude({}, claude_next_9={**LITTLE, "costBasis": "unknown"})
    field.printing("claude", guessed)
    assert reply_usd(await field.turn(CLAUDE), priced()) is None, "it did not know the price either"
    own = Prices({"claude-next-9": Price(input_mtok=1.0, output_mtok=2.0)})
    assert reply_usd(await field.turn(CLAUDE), priced(own)) == pytest.approx(0.003)


@pytest.mark.parametrize("dearer", [{"speed": "fast"}, {"inference_geo": "us"}])
async def test_what_makes_its_run_dearer_leaves_our_price_unknown(field: Field, dearer: dict[str, str]) -> None:
    field.printing("claude", told_by_claude(dearer, claude_haiku_4_5=MUCH))
    reply = await field.turn(CLAUDE)
    assert priced()(reply.by_model[0]) is None
    assert reply_usd(reply, priced()) == reply.reported_cost_usd


async def test_a_longer_context_and_a_search_of_the_web(field: Field) -> None:
    long: dict[str, Any] = {
        "sonnet[1m]": {**LITTLE, "canonicalModel": "claude-sonnet-4-5-20250929"},
        "claude-haiku-4-5[1m]": MUCH,
    }
    field.printing("claude", told_by_claude({}, **long))
    reply = await field.turn(CLAUDE)
    assert [each.request.model for each in reply.by_model] == ["claude-sonnet-4-5-20250929", "claude-haiku-4-5"]
    field.printing("claude", told_by_claude({}, claude_haiku_4_5={**MUCH, "webSearchRequests": 1}))
    assert (await field.turn(CLAUDE)).by_model[0].usage is None


async def test_gemini_cli_names_its_models_too(field: Field) -> None:
    told = json.loads(recorded("gemini-cli"))
    models = told["stats"]["models"]
    models["gemini-2.5-flash-lite"] = models["fake-model"]
    models["gemini-2.5-pro"] = models.pop("fake-model")
    field.printing("gemini", json.dumps(told))
    agent = AgentConfig(name="a", provider="cli", model="gemini-cli/gemini-2.5-pro")
    reply = await field.turn(agent)
    flash, pro = (120 * 0.1 + 80 * 0.01 + 20 * 0.4), (120 * 1.25 + 80 * 0.125 + 20 * 10)
    assert reply_usd(reply, priced(agent=agent)) == pytest.approx((flash + pro) / 1e6)
