"""Makes what the pages show and code says: pictures, schemas, records. `python -m bench.docs_parts`.

`make docs` runs it before it builds the site. The pictures come from the examples that ship with flatfield and from the
posterior that grades every run, so nothing is measured here; tests/test_docs_site.py makes all
of it again and compares.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flatfield import plugins, records
from flatfield.faces.pages.charts import GROUNDS, Frame, canvas, scatter, worth_showing
from flatfield.faces.pages.colors import looks
from flatfield.faces.pages.payload import packed
from flatfield.records import RunResult
from flatfield.scoring.certainty.study import certainty, study, study_run
from flatfield.scoring.certainty.values import Observation
from flatfield.scoring.grading import grade
from flatfield.scoring.measures.scales import BANDS
from flatfield.tasks.file_schemas import FORMS, WORDS, schema_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from msgspec import Struct

    from flatfield.faces.pages.charts import Spec

DOCS = Path(__file__).parents[1] / "docs"
PUBLISHED, DESK = "nano-agent-2025-08", "desk-2026-11"
TASKS = (4, 8, 16, 32, 64)
REPEATS = (1, 3)
INK, SECOND = "#0b62ad", "#c2570c"
TINT = GROUNDS[False]


def main() -> int:
    """Write every part whose file is not the same already."""
    for make in (parts, schemas):
        for path, text in make().items():
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
                sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")
    return 0


def parts() -> dict[Path, str]:
    """Each file's text."""
    words = {WORDS: in_json(said_of_keys(DOCS / "files.md")), DOCS / "records.md": records_page()}
    return words | {DOCS / "pictures" / f"{name}.svg": drawn(make()) for name, make in PICTURES.items()}


def schemas() -> dict[Path, str]:
    """The JSON Schemas, which are made of the words, too."""
    return {DOCS / "schemas" / f"{form}.json": in_json(schema_of_file(form)) for form in FORMS}


def in_json(value: object) -> str:
    """As a file."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def drawn(spec: Spec) -> str:
    """The spec as SVG, on one ground with the page's pictures."""
    import vl_convert

    base = canvas(Frame(width=0, height=0))["config"]
    text: str = vl_convert.vegalite_to_svg({"background": TINT["ground"], "padding": 12, "config": base, **spec})
    return f"{text.rstrip()}\n"


@cache
def example(name: str) -> RunResult:
    """An example that ships, graded."""
    found = plugins.load("importer", name).load()
    return RunResult(run=found.run, trials=found.trials, verdicts=(), grading=grade(found.run, found.trials, ()))


# ---------------------------------------------------------------------------- the README's


def both_runs() -> Spec:
    """The scatters of both examples side by side, as each run's page has its own."""
    titles = {
        PUBLISHED: "Nine models, five tasks (published in August 2025)",
        DESK: "Three models on two CPU cores, twelve small tasks",
    }
    shown: list[Spec] = []
    for place, (name, title) in enumerate(titles.items()):
        result = example(name)
        agents = packed(result, looks(result.run.agents)).figures["agents"]
        part = scatter(agents, worth_showing(agents), Frame(width=430, height=290))
        assert part is not None
        part = {key: value for key, value in part.items() if key not in {"config", "background", "params"}}
        rows = {f"{key}{place}": found for key, found in part.pop("datasets").items()}
        for layer in part["layer"]:
            layer["data"] = {"values": rows[f"{layer['data']['name']}{place}"]}
        shown.append({**part, "title": {"text": title, "anchor": "start", "fontSize": 13}})
    return {
        "hconcat": shown,
        "params": [{"name": "hot", "value": ""}],
        "resolve": {"scale": {"color": "independent", "x": "independent", "y": "independent"}},
    }


# ---------------------------------------------------------------------------- certainty


