"""Which redirects are told, and which a program may follow in the catalog's files."""

from __future__ import annotations

import pytest

from tools.links.redirects import redirected, same_page, wants_login

A = "https://a.example/papers/1.html"
REDIRECTS = [
    # from, to, permanent, suggestion, fixable; None: nothing is told
    (A, "https://a.example/papers/1", True, "https://a.example/papers/1", True),
    (A, "https://www.a.example/papers/1.html", True, "https://www.a.example/papers/1.html", True),
    ("https://www.a.example/x", "https://a.example/x", True, "https://a.example/x", True),
    ("http://a.example/x", "https://a.example/x", True, "https://a.example/x", True),
    (A, "https://data.a.example/1", True, "https://data.a.example/1", True),
    (A, "https://b.example/papers/1.html", True, "https://b.example/papers/1.html", False),
    ("https://x.github.io/p", "https://y.github.io/p", True, "https://y.github.io/p", False),
    (A, "https://ba.example/papers/1.html", True, "https://ba.example/papers/1.html", False),
    (A, "https://a.example/papers/1?session=7", True, "https://a.example/papers/1?session=7", False),
    ("https://a.example/x?id=1", "https://a.example/x/?id=1", True, "https://a.example/x/?id=1", True),
    (A, "https://a.example/?paper=1", True, "https://a.example/?paper=1", False),
    ("https://ba.example/x", "https://a.example/x", True, "https://a.example/x", False),
    ("https://a.example/x#y", "https://a.example/z/x", True, "https://a.example/z/x#y", True),
    ("https://a.example/x#y", "https://a.example/z/x#w", True, "https://a.example/z/x#w", True),
    (A, "https://a.example/papers/1", False, None, None),
    (A, "https://a.example/", True, None, False),
    (A, "https://a.example/", False, None, False),
    (A, "https://a.example/en/", False, None, False),
    (A, "https://b.example/index.html", True, None, False),
    (A, "https://a.example/error/404.html", False, None, False),
    (A, "https://a.example/page-not-found", True, None, False),
    ("https://a.example/", "https://a.example/en/", True, "https://a.example/en/", True),
    ("https://a.example/?p=3", "https://a.example/papers/3", True, "https://a.example/papers/3", False),
    ("https://a.example/projects/birds/", "https://birds.a.example/", True, "https://birds.a.example/", True),
    (A, "http://a.example/papers/1", True, None, None),
    ("https://doi.org/10.1/x", "https://b.example/article/x", True, None, None),
    ("https://www.doi.org/10.1/x", "https://b.example/", True, None, None),
    (A, "https://a.example:443/papers/%31.html", True, None, None),
    ("https://github.com/a/B", "https://github.com/c/B", True, "https://github.com/c/B", True),
    ("https://github.com/a/B", "https://github.com/a/other-name", True, "https://github.com/a/other-name", True),
    *[
        (f"https://a.example/{old}", f"https://a.example/{new}", True, f"https://a.example/{new}", fixable)
        for old, new, fixable in [
            ("?p=123", "", False),
            ("index.php?page=birds", "", False),
            ("x?id=1", "x", False),
            ("paper/12", "search", False),
            ("x", "parked", False),
            ("", "parked", False),
            ("en/x", "cookie-consent", False),
            ("d/birds.zip", "d/", False),
            ("d/birds.zip", "d/birds.html", False),
            ("cvpr2021/birds", "cvpr2021/notice", False),
            ("birds-2021", "archive-2021", False),
            ("birds-v2", "archived-v2", False),
            ("12-old-words", "12-other-title", True),
            ("paper/12", "papers/12-a-title", True),
            ("birds_dataset", "birds-dataset/", True),
            ("Birds/index.html", "birds/", True),
            ("birds.php", "birds/overview", True),
            ("main.html", "en/", True),
        ]
    ],
    ("https://a.example/cv", "https://a.example/", True, None, False),
]


@pytest.mark.parametrize(("url", "final", "permanent", "suggestion", "fixable"), REDIRECTS)
def test_what_is_made_of_a_redirect(url, final, permanent, suggestion, fixable):
    moved = redirected(url, final, permanent=permanent)
    assert (moved and (moved.suggestion, moved.fixable)) == (None if fixable is None else (suggestion, fixable))


def test_a_new_address_that_has_to_be_looked_at_says_why():
    assert redirected(A, "https://b.example/1", permanent=True).reason == "moved for good to https://b.example/1; that is another host, so look first"
    assert redirected(A, "https://a.example/", permanent=True).reason == "leads to a front page, and the page itself may be gone: https://a.example/"
    assert redirected(A, "https://a.example/1", permanent=True).reason == "moved for good to https://a.example/1"


@pytest.mark.parametrize("final", ["https://a.example/login", "https://accounts.a.example/x?y", "https://a.example/user/sign_in", "https://sso.b.example/", "https://a.example/Login.aspx"])
def test_a_login_is_known_by_its_address(final):
    assert wants_login(A, final)
    assert not wants_login(final, final)


@pytest.mark.parametrize("final", ["https://a.example/catalogs/loginess", "https://a.example/blog/in", "https://ssomething.example/design/in", "https://a.example/x?to=/login"])
def test_a_word_within_a_word_is_no_login(final):
    assert not wants_login(A, final)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example", "https://A.example:443/", True),
        ("https://a.example/x#y", "https://a.example/x", True),
        ("https://a.example/a%20b", "https://a.example/a b", True),
        ("https://a.example/x", "https://a.example/x/", False),
        ("https://a.example/x", "https://a.example/X", False),
        ("http://a.example/x", "https://a.example/x", False),
        ("https://a.example/x?a=1", "https://a.example/x?a=2", False),
    ],
)
def test_two_spellings_of_one_address(one, other, same):
    assert same_page(one, other) == same
