"""Lists who does what, in a store of version 1."""


def listing(store):
    """Lines `TITLE: NAME` of what is open."""
    names = {person["id"]: person["name"] for person in store.read("{{people}}")}
    open_ones = [task for task in store.read("{{tasks}}") if task["status"] == "open"]
    return [f"{task['title']}: {names.get(task['{{owner}}'], 'nobody')}" for task in open_ones]
