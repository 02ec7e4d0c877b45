"""What users get wrong, and what they are told: one sentence with what, where and how to mend it, and exit code 2."""

from __future__ import annotations

import io
import json
import os
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from flatfield.faces.cli import commands
from flatfield.faces.cli.ending import run_command
from flatfield.runs.scratch import claimed
from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole

CHECKED = "verify:\n- answer: {contains: x}"
OPENAI = 'provider = "openai"\nmodel = "x"'
CHAT = 'provider = "openai-chat"\nmodel = "x"'
ORACLE = "eval oslo.md --agents oracle"
CLOSED = "http://127.0.0.1:9/v1"


class Mistake(NamedTuple):
    """A command line, what it is answered, and the files that it is typed beside."""

    typed: str
    told: str
    files: Mapping[str, str | bytes | None] = {}


def lop(matter: str, told: str, variables: str = 'PROMPT: "p"') -> Mistake:
    """A mistake in a task."""
    text = f"---\n{matter}\n---\n\n# T\n\n## Variables\n\n{variables}\n"
    return Mistake("eval x.md --agents oracle", f"x.md:{told}", {"x.md": text})


def hop(matter: str, told: str) -> Mistake:
    """A mistake in an evaluation."""
    return Mistake("eval h.md oslo.md", told, {"h.md": f"---\n{matter}\n---\n\n# E\n"})


def toml(text: str, told: str) -> Mistake:
    """A mistake in flatfield.toml."""
    return Mistake("eval oslo.md --agents a", told, {"flatfield.toml": text})


def agents(named: str, told: str) -> Mistake:
    """A mistake in --agents."""
    return Mistake(f"eval oslo.md --agents {named}", told)


