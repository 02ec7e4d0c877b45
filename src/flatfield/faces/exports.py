"""A decision as files of other tools: a sub-agent of Claude Code, configurations of LiteLLM and of Claude Code Router.

No key is in any of them: they name the variables that hold keys.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from flatfield import plugins
from flatfield.errors import FlatfieldError
from flatfield.faces.claude_code.parts import PROJECT, sub_agent
from flatfield.tasks.agents import is_control
from flatfield.tasks.cascades import command_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flatfield.records import AgentConfig, RunResult, Traits
    from flatfield.scoring.certainty.values import Standing
    from flatfield.scoring.decision import Decision

    Export = Callable[[Decision, Sequence[AgentConfig]], str]

MOST = 5
"""So many agents stand in an export: the one to use, and those to fall back to."""
NO_KEY = "none"


def export(form: str, decision: Decision, result: RunResult) -> str:
    """The text of a file.

    Raises:
        FlatfieldError: there is no such form, nobody is recommended, or none of the agents can stand in it.
    """
    render = FORMS.get(form)
    if render is None:
        raise FlatfieldError(f"--export {form!r} is no form; use one of {', '.join(FORMS)}")
    if decision.recommended is None:
        raise FlatfieldError(f"there is nobody to export: {decision.answer}")
    return render(decision, in_order(decision, result))


def in_order(decision: Decision, result: RunResult) -> tuple[AgentConfig, ...]:
    """The recommended agent, then the others, best first; controls are none."""
    agents = {agent.name: agent for agent in result.run.agents if not is_control(agent)}
    names = dict.fromkeys((str(decision.recommended), *(one.agent for one in decision.standings)))
    return tuple(agents[name] for name in names if name in agents)


# ---------------------------------------------------------------------------- the forms


def claude_code(decision: Decision, agents: Sequence[AgentConfig]) -> str:
    """A sub-agent for .claude/agents/ that hands its prompt to the recommended agent, and says why that one.

    Raises:
        FlatfieldError: it is a cascade whose check only tasks have, so that it cannot work in a folder.
    """
    first = agents[0]
    if _needs_a_task(first):
        raise FlatfieldError(
            f"{first.name} checks its steps by {first.check!r}, which tasks have and a folder has not: give it a check "
            "that one can make there, a command such as pytest -q, and measure it with that"
        )
    text = sub_agent(agents[0], PROJECT)
    head, _, body = text.partition("\n---\n")
    return f"{head}\n---\n\n<!-- {decision.answer.replace('--', '- -')} -->\n{body}"


def _needs_a_task(agent: AgentConfig) -> bool:
    """Whether it is a cascade whose check a folder has not."""
    return bool(agent.steps) and agent.route is None and not command_of(agent.check)


def litellm(decision: Decision, agents: Sequence[AgentConfig]) -> str:
    """A config.yaml of LiteLLM's proxy: the model `flatfield` is the recommended one, and falls back to the others.

    The key that the proxy asks its own clients for is none of it: without one it does not start, and says so.
    """
    known = _served(agents, lambda traits: bool(traits.litellm_name), "LiteLLM")
    models = [_litellm_model("flatfield", known[0]), *(_litellm_model(agent.name, agent) for agent in known[1:])]
    whole: dict[str, Any] = {"model_list": models}
    if known[1:]:
        whole["router_settings"] = {"fallbacks": [{"flatfield": [agent.name for agent in known[1:]]}]}
    # JSON is YAML, and needs no rules of quoting beside its own.
    key = "# The proxy asks its clients for a key of yours: set LITELLM_MASTER_KEY, or it does not start."
    return f"# {decision.answer}\n{key}\n{json.dumps(whole, indent=2, ensure_ascii=False)}\n"


def _litellm_model(name: str, agent: AgentConfig) -> dict[str, Any]:
    traits = plugins.traits_or_usual(agent.provider)
    settings: dict[str, Any] = {"model": f"{traits.litellm_name}/{agent.model}"}
    address = agent.base_url or (traits.url if traits.own_server else "")
    if address:
        settings["api_base"] = address
    variable = _key_of(agent)
    settings["api_key"] = f"os.environ/{variable}" if variable else NO_KEY
    for field, theirs in (("temperature", "temperature"), ("max_output_tokens", "max_tokens")):
        if (value := getattr(agent, field)) is not None:
            settings[theirs] = value
    if agent.reasoning_effort is not None:
        settings["reasoning_effort"] = agent.reasoning_effort
    return {"model_name": name, "litellm_params": settings}


def claude_code_router(decision: Decision, agents: Sequence[AgentConfig]) -> str:
    """A config.json of Claude Code Router: the recommended one, the cheapest in the background, whom to fall back to.

    It is version 2's. Version 3 takes it over once, where it has no configuration yet: the providers with their
    models, and whom to fall back to, for which it has a form of its own.
    """
    known = _served(agents, lambda traits: bool(traits.router_path), "Claude Code Router")
    providers: dict[tuple[str, str], dict[str, Any]] = {}
    named: dict[str, str] = {}
    for agent in known:
        traits = plugins.traits_or_usual(agent.provider)
        address = (agent.base_url or traits.url).rstrip("/")
        variable = _key_of(agent)
        key = (address, variable)
        if key not in providers:
            taken = {each["name"] for each in providers.values()}
            name = agent.provider if agent.provider not in taken else f"{agent.provider}-{len(providers) + 1}"
            providers[key] = {
                "name": name,
                "api_base_url": f"{address}{traits.router_path}",
                "api_key": f"${variable}" if variable else NO_KEY,
                "models": [],
            }
            if traits.router_form:
                providers[key]["transformer"] = {"use": [traits.router_form]}
        if agent.model not in providers[key]["models"]:
            providers[key]["models"].append(agent.model)
        named[agent.name] = f"{providers[key]['name']},{agent.model}"
    router: dict[str, Any] = {
        "default": named[known[0].name],
        "background": named[_cheapest(known, decision.standings)],
    }
    whole = {"Providers": list(providers.values()), "Router": router}
    others = list(dict.fromkeys(named[agent.name] for agent in known[1:]))
    if others:
        whole["fallback"] = {"default": others, "background": [router["default"], *others]}
        router["fallback"] = {"mode": "model-chain", "models": [one.replace(",", "/", 1) for one in others]}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def json_(decision: Decision, agents: Sequence[AgentConfig]) -> str:
    """What any other tool can read: the answer, and each agent with what it did, best first."""
    standings = {one.agent: one for one in decision.standings}
    rows = []
    for agent in agents:
        one = standings.get(agent.name)
        levels = one.these if one else None
        rows.append(
            {
                "name": agent.name,
                "provider": agent.provider,
                "model": agent.model,
                "base_url": agent.base_url,
                "steps": [step.name for step in agent.steps],
                "check": agent.check,
                "best": one.best if one else None,
                "performance": levels.performance.mean if levels else None,
                "seconds": levels.seconds.mean if levels and levels.seconds else None,
                "usd": levels.usd.mean if levels and levels.usd else None,
            }
        )
    whole = {"answer": decision.answer, "use": decision.recommended, "runs": decision.runs, "agents": rows}
    return json.dumps(to_builtins(whole), indent=2, ensure_ascii=False) + "\n"


def _served(agents: Sequence[AgentConfig], is_known: Callable[[Traits], bool], tool: str) -> Sequence[AgentConfig]:
    """The agents whose vendor the tool asks itself; a cascade's and a route's choice is no model.

    Raises:
        FlatfieldError: the recommended one is none of them.
    """
    known = [one for one in agents if not one.steps and is_known(plugins.traits_or_usual(one.provider))]
    if not known or known[0] != agents[0]:
        forms = tuple(FORMS)
        other = forms[-1] if _needs_a_task(agents[0]) else f"{forms[0]}, where flatfield asks it"
        raise FlatfieldError(
            f"{agents[0].name} ({agents[0].provider}) is nothing that {tool} can ask; export it as {other}"
        )
    return known[:MOST]


def _key_of(agent: AgentConfig) -> str:
    """The variable that holds the agent's key; "" where none is sent."""
    if agent.api_key_env:
        return agent.api_key_env
    traits = plugins.traits_or_usual(agent.provider)
    return traits.key_variables[0] if traits.key_variables and not (agent.base_url or traits.own_server) else ""


def _cheapest(agents: Sequence[AgentConfig], standings: Sequence[Standing]) -> str:
    usd = {one.agent: one.these.usd.mean for one in standings if one.these.usd is not None}
    return min(agents, key=lambda agent: usd.get(agent.name, float("inf"))).name


FORMS: Mapping[str, Export] = {
    each.__name__.rstrip("_").replace("_", "-"): each for each in (claude_code, litellm, claude_code_router, json_)
}
"""What a decision can be exported as."""
