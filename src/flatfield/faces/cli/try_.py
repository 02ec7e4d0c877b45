"""`flatfield try`: one prompt on copies of a folder, a check, some agents: an evaluation without a file."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError, NotFound, NotReady
from flatfield.faces.cli import common
from flatfield.faces.cli.run_options import (
    Agents,
    Budget,
    BudgetIgnores,
    BudgetSeconds,
    Jobs,
    KeyEnv,
    SkipUnready,
    Ungraded,
    Unsafe,
)
from flatfield.faces.cli.speech import HeardVoice, Speak, SpeakTo
from flatfield.faces.cli.trust import Trust, access_of, remember_typed
from flatfield.faces.storing import store_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.agent.files.copying import CopyPlan
    from flatfield.faces.cli.carry_out import CarriedOut, Told
    from flatfield.faces.found import Here
    from flatfield.machine.protocols import Sandbox
    from flatfield.records import AgentConfig, Run, RunResult
    from flatfield.runs.order import Chosen
    from flatfield.runs.trying import Trying, Untouched
    from flatfield.runs.world import Outside
    from flatfield.tasks.project import Project

EPILOG = common.examples(
    'flatfield try "Make the failing test pass" --check "pytest -q"',
    'flatfield try "Make the failing test pass" --in ~/shop --check "pytest -q" --agents gpt-6-luna,claude-haiku-4-5',
    "flatfield try --prompt-file wish.md --check 'npm test' --repeats 5 --budget-usd 2",
    "git diff | flatfield try - --check 'make test' --json",
    after="Each agent works in copies of the folder, which itself is not changed. The check is made once on an "
    "untouched copy before anything is spent, then on what each agent left, with the folder's test files as they were. "
    "Exit code 0 of the check is what counts.",
)
REPEATS = 3
MOST_TRIED = 5
BUDGET_USD = 1.0
"""What is spent at most on agents that nobody named."""
SHOWN_CHARACTERS = 300
STDIN = "-"


def command(
    context: typer.Context,
    prompt: Annotated[
        str | None, typer.Argument(metavar="PROMPT", help="What to do; - reads it from standard input.")
    ] = None,
    prompt_file: Annotated[
        Path | None, typer.Option("--prompt-file", metavar="FILE", help="A file that holds the prompt.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--in", metavar="DIR", help="The folder to work on; else this one.")
    ] = None,
    check: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="What says whether it is done, by exit code 0.")
    ] = None,
    agents: Agents = None,
    key_env: KeyEnv = None,
    repeats: Annotated[int, typer.Option(metavar="N", min=1, help="Trials per agent.")] = REPEATS,
    jobs: Jobs = None,
    budget_usd: Budget = None,
    budget_ignores: BudgetIgnores = None,
    budget_seconds: BudgetSeconds = None,
    turns: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many turns a trial.")] = 20,
    seconds: Annotated[float, typer.Option(metavar="N", min=0.1, help="At most so much active time a trial.")] = 300.0,
    output_tokens: Annotated[
        int, typer.Option(metavar="N", min=1, help="At most so many output tokens a trial.")
    ] = 16_000,
    skip_unready: SkipUnready = False,
    ungraded: Ungraded = False,
    unsafe_commands: Unsafe = False,
    trust: Trust = False,
    speak: Speak = False,
    speak_to: SpeakTo = None,
    as_json: common.AsJson = False,
) -> None:
    """Try a prompt on a folder with several agents: which of them does it?

    An evaluation without a file. Without --agents those are compared that are found here: your own, models of servers
    on this machine, pulled models, models whose keys are set; which and why is said.
    """
    from flatfield.faces.cli.carry_out import CarriedOut, Told
    from flatfield.records import Limits
    from flatfield.runs.order import Chosen
    from flatfield.runs.trying import Trying

    place = _folder(folder)
    trying = Trying(
        prompt=_prompt(prompt, prompt_file),
        folder=place,
        check=_check(check, place, ungraded=ungraded),
        limits=Limits(turns=turns, seconds=seconds, output_tokens=output_tokens),
    )
    project = common.settings(context).project()
    common.notes(project.notes)
    chosen = Chosen(
        agents=common.comma_list(agents, "--agents"),
        repeats=repeats,
        jobs=jobs,
        budget_usd=budget_usd,
        budget_ignores=common.comma_list(budget_ignores, "--budget-ignores"),
        budget_seconds=budget_seconds,
    )
    environ = common.environ_of(project)
    how = CarriedOut(
        project=project,
        outside=common.outside_of(project, environ, access_of(project, environ, everything=trust)),
        skip_unready=skip_unready,
        unsafe_commands=unsafe_commands,
        source=place,
    )
    order = _Order(trying, chosen, common.settings(context).arguments, key_env)
    asked = partial(_next_commands, trying=trying, file=prompt_file)
    told = Told(show=partial(_show, project=project, asked=asked, as_json=as_json), say=_spoken)
    asyncio.run(_try(order, how, HeardVoice(speak, speak_to), told))


@dataclass(frozen=True, slots=True)
class _Order:
    """What is asked for: what to try, what was chosen beside it, the arguments as they were given, and whose key."""

    trying: Trying
    chosen: Chosen
    arguments: Sequence[str]
    key_env: str | None


async def _try(order: _Order, how: CarriedOut, voice: HeardVoice, told: Told) -> None:
    """Whether the agents that are named are known, the check on the untouched folder, then the evaluation."""
    from msgspec import structs

    from flatfield.faces.cli.carry_out import carried_out
    from flatfield.runs.trying import copied, tried_run
    from flatfield.tasks.agents import with_key

    trying, chosen = order.trying, order.chosen
    if chosen.agents is not None:
        with_key(await _known(chosen.agents, how.project, how.outside), order.key_env)
    plan = await asyncio.to_thread(copied, trying)
    if trying.check:
        common.note(f"the check is made on an untouched copy first: {trying.check}")
    looked = await _looked(trying, plan, unsafe=how.unsafe_commands) if trying.check else None
    if looked and not looked.passed:
        common.note(f"it fails there, as it should before the work: {looked.reason}")
    said = looked.notes() if looked else ()
    common.notes(said)
    if chosen.agents is None:
        chosen = await _with_found(chosen, how.project, how.outside)
    command_line = shlex.join(["flatfield", *order.arguments])
    now = how.outside.clock.utc()
    run = await asyncio.to_thread(tried_run, trying, plan, chosen, how.project.roster, now, command_line)
    run = structs.replace(run, notes=(*run.notes, *said), agents=with_key(run.agents, order.key_env))
    remember_typed(run, how.project)
    await carried_out(run, store_of(how.project), how, voice, told)


# ---------------------------------------------------------------------------- what is asked for


def _prompt(given: str | None, file: Path | None) -> str:
    """The prompt: as it stands, of a file, or of standard input."""
    if given is not None and file is not None:
        raise FlatfieldError(f"there are two prompts, PROMPT and --prompt-file {file}: keep one")
    if file is not None and str(file) != STDIN:
        try:
            given = file.expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
            raise NotFound(f"the prompt cannot be read from {file}: {why}") from None
    elif given == STDIN or file is not None:
        given = sys.stdin.read().strip()
    if given is None or not given.strip():
        raise FlatfieldError('the prompt is empty: say what to do, such as flatfield try "Make the failing test pass"')
    return given


def _folder(given: Path | None) -> Path:
    from flatfield.tasks.access import is_broad

    folder = (given or Path()).expanduser().resolve()
    if not folder.is_dir():
        raise NotFound(f"--in {given} is no folder; name the one to work on")
    if is_broad(folder):
        raise FlatfieldError(f"{folder} holds everything, and each trial gets a copy: name a project with --in DIR")
    return folder


def _check(given: str | None, folder: Path, *, ungraded: bool) -> str:
    """The check; none where nothing is to be graded.

    Raises:
        FlatfieldError: there is none, or it is empty.
    """
    from flatfield.faces.found import usual_check

    check = (given or "").strip()
    if check or (given is None and ungraded):
        return check
    raise FlatfieldError(
        "nothing says when it is done: name a command that ends with exit code 0 when it is, such as"
        f" --check {shlex.quote(usual_check(folder))} (--ungraded measures speed and cost alone)"
    )


async def _looked(trying: Trying, plan: CopyPlan, *, unsafe: bool) -> Untouched:
    """What the check says of the folder as it is."""
    from flatfield.runs.scratch import scratch_folder
    from flatfield.runs.trying import look_at_check

    async with AsyncExitStack() as stack:
        scratch = await asyncio.to_thread(stack.enter_context, scratch_folder())
        sandbox = await asyncio.to_thread(_sandbox, unsafe=unsafe)
        return await look_at_check(trying.folder, trying.check, plan, sandbox, scratch)


def _sandbox(*, unsafe: bool) -> Sandbox:
    """The sandbox that checks are made in.

    Raises:
        NotReady: there is none.
    """
    from flatfield.machine.sandbox.finding import find_sandbox
    from flatfield.machine.sandbox.unsafe import UnsafeSandbox

    return UnsafeSandbox(os.environ) if unsafe else find_sandbox(os.environ)


# ---------------------------------------------------------------------------- the agents, and who takes part unnamed


async def _known(names: Sequence[str], project: Project, outside: Outside) -> tuple[AgentConfig, ...]:
    """The agents that are named.

    Raises:
        NotFound: some are none; of a model that a server here has, it is said how it is named.
    """
    from flatfield.faces.found import look, spec_of
    from flatfield.runs.world import open_world
    from flatfield.tasks.agents import select_agents

    try:
        return select_agents(names, project.roster)
    except NotFound as error:
        async with open_world(outside) as world:
            own = (await look(project, world.services)).own
        meant = [spec_of(agent) for agent in own if {agent.name, agent.model} & set(names)]
        found = (f"\n  found on this machine: --agents {','.join(meant)}",) if meant else ()
        raise NotFound(*error.args, *found) from None


async def _with_found(chosen: Chosen, project: Project, outside: Outside) -> Chosen:
    """The same with agents that were found here and can begin; with a budget where some of them cost."""
    from msgspec import structs

    from flatfield.faces.found import look, spec_of
    from flatfield.runs.readiness import readiness
    from flatfield.runs.world import open_world
    from flatfield.tasks.agents import select_agents

    async with open_world(outside) as world:
        here = await look(project, world.services)
        specs = here.all_specs()
        agents = select_agents(specs[: 2 * MOST_TRIED], project.roster)
        not_ready, _ = await readiness(world.pool, agents, (), skip=True) if agents else ({}, ())
    ready = [spec for spec, agent in zip(specs, agents, strict=False) if agent.name not in not_ready]
    tried = tuple(ready[:MOST_TRIED])
    if not tried:
        raise NotReady(_nobody(here, (*not_ready.values(), *(_elsewhere(outside.environ) if not_ready else ()))))
    common.note(_introduced(here, tried, len(specs)))
    costs = [spec for spec in tried if spec in here.known]
    if costs and chosen.budget_usd is None:
        common.note(f"note: at most ${BUDGET_USD:.2f} is spent on them; --budget-usd N allows another sum")
        own = set(map(spec_of, here.own))
        free = tuple(spec for spec in tried if spec in own)
        chosen = structs.replace(chosen, budget_usd=BUDGET_USD, budget_ignores=chosen.budget_ignores or free or None)
    return structs.replace(chosen, agents=tried)


def _introduced(here: Here, tried: Sequence[str], of: int) -> str:
    """Who takes part though nobody was named, and why."""
    lines = [f"  {spec}: {here.why.get(spec, 'found here')}" for spec in tried]
    more = (
        f"\n  not asked: {of - len(tried)} more that were found; --agents A,B names whom to compare"
        if of > len(tried)
        else ""
    )
    return "no agents are named, so these take part:\n" + "\n".join(lines) + more


def _elsewhere(environ: Mapping[str, str]) -> Iterator[str]:
    """Of each variable that sends vendors' agents to another address: how models of that are named."""
    from flatfield import plugins

    vendors: dict[str, list[str]] = {}
    for one in plugins.all_traits():
        if one.url_variable and environ.get(one.url_variable, "").strip():
            vendors.setdefault(one.url_variable, []).append(f"{one.name}:MODEL")
    for variable, named in vendors.items():
        yield f"{variable} leads elsewhere: name models that are served there, as --agents {' or '.join(named)}"


