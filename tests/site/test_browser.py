"""The built site in a real browser: on a desk and on a phone, light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGES = {
    "home": "",
    "papers": "papers/",
    "a paper": "papers/transfg/",
    "a leaderboard": "leaderboards/cub-200-2011/",
    "datasets": "datasets/",
    "a dataset": "datasets/cub-200-2011/",
    "approaches": "approaches/",
    "corrections": "corrections/",
    "surveys": "surveys/",
    "workshops and challenges": "workshops-and-challenges/",
    "contribute": "contribute/",
}
DESK, PHONE = 1280, 390
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


Visitor = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, site_address: str) -> Iterator[Visitor]:
    """Opens a page of the site: ``visit("papers/", width=390, scheme="dark")``."""
    contexts = []

    def open_page(path: str, *, width: int = DESK, scheme: str = "light", **options: object) -> Visit:
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
        response = visit.page.goto(site_address + path)
        assert response.ok, f"{response.status} {path}"
        return visit

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_page_has_no_error_asks_no_other_host_and_does_not_scroll_sideways(visit, name, width, scheme):
    seen = visit(PAGES[name], width=width, scheme=scheme)
    seen.page.wait_for_timeout(SETTLE)
    assert (seen.complaints, seen.strays, max(seen.sideways(), 0)) == ([], [], 0)


def test_no_page_of_the_whole_site_scrolls_sideways_on_a_phone(visit, built_site):
    paths = sorted(str(page.parent.relative_to(built_site)) + "/" for page in built_site.glob("**/index.html"))
    seen = visit("", width=PHONE)
    root = seen.page.url
    wide = {}
    for path in paths:
        seen.page.goto(root + path.removeprefix("./"), wait_until="domcontentloaded")
        if (sideways := seen.sideways()) > 0:
            wide[path] = sideways
    assert len(paths) > len(PAGES)
    assert wide == {}


def luminance(colour: str) -> float:
    """How bright a CSS ``rgb(…)`` is, from 0 to 1."""
    red, green, blue = (float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_follow_the_systems_scheme(visit):
    look = "({background: getComputedStyle(document.body).backgroundColor, text: getComputedStyle(document.body).color})"
    light, dark = (visit("", scheme=scheme).page.evaluate(look) for scheme in ("light", "dark"))
    assert luminance(light["background"]) > 0.8 > 0.4 > luminance(light["text"])
    assert luminance(dark["background"]) < 0.2 < 0.6 < luminance(dark["text"])


def test_a_paper_can_be_found_by_searching(visit):
    seen = visit("")
    seen.page.keyboard.press("/")
    seen.page.keyboard.type("TransFG", delay=20)
    seen.page.wait_for_selector(".md-search-result__link[href*='papers/transfg/']", timeout=10_000)
    assert (seen.complaints, seen.strays) == ([], [])
