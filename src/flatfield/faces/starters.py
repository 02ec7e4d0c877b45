"""The texts of files to begin with: a task, an evaluation, a configuration, an agent, a verifier, a vendor."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from flatfield.errors import FlatfieldError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.faces.found import Here
    from flatfield.records import AgentConfig

_NAME = re.compile(r"[^\W_][\w.-]*")
_MODULE = re.compile(r"[a-z][a-z0-9-]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEAD = """# What flatfield finds in this folder and below it. All keys, in an editor that reads TOML with schemas:
# flatfield schema config > flatfield.schema.json, and here as the first line: #:schema ./flatfield.schema.json
"""


def checked_name(name: str, kind: str) -> str:
    """A name that a file and an id can have.

    Raises:
        FlatfieldError: it is none.
    """
    pattern, wanted = (
        (_MODULE, "small letters, digits and `-`, and begins with a letter")
        if kind in _PACKAGED
        else (_NAME, "letters, digits, `.`, `_` and `-`, and begins with a letter or digit")
    )
    if not pattern.fullmatch(name):
        raise FlatfieldError(f"{name!r} is no name for {'an' if kind == 'agent' else 'a'} {kind}: it has {wanted}")
    return name


_PACKAGED = frozenset({"verifier", "vendor"})


def task_file(name: str) -> str:
    """A LOP that holds: it can be passed, and not without doing the work."""
    return f"""---
id: {_yaml(name)}
title: "Add up the orders"
# What the agent finds: small files stand here, a folder beside this file is named with `workspace: FOLDER`.
files:
  orders.csv: |
    customer,amount
    ada,12
    bo,30
    ada,8
# How its work is checked. Others: file (exists, equals, matches), command (in the sandbox, such as
# `command: {{run: "python -m pytest -q", hidden: tests}}`), python (a function beside this file).
verify:
  - file: {{path: totals.json, json: {{ada: 20, bo: 30}}}}
# How it is done: `flatfield tasks check` plays this, and what does no work, to prove the checks.
solution:
  - write_file: {{file_path: totals.json, content: '{{"ada": 20, "bo": 30}}'}}
---

# Add up the orders

## Variables

PROMPT: "orders.csv lists orders. Write totals.json: one JSON object with the total amount of each customer."
"""


def hop_file(name: str, agents: Sequence[str], unpriced: Sequence[str] = ()) -> str:
    """A HOP that compares these agents; what the `unpriced` ones cost nobody knows, so no budget is kept for them."""
    listed = "\n".join(f"  - {_yaml(agent)}" for agent in agents)
    budget = "budget_usd: 1.00\n" if set(agents) - set(unpriced) else ""
    if budget and unpriced:
        budget += f"budget_ignores: [{', '.join(map(_yaml, unpriced))}]\n"
    return f"""---
title: {_yaml(f"Which agent for {name}?")}
# Names of flatfield.toml, globs of them, or PROVIDER:MODEL[@URL]; flatfield agents lists what there is.
agents:
{listed}
repeats: 3
{budget}weights: {{performance: 0.5, speed: 0.25, cost: 0.25}}
---

# Which agent for {name}?

Do the task with each agent, and report what they did.

Read and execute: $ARGUMENTS
"""


def config_file(here: Here) -> str:
    """A flatfield.toml with an agent for each model that was found on this machine."""
    parts = [_HEAD]
    if here.keys:
        known = f": {', '.join(here.known)}" if here.known else ""
        parts.append(f"# Set here: {', '.join(here.keys)}. Agents that need no entry{known}\n")
    parts += [agent_table(agent.name, agent) for agent in here.own]
    if not here.own:
        parts.append(
            "# No model server answered on this machine, and no model is pulled. One of your own looks like this:\n"
            '# [agents.my-model]\n# provider = "openai-chat"\n# model = "NAME"\n# base_url = "http://127.0.0.1:8080/v1"\n'
        )
    parts.append(
        "# What matters when: flatfield pick --for overnight\n"
        "[profiles.overnight]\nweights = {performance = 0.7, speed = 0.0, cost = 0.3}\n"
    )
    return "\n".join(parts)


_OF_THE_MODEL = ("base_url", "api_key_env", "headers", "protocol", "context_tokens", "on_device", "usd_per_hour")
"""What belongs to a model's server and not to what one makes of the model."""


def agent_table(name: str, agent: AgentConfig) -> str:
    """One agent's table of a flatfield.toml: its model, and how that is asked."""
    key = name if _BARE.fullmatch(name) else _toml(name)
    lines = [f"[agents.{key}]", f"provider = {_toml(agent.provider)}", f"model = {_toml(agent.model)}"]
    lines += [
        f"{field} = {_toml(value)}" for field in _OF_THE_MODEL if (value := getattr(agent, field)) not in (None, {})
    ]
    return "\n".join(lines) + "\n"


