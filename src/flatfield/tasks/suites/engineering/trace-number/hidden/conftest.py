"""Nothing counts until the figure of the report is right."""

from pathlib import Path

import pytest
from pipeline.report import by_town
from pipeline.run import orders


@pytest.fixture(autouse=True)
def the_report_is_right():
    assert by_town(orders(Path("data")))["{{town}}"] == {{correct}}
