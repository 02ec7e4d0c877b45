"""Plant keys, run everything, look everywhere: no key is in what is shown, stored, reported or left behind."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import sqlite3
import tempfile
import threading
import zlib
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import pytest

from flatfield import plugins
from flatfield.agent.files.changed import Beside
from flatfield.clock import SystemClock
from flatfield.faces.mcp.delegating import Delegation, Shared, delegate, planned
from flatfield.faces.mcp.desk import ServerDesk
from flatfield.faces.mcp.reporting import report_of
from flatfield.http.services import Kept
from flatfield.http.tape import rebuilt
from flatfield.records import Limits
from flatfield.runs.store.store import Store
from flatfield.runs.traffic.lanes import Lanes
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.access import everything
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault
from flatfield.testing.wires import new_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Cli = Callable[..., CompletedProcess[str]]
    Script = Callable[[dict[str, Any], int], FakeReply | Fault]

pytestmark = pytest.mark.whole

PROVIDERS = tuple(each.name for each in plugins.all_traits() if each.asks_server and not each.is_scaffold)
KEYS = {f"{name.upper().replace('-', '_')}_PLANTED": f"pL4nted/{name}+key==8402719365" for name in PROVIDERS}
HEADER_KEY, FILE_KEY = "pL4nted/header+key==8402719365", "pL4nted/dotenv+key==8402719365"
SPARE = {"OPENAI_API_KEY": "planted-spare-openai-0123", "AWS_SECRET_ACCESS_KEY": "planted-spare-aws-0123456"}
SECRETS = (*KEYS.values(), *SPARE.values(), HEADER_KEY, FILE_KEY)
FORMS = {
    part: secret
    for secret in SECRETS
    for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("="))
    for part in (form, form[: len(form) // 2], form[-(len(form) // 2) :], form[:8], form[-8:])
}
LOP = """---
id: leak
title: Everything that could hold a key
tools: [run_command, read_file]
verify:
- answer: {contains: done}
- command: {run: "env; cat /proc/self/environ /proc/1/environ; exit 1"}
- python: checks.py::verify
---

# Leak

## Variables

PROMPT: "Look around."
"""
CHECKS = """import os, pathlib

def verify(trial, files):
    return 0.5, repr(dict(os.environ)) + pathlib.Path("/proc/self/environ").read_bytes().decode("utf-8", "replace")
"""
LOOK = FakeReply(calls=(("run_command", json.dumps({"command": "env; cat /proc/self/environ /proc/1/environ"})),))


def forms(*secrets: str) -> str:
    return " ".join(form for form, secret in FORMS.items() if secret in secrets)


def echoes(*secrets: str) -> dict[str, str]:
    """Headers of a server that repeats the keys that it was sent."""
    return {"X-Echo": secrets[0], "Set-Cookie": f"session={secrets[-1]}", "X-All": forms(*secrets)}


def playing(*secrets: str) -> Script:
    """Two faults that tell the keys, a look around, and an answer."""
    said = forms(*secrets)
    script = (Fault(status=503, message=said, headers=echoes(*secrets)), Fault(kind="error_event", message=said), LOOK)
    return lambda _request, number: script[number] if number < len(script) else FakeReply(text="done")


def parroting(*secrets: str) -> Script:
    """A model that says the keys wherever it can: text, reasoning, a call's name and arguments, its last answer."""
    said = forms(*secrets)
    calls = (
        ("read_file", json.dumps({"file_path": said[:200]})),
        ("run_command", json.dumps({"command": f"printf '%s' '{said}' > said.txt; cat said.txt; exit 3"})),
        (secrets[0], json.dumps({secrets[0]: said})),
    )
    script = (FakeReply(text=said, reasoning=said, calls=calls), FakeReply(text=f"done {said}"))
    return lambda _request, number: script[min(number, 1)]


def quoting(*secrets: str) -> Script:
    """The key in part, as vendors quote it, and in an address."""
    key = secrets[0]
    said = f"Incorrect API key provided: {key[:12]}***{key[-9:]}; see https://me:{key}@h/?key={key} and Bearer {key}"
    return lambda _request, _number: Fault(status=401, message=said, headers=echoes(*secrets))


def refusing(*secrets: str) -> Script:
    return lambda _request, _number: Fault(status=403, message=forms(*secrets), headers=echoes(*secrets))


