"""`flatfield new`: each file passes its own check as it is written, and none that is there is overwritten."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from flatfield import plugins
from flatfield.errors import FlatfieldError, NotReady
from flatfield.faces.cli import new
from flatfield.faces.cli.app import app
from flatfield.faces.found import Here
from flatfield.faces.starters import config_file, hop_file, vendor_package, verifier_package
from flatfield.records import AgentConfig
from flatfield.runs.proof import check_tasks
from flatfield.runs.readiness import RunningServer, key_variables
from flatfield.tasks.access import everything
from flatfield.tasks.config import read_config
from flatfield.tasks.hop import is_evaluation
from flatfield.tasks.loading import load
from flatfield.tasks.lop import read_task
from flatfield.tasks.project import find_project
from flatfield.vendors.base import UsualServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.http.services import Services

FOUND = Here(
    own=(
        AgentConfig(name="qwen3-8b", provider="openai-chat", model="qwen3:8b", base_url="http://127.0.0.1:8080/v1"),
        AgentConfig(name="a.b", provider="ollama", model='odd "name"'),
    ),
    known=("gpt-6-luna",),
    keys=("OPENAI_API_KEY",),
    why={
        "openai-chat:qwen3:8b@http://127.0.0.1:8080/v1": "served by llama.cpp here",
        "gpt-6-luna": "OPENAI_API_KEY is set",
    },
)


LOOK = new._look


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLATFIELD_CONFIG", raising=False)

    async def look(_project: Any) -> Here:
        return FOUND

    monkeypatch.setattr(new, "_look", look)
    return tmp_path


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["new", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


async def test_a_task_holds_as_it_is_written(folder: Path) -> None:
    assert run("task", "orders") == run("task", "orders.md") == "orders.md\n"
    (finding,) = await check_tasks([read_task(folder / "orders.md")], folder, everything())
    assert (finding.holds, finding.summary) == (True, "oracle 1, noop 0, echo 0, copy 0")


def test_an_evaluation_of_what_was_found(folder: Path) -> None:
    run("hop", "mornings")
    assert is_evaluation((folder / "mornings.md").read_text())
    run("task", "orders")

    def agents_of(name: str) -> tuple[str, ...]:
        evaluation = load([name, "orders.md"], folder).evaluation
        assert evaluation is not None
        return evaluation.agents

    specs = ("openai-chat:qwen3:8b@http://127.0.0.1:8080/v1", 'ollama:odd "name"', "gpt-6-luna")
    assert agents_of("mornings.md") == specs
    run("hop", "evenings", "--agents", "gpt-6-luna", "--agents", "claude-opus-5")
    assert agents_of("evenings.md") == ("gpt-6-luna", "claude-opus-5")
    run("hop", "here", "--agents", specs[0])

    def budget_of(name: str) -> tuple[float | None, tuple[str, ...]]:
        evaluation = load([name, "orders.md"], folder).evaluation
        assert evaluation is not None
        return evaluation.budget_usd, evaluation.budget_ignores

    assert budget_of("mornings.md") == (1.0, specs[:1])  # what a server of one's own costs is not known
    assert (budget_of("evenings.md"), budget_of("here.md")) == ((1.0, ()), (None, ()))
    with pytest.raises(FlatfieldError, match="no agent 'gpt-6-lunar'"):
        run("hop", "nights", "--agents", "gpt-6-lunar")


async def test_what_is_here_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of servers that answer, but none that only embeds; pulled ones; the newest of vendors whose key is set."""
    usual = UsualServer(
        name="A server", base_url="http://127.0.0.1:7/v1", provider="openai-chat", address="http://127.0.0.1:7/v1"
    )

    async def servers(_services: Any) -> tuple[RunningServer, ...]:
        return (RunningServer(usual=usual, models=("org/qwen3:8b", "nomic-embed-text")),)

    monkeypatch.setattr("flatfield.runs.readiness.find_servers", servers)
    monkeypatch.setenv("FLATFIELD_CACHE", str(folder / "cache"))
    for name in key_variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    (folder / "flatfield.toml").write_text('[agents.mine]\nprovider = "ollama"\nmodel = "m"\n')
    found = await LOOK(find_project(folder, None, {}))
    assert [(one.name, one.model, one.base_url) for one in found.own] == [
        ("qwen3-8b", "org/qwen3:8b", "http://127.0.0.1:7/v1")
    ]
    assert (found.configured, found.keys, len(found.known)) == (("mine",), ("ANTHROPIC_API_KEY",), 2)
    assert all(name.startswith("claude-") for name in found.known)