def letters() -> Spec:
    """The nine published models: overall, its range on these tasks, and that on the next task like these."""
    graded = example(PUBLISHED).grading
    cards = sorted(graded.scorecards, key=lambda card: graded.order.index(card.agent))
    rows = [
        {
            "agent": card.agent,
            "score": card.overall.score,
            "low": card.overall.interval.low,
            "high": card.overall.interval.high,
            "next_low": card.overall.next_interval.low,
            "next_high": card.overall.next_interval.high,
        }
        for card in cards
        if card.overall.interval and card.overall.next_interval
    ]
    at = {"field": "agent", "type": "nominal", "sort": None, "axis": {"title": None, "labelFontSize": 12}}
    x = {"type": "quantitative", "scale": {"domain": [0.0, 1.0]}, "axis": {"title": "overall, 0 to 1", "grid": False}}
    return {
        "width": 560,
        "height": {"step": 24},
        "layer": [
            *_bands(),
            _ends(rows, at, {**x, "field": "next_low"}, "next_high", width=2),
            _ends(rows, at, {**x, "field": "low"}, "high", width=7),
            {
                "data": {"values": rows},
                "mark": {"type": "point", "filled": True, "size": 60, "color": TINT["ground"], "opacity": 1},
                "encoding": {"y": at, "x": {**x, "field": "score"}},
            },
        ],
    }


def _ends(rows: list[dict[str, Any]], at: Spec, low: Spec, high: str, *, width: int) -> Spec:
    return {
        "data": {"values": rows},
        "mark": {"type": "rule", "color": INK, "strokeWidth": width, "strokeCap": "round"},
        "encoding": {"y": at, "x": low, "x2": {"field": high}},
    }


def _bands() -> Iterator[Spec]:
    """Where each letter begins, and the letter in the middle of its band."""
    uppers = (1.0, *(least for _, least in BANDS))
    begins = [{"least": least} for _, least in BANDS if least > 0.0]
    rows = [
        {"letter": letter, "middle": (upper + max(least, 0.0)) / 2}
        for (letter, least), upper in zip(BANDS, uppers, strict=False)
    ]
    yield {
        "data": {"values": begins},
        "mark": {"type": "rule", "color": TINT["grid"]},
        "encoding": {"x": {"field": "least", "type": "quantitative"}},
    }
    yield {
        "data": {"values": rows},
        "mark": {"type": "text", "y": -9, "fontWeight": 700, "color": TINT["faint"]},
        "encoding": {"x": {"field": "middle", "type": "quantitative"}, "text": {"field": "letter"}},
    }


def narrowing() -> Spec:
    """An agent that does three of four tasks beside one that does half: its range by tasks and repeats."""
    rows = [row for tasks in TASKS for repeats in REPEATS for row in _ranges(tasks, repeats)]
    x = {"field": "tasks", "type": "ordinal", "axis": {"title": "tasks", "labelAngle": 0}}
    off = {"field": "repeats", "type": "nominal", "sort": None}
    shade = {
        "field": "repeats",
        "type": "nominal",
        "sort": None,
        "scale": {"range": [SECOND, INK]},
        "legend": {"title": None, "orient": "top", "columnPadding": 30},
    }
    y = {"type": "quantitative", "scale": {"domain": [0.25, 1.0]}, "axis": {"title": "performance, 95%"}}
    return {
        "hconcat": [
            {
                "title": {"text": question, "anchor": "start", "fontSize": 13},
                "width": 300,
                "height": 240,
                "data": {"values": [row for row in rows if row["question"] == question]},
                "layer": [
                    {
                        "mark": {"type": "rule", "strokeWidth": 5, "strokeCap": "round"},
                        "encoding": {
                            "x": x,
                            "xOffset": off,
                            "color": shade,
                            "y": {**y, "field": "low"},
                            "y2": {"field": "high"},
                        },
                    },
                    {
                        "data": {"values": [{"truth": 0.75}]},
                        "mark": {"type": "rule", "strokeDash": [4, 4], "color": TINT["front"]},
                        "encoding": {"y": {**y, "field": "truth"}},
                    },
                ],
            }
            for question in ("On these tasks", "On the next task like these")
        ]
    }


def _ranges(tasks: int, repeats: int) -> Iterator[dict[str, Any]]:
    seen = [
        Observation(agent=agent, task=f"t{task:02}", score=float(does), solved=does, seconds=seconds)
        for task in range(tasks)
        for agent, does, seconds in (("three of four", task % 4 != 0, 20.0), ("half", task % 2 == 1, 10.0))
        for _ in range(repeats)
    ]
    found = study(seen, ("three of four", "half"), [f"t{task:02}" for task in range(tasks)])
    assert found is not None
    (one,) = (each for each in certainty(found).standings if each.agent == "three of four")
    said = "one trial of each task" if repeats == 1 else f"{repeats} trials of each task"
    for question, levels in (("On these tasks", one.these), ("On the next task like these", one.next)):
        range_ = levels.performance
        yield {"question": question, "tasks": tasks, "repeats": said, "low": range_.low, "high": range_.high}


