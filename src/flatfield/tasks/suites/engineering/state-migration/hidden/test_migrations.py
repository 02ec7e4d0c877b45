import copy
import random

import pytest
from {{package}}.migrations import MigrationError, migrate
from {{package}}.store import Store

PLAIN = {
    "meta": {"version": 1, "site": "north"},
    "{{people}}": [
        {"id": 1, "name": "Moss, Ada", "{{team}}": "night"},
        {"id": 2, "name": "Vale, Ben, jr.", "{{team}}": ""},
        {"id": 9, "name": "Cher", "{{team}}": "day", "phone": [1, 2]},
        {"id": 5, "name": "Reed,Jo", "{{team}}": "night"},
    ],
    "{{tasks}}": [
        {"id": 1, "title": "sweep", "{{owner}}": 9, "status": "open", "tags": "b, a,,b ", "due": {"day": 3}},
        {"id": 2, "title": "lock", "{{owner}}": None, "status": "done", "tags": ""},
        {"id": 3, "title": "count", "{{owner}}": 77, "status": "done", "tags": "x", "note": "?"},
    ],
}
SECOND = {
    "meta": {"version": 2, "site": "north"},
    "{{people}}": [
        {"id": 1, "{{last}}": "Moss", "{{first}}": "Ada", "{{team}}_id": "{{prefix}}2"},
        {"id": 2, "{{last}}": "Vale", "{{first}}": "Ben, jr.", "{{team}}_id": None},
        {"id": 9, "{{last}}": "Cher", "{{first}}": "", "{{team}}_id": "{{prefix}}1", "phone": [1, 2]},
        {"id": 5, "{{last}}": "Reed,Jo", "{{first}}": "", "{{team}}_id": "{{prefix}}2"},
    ],
    "{{tasks}}": PLAIN["{{tasks}}"],
    "{{teams}}": [{"id": "{{prefix}}1", "name": "day"}, {"id": "{{prefix}}2", "name": "night"}],
}
THIRD = SECOND | {
    "meta": {"version": 3, "site": "north"},
    "{{tasks}}": [
        {"id": 1, "title": "sweep", "{{owner}}": 9, "done": False, "tags": ["a", "b"], "due": {"day": 3}},
        {"id": 2, "title": "lock", "{{owner}}": None, "done": True, "tags": []},
    ],
    "{{orphans}}": [{"id": 3, "title": "count", "{{owner}}": 77, "done": True, "tags": ["x"], "note": "?"}],
}
EMPTY = {"meta": {"version": 1}, "{{people}}": [], "{{tasks}}": []}


class Down(BaseException):
    """The machine goes down."""


class Shaky(Store):
    """Goes down at one operation, before or after it; counts them."""

    def __init__(self, folder, at=None, after=False):
        super().__init__(folder)
        self.at, self.after, self.done = at, after, 0

    def _operation(self, run):
        self.done += 1
        if self.done == self.at and not self.after:
            raise Down
        run()
        if self.done == self.at:
            raise Down

    def write(self, name, value):
        self._operation(lambda: super(Shaky, self).write(name, value))

    def delete(self, name):
        self._operation(lambda: super(Shaky, self).delete(name))


def large(seed):
    numbers = random.Random(seed)
    teams = ["", "alpha", "beta", "Gamma", "delta 2"]
    people = [{"id": n, "name": f"L{n}, F{n}", "{{team}}": numbers.choice(teams), "n": n} for n in numbers.sample(range(200), 40)]
    tasks = [
        {
            "id": n,
            "title": f"t{n}",
            "{{owner}}": numbers.choice([None, *range(200)]),
            "status": numbers.choice(["open", "done"]),
            "tags": ", ".join(numbers.choices(["q", "r", "s", ""], k=3)),
        }
        for n in range(60)
    ]
    return {"meta": {"version": 1}, "{{people}}": people, "{{tasks}}": tasks}


@pytest.fixture
def fresh(tmp_path):
    """Makes the folder of a new store with some content."""
    made = []

    def new(state):
        folder = tmp_path / str(len(made))
        made.append(folder)
        folder.mkdir()
        for name, value in copy.deepcopy(state).items():
            Store(folder).write(name, value)
        return folder

    return new


def content(folder):
    store = Store(folder)
    return {
        name: sorted(value, key=lambda document: str(document["id"])) if isinstance(value, list) else value
        for name in store.names()
        for value in [store.read(name)]
    }


def ordered(state):
    return {
        name: sorted(value, key=lambda document: str(document["id"])) if isinstance(value, list) else value
        for name, value in state.items()
    }


def moved(folder, *versions):
    for version in versions:
        migrate(Store(folder), version)
    return content(folder)


def test_from_1_to_2(fresh):
    assert moved(fresh(PLAIN), 2) == ordered(SECOND)
    assert moved(fresh(EMPTY), 2) == {"meta": {"version": 2}, "{{people}}": [], "{{tasks}}": [], "{{teams}}": []}


