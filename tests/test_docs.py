"""The pages are true: links lead somewhere, examples work, commands exist, numbers are those of the code."""

from __future__ import annotations

import asyncio
import json
import math
import re
import shlex
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from flatfield import plugins
from flatfield.clock import SystemClock
from flatfield.errors import InvalidFiles
from flatfield.evidence.listed import shipped
from flatfield.faces.cli import with_values
from flatfield.faces.cli.app import app
from flatfield.faces.mcp.schemas import formats as mcp_formats
from flatfield.machine.protocols import SandboxLimits
from flatfield.records import MIDPOINTS, Evaluation, ReportTraits, RunResult, ToolTraits, VerifierTraits
from flatfield.runs.evaluation.evaluate import Conduct, evaluate
from flatfield.runs.order import new_run
from flatfield.runs.proof import check_tasks
from flatfield.runs.store.store import Store
from flatfield.runs.world import Outside
from flatfield.scoring.grading import grade
from flatfield.scoring.looks import ALIKE, LEAST_POWER, LEAST_REGRET
from flatfield.scoring.measures.performance import Figures
from flatfield.scoring.measures.scales import BANDS, KNOTS, letter_of
from flatfield.scoring.measures.work import MEASURES, find_anchors, per_work, relative_score
from flatfield.scoring.published import compare_published
from flatfield.tasks.access import everything
from flatfield.tasks.config import read_config
from flatfield.tasks.hop import is_evaluation, read_evaluation
from flatfield.tasks.importers.nano_agent_2025_08 import load as load_published
from flatfield.tasks.lop import read_task
from flatfield.tasks.sub_agents import read_agent_file

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
}
GRADES, COMMANDS, SANDBOX, INTERNALS = (
    PAGES[f"docs/{name}.md"] for name in ("grades", "commands", "sandbox", "internals")
)
_BLOCK = re.compile(r"(?ms)^(`{3,})(\w*)\n(.*?)^\1$")


def blocks(page: str, language: str) -> list[str]:
    return [match[3] for match in _BLOCK.finditer(page) if match[2] == language]


def prose(page: str) -> str:
    return " ".join(_BLOCK.sub("", page).split())


def anchors(page: str) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.*)$", _BLOCK.sub("", page))
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", _BLOCK.sub("", PAGES[name])):
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield " ".join((*path, name)), command


def assert_options(text: str, command: Any) -> None:
    names = [name for each in command.params if each.param_type_name == "option" for name in each.opts]
    there = {name for name in names if name.startswith("--")}  # a short one stands beside its long one
    assert all(f"`{name} " in text for name in set(names) - there), command.name
    assert set(re.findall(r"(?m)^\| `(--[a-z-]+)", text)) == there, command.name


def test_every_command_and_option_is_described_and_none_that_is_not_there() -> None:
    top: Any = typer.main.get_command(app)
    beginning, *rest = re.split(r"(?m)^## `flatfield (.*)`\n", COMMANDS)
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    assert_options(beginning, top)
    there = dict(commands(top))
    assert set(sections) == set(there)
    for name, command in there.items():
        assert_options(sections[name], command)
        assert f"\n    flatfield {name}" in sections[name], name
        assert any(f"flatfield {name}" in block for block in blocks(sections[name], "sh")), name


def example_lines() -> list[str]:
    lines = [line for page in PAGES.values() for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if re.match(r"(\.venv/bin/)?flatfield ", line)]


