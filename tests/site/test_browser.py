"""The built site in a real browser: on a desk and on a phone, light and dark."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

PAGES = {
    "home": "",
    "papers": "papers/",
    "a paper": "papers/transfg/",
    "leaderboards": "leaderboards/",
    "a leaderboard": "leaderboards/cub-200-2011/",
    "datasets": "datasets/",
    "a dataset": "datasets/cub-200-2011/",
    "drawn birds": "datasets/synthetic-finches/",
    "approaches": "approaches/",
    "checks": "checks/",
    "side by side": "side-by-side/",
    "attention": "attention/",
    "losses": "losses/",
    "corrections": "corrections/",
    "link health": "links/",
    "surveys": "surveys/",
    "workshops and challenges": "workshops-and-challenges/",
    "contribute": "contribute/",
    "rules": "rules/",
    "data": "data/",
}
DESK, PHONE = 1280, 390
expect.set_options(timeout=30_000)  # milliseconds; the first search loads and indexes everything, perhaps on a busy machine
SETTLE = 150  # milliseconds after loading in which late scripts would complain or ask for something


@dataclass
class Visit:
    """A page in the browser, what it complained of, and what it asked other hosts for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def sideways(self) -> int:
        """By how many pixels the page is wider than the window."""
        return self.page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")

    def forget(self) -> None:
        """What was complained of and asked so far doesn't count."""
        self.complaints.clear()
        self.strays.clear()


Visitor = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, site_address: str) -> Iterator[Visitor]:
    """Opens a page of the site: ``visit("papers/", width=390, scheme="dark")``; an empty one where there is no path."""
    contexts = []

    def open_page(path: str | None, *, width: int = DESK, scheme: str = "light", **options: object) -> Visit:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        contexts.append(context)
        visit = Visit(context.new_page())
        here = urlsplit(site_address).netloc
        visit.page.on("console", lambda said: said.type == "error" and visit.complaints.append(said.text))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on("requestfailed", lambda request: visit.complaints.append(f"failed: {request.url}"))
        context.on(
            "request",
            lambda request: (
                request.url.startswith("http") and urlsplit(request.url).netloc != here and visit.strays.append(request.url)
            ),
        )
        if path is not None:
            response = visit.page.goto(site_address + path)
            assert response.ok, f"{response.status} {path}"
        return visit

    yield open_page
    for context in contexts:
        context.close()


def test_no_kind_of_page_has_an_error_asks_another_host_or_scrolls_sideways_at_either_width_in_either_scheme(visit, site_address):
    seen, wrong, looks = visit(None), {}, list(itertools.product((PHONE, DESK), ("light", "dark")))
    for number, (name, path) in enumerate(PAGES.items()):
        seen.page.goto("about:blank")  # what the page before still asked for is given up here, and is no complaint
        seen.forget()
        status, first = None, number % len(looks)  # loaded at one of them, in turn, and shown at all
        for width, scheme in (*looks[first:], *looks[:first]):
            seen.page.set_viewport_size({"width": width, "height": 900})
            seen.page.emulate_media(color_scheme=scheme)
            status = status or seen.page.goto(site_address + path).status
            seen.page.wait_for_timeout(SETTLE)
            if seen.sideways() > 0:
                seen.page.wait_for_timeout(1000)  # on a busy machine, what was laid out for another width may still be there
            found = status, [*seen.complaints, *seen.strays], max(seen.sideways(), 0)
            if found != (200, [], 0):
                wrong[name, width, scheme] = found
            seen.forget()
    assert wrong == {}


def test_no_other_page_of_the_site_scrolls_sideways_on_a_phone(visit, built_site, site_address):
    paths = {str(page.parent.relative_to(built_site)) + "/" for page in built_site.glob("**/index.html")} - {"./", *PAGES.values()}
    seen, wide = visit(None, width=PHONE, java_script_enabled=False), {}  # a third of the time, and a page has to do without
    for path in sorted(paths):
        seen.page.goto(site_address + path, wait_until="domcontentloaded")
        if (sideways := seen.sideways()) > 0:
            wide[path] = sideways
    assert len(paths) > len(PAGES)
    assert wide == {}


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_what_was_folded_away_stays_within_its_page_and_its_box(visit, width):
    seen = visit("papers/transfg/", width=width)
    seen.page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    spilled = seen.page.evaluate(
        "(() => { const bottom = (name) => document.querySelector(name).getBoundingClientRect().bottom;"
        " return bottom('details.source code') - bottom('details.source'); })()"
    )
    assert seen.sideways() <= 0
    assert spilled <= 0