def _nobody(here: Here, reasons: Sequence[str]) -> str:
    if reasons:
        return "\n  ".join(("none of the agents that were found here can begin:", *dict.fromkeys(reasons)))
    keys = f"; {', '.join(here.keys)} is set, and no model is known for it" if here.keys else ""
    return (
        f"no agent was found here{keys}: start a model server (Ollama, llama.cpp, LM Studio, vLLM), set a vendor's "
        "key, pull a model (flatfield models pull smollm2-135m), or name agents with --agents PROVIDER:MODEL[@URL]"
    )


# ---------------------------------------------------------------------------- what came of it


def _spoken(result: RunResult) -> str:
    from flatfield.faces.speech.sentences import graded

    return graded(result)


def _show(result: RunResult, *, project: Project, asked: partial[Iterator[tuple[str, str]]], as_json: bool) -> None:
    """The answer, what it goes by, and what to do next; the report has all the rest."""
    from flatfield import json_text
    from flatfield.faces.blocks import Section
    from flatfield.faces.cli.carry_out import write_markdown
    from flatfield.faces.drawing import draw, open_console
    from flatfield.faces.reports import json, terminal

    steps = tuple(asked(result))
    if as_json:
        told = json_text.decoded(json.render(result).encode())
        common.print_json({**told, "next": [{"what": what, "command": line} for what, line in steps]})
    else:
        screen = open_console()
        terminal.show_answer(result, screen)
        draw(Section(title="Next", commands=steps), screen)
    path = write_markdown(result, project)
    if not as_json:
        common.note(f"\nReport: {os.path.relpath(path)}")


