"""Long lists: over several pages that link each other, complete, in order, and no heavier for a larger catalog."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.catalog import Catalog, load
from tools.pages import lists, paging
from tools.pages.checks import side_by_side
from tools.pages.paging import entry_address, paged
from tools.pages.records import Runs
from tools.render import render
from tools.schema import ID_PATTERN

Grow = Callable[[int], Catalog]


@pytest.fixture
def grow(tree: Path) -> Grow:
    """The invented catalog with so many kestrels, two a year in the last ten years, each a little worse than the one before."""
    catalog, _ = load(tree)
    kestrel = catalog.papers["kestrel"]

    def copy(number: int) -> object:
        known = [{"extra": [], "value": 90 - number / 10}, {"value": 89.95 - number / 10}]
        results = [result.model_copy(update=change) for result, change in zip(kestrel.results, known, strict=True)]
        name = f"Kestrel {number:03}"
        return kestrel.model_copy(update={"name": name, "title": f"{name}: Hovers", "year": 2021 - min(number // 2, 9), "results": results})

    return lambda count: dataclasses.replace(catalog, papers={f"kestrel-{number:03}": copy(number) for number in range(count)})


def small(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(paging, "SIZE", size)


def over(pages: dict[str, str], first: str) -> list[str]:
    """A list's pages in order."""
    folder = first.removesuffix("index.md").removesuffix(".md").strip("/")
    further = [path for path in pages if re.fullmatch(rf"{folder}/page/\d+\.md", path)]
    return [pages[first], *(pages[path] for path in sorted(further, key=lambda path: int(re.findall(r"\d+", path)[-1])))]


def papers(page: str) -> list[str]:
    return re.findall(r'<a class="paper__title" href="[./]*(?:papers/)?([\w-]+)/"', page)


def results(page: str) -> list[tuple[str, ...]]:
    """Method, rank and value of each row."""
    rows = re.findall(r"<tr\b.*?</tr>", page, re.DOTALL)
    read = r'>(Kestrel \d+)</a>.*?(?:(\d+(?:–\d+)? of \d+)</span>.*?)?<td class="value">([\d.]+)'
    return [found.groups() for row in rows if (found := re.search(read, row, re.DOTALL))]


def test_a_long_list_goes_on_where_no_entry_can_stand(grow, monkeypatch):
    small(monkeypatch, 3)
    pages = render(grow(7))
    assert {"papers/index.md", "papers/page/2.md", "papers/page/3.md"} <= set(pages)
    assert "papers/page/4.md" not in pages
    assert not re.fullmatch(ID_PATTERN, "page/2")


@pytest.mark.parametrize(
    ("first", "read"), [("papers/index.md", papers), ("leaderboards/feathers.md", results), ("datasets/feathers.md", results)]
)
def test_over_its_pages_a_list_is_the_same_as_on_one_page(grow, monkeypatch, first, read):
    whole = read(render(grow(7))[first])
    small(monkeypatch, 3)
    parts = [read(page) for page in over(render(grow(7)), first)]
    assert [len(part) <= 3 for part in parts] == [True] * len(parts)
    assert [row for part in parts for row in part] == whole
    assert len(whole) >= 7


def test_a_row_has_its_rank_among_the_rows_of_all_pages(grow, monkeypatch):
    small(monkeypatch, 3)
    last = over(render(grow(7)), "leaderboards/feathers.md")[-1]
    assert "of 7</span>" in last


def test_a_year_that_goes_on_over_a_page_has_its_heading_on_both(grow, monkeypatch):
    small(monkeypatch, 3)
    headings = [re.findall(r"^## (\d+)", page, re.MULTILINE) for page in over(render(grow(7)), "papers/index.md")]
    assert headings == [["2021", "2020"], ["2020", "2019"], ["2018"]]


def test_years_and_kinds_of_corrections_are_linked_where_they_begin(grow, monkeypatch):
    small(monkeypatch, 3)
    pages = render(grow(7))
    years = dict(re.findall(r'<a class="chip" href="([^"]+)">(\d+)</a>', pages["papers/page/2.md"]))
    assert years == {"../../#y2021": "2021", "../../#y2020": "2020", "#y2019": "2019", "../3/#y2018": "2018"}
    assert '<a class="chip" href="../../#backbone">Backbones <span>7</span></a>' in pages["corrections/page/2.md"]


def test_a_pager_leads_to_the_pages_before_and_after_and_says_which_this_is(grow, monkeypatch):
    small(monkeypatch, 3)
    first, middle, last = (
        re.search(r"<nav class=\"pager\".*?</nav>", page, re.DOTALL)[0] for page in over(render(grow(7)), "papers/index.md")
    )
    assert 'aria-label="Pages of this list"' in middle
    assert '<a rel="prev" href="../../">Previous</a>' in middle
    assert '<a rel="next" href="../3/">Next</a>' in middle
    assert '<span aria-current="page">page 2 of 3</span>' in middle
    assert '<a href="../3/" aria-label="Page 3">3</a>' in middle
    assert ('rel="prev"' in first, 'href="page/2/">Next' in first) == (False, True)
    assert ('rel="next"' in last, 'href="../2/">Previous' in last) == (False, True)


