"""A process of its own that stores trials: `storing_child.py FOLDER AGENT COUNT [LIMIT_BYTES]`.

It prints each trial's id when its storing was acknowledged, and a StoreError's sentence on standard error.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from flatfield.errors import StoreError
from flatfield.records import Evaluation, Run, TrialRecord
from flatfield.runs.store.store import Store

RUN = Run(id="r", created_at="2026", evaluation=Evaluation(), tasks=(), agents=(), repeats={})


async def main(folder: Path, agent: str, count: int) -> None:
    async with Store(folder) as store:
        await store.save_run(RUN, update=True)
        first = 1 + max((record.repeat for record in store.trials("r") if record.agent == agent), default=0)
        print("ready", flush=True)  # noqa: T201 - what it tells its parent
        for repeat in range(first, first + count):
            record = TrialRecord(
                run="r",
                agent=agent,
                task="t",
                repeat=repeat,
                task_digest="d",
                agent_fingerprint="f",
                stop="answered",
                answer="x" * 20_000,
                cost_usd=1.0,
            )
            try:
                await store.save_trial(record)
            except StoreError as error:
                print(error, file=sys.stderr)  # noqa: T201 - what it tells its parent
            else:
                print(record.id, flush=True)  # noqa: T201 - what it tells its parent


if __name__ == "__main__":
    if len(sys.argv) > 4:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
