"""A parcel service's workspace of many years: two apps, several tables, and copies of all of them."""

import json
import tomllib

from shared import COMPANIES, TOWNS, WORDS, draw, fill_tree, only, write

COUNTRIES = "austria belgium croatia denmark estonia finland greece hungary ireland latvia norway poland".split()
TOPICS = "customs labels scales drivers depots holidays insurance returns invoices passwords printers routes".split()


def build(seed, folder):
    rng = draw(seed, "noisy-workspace")
    live, kiosk, idle = rng.sample(["bulk", "bulky", "bulk_rules", "girth", "sizes", "oversize"], 3)
    year = 2031
    table, older, draft = (f"{year}-{letter}" for letter in rng.sample("abcdef", 3))
    country, neighbour = rng.sample(COUNTRIES, 2)
    wrong, limit, fee = rng.randint(300, 900), rng.randint(16, 30) * 10, rng.randint(8, 40) * 50
    rates = {name: rng.randint(200, 990) for name in COUNTRIES} | {country: wrong}
    right = wrong + rng.choice([-60, -35, 25, 45, 80])
    company = rng.choice(COMPANIES)
    tree = _tree(company, live, kiosk, idle, limit, fee)
    tariff = f"tariffs/{table}/abroad.toml"
    tree |= {
        "service.toml": f'# What is deployed. Nothing else in this workspace is.\n[counter]\nentry = "apps.counter.main"\ntariff = "{table}"\n\n'
        f'[kiosk]\nentry = "apps.kiosk.main"\ntariff = "{older}"\n',
        tariff: _toml(rates),
        f"tariffs/{table}/home.toml": _toml({"letter": 90, "parcel": rng.randint(300, 600)}),
        f"tariffs/{older}/abroad.toml": _toml(rates),
        f"tariffs/{draft}/abroad.toml": _toml(rates | {country: right}),
        f"tariffs/{table}/abroad-draft.toml": _toml(rates | {neighbour: 1}),
        f"tariffs/{table}/abroad.toml.orig": _toml(rates),
    }
    noise = {}
    for copy_of in ("archive/2029", "archive/2030", "backup/before-move", "old/counter-v1"):
        shift = rng.randint(1, 9)
        for path, text in tree.items():
            if not path.startswith("docs/"):
                noise[f"{copy_of}/{path}"] = text.replace(str(fee), str(fee + shift))
    noise |= {f"docs/{at:02d}-{topic}.md": _note(rng, topic) for at, topic in enumerate(TOPICS)}
    noise |= {f"vendor/{name}/{part}.py": f'"""{name}: {part}, vendored."""\n\n\ndef {part}(girth, limit):\n    return girth >= limit\n'
              for name in rng.sample(WORDS, 7) for part in ("limits", "sizes", "tariffs")}  # fmt: skip
    noise |= {f"depots/{town.lower()}.toml": f'name = "{town}"\ngates = {rng.randint(1, 9)}\n' for town in rng.sample(TOWNS, 14)}
    write(folder / "workspace", noise | tree)
    expected = {"tariff": tariff, "module": f"core/{live}.py", "rates": tomllib.loads(_toml(rates | {country: right}))}
    write(folder, {"expected.json": json.dumps(expected)})
    values = {
        "country": country,
        "neighbour": neighbour,
        "neighbour_rate": rates[neighbour],
        "wrong": wrong,
        "right": right,
        "limit": limit,
        "fee": fee,
        "tariff": tariff,
        "old_tariff": f"tariffs/{older}/abroad.toml",
        "module": f"core/{live}.py",
        "kiosk": f"core/{kiosk}.py",
    }
    fill_tree(folder, values)
    return only(values, "country", "neighbour", "wrong", "right", "tariff", "old_tariff", "module", "kiosk")


def _tree(company, live, kiosk, idle, limit, fee):
    files = {f"core/{name}.py": _rule(name, limit, fee) for name in (live, kiosk, idle)}
    files |= {f"core/{live}.py.bak": _rule(live, limit, fee), f"core/{live}_new.py": _rule(live, limit + 10, fee)}
    files |= {f"apps/{app}/main.py": _app(app, module) for app, module in (("counter", live), ("kiosk", kiosk))}
    files |= {f"apps/{app}/__init__.py": "" for app in ("counter", "kiosk")}
    return files | {
        "apps/__init__.py": "",
        "core/__init__.py": "",
        "core/tariffs.py": TARIFFS,
        "README.md": f"# Quotes of {company}\n\nservice.toml says what is deployed. `core/` is shared by the apps; tariffs lie in `tariffs/`.\n",
    }


def _rule(name, limit, fee):
    return (
        f'"""Bulky parcels ({name})."""\n\nLIMIT_CM = {limit}\nFEE_CENTS = {fee}\n\n\n'
        'def surcharge(girth, limit=LIMIT_CM):\n    """What a bulky parcel costs more, in cents."""\n'
        "    return FEE_CENTS if girth >= limit else 0\n"
    )


def _app(app, module):
    return (
        f'"""The {app}."""\n\nfrom core.{module} import surcharge\nfrom core.tariffs import rates\n\n\n'
        "def quote(country, kilos, girth):\n"
        f'    """Cents for a parcel."""\n    return kilos * rates("{app}")[country] + surcharge(girth)\n'
    )


def _toml(values):
    return "".join(f"{name} = {value}\n" for name, value in values.items())


def _note(rng, topic):
    return f"# {topic.capitalize()}\n\nAsk at desk {rng.randint(1, 40)}. Last looked at in {rng.randint(2024, 2030)}.\n"


TARIFFS = '''"""The rates of an app."""

import tomllib
from pathlib import Path


def rates(app):
    """Cents a kilo by country, from the tariff that service.toml names for the app."""
    tariff = tomllib.loads(Path("service.toml").read_text())[app]["tariff"]
    return tomllib.loads(Path("tariffs", tariff, "abroad.toml").read_text())
'''
