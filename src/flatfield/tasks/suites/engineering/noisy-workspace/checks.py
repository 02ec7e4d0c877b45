"""The one rate in the one table, and no other file but the module with the limit."""

import json
import tomllib
from pathlib import Path

from checking import changed, others


def _expected():
    return json.loads((Path(__file__).parent / "expected.json").read_text())


def rate(trial, files):
    want = _expected()
    try:
        found = tomllib.loads(files.read_text(want["tariff"]))
    except tomllib.TOMLDecodeError as error:
        return 0.0, f"{want['tariff']} is not TOML: {error}"
    if json.dumps(found, sort_keys=True, default=str) == json.dumps(want["rates"], sort_keys=True):  # 450.0 is no 450
        return 1.0, "the rate is right"
    return 0.0, f"{want['tariff']} does not hold the right rate and the others as they were"


def nothing_else(trial, files):
    want = _expected()
    meant = [want["tariff"], want["module"]]
    if not set(changed(trial)) & set(meant):
        return 0.0, "neither of the two files was changed"
    extra = others(trial, *meant)
    return (0.0, f"{', '.join(extra[:5])} changed as well") if extra else (1.0, "no other file was changed")
