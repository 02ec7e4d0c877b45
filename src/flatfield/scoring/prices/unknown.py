"""Says why nobody knows what agents cost, and what changes it: a price, or an agent that tells its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield import plugins

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import AgentConfig, TrialRecord


def unknown_costs(
    agents: Sequence[AgentConfig], trials: Sequence[TrialRecord], *, budgeted: bool = False
) -> Iterator[str]:
    """Why it is not known what these agents' trials cost, with the mend; one text for each of the reasons there are.

    `budgeted`: it is a budget that has to know it, in a run that goes on with the prices of now and its own agents.
    """
    silent = [agent for agent in agents if _tells_no_tokens(agent.name, trials)]
    unpriced = [agent for agent in agents if agent not in silent]
    if unpriced:
        models = dict.fromkeys(f"{agent.provider}:{agent.model}" for agent in unpriced)
        tables = " and ".join(f'[prices."{model}"]' for model in models)
        when = "" if budgeted else "before the next run, "
        device = "" if budgeted else ", or on_device = true for a model on your own device"
        yield (
            f"no price is known for {_names(unpriced)}; {when}set input_mtok and output_mtok in the table {tables} in"
            f" flatfield.toml{device}"
        )
    if silent:
        prints = any(plugins.traits_or_usual(agent.provider).is_scaffold for agent in silent)
        told = "an output that reports them" if prints else "a server that reports them"
        hour = "" if budgeted else ", or usd_per_hour"
        yield (
            f"no tokens are reported by {_names(silent)}, so that a price changes nothing; before the next run, take"
            f" {told}, or, for a model on your own device, on_device = true without a price{hour}"
        )


def _tells_no_tokens(agent: str, trials: Sequence[TrialRecord]) -> bool:
    """Whether none of its turns of unknown cost has a count of tokens that a price could be put on."""
    turns = [turn for trial in trials if trial.agent == agent for turn in trial.turns if turn.cost_usd is None]
    return bool(turns) and all(turn.reply.usage is None for turn in turns)


def _names(agents: Sequence[AgentConfig]) -> str:
    return ", ".join(agent.name for agent in agents)
