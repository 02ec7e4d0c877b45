"""pyproject.toml asks for version 3; the library and the tests are as they were."""

import json
import re
import tomllib
from pathlib import Path

from checking import changed

MEANS = {
    ">=": lambda version, bound: version >= bound,
    ">": lambda version, bound: version > bound,
    "<=": lambda version, bound: version <= bound,
    "<": lambda version, bound: version < bound,
    "!=": lambda version, bound: version != bound,
}


def adopted(trial, files):
    library = json.loads((Path(__file__).parent / "names.json").read_text())["library"]
    touched = changed(trial)
    if not any(path.endswith(".py") and not path.startswith(("tests/", f"{library}/")) for path in touched):
        return 0.0, "no module was changed"
    problems = [f"{path} was changed" for path in touched if path.startswith(("tests/", f"{library}/"))]
    try:
        listed = tomllib.loads(files.read_text("pyproject.toml"))["project"]["dependencies"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        return 0.0, f"pyproject.toml has no dependencies that can be read: {error}"
    asked = [text.strip()[len(library) :] for text in listed if re.match(rf"{library}\b", text.strip())]
    allowed = [version for version in ("2.4.1", "3.0.0", "3.7.2", "4.0.0") if _allows(asked, version)]
    if allowed != ["3.0.0", "3.7.2"]:
        problems.append(f"pyproject.toml allows {', '.join(allowed) or 'no version'} of {library}")
    return max(0.0, 1 - 0.5 * len(problems)), "; ".join(problems) or "version 3 is required, nothing else was touched"


def _allows(asked, version):
    clauses = [part.strip(" ()") for text in asked for part in text.split(";")[0].split(",")]
    return bool(clauses) and all(_holds(clause, version) for clause in clauses if clause)


def _holds(clause, version):
    match = re.fullmatch(r"(~=|===?|>=|<=|!=|>|<)\s*([\d.]+?)(\.\*)?", clause)
    if not match:
        return False
    numbers, bound = _numbers(version), _numbers(match[2])
    length = match[2].count(".") + 1
    if match[1] == "~=":
        return numbers >= bound and numbers[: length - 1] == bound[: length - 1]
    if match[1].startswith("=="):
        return numbers[:length] == bound[:length] if match[3] else numbers == bound
    return MEANS[match[1]](numbers, bound)


def _numbers(text):
    parts = [int(part) for part in text.strip(".").split(".")]
    return tuple([*parts, 0, 0, 0][:3])
