"""The nine models × five tasks that the original nano-agent project published in August 2025, as a run's records.

Nothing of it was measured here, and every record says so:
- performance is the published judge's letter, as a check that scores its band's midpoint (E counts as F);
- `active_seconds` are the published wall seconds: nothing finer was published;
- `cost_usd` is re-priced from the published tokens at the prices of August 2025 as genai-prices has them, without
  cached input, as none was reported; gpt-oss ran on Ollama on the user's own device: $0, also where no tokens were
  reported;
- `published` keeps the figures and letters as they were.
"""

from __future__ import annotations

import csv
import hashlib
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from typing import Any, get_args

from flatfield import plugins
from flatfield.records import MIDPOINTS, AgentConfig, Check, Evaluation, Imported, Letter, Run, Task, TrialRecord, Usage
from flatfield.tasks.agents import fingerprint

RUN_ID = "20250815-000000-2025"
SOURCE = "nano-agent-2025-08"
DATA = "nano_agent_2025_08.csv"
MODELS = "nano_agent_2025_08_models.csv"
PRICED_AT = datetime(2025, 8, 15, tzinfo=UTC)
NOTE = "published figures, not measured here"
SECONDS_NOTE = "active seconds are the published wall seconds: start-up, retries and model loading are in them"


def load() -> Imported:
    """The published run: nine agents, five tasks, one trial each; always the same records.

    Needs genai-prices, and raises LookupError if that no longer knew one of the models.
    """
    rows = _rows(DATA)
    tasks = tuple(_task(name) for name in dict.fromkeys(row["task"] for row in rows))
    agents = tuple(map(_agent, _rows(MODELS)))
    by_name = {agent.name: agent for agent in agents}
    run = Run(
        id=RUN_ID,
        created_at=PRICED_AT.isoformat(),
        evaluation=Evaluation(title="nano-agent, August 2025 (published)", agents=tuple(by_name), repeats=1),
        tasks=tasks,
        agents=agents,
        repeats={task.id: 1 for task in tasks},
        versions={"genai-prices": version("genai-prices")},
        notes=(
            f"{NOTE}: one run of each model on each task, August 2025 (the day is not known)",
            SECONDS_NOTE,
            "costs are re-priced from the published tokens at the prices of August 2025; $0 for models on the device",
            "performance is the letter of the published judge, which saw names and prices; E counts as F",
        ),
        imported=True,
    )
    return Imported(run=run, trials=tuple(_trial(row, by_name[row["model"]]) for row in rows))


def _rows(name: str) -> list[dict[str, str]]:
    text = files("flatfield.tasks.importers").joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _task(name: str) -> Task:
    level, _, title = name.partition("_")
    title = title.replace("_", " ").capitalize()
    return Task(id=name, title=title, prompt="", digest=_digest(name), level=int(level), notes=(NOTE,))


def _agent(row: dict[str, str]) -> AgentConfig:
    on_device = True if row["on_device"] else None
    return AgentConfig(
        name=row["name"], provider=row["provider"], model=row["model"], on_device=on_device, source=SOURCE
    )


def _trial(row: dict[str, str], agent: AgentConfig) -> TrialRecord:
    seconds = float(row["seconds"])
    usage = _usage(row)
    return TrialRecord(
        run=RUN_ID,
        agent=agent.name,
        task=row["task"],
        repeat=1,
        task_digest=_digest(row["task"]),
        agent_fingerprint=fingerprint(agent),
        stop="answered",
        usage=usage,
        cost_usd=_cost_usd(agent, usage),
        wall_seconds=seconds,
        active_seconds=seconds,
        checks=(_check(row["performance_grade"]),),
        notes=(NOTE, SECONDS_NOTE),
        imported=True,
        published=_published(row),
    )


def _check(published: str) -> Check:
    letter = _letter(published)
    reason = (
        f"the published judge gave {published}, which counts as {MIDPOINTS[letter]:g}, the middle of {letter}'s band"
    )
    return Check(
        verifier="published",
        label="published performance grade",
        score=MIDPOINTS[letter],
        full_at=MIDPOINTS["S"],
        reason=reason,
    )


def _letter(published: str) -> Letter:
    """A published letter on our scale, which has no E."""
    return next((letter for letter in get_args(Letter) if letter == published), "F")


def _usage(row: dict[str, str]) -> Usage | None:
    if not row["input_tokens"] or not row["output_tokens"]:
        return None
    return Usage(input_tokens=int(row["input_tokens"]), output_tokens=int(row["output_tokens"]))


def _cost_usd(agent: AgentConfig, usage: Usage | None) -> float | None:
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    if agent.on_device:
        return 0.0
    if usage is None:
        return None
    tokens = Tokens(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    vendor = plugins.traits_of(agent.provider).price_name
    price = calc_price(tokens, agent.model, provider_id=vendor, genai_request_timestamp=PRICED_AT)
    return float(price.total_price)


def _published(row: dict[str, str]) -> dict[str, Any]:
    """The figures as published; None where nothing was reported."""
    return {
        "seconds": float(row["seconds"]),
        "input_tokens": int(row["input_tokens"]) if row["input_tokens"] else None,
        "output_tokens": int(row["output_tokens"]) if row["output_tokens"] else None,
        "cost_usd": float(row["cost_usd"]) if row["cost_usd"] else None,
        "performance": row["performance_grade"],
        "speed": row["speed_grade"],
        "cost": row["cost_grade"],
        "overall": row["overall_grade"],
    }


def _digest(text: str) -> str:
    return hashlib.sha256(f"{SOURCE}/{text}".encode()).hexdigest()[:16]
