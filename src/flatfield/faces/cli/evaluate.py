"""`flatfield eval`: agents × tasks × repeats, graded."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError, InvalidFiles
from flatfield.faces.cli import common
from flatfield.faces.cli.completing import runs
from flatfield.faces.cli.run_options import (
    Agents,
    Budget,
    BudgetIgnores,
    BudgetSeconds,
    Files,
    Jobs,
    Judge,
    JudgeWeight,
    KeyEnv,
    MaxRepeats,
    Repeats,
    Seed,
    SkipUnready,
    Ungraded,
    Unsafe,
    UntilSure,
    asked_run,
    most_repeats,
)
from flatfield.faces.cli.speech import HeardVoice, Speak, SpeakTo
from flatfield.faces.cli.trust import Trust, access_of, remember_typed
from flatfield.faces.cli.view import View
from flatfield.faces.storing import store_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Run, RunResult
    from flatfield.runs.order import Chosen
    from flatfield.runs.store.store import Store
    from flatfield.tasks.access import Access
    from flatfield.tasks.project import Project

EPILOG = common.examples(
    "flatfield eval suite:basic --agents oracle,noop",
    "flatfield eval hop.md tasks/*.md --repeats 5 --judge claude-sonnet",
    'flatfield eval my-task.md --agents "nano-*,openai-chat:qwen3@http://127.0.0.1:8080/v1"',
    "flatfield eval --resume            go on with the newest run",
    "flatfield eval --resume 20260102   go on with the run whose id begins so",
    "flatfield eval --resume 20260102 --repeats 5 --agents a,b   more repeats, of these agents",
    "flatfield eval --extend 20260102 --agents claude-sonnet   add an agent to that run",
    "flatfield eval hop.md tasks/*.md --until-sure --budget-usd 5",
)
NEWEST = "newest"
BUDGET = frozenset({"budget_usd", "budget_ignores", "budget_seconds"})
CHANGEABLE = BUDGET | {"agents", "jobs", "judge", "judge_weight", "repeats", "weights"}
"""What a resumed run may be given anew: it changes no trial that is stored."""
EXTENDING = BUDGET | {"agents", "jobs"}
"""What a run may be given when agents are added: everything else is the same for them as for those before."""


Resume = Annotated[
    str | None,
    typer.Option(metavar="[RUN]", help="Do what is missing of a run; alone: of the newest.", autocompletion=runs),
]
Extend = Annotated[
    str | None,
    typer.Option(
        metavar="RUN", help="Run only --agents, on the plan of RUN, and join its comparison.", autocompletion=runs
    ),
]
StrictFair = Annotated[
    bool, typer.Option("--strict-fair", help="Refuse agents that differ in a setting that could be the same.")
]


def command(
    context: typer.Context,
    files: Files = None,
    agents: Agents = None,
    key_env: KeyEnv = None,
    repeats: Repeats = None,
    jobs: Jobs = None,
    seed: Seed = None,
    judge: Judge = None,
    judge_weight: JudgeWeight = None,
    budget_usd: Budget = None,
    budget_ignores: BudgetIgnores = None,
    budget_seconds: BudgetSeconds = None,
    weights: common.WeightsOption = None,
    for_: common.For = None,
    until_sure: UntilSure = False,
    max_repeats: MaxRepeats = None,
    skip_unready: SkipUnready = False,
    ungraded: Ungraded = False,
    resume: Resume = None,
    extend: Extend = None,
    strict_fair: StrictFair = False,
    unsafe_commands: Unsafe = False,
    trust: Trust = False,
    view: View = False,
    speak: Speak = False,
    speak_to: SpeakTo = None,
    as_json: common.AsJson = False,
) -> None:
    """Run agents on tasks and grade what each one did."""
    from msgspec import structs

    from flatfield.faces.cli.carry_out import CarriedOut, Told, carried_out
    from flatfield.runs.order import Chosen, judges_of, ungradable
    from flatfield.tasks.agents import with_key

    project = common.settings(context).project()
    wanted = common.preferences(project, for_, weights=common.parse_weights(weights))
    chosen = Chosen(
        agents=common.comma_list(agents, "--agents"),
        repeats=repeats,
        jobs=jobs,
        seed=seed,
        judge=common.comma_list(judge, "--judge"),
        judge_weight=judge_weight,
        budget_usd=budget_usd,
        budget_ignores=common.comma_list(budget_ignores, "--budget-ignores"),
        budget_seconds=budget_seconds,
        weights=wanted.weights,
    )
    most = most_repeats(max_repeats, until_sure=until_sure, extending=extend is not None)
    environ = common.environ_of(project)
    access = access_of(project, environ, everything=trust)
    store = store_of(project)
    only: tuple[str, ...] = ()
    if extend is not None:
        run, only = _extended(
            store, extend, [*(files or []), *(["--resume"] if resume else [])], chosen, project, access, key_env
        )
    elif resume is not None:
        beside = [*(files or []), *(["--key-env"] if key_env else [])]
        run, only = _resumed(store, resume, beside, chosen, project, access)
    else:
        run = asked_run(files or [], project, access, chosen, common.settings(context).arguments).run
        run = structs.replace(run, agents=with_key(run.agents, key_env))
        remember_typed(run, project)
    if resume is None and not ungraded and (mistakes := ungradable(run)):
        raise InvalidFiles(mistakes)
    if strict_fair:
        _refuse_unfair(run)
    how = CarriedOut(
        project=project,
        outside=common.outside_of(project, environ, access),
        skip_unready=skip_unready,
        unsafe_commands=unsafe_commands,
        only=only,
        until_sure=most,
        preferences=wanted,
        view=view,
    )
    goes_on = resume is not None or extend is not None
    stored = project.folder if goes_on and chosen.judge is None else None
    how = replace(how, judges=judges_of(run, project.roster, stored=stored))
    told = Told(show=partial(_show, project=project, as_json=as_json), say=_spoken)
    asyncio.run(carried_out(run, store, how, HeardVoice(speak, speak_to), told))


def _spoken(result: RunResult) -> str:
    from flatfield.faces.speech.sentences import graded

    return graded(result)


def _show(result: RunResult, project: Project, *, as_json: bool) -> None:
    from flatfield.faces.cli.carry_out import write_markdown
    from flatfield.faces.drawing import open_console
    from flatfield.faces.reports import json, terminal

    if as_json:
        common.write(json.render(result))
    else:
        terminal.show_end(result, open_console())
    path = write_markdown(result, project)
    if not as_json:
        common.note(f"\nReport: {os.path.relpath(path)}; all of it: flatfield report {result.run.id} --full")


def _resumed(
    store: Store, resume: str, files: Sequence[str], chosen: Chosen, project: Project, access: Access
) -> tuple[Run, tuple[str, ...]]:
    """The stored run with what it is told anew, and the agents that go on, where not all do."""
    from msgspec import structs

    from flatfield.faces.wording import few, many
    from flatfield.runs.order import foreign, of_its_store, remaining, reread, with_repeats
    from flatfield.runs.trying import tried_on
    from flatfield.tasks.agents import select_agents

    if files:
        raise FlatfieldError(
            f"--resume goes on with the files of its run: leave {files[0]} out, or name a run as `flatfield runs` does"
        )
    fixed = sorted(set(chosen.names) - CHANGEABLE)
    if fixed:
        raise FlatfieldError(f"--resume keeps what its run was started with; leave out --{fixed[0].replace('_', '-')}")
    run = store.load_run(None if resume == NEWEST else resume)
    if run.imported:
        raise FlatfieldError(
            f"run {run.id} is imported from {run.origin}; name another run, there is nothing to resume"
        )
    before = {task.id: task.digest for task in run.tasks}
    run = reread(run, access)
    typed = access.ledger.contents().typed.get(run.id, ())
    run = of_its_store(run, project.folder, project.roster, typed)
    access.allow(foreign(run, project.folder, typed))
    run = tried_on(run)
    changed = [task.id for task in run.tasks if task.digest != before[task.id]]
    common.notes([f"changed since, so that what was done does not count: {few(changed)}"] if changed else [])
    only = tuple(agent.name for agent in select_agents(chosen.agents, run.agents)) if chosen.agents else ()
    run = structs.replace(chosen, agents=None, repeats=None).anew(run)
    if chosen.repeats is not None:
        run = with_repeats(run, chosen.repeats, only)
    left = remaining(run, store.rows(run.id), only)
    common.note(f"run {run.id}: {many(left.done, 'trial')} done, {many(len(left.plans), 'trial')} to do")
    return run, only


def _extended(
    store: Store,
    asked: str,
    beside: Sequence[str],
    chosen: Chosen,
    project: Project,
    access: Access,
    key_env: str | None,
) -> tuple[Run, tuple[str, ...]]:
    """The stored run with the agents of `--agents`, and their names; `beside` is what it cannot be given with."""
    from msgspec import structs

    from flatfield.faces.wording import many
    from flatfield.runs.order import extended, foreign, judged_anew, of_its_store, remaining, unchanged
    from flatfield.runs.results import load_result
    from flatfield.runs.trying import tried_on
    from flatfield.tasks.agents import select_agents, with_key

    if beside:
        raise FlatfieldError(f"--extend takes tasks, repeats and limits from its run: leave {beside[0]} out")
    fixed = sorted(set(chosen.names) - EXTENDING)
    if fixed:
        raise FlatfieldError(f"--extend keeps what its run was started with; leave out --{fixed[0].replace('_', '-')}")
    if chosen.agents is None:
        raise FlatfieldError("--extend needs --agents: name those to add to the run")
    before = load_result(store, asked)
    added = with_key(select_agents(chosen.agents, project.roster), key_env)
    typed = access.ledger.contents().typed.get(before.run.id, ())
    stored = of_its_store(before.run, project.folder, project.roster, typed)
    access.allow(foreign(stored, project.folder, typed))
    if tried_on(stored) != stored:
        raise FlatfieldError(
            f"{stored.source} has changed since run {stored.id}: what is added could not be compared; put its files"
            f" back as they were, or do it all again with: flatfield eval --resume {stored.id}"
        )
    run = extended(unchanged(stored, access), added, before.grading.anchors)
    run = structs.replace(chosen, agents=None).anew(run)
    remember_typed(run, project)
    only = tuple(agent.name for agent in added)
    left = remaining(run, store.rows(run.id), only)
    common.note(f"run {run.id}: {', '.join(only)} added, {many(len(left.plans), 'trial')} to do")
    common.notes(list(judged_anew(stored)))
    return run, only


def _refuse_unfair(run: Run) -> None:
    from flatfield.scoring.fairness.manifest import avoidable_differences
    from flatfield.tasks.agents import as_configured, control_names

    controls = control_names(run)
    found = avoidable_differences([as_configured(agent, run) for agent in run.agents if agent.name not in controls])
    if found:
        raise FlatfieldError("\n  ".join(("--strict-fair: agents differ where they need not:", *found)))
