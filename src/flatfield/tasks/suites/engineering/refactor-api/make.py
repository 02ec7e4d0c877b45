"""A package of eight modules that use one function in six ways."""

import json

from shared import COMPANIES, TOWNS, WORDS, copy, draw, fill_tree, only, write

VERBS = ["get", "load", "take", "pull", "grab"]
NEW_VERBS = ["parse", "read", "decode"]
THINGS = ["lines", "rows", "items", "entries", "shipments", "parcels"]


def build(seed, folder):
    rng = draw(seed, "refactor-api")
    old_thing, new_thing = rng.sample(THINGS, 2)
    old = f"{rng.choice(VERBS)}_{old_thing}"
    kinds = rng.sample(WORDS, 3)
    towns = rng.sample(TOWNS, 3)
    values = {
        "package": rng.choice(WORDS) + "freight",
        "company": rng.choice(COMPANIES),
        "old": old,
        "command": old.replace("_", "-"),
        "new": f"{rng.choice(NEW_VERBS)}_{new_thing}",
        "param_old": rng.choice(["kind", "sort", "typ"]),
        "param_new": rng.choice(["category", "cargo", "label"]),
        "kind_a": kinds[0],
        "kind_b": kinds[1],
        "kind_c": kinds[2],
        "town_a": towns[0],
        "town_b": towns[1],
        "town_c": towns[2],
        "weight_a": rng.randint(10, 90),
        "weight_b": rng.randint(10, 90),
        "weight_c": rng.randint(10, 90),
        "weight_d": rng.randint(10, 90),
    }
    fill_tree(folder, values)
    workspace, package = folder / "workspace", values["package"]
    write(folder / "solution", _solved(workspace, values))
    tests = sorted(path.name for path in (workspace / "tests").iterdir())
    copy(workspace / "tests", folder / "hidden")
    names = {"package": package, "old": old, "new": values["new"], "command": values["command"], "tests": [f"tests/{name}" for name in tests]}
    write(folder, {"names.json": json.dumps(names)})
    return only(values, "package", "old", "new", "command", "param_old", "param_new")


def _solved(workspace, v):
    legacy = (workspace / v["package"] / "legacy.py").read_text()
    start, end = legacy.index(f"def {v['old']}"), legacy.index("def stamp")
    function = legacy[start:end].rstrip() + "\n"
    head = '"""Records as they stand in files."""\n\n\n'
    files = {
        f"{v['package']}/records.py": head + _renamed(function, v),
        f"{v['package']}/legacy.py": legacy[:start] + legacy[end:],
        "README.md": _renamed((workspace / "README.md").read_text(), v),
    }
    for path in sorted((workspace / v["package"]).glob("*.py")):
        text = path.read_text()
        if path.name != "legacy.py" and v["old"] in text:
            files[f"{v['package']}/{path.name}"] = _renamed(text, v)
    return files


def _renamed(text, v):
    for old, new in (
        (f"from {v['package']} import legacy", f"from {v['package']} import records"),
        (f"import {v['package']}.legacy as ", f"import {v['package']}.records as "),
        (f"from {v['package']}.legacy import {v['old']}", f"from {v['package']}.records import {v['new']}"),
        ("legacy.", "records."),
        (v["old"], v["new"]),
        (f"{v['param_old']}=", f"{v['param_new']}="),
        (f"{v['param_old']})", f"{v['param_new']})"),
        (f"if {v['param_old']} in", f"if {v['param_new']} in"),
    ):
        text = text.replace(old, new)
    return text
