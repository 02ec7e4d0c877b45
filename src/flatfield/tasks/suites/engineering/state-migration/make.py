"""A document store whose collections and fields have other names each time."""

from shared import COMPANIES, WORDS, draw, fill_tree, only


def build(seed, folder):
    rng = draw(seed, "state-migration")
    team, teams = rng.choice([("crew", "crews"), ("guild", "guilds"), ("squad", "squads"), ("shift", "shifts")])
    people = rng.choice(["members", "people", "staff", "volunteers"])
    values = {
        "package": rng.choice(WORDS) + "board",
        "company": rng.choice(COMPANIES),
        "people": people,
        "tasks": rng.choice(["chores", "jobs", "tasks", "tickets"]),
        "owner": rng.choice(["assignee", "keeper", "owner", "responsible"]),
        "team": team,
        "teams": teams,
        "prefix": team[0],
        "first": rng.choice(["first", "given"]),
        "last": rng.choice(["family", "last"]),
        "orphans": rng.choice(["lost", "orphans", "unowned"]),
    }
    fill_tree(folder, values)
    return only(values, "package", "team", "teams", "tasks", "owner", "orphans")