def test_ones_own_agents_are_compared_first(folder: Path) -> None:
    assert Here(configured=("mine",), known=("gpt-6-luna",)).specs() == ("mine",)
    (folder / "x.md").write_text(hop_file("x: y", ['a"b']))
    assert is_evaluation((folder / "x.md").read_text())
    assert json.loads(run("hop", "z", "--json")) == {"written": ["z.md"]}


def test_a_configuration_of_what_was_found(folder: Path) -> None:
    run("config")
    agents = {agent.name: agent for agent in read_config(folder / "flatfield.toml", "flatfield.toml").agents}
    assert agents["qwen3-8b"].base_url == "http://127.0.0.1:8080/v1"
    assert agents["a.b"].model == 'odd "name"'
    assert "OPENAI_API_KEY" in (folder / "flatfield.toml").read_text()
    (folder / "flatfield.toml").write_text(config_file(Here()))
    assert read_config(folder / "flatfield.toml", "flatfield.toml").agents == ()


def test_an_agent_is_added_to_what_is_there(folder: Path) -> None:
    before = '[agents.mine]\nprovider = "ollama"\nmodel = "m"\n# end'
    (folder / "flatfield.toml").write_text(before)
    run("agent", "careful", "--model", "mine")
    text = (folder / "flatfield.toml").read_text()
    assert text.startswith(before)
    agents = {agent.name: agent for agent in read_config(folder / "flatfield.toml", "flatfield.toml").agents}
    assert (agents["careful"].provider, agents["careful"].model) == ("ollama", "m")
    assert "careful engineer" in (agents["careful"].system_prompt or "")
    with pytest.raises(FlatfieldError, match="there is an agent 'careful' already"):
        run("agent", "careful")
    (folder / "flatfield.toml").unlink()
    run("agent", "first")
    text = (folder / "flatfield.toml").read_text()
    assert "# Its model: openai-chat:qwen3:8b@http://127.0.0.1:8080/v1 (served by llama.cpp here)\n" in text
    assert "#   gpt-6-luna  (OPENAI_API_KEY is set)\n" in text
    (first,) = read_config(folder / "flatfield.toml", "flatfield.toml").agents
    assert (first.model, first.base_url) == ("qwen3:8b", "http://127.0.0.1:8080/v1")


def test_how_a_model_is_asked_goes_along_with_it(folder: Path) -> None:
    (folder / "flatfield.toml").write_text(
        '[agents.mine]\nprovider = "openai-chat"\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"\n'
        'api_key_env = "MY_KEY"\nheaders = {X-Team = "a"}\non_device = true\ntemperature = 0.1\n'
    )
    run("agent", "careful", "--model", "mine")
    mine, careful = read_config(folder / "flatfield.toml", "flatfield.toml").agents
    same = ("base_url", "api_key_env", "headers", "on_device")
    assert [getattr(careful, name) for name in same] == [getattr(mine, name) for name in same]
    assert careful.temperature is None


def test_a_broken_configuration_is_not_added_to(folder: Path) -> None:
    (folder / "flatfield.toml").write_text("[agents.mine\n")
    with pytest.raises(FlatfieldError):
        run("agent", "careful", "--model", "ollama:m")
    assert (folder / "flatfield.toml").read_text() == "[agents.mine\n"


async def test_a_verifier_works_where_it_is_installed(folder: Path, install: Callable[..., Path]) -> None:
    run("verifier", "brevity")
    package = folder / "flatfield-brevity"
    install("flatfield.verifiers", "brevity", (package / "flatfield_brevity.py").read_text())
    plugins.look_again()
    (finding,) = await check_tasks([read_task(package / "example.md")], folder, everything())
    assert (finding.holds, finding.oracle, finding.noop) == (True, 1.0, 0.0)