def test_every_example_can_be_parsed(subtests: pytest.Subtests) -> None:
    top: Any = typer.main.get_command(app)
    assert len(example_lines()) > 100
    for line in example_lines():
        with subtests.test(line):
            words, command = shlex.split(line.partition(" > ")[0], comments=True)[1:], top
            if not words:  # alone it says where one stands
                continue
            if words[0] == "--config":
                words = words[2:]
            while words and words[0] in getattr(command, "commands", ()):
                command = command.commands[words.pop(0)]
            command.make_context("flatfield", with_values(words))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The seven files of docs/internals.md, installed as its pyproject.toml says."""
    project = tomllib.loads(blocks(INTERNALS, "toml")[0])["project"]
    site, groups = tmp_path / "site", project["entry-points"]
    about = site / f"my_flatfield-{project['version']}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    listed = [f"[{group}]\n{name} = {module}\n" for group, found in groups.items() for name, module in found.items()]
    (about / "entry_points.txt").write_text("".join(listed))
    (site / "my_flatfield").mkdir()
    files = re.findall(r"(?ms)^### [^\n]*`(\w+\.py)`\n.*?^```python\n(.*?)^```$", INTERNALS)
    for name, text in files:
        (site / "my_flatfield" / name).write_text(text)
    assert len(files) == len(listed) == len(blocks(INTERNALS, "python"))
    monkeypatch.syspath_prepend(str(site))
    plugins.look_again()
    yield
    plugins.look_again()
    for name in [name for name in sys.modules if name.startswith("my_flatfield")]:
        del sys.modules[name]


def written(folder: Path, text: str, name: str = "file.md") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.usefixtures("package")
def test_files_in_the_pages_can_be_read(name: str, tmp_path: Path) -> None:
    greeting_package(tmp_path)
    for text in blocks(PAGES[name], "markdown"):
        path = written(tmp_path, text)
        if read_agent_file(path) is None:
            (read_evaluation if is_evaluation(text) else read_task)(path)
    for text in blocks(PAGES[name], "toml"):
        assert tomllib.loads(text)
        if text.startswith("[agents."):
            assert read_config(written(tmp_path, text, "flatfield.toml"), "flatfield.toml")


def greeting_package(folder: Path) -> None:
    """What the sandbox's page has its sample task import."""
    package = folder / "greet-packages" / "greeting"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('def hello(name):\n    return f"Hello, {name}!"\n')


async def proved(text: str, folder: Path) -> None:
    (finding,) = await check_tasks((read_task(written(folder, text)),), folder, everything())
    assert (finding.holds, finding.oracle, finding.noop) == (True, 1.0, 0.0), finding.summary


async def test_the_task_of_the_page_on_lops_is_proved(tmp_path: Path) -> None:
    (text,) = [text for text in blocks(PAGES["docs/write-a-lop.md"], "markdown") if not is_evaluation(text)]
    await proved(text, tmp_path)


@pytest.mark.needs("bwrap")
async def test_a_task_brings_its_package_into_the_sandbox(tmp_path: Path) -> None:
    greeting_package(tmp_path)
    await proved(blocks(SANDBOX, "markdown")[0], tmp_path)


def test_the_sandboxs_limits_are_those_stated() -> None:
    stated = {name: float(value) for name, value in re.findall(r"(?m)^\| `(\w+)` \| (\d+) \|", SANDBOX)}
    assert stated == {name: getattr(SandboxLimits(), name) for name in SandboxLimits.__struct_fields__}


@pytest.mark.usefixtures("package")
async def test_provider_tool_and_verifier_of_the_package_work(tmp_path: Path) -> None:
    text = blocks(INTERNALS, "markdown")[0]
    await proved(text, tmp_path)
    task, clock = read_task(written(tmp_path, text)), SystemClock()
    run = new_run(Evaluation(agents=("first-tool:any",)), (task,), (), clock.utc(), command="")
    async with Store(tmp_path / "store") as store:
        how = Conduct(outside=Outside(clock=clock), source=tmp_path, observe=lambda _: None, stop=asyncio.Event())
        await evaluate(run, store, how)
    (trial,) = store.trials(run.id)
    assert (trial.answer, trial.tool_calls, trial.cost_usd) == ("3", 1, 0.0)
    assert [(check.label, check.score) for check in trial.checks] == [("words at_most", 1.0), ("answer equals", 1.0)]
    with pytest.raises(InvalidFiles, match=r"file\.md:6: `words` has no option `at_mots`"):
        read_task(written(tmp_path, text.replace("at_most", "at_mots")))


def test_a_simple_rule_is_about_ten_lines() -> None:
    (text,) = [block for block in blocks(INTERNALS, "python") if block.startswith('"""`words`')]
    assert len([line for line in text.splitlines() if line.strip()]) <= 10