HOP = "---\nrepeats: 2\nagents: [oracle]\n---\n\n# E\n"
TASK = f'---\n{CHECKED}\n---\n\n# T\n\n## Variables\n\nPROMPT: "p"\n'
MISTAKES = (
    # files that are not there, or are something else
    Mistake("eval", "name what to evaluate: LOP files, folders, or suite:basic"),
    Mistake("plan", "name what to evaluate: LOP files, folders, or suite:basic"),
    Mistake("eval olso.md --agents oracle", "there is no file or folder olso.md; did you mean 'oslo.md'?"),
    Mistake(
        "eval nowhere/ --agents oracle",
        "there is no file or folder nowhere/; what there is: `flatfield tasks list`;"
        " a new one: `flatfield new task NAME`",
    ),
    Mistake("tasks show gone.md", "there is no file or folder gone.md"),
    Mistake("tasks list gone/", "there is no file or folder gone/"),
    Mistake("eval suite:basik --agents oracle", "there is no suite 'basik'; did you mean 'basic'?; there are: basic,"),
    Mistake(
        "eval empty --agents oracle", "there is no Markdown file in empty; name a folder with LOPs", {"empty/": None}
    ),
    Mistake("eval deep --agents oracle", "no Markdown file in deep; name a folder below it: a", {"deep/a/x.md": TASK}),
    Mistake(
        "eval p.png --agents oracle", "p.png:1: byte 0x89 is not UTF-8; save the file as UTF-8", {"p.png": b"\x89PNG\0"}
    ),
    Mistake(
        "eval b.md --agents oracle", "b.md:1: the file is UTF-16, not UTF-8; save the file", {"b.md": b"\xff\xfe\0\1"}
    ),
    Mistake("eval e.md --agents oracle", "e.md:1: the file is empty; write `verify:", {"e.md": "\n"}),
    Mistake(
        "eval n.md --agents oracle",
        "n.md:1: this is a prompt and no LOP: nothing in it says how",
        {"n.md": "# hello\n"},
    ),
    Mistake(
        "eval /proc/self/mem --agents oracle", "/mem cannot be read: Input/output error; check its path and permissions"
    ),
    Mistake(
        "eval oslo.md t.md --agents oracle",
        "t.md:1: the id 'oslo' is also that of oslo.md",
        {"t.md": TASK.replace("---\n", "---\nid: oslo\n", 1)},
    ),
    Mistake("eval h.md --agents oracle", "there is no LOP in h.md: a HOP needs at least one task", {"h.md": HOP}),
    Mistake("eval h.md i.md oslo.md", "i.md:1: this is one of 2 HOPs; name one HOP", {"h.md": HOP, "i.md": HOP}),
    Mistake(ORACLE, ".flatfield is not a folder: runs are stored in it; move it away", {".flatfield": ""}),
    Mistake("report", "store.db", {".flatfield/store.db": "no database\n" * 100}),
    # tasks
    lop("verfy:\n- answer: {contains: x}", "2: the front matter has no key `verfy`; did you mean `verify`?"),
    lop("verify:\n- anwser: {contains: x}", "3: there is no verifier `anwser`; did you mean `answer`?"),
    lop("verify:\n- answer: {contans: x}", "3: `answer` has no option `contans`; did you mean `contains`?"),
    lop("verify:\n- answer: {}", "3: `answer` needs at least one of `contains`, `equals`, `matches`"),
    lop("verify: {answer: {contains: x}}", "2: `verify` is a map, not a list; write items such as `- answer:"),
    lop(r"verify: [{answer: {matches: '(\d+'}}]", r'2: `answer`: "(\d+" is not a regular expression that Python'),
    lop("verify:\n- python: checks.py:nope", "3: `python: checks.py:nope` is not FILE.py::FUNCTION; write"),
    lop("verify:\n- command: 5", "3: `command` takes a map, such as `command: {run: …}`; its keys are"),
    lop("verify:\n- file: {path: /etc/x, exists: true}", "3: `file`: `path` is relative to the workspace and stays in"),
    lop(
        "verify: [", "2: this is not YAML: expected the node content, but found '<stream end>'; check quotes, brackets"
    ),
    lop(
        "verify:\n\t- answer",
        "3: this is not YAML: found character '\\t' that cannot start any token; indent with spaces",
    ),
    lop(f"{CHECKED}\nlevel: high", "4: `level` is 'high'; write a whole number, 0 or more"),
    lop(f"{CHECKED}\nlimits: {{second: 5}}", "4: `limits` has no key `second`; did you mean `seconds`?"),
    lop(f"{CHECKED}\nlimits: {{seconds: -5}}", "4: `seconds` is -5; write a number above 0"),
    lop(f"{CHECKED}\ntools: [read_fil]", "4: there is no tool `read_fil`; did you mean `read_file`?"),
    lop(f"{CHECKED}\n  weight: -1", "4: `weight` is -1; write a number above 0"),
    lop(f"{CHECKED}\nworkspace: gone", "4: the workspace folder 'gone' is not there; name a folder beside x.md"),
    lop(
        f"{CHECKED}\nsolution:\n- reed_file: {{file_path: x}}",
        "5: there is no tool `reed_file` to take a step with; did",
    ),
    lop(f"{CHECKED}\nid: a/b", "4: `id` 'a/b' has characters other than letters, digits, `.`, `_`, `-`; write a-b"),
    lop(f"{CHECKED}\nrepeats: 0", "4: `repeats` is 0; write a whole number, 1 or more"),
    lop(f"id: a\nid: b\n{CHECKED}", "3: `id` stands twice; keep one (the other is on line 2)"),
    lop(CHECKED, '8: `## Variables` has no PROMPT; write `PROMPT: "…"` below', 'PROMT: "p"'),
    lop(CHECKED, "10: PROMPT is empty; write what the agent is to do", 'PROMPT: ""'),
    Mistake(
        "eval x.md --agents oracle",
        "x.md:1: the front matter that opens here is never closed; end it with",
        {"x.md": f"---\n{CHECKED}\n# T\n"},
    ),
    # evaluations
    hop("repeat: 3\nagents: [oracle]", "h.md:2: the front matter has no key `repeat`; did you mean `repeats`?"),
    hop("repeats: three\nagents: [oracle]", "h.md:2: `repeats` is 'three'; write a whole number, 1 or more"),
    hop("agents: []\nrepeats: 2", "h.md:2: `agents` is an empty list; write a list, such as agents: [a, b]"),
    hop("agents: [nobody]\nrepeats: 1", "there is no agent 'nobody'; there are: "),
    hop("agents: [oracle]\njudge: [nobody]", "there is no agent 'nobody'; there are: "),
    hop(
        "agents: [oracle]\nweights: {performance: 1, sped: 2}",
        "h.md:3: `weights` has no key `sped`; did you mean `speed`?",
    ),
    hop(
        "agents: [oracle]\nweights: {performance: 0, speed: 0, cost: 0}",
        "h.md:3: `weights` are all 0; give at least one of",
    ),
    hop("agents: [oracle]\nlimits: {turns: many}", "h.md:3: `turns` is 'many'; write a whole number, 1 or more"),
    hop("agents: [oracle]\nbudget_usd: cheap", "h.md:3: `budget_usd` is 'cheap'; write a number above 0"),
    hop("agents: [oracle]\njobs: 0", "h.md:3: `jobs` is 0; write a whole number, 1 or more"),
    # flatfield.toml
    toml('[agents.a]\nprovder = "openai"', "flatfield.toml:2: agent a has no key `provder`; did you mean `provider`?"),
    toml(
        '[agents.a]\nprovider = "opnai"\nmodel = "x"',
        "there is no provider 'opnai' (did you mean 'openai'?); there are: anthropic",
    ),
    toml('[agents.a]\nprovider = "openai"', "flatfield.toml:1: agent a has no model; write model = "),
    toml('[agents.a\nprovider = "openai"', "flatfield.toml:1: this is not TOML: Expected ']' at the end of a table"),
    toml(
        f'[agents.a]\n{CHAT}\nbase_url = "localhost:1"',
        "flatfield.toml:4: base_url 'localhost:1' is no address; write http://HOST",
    ),
    toml(
        f'[agents.a]\n{OPENAI}\nbase_url = "https://me:pw@h/v1"',
        "flatfield.toml:4: base_url holds a user name, a password",
    ),
    toml(
        f'[agents.a]\n{OPENAI}\ntemperature = "hot"',
        "flatfield.toml:4: `temperature` is 'hot'; write a number of at least 0",
    ),
    toml(
        f'[agents.a]\n{OPENAI}\nprotocol = "xml"',
        "flatfield.toml:4: `protocol` is 'xml'; write one of: auto, native, text",
    ),
    toml(
        f'[agents.a]\n{OPENAI}\ntools = ["read_flie"]',
        "flatfield.toml:4: there is no tool `read_flie`; did you mean `read_file`",
    ),
    toml(
        f"[agents.a]\n{OPENAI}\nmax_output_tokens = 0",
        "flatfield.toml:4: `max_output_tokens` is 0; write a whole number, 1",
    ),
    toml(f"[agent.a]\n{OPENAI}", "flatfield.toml:1: flatfield.toml has no table `agent`; did you mean `agents`?"),
    toml(f'[agents."a/b"]\n{OPENAI}', "flatfield.toml:1: 'a/b' cannot be an agent's name; use letters, digits and . _"),
    toml("[prices.x]\ninput = 1", "flatfield.toml:2: the price of x has no key `input`; did you mean `input_mtok`?"),
    toml("[lanes.x]\nconcurrent = 1", "flatfield.toml:1: 'x' is neither a provider nor a host; use one of: anthropic"),
    toml(
        f'[agents.a]\n{CHAT}\nbase_url = "{CLOSED}"\napi_key_env = "MY_KEY"',
        "agent 'a' needs a key: set the environment variable MY_KEY",
    ),
    Mistake(
        "--config gone.toml agents", "--config names gone.toml, which is not a file; name a flatfield.toml or leave it"
    ),
    Mistake("--config sub agents", "--config names sub, which is not a file; name a flatfield.toml", {"sub/": None}),
    Mistake(
        "agents",
        "flatfield.toml:1: the file is UTF-16, not UTF-8; save the file as UTF-8",
        {"flatfield.toml": b"\xff\xfe\0"},
    ),
    # agents, models and servers
    Mistake("eval oslo.md", "no agents are named: use --agents, or `agents:` in the HOP; configured are:"),
    Mistake("eval oslo.md --agents", "Option '--agents' requires an argument; see: flatfield eval --help"),
    Mistake(
        "eval oslo.md --agents oracle noop",
        "--agents oracle noop names one agent and a file 'noop', which is not there: use commas, --agents oracle,noop",
    ),
    Mistake("eval --agents oracle, noop oslo.md", "use commas, --agents oracle,noop, or give --agents twice"),
    Mistake("eval oslo.md --agents 'oracle noop'", "several names have commas between them: 'oracle,noop'"),
    Mistake("show lst", "write RUN/agent/task/repeat, as `flatfield report` shows it, or last"),
    Mistake("plan oslo.md --agents oracle openai:gpt-5 noop", "use commas, --agents oracle,openai:gpt-5,noop"),
    Mistake("eval oslo.md --agents oracle --judge noop oracle", "use commas, --judge noop,oracle"),
    agents("oracel", "there is no agent 'oracel'; did you mean 'oracle'? (or write PROVIDER:MODEL[@URL])"),
    agents("gpt5-mini", "there is no agent 'gpt5-mini'; did you mean 'gpt-5-mini'?"),
    agents("nobody:x", "there is no provider 'nobody' for 'nobody:x'; did you mean 'noop'?"),
    agents("x:", "'x:' is no agent: write a configured name or PROVIDER:MODEL[@URL], such as ollama:qwen3:8b"),
    agents(
        "'*'", "'*' matches no agent of yours, and those that flatfield brings along are not taken all at once: name"
    ),
    agents("'zz-*'", "no agent's name matches 'zz-*'; there are:"),
    agents("' , '", "--agents ' , ' names no agent: write names with commas between them"),
    agents("gpt-5", "agent 'gpt-5' needs a key: set the environment variable OPENAI_API_KEY"),
    agents(
        "openai:gpt-5@localhost:8080",
        "names a server without http:// in front; did you mean openai:gpt-5@http://localhost:8080?",
    ),
    agents("openai-chat:m@ftp://x", "the address in 'openai-chat:m@ftp://x' must begin with http:// or https://"),
    agents("openai-chat:m@http://", "'http://' in 'openai-chat:m@http://' is no address; write http://HOST[:PORT]"),
    agents(
        "openai-chat:m@http://u:p@127.0.0.1:9/v1", "holds a user name, a password or a query, which would be stored"
    ),
    agents(
        f"openai-chat:m@{CLOSED}", f"no server answers at {CLOSED}, from its base_url (connection refused); start it"
    ),
    agents("local:nope", "there is no model 'nope'; use one of smollm2-135m,"),
    agents("local:smollm2-135m", "model 'smollm2-135m' is not pulled; run: flatfield models pull smollm2-135m"),
    # options
    Mistake(f"{ORACLE} --repeats 0", "--repeats is '0': write a whole number, 1 or more; see: flatfield eval --help"),
    Mistake(f"{ORACLE} --repeats two", "--repeats is 'two': write a whole number, 1 or more"),
    Mistake(f"{ORACLE} --repeats=1.5", "--repeats is '1.5': write a whole number, 1 or more"),
    Mistake(f"{ORACLE} --jobs 0", "--jobs is '0': write a whole number, 1 or more"),
    Mistake(f"{ORACLE} --budget-usd -1", "--budget-usd is '-1': write a number without a unit, 0 or more"),
    Mistake(f"{ORACLE} --budget-usd '$5'", "--budget-usd is '$5': write a number without a unit, 0 or more"),
    Mistake(f"{ORACLE} --budget-seconds 1m", "--budget-seconds is '1m': write a number without a unit, 0 or more"),
    Mistake(f"{ORACLE} --judge-weight 2", "--judge-weight is '2': write a number without a unit from 0 to 1"),
    Mistake(f"{ORACLE} --weights speed", "--weights 'speed': '' is no weight of 0 or more; write e.g. performance=0.5"),
    Mistake(f"{ORACLE} --weights quality=1", "'quality' is none of performance, speed, cost; write e.g."),
    Mistake(f"{ORACLE} --weights speed=2,speed=1", "speed stands twice; write e.g. performance=0.5"),
    Mistake(f"{ORACLE} --weights performance=0", "at least one weight must be above 0"),
    Mistake(f"{ORACLE} --repeat 2", "No such option: --repeat (Possible options:"),
    Mistake(f"{ORACLE} --max-repeats 5", "--max-repeats limits what --until-sure adds: give both, or --repeats alone"),
    Mistake(f"{ORACLE} --resume 20200101", "--resume goes on with the files of its run: leave oslo.md out"),
    Mistake(f"{ORACLE} --extend 20200101", "--extend takes tasks, repeats and limits from its run: leave oslo.md out"),
    Mistake(f"{ORACLE} --speak-to /nowhere/x", "/nowhere/x cannot be a WAV file: name a file in a folder that exists"),
    # commands and what they are given
    Mistake("evl", "No such command 'evl'. Did you mean 'eval'?; see: flatfield --help"),
    Mistake("init codex", "No such command 'codex'; there are: claude-code; see: flatfield init --help"),
    Mistake("--show-completion tcsh", "there is no completion for tcsh: name one of bash, zsh, fish"),
    Mistake("report --format pdf", "there is no report format 'pdf'; there are: csv,"),
    Mistake("report a b", "Got unexpected extra argument(s) (b); see: flatfield report --help"),
    Mistake("report 2020", "no runs are stored in"),
    Mistake("report last", "yet: start one with `flatfield eval`"),
    Mistake("show last", "no trials are stored in"),
    Mistake("pick --min-performance X", "--min-performance 'X' is no letter; use one of S, A, B, C, D, F"),
    Mistake("show", "Missing argument 'TRIAL'; see: flatfield show --help"),
    Mistake("show a/b", "'a/b' is not a trial's id: write RUN/agent/task/repeat, as `flatfield report`"),
    Mistake(
        "prices nope", "no price is known for 'nope'; set one of your own with [prices.\"nope\"] in flatfield.toml"
    ),
    Mistake("prices update --from gone.json", "gone.json cannot be read: No such file or directory; the prices stay"),
    Mistake("models pull nope", "there is no model 'nope'; use one of smollm2-135m,"),
    Mistake(
        "models pull /nowhere.gguf", "model file /nowhere.gguf cannot be read (No such file or directory); give a path"
    ),
    Mistake("models check nope", "there is no model 'nope'; use one of smollm2-135m,"),
    Mistake("judge check nobody", "there is no agent 'nobody'; there are: "),
    Mistake("agents show nobody", "there is no agent 'nobody'; there are: "),
    Mistake("run ''", "the prompt is empty: say what to do"),
    Mistake("run hi", "say who works: either --agent NAME or --model PROVIDER:MODEL[@URL]"),
    Mistake("run hi --model gpt-5", "--model 'gpt-5' names no provider: write PROVIDER:MODEL[@URL], or --agent for a"),
    Mistake("run hi --agent oracle --workspace gone", "the workspace gone is no directory; name one that exists with"),
    Mistake("run hi --agent oracle --workspace oslo.md", "the workspace oslo.md is no directory; name one that exists"),
    Mistake(
        "run hi --agent oracle --turns 0", "--turns is '0': write a whole number, 1 or more; see: flatfield run --help"
    ),
    Mistake("regrade --missing", "--missing and --budget-usd are about judges: name them with --judge"),
    Mistake("replay --speed 0", "--speed is '0': write a number without a unit, 0.01 or more"),
    Mistake("examples load nope", "there is no example 'nope'; there are: "),
    Mistake("init claude-code --program ''", "--program is empty: say how flatfield is started, such as flatfield"),
    Mistake("mcp --http x:y", "--http 'x:y': write HOST:PORT, e.g. 127.0.0.1:8747"),
    Mistake("mcp --root gone", "--root gone is no directory; name one that exists"),
    Mistake("trust gone", "gone is no folder; name the folder of a project"),
)


