"""A service's settings in three layers, whose values differ from each other everywhere."""

import json

from shared import COMPANIES, TOWNS, WORDS, draw, write

OTHER_DIGITS = {ord("0") + digit: 0x660 + digit for digit in range(10)}
LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]


def build(seed, folder):
    rng = draw(seed, "read-config")
    service, neighbour, third = rng.sample(WORDS, 3)
    regions = [town.lower() for town in rng.sample(TOWNS, 4)]
    region = regions[1]
    levels = rng.sample(LEVELS, 3)
    workers = rng.sample(range(2, 48), 4)
    milliseconds = [number * 500 for number in rng.sample(range(3, 80), 4)]
    queues = [f"{word}-{rng.randint(1, 9)}" for word in rng.sample(WORDS, 4)]
    base = {"workers": workers[0], "timeout_ms": milliseconds[0], "queue": queues[0], "log_level": levels[0]}
    here = {"workers": workers[1], "timeout_ms": milliseconds[1]}
    override = {"workers": workers[2], "log_level": levels[1]}
    other = {"workers": workers[3], "timeout_ms": milliseconds[2], "queue": queues[1]}
    tables = {
        "config/base.toml": {third: {"workers": 1, "queue": queues[2]}, service: base, neighbour: other},
        f"config/{region}.toml": {neighbour: {"workers": 3}, service: here},
        f"config/override/{region}.toml": {service: override, neighbour: {"log_level": levels[2]}},
        f"config/override/{regions[3]}.toml": {service: {"queue": queues[3], "log_level": levels[2]}},
        f"config/{regions[0]}.toml": {service: other},
        f"config/{regions[2]}.toml": {service: {"log_level": levels[2], "queue": queues[3]}},
        f"config/{regions[3]}.toml": {neighbour: other},
    }
    write(folder / "workspace", {path: _toml(table) for path, table in tables.items()})
    write(folder / "workspace", {"README.md": README.format(company=rng.choice(COMPANIES), region=regions[0])})
    expected = _settings(base | here | override)
    write(folder, {"expected.json": json.dumps(expected)})
    return {
        "service": service,
        "region": region,
        "right": _lines(expected),
        "base_only": _lines(_settings(base)),
        "no_override": _lines(_settings(base | here)),
        "wrong_unit": _lines(expected | {"timeout_seconds": (base | here)["timeout_ms"]}),
        "workers_in_seconds": _lines(expected | {"workers": f"{expected['workers']} seconds"}),
        "other_digits": _lines(expected | {"workers": str(expected["workers"]).translate(OTHER_DIGITS)}),
        "other_region": _lines(_settings(base | other)),
    }


def _settings(table):
    seconds = table["timeout_ms"] / 1000
    return {
        "workers": table["workers"],
        "timeout_seconds": int(seconds) if seconds == int(seconds) else seconds,
        "queue": table["queue"],
        "log_level": table["log_level"],
    }


def _lines(settings):
    return "\n".join(f"{name}: {value}" for name, value in settings.items())


def _toml(tables):
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


README = """# Settings of the {company} services

Each service is a table. The layers are read in this order; a later one replaces single keys of an earlier one, and a
file that is not there is skipped:

1. `config/base.toml`, for all regions
2. `config/REGION.toml`, for instance `config/{region}.toml`
3. `config/override/REGION.toml`, for what was changed in a hurry

`timeout_ms` is in milliseconds. A key that no layer has does not exist.
"""
