import pytest

MUTANTS = ["touching", "surrounding", "empty", "hours", "twice", "numbers", "refused", "last_gap", "window"]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_implementation_is_noticed(name, played):
    assert played(f"mutants/{name}") in (1, 2)
