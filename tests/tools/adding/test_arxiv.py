"""What arXiv answers, and what is made of it."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pytest

from tools.adding.arxiv import AT_ONCE, lookup
from tools.adding.record import NoAnswer, NotThere, Record, Refusal

HOST = "export.arxiv.org"
PATH = "/api/query"


@pytest.fixture
def arxiv(services):
    """Serves arXiv's answer, a file or bytes."""

    def serve(content, **how):
        services.serve(HOST, PATH, Path("arxiv", content) if isinstance(content, str) else content, **how)

    return serve


def feed(*entries):
    """A feed of entries, each a mapping of the elements' names to their text."""
    elements = "".join(
        f"<entry>{''.join(f'<{name}>{escape(text)}</{name}>' for name, text in entry.items())}</entry>" for entry in entries
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom">{elements}</feed>'.encode()


def looked_up(web, arxiv, **elements):
    arxiv(feed({"id": "http://arxiv.org/abs/2499.00001v1"} | {name.replace("__", ":"): text for name, text in elements.items()}))
    return lookup(web, ["2499.00001"])["2499.00001"]


def test_all_that_arxiv_says_is_taken_over(web, arxiv):
    arxiv("three_papers.xml")
    assert lookup(web, ["2499.00001"])["2499.00001"] == Record(
        source="arXiv",
        where="https://arxiv.org/abs/2499.00001",
        title="Feathers and k-NN: A Naïve View of the α-Plumage",
        authors=("José Garza", "Zoë Rook"),
        year=2023,
        container="ECCV",
        preprint=True,
        arxiv="2499.00001",
        doi="10.5555/birds.2024.7",
        links=(("paper", "https://arxiv.org/abs/2499.00001"),),
        abstract="Plumages differ in little. We look closely.",
        comment="Accepted by ECCV 2024; code: see text; journal reference: ECCV 2024",
        version=3,
    )


def test_many_ids_take_one_request_and_come_back_in_any_order(services, web, arxiv):
    arxiv("three_papers.xml")
    found = lookup(web, ["2499.00001", "arXiv:2499.00002v7", "cs.CV/9901001"])
    assert [record.title for record in found.values()] == [
        "Feathers and k-NN: A Naïve View of the α-Plumage",
        "Owls at 50% of the Light: R&D ~ 3_4",
        "Ringing by Hand",
    ]
    assert [asked.query for asked in services.requests] == [
        {"id_list": "2499.00001,2499.00002,cs.CV/9901001", "max_results": "3"}
    ]


def test_a_hundred_and_one_ids_take_two_requests(services, web, arxiv, waits):
    arxiv("empty.xml")
    lookup(web, [f"2499.{number:05}" for number in range(AT_ONCE + 1)])
    assert [asked.query["id_list"].count(",") for asked in services.requests] == [99, 0]
    assert [round(wait) for wait in waits] == [3]


def test_an_id_asked_for_twice_is_asked_once(services, web, arxiv):
    arxiv("three_papers.xml")
    assert len(lookup(web, ["2499.00001", "arXiv:2499.00001v1"])) == 2
    assert services.requests[0].query["id_list"] == "2499.00001"


def test_names_in_other_scripts_stay_as_they_are(web, arxiv):
    arxiv("three_papers.xml")
    assert lookup(web, ["2499.00002"])["2499.00002"].authors == ("יעל דרור", "山田 花子")


def test_corr_is_no_venue(web, arxiv):
    arxiv("three_papers.xml")
    record = lookup(web, ["cs/9901001"])["cs/9901001"]
    assert (record.container, record.comment) == (None, "journal reference: CoRR, abs/cs/9901001, 1999")


@pytest.mark.parametrize(
    ("reference", "container"),
    [
        ("CVPR 2021", "CVPR"),
        ("Journal of Birds, 2021.", "Journal of Birds"),
        ("Neurocomputing (2020)", "Neurocomputing"),
        ("IEEE Transactions on Image Processing 29 (2020) 1-12", None),
        ("Proceedings of the AAAI Conference, 36(1), 852-860, 2022", None),
        ("arXiv preprint 2021", None),
        ("CoRR 2021", None),
        ("2021", None),
        ("Lecture Notes in Computer Science 2021", None),
    ],
)
def test_a_journal_reference_is_a_venue_where_it_names_nothing_else(web, arxiv, reference, container):
    record = looked_up(web, arxiv, arxiv__journal_ref=reference)
    assert (record.container, record.comment) == (container, f"journal reference: {reference}")


def test_the_id_of_another_paper_is_not_taken_for_the_one_asked_for(web, arxiv):
    arxiv("three_papers.xml")
    found = lookup(web, ["2499.00009"])["2499.00009"]
    assert (type(found), str(found)) == (NotThere, "arXiv knows no paper 2499.00009")


def test_an_empty_feed_knows_no_paper(web, arxiv):
    arxiv("empty.xml")
    assert isinstance(lookup(web, ["2499.00009"])["2499.00009"], NotThere)


def test_what_is_no_id_is_never_asked_for(services, web):
    found = lookup(web, ["ResNet"])["ResNet"]
    assert isinstance(found, Refusal)
    assert "'ResNet' isn't an arXiv id; expected one such as 2103.07976" in str(found)
    assert services.requests == []


@pytest.mark.parametrize("status", [200, 400])
def test_an_id_that_arxiv_objects_to_does_not_take_the_others_along(services, web, arxiv, status):
    arxiv("error.xml", status=status, times=1)
    arxiv("three_papers.xml")
    found = lookup(web, ["2499.99999", "2499.00001"])
    assert "incorrect id format for 2499.99999" in str(found["2499.99999"])
    assert found["2499.00001"].version == 3
    assert [asked.query["id_list"] for asked in services.requests] == ["2499.99999,2499.00001", "2499.00001"]


def test_an_error_that_blames_no_id_is_told(web, arxiv):
    arxiv("error.xml")
    with pytest.raises(NoAnswer, match=r"arXiv answers with an error: incorrect id format for 2499\.99999"):
        lookup(web, ["2499.9999"])  # which stands in 2499.99999, and is another id


@pytest.mark.parametrize("content", ["entity_bomb.xml", "external_entity.xml"])
def test_xml_with_entities_of_its_own_is_not_read(web, arxiv, content):
    arxiv(content)
    with pytest.raises(NoAnswer, match="entities of its own"):
        lookup(web, ["2499.00001"])


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"<feed xmlns='http://www.w3.org/2005/Atom'><entry>", 'no Atom feed: "<feed'),
        (b"Rate exceeded.", "no Atom feed: 'Rate exceeded.'"),
        (b"", "no Atom feed: 'nothing'"),
        (b"<!DOCTYPE html><html><body>Sorry</body></html>", "wasn't read|no Atom feed"),
        (b"<html><body>Sorry</body></html>", "no Atom feed, but 'html'"),
        (b"<?xml version='1.0' encoding='no-such-thing'?><feed/>", "no Atom feed"),
        (b"\xff\xfe<\x00", "no Atom feed"),
        (b"<feed xmlns='http://www.w3.org/2005/Atom'>\xff</feed>", "no Atom feed"),
        (b"<feed><entry/></feed>", "no Atom feed, but 'feed'"),
    ],
)
def test_what_is_no_feed_is_told_with_its_beginning(web, arxiv, content, shown):
    arxiv(content)
    with pytest.raises(NoAnswer, match=shown):
        lookup(web, ["2499.00001"])