async def test_a_vendor_works_where_it_is_installed(
    folder: Path, install: Callable[..., Path], services: Services
) -> None:
    run("vendor", "acme")
    package = folder / "flatfield-acme"
    install("flatfield.providers", "acme", (package / "flatfield_acme.py").read_text())
    plugins.look_again()
    assert plugins.traits_of("acme").url == "https://api.acme.example/v1"
    (agent,) = read_config(package / "flatfield.toml", "flatfield.toml").agents
    with pytest.raises(NotReady, match="ACME_API_KEY"):
        await plugins.load("provider", "acme").create(services).check(agent)
    found = plugins.load("provider", "acme").endpoint_of(agent, {"ACME_API_KEY": "k"})
    assert (found.base_url, found.headers["Authorization"]) == ("https://api.acme.example/v1", "Bearer k")


def test_packages_name_what_they_add() -> None:
    import tomllib

    for files, group in ((verifier_package("few-words"), "verifiers"), (vendor_package("acme-ai"), "providers")):
        project = tomllib.loads(files["pyproject.toml"])
        ((name, module),) = project["project"]["entry-points"][f"flatfield.{group}"].items()
        assert f"{module}.py" in files
        assert project["tool"]["setuptools"]["py-modules"] == [module]
        assert f"`{name}`" in files[f"{module}.py"]
        compile(files[f"{module}.py"], module, "exec")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("task", "a/b"), "is no name for a task"),
        (("task",), "a new task needs a name"),
        (("task", "x", "--from-commit", "HEAD"), "write --out DIR"),
        (("task", "x", "--env", "y"), "--env belongs to --from-commit"),
        (("hop", "../x"), "is no name for a hop"),
        (("agent", "a b", "--model", "ollama:m"), "is no name for an agent"),
        (("verifier", "Big"), "is no name for a verifier"),
        (("verifier", "file"), "there is a verifier 'file' already"),
        (("vendor", "ollama"), "there is a provider 'ollama' already"),
        (("task", "--from-commit", "HEAD"), "is in no git repository"),
    ],
)
def test_mistakes_are_one_sentence(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(FlatfieldError, match=said):
        run(*words)


@pytest.mark.parametrize("words", [("task", "x"), ("hop", "x"), ("config",), ("verifier", "x"), ("vendor", "x")])
@pytest.mark.some(2)
def test_what_is_there_stays(words: tuple[str, ...], folder: Path) -> None:
    written = [folder / path for path in run(*words).splitlines()]
    run(*words)
    written[0].write_text("mine")
    if words == ("config",):
        written[0].write_text("# mine\n")
    mine = written[0].read_text()
    with pytest.raises(FlatfieldError, match="is there already, and nothing was written"):
        run(*words)
    assert written[0].read_text() == mine
    run(*words, "--force")
    assert written[0].read_text() != mine


def test_nothing_is_written_through_a_link(folder: Path) -> None:
    (folder / "elsewhere").write_text("mine")
    (folder / "x.md").symlink_to("elsewhere")
    with pytest.raises(FlatfieldError, match="is a link"):
        run("task", "x", "--force")
    assert (folder / "elsewhere").read_text() == "mine"


@pytest.mark.whole
@pytest.mark.needs("bwrap")
def test_a_task_of_a_commit(folder: Path, reachable: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(("git", *who, *words), cwd=reachable, check=True, capture_output=True)

    git("init", "-q")
    for price, cases in (("2", ""), ("3", "def test_one():\n    assert price(1) == 3\n")):
        (folder / "shop.py").write_text(f"def price(n):\n    return n * {price}\n")
        (folder / "test_shop.py").write_text(
            f"from shop import price\ndef test_none():\n    assert price(0) == 0\n{cases}"
        )
        git("add", "-A")
        git("commit", "-qm", "Charge more! (#4)")
    path = run("task", "--from-commit", "HEAD").strip()
    assert path.startswith("charge-more-")
    assert path.endswith("/task.md")
    result = CliRunner().invoke(app, ["tasks", "check", path])
    assert result.exit_code == 0, result.output
    assert "still to be edited" in " ".join(result.output.split())
    told = json.loads(run("task", "--from-commit", "HEAD", "--out", "other", "--json"))
    assert (told["counts"], told["guards"]) == (["test_shop.py::test_one"], 1)
