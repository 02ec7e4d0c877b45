"""Nothing counts until a store can be migrated at all."""

import pytest
from {{package}}.migrations import migrate
from {{package}}.store import Store


@pytest.fixture(autouse=True)
def a_store_can_be_migrated(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    store.write("meta", {"version": 1})
    store.write("{{people}}", [{"id": 1, "name": "Moss, Ada", "{{team}}": "day"}])
    store.write("{{tasks}}", [])
    migrate(store, 2)
    assert store.read("meta")["version"] == 2
    assert store.read("{{people}}") == [{"id": 1, "{{last}}": "Moss", "{{first}}": "Ada", "{{team}}_id": "{{prefix}}1"}]