def luminance(colour: str) -> float:
    """How bright a CSS ``rgb(…)`` is, from 0 to 1."""
    red, green, blue = (float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_follow_the_systems_scheme(visit):
    look = "({background: getComputedStyle(document.body).backgroundColor, text: getComputedStyle(document.body).color})"
    light, dark = (visit("", scheme=scheme).page.evaluate(look) for scheme in ("light", "dark"))
    assert luminance(light["background"]) > 0.8 > 0.4 > luminance(light["text"])
    assert luminance(dark["background"]) < 0.2 < 0.6 < luminance(dark["text"])


MEANT = {
    "TransFG": "papers/transfg/",
    "Neural Prototype Trees for Interpretable": "papers/prototree/",
    "Yuille": "papers/transfg/",  # an author
    "jigsaw": "papers/pmg/",
    "Ju He": "papers/transfg/",  # an author whose family name is a word that searches leave out
    "CUB": "leaderboards/cub-200-2011/",
}
"""What is searched for, and the page that is to come first: another each time, since what was found before would pass for it."""


def test_a_search_finds_first_what_was_meant(visit):
    seen = visit("")
    seen.page.keyboard.press("/")
    first = seen.page.locator(".md-search-result__item .md-search-result__link").first
    for asked, found in MEANT.items():
        seen.page.locator("input.md-search__input").fill(asked)
        seen.page.keyboard.press("End")
        expect(first, f"searched for {asked}").to_have_attribute("href", re.compile(f"/{found}"))
    assert (seen.complaints, seen.strays) == ([], [])


def test_the_search_index_has_what_papers_are_and_no_tables_or_lists(built_site):
    docs = json.loads((built_site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    places = {doc["location"] for doc in docs}
    assert {"papers/transfg/", "papers/transfg/#summary", "datasets/cub-200-2011/", "approaches/#jigsaw"} <= places
    assert not [doc["location"] for doc in docs if re.search(r"How it was measured|@inproceedings|make demo PAPER|Report it", doc["text"])]
    assert not [place for place in places if re.search(r"#(results|reproductions|implementation|cite|y20\d\d)$", place)]
    papers = sum(len(doc["text"]) for doc in docs if doc["location"].startswith("papers/"))
    assert papers / len(list((built_site / "papers").iterdir())) < 2500


def test_typing_into_the_filter_leaves_the_papers_that_fit_and_keeps_them_in_the_address(visit):
    page = visit("papers/").page
    papers = page.locator("li.paper:visible")
    everything = papers.count()
    page.get_by_label("Title, name or author").fill("transfg")
    assert 0 < papers.count() < everything
    assert page.url.endswith("?text=transfg")
    assert "TransFG" in papers.first.inner_text()
    assert page.locator("output.filter__count").inner_text() == f"{papers.count()} of {everything} papers"
    page.get_by_role("main").get_by_role("button", name="Clear").click()
    page.wait_for_function("!location.search")
    assert papers.count() == everything


def test_the_filter_starts_from_the_address(visit):
    page = visit("papers/?approach=transformer&code=official").page
    shown = page.locator("li.paper:visible")
    assert page.get_by_label("Approach").input_value() == "transformer"
    assert shown.count() > 0
    assert all("Transformer" in text for text in shown.locator(".paper__tags").all_inner_texts())
    assert all("official code" in text for text in shown.all_inner_texts())


def test_a_filter_that_nothing_fits_says_so(visit):
    page = visit("papers/?text=no+such+paper").page
    assert page.get_by_text("No paper fits.").is_visible()
    assert page.locator("h2:visible").count() == 0


def test_without_scripts_all_papers_stand_there_and_no_filter(visit):
    page = visit("papers/", java_script_enabled=False).page
    assert page.locator("li.paper:visible").count() == page.locator("li.paper").count() > 0
    assert not page.locator("form.filter").is_visible()


def test_the_bibtex_is_copied_by_its_button(visit):
    page = visit("papers/transfg/", permissions=["clipboard-read", "clipboard-write"]).page
    page.locator(".highlight button[data-md-type=copy]").last.click()
    page.wait_for_function("navigator.clipboard.readText().then((text) => text.startsWith('@inproceedings{he2022transfg,'))")


@pytest.mark.parametrize("path", ["", "checks/", "leaderboards/cub-200-2011/", "papers/transfg/"])
def test_the_meaning_of_both_marks_is_shown_on_keyboard_focus(visit, path):
    page = visit(path).page
    for mark in ("a.level", "a.carried"):
        shown = page.locator(mark).first
        meaning = shown.get_attribute("title")
        shown.focus()
        expect(page.locator(".md-tooltip2--active").last).to_contain_text(meaning[:30])


def test_choosing_two_rows_says_what_makes_them_comparable_or_not(visit):
    page = visit("leaderboards/cub-200-2011/").page
    say = page.locator("form.two-rows output")
    assert say.inner_text() == "Choose two rows to see whether they can be compared."
    boxes = page.locator("input.board__choose")
    boxes.nth(0).check()
    boxes.nth(1).check()
    assert re.search(r"^.+ and .+: not comparable: ", say.inner_text())
    boxes.nth(2).check()
    assert [box.is_checked() for box in boxes.all()[:3]] == [False, True, True]
    page.get_by_role("main").get_by_role("button", name="Clear").click()
    page.wait_for_function("document.querySelector('form.two-rows output').value.startsWith('Choose')")
    assert page.locator("input.board__choose:checked").count() == 0


PROTOCOLS = [
    ((90.0, {}), (92.0, {}), "equal protocols; 2.0 points apart can be told apart on 5,000 images (95%: 1.1)"),
    ((90.0, {}), (90.5, {}), "equal protocols; 0.5 points apart can't be told apart on 5,000 images (95%: 1.2)"),
    ((90.0, {"input_size": 224}), (90.0, {}), "not comparable: they differ in input size"),
    ((90.0, {"extra": None}), (90.0, {}), "not comparable: not stated on both sides: extra annotation or data"),
    ((90.0, {"test_time": ["a", "b"]}), (95.0, {"test_time": ["b", "a"]}), "equal protocols; 5.0 points apart can be told apart on 5,000 images (95%: 1.0)"),
]  # fmt: skip


def test_two_rows_are_comparable_only_where_all_is_known_and_the_same(visit):
    page = visit("leaderboards/cub-200-2011/").page
    facts = {"backbone": "a", "input_size": 448, "extra": [], "test_time": []}
    address = urljoin(page.url, page.locator("script[src*='rows.js']").get_attribute("src"))
    compare = "([address, one, other]) => import(address).then((rows) => rows.compare(one, other, 5000))"
    for *pair, expected in PROTOCOLS:
        rows = [{"dataset": {"value": str(value), "facts": json.dumps(facts | changes)}} for value, changes in pair]
        assert page.evaluate(compare, [address, *rows]) == expected


def test_the_verdicts_can_be_filtered_and_all_stand_there_without_scripts(visit, built_site):
    page = visit("checks/").page
    rows = page.locator("table[data-rows=verdicts] tbody tr")
    everything = rows.count()
    page.locator("select[name=verdict]").select_option("stale")
    assert page.locator("table[data-rows=verdicts] tbody tr:visible").count() == page.locator("tr[data-verdict=stale]").count()
    page.locator("select[name=verdict]").select_option("")
    assert page.locator("table[data-rows=verdicts] tbody tr:visible").count() == everything > 0
    plain = visit("checks/", java_script_enabled=False).page
    assert plain.locator("table[data-rows=verdicts] tbody tr:visible").count() == everything
    assert not plain.locator("form.filter").is_visible()


def test_a_badge_is_a_picture_that_a_browser_shows(visit):
    page = visit("papers/transfg/").page
    size = page.locator("img[src*='badges/transfg.svg']").evaluate("(image) => image.decode().then(() => [image.naturalWidth, image.naturalHeight])")
    assert size[1] == 20
    assert size[0] > 150