def test_up_to_3(fresh):
    assert moved(fresh(SECOND), 3) == ordered(THIRD)
    assert moved(fresh(PLAIN), 3) == ordered(THIRD)
    assert moved(fresh(EMPTY), 3)["{{orphans}}"] == []


def test_what_refers_to_what(fresh):
    state = large(4)
    known = {person["id"] for person in state["{{people}}"]}
    found = moved(fresh(state), 3)
    lost = {task["id"] for task in state["{{tasks}}"] if task["{{owner}}"] not in known | {None}}
    assert {task["id"] for task in found["{{orphans}}"]} == lost
    assert {task["id"] for task in found["{{tasks}}"]} == {task["id"] for task in state["{{tasks}}"]} - lost
    names = {team["id"]: team["name"] for team in found["{{teams}}"]}
    right = {person["id"]: person["{{team}}"] or None for person in state["{{people}}"]}
    assert {person["id"]: names.get(person["{{team}}_id"]) for person in found["{{people}}"]} == right
    assert [names[key] for key in sorted(names)] == ["Gamma", "alpha", "beta", "delta 2"]


def test_from_3_to_2(fresh):
    back = copy.deepcopy(SECOND)
    back["{{tasks}}"][0]["tags"] = "a,b"
    assert moved(fresh(THIRD), 2) == ordered(back)
    changed = copy.deepcopy(THIRD)
    changed["{{tasks}}"].append({"id": 40, "title": "new", "{{owner}}": 500, "done": False, "tags": ["z", "y"]})
    found = {task["id"]: task for task in moved(fresh(changed), 2)["{{tasks}}"]}
    assert found[40] == {"id": 40, "title": "new", "{{owner}}": 500, "status": "open", "tags": "z,y"}
    assert set(found) == {1, 2, 3, 40}


def test_down_to_1(fresh):
    assert moved(fresh(SECOND), 1) == ordered(PLAIN)
    back = copy.deepcopy(PLAIN)
    back["{{tasks}}"][0]["tags"] = "a,b"
    assert moved(fresh(THIRD), 1) == ordered(back)
    changed = copy.deepcopy(SECOND)
    changed["{{people}}"][0]["{{team}}_id"] = "{{prefix}}7"
    assert moved(fresh(changed), 1)["{{people}}"][0] == {"id": 1, "name": "Moss, Ada", "{{team}}": ""}


def test_there_and_back(fresh):
    folder = fresh(large(8))
    up = moved(folder, 3)
    assert moved(folder, 1, 2, 3, 2, 3) == up
    assert moved(folder, 1)["{{people}}"] == ordered(large(8))["{{people}}"]


def interrupted(fresh, state, to, then, right):
    """Goes down at each operation, before and after it, then once more while it is resumed, then is left in peace."""
    whole = Shaky(fresh(state))
    migrate(whole, to)
    assert whole.done
    for at in range(1, whole.done + 1):
        for after in (False, True):
            folder = fresh(state)
            with pytest.raises(Down):
                migrate(Shaky(folder, at, after), to)
            for again in (1, 2, 3):
                try:
                    migrate(Shaky(folder, again, not after), then)
                except Down:
                    continue
            assert moved(folder, then) == right, f"went down at operation {at}"


def test_interrupted_on_the_way_up(fresh):
    for state in (PLAIN, EMPTY):
        interrupted(fresh, state, 3, 3, moved(fresh(state), 3))
    interrupted(fresh, SECOND, 3, 3, ordered(THIRD))


def test_interrupted_on_the_way_down_or_turned_round(fresh):
    interrupted(fresh, THIRD, 1, 1, moved(fresh(THIRD), 1))
    # Whether the first call got far enough to change the tags or not, version 3 is the same.
    interrupted(fresh, PLAIN, 2, 3, ordered(THIRD))
    interrupted(fresh, THIRD, 1, 3, ordered(THIRD))


def test_what_cannot_be_migrated_is_left_as_it_is(fresh):
    twice, status = copy.deepcopy(PLAIN), copy.deepcopy(PLAIN)
    twice["{{people}}"][1]["id"] = 1
    status["{{tasks}}"][2]["status"] = "late"
    orphan = copy.deepcopy(THIRD)
    orphan["{{orphans}}"].append(dict(orphan["{{orphans}}"][0]))
    second = copy.deepcopy(SECOND)
    second["{{tasks}}"] = status["{{tasks}}"]
    for state, to in [(twice, 3), (twice, 2), (status, 3), (status, 2), (second, 1), (second, 3), (orphan, 1)]:
        folder = fresh(state)
        with pytest.raises(MigrationError):
            migrate(Store(folder), to)
        assert content(folder) == ordered(state)


def test_nothing_to_do(fresh):
    for state in (PLAIN, SECOND, THIRD):
        store = Shaky(fresh(state))
        migrate(store, state["meta"]["version"])
        assert store.done == 0
        for version in (0, 4, "2", None):
            with pytest.raises(ValueError):
                migrate(store, version)