@pytest.mark.needs("bwrap")
@pytest.mark.usefixtures("package")
async def test_the_packages_verifier_that_needs_the_sandbox_works(tmp_path: Path) -> None:
    head = "---\nid: made\nverify:\n  - compiles: {}\nsolution:\n  - write_file: {file_path: a.py, content: 'x = 1'}\n"
    text = '  - answer: made\n---\n# Made\n\n## Variables\n\nPROMPT: "Write a.py."\n'
    clock = SystemClock()
    task = read_task(written(tmp_path, head + text))
    bad = read_task(written(tmp_path, (head + text).replace("id: made", "id: bad").replace("x = 1", "x ="), "bad.md"))
    run = new_run(Evaluation(agents=("oracle:any",)), (task, bad), (), clock.utc(), command="")
    async with Store(tmp_path / "store") as store:
        outside = Outside(clock=clock)
        how = Conduct(outside=outside, source=tmp_path, observe=lambda _: None, stop=asyncio.Event())
        await evaluate(run, store, how)
    scores = {trial.task: [check.score for check in trial.checks] for trial in store.trials(run.id)}
    assert scores == {"made": [1.0], "bad": [0.0]}


@pytest.mark.usefixtures("package")
def test_importer_and_report_of_the_package_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert flatfield(tmp_path, monkeypatch, "examples load spring-figures")
    assert flatfield(tmp_path, monkeypatch, "report --format tally") == "somebody: A\n"


@pytest.mark.usefixtures("package")
def test_the_reader_of_the_package_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "alpha 3 4\n", "figures.txt")
    assert flatfield(tmp_path, monkeypatch, "import autumn-figures figures.txt").startswith("1 figure is evidence")
    (row,) = json.loads(flatfield(tmp_path, monkeypatch, "evidence list --own --json"))
    assert (row["agent"], row["solved"], row["tasks"]) == ("alpha", 3.0, 4)


def test_readers_are_described_as_they_are() -> None:
    rows = re.findall(r"(?m)^\| `([a-z0-9-]+)` \|", PAGES["docs/evidence.md"].partition("| format | reads |")[2])
    assert set(rows) == {name for name, point in plugins.known("reader").items() if point is None}


def test_the_sources_of_evidence_are_counted_as_they_are() -> None:
    counted = [int(number) for number in re.findall(r"(?m)^\| .* \| (\d+) \|$", PAGES["docs/evidence.md"])]
    found = Counter(row.source.partition("@")[0] for row in shipped())
    assert sorted(counted) == sorted(found.values())


