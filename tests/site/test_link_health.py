"""Link health as it is built, with an invented ledger: alike by both generators, and in a real browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.links import ledger
from tools.links.model import Row
from tools.render import main

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DAY = date(2026, 7, 12)
LONG = f"https://new.example/{'a-long-way/' * 30}"
ROWS = [
    Row(url=url, first_seen=DAY, checked=DAY, **more)
    for url, more in {
        "https://code.example/kestrel": {"verdict": "dead", "status": 404, "archive": "https://web.archive.org/web/2024/kestrel"},
        "https://arxiv.org/abs/2103.00010": {"verdict": "wrong", "title": f"{'Wren' * 60} <script>*of*</script> [the](x) world"},
        "https://doi.org/10.1234/icb.2021.1": {"verdict": "moved", "moved_to": LONG},
        "https://code.example/list": {"verdict": "ok", "archived": True},
        "https://code.example/kestrel/issues/1": {"verdict": "blocked", "status": 403},
    }.items()
]


def build(folder: Path, generator: str) -> Path:
    """The site of the invented catalog with the invented ledger, by one of the generators."""
    command = [str(Path(sys.executable).with_name(generator)), "build", "--strict", "--config-file", str(folder / "mkdocs.yml")]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "site").rename(folder / generator)


@pytest.fixture(scope="module")
def rendered(shared_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which tools.render has written docs/ and mkdocs.yml."""
    folder = tmp_path_factory.mktemp("rendered")
    ledger.write(shared_tree / ledger.FILE, ROWS)
    assert main(["--root", str(shared_tree), "--out", str(folder / "docs")]) == 0
    return folder


@pytest.fixture(scope="module")
def by_mkdocs(rendered: Path) -> Path:
    """The site as it is published."""
    return build(rendered, "mkdocs")


@pytest.fixture(scope="module")
def address(by_mkdocs: Path, serve) -> Iterator[str]:
    """The address at which it is served."""
    with serve(by_mkdocs, "/aviary/") as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of the browser, in which no script may fail."""
    complaints = []
    page = browser.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert complaints == []


def rows_and_marks(page: Path) -> list[str]:
    """What only one generator keeps, the hint for its search, is left out."""
    text = page.read_text(encoding="utf-8").replace(" data-search-exclude", "")
    return re.findall(r'<tr>.*?</tr>|<span class="fate".*?</span>', text, re.DOTALL)


def test_both_generators_show_the_same_rows_and_marks(rendered, by_mkdocs):
    sites = by_mkdocs, build(rendered, "zensical")
    shown = [[rows_and_marks(site / path / "index.html") for path in ("links", "papers/kestrel")] for site in sites]
    assert shown[0] == shown[1]
    rows, marks = shown[0]
    assert sum(one.startswith("<tr>") for one in rows) == 16
    assert sum("&lt;script&gt;*of*&lt;/script&gt; [the](x) world" in one for one in rows) == 1
    assert sum("fate__mark" in one for one in marks) > 4


@pytest.mark.parametrize("path", ["links/", "papers/kestrel/"])
def test_pages_with_marks_and_long_addresses_do_not_scroll_sideways(address, page, path):
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(address + path)
        assert page.locator(".fate__mark, table.health").first.is_visible()
        assert page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth") <= 0


def test_a_mark_tells_its_meaning_on_keyboard_focus_and_leads_to_all_meanings(address, page):
    page.goto(f"{address}papers/kestrel/")
    mark = page.locator("p.links a.fate__mark--dead")
    meaning = mark.get_attribute("title")
    mark.focus()
    page.wait_for_selector(".md-tooltip2--active")
    assert meaning[:30] in page.locator(".md-tooltip2--active").inner_text()
    mark.press("Enter")
    page.wait_for_url(f"{address}links/#verdicts")
    assert page.get_by_role("heading", name="Verdicts").is_visible()
