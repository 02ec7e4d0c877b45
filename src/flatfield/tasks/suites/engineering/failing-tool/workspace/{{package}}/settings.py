"""conf/settings.toml, and the table of units that it names."""

import csv
import tomllib
from decimal import Decimal
from pathlib import Path

from {{package}}.errors import Problem


def read_settings(path="conf/settings.toml"):
    """`{"units": {unit: grams}}`."""
    tables = tomllib.loads(Path(path).read_text())["tables"]
    units = Path(tables["units"])
    if not units.is_file():
        raise Problem(f"units not found: {units} (named in {path})")
    with units.open() as file:
        return {"units": {row["unit"]: Decimal(row["grams"]) for row in csv.DictReader(file)}}
