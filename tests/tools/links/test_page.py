"""What a page says of itself, whatever it is made of."""

from __future__ import annotations

import time

import pytest

from tools.links import page
from tools.links.page import CHARSETS, decoded

SIZE = 256 * 1024
HOSTILE = [
    "<",
    "<a",
    "<a ",
    "<a '",
    '<a "',
    '<a""',
    "<a '\" ",
    "<title",
    "<title>",
    "<title></titl",
    "<script",
    "<script>",
    "<!--",
    "<!-- --",
    "<a b=",
    "a",
    "<a " + "x" * SIZE + ">",
    "<a " + "x:" * (SIZE // 2) + ">",
    "<a " + "x=" * (SIZE // 2) + ">",
    "<a b" + " " * SIZE + ">",
    "&amp" * 3,
    "&#" + "9" * 50,
]


@pytest.mark.parametrize("piece", HOSTILE, ids=lambda piece: piece[:12])
def test_a_page_of_any_kind_is_read_in_a_moment(piece):
    content = (piece * (SIZE // len(piece) + 1))[:SIZE].encode()
    began = time.process_time()
    page.read(b"<title>T</title>" + content, "text/html")
    assert time.process_time() - began < 1.0


TITLES = [
    ("<TITLE lang=en>\n  A &mdash; B\n</TITLE>", "A — B"),
    ("<title>a \x1b[31m\u009b\u200b red</title>", "a [31m red"),
    ("<title></title>", None),
    ("<title>  </title>", None),
    ("no title", None),
    ("<title>never closed", None),
    ("<title>first</title><title>second</title>", "first"),
    ("<title>a < b</title>", "a < b"),
    ("<script>'<title>no</title>'</script><title>yes</title>", "yes"),
    ('<meta content="Of the paper" name="citation_title"><title>Of the page</title>', "Of the paper"),
    ('<meta name="citation_title" content=""><title>Of the page</title>', "Of the page"),
    (f"<title>{'x' * 500}</title>", "x" * 300),
    (f"<title>a&#{'9' * 5000};b</title>", "a\ufffdb"),
    (f"<p id='&#{'9' * 5000}'><title>c</title>", "c"),
]


@pytest.mark.parametrize(("source", "title"), TITLES)
def test_the_title_is_read_as_people_see_it(source, title):
    assert page.read(source.encode(), "text/html").title == title


NOT_FOUND = [
    ("404", True),
    ("404 Not Found", True),
    ("Error 404 - Acme", True),
    ("Not Found", True),
    ("Page not found · GitHub Pages", True),
    ("Page Not Found - Kaggle", True),
    ("The page can’t be found", True),
    ("File was not found on this server", True),
    ("This page doesn't exist", True),
    ("Seite nicht gefunden", True),
    ("4040 birds: a data set", False),
    ("Birds not found in Europe", False),
    ("Highway 404", False),
    ("Object Not Found in Context: a benchmark", False),
    ("Not found in translation", False),
]


@pytest.mark.parametrize(("title", "gone"), NOT_FOUND)
def test_a_page_that_says_so_in_its_title_isnt_there(title, gone):
    assert page.read(f"<title>{title}</title>".encode(), "text/html").not_found is gone


CONTENTS = [
    ("Käfer".encode(), "text/html", "Käfer"),
    ("Käfer".encode("latin-1"), "text/html; charset=ISO-8859-1", "Käfer"),
    ("Käfer".encode("latin-1"), "text/html", "Käfer"),
    ("“Käfer”".encode("cp1252"), 'text/html; charset="iso-8859-1"', "“Käfer”"),
    ("Käfer".encode("utf-16"), "text/html", "Käfer"),
    ("Käfer".encode("utf-8-sig"), "text/html; charset=latin-1", "Käfer"),
    ("细粒度".encode("gb18030"), "text/html; charset=gb2312", "细粒度"),
    ("Käferß".encode()[:-1], "text/html", "Käfer"),
    (b"plain", "text/html; charset=punycode", "plain"),
    (b"plain", "text/html; charset=no-such-thing", "plain"),
]


@pytest.mark.parametrize(("content", "content_type", "text"), CONTENTS)
def test_the_charset_is_the_first_named_that_can_be_right(content, content_type, text):
    assert decoded(content, content_type) == text


def test_a_charset_that_takes_long_to_read_is_never_used():
    assert not any(CHARSETS.fullmatch(name) for name in ("punycode", "idna", "unicode_escape", "zlib", "hex", "utf-7"))
