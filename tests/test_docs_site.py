"""The pages as a site: it is built without a complaint, its links lead somewhere, it asks no other host for anything.

And what the pages show is of today: pictures are made again, and every block is tried somewhere, or says why not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

from bench import docs_parts
from flatfield.tasks.file_schemas import WORDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
LISTED = ("h1", "h2", "h3", "li", "table", "tr", "pre")
"""What a page has as many of on the site as GitHub shows."""


class Page(HTMLParser):
    """What is asked of a page that was built."""

    def __init__(self, text: str, *, whole: bool = False) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.parts: Counter[str] = Counter()
        self._articles = int(whole)
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids.add(found.get("id", ""))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag not in {"a", "meta"}:
            self.loaded += [found[name] for name in ("src", "href", "data") if name in found]
        self._articles += tag == "article"
        if self._articles and tag in LISTED:
            self.parts[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        self._articles -= tag == "article"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from a copy, so that nothing is left behind here."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    told = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return folder / "site"


@pytest.mark.whole
def test_every_link_of_the_site_leads_somewhere(site: Path) -> None:
    pages = {path.name: Page(path.read_text(encoding="utf-8")) for path in site.glob("*.html")}
    assert len(pages) > len(PAGES) - 1
    for name, page in pages.items():
        for link in page.links if name != "404.html" else ():
            path, _, anchor = unquote(link).partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            assert (site / (path or name)).exists(), f"{name}: {link}"
            if anchor and (path or name) in pages:
                assert anchor in pages[path or name].ids, f"{name}: {link}"


@pytest.mark.whole
def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for path in site.glob("*.html"):
        loaded = Page(path.read_text(encoding="utf-8")).loaded
        assert loaded
        assert [one for one in loaded if re.match(r"(?:[a-z]+:)?//", one)] == [], path.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


@pytest.mark.whole
def test_the_site_shows_what_github_shows(site: Path) -> None:
    """Two readers of Markdown differ in lists, tables and blocks; a page is written so that they agree."""
    for page in PAGES[1:]:
        rendered = MarkdownIt("commonmark").enable("table").render(page.read_text(encoding="utf-8"))
        built = Page((site / f"{page.stem}.html").read_text(encoding="utf-8"))
        assert built.parts == Page(rendered, whole=True).parts, page.name


def test_every_page_is_in_the_navigation_once() -> None:
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    assert config["theme"]["font"] is False
    named: list[str] = []

    def walk(items: object) -> None:
        for item in items if isinstance(items, list) else ():
            for value in item.values():
                named.append(value) if isinstance(value, str) else walk(value)

    walk(config["nav"])
    assert sorted(named) == sorted(page.name for page in PAGES[1:])


# ---------------------------------------------------------------------------- what the pages show

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
PIXELS = 1.0
"""By so much a picture may differ that is made on another machine."""


QUICK = {"scatter"}
"""The one that everybody sees first."""
MAKE = "is not what the code makes today: make docs"


@pytest.mark.whole
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in docs_parts.PICTURES]
)
def test_the_pictures_are_those_of_the_code(name: str) -> None:
    there = (DOCS / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    made = docs_parts.drawn(docs_parts.PICTURES[name]())
    assert len(there) < 60_000
    assert NUMBER.sub("#", there) == NUMBER.sub("#", made), MAKE
    pairs = zip(NUMBER.findall(there), NUMBER.findall(made), strict=True)
    assert [(old, new) for old, new in pairs if abs(float(old) - float(new)) > PIXELS] == [], MAKE


def test_no_picture_is_left_over() -> None:
    assert {path.stem for path in (DOCS / "pictures").iterdir()} == set(docs_parts.PICTURES)


def test_schemas_words_and_records_are_those_of_the_code() -> None:
    words = docs_parts.said_of_keys(DOCS / "files.md")
    assert WORDS.read_text(encoding="utf-8") == docs_parts.in_json(words), MAKE
    assert (DOCS / "records.md").read_text(encoding="utf-8") == docs_parts.records_page(), MAKE
    for path, text in docs_parts.schemas().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} {MAKE}"


BLOCK = re.compile(
    r"(?m)(?:^<!-- not run: (?P<why>[^\n]+) -->\n)?"
    r"^(?P<fence>`{3,})(?P<language>\w*)\n(?P<text>[\s\S]*?)^(?P=fence)$"
)
TRIED = {
    "console": "tests/faces/test_playing_pages.py",
    "calc": "tests/test_docs.py",
    "markdown": "tests/test_docs.py",
    "toml": "tests/test_docs.py",
}
TRIED_OF_A_PAGE = {
    ("clients.md", "json"): "tests/faces/test_client_snippets.py",
    ("files.md", "python"): "tests/tasks/test_docs.py",
    ("files.md", "text"): "tests/tasks/test_docs.py",
    ("files.md", "yaml"): "tests/tasks/test_docs.py",
    ("internals.md", "python"): "tests/test_docs.py",
    ("try.md", "text"): "tests/faces/cli/test_try.py",
}
PROSE = {("internals.md", "text"), ("write-a-lop.md", "text")}
"""Drawings of folders and of calls."""


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_block_is_tried_or_says_why_not(page: Path) -> None:
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        language = found["language"]
        if found["why"] or language in TRIED or (page.name, language) in {*TRIED_OF_A_PAGE, *PROSE}:
            continue
        assert language == "sh", f"{page.name}: a block of {language or 'no language'}: {found['text'][:60]!r}"
        for line in found["text"].splitlines():  # tests/test_docs.py looks at each command's options
            assert re.match(r"(\.venv/bin/)?flatfield( |$)|make [a-z-]+|#|$", line), f"{page.name}: {line}"


def test_the_tests_that_try_blocks_are_there() -> None:
    for place in {*TRIED.values(), *TRIED_OF_A_PAGE.values()}:
        assert "PAGE" in (ROOT / place).read_text(encoding="utf-8"), place