@pytest.mark.parametrize(
    ("number", "count", "shown"),
    [(1, 3, [1, 2, 3]), (1, 9, [1, 2, None, 9]), (5, 9, [1, None, 4, 5, 6, None, 9]), (9, 9, [1, None, 8, 9])],
)
def test_a_pager_names_the_first_the_last_and_the_nearest_pages(number, count, shown):
    parts = paged("papers/index.md", range(count * paging.SIZE))
    assert parts[number - 1].shown == shown


def test_a_list_that_fits_on_a_page_has_no_pager_and_no_further_page(grow):
    pages = render(grow(7))
    texts = {path: page for path, page in pages.items() if isinstance(page, str)}
    assert not [path for path, page in texts.items() if 'class="pager"' in page or "/page/" in path or "data-of-pages" in page]


def test_no_page_grows_with_the_number_of_papers(grow, monkeypatch):
    small(monkeypatch, 5)
    monkeypatch.setattr(lists, "OF_A_TERM", 5)

    def heaviest(count: int) -> dict[str, int]:
        kinds: dict[str, int] = {}
        for path, page in render(grow(count)).items():
            if not path.endswith((".md", ".html")):
                continue
            kind = re.sub(r"\d+", "N", path)
            kinds[kind] = max(kinds.get(kind, 0), len(page))
        return kinds

    few, many = heaviest(40), heaviest(80)
    assert {kind: (few[kind], size) for kind, size in many.items() if size > 1.02 * few[kind]} == {}


def test_the_papers_are_gone_through_equally_often_however_many_datasets_there_are(grow):
    class Counting(dict):
        """A dictionary that counts how often all of it is read."""

        reads = 0

        def items(self):
            self.reads += 1
            return super().items()

        def values(self):
            self.reads += 1
            return super().values()

    catalog, reads = grow(3), []
    for count in (1, 5):
        papers = Counting(catalog.papers)
        copies = {f"feathers-{number}": catalog.datasets["feathers"] for number in range(count)}
        render(dataclasses.replace(catalog, papers=papers, datasets=catalog.datasets | copies))
        reads.append(papers.reads)
    assert reads[0] == reads[1] > 0


def test_an_approach_with_many_papers_has_a_list_of_them_all(grow, monkeypatch):
    monkeypatch.setattr(lists, "OF_A_TERM", 4)
    small(monkeypatch, 3)
    pages = render(grow(7))
    term = pages["approaches.md"].split('id="attention"')[1].split("</section>")[0]
    assert term.count('class="chip chip--quiet"') == 4
    assert '<a class="chip" href="attention/">All 7 papers</a>' in term
    listed = [paper for page in over(pages, "approaches/attention.md") for paper in papers(page)]
    assert listed == list(grow(7).papers)


def test_entries_without_a_page_are_linked_where_they_stand(tree, monkeypatch):
    small(monkeypatch, 1)
    catalog, _ = load(tree)
    assert entry_address(catalog, "challenges", "moult") == "workshops-and-challenges/page/2/#moult"
    page = render(catalog)["workshops-and-challenges/page/2.md"]
    assert 'id="moult"' in page
    assert '<a href="../../#nesting-1">The First Workshop on Nesting</a>' in page


def test_records_follow_the_verdicts_and_are_linked_where_they_stand(tree, monkeypatch):
    small(monkeypatch, 2)
    catalog, _ = load(tree)
    pages = render(catalog, Runs(records={"a": [], "b": [], "c": []}))
    counts = [page.partition("## Records")[2].count('<th scope="row">') for page in over(pages, "checks.md")]
    assert counts == [2, 1]
    assert ["## How far a claim" in page for page in over(pages, "checks.md")] == [True, False]
    [(_, _, data)] = [side_by_side(catalog, Runs(records={"a": []}))]
    assert data["records_at"] == "checks/#records"


def test_what_a_dataset_is_stands_on_its_first_page_alone(grow, monkeypatch):
    small(monkeypatch, 3)
    first, second, *_ = over(render(grow(7)), "datasets/feathers.md")
    assert ["## Numbers" in page for page in (first, second)] == [True, False]


def test_of_a_list_the_first_page_alone_can_be_searched(grow, monkeypatch):
    small(monkeypatch, 3)
    found = [page.split("\n---\n")[0] for page in over(render(grow(7)), "papers/index.md")]
    assert ["exclude: true" in front for front in found] == [False, True, True]
    assert ["page 2" in front for front in found] == [False, True, False]
