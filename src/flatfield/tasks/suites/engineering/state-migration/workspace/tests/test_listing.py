from {{package}}.listing import listing
from {{package}}.store import Store


def test_a_list(tmp_path):
    store = Store(tmp_path)
    store.write("meta", {"version": 1})
    store.write("{{people}}", [{"id": 4, "name": "Moss, Ada", "{{team}}": ""}])
    store.write(
        "{{tasks}}", [{"id": 1, "title": "sweep", "{{owner}}": 4, "status": "open", "tags": ""}]
    )
    assert listing(store) == ["sweep: Moss, Ada"]
