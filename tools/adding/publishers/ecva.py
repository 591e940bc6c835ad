"""ECVA: the papers of ECCV since 2018. Its pages have no citation tags, but a title, authors and BibTeX."""

from __future__ import annotations

import re
from dataclasses import replace

from tools.adding.publishers.joining import with_bibtex
from tools.adding.publishers.page import MOST, Page, load, said_by_tags
from tools.adding.record import Record, Refusal
from tools.adding.web import Web

NAME = "ECVA"
HOSTS = ("www.ecva.net", "ecva.net")
PAPER = re.compile(
    r"https?://[^/]+/+papers/eccv_(?P<year>\d{4})/papers_ECCV/(?:html/(?P<name>[\w.-]+_paper)\.php|papers/(?P<pdf>[\w.-]+)\.pdf)(?:[?#].*)?"
)
CHAPTER = re.compile(r"https?://link\.springer\.com/chapter/(?P<doi>10\.\d{4,9}/[^?#\s]+)")


def page_of(url: str) -> str:
    """The page of a paper, from its address or that of its PDF where that tells it. Raises Refusal for others."""
    found = PAPER.fullmatch(url)
    name = found and (found["name"] or _name_of_pdf(found["pdf"], found["year"]))
    if found and name:
        return f"https://{HOSTS[0]}/papers/eccv_{found['year']}/papers_ECCV/html/{name}.php"
    if found:
        raise Refusal(f"{url} doesn't tell the paper's page; give that one, which ends in _ECCV_{found['year']}_paper.php")
    raise Refusal(f"{url} is no paper's page at ECVA; expected one that ends in _paper.php")


def _name_of_pdf(pdf: str, year: str) -> str | None:
    """Since 2024 a PDF is called by the paper's number, in 2018 as the page is; in between by its place in the volumes."""
    if re.fullmatch(r"\d{1,5}", pdf):
        return f"{int(pdf)}_ECCV_{year}_paper"
    return pdf if pdf.endswith("_paper") else None


def read(web: Web, page_url: str) -> Record:
    """What a paper's page says. Raises NotThere, NoAnswer."""
    page = load(web, page_url)
    said = said_by_tags(page, NAME)
    found = PAPER.fullmatch(page_url)
    said = replace(said, doi=said.doi or _chapter(page), year=said.year or (int(found["year"]) if found else None))
    return with_bibtex(replace(said, container=said.container or "European Conference on Computer Vision"), page.bibtex())


def _chapter(page: Page) -> str | None:
    """The DOI of the chapter at Springer, from the link to it."""
    links = (CHAPTER.match(str(anchor["href"])) for anchor in page.soup.select("a[href]", limit=MOST))
    return next((found["doi"] for found in links if found), None)
