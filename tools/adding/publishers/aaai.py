"""AAAI's proceedings, which stand on Open Journal Systems: its pages have citation tags and load their BibTeX by script.

https://docs.pkp.sfu.ca/google-scholar/en/
"""

from __future__ import annotations

import re

from tools.adding.publishers.page import load, said_by_tags
from tools.adding.record import Record, Refusal
from tools.adding.web import Web

NAME = "AAAI"
HOSTS = ("ojs.aaai.org", "www.aaai.org", "aaai.org")
PAPER = re.compile(
    r"https?://[^/]+/+(?:ojs/)?index\.php/(?P<journal>[A-Za-z-]+)/article/(?:view|download)/(?P<number>\d{1,9})(?:/\d+)?/?(?:[?#].*)?"
)


def page_of(url: str) -> str:
    """The page of a paper, from its address or that of its PDF, old or new. Raises Refusal for others."""
    if found := PAPER.fullmatch(url):
        return f"https://{HOSTS[0]}/index.php/{found['journal']}/article/view/{found['number']}"
    raise Refusal(f"{url} is no paper's page at AAAI; expected one such as https://{HOSTS[0]}/index.php/AAAI/article/view/19967")


def read(web: Web, page_url: str) -> Record:
    """What a paper's page says. Raises NotThere, NoAnswer."""
    return said_by_tags(load(web, page_url), NAME)
