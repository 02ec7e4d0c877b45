"""Packs a stored run as an example that ships: `python -m bench.example_run RUN OUT.json.gz --origin "…"`.

It is run in the folder of the run's flatfield.toml. Tasks that the newest run in `--later DIR` did too are taken from
that one, with its trials, which a note says: what was changed after the long run need not be run all again. Left out
are the raw exchanges with servers, which are most of a record, and what names the machine's folders; what a grade
stands on is kept as it is.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from flatfield.records import Imported
from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from flatfield.records import AgentConfig, Run, Task, TrialRecord, Turn


def main() -> int:
    """Write the file; 2 when something in it still names a folder of this machine."""
    asked = _arguments()
    store = Store(Path(".flatfield"))
    run, trials = _both(store, asked.run, asked.later)
    name = asked.id or run.id
    packed = Imported(run=_run(run, name, asked.origin), trials=tuple(_trial(trial, name) for trial in trials))
    data = msgspec.json.encode(packed)
    named = sorted({folder for folder in (str(Path.home()), str(Path.cwd()), sys.prefix) if folder.encode() in data})
    if named:
        sys.stderr.write(f"not written: the records still name {', '.join(named)}\n")
        return 2
    asked.out.write_bytes(gzip.compress(data, mtime=0))
    sys.stdout.write(f"{len(trials)} trials, {asked.out.stat().st_size:,} bytes\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.example_run", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run")
    parser.add_argument("out", type=Path)
    parser.add_argument("--origin", required=True, help='what the figures are, to be read after "imported from"')
    parser.add_argument("--id", default="", help="the example's run id, as runs have it")
    parser.add_argument("--later", type=Path, help="the folder of a later run whose tasks take the place of this one's")
    return parser.parse_args()


def _both(store: Store, name: str, later: Path | None) -> tuple[Run, tuple[TrialRecord, ...]]:
    """The run and its trials, with those tasks of the later run that both did."""
    run = store.load_run(name)
    trials = store.trials(run.id)
    if later is None:
        return run, trials
    other = Store(later / ".flatfield")
    newer = other.load_run()
    instead = {task.id: task for task in newer.tasks}
    note = f"{', '.join(instead)}: measured in a run of its own, {newer.created_at}, as the task was changed since"
    kept = [trial for trial in trials if trial.task not in instead]
    together = sorted((*kept, *other.trials(newer.id)), key=lambda trial: (trial.task, trial.agent, trial.repeat))
    tasks = tuple(instead.get(task.id, task) for task in run.tasks)
    return structs.replace(run, tasks=tasks, notes=(*run.notes, note)), tuple(together)


def _run(run: Run, name: str, origin: str) -> Run:
    return structs.replace(
        run,
        id=name,
        imported=True,
        origin=origin,
        source="",
        command="",
        tasks=tuple(map(_task, run.tasks)),
        agents=tuple(map(_agent, run.agents)),
    )


def _task(task: Task) -> Task:
    """The task without its files, which the suite has, and without the way to them."""
    suite = Path(task.generated_from or task.path).parent.name
    return structs.replace(
        task, path="", generated_from=suite if task.generated_from else "", workspace=None, packages=None, files={}
    )


def _agent(agent: AgentConfig) -> AgentConfig:
    return structs.replace(agent, source="", folder="")


def _trial(trial: TrialRecord, name: str) -> TrialRecord:
    return structs.replace(trial, run=name, turns=tuple(map(_turn, trial.turns)), unanswered=())


def _turn(turn: Turn) -> Turn:
    return structs.replace(turn, reply=structs.replace(turn.reply, wire=()))


if __name__ == "__main__":
    raise SystemExit(main())
