"""`flatfield try`: which of my two models, from nothing; and what is said before anything is spent."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.faces.cli import try_
from flatfield.faces.found import Here
from flatfield.records import AgentConfig
from flatfield.runs.order import Chosen
from flatfield.runs.world import Outside
from flatfield.tasks.project import find_project
from flatfield.testing.fake_server import FakeReply
from flatfield.vendors.base import UsualServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]
    Serve = Callable[..., FakeChat]

pytestmark = [pytest.mark.whole, pytest.mark.needs("bwrap")]

WISH = "Make the test pass."
CHECK = "python3 tests/test_add.py"
BROKEN, MENDED = "def add(a, b):\n    return a - b\n", "def add(a, b):\n    return a + b\n"
TEST = """import sys
sys.path.insert(0, '.')
from add import add
def test_add():
    assert add(2, 3) == 5
if __name__ == "__main__":
    test_add()
"""
CHEAT = "def test_add():\n    pass\n"

PAGE = Path(__file__).parents[3] / "docs" / "try.md"


def plays(request: dict[str, Any], _number: int) -> FakeReply:
    """`m` mends the code; `n` makes the test easy, which is no work; both answer what else they are asked."""
    messages = request["messages"]
    asked = [str(message["content"]) for message in messages if message["role"] == "user"]
    if WISH not in asked[-1] or any(message["role"] == "tool" for message in messages):
        return FakeReply(text="Done.")
    path, content = ("add.py", MENDED) if request["model"] == "m" else ("tests/test_add.py", CHEAT)
    return FakeReply(calls=(("write_file", json.dumps({"file_path": path, "content": content})),))


@pytest.fixture
def shop(project: Path) -> Path:
    """A project with a fault and a test that shows it, on the way to which everybody may pass."""
    for folder in (project, *project.parents):
        if folder.stat().st_uid == project.stat().st_uid and folder != folder.parent:
            folder.chmod(folder.stat().st_mode | 0o711)
        if folder.name.startswith("pytest-"):
            break
    made = project / "shop"
    (made / "tests").mkdir(parents=True)
    (made / "add.py").write_text(BROKEN)
    (made / "tests" / "test_add.py").write_text(TEST)
    (project / "oslo.md").unlink()
    (project / "joke.md").unlink()
    return made


@pytest.fixture
def server(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> FakeChat:
    """The one server that listens on this machine; it has two models."""
    started = serve(plays)
    usual = UsualServer(name="llama.cpp", base_url=started.base_url, provider="openai-chat", address=started.base_url)
    monkeypatch.setattr("flatfield.vendors.openai_chat.usual_servers", lambda _environ: (usual,))
    monkeypatch.setattr("flatfield.vendors.ollama.usual_servers", lambda _environ: ())
    return started


def test_which_of_my_two_models(cli: Cli, shop: Path, server: FakeChat, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three commands from nothing, as the page has them: what is here, which of them does it, and why."""
    page = PAGE.read_text(encoding="utf-8")
    here, tried, picked = (shlex.split(line)[1:] for line in _blocks(page, "sh")[0].splitlines())
    assert tried[:2] == ["try", WISH]
    with monkeypatch.context() as terminal:
        terminal.setattr(sys.stdout, "isatty", lambda: True)
        stands = cli(*here).stdout
    assert "llama.cpp with 2 models: m, n" in stands
    assert '  flatfield try "YOUR TASK" --check' in stands
    ended = cli(*tried)
    assert ended.returncode == 0, ended.stderr
    told = " ".join(ended.stdout.replace("\\\n", "").split())
    for quoted in _blocks(page, "text"):
        assert " ".join(quoted.split()) in _squeezed(f"{ended.stderr}\n{ended.stdout}")
    assert len(ended.stdout.splitlines()) <= 45
    assert ended.stdout.lstrip().startswith("Use openai-chat:m")
    assert "passes already" not in ended.stderr
    assert "the check is made on an untouched copy first: " in ended.stderr
    assert "it fails there, as it should before the work: exit code 1" in ended.stderr
    m = f"openai-chat:m@{server.base_url}"
    assert f"flatfield run '{WISH}' --model {m} --workspace {shop} --check 'pytest -q'" in told
    assert (shop / "add.py").read_text() == BROKEN
    answer = json.loads(cli(*picked, "--json").stdout)["answer"]
    assert answer in told
    (run,) = json.loads(cli("runs", "--json").stdout)
    assert run["title"] == WISH
    trials = json.loads(cli("report", "--format", "json").stdout)["trials"]
    assert {(trial["agent"][12], trial["score"]) for trial in trials} == {("m", 1.0), ("n", 0.0)}
    assert "6 trials done, 0 trials to do" in cli("eval", "--resume").stderr
    (shop / "add.py").write_text(f"{BROKEN}# changed\n")
    added = cli("eval", "--extend", run["id"], "--agents", "noop")
    assert added.returncode == 2
    assert f"{shop} has changed since run {run['id']}: what is added could not be compared" in added.stderr
    again = cli("eval", "--resume")
    assert "changed since, so that what was done does not count: make-the-test-pass" in again.stderr
    assert "0 trials done, 6 trials to do" in again.stderr


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page)