def put(folder: Path, files: Mapping[str, str | bytes | None]) -> None:
    for name, content in files.items():
        path = folder / name
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.typed[:40])
def test_a_mistake_is_told_in_a_sentence_and_nothing_is_spent(cli: Cli, project: Path, mistake: Mistake) -> None:
    put(project, mistake.files)
    said = cli(*shlex.split(mistake.typed))
    assert said.returncode == 2
    assert mistake.told in said.stderr
    assert said.stdout == ""
    assert "Traceback" not in said.stderr
    assert any("flatfield" in name for name in mistake.files) or Store(project / ".flatfield").run_ids() == ()
    first = next(line for line in said.stderr.splitlines() if not line.startswith(("note: ", "forecast: ")))
    assert first.startswith("flatfield: ")


def test_all_mistakes_of_a_file_are_told_at_once(cli: Cli, project: Path) -> None:
    put(
        project,
        {"x.md": '---\nverfy: []\nlevel: high\nlimits: {second: 1}\n---\n\n# T\n\n## Variables\n\nPROMPT: ""\n'},
    )
    told = cli("eval", "x.md", "--agents", "oracle").stderr.splitlines()
    assert told[0].startswith("flatfield: 4 mistakes in what was read:")
    assert [line.split(":")[1] for line in told[1:]] == ["2", "3", "4", "11"]