def specialised(name: str, agent: AgentConfig, here: Here, wanted: str) -> str:
    """An agent's table, with what one specialises it by; `wanted`: how its model was named, of what was found here."""
    others = [f"#   {spec}  ({here.why.get(spec, 'found here')})" for spec in here.specs() if spec != wanted]
    found = f"# Its model: {wanted} ({here.why[wanted]})\n" if wanted in here.why else ""
    found += "\n".join(("# Others that were found here:", *others, "")) if others else ""
    return (
        found
        + agent_table(name, agent)
        + 'system_prompt = """\n'
        + "You are a careful engineer. Look at the files before you change them, change as little as the task needs,\n"
        + 'and read what you wrote before you answer.\n"""\n'
        + '# tools = ["read_file", "edit_file"]      what it may use, in the place of the task\'s tools\n'
        + "# temperature = 0.2                       else the vendor's own\n"
        + '# reasoning_effort = "low"                low, medium, high: where the model thinks\n'
        + "# max_output_tokens = 8000                the most of one reply\n"
        + "# Whether the prompt helps: flatfield vary "
        + f"{name} suite:basic --over system_prompt=default --repeats 3\n"
    )


def verifier_package(name: str) -> dict[str, str]:
    """A package that adds a verifier, and a LOP that uses it."""
    module = f"flatfield_{name.replace('-', '_')}"
    return {
        "pyproject.toml": _project(name, module, "verifiers", f"The verifier {name} for flatfield"),
        f"{module}.py": f'''"""`{name}`: the answer has at most so many words."""

from msgspec import Struct


class Options(Struct):
    """What stands below its name in a LOP."""

    at_most: int


def verify(trial, files, options):
    """The score, 0 to 1 or true and false, and the reason; a score of None is "not measured"."""
    found = len(trial.answer.split())
    return 1 <= found <= options.at_most, f"{{found}} words, at most {{options.at_most}}"
''',
        "example.md": f"""---
id: {_yaml(f"{name}-example")}
verify:
  - {name}: {{at_most: 3}}
  - answer: {{contains: "Paris"}}
solution:
  - answer: "Paris"
---

# The capital of France

## Variables

PROMPT: "What is the capital of France? Answer in three words at most."
""",
    }


_VENDOR = '''"""`NAME`: a vendor whose servers speak chat completions; what is its own stands here."""

from flatfield.records import Traits
from flatfield.vendors import base

TRAITS = Traits(
    name="NAME",
    url="https://api.NAME.example/v1",
    key_variables=("VARIABLE",),
    key_headers=("authorization",),
    maker="NAME",
)
"""All that others need to know of it; `records.Traits` tells what else there is to say."""


def create(services):
    """The provider, for one run."""
    from flatfield.vendors.openai_chat.conversation import open_chat
    from flatfield.vendors.openai_chat.traits import Endpoint, catalogue

    async def open_talk(opening, address):
        return open_chat(opening, services, Endpoint(address=address))

    return base.ApiProvider(services, TRAITS, endpoint_of=endpoint_of, catalogue=catalogue(), open_talk=open_talk)


def endpoint_of(agent, environ):
    """Where an agent's requests go, and the headers with the key."""
    headers = base.own_headers(agent, environ)
    headers["Authorization"] = f"Bearer {base.api_key(agent, environ, TRAITS)}"
    return base.Address(base_url=base.base_url(agent, environ, TRAITS), headers=headers)
'''
_VENDORS_AGENT = """# To try it: an agent at the address of the traits, until base_url says another.
[agents.NAME-first]
provider = "NAME"
model = "MODEL"
"""


def vendor_package(name: str) -> dict[str, str]:
    """A package that adds a vendor whose servers speak chat completions."""
    module, variable = f"flatfield_{name.replace('-', '_')}", f"{name.replace('-', '_').upper()}_API_KEY"
    return {
        "pyproject.toml": _project(name, module, "providers", f"The vendor {name} for flatfield"),
        f"{module}.py": _VENDOR.replace("NAME", name).replace("VARIABLE", variable),
        "flatfield.toml": _VENDORS_AGENT.replace("NAME", name),
    }


def _project(name: str, module: str, group: str, about: str) -> str:
    return f"""[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "flatfield-{name}"
version = "0.1.0"
description = "{about}"
requires-python = ">=3.11"
dependencies = ["flatfield"]

[project.entry-points."flatfield.{group}"]
{name} = "{module}"

[tool.setuptools]
py-modules = ["{module}"]
"""


def _yaml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_toml(key)} = {_toml(each)}' for key, each in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)