def _squeezed(text: str) -> str:
    """As the page has it: one space between words, and the port of a server of llama.cpp's."""
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8080", " ".join(text.split()))


def test_named_agents_and_json(cli: Cli, shop: Path, server: FakeChat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{WISH}\n"))
    m = f"openai-chat:m@{server.base_url}"
    told = json.loads(cli("try", "-", "--check", CHECK, "--agents", f"{m},noop", "--repeats", "1", "--json").stdout)
    assert {trial["agent"][:13]: trial["score"] for trial in told["trials"]} == {"openai-chat:m": 1.0, "noop": 0.0}
    assert [step["command"].split()[:2] for step in told["next"]] == [
        ["flatfield", "run"],
        ["flatfield", "show"],
        ["flatfield", "pick"],
        ["flatfield", "report"],
    ]


def test_a_check_that_passes_already_is_said_in_the_report_too(cli: Cli, shop: Path) -> None:
    (shop / "add.py").write_text(MENDED)
    ended = cli("try", WISH, "--in", "shop", "--check", CHECK, "--agents", "noop", "--repeats", "1")
    assert "the check passes already on the untouched folder (exit code 0)" in ended.stderr
    assert "passes already" in cli("report", "--format", "markdown", "--full").stdout


def test_a_key_is_named_for_a_server_that_wants_one_and_going_on_asks_no_more(
    cli: Cli, shop: Path, server: FakeChat, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a folder that is not the project's, as the first lines of the README have it."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.setenv("GATEWAY", "of-the-gateway")
    m = f"openai-chat:m@{server.base_url}"
    given = ("--in", str(shop), "--check", CHECK, "--agents", f"{m},noop", "--repeats", "1")
    ended = cli("try", WISH, *given, "--key-env", "GATEWAY")
    assert ended.returncode == 0, ended.stderr
    assert f"--model {m} --key-env GATEWAY" in " ".join(ended.stdout.replace("\\\n", "").split())
    asked = len(server.headers)
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer of-the-gateway"}
    ended = cli("eval", "--resume", "--repeats", "2", "--agents", m)
    assert (ended.returncode, "not trusted" in ended.stderr) == (0, False), ended.stderr
    assert {headers["Authorization"] for headers in server.headers[asked:]} == {"Bearer of-the-gateway"}
    pasted = cli("try", WISH, *given, "--key-env", "sk-secret")
    assert "not the key: --key-env MY_KEY" in pasted.stderr
    assert "sk-secret" not in pasted.stderr
    none_typed = cli("try", WISH, *given[:4], "--agents", "noop", "--key-env", "GATEWAY")
    assert "is for agents written as PROVIDER:MODEL@URL, and none is" in none_typed.stderr


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("no-such-program --now", "cannot start: /bin/sh: 1: no-such-program: not found; install it there"),
        ("python3 -m no_such_module", "cannot start: python3 has no module no_such_module; install it into a .venv"),
    ],
)
def test_a_check_that_cannot_start_ends_it_before_anybody_is_asked(
    cli: Cli, shop: Path, server: FakeChat, check: str, said: str
) -> None:
    ended = cli("try", WISH, "--in", str(shop), "--check", check)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert server.requests == []
    assert json.loads(cli("runs", "--json").stdout) == []


