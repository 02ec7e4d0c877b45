"""What a client did wrong is told with the tool that helps; the shell is named only where it alone can help."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import typer

from flatfield.errors import NotFound, Remedy
from flatfield.faces.cli.app import app
from flatfield.faces.mcp.tools import TOOLS
from flatfield.tasks.access import Access
from flatfield.tasks.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.whole

LOP = (
    "---\nid: oslo\nverify: [{answer: {contains: Oslo}}]\n---\n"
    '# A capital\n\n## Variables\n\nPROMPT: "Which capital?"\n'
)
WORK = {"agentic_prompt": "Do it."}
KEY = "sk-0123456789abcdef"
ONLY_IN_A_SHELL = {"trust", "models pull", "judge check", "regrade", "mcp", "new task"}
"""What no tool does: it spends nothing of a client's, but changes what the user's machine has or allows."""
ORDERS: list[dict[str, Any]] = [
    {"lops": []},
    {"lops": ["nowhere.md"], "agents": ["noop"]},
    {"lops": ["/etc/passwd"], "agents": ["noop"]},
    {"lops": ["suite:basik"], "agents": ["noop"]},
    {"lops": ["broken.md"], "agents": ["noop"]},
    {"lops": ["oslo.md"]},
    {"lops": ["oslo.md"], "agents": ["opus"]},
    {"lops": ["oslo.md"], "agents": ["zzz", "gpt5-mini"]},
    {"lops": ["oslo.md"], "agents": ["*"]},
    {"lops": ["oslo.md"], "agents": ["zz-*"]},
    {"lops": ["oslo.md"], "agents": ["ollama:*"]},
    {"lops": ["oslo.md"], "agents": ["zzz:zzz"]},
    {"lops": ["oslo.md"], "agents": ["x:"]},
    {"lops": ["oslo.md"], "agents": ["openai:m@127.0.0.1:1"]},
    {"lops": ["oslo.md"], "agents": ["openai:m@http://127.0.0.1:1/v1"]},
    {"lops": ["oslo.md"], "agents": ["noop"], "judge": ["zzz"]},
    {"lops": ["oslo.md"], "agents": ["noop"], "judge": ["ollama:*"]},
    {"lops": ["oslo.md"], "agents": ["noop"], "hop": "nowhere.md"},
    {"lops": ["who.md"]},
    {"lops": ["code.md"], "agents": ["noop"]},
]
"""What both `plan` and `evaluate` are asked."""
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("prompt_nano_agent", {**WORK, "agent": "opus"}),
    ("prompt_nano_agent", {**WORK, "agent": "gpt5-mini"}),
    ("prompt_nano_agent", {**WORK, "agent": "zzz"}),
    ("prompt_nano_agent", {**WORK, "agent": KEY}),
    ("prompt_nano_agent", {**WORK, "agent": "gpt-*"}),
    ("prompt_nano_agent", {**WORK, "agent": "zz-*"}),
    ("prompt_nano_agent", {**WORK, "agent": "openai:zzz"}),
    ("prompt_nano_agent", {**WORK, "agent": "zzz:zzz"}),
    ("prompt_nano_agent", {**WORK, "agent": "x:"}),
    ("prompt_nano_agent", {**WORK, "agent": "openai:m@http://127.0.0.1:1/v1"}),
    ("prompt_nano_agent", {**WORK, "model": "zzz"}),
    ("prompt_nano_agent", {**WORK, "model": "gpt-5-mini", "provider": "anthropic"}),
    ("prompt_nano_agent", {**WORK, "model": "gpt-5-mini", "provider": "opnai"}),
    ("prompt_nano_agent", {**WORK, "provider": "openai"}),
    ("prompt_nano_agent", {**WORK, "agent": "noop", "model": "m"}),
    ("prompt_nano_agent", WORK),
    ("prompt_nano_agent", {**WORK, "agent": "gpt-5-mini"}),
    ("prompt_nano_agent", {**WORK, "agent": "mine"}),
    ("prompt_nano_agent", {**WORK, "agent": "here"}),
    ("prompt_nano_agent", {**WORK, "agent": "noop", "workspace": "/nowhere"}),
    ("prompt_nano_agent", {**WORK, "agent": "noop", "workspace": "nowhere"}),
    ("prompt_nano_agent", {**WORK, "agent": "noop", "workspace": ".git"}),
    ("prompt_nano_agent", {**WORK, "agent": "noop", "limits": {"turns": 0}}),
    ("prompt_nano_agent", {"agentic_prompt": " ", "agent": "noop"}),
    ("prompt_nano_agent", {**WORK, "continue_trial": "nobody/a/b/1"}),
    ("prompt_nano_agent", {**WORK, "continue_trial": "nobody"}),
    ("agent_result", {}),
    ("agent_result", {"trial": "nobody/a/b/1"}),
    ("agent_result", {"trial": "nobody", "cancel": True}),
    ("list_agents", {"match": "zz-*"}),
    ("list_tasks", {"within": "suite:zzz"}),
    ("list_tasks", {"within": "nowhere"}),
    ("list_tasks", {"within": "/etc"}),
    *((tool, order) for tool in ("plan", "evaluate") for order in ORDERS),
    ("evaluate", {"lops": ["oslo.md"], "agents": ["gpt-5-mini"]}),
    ("evaluate", {"lops": ["oslo.md"], "agents": ["noop"], "budget_usd": 1, "budget_ignores": ["zzz"]}),
    ("evaluate", {"resume": "nobody"}),
    ("evaluation_status", {}),
    ("evaluation_status", {"run": "nobody"}),
    ("cancel_evaluation", {"run": "nobody"}),
    ("report", {}),
    ("report", {"run": "nobody"}),
    ("report", {"format": "zzz"}),
    ("pick", {"task": "zzz"}),
    ("pick", {"run": "nobody"}),
    ("pick", {"weights": {}}),
    ("compare", {}),
    ("compare", {"a": "x", "b": "y"}),
    ("compare", {"run": "nobody", "against": "nothing"}),
]
ADDRESSES = (
    "flatfield://runs/nobody",
    "flatfield://runs/nobody/report",
    "flatfield://runs/nobody/report/json",
    "flatfield://trials/nobody/a/b/1",
    "flatfield://trials/nobody/a/b/first",
    "flatfield://lops/zzz",
)


@cache
def shell_commands() -> set[str]:
    """Every command that there is in a shell."""
    return commands(typer.main.get_command(app))


def commands(group: Any, path: tuple[str, ...] = ()) -> set[str]:
    found = {" ".join((*path, name)) for name in group.commands}
    deeper = (commands(each, (*path, name)) for name, each in group.commands.items() if hasattr(each, "commands"))
    return found.union(*deeper)


def told_to_type(text: str) -> set[str]:
    """The commands that a text names, the longest form of each."""
    known = shell_commands()
    forms = re.findall(r"flatfield (?=([a-z-]+(?: [a-z-]+)?))", text)
    return {form if form in known else form.split()[0] for form in forms if {form, form.split()[0]} & known}


@pytest.fixture
def desk(make_desk: Any, folder: Path, tmp_path: Path) -> Any:
    (folder / ".git").mkdir()
    (folder / "oslo.md").write_text(LOP)
    (folder / "broken.md").write_text(LOP.replace("contains", "contians"))
    (folder / "who.md").write_text(LOP.replace("## Var", "## Agents\n\n@agent-opus PROMPT\n\n## Var"))
    (folder / "code.md").write_text(LOP.replace("{answer: {contains: Oslo}}", "{python: checks.py::verify}"))
    (folder / "checks.py").write_text("def verify(trial, files):\n    return 1.0, ''\n")
    (folder / "flatfield.toml").write_text(
        '[agents.mine]\nprovider = "cli"\ncommand = ["./prog"]\n\n'
        '[agents.here]\nprovider = "local"\nmodel = "smollm2-135m"\n'
    )
    ledger = Ledger(tmp_path / "trust.json")
    return make_desk(access_of=lambda project: Access(ledger, home=project.folder, strict=True))


async def test_no_error_names_the_shell_where_a_tool_does_the_same(desk: Any, connected: Any) -> None:
    answers: dict[str, str] = {}
    async with connected(desk) as client:
        for tool, arguments in CALLS:
            result = await client.call_tool(tool, arguments)
            text = " ".join(part.text for part in result.content if part.type == "text")
            answers[f"{tool} {arguments}"] = text
            failed = result.is_error or '"success":false' in text.replace(" ", "")
            assert failed or "Not started" in text, (tool, arguments, text)
        for address in ADDRESSES:
            with pytest.raises(Exception) as raised:  # noqa: PT011 - the SDK's kind depends on the protocol's version
                await client.read_resource(address)
            answers[address] = str(raised.value)
    for call, text in answers.items():
        assert told_to_type(text) <= ONLY_IN_A_SHELL, f"{call}: {text}"
        assert KEY not in text, call
        assert not re.search(r"--(agents?|judge|repeats|resume|budget[\w-]*|ungraded|trust)\b", text), f"{call}: {text}"
    assert sum("list_agents" in text for text in answers.values()) > 8
    assert any("flatfield trust" in text for text in answers.values()), (
        "where only the user can help, the shell is named"
    )
    assert any("flatfield models pull" in text for text in answers.values())


async def test_nothing_stored_is_told_with_the_tool_that_begins(desk: Any, connected: Any) -> None:
    async with connected(desk) as client:
        for address in ADDRESSES[1:3]:
            with pytest.raises(Exception, match="start one with `evaluate`"):
                await client.read_resource(address)
        with pytest.raises(Exception, match="as `report` shows it"):
            await client.read_resource(ADDRESSES[4])


def test_each_step_has_a_tool_and_a_command() -> None:
    assert set(TOOLS) == set(Remedy)
    known = shell_commands()
    assert all(step.removeprefix("flatfield ") in known for step in Remedy)
    error = NotFound("nobody; see ", Remedy.LIST_AGENTS, ".")
    assert (str(error), error.worded(TOOLS)) == ("nobody; see flatfield agents.", "nobody; see list_agents.")