def losses() -> Spec:
    """Of each published model: how probably it is the best, and what is lost on average if it is chosen and is not."""
    found = study_run(example(PUBLISHED))
    assert found is not None
    rows = [
        {"agent": one.agent, "best": one.best, "lost": 100 * one.regret.mean, "worst": 100 * one.regret.worst}
        for one in certainty(found).standings
    ]
    y = {"field": "agent", "type": "nominal", "sort": None, "axis": {"title": None, "labelFontSize": 12}}
    shared: Spec = {"data": {"values": rows}, "width": 250, "height": {"step": 22}}
    chance = {"field": "best", "type": "quantitative", "axis": {"title": "probability to be the best", "format": ".0%"}}
    lost = {"type": "quantitative", "axis": {"title": "points of 100 lost: on average, and in 1 of 20 cases"}}
    return {
        "hconcat": [
            {**shared, "mark": {"type": "bar", "color": INK}, "encoding": {"y": y, "x": chance}},
            {
                **shared,
                "encoding": {"y": {**y, "axis": None}},
                "layer": [
                    {
                        "mark": {"type": "bar", "height": 4, "color": TINT["front"]},
                        "encoding": {"x": {**lost, "field": "worst"}},
                    },
                    {"mark": {"type": "bar", "color": SECOND}, "encoding": {"x": {**lost, "field": "lost"}}},
                ],
            },
        ]
    }


PICTURES = {"scatter": both_runs, "letters": letters, "trials": narrowing, "loss": losses}
"""Each picture by the name of its file."""

# ---------------------------------------------------------------------------- words

TABLES = {
    "With front matter": "lop",
    "HOP: one evaluation": "hop",
    "flatfield.toml": "agents",
    "Prices": "prices",
    "Lanes": "lanes",
    "Profiles": "profiles",
    "`sabotages:`": "sabotages",
}
"""The headings of docs/files.md below which a table says what each key is, and what has these keys."""


def plain(text: str) -> str:
    """Without links and marks, beginning with a capital."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "").rstrip(".")
    return text[:1].upper() + text[1:]


def said_of_keys(page: Path) -> dict[str, dict[str, str]]:
    """What the page says of each key, without its links and marks."""
    found: dict[str, dict[str, str]] = {}
    heading = ""
    for line in re.sub(r"(?ms)^(`{3,}).*?^\1$", "", page.read_text(encoding="utf-8")).splitlines():
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if heading in TABLES and re.match(r"\| `\w+`(, `\w+`)* \|", line):
            otherwise = plain(cells[2]) if len(cells) > 2 else ""
            without = f" Without it: {otherwise[:1].lower()}{otherwise[1:]}." if otherwise else ""
            for key in re.findall(r"\w+", cells[0]):
                found.setdefault(TABLES[heading], {})[key] = f"{plain(cells[1])}.{without}"
    return found


# ---------------------------------------------------------------------------- records

BEGINNING = """# Records

Every value that travels through flatfield is a frozen record. Runs, trials and grades are kept and printed as these:
`flatfield report --format json`, `flatfield show --json`, the store, and MCP's structured replies hold their fields by
these names. `None` is `null` in JSON: not known, or not measured, never 0.

This page is made from `records.py` by `make docs`. How the records follow one another:
[the code, read by records](internals.md).
"""


def records_page() -> str:
    """Each record with what it is and its fields, below the headings of records.py."""
    source = inspect.getsource(records)
    parts = [BEGINNING]
    for heading, text in re.findall(r"(?m)^# -+ ([^\n]+)\n((?:(?!^# -)[^\n]*\n)*)", source):
        parts.append(f"## {heading[:1].upper()}{heading[1:]}\n")
        parts += [record(getattr(records, name)) for name in re.findall(r"(?m)^class (\w+)\(Struct", text)]
    return "\n".join(parts)


def record(kind: type[Struct]) -> str:
    """One of them."""
    said = inspect.cleandoc(kind.__doc__ or "")
    rows = [f"| `{name}` | `{kind.__annotations__[name]}` |" for name in kind.__struct_fields__]
    table = "\n".join(row.replace(" | None", " or None").replace("' | '", "' or '") for row in rows)
    return f"### {kind.__name__}\n\n{said}\n\n| field | type |\n|---|---|\n{table}\n"


if __name__ == "__main__":
    raise SystemExit(main())
