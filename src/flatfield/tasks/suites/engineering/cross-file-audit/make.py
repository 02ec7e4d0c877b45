"""A repository of sixty files, in which each rule of a policy is kept in several ways and broken in some."""

import json

from shared import COMPANIES, WORDS, draw, write
from snippets import ALLOWED, BROKEN, FILLING, TEST_ONLY

RULES = ["T1", "T2", "T3", "T4", "T5", "T6"]
PARTS = ["billing", "catalog", "delivery", "identity", "returns", "search"]
IMPORTS = ["from datetime import datetime, timezone", "from decimal import Decimal", "from privacy import mask"]
MODULES = ["api", "cache", "client", "feed", "importer", "jobs", "limits", "models", "queue", "report", "rules", "sync", "totals", "views"]


def build(seed, folder):
    rng = draw(seed, "cross-file-audit")
    words = list(WORDS)
    rng.shuffle(words)
    paths = _paths(rng)
    planned = {path: [] for path in paths}
    own = [path for path in paths if path.startswith("services/")]
    vendor = [path for path in paths if path.startswith("third_party/")]
    tests = [path for path in paths if path.startswith("tests/")]
    for rule in RULES:
        broken = list(BROKEN[rule])
        for at in range(rng.choice([2, 3])):
            planned[rng.choice(own)].append((rule, "broken", broken[at % len(broken)]))
        for text in ALLOWED[rule]:
            planned[rng.choice(own)].append((rule, "allowed", text))
            planned[rng.choice(own)].append((rule, "allowed", text))
        # No rule holds for code that is not ours, and some do not hold for tests.
        planned[rng.choice(vendor)].append((rule, "vendor", rng.choice(broken)))
        if rule in TEST_ONLY:
            planned[rng.choice(tests)].append((rule, "tests", rng.choice(broken)))
        else:
            planned[rng.choice(tests)].append((rule, "broken", rng.choice(broken)))
        exempt = rng.choice(broken)
        planned[rng.choice(own)].append((rule, "exempt", _exempted(exempt, f"  # allow {rule}: {rng.choice(words)}-{rng.randint(10, 99)}")))
    wrong = rng.sample(RULES, 2)
    for rule, text in zip(wrong, (f"  # allow {rng.choice([r for r in RULES if r != wrong[0]])}: {rng.choice(words)}-7", f"  # allow {wrong[1]}:"), strict=True):
        planned[rng.choice(own)].append((rule, "broken", _exempted(BROKEN[rule][0], text)))
    files, places = {}, []
    for path in paths:
        text, marked = _module(rng, path, planned[path], words)
        files[path] = text
        places += marked
    company = rng.choice(COMPANIES)
    readme = f"# {company}\n\nSix services, their tests, and third_party/, which we copy in as it is. POLICY.md holds for all that is ours.\n"
    write(folder / "workspace", files | {"POLICY.md": POLICY, "README.md": readme})
    right = [place for place, sort in places if sort == "broken"]
    write(folder, {"expected.json": json.dumps(right)})
    return {"company": company, "audit": _audit(right), **_wrong(right, places)}


def _wrong(right, places):
    def sort(name):
        return [place for place, each in places if each == name]

    first = {rule: next(place for place in right if place["rule"] == rule) for rule in RULES}
    off = [place | {"line": place["line"] + 1} for place in right]
    other = [place | {"rule": "T1" if place["rule"] == "T2" else place["rule"]} for place in right]
    return {
        **{f"without_{rule}": _audit([place for place in right if place != first[rule]]) for rule in RULES},
        "twice": _audit([*right, right[0]]),
        "stray": _audit([*right, right[0] | {"rule": "T7"}]),
        "with_exempt": _audit(right + sort("exempt")[:1]),
        "with_tests": _audit(right + sort("tests")[:1]),
        "with_all": _audit([place for place, _ in places]),
        "lines_off": _audit(off),
        "wrong_rule": _audit(other),
    }


def _audit(places):
    return json.dumps({"violations": places}, indent=1)


def _paths(rng):
    paths = []
    for part in PARTS:
        modules = rng.sample(MODULES, 7)
        paths += [f"services/{part}/{name}.py" for name in sorted(modules)]
        paths.append(f"tests/test_{part}_{modules[0]}.py")
        paths.append(f"tests/test_{part}_{modules[1]}.py")
    return paths + [f"third_party/{name}.py" for name in ("backoff", "rows", "wire", "zones")]


def _exempted(text, comment):
    """The comment behind the line that counts."""
    lines = text.split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("!"))
    lines[at] += comment
    return "\n".join(lines)


def _module(rng, path, planned, words):
    """The text of a module, and ((rule, path, line), sort) of everything planned in it."""
    pieces = [*planned, *((None, None, text) for text in rng.sample(FILLING, rng.randint(2, 4)))]
    rng.shuffle(pieces)
    name = path.rpartition("/")[2].removesuffix(".py").replace("_", " ")
    lines, marked = [f'"""{name.capitalize()}."""', "", "import log, net, store", *IMPORTS, ""], []
    for at, (rule, sort, text) in enumerate(pieces):
        lines += ["", ""][: 2 if lines[-1] else 1]
        test = "test_" if path.startswith("tests/") else ""
        lines.append(f"def {test}{rng.choice(words)}_{rng.choice(words)}_{at}(row, url, db):")
        for line in text.split("\n"):
            if line.startswith("!") and rule:
                marked.append(({"rule": rule, "path": path, "line": len(lines) + 1}, sort))
            lines.append(f"    {line.removeprefix('!')}".rstrip())
    return "\n".join(lines) + "\n", marked


POLICY = """# Policy for our code

It holds for all Python files in services/ and tests/. third_party/ is not ours, and is not held to it.

- **T1** Every call of `net.get`, `net.post` and `net.put` names its time limit: the argument `timeout=`, with a value other than None.
  Calls of other functions, such as `store.get`, need none. In tests/ this rule does not hold.
- **T2** No clock without a time zone: `datetime.now()` gets a time zone, by position or as `tz=`, and `datetime.utcnow()` is not used at all. It holds
  in tests/ too.
- **T3** No error is swallowed: the block of an `except Exception` or of a bare `except:` holds a `raise` or a call of `log.exception`.
  Handlers of any other, narrower class are free. It holds in tests/ too.
- **T4** No query is put together from values: the first argument of `db.execute` and `db.query` is neither an f-string with a
  value in braces, nor made with `+`, `%` or `.format`. Plain strings, also several in a row, and names are fine. In tests/ this rule does not hold.
- **T5** No person in the log: what is given to a function of `log` does not hold `row.email`, `row.name` or `row.phone`, in whatever form, unless
  it goes through `mask(...)`. It holds in tests/ too.
- **T6** No amount as a float: `float(...)` is not called with anything named `amount`, `price` or `total` (as a name or as an attribute). `Decimal(...)` and
  `int(...)` are fine, and so is `float` of other things. In tests/ this rule does not hold.

A line is exempt from a rule when it ends with a comment `# allow RULE: REASON`, where RULE is that rule and the reason is not empty.

Comments and the texts of docstrings are no code: what stands in them violates nothing.

The line of a violation is, for T1, T4, T5 and T6, the one on which the call begins (the name of the function, not the bracket behind it nor the
argument); for T2 the one with `datetime.now` or `datetime.utcnow`; for T3 the one with `except`. An exemption stands on the same line.
"""
