"""BibTeX that BibTeX reads."""

from __future__ import annotations

import re

import pytest

from tools.bibtex import bibtex, escape, key
from tools.catalog import load


@pytest.fixture
def catalog(tree):
    return load(tree)[0]


def test_a_conference_paper_is_written_with_all_that_is_known(catalog):
    assert bibtex(catalog.papers["kestrel"], catalog.manifest) == (
        "@inproceedings{falk2021kestrel,\n"
        "  title         = {{Kestrel: Hovering Attention for Fine-Grained Recognition}},\n"
        "  author        = {Ada Falk and Bo Sperber},\n"
        "  booktitle     = {Proceedings of ICB},\n"
        "  year          = {2021},\n"
        "  pages         = {1--9},\n"
        "  doi           = {10.1234/icb.2021.1},\n"
        "  eprint        = {2103.00010},\n"
        "  archiveprefix = {arXiv},\n"
        "  url           = {https://arxiv.org/abs/2103.00010}\n"
        "}\n"
    )


def test_a_journal_paper_is_an_article_with_volume_and_no_booktitle(catalog):
    written = bibtex(catalog.papers["siskin"], catalog.manifest)
    assert written.startswith("@article{zeisig2020siskin,")
    assert "journal       = {Journal of Birds}" in written
    assert "volume        = {3}" in written
    assert "booktitle" not in written


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("R&D at 90%", r"R\&D at 90\%"),
        ("a_b #1 $x$", r"a\_b \#1 \$x\$"),
        ("~^\\", r"\textasciitilde{}\textasciicircum{}\textbackslash{}"),
        ("{", r"\textbraceleft{}"),
        ("Žižek – naïve", "Žižek – naïve"),
    ],
)
def test_nothing_in_a_text_is_a_command_to_latex(text, escaped):
    assert escape(text) == escaped


def test_braces_balance_whatever_the_title_holds(catalog):
    paper = catalog.papers["kestrel"].model_copy(update={"title": "}{ {{ } \\"})
    written = re.sub(r"\\[{}]", "", bibtex(paper, catalog.manifest))
    assert written.count("{") == written.count("}")


def test_a_doi_keeps_its_underscores(catalog):
    paper = catalog.papers["kestrel"]
    paper = paper.model_copy(update={"ids": paper.ids.model_copy(update={"doi": "10.1007/978-3-030-01264-9_26"})})
    assert "{10.1007/978-3-030-01264-9_26}" in bibtex(paper, catalog.manifest)


def test_a_list_without_a_year_is_cited_without_one(catalog):
    survey = catalog.surveys["birds-2022"].model_copy(update={"year": None})
    written = bibtex(survey, catalog.manifest)
    assert "year" not in written
    assert written.startswith("@article{falkbirds,")


def test_a_key_is_plain_ascii(catalog):
    paper = catalog.papers["kestrel"].model_copy(update={"authors": ["Jürgen Müller-Lüdenscheidt"], "name": "S³N"})
    assert key(paper) == "mullerludenscheidt2021s3n"


def test_every_key_of_the_real_catalog_is_its_own():
    catalog, _ = load()
    keys = [key(entry) for entry in (*catalog.papers.values(), *catalog.surveys.values())]
    assert len(set(keys)) == len(keys)
