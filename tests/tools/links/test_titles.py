"""A page's title is another paper's only where it can be nothing else."""

from __future__ import annotations

import pytest

from tools.catalog import load
from tools.links.titles import names_another

T = "TransFG: A Transformer Architecture for Fine-grained Recognition"
SAME = [
    "{}", "{} | arXiv", "[2103.07976] {}", "{} | IEEE Conference Publication | IEEE Xplore", "{} - ScienceDirect", "{} | SpringerLink",
    "{} | Proceedings of the AAAI Conference on Artificial Intelligence", "GitHub - owner/name: Official PyTorch implementation of {}",
]  # fmt: skip
NOTICES = [
    "CVPR 2021 Open Access Repository", "ECVA | European Computer Vision Association", "Just a moment...", "Attention Required! | Cloudflare",
    "Access Denied", "Page not found", "Log in to your institution", "Sign in - Google Accounts", "Semantic Scholar | AI-Powered Research Tool",
    "Error - Cookies Turned Off", "IEEE Xplore Full-Text PDF:", "Redirecting", "Making sure you're not a bot!", "403 Forbidden", "", "???",
    "Service temporarily unavailable due to scheduled maintenance tonight", "This domain is for sale", "Checking your browser before accessing",
    "AAAI Conference on Artificial Intelligence", "Neurocomputing | Journal | ScienceDirect.com by Elsevier", "GitHub - TACJu/TransFG", "12345678",
    "Hugging Face – The AI community building the future.", "Stanford Vision Lab: Fei-Fei Group Members Alumni",
    "Université de Genève Département Informatique", "CS231n: Deep Learning for Computer Vision, Stanford, Karpathy, Johnson",
    "Serge Belongie and Friends at Cornell Tech: Image Recognition for Everybody", "Oxford Flowers, Pets and Aircraft: Andrea Vedaldi, Omkar Parkhi",
    "Visual Recognition for Wildlife Ecology: the Perona Laboratory at Caltech in Pasadena",
]  # fmt: skip


@pytest.fixture(scope="module")
def titles():
    catalog, _ = load()
    return [entry.title for papers in (catalog.papers, catalog.surveys) for entry in papers.values()]


@pytest.mark.parametrize("page", SAME)
def test_a_papers_own_page_is_never_anothers(titles, page):
    assert [title for title in titles if names_another(page.format(title), title)] == []
    assert [title for title in titles if names_another(page.format(title[:40] + "..."), title)] == []
    assert [title for title in titles if names_another(page.format(title.upper()), title, exact=True)] == []


@pytest.mark.parametrize("page", NOTICES)
def test_a_page_without_a_papers_title_says_nothing(titles, page):
    assert [title for title in titles if names_another(page, title)] == []


def test_most_of_the_fields_other_papers_are_told_by_their_exact_title_and_some_by_a_pages(titles):
    """They share more words than papers of different fields; where two share many, nothing is said."""
    pairs = [(one, other) for one in titles for other in titles if one != other]
    exact = sum(names_another(*pair, exact=True) for pair in pairs) / len(pairs)
    page = sum(names_another(*pair) for pair in pairs) / len(pairs)
    assert 0.95 < exact < 1
    assert 0.25 < page < 0.5


@pytest.mark.parametrize(
    ("seen", "expected", "another"),
    [
        ("Fine-Grained Image Analysis with Deep Learning: A Survey", "Deep Learning for Fine-Grained Image Analysis: A Survey", False),
        ("Your Flamingo is My Bird: Fine-Grained, or Not", 'Your "Flamingo" is My "Bird": Fine-Grained, or Not', False),
        ("Müller’s Über–Networks", "Muller's Uber-Networks", False),
        ("Finegrained Recognition with TransFG, a Transformer Architecture", T, False),
        ("Hyperbolic Image Embeddings by Optimal Transport for Few-Shot Birds", T, True),
    ],
)
def test_a_change_of_words_is_no_other_paper(seen, expected, another):
    assert names_another(seen, expected) == names_another(seen, expected, exact=True) == another


def test_another_fields_paper_is_told_by_its_exact_title_alone():
    seen = "Statistical Mechanics of Magnetic Monopoles in Spin Ice"
    assert names_another(seen, T, exact=True)
    assert not names_another(seen, T)
