"""`flatfield` alone: where one stands and the one next step, without anything heavy; help where nobody looks."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from msgspec.structs import replace

from flatfield.faces.cli.start import Surveyed, lines, next_step
from flatfield.records import RunSummary
from flatfield.testing.fake_server import FakeReply
from flatfield.testing.wires.openai_chat import FakeChat
from flatfield.vendors.base import UsualServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

NOTHING = Surveyed(place="/p (no flatfield.toml)", agents=(), servers={}, files=(), keys=(), runs=())
RUN = RunSummary(
    id="20260102-101500-ab12",
    created_at="",
    title="T",
    agents=(),
    tasks=(),
    planned=6,
    stored=6,
    measured=5,
    cost_usd=0,
)
HEAVY = {"aiohttp", "numpy", "genai_prices", "rich", "markdown_it", "xllamacpp"}


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (NOTHING, "flatfield demo"),
        (NOTHING._replace(servers={"Ollama": ()}), "flatfield demo"),
        (NOTHING._replace(keys=("A_KEY",)), "flatfield try \"YOUR TASK\" --check 'npm test'"),
        (NOTHING._replace(servers={"Ollama": ("m",)}), "flatfield try \"YOUR TASK\" --check 'npm test'"),
        (NOTHING._replace(files=("m",), runs=(RUN,)), "flatfield pick"),
        (NOTHING._replace(runs=(replace(RUN, stored=2), RUN)), "flatfield eval --resume"),
        (NOTHING._replace(runs=(replace(RUN, measured=3), RUN)), "flatfield eval --resume"),
        (NOTHING._replace(runs=(replace(RUN, imported=True), replace(RUN, delegated=True))), "flatfield demo"),
    ],
)
def test_there_is_one_next_step(found: Surveyed, step: str, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{}")
    _, told = next_step(found, tmp_path)
    assert told.strip() == step


def test_what_there_is_is_said_in_lines_that_fit() -> None:
    found = NOTHING._replace(
        agents=tuple(f"agent-{number}" for number in range(9)),
        servers={"llama.cpp": ("m", "n"), "Ollama": ()},
        runs=(RUN,),
    )
    text = "\n".join(lines(found))
    assert "agent-3 and 5 more" in text
    assert "llama.cpp with 2 models: m, n; Ollama with 0 models" in text
    assert "5 of 6 trials measured" in text
    assert max(map(len, text.splitlines())) <= 80
    looked_at = NOTHING._replace(runs=(replace(RUN, imported=True),))
    assert [list(lines(one))[-1] for one in (NOTHING, looked_at)] == [
        "runs     none",
        "runs     none measured here; 1 to look at: flatfield runs",
    ]


@pytest.mark.whole
def test_on_a_terminal_it_looks_around(
    cli: Cli, project: Path, serve: Callable[..., FakeChat], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve([FakeReply(text="never asked")])
    usual = UsualServer(name="llama.cpp", base_url=server.base_url, provider="openai-chat", address=server.base_url)
    monkeypatch.setattr("flatfield.vendors.openai_chat.usual_servers", lambda _environ: (usual,))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:secret@gateway.example:4000/v1")
    ended = cli()
    assert ended.returncode == 0
    assert f"project  {project} (no flatfield.toml)" in ended.stdout
    assert "servers  llama.cpp with 2 models: m, n" in ended.stdout
    assert "keys     ANTHROPIC_API_KEY" in ended.stdout
    assert ended.stdout.count("address  OPENAI_BASE_URL sends to gateway.example:4000\n") == 1
    assert ended.stdout.endswith("--check 'pytest -q'\nAll commands: flatfield --help\n")


@pytest.mark.whole
def test_a_server_that_wants_a_key_is_there_all_the_same(
    cli: Cli, serve: Callable[..., FakeChat], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_server: FakeChat, _request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "no key"}}, status=401)

    monkeypatch.setattr(FakeChat, "_list", refuse)
    server = serve([])
    usual = UsualServer(name="vLLM", base_url=server.base_url, provider="openai-chat", address=server.base_url)
    monkeypatch.setattr("flatfield.vendors.openai_chat.usual_servers", lambda _environ: (usual,))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "servers  vLLM, which wants a key (--key-env)\n" in cli().stdout


@pytest.mark.whole
def test_nothing_heavy_is_imported_for_it(project: Path) -> None:
    code = (
        "import json, sys; sys.argv = ['flatfield']; sys.stdout.isatty = lambda: True\n"
        "from flatfield.faces.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "json.dump(sorted(sys.modules), sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=project)
    assert "Next, " in done.stdout
    assert {name.split(".")[0] for name in json.loads(done.stderr)} & HEAVY == set()
