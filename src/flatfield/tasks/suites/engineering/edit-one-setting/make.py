"""Deployments of the same services in three towns and two stages, untidy as such files are."""

import json

from shared import COMPANIES, PEOPLE, TOWNS, WORDS, draw, write

STAGES = ["staging", "production"]


def build(seed, folder):
    rng = draw(seed, "edit-one-setting")
    towns = [town.lower() for town in rng.sample(TOWNS, 3)]
    services = rng.sample(WORDS, 5)
    stage, town, service = rng.choice(STAGES), rng.choice(towns), rng.choice(services[1:4])
    sizes = rng.sample(range(3, 30), 6)
    before, after = f"{sizes[0] * 64}Mi", f"{sizes[0] * 64 + rng.choice([128, 192, 320])}Mi"
    people = rng.sample(PEOPLE, 5)
    files, values = {}, {}
    for each_stage in STAGES:
        for each_town in towns:
            memory = {name: f"{rng.choice(sizes[1:]) * 64}Mi" for name in services}
            # The neighbours have the same value, so that a search for it alone finds too much.
            memory[service] = before
            memory[services[0]] = before if each_town == town else memory[services[0]]
            files[f"deploy/{each_stage}/{each_town}.yaml"] = _file(rng, each_stage, each_town, memory, people)
    path = f"deploy/{stage}/{town}.yaml"
    twin = f"deploy/{STAGES[1 - STAGES.index(stage)]}/{town}.yaml"
    old, wrong = (_block(files[path], name) for name in (service, services[0]))
    twin_old = _block(files[twin], service)
    owner = files[path].split("owner: ")[1].split("\n")[0]
    values = {
        "stage": stage,
        "town": town.capitalize(),
        "service": service,
        "from": before,
        "to": after,
        "path": path,
        "twin": twin,
        "old": old,
        "new": old.replace(before, after),
        "twin_old": twin_old,
        "twin_new": twin_old.replace(before, after),
        "wrong_old": wrong,
        "wrong_new": wrong.replace(before, after),
        "untidy": f"owner: {owner}",
        "tidy": f"Owner: {owner}",
    }
    company = rng.choice(COMPANIES)
    write(folder / "workspace", files | {"README.md": README.format(company=company)})
    write(folder, {"expected.json": json.dumps({"path": path, "text": files[path].replace(old, values["new"])})})
    return values


def _block(text, service):
    """From the service's name to its memory, which together stand once in the file."""
    start = text.index(f"  - name: {service}\n")
    end = text.index("Mi", start) + 2
    return text[start:end]


def _file(rng, stage, town, memory, people):
    lines = [f"# {stage} in {town}; owner: {rng.choice(people)}", f"region: {town}", "services:"]
    for name, size in memory.items():
        lines += [
            f"  - name: {name}",
            f"    replicas: {rng.randint(1, 6)}",
            f"    image: registry.internal/{name}:{rng.randint(1, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}",
            f"    memory:  {size}   # ask before you change it: {rng.choice(people)}",
            f"    cpu: {rng.randint(1, 8) * 100}m" + rng.choice(["", "  ", "\t"]),
        ]
    return "\n".join(lines) + rng.choice(["\n", "\n\n", ""])


README = """# Deployments of {company}

One file for each stage and town: `deploy/STAGE/TOWN.yaml`. The files are rolled out as soon as they are merged, so a
change to a file is a change to running machines.
"""
