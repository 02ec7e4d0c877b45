"""Brings a store from one version to another, as docs/versions.md says.

The outcome is computed first. It is written as one journal, then carried out from there: whoever finds a journal carries it out again.
"""

JOURNAL = "journal"


class MigrationError(Exception):
    """The store cannot be migrated; nothing was changed."""


def migrate(store, to):
    """Bring a store to version `to`, up or down."""
    if to not in (1, 2, 3):
        raise ValueError(f"there is no version {to}")
    if store.read(JOURNAL) is not None:
        _finish(store)
    state = {name: store.read(name) for name in store.names() if name not in ("meta", JOURNAL)}
    version = store.read("meta")["version"]
    if version == to:
        return
    before = list(state)
    _check(state)
    while version != to:
        step = {(1, 2): _up_2, (2, 3): _up_3, (3, 2): _down_2, (2, 1): _down_1}
        nearer = version + (1 if to > version else -1)
        state = step[version, nearer](state)
        version = nearer
    after = {name: None for name in before} | state
    store.write(JOURNAL, {"version": version, "collections": after})
    _finish(store)


def _finish(store):
    journal = store.read(JOURNAL)
    for name, documents in journal["collections"].items():
        if documents is None:
            store.delete(name)
        else:
            store.write(name, documents)
    store.write("meta", {**store.read("meta"), "version": journal["version"]})
    store.delete(JOURNAL)


def _check(state):
    for name, documents in state.items():
        ids = [document["id"] for document in documents]
        if len(ids) != len(set(ids)):
            raise MigrationError(f"{name} has an id twice")
    for task in state["{{tasks}}"]:
        if "status" in task and task["status"] not in ("open", "done"):
            raise MigrationError(f"there is no status {task['status']}")


def _up_2(state):
    names = sorted({person["{{team}}"] for person in state["{{people}}"] if person["{{team}}"]})
    ids = {name: f"{{prefix}}{at}" for at, name in enumerate(names, 1)}
    people = []
    for person in state["{{people}}"]:
        changed = dict(person)
        name, team = changed.pop("name"), changed.pop("{{team}}")
        last, _, first = name.partition(", ")
        people.append(changed | {"{{last}}": last, "{{first}}": first, "{{team}}_id": ids.get(team)})
    teams = [{"id": id, "name": name} for name, id in ids.items()]
    return state | {"{{people}}": people, "{{teams}}": teams}


def _up_3(state):
    known = {person["id"] for person in state["{{people}}"]} | {None}
    tasks, orphans = [], []
    for task in state["{{tasks}}"]:
        changed = dict(task)
        changed["done"] = changed.pop("status") == "done"
        changed["tags"] = sorted({tag.strip() for tag in task["tags"].split(",") if tag.strip()})
        (tasks if task["{{owner}}"] in known else orphans).append(changed)
    return state | {"{{tasks}}": tasks, "{{orphans}}": orphans}


def _down_2(state):
    tasks = []
    for task in state["{{tasks}}"] + state["{{orphans}}"]:
        changed = dict(task)
        changed["status"] = "done" if changed.pop("done") else "open"
        changed["tags"] = ",".join(task["tags"])
        tasks.append(changed)
    return {name: state[name] for name in state if name != "{{orphans}}"} | {"{{tasks}}": tasks}


def _down_1(state):
    names = {team["id"]: team["name"] for team in state["{{teams}}"]}
    people = []
    for person in state["{{people}}"]:
        changed = dict(person)
        last, first = changed.pop("{{last}}"), changed.pop("{{first}}")
        changed["name"] = f"{last}, {first}" if first else last
        changed["{{team}}"] = names.get(changed.pop("{{team}}_id"), "")
        people.append(changed)
    without = "{{teams}}"
    return {name: state[name] for name in state if name != without} | {"{{people}}": people}
