"""`python -m pipeline`."""

from pathlib import Path

from pipeline.report import by_town
from pipeline.run import orders

for town, cents in by_town(orders(Path("data"))).items():
    print(town, cents)
