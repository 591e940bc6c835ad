"""CVF open access: CVPR, ICCV, WACV and their workshops, ACCV, and ECCV 2018."""

from __future__ import annotations

import re

from tools.adding.publishers.joining import with_bibtex
from tools.adding.publishers.page import load, said_by_tags
from tools.adding.record import Record, Refusal
from tools.adding.web import Web

NAME = "CVF"
HOSTS = ("openaccess.thecvf.com",)
PAPER = re.compile(r"https?://[^/]+/+(?P<folder>content[^?#]*?)/(?:html|papers)/(?P<name>[^?#]+_paper)\.(?:html|pdf)(?:[?#].*)?")


def page_of(url: str) -> str:
    """The page of a paper, from its address or that of its PDF. Raises Refusal for others."""
    if found := PAPER.fullmatch(url):
        return f"https://{HOSTS[0]}/{found['folder']}/html/{found['name']}.html"
    raise Refusal(f"{url} is no paper's page at CVF; expected one that ends in _paper.html or _paper.pdf")


def read(web: Web, page_url: str) -> Record:
    """What a paper's page says. Raises NotThere, NoAnswer."""
    page = load(web, page_url)
    return with_bibtex(said_by_tags(page, NAME), page.bibtex())
