"""One paper's facts from several sources: who goes before whom, and what is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tools.adding.asked import Asked
from tools.adding.gather import Gathered
from tools.adding.merge import Facts, Stated, merge
from tools.adding.record import Record
from tools.catalog import ROOT, load

MANIFEST = load(ROOT)[0].manifest
TITLE, AUTHORS = "Kestrels: A Transformer for Small Falcons", ("Ada Falk", "Bo Tern")
CVPR = "Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)"
ARXIV = Record(source="arXiv", where="a", title=TITLE, authors=AUTHORS, year=2020, preprint=True, arxiv="2011.00001", links=(("paper", "https://arxiv.org/abs/2011.00001"),))
CROSSREF = Record(source="Crossref", where="c", title=TITLE, authors=AUTHORS, year=2021, container=CVPR, pages="1-10", doi="10.1109/x")
CVF = replace(CROSSREF, source="CVF", doi=None, links=(("paper", "https://openaccess.thecvf.com/k.html"), ("pdf", "https://openaccess.thecvf.com/k.pdf")))
BIBTEX = replace(CROSSREF, source="BibTeX", doi=None)
SCHOLAR = replace(CROSSREF, source="Semantic Scholar")


def facts_of(*records: Record, venue: str | None = None, year: int | None = None) -> Facts:
    return merge(Gathered(Asked("x"), list(records), checked=True), MANIFEST, Stated(venue, year))


def test_a_published_venue_and_its_year_beat_the_preprint_whoever_answers_first():
    facts = facts_of(ARXIV, CROSSREF)
    assert {name: facts.data[name] for name in ("venue", "year", "pages")} == {"venue": "cvpr", "year": 2021, "pages": "1-10"}
    assert facts.data["ids"] == {"arxiv": "2011.00001", "doi": "10.1109/x"}
    assert (facts.disagreements, facts.missing) == ([], {})


def test_a_preprint_alone_is_of_arxiv_and_of_its_year():
    facts = facts_of(ARXIV)
    assert (facts.data["venue"], facts.data["year"]) == ("arxiv", 2020)
    assert "pages" not in facts.data


@pytest.mark.parametrize(
    "comment",
    [
        "Accepted by CVPR 2021",
        "ICCV'21",
        "To appear in AAAI",
        "ECCV-2020",
        "MM'20",
        "ACM Multimedia",
        "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
        "journal reference: Pattern Recognition 110 (2021) 107",
        "accepted at NeurIPS",
        "PRICAI 2021 (oral)",
    ],
)
def test_a_hint_at_a_publication_leaves_the_venue_open(comment):
    facts = facts_of(replace(ARXIV, comment=comment))
    assert "venue" not in facts.data
    assert facts.missing["venue"] == f'the authors say "{comment}" on arXiv, but no publisher\'s record was found; give the paper\'s page or DOI'


@pytest.mark.parametrize("comment", ["10 pages, 3 figures", "Better than CVPRlike methods", "a MMultimedia dataset", "code will appear"])
def test_other_comments_are_no_hint(comment):
    assert facts_of(replace(ARXIV, comment=comment)).data["venue"] == "arxiv"


def test_a_preprint_whose_publication_nobody_could_tell_of_has_no_venue():
    facts = merge(Gathered(Asked("x"), [ARXIV], checked=False), MANIFEST, Stated())
    assert facts.missing["venue"] == "nobody who would know answered whether it was published since"


@pytest.mark.parametrize("record", [replace(ARXIV, doi="10.1109/x"), replace(SCHOLAR, container="Unheard-of Letters")])
def test_a_doi_or_any_venue_at_a_check_is_a_hint(record):
    facts = facts_of(ARXIV, record)
    assert "venue" not in facts.data
    assert "but no publisher's record was found" in facts.missing["venue"]


def test_a_title_that_no_source_has_with_its_capitals_is_told():
    facts = facts_of(replace(BIBTEX, title="Kestrels: a transformer for small falcons"))
    assert facts.notes == ["BibTeX gives the title without its capitals: compare it with the paper"]


def test_the_publishers_page_goes_before_crossref_bibtex_and_arxiv():
    pages = {record.source: replace(record, title=f"{TITLE} ({record.source})") for record in (ARXIV, BIBTEX, CROSSREF, CVF)}
    left = list(pages.values())
    for source in ("CVF", "Crossref", "BibTeX", "arXiv"):
        assert facts_of(*left).data["title"] == f"{TITLE} ({source})"
        left.remove(pages[source])


def test_a_checks_venue_is_a_hint_and_never_a_fact():
    facts = facts_of(ARXIV, SCHOLAR)
    assert "Semantic Scholar has the venue" in facts.missing["venue"]
    assert "doi" not in facts.data["ids"]


def test_what_the_contributor_states_goes_first_and_the_difference_is_told():
    facts = facts_of(CROSSREF, venue="iccv", year=2019)
    assert (facts.data["venue"], facts.data["year"]) == ("iccv", 2019)
    assert facts.disagreements == [
        "venue: iccv (stated) was taken, against cvpr (Crossref)",
        "year: 2019 (stated) was taken, against 2021 (Crossref)",
    ]


def test_a_venue_that_the_vocabulary_lacks_is_named_with_what_the_source_says():
    facts = facts_of(replace(CROSSREF, container="Journal of Small Falcons"))
    assert facts.missing["venue"].startswith('"Journal of Small Falcons" (Crossref) is no venue of catalog.yaml')


@pytest.mark.parametrize(
    ("name", "value", "other", "shown"),
    [
        ("year", 2021, 2022, "year: 2021 (CVF) was taken, against 2022 (Crossref)"),
        ("pages", "1-10", "1-11", "pages: 1-10 (CVF) was taken, against 1-11 (Crossref)"),
        ("title", TITLE, f"{TITLE} and Owls", f"title: {TITLE} (CVF) was taken, against {TITLE} and Owls (Crossref)"),
        ("authors", AUTHORS, AUTHORS[::-1], "authors: Ada Falk, Bo Tern (CVF) was taken, against Bo Tern, Ada Falk (Crossref)"),
    ],
)
def test_sources_that_contradict_each_other_are_both_shown(name, value, other, shown):
    facts = facts_of(replace(CROSSREF, **{name: other}), replace(CVF, **{name: value}))
    assert (list(facts.data[name]) if name == "authors" else facts.data[name]) == (list(value) if name == "authors" else value)
    assert facts.disagreements == [shown]


def test_a_check_that_contradicts_is_shown_as_well():
    assert facts_of(CROSSREF, replace(SCHOLAR, year=2020)).disagreements == ["year: 2021 (Crossref) was taken, against 2020 (Semantic Scholar)"]


@pytest.mark.parametrize("lost", ["Kestrels: a transformer for small falcons", TITLE.upper()])
def test_a_title_that_lost_its_capitals_gives_way_without_a_word(lost):
    facts = facts_of(replace(BIBTEX, title=lost), ARXIV)
    assert (facts.data["title"], facts.disagreements) == (TITLE, [])


def test_a_list_of_authors_that_breaks_off_gives_way_to_a_whole_one():
    assert facts_of(replace(BIBTEX, authors=("Ada Falk",), complete=False), ARXIV).data["authors"] == list(AUTHORS)


def test_initials_give_way_to_names():
    assert facts_of(replace(CROSSREF, authors=("A. Falk", "B. Tern")), ARXIV).data["authors"] == list(AUTHORS)


def test_a_list_of_authors_that_breaks_off_is_no_list():
    assert facts_of(replace(BIBTEX, complete=False)).missing["authors"] == "BibTeX lists only some of them, and others"


def test_the_links_are_arxivs_page_then_the_publishers_and_no_second_pdf():
    assert facts_of(CVF, ARXIV).data["links"] == [
        {"kind": "paper", "url": "https://arxiv.org/abs/2011.00001"},
        {"kind": "paper", "url": "https://openaccess.thecvf.com/k.html"},
    ]


def test_without_any_page_the_doi_leads_to_the_paper():
    assert facts_of(CROSSREF).data["links"] == [{"kind": "paper", "url": "https://doi.org/10.1109/x"}]


def test_a_preprints_volume_is_none_of_the_papers():
    assert "volume" not in facts_of(replace(ARXIV, volume="abs/2011.00001"), CROSSREF).data


def test_the_year_is_first_that_of_the_source_that_knows_the_venue():
    facts = facts_of(replace(CROSSREF, container="Unheard-of Letters", year=2020), BIBTEX)
    assert (facts.data["venue"], facts.data["year"]) == ("cvpr", 2021)
    assert facts.disagreements == ["year: 2021 (BibTeX) was taken, against 2020 (Crossref)"]


def test_another_doi_at_a_check_is_told():
    assert facts_of(CROSSREF, replace(SCHOLAR, doi="10.1109/y")).disagreements == [
        "doi: 10.1109/x (Crossref) was taken, against 10.1109/y (Semantic Scholar)"
    ]
