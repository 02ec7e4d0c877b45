"""A choir's members and notes, and what twelve instructions make of them."""

import json

from shared import COMPANIES, PEOPLE, TOWNS, WORDS, code, days, draw, write


def build(seed, folder):
    rng = draw(seed, "follow-twelve")
    towns = rng.sample(TOWNS, 5)
    town = towns[0]
    names = [f"{first} {last}" for first, last in zip(rng.sample(PEOPLE, 24), rng.sample(COMPANIES, 24), strict=True)]
    years = [rng.randint(1988, 2024) for _ in names]
    years[1] = years[0]  # two who joined in the same year, in the town that is asked for
    years[rng.randint(8, 23)] = rng.randint(1970, 1986)
    members = [
        {"name": name, "town": town if at < 6 else rng.choice(towns), "year": year, "active": rng.random() < 0.6}
        for at, (name, year) in enumerate(zip(names, years, strict=True))
    ]
    rng.shuffle(members)
    for member in members:
        member["email"] = f"{member['name'].split()[0].lower()}@{rng.choice(WORDS)}.example"
    todos = rng.sample(["the hall", "the piano", "the flyers", "new chairs", "the summer tour", "the archive"], 5)
    dates = [day.isoformat() for day in days(rng, "2030-02-01", 6, (5, 30))]
    todo = "".join(f"[{'x' if at == 1 else ' '}] {text}: {rng.choice(PEOPLE)}\n" for at, text in enumerate(todos))
    log = "".join(f"{day} {rng.choice(['meeting', 'rehearsal', 'concert'])}\n" for day in dates[:-1])
    data = "name;town;year;email;active\n" + "".join(
        f"{m['name']};{m['town']};{m['year']};{m['email']};{'yes' if m['active'] else 'no'}\n" for m in members
    )
    write(folder / "workspace", {"data/members.csv": data, "notes/todo.txt": todo, "notes/log.txt": log})
    here = [m for m in members if m["town"] == town]
    listed = [f"- {m['name']} ({m['year']})" for m in sorted(here, key=lambda m: (-m["year"], m["name"]))]
    heading, signature = f"Choir of {dates[-1][:4]}, {rng.choice(WORDS)} edition", code(rng)
    oldest = min(members, key=lambda m: m["year"])
    expected = {
        "summary": "\n".join([f"# {heading}", "", f"Members: {len(members)}", "", *listed, "", f"-- {signature}"]),
        "oldest": json.dumps({"name": oldest["name"], "since": oldest["year"]}, separators=(",", ":")),
        "towns": "\n".join(sorted({m["town"] for m in members}, reverse=True)),
        "active": "\n".join(["email,name", *(f"{m['email']},{m['name']}" for m in members if m["active"])]),
        "todo": todo.replace(f"[ ] {todos[3]}", f"[x] {todos[3]}"),
        "log": f"{log}{dates[-1]} summary written\n",
        "answer": f"DONE {len(members)}",
    }
    write(folder, {"expected.json": json.dumps(expected)})
    return {
        **{name: expected[name] for name in ("summary", "oldest", "towns", "active", "log")},
        "todo": todos[3],
        "todo_crlf": expected["todo"].replace("\n", "\r\n"),
        "count": len(members),
        "heading": heading,
        "signature": signature,
        "list": "\n".join(listed),
        "list_by_name": "\n".join(sorted(listed)),
        "company": rng.choice(COMPANIES),
        "town": town,
        "date": dates[-1],
    }