def flatfield(folder: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> str:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("FLATFIELD_CONFIG", raising=False)
    done = CliRunner().invoke(app, shlex.split(line), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The published run as `flatfield report --format json` prints it."""
    flatfield(tmp_path, monkeypatch, "examples load nano-agent-2025-08")
    found: dict[str, Any] = json.loads(flatfield(tmp_path, monkeypatch, "report --format json"))
    return found


def figure(found: dict[str, Any], path: str, agent: str, task: str) -> float:
    """What the report says at `trial.…`, `cell.…`, `anchor.…` or `card.…`."""
    kind, *keys = path.split(".")
    wanted = {"task": task, "agent": agent} | ({"measure": keys.pop(0)} if kind == "anchor" else {})
    table = {"trial": "trials", "cell": "cells", "card": "scorecards", "anchor": "anchors"}[kind]
    (value,) = [row for row in found[table] if all(row.get(key, want) == want for key, want in wanted.items())]
    for key in keys:
        value = value[key]
    return float(value)


def test_the_answer_that_the_readme_quotes_is_the_one_of_today(published: dict[str, Any]) -> None:
    answer = published["decision"]["answer"]
    assert answer in " ".join((ROOT / "README.md").read_text().split())


def test_the_table_of_the_readme_is_the_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flatfield(tmp_path, monkeypatch, "examples load nano-agent-2025-08")
    report = flatfield(tmp_path, monkeypatch, "report --format markdown")
    ranking = report.partition("## Final Ranking")[2].partition("\n## ")[0]
    reported = [line.split(" | ")[:7] for line in ranking.splitlines() if re.match(r"\| [\d–]+ \|", line)]
    shown = PAGES["README.md"].partition("<!-- table: published -->")[2].partition("<!-- end -->")[0]
    assert len(reported) == 9
    assert [line.removesuffix(" |").split(" | ") for line in shown.splitlines()[3:]] == reported


def test_the_worked_example_is_computed_again(published: dict[str, Any]) -> None:
    known = {"ln": math.log, "sqrt": math.sqrt, "min": min, "max": max, "__builtins__": {}}
    names: dict[str, float] = {}
    checked = 0
    for line in filter(str.strip, "".join(blocks(GRADES, "calc")).splitlines()):
        sum_, _, comment = line.partition("#")
        name, *expressions, value = (part.strip() for part in re.split(r"(?<![*=])=(?!=)", sum_))
        names[name] = float(value)
        shown = 0.5001 * 10 ** -len(value.partition(".")[2])
        for expression in expressions:
            names[name] = eval(expression, known, names)
            assert names[name] == pytest.approx(float(value), abs=shown), line
        if path := re.match(r" ((?:trial|cell|anchor|card)\.[\w.]*\w)", comment):
            reported = figure(published, path[1], "gpt-5-mini", "1_dummy")
            assert reported == pytest.approx(float(value), abs=shown if expressions else 0), line
            checked += 1
    assert checked > 18


def test_the_tables_of_the_worked_example_are_the_reports(published: dict[str, Any]) -> None:
    rows = re.findall(r"(?m)^\| (\d_\w+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", GRADES)
    assert len(rows) == 5
    for task, *stated in rows:
        paths = ("cell.performance.score", "cell.speed.relative.score", "cell.cost.relative.score")
        scores = [figure(published, path, "gpt-5-mini", task) for path in paths]
        blend = 0.5 * scores[0] + 0.25 * scores[1] + 0.25 * scores[2]
        assert [float(text) for text in stated] == pytest.approx([*scores, blend], abs=0.00005)
    card = next(row for row in published["scorecards"] if row["agent"] == "gpt-5-mini")
    assert (card["overall"]["at_worst"], card["performance"]["at_worst"], card["rank"]) == ("C", "C", [1, 7])


def test_what_is_said_of_published_figures_is_so() -> None:
    run, trials, text = load_published().run, load_published().trials, prose(GRADES)
    gpt_5 = [trial for trial in trials if trial.agent.startswith("gpt-5")]
    ratios = [trial.published["cost_usd"] / (trial.cost_usd or math.nan) for trial in gpt_5]
    off = sum(abs(ratio - 1) > 0.015 for ratio in ratios)
    assert f"Of the {len(ratios)} costs of the GPT-5 family, {off} were published more than 1.5% off" in text
    assert f"at most {max(ratios):.2f} times" in text
    steps: dict[str, list[int]] = {"speed": [], "cost": []}
    for measure in MEASURES:
        amount = "seconds" if measure == "speed" else "cost_usd"
        for task in {trial.task for trial in trials}:
            cells = {t.agent: t.published for t in trials if t.task == task and t.published[amount] is not None}
            entries = {
                name: [Figures(score=1.0, seconds=cell["seconds"], usd=cell["cost_usd"])]
                for name, cell in cells.items()
            }
            scale = find_anchors(task, measure, entries)
            for name, cell in cells.items():
                ours = letter_of(relative_score(per_work(entries[name], measure), scale) or 0.0)
                steps[measure].append("SABCDF".index(ours) - "SABCDF".index(cell[measure].replace("E", "F")))
    both = steps["speed"] + steps["cost"]
    assert f"in {both.count(0)} of {len(both)} cells ({len(steps['speed'])} speed, {len(steps['cost'])} cost" in text
    assert f"one within one letter in {sum(abs(step) <= 1 for step in both)}." in text
    graded = grade(run, trials, ())
    letters = compare_published(RunResult(run=run, trials=trials, verdicts=(), grading=graded))
    assert f"{sum(each.same for each in letters)} of {len(letters)} letters are the published ones" in text


def test_bands_knots_and_constants_are_the_codes() -> None:
    rows = re.findall(r"(?m)^\| ([\d.]+) \| ([\d.]+) \| ([SABCDF]?) ?\|$", GRADES)
    assert [(float(position), float(score)) for position, score, _ in rows] == list(KNOTS)
    assert [letter for _, _, letter in rows[1:]] == [letter for letter, _ in BANDS]
    text = prose(GRADES)
    bands = [f"{letter} ≥ {f'{least:.2f}'[1:]}" for letter, least in BANDS[:-1]]
    assert ", ".join(bands) in text
    for letter, middle in MIDPOINTS.items():
        assert re.search(rf"\b{letter} {f'{middle:g}'[1:]}0?\b", text), letter
    assert f"loses less than {ALIKE:g} on average; or when being wrong costs less than {LEAST_REGRET:g}" in text
    assert f"with a probability below {LEAST_POWER:g}" in text


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`([\w-]+)`", text))


def found(page: str, pattern: str) -> str:
    (text,) = re.findall(pattern, PAGES[page])
    return str(text)


def test_verifiers_are_listed_as_they_are() -> None:
    part = found("docs/files.md", r"(?ms)^### `verify:`\n(.*?)^##")
    assert set(re.findall(r"(?m)^\| `- ([\w-]+): ", part)) == set(plugins.names("verifier"))


def test_report_formats_are_listed_as_they_are() -> None:
    formats, clients = set(plugins.names("report")), set(mcp_formats())
    assert quoted(found("docs/commands.md", r"(?m)^\| `--format NAME` \| (.*)$")) == formats
    assert quoted(found("docs/mcp.md", r"(?m)^\| `report\(run\?, format\?\)` \| (.*) \| reads \|$")) == clients
    resources = found("docs/mcp.md", r"(?m)^\| `flatfield://runs/RUN/report`, (.*) \| its report, whole \|$")
    assert set(re.findall(r"`…/report/([\w-]+)`", resources)) == clients


def test_traits_are_listed_as_they_are() -> None:
    for struct in (ToolTraits, VerifierTraits, ReportTraits):
        part = found("docs/internals.md", rf"(?ms)^\| `{struct.__name__}` \|[^\n]*\n\|---[^\n]*\n(.*?)^$")
        assert set(re.findall(r"(?m)^\| `(\w+)` \|", part)) == set(struct.__struct_fields__)


def test_every_tool_that_needs_a_sandbox_is_on_its_page() -> None:
    needing = {name for name in plugins.names("tool") if plugins.tool_traits(name).needs_sandbox}
    assert needing
    assert all(f"`{name}`" in SANDBOX for name in needing)


def test_importers_are_listed_as_they_are() -> None:
    part = found("docs/commands.md", r"(?ms)^## `flatfield examples load`\n(.*?)(?:^## |\Z)")
    assert set(re.findall(r"flatfield examples load ([\w-]+)", part)) == set(plugins.names("importer"))


def test_the_tests_that_the_page_on_security_names_exist() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", PAGES["docs/security.md"]))
    assert len(named) > 40
    for path, function in sorted(named):
        place = ROOT / path
        assert place.exists(), path
        assert not function or f"def {function}(" in place.read_text(encoding="utf-8"), f"{path}::{function}"


def test_the_loop_is_as_the_page_reads_it() -> None:
    """Its length, and every name that the page quotes of it."""
    page = PAGES["docs/own-agent.md"]
    text = (ROOT / "src/flatfield/agent/loop.py").read_text(encoding="utf-8")
    length = sum(1 for line in text.splitlines() if line.strip())
    assert f"has {length} lines with text in them" in page
    assert length <= 150
    reading = page.partition("## Specialise it")[0].partition("## The loop")[2]
    for name in re.findall(r"`(?:self\.)?(_?[A-Za-z]\w*(?:\.\w+)?)`", reading):
        for part in name.split("."):
            assert re.search(rf"\b{part}\b", text) or part in plugins.names("tool"), name
    for path in re.findall(r"`((?:src/flatfield/|vendors/|agent/)[\w/]+(?:\.py|/))`", reading):
        assert (ROOT / "src/flatfield" / path.removeprefix("src/flatfield/")).exists(), path
    own = [name for name in plugins.names("tool") if f"`{name}`" in reading]
    assert set(own) == {*plugins.default_tools(), "run_command"}
