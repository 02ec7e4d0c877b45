"""What the project of lop_eval_5 must do: placed beside it only when the agent has ended."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def fares() -> ModuleType:
    """The one module that was built, whatever name its model has."""
    found = sorted(Path(__file__).parents[1].glob("fare_*.py"))
    assert len(found) == 1, f"there is not one fare_*.py, but {[path.name for path in found]}"
    spec = importlib.util.spec_from_file_location("fares", found[0])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("stops", "child", "cents"), [(1, False, 350), (3, False, 650), (3, True, 325), (2, True, 250)]
)
def test_a_fare(fares: ModuleType, stops: int, child: bool, cents: int) -> None:
    """Base and stops; half for a child."""
    assert fares.FareTable(200, 150).fare(stops, child=child) == cents


def test_half_is_rounded_down(fares: ModuleType) -> None:
    """Whole cents only."""
    fare = fares.FareTable(100, 1).fare(1, child=True)
    assert fare == 50
    assert isinstance(fare, int)


@pytest.mark.parametrize("stops", [0, -1])
def test_a_trip_has_a_stop(fares: ModuleType, stops: int) -> None:
    """Fewer are refused."""
    with pytest.raises(ValueError):
        fares.FareTable(200, 150).fare(stops)


@pytest.mark.parametrize("cents", [(-1, 0), (0, -1)])
def test_fares_are_not_negative(fares: ModuleType, cents: tuple[int, int]) -> None:
    """Either of them is refused."""
    with pytest.raises(ValueError):
        fares.FareTable(*cents)


def test_totals(fares: ModuleType) -> None:
    """The sum, and nothing for nobody."""
    table = fares.FareTable(200, 150)
    assert table.total([(3, False), (3, True), (1, False)]) == 1325
    assert table.total([]) == 0


@pytest.mark.parametrize(("cents", "text"), [(650, "$6.50"), (5, "$0.05"), (0, "$0.00"), (123456, "$1234.56")])
def test_amounts(fares: ModuleType, cents: int, text: str) -> None:
    """Two digits after the point."""
    assert fares.shown(cents) == text
