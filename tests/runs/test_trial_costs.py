"""What a trial cost: by turns, at one's own prices, by the API's own account, and at the tier it was served at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.http.secrecy import Secrets
from flatfield.records import (
    AgentConfig,
    Event,
    Limits,
    Price,
    Reply,
    Sent,
    Task,
    ToolCall,
    TrialPlan,
    TrialRecord,
    Usage,
)
from flatfield.runs.trial import Assignment, Ground, TrialWork
from flatfield.scoring.prices.pricing import AS_REPORTED, Prices
from flatfield.testing.clocks import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

USAGE = Usage(input_tokens=1_000_000)
CALL = (ToolCall(id="1", name="list_directory", arguments="{}"),)


class Pool:
    """A pool whose one provider says what the script says."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self._replies = list(replies)
        self.secrets = Secrets()

    def of(self, _agent: AgentConfig) -> Pool:
        return self

    def on_device(self, _agent: AgentConfig) -> bool:
        return False

    async def converse(self, _opening: object) -> Pool:
        return self

    async def turn(self, _results: object, _budget: object) -> Reply:
        return self._replies.pop(0)


async def record(folder: Path, *replies: Reply, **own: Price) -> TrialRecord:
    def unseen(_event: Event) -> None:
        """Nobody looks."""

    pool: Any = Pool(replies)
    ground = Ground(
        pool=pool,
        prices=Prices(own),
        clock=FakeClock(),
        scratch=folder,
        sandbox=None,
        sandbox_reason="",
        observe=unseen,
    )
    agent = AgentConfig(name="a", provider="openai", model="gpt-5")
    assignment = Assignment(
        plan=TrialPlan(run="r", agent="a", task="t", repeat=1),
        agent=agent,
        fingerprint="f",
        task=Task(id="t", title="t", prompt="p"),
        limits=Limits(),
        model_name="m",
    )
    with ConfinedFiles(folder) as files:
        return await TrialWork(assignment, ground).work(folder, files)


def reply(*, last: bool = True, reported: float | None = None, service_tier: str = "", base_url: str = "") -> Reply:
    calls = () if last else CALL
    return Reply(
        text="x",
        usage=USAGE,
        calls=calls,
        finish="stop",
        reported_cost_usd=reported,
        request=Sent(service_tier=service_tier, base_url=base_url),
    )


async def test_both_costs_are_summed_side_by_side(tmp_path: Path) -> None:
    found = await record(tmp_path, reply(last=False, reported=0.5), reply(reported=0.25))
    assert (found.cost_usd, found.reported_cost_usd) == (2.5, 0.75)


async def test_a_sum_that_lacks_a_turn_is_not_known(tmp_path: Path) -> None:
    assert (await record(tmp_path, reply(last=False, reported=0.5), reply())).reported_cost_usd is None


async def test_what_the_api_reports_counts_where_no_price_is_known(tmp_path: Path) -> None:
    nowhere = "https://gateway.example/v1"
    found = await record(
        tmp_path, reply(last=False, reported=0.5, base_url=nowhere), reply(reported=0.25, base_url=nowhere)
    )
    assert (found.cost_usd, found.priced) == (0.75, AS_REPORTED)
    assert (await record(tmp_path, reply(reported=0.5))).cost_usd == 1.25, "a price that is known goes before"
    half = await record(tmp_path, reply(last=False, reported=0.5, base_url=nowhere), reply(base_url=nowhere))
    assert half.cost_usd is None


async def test_a_users_price_is_used(tmp_path: Path) -> None:
    found = await record(tmp_path, reply(), **{"openai:gpt-5": Price(input_mtok=3.0, output_mtok=1.0)})
    assert found.cost_usd == 3.0


async def test_where_the_request_went_decides_the_price(tmp_path: Path) -> None:
    assert (await record(tmp_path, reply(base_url="https://gateway.example/v1"))).cost_usd is None


@pytest.mark.parametrize(
    ("tier", "usd", "note"),
    [
        ("default", 1.25, ()),
        ("priority", 2.5, ("served at the service tier 'priority': priced at its rates",)),
        ("scale", None, ("served at the service tier 'scale': no price known for it",)),
    ],
)
async def test_a_service_tier_is_priced_and_noted(
    tmp_path: Path, tier: str, usd: float | None, note: tuple[str, ...]
) -> None:
    found = await record(tmp_path, reply(service_tier=tier))
    assert (found.cost_usd, found.notes) == (usd, note)