@pytest.fixture
def done(cli: Cli) -> str:
    """A run of the two controls: its id."""
    assert cli("eval", "oslo.md", "--agents", "oracle,noop").returncode == 0
    run: str = json.loads(cli("runs", "--json").stdout)[0]["id"]
    return run


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("report 1999", "there is no run '1999'; the latest are: {run}"),
        ("pick nope", "there is no run 'nope'; the latest are: {run}"),
        ("eval --resume 1999", "there is no run '1999'; the latest are: {run}"),
        ("report --anchors x", "there is no run 'x'; the latest are: {run}"),
        ("show {run}", "'{run}' is a run: name one of its trials, such as {run}/noop/oslo/1, {run}/oracle/oslo/1"),
        ("show {run}/oracle/oslo/9", "there is no trial '{run}/oracle/oslo/9'; stored in this run: {run}/noop/oslo/1"),
        ("compare gpt-5 noop", "no agent 'gpt-5' took part in run {run}; there are: oracle, noop, cloud, local"),
        ("compare oracle", "compare oracle with what? name a second one: noop, cloud, local, last"),
        ("compare oracle oracle", "oracle and oracle are the same here: name another agent, or another run by"),
        ("compare oracle last", "no earlier run has an agent and a task of run {run}: name one with --against RUN"),
        ("compare cloud local", "no cloud agent took part in run {run}; there are: oracle, noop"),
        ("eval --extend {run}", "--extend needs --agents: name those to add to the run"),
        ("eval --extend last --agents oracle", "run {run} has oracle already: name only new agents"),
    ],
)  # fmt: skip
def test_what_is_wrong_about_a_run_names_what_there_is(cli: Cli, done: str, typed: str, told: str) -> None:
    said = cli(*shlex.split(typed.format(run=done)))
    assert (said.returncode, said.stdout) == (2, "")
    assert told.format(run=done) in said.stderr


