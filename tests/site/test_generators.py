"""The real site by two generators, MkDocs with the hook and Zensical with what tools.render writes: the same pages, no broken link."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from tools.links.inside import check_site
from tools.render import main

OF_THE_GENERATOR = ("assets/images/", "assets/javascripts/", "assets/stylesheets/", "search", "sitemap.xml")


@dataclass
class Page(HTMLParser):
    """What a page's head says of it."""

    head: set[tuple[str, str]] = field(default_factory=set)
    in_title: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.in_title = tag == "title"
        if tag == "meta" and "name" in found and found["name"] != "generator":
            self.head.add((found["name"], found["content"]))
        if tag == "link" and found.get("rel") == "canonical":
            self.head.add(("canonical", found["href"]))

    def handle_data(self, data: str) -> None:
        if self.in_title:
            self.head.add(("title", data))
            self.in_title = False


@dataclass(frozen=True)
class Site:
    """A built site and its parsed pages, by their path below the folder."""

    folder: Path
    pages: dict[str, Page]


def read(folder: Path) -> Site:
    pages = {}
    for file in folder.rglob("*.html"):
        page = pages[file.relative_to(folder).as_posix()] = Page()
        page.feed(file.read_text(encoding="utf-8"))
    return Site(folder, pages)


def ours_in(folder: Path) -> dict[str, bytes]:
    """The files that are neither pages nor the generator's own: pictures, badges, styles and so on."""
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return {
        path: file.read_bytes()
        for path, file in files.items()
        if file.suffix != ".html" and not path.startswith(OF_THE_GENERATOR)
    }


@pytest.fixture(scope="session")
def address(root: Path) -> str:
    """Where the site is published."""
    return yaml.safe_load((root / "catalog.yaml").read_text(encoding="utf-8"))["site"]


@pytest.fixture(scope="session")
def mkdocs(built_site: Path) -> Site:
    """The site as it is published."""
    return read(built_site)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which tools.render has written docs/ and mkdocs.yml."""
    folder = tmp_path_factory.mktemp("rendered")
    assert main(["--out", str(folder / "docs")]) == 0
    return folder


@pytest.fixture(scope="session")
def zensical(rendered: Path) -> Site:
    """The site as the second generator builds it."""
    command = [Path(sys.executable).with_name("zensical"), "build", "--strict", "--config-file", rendered / "mkdocs.yml"]
    build = subprocess.run(command, cwd=rendered, capture_output=True, text=True, check=False)
    assert build.returncode == 0, build.stdout + build.stderr
    return read(rendered / "site")


@pytest.fixture(params=["mkdocs", "zensical"])
def site(request: pytest.FixtureRequest, mkdocs: Site, zensical: Site) -> Site:
    return {"mkdocs": mkdocs, "zensical": zensical}[request.param]


def test_both_generators_make_the_same_pages(mkdocs, zensical):
    assert sorted(zensical.pages) == sorted(mkdocs.pages)


def test_both_generators_say_the_same_in_each_pages_head(mkdocs, zensical):
    different = {
        path: page.head ^ mkdocs.pages[path].head for path, page in zensical.pages.items() if page.head != mkdocs.pages[path].head
    }
    assert different == {}


def test_no_internal_link_is_broken(site, address):
    assert [f"{finding.target.places[0].path}: {finding.reason}" for finding in check_site(site.folder, address).findings] == []


def test_all_that_is_no_page_is_the_same_too(mkdocs, zensical):
    ours, theirs = ours_in(zensical.folder), ours_in(mkdocs.folder)
    assert {".svg", ".css", ".js", ".webp"} <= {Path(path).suffix for path in ours}
    assert sorted(ours) == sorted(theirs)
    assert [path for path in ours if ours[path] != theirs[path]] == []
