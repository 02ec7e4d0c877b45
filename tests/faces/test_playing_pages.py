"""What the pages show of a terminal is what it prints: their `console` blocks are played, the README's commands run.

A block's commands follow `$ `, and below each stands what it prints: a line `…` for any lines, a `…` at a line's end
for its rest. All blocks of a page are played in one folder, in their order.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.testing.fake_server import FakeReply, FakeServer
from flatfield.testing.wires.ollama import OllamaWire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(?ms)^```(\w+)\n(.*?)^```$")
NOT_RUN = re.compile(r"(?ms)^<!-- not run: [^\n]+ -->\n```.*?^```$")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLAYED = [page for page in PAGES if "\n```console\n" in page.read_text(encoding="utf-8")]


@pytest.fixture
def folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as readers begin in, and a machine on which nothing answers."""
    inside = project / "reader"
    inside.mkdir()
    monkeypatch.chdir(inside)
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    monkeypatch.setenv("COLUMNS", "80")
    return inside


def steps(block: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a block, each with the lines below it."""
    command, *rest = re.split(r"(?m)^\$ ", block)
    assert not command, "a block begins with a command"
    for part in rest:
        first, *lines = part.splitlines()
        yield first, lines


def pattern(lines: list[str]) -> str:
    """What the output must match as a whole."""
    parts = []
    for line in lines:
        if line == "…":
            parts.append(r"(?:[^\n]*\n)*?")
        elif line.endswith("…"):
            parts.append(rf"{re.escape(line[:-1].rstrip())}[^\n]*\n")
        else:
            parts.append(rf"{re.escape(line)}\n")
    return "".join(parts)


def printed(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


@pytest.mark.whole
@pytest.mark.parametrize("page", PLAYED, ids=[page.name for page in PLAYED])
def test_what_a_page_shows_is_printed(page: Path, folder: Path, cli: Cli) -> None:
    assert folder.is_dir()
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for command, lines in steps(block) if language == "console" else ():
            name, *words = shlex.split(command)
            assert name == "flatfield", command
            ended = cli(*words)
            assert ended.returncode == 0, f"{command}: {ended.stderr}"
            if lines:
                assert re.fullmatch(pattern(lines), printed(ended.stdout)), f"{command} printed:\n{ended.stdout}"


def test_an_output_that_differs_is_seen() -> None:
    assert re.fullmatch(pattern(["one", "…", "three …"]), "one\ntwo\nthree times\n")
    assert re.fullmatch(pattern(["one", "…"]), "one\n")
    assert not re.fullmatch(pattern(["one", "three …"]), "one\ntwo\nthree times\n")
    assert not re.fullmatch(pattern(["one"]), "one\ntwo\n")


@pytest.fixture
def ollama(serve_wire: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An Ollama whose two models answer at once, and wrongly."""
    monkeypatch.setenv("OLLAMA_HOST", serve_wire(OllamaWire(), "qwen3", "gemma4"))


@pytest.mark.slow
@pytest.mark.usefixtures("folder", "ollama")
def test_the_readmes_commands_run_as_they_stand(cli: Cli) -> None:
    text = NOT_RUN.sub("", (ROOT / "README.md").read_text(encoding="utf-8"))
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    ran = 0
    for language, block in BLOCK.findall(text):
        for line in block.splitlines() if language == "sh" else ():
            name, *words = shlex.split(line.partition(" > ")[0], comments=True)
            if name == "make":
                assert set(words) <= targets, line
                continue
            assert name == "flatfield", line
            ended = cli(*words)
            assert ended.returncode == 0, f"{line}: {ended.stdout}{ended.stderr}"
            ran += 1
    assert ran > 6


ALONE = re.compile(
    r"flatfield (?:agents(?!.*(?:other/|claude-\*))|evidence|examples|models list|prices show"
    r"|new (?!hop|.*(?:--from-commit|--model))|report(?!.*(?:2026010|--anchors|png))|runs|schema"
    r"|tasks (?:list|check)(?!.*(?:my-|charge))|trust --|pick(?!.*--for overnight)|plan suite:basic --agents gpt-5-mini"
    r"|compare cloud local)(?:\b|$)"
)
"""Commands that need no model, no server, no key and no file of the reader's."""


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_commands_that_need_nothing_run_as_they_stand(cli: Cli, subtests: pytest.Subtests) -> None:
    pages = (NOT_RUN.sub("", page.read_text(encoding="utf-8")) for page in PAGES[1:])
    blocks = (block for page in pages for language, block in BLOCK.findall(page) if language == "sh")
    lines = list(dict.fromkeys(line for block in blocks for line in block.splitlines() if ALONE.match(line)))
    assert len(lines) > 40
    assert cli("examples", "load", "nano-agent-2025-08").returncode == 0
    for line in lines:
        with subtests.test(line):
            ended = cli(*shlex.split(re.split(" >>? ", line)[0], comments=True)[1:])
            assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}"


@pytest.fixture
def serve_wire() -> Iterator[Callable[..., str]]:
    """Starts fake servers of any vendor in a thread of their own; returns their addresses."""
    import asyncio
    import threading

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started: list[FakeServer] = []

    def start(wire: Any, *models: str) -> str:
        server = FakeServer(wire, lambda _request, _number: FakeReply(text="I do not know."), models=models)
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(60)
        started.append(server)
        return server.base_url

    yield start
    for server in started:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
