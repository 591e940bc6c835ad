"""Lists of several pages in a real browser, with scripts and without: the invented catalog and one paper more, a row a page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def paged(shared_copy: Path, serve) -> Iterator[str]:
    """The address of the site with a row a page; of its three papers two are of one year."""
    siskin = shared_copy / "catalog" / "papers" / "siskin.yaml"
    wren = siskin.read_text(encoding="utf-8").replace("Siskin", "Wren").replace("formerly: [siskin-net]\n", "")
    siskin.with_name("wren.yaml").write_text(wren, encoding="utf-8")
    module = shared_copy / "tools" / "pages" / "paging.py"
    text = module.read_text(encoding="utf-8")
    module.write_text(re.sub(r"(?m)^SIZE = \d+$", "SIZE = 1", text), encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(
        command, cwd=shared_copy, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with serve(shared_copy / "build" / "site", "/aviary/") as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of the browser, in which no script may fail."""
    complaints = []
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert complaints == []


def test_filters_and_comparisons_reach_the_rows_of_all_pages(paged, page):
    page.goto(f"{paged}papers/page/2/")
    papers, count = page.locator("li.paper:visible"), page.locator("output.filter__count")
    assert (papers.all_inner_texts()[0][:6], count.inner_text()) == ("Siskin", "3 papers")

    page.get_by_label("Title, name or author").fill("zeisig")
    page.wait_for_function("document.querySelector('output').value === '2 of 3 papers'")
    assert page.locator("h2:visible").all_inner_texts() == ["2020¶"]
    assert [text[:4] for text in papers.all_inner_texts()] == ["Sisk", "Wren"]

    page.get_by_label("Title, name or author").fill("falk")
    assert page.locator("h2:visible").all_inner_texts() == ["2021¶"]
    assert not page.locator("nav.pager").is_visible()
    kestrel = papers.get_by_role("link").evaluate("(link) => link.href")
    assert kestrel == f"{paged}papers/kestrel/"

    page.get_by_role("main").get_by_role("button", name="Clear").click()
    page.wait_for_function("!location.search")
    assert (papers.all_inner_texts()[0][:6], papers.count(), count.inner_text()) == ("Siskin", 1, "3 papers")
    assert page.locator("nav.pager").is_visible()

    page.goto(f"{paged}papers/?approach=metric-learning")
    page.wait_for_function("document.querySelector('output').value === '2 of 3 papers'")
    assert [text[:4] for text in papers.all_inner_texts()] == ["Sisk", "Wren"]

    page.goto(f"{paged}leaderboards/feathers/page/2/")
    page.get_by_role("button", name="Show all 2 rows here").click()
    page.wait_for_function("document.querySelectorAll('input.board__choose').length === 2")
    assert [row.get_attribute("data-value") for row in page.locator("table.board tbody tr").all()] == ["93.2", "91.7"]
    for box in page.locator("input.board__choose").all():
        box.check()
    assert "not comparable" in page.locator("form.two-rows output").inner_text()


def test_where_the_other_pages_cannot_be_had_a_filter_says_so(paged, page):
    page.route("**/papers/page/2/", lambda route: route.abort())
    page.goto(f"{paged}papers/?text=siskin")
    page.get_by_text("The other pages can't be loaded").wait_for()


def test_without_scripts_every_page_of_a_list_is_reached_by_links(paged, browser):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 900})
    page = context.new_page()
    page.goto(f"{paged}papers/")
    assert not page.locator("form.filter").is_visible()
    page.get_by_role("navigation", name="Pages of this list").get_by_role("link", name="Next").click()
    assert page.url == f"{paged}papers/page/2/"
    assert "Siskin" in page.locator("li.paper:visible").inner_text()
    page.get_by_role("link", name="Previous").click()
    assert page.url == f"{paged}papers/"
    assert page.locator("nav.pager [aria-current=page]").inner_text() == "page 1 of 3"
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    context.close()
