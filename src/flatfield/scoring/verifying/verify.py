"""Runs a task's verifiers on a finished trial: every one gives a Check, whatever happens to it."""

from __future__ import annotations

import asyncio
import math
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from flatfield import plugins
from flatfield.errors import FlatfieldError
from flatfield.records import Check, Trouble
from flatfield.tasks.verify import label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from flatfield.records import Task, VerifierSpec
    from flatfield.scoring.protocols import Verifier, VerifyContext
    from flatfield.tasks.access import Access, Want

TIMEOUT_SECONDS = 3_700.0  # beyond any limit that a verifier sets itself


async def verify(
    task: Task,
    context: VerifyContext,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    before: Sequence[Check] = (),
) -> tuple[Check, ...]:
    """One Check for each of the task's verifiers, in the task's order; `timeout_seconds` bounds each of them.

    `before`: the checks of the same work, where those that took too long are to be made again, and no others.

    Those that run commands come last, so that nothing a command does to the workspace is seen by the others. A verifier
    that crashes, takes too long or returns a score outside 0..1 is "not measured", with the reason and its output; so
    is one that needs the sandbox where there is none.
    """
    last = [plugins.verifier_traits(spec.kind).needs_sandbox for spec in task.verifiers]
    order = sorted(range(len(task.verifiers)), key=last.__getitem__)
    found: dict[int, Check] = {}
    for index in order:
        if before and before[index].trouble != "time":
            found[index] = before[index]
            continue
        found[index] = await _one(task.verifiers[index], context, timeout_seconds)
    return tuple(found[index] for index in range(len(task.verifiers)))


async def _one(spec: VerifierSpec, context: VerifyContext, timeout_seconds: float) -> Check:
    clock = asyncio.get_running_loop().time
    begun = clock()
    check = _sound(await _measured(spec, context, timeout_seconds))
    beside = {"weight": spec.weight, "full_at": spec.full_at, "skill": spec.skill, "took_seconds": clock() - begun}
    return msgspec.structs.replace(check, verifier=spec.kind, label=check.label or label(spec), **beside)


async def _measured(spec: VerifierSpec, context: VerifyContext, timeout_seconds: float) -> Check:
    if context.sandbox is None and plugins.verifier_traits(spec.kind).needs_sandbox:
        return _not_measured(spec, f"the {spec.kind} was not run: {context.sandbox_reason or 'there is no sandbox'}")
    deadline = asyncio.timeout(timeout_seconds)
    try:
        async with deadline:
            context.access.allow(_wants(spec, context.task, context.access))
            return await build(spec).verify(context)
    except FlatfieldError as error:
        return _not_measured(spec, str(error))
    except Exception as error:  # noqa: BLE001 - a verifier may be anybody's code: its crash is a finding, not ours
        if deadline.expired():
            return _not_measured(spec, f"took more than {timeout_seconds:g} seconds", trouble="time")
        last = traceback.format_exception_only(error)[-1].strip()
        return _not_measured(spec, f"the verifier crashed: {last}", traceback.format_exc(), trouble="code")


def wants(task: Task, access: Access) -> tuple[Want, ...]:
    """What the task's verifiers want: to run files of its author's as the user."""
    return tuple(want for spec in task.verifiers for want in _wants(spec, task, access))


def _wants(spec: VerifierSpec, task: Task, access: Access) -> tuple[Want, ...]:
    """What one verifier wants; its module names the file that it runs with `code_file(options, folder)`, if any."""
    module = plugins.load("verifier", spec.kind)
    code_file: Callable[[Any, Path], Path] | None = getattr(module, "code_file", None)
    written = task.generated_from or task.path
    if code_file is None or not written:
        return ()
    file = code_file(_options(module, spec.options), Path(written).resolve().parent)
    return access.of_file(file, f"checks the task {task.id}")


def wanted_paths(task: Task) -> Iterator[str]:
    """The paths where the task's verifiers look for something; a module tells with `wanted_path(options)`, if any."""
    for spec in task.verifiers:
        module = plugins.load("verifier", spec.kind)
        wanted_path: Callable[[Any], str | None] | None = getattr(module, "wanted_path", None)
        path = wanted_path(_options(module, spec.options)) if wanted_path else None
        if path:
            yield path


def build(spec: VerifierSpec) -> Verifier:
    """The verifier that a spec names, bound to its options.

    Raises:
        NotFound: there is no such verifier.
        ValueError: its options are not what it takes.
    """
    module = plugins.load("verifier", spec.kind)
    verifier: Verifier = module.create(_options(module, spec.options))
    return verifier


def _options(module: ModuleType, options: dict[str, Any]) -> Any:  # noqa: ANN401 - each verifier has its own Options
    """A map stands for itself; `{"value": x}` stands for x, where the verifier reads its options itself."""
    if not hasattr(module, "parse"):
        return msgspec.convert(options, module.Options)
    return module.parse(options["value"] if set(options) == {"value"} else options)


def _sound(check: Check) -> Check:
    """A score that is no number in 0..1 is "not measured"."""
    if check.score is None or (math.isfinite(check.score) and 0 <= check.score <= 1):
        return check
    reason = f"the verifier returned the score {check.score}, which is not in 0..1 ({check.reason})"
    return msgspec.structs.replace(check, score=None, reason=reason, trouble="code")


def _not_measured(spec: VerifierSpec, reason: str, output: str = "", trouble: Trouble = "") -> Check:
    return Check(verifier=spec.kind, label="", score=None, reason=reason, output=output, trouble=trouble)