def test_an_entry_that_says_nothing_is_a_record_of_nothing(web, arxiv):
    assert looked_up(web, arxiv) == Record(
        source="arXiv",
        where="https://arxiv.org/abs/2499.00001",
        preprint=True,
        arxiv="2499.00001",
        version=1,
        links=(("paper", "https://arxiv.org/abs/2499.00001"),),
    )


def test_arxivs_own_doi_is_no_doi_of_the_paper(web, arxiv):
    assert looked_up(web, arxiv, arxiv__doi="10.48550/arXiv.2499.00001").doi is None


def test_latex_that_is_not_understood_stays_and_is_doubted(web, arxiv):
    record = looked_up(web, arxiv, title=r"Birds with \ours")
    assert (record.title, record.doubts) == (
        r"Birds with \ours",
        ('The title has LaTeX that isn\'t understood: "Birds with \\ours".',),
    )


def test_a_withdrawn_paper_is_told_in_the_authors_words(web, arxiv):
    arxiv("withdrawn.xml")
    record = lookup(web, ["2499.00003"])["2499.00003"]
    assert record.withdrawn == "This paper has been withdrawn by the author due to an error in Table 2."


def test_labels_that_are_withdrawn_withdraw_no_paper(web, arxiv):
    arxiv("three_papers.xml")
    assert lookup(web, ["2499.00002"])["2499.00002"].withdrawn is None