@pytest.mark.parametrize("word", ["last", "newest", "latest"])
def test_the_newest_run_and_trial_can_be_named_by_a_word(cli: Cli, done: str, word: str) -> None:
    assert f"run {done}" in cli("report", word).stdout
    assert cli("pick", word).returncode == 0
    assert cli("compare", "oracle", "noop", "--run", word).returncode == 0
    assert cli("show", word).stdout.startswith(f"trial {done}/")
    assert cli("show", f"{word}/noop/oslo/1").stdout.startswith(f"trial {done}/noop/oslo/1")
    assert ": 2 trials done, 0 trials to do" in cli("eval", "--resume", word).stderr


def test_two_at_once_are_one_too_many(cli: Cli, project: Path, done: str) -> None:
    with claimed(done, project / ".flatfield"):
        said = cli("eval", "--resume")
    assert said.returncode == 2
    assert f"run {done} is being carried out by process {os.getpid()}; wait for it, or stop it" in said.stderr


@pytest.mark.usefixtures("done")
def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    full = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w", encoding="utf-8")
    monkeypatch.setattr("sys.stdout", full)
    monkeypatch.setattr("sys.stderr", said)
    assert run_command(["runs"], commands) == 2
    monkeypatch.undo()
    full.close()
    assert "standard output cannot be written: No space left on device; send it elsewhere" in said.getvalue()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_what_may_not_be_read_or_written_is_said(cli: Cli, project: Path) -> None:
    (project / "oslo.md").chmod(0)
    assert "oslo.md cannot be read" in cli("eval", "oslo.md", "--agents", "oracle").stderr
    (project / "oslo.md").chmod(0o600)
    project.chmod(0o500)
    said = cli("eval", "oslo.md", "--agents", "oracle")
    project.chmod(0o700)
    assert said.returncode == 2
    assert "cannot be" in said.stderr


def test_agents_may_be_named_in_several_options_and_lists(cli: Cli, project: Path) -> None:
    asked = ("plan", "oslo.md", "--json", "--agents", "oracle,noop")
    found: Any = json.loads(cli(*asked, "--agents", "openai-chat:m@http://127.0.0.1:9/v1").stdout)
    assert [line["name"] for line in found["agents"]] == ["oracle", "noop", "openai-chat:m@127.0.0.1:9"]


def test_a_models_name_is_enough_to_ask_for_its_price(cli: Cli) -> None:
    assert cli("prices", "gpt-5", "--json").stdout == cli("prices", "show", "gpt-5", "--json").stdout
    assert "gpt-5" in cli("prices", "gpt-5").stdout


def test_a_regular_expression_is_shown_as_it_was_written(cli: Cli, project: Path) -> None:
    task = TASK.replace("contains: x", r"matches: '^\d+\.\d$'")
    put(project, {"x.md": task.replace("---\n\n", "solution:\n- answer: none\n---\n\n", 1)})
    assert r"^\d+\.\d$" in cli("tasks", "show", "x.md").stdout
    cli("eval", "x.md", "--agents", "oracle")
    assert r'does not match "^\d+\.\d$"' in cli("show", "last").stdout