def test_what_the_check_needs_lies_beside_the_sources(cli: Cli, shop: Path) -> None:
    (shop / "node_modules" / ".bin").mkdir(parents=True)
    program = shop / "node_modules" / ".bin" / "look"
    program.write_text("#!/bin/sh\ntest -x node_modules/.bin/look && ! touch node_modules/x 2>/dev/null\n")
    program.chmod(0o755)
    ended = cli("try", WISH, "--in", "shop", "--check", "look", "--agents", "noop", "--repeats", "1")
    assert "the check sees node_modules of this folder, which it cannot change" in ended.stderr
    (trial,) = json.loads(cli("report", "--format", "json").stdout)["trials"]
    assert trial["score"] == 1.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "the prompt is empty"),
        ((WISH, "--prompt-file", "x.md"), "two prompts"),
        (("--prompt-file", "x.md"), "cannot be read from x.md"),
        ((WISH, "--in", "nowhere"), "--in nowhere is no folder"),
        ((WISH, "--in", "shop"), "such as --check 'pytest -q'"),
        ((WISH, "--in", "shop", "--check", " "), "nothing says when it is done"),
        ((WISH, "--in", "/", "--check", "true"), "holds everything"),
        ((WISH, "--in", "shop", "--check", "true", "--agents", "nobody"), "no agent 'nobody'"),
    ],
)
def test_a_mistake_is_a_sentence(cli: Cli, shop: Path, words: tuple[str, ...], said: str) -> None:
    assert shop.is_dir()
    ended = cli("try", *words)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stdout == ""


def test_a_model_of_a_server_here_is_no_name_and_what_to_write_is_said(cli: Cli, shop: Path, server: FakeChat) -> None:
    ended = cli("try", WISH, "--in", str(shop), "--check", CHECK, "--agents", "m,nobody")
    assert ended.returncode == 2
    assert f"found on this machine: --agents openai-chat:m@{server.base_url}\n" in f"{ended.stderr}\n"
    assert "the check is made" not in ended.stderr, "names are looked up first: a check may take minutes"


def test_nobody_here_is_said_with_what_helps(cli: Cli, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for vendor in ("openai_chat", "ollama"):
        monkeypatch.setattr(f"flatfield.vendors.{vendor}.usual_servers", lambda _environ: ())
    ended = cli("try", WISH, "--in", str(shop), "--check", CHECK)
    assert ended.returncode == 2
    assert "no agent was found here: start a model server" in ended.stderr


def test_a_gateway_that_a_variable_names_has_models_of_its_own(
    cli: Cli, shop: Path, server: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatfield.vendors.openai_chat.usual_servers", lambda _environ: ())
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-gateway")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    ended = cli("try", WISH, "--in", str(shop), "--check", CHECK)
    assert ended.returncode == 2
    assert "it serves: m, n" in ended.stderr
    assert "OPENAI_BASE_URL leads elsewhere: name models that are served there, as --agents openai" in ended.stderr
    named = cli("try", WISH, "--in", str(shop), "--check", CHECK, "--agents", "openai-chat:m", "--repeats", "1")
    assert named.stdout.lstrip().startswith("Use openai-chat:m"), named.stderr


async def test_no_more_than_a_dollar_is_spent_on_whom_nobody_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of models whose keys are set; those of this machine are free, and their price need not be known."""
    server = AgentConfig(name="m", provider="openai-chat", model="m", base_url="http://127.0.0.1:9/v1")
    spec = "openai-chat:m@http://127.0.0.1:9/v1"
    here = Here(own=(server,), known=("gpt-5-mini", "gpt-5"), why={spec: "served here", "gpt-5-mini": "KEY is set"})

    async def look(*_: object) -> Here:
        return here

    async def readiness(*_: object, **__: object) -> tuple[dict[str, str], tuple[str, ...]]:
        return {"gpt-5": "no answer"}, ()

    monkeypatch.setattr("flatfield.faces.found.look", look)
    monkeypatch.setattr("flatfield.runs.readiness.readiness", readiness)
    found = find_project(project, None, {})
    chosen = await try_._with_found(Chosen(), found, Outside())
    assert (chosen.agents, chosen.budget_usd, chosen.budget_ignores) == ((spec, "gpt-5-mini"), 1.0, (spec,))
    said = capsys.readouterr().err
    assert f"  {spec}: served here\n  gpt-5-mini: KEY is set\n" in said
    assert "at most $1.00 is spent on them" in said
    assert (await try_._with_found(Chosen(budget_usd=5.0), found, Outside())).budget_usd == 5.0