def _next_commands(result: RunResult, *, trying: Trying, file: Path | None) -> Iterator[tuple[str, str]]:
    """What helps from here, each with its command: to have it done in the folder itself, and to see what was done."""
    from flatfield.scoring.decision import decide

    best = decide(result).recommended
    run = result.run
    if best is not None:
        words = ["flatfield", "run", _prompt_again(trying.prompt, file), *_named(best, run)]
        words += ["--workspace", shlex.quote(str(trying.folder))]
        words += ["--check", shlex.quote(trying.check)] if trying.check else []
        yield "to have it done in the folder itself", " ".join(words)
    shown = best or next((trial.agent for trial in result.trials), None)
    trial = next((one for one in result.trials if one.agent == shown and one.failure is None), None)
    if trial is not None:
        yield f"what {trial.agent} did", f"flatfield show {shlex.quote(trial.id)}"
    yield "why, and by other weights", f"flatfield pick {run.id}"
    yield "the whole report", f"flatfield report {run.id}"


def _named(name: str, run: Run) -> tuple[str, ...]:
    """How `run` is told of an agent of the run's."""
    agent: AgentConfig = next(one for one in run.agents if one.name == name)
    key = ("--key-env", agent.api_key_env) if agent.is_typed and agent.api_key_env else ()
    return ("--model" if agent.is_typed else "--agent"), shlex.quote(agent.typed_as), *key


def _prompt_again(prompt: str, file: Path | None) -> str:
    if file is not None and str(file) != STDIN:
        return f'"$(cat {shlex.quote(str(file))})"'
    if len(prompt) <= SHOWN_CHARACTERS and "\n" not in prompt:
        return shlex.quote(prompt)
    return '"PROMPT"'
