"""Suggestions from a paper's own words."""

from __future__ import annotations

import pytest

from tools.adding import guesses
from tools.catalog import load
from tools.manifest import Group


@pytest.mark.parametrize(
    ("title", "abstract", "guess"),
    [
        ("TransFG: A Transformer Architecture", None, ("TransFG", "before the title's colon")),
        ("RAMS-Trans: Recurrent Attention", None, ("RAMS-Trans", "before the title's colon")),
        ("Context-aware Attentional Pooling (CAP) for Birds", None, ("CAP", "in the title's brackets")),
        ("Feature Fusion", "We propose a Feature Fusion Transformer (FFVT) where", ("FFVT", "in the abstract")),
        ("Dual Attention", "a network dubbed DCAL, tested on birds (CUB)", ("DCAL", "in the abstract")),
        ("The Devil is in the Channels: Mutual Losses", None, None),
        ("A free lunch from ViT: Adaptive Fusion", None, None),
        ("Birds", "We test on birds (CUB)", None),
    ],
)
def test_a_methods_name_is_guessed_where_title_or_abstract_introduce_it(title, abstract, guess):
    assert guesses.name(title, abstract) == guess


@pytest.mark.parametrize(
    ("title", "name", "authors", "expected"),
    [
        ("TransFG: A Transformer", "TransFG", ["Ju He"], "transfg"),
        ("Birds", "Étude Net++", ["Ju He"], "etude-net"),
        ("Learning to Navigate", None, ["Ze Yang"], "yang-2018-learning"),
        ("鳥の分類", None, ["山田 太郎"], "2018"),
        ("…", None, [], "paper-2018"),
    ],
)
def test_an_id_comes_of_the_name_or_of_author_year_and_title(title, name, authors, expected):
    assert guesses.entry_id(title, name, authors, 2018) == expected


def test_a_group_is_suggested_by_the_words_that_hint_at_it_and_says_where():
    vocabulary = {
        "transformer": Group(name="T", definition="d.", hints=["transformer*", "ViT"]),
        "jigsaw": Group(name="J", definition="d.", hints=["jigsaw"]),
        "silent": Group(name="S", definition="d."),
    }
    assert guesses.groups(vocabulary, "Two Transformers", "on jigsaws and a jigsaw") == {
        "transformer": '"Transformers" in the title',
        "jigsaw": '"jigsaw" in the abstract',
    }


def test_the_authors_code_is_the_address_they_name_themselves():
    assert guesses.code("Code: http://github.com/a/b.git.", None) == "https://github.com/a/b"
    assert guesses.code(None, "see https://gitlab.com/a/b-c)") == "https://gitlab.com/a/b-c"
    assert guesses.code("https://example.org/a/b", None) is None


def test_each_approach_that_the_catalog_has_a_hint_for_is_found_by_some_paper_of_it():
    catalog, _ = load()
    papers = catalog.papers.values()
    for word, group in catalog.manifest.approaches.items():
        one = {word: group}
        found = [paper for paper in papers if word in paper.approaches and guesses.groups(one, paper.title, paper.summary)]
        assert found, f"no hint of {word} is in a paper of it"
