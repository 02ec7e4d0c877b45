"""Nothing counts until the function is at its new place: its users' tests pass before it is moved."""

import pytest


@pytest.fixture(autouse=True)
def it_is_moved():
    from {{package}}.records import {{new}}

    assert {{new}}("x Y 3\nz Y 4", {{param_new}}="z") == [("Y", 4)]