def leading_on(*secrets: str) -> Script:
    key = quote(secrets[0], safe="")
    return lambda _request, _number: Fault(status=307, headers={"Location": f"http://me:{key}@127.0.0.1:9/?key={key}"})


OTHERS: dict[str, Callable[..., Script]] = {"parrot": parroting, "quoted": quoting, "led": leading_on}


@pytest.fixture
def start() -> Iterator[Callable[[str, Any], str]]:
    """Starts a provider's fake server in a thread of its own; returns where it is."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started: list[FakeServer] = []

    def begin(provider: str, script: Any) -> str:
        server = FakeServer(new_wire(provider), script, models=("m",))
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(60)
        started.append(server)
        return server.base_url

    yield begin
    for server in started:
        assert server.violations == []
        assert server.requests
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def agents(start: Callable[[str, Any], str]) -> str:
    """Agents of each provider with a key of its own, and some that bring keys in headers and end badly."""
    lines = []
    for name in PROVIDERS:
        variable = f"{name.upper().replace('-', '_')}_PLANTED"
        lines += [
            f"[agents.{name}]",
            f'provider = "{name}"',
            'model = "m"',
            f'base_url = "{start(name, playing(KEYS[variable]))}"',
        ]
        lines += [f'api_key_env = "{variable}"']
    for name in PROVIDERS:
        variable = f"{name.upper().replace('-', '_')}_PLANTED"
        for kind, script in OTHERS.items():
            lines += [f"[agents.{name}-{kind}]", f'provider = "{name}"', 'model = "m"', f'api_key_env = "{variable}"']
            lines += [f'base_url = "{start(name, script(KEYS[variable]))}"']
    for name, script in (("headed", playing), ("refused", refusing), ("led-on", leading_on)):
        lines += [f"[agents.{name}]", 'provider = "openai-chat"', 'model = "m"']
        lines += [f'base_url = "{start("openai-chat", script(HEADER_KEY, FILE_KEY))}"']
        lines += ['headers = {Authorization = "Bearer ${GATEWAY_KEY}", Cookie = "a=1; session=${FROM_FILE}; b=2"}']
    return "\n".join(lines)


async def delegated(agent: str, folder: Path, desk: ServerDesk) -> str:
    """What an MCP client is told, while a prompt is worked on and at its end."""
    said: list[str] = []

    async def tell(text: str) -> None:
        said.append(text)

    project = desk.project()
    order = Delegation(prompt="Look.", agent=desk.chosen(project, agent, None, None), folder=folder, limits=Limits())
    traffic = Lanes(desk.clock)
    shared = Shared(traffic=traffic, kept=Kept(), places=traffic.jobs(1), beside=Beside())
    answer = await delegate(order, planned(order, desk), desk, project, shared, tell)
    return "\n".join([*said, answer.model_dump_json()])


def told(text: str, where: str) -> None:
    for form, secret in FORMS.items():
        assert form not in text, f"{secret} as {form} is in {where}: …{text[max(0, text.find(form) - 200) :][:300]}"


def unpacked(data: bytes) -> bytes:
    """A stored value, unpacked where it is packed."""
    try:
        return zlib.decompress(data)
    except zlib.error:
        return data


def look_at_store(folder: Path) -> None:
    path = next(folder.glob(".flatfield/*.db"), None) or next(folder.glob(".flatfield/*.sqlite*"))
    with sqlite3.connect(path) as store:
        for (table,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in store.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    data = value if isinstance(value, bytes) else str(value).encode()
                    told(unpacked(data).decode("utf-8", "replace"), f"table {table}")
    store.close()


def look_at_files(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.name != ".env":
            told(path.read_bytes().decode("utf-8", "replace"), str(path))


def inside(page: CompletedProcess[str]) -> CompletedProcess[str]:
    """A page with its data as it is read there."""
    data = [zlib.decompress(base64.b64decode(part)) for part in re.findall(r"<template [^>]*>([^<]*)<", page.stdout)]
    assert len(data) > 4
    return CompletedProcess((), 0, b"".join(data).decode("utf-8", "replace"), "")


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="commands need bubblewrap")
@pytest.mark.timeout(180)
def test_no_key_is_told_anywhere(
    cli: Cli, project: Path, start: Callable[[str, Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**KEYS, **SPARE, "GATEWAY_KEY": HEADER_KEY}.items():
        monkeypatch.setenv(name, value)
    (project / ".env").write_text(f"FROM_FILE={FILE_KEY}\n")
    (project / "leak.md").write_text(LOP)
    (project / "checks.py").write_text(CHECKS)
    (project / "flatfield.toml").write_text(agents(start))
    heard: list[str] = []
    before = set(Path(tempfile.gettempdir()).iterdir())
    others = tuple(f"{name}-{kind}" for name in PROVIDERS for kind in OTHERS)
    names = (*PROVIDERS, *others, "headed", "refused", "led-on")
    _, run = cli("trust"), cli("eval", "leak.md", "--agents", ",".join(names), "--jobs", "8")
    assert run.returncode == 3, run.stderr
    id_ = json.loads(cli("runs", "--json").stdout)[0]["id"]
    outputs = [
        run,
        inside(cli("report", id_, "--format", "html")),
        *(cli("report", id_, "--format", form) for form in plugins.names("report") if form not in {"png", "html"}),
    ]
    for name in names:
        outputs += [cli("show", f"{id_}/{name}/leak/1", option) for option in ("--wire", "--json")]
        outputs += [cli("show", f"{id_}/{name}/leak/1", "--wire", "--json"), cli("show", f"{id_}/{name}/leak/1")]
    outputs += [
        cli("agents", "--json"),
        cli("agents"),
        cli("models", "list"),
        cli("doctor"),
        cli("tasks", "check", "leak.md"),
    ]
    for agent in ("openai-parrot", "openai-quoted", "openai-led"):
        outputs.append(cli("run", "Look.", "--agent", agent, "--workspace", str(project)))
        outputs.append(cli("run", "Look.", "--agent", agent, "--workspace", str(project), "--json"))
    outputs += [cli("pick", id_, "--json"), cli("compare"), cli("replay", id_, "--speed", "10000"), cli("runs")]
    desk = ServerDesk(
        cwd=project,
        clock=SystemClock(),
        environ_of=lambda _: os.environ,
        prices_of=lambda _: Prices(),
        announce=heard.append,
        access_of=lambda _: everything(),
    )
    heard += [
        asyncio.run(delegated(agent, project, desk)) for agent in ("anthropic-parrot", "gemini-quoted", "ollama-led")
    ]
    heard += [report_of(id_, form, desk).text for form in ("markdown", "json", "csv")]
    assert any("[key]" in text for text in heard)
    told("\n".join(heard), "what the MCP server said")
    outputs.append(cli("run", "Look.", "--agent", "headed", "--workspace", str(project)))
    outputs.append(cli("run", "Look.", "--agent", "refused", "--workspace", str(project)))
    for said in outputs:
        told(said.stdout + said.stderr, f"what `flatfield {' '.join(said.args)}` said")
    look_at_store(project)
    look_at_files(project)
    for path in set(Path(tempfile.gettempdir()).iterdir()) - before:
        if path.name.startswith("trials"):
            look_at_files(path)
    store = Store(project / ".flatfield")
    for name in names:
        record = store.trial(f"{id_}/{name}/leak/1")
        wires = [*(wire for turn in record.turns for wire in turn.reply.wire), *record.unanswered]
        told(repr(list(rebuilt(wires))), f"the wire of {name}")
        told(msgspec.json.encode(record).decode(), f"the record of {name}")
        assert wires
        if name.endswith("-parrot"):
            texts = [record.answer, *(call.arguments for turn in record.turns for call in turn.reply.calls)]
            texts += [result.text for turn in record.turns for result in turn.results]
            assert all("[key]" in text for text in texts), texts
            assert "[key]" in msgspec.json.encode(record.changes).decode()
        elif name.endswith("-quoted"):
            assert record.failure
            assert "Incorrect API key provided: [key]" in record.failure.message
    shown = cli("show", f"{id_}/headed/leak/1", "--wire").stdout
    assert all(sign in shown for sign in ("[key]", "── failed: ", ": 503 (the attempt failed)"))
    assert ": 403 (the attempt failed)" in cli("show", f"{id_}/refused/leak/1", "--wire").stdout
    led = cli("show", f"{id_}/led-on/leak/1", "--wire").stdout
    assert "it redirects to http://127.0.0.1:9/, which is not followed" in led
