"""What Crossref answers, and what is made of it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tools.adding.crossref import lookup
from tools.adding.record import NoAnswer, NotThere, Record

HOST = "api.crossref.org"
DOI = "10.5555/x"


@pytest.fixture
def crossref(services, web):
    """Looks up a DOI in an answer that is a file, or whose message is given by its fields."""

    def look(content=None, doi=DOI, **message):
        answer = (
            Path("crossref", content)
            if content
            else {"message": {"DOI": doi.lower()} | {k.replace("_", "-"): v for k, v in message.items()}}
        )
        services.serve(HOST, f"/works/{quote(doi)}", answer)
        return lookup(web, doi)

    return look


def test_a_chapter_is_of_its_proceedings_never_of_the_series(crossref):
    assert crossref("chapter_in_series.json", "10.5555/978-0-00-000000-0_7") == Record(
        source="Crossref",
        where="https://api.crossref.org/works/10.5555%2F978-0-00-000000-0_7",
        title="NestNet: Finding Parus by x2 & < 3 Looks",
        authors=("Ada Wren Jr.", "Bo Gull", "The Marsh Survey", "花子"),
        year=2024,  # the proceedings were printed in 2025
        container="Computer Vision – ECCV 2024",
        volume="15000",
        pages="405-421",
        arxiv="2499.00001",
        doi="10.5555/978-0-00-000000-0_7",
    )


def test_a_journals_year_is_that_of_print(crossref):
    record = crossref("journal_article.json", "10.5555/TIP.2021.5")
    assert record.title == "The k-Nearest Nests? A Study"
    assert (record.year, record.volume, record.number, record.pages) == (2021, "30", "2", "109305")
    assert (record.doi, record.doubts, record.authors) == ("10.5555/TIP.2021.5", (), ("Łukasz Sikora",))


@pytest.mark.parametrize(
    ("doi", "path"),
    [
        ("10.5555/a?b#c", "/works/10.5555%2Fa%3Fb%23c"),
        ("10.1002/(SICI)1<2::AID>3.0;2-P", "/works/10.1002%2F%28SICI%291%3C2%3A%3AAID%3E3.0%3B2-P"),
        ("10.5555/../../x", "/works/10.5555%2F..%2F..%2Fx"),
        ("10.5555/ä", "/works/10.5555%2F%C3%A4"),
    ],
)
def test_a_doi_is_encoded_whole(services, crossref, doi, path):
    crossref(doi=doi, title=["x"])
    assert services.requests[0].path == path


def test_an_email_address_brings_the_request_into_the_polite_pool(services, new_web):
    services.serve(HOST, f"/works/{DOI}", {"message": {}})
    lookup(new_web(email="ada@example.org"), DOI)
    lookup(new_web(), DOI)
    assert [asked.query for asked in services.requests] == [{"mailto": "ada@example.org"}, {}]


def test_a_doi_that_crossref_does_not_know_may_be_new_or_anothers(services, web):
    services.serve(HOST, f"/works/{DOI}", "Resource not found.", status=404)
    with pytest.raises(
        NotThere, match=r"no DOI 10\.5555/x: it is misspelt, or another agency's, or so new that its metadata isn't there yet"
    ):
        lookup(web, DOI)


def test_another_dois_answer_is_doubted(crossref):
    record = crossref(DOI="10.5555/another", title=["Another Paper"], author=[{"family": "Wren"}])
    assert record.doi == "10.5555/another"
    assert record.doubts == (
        "Asked for 10.5555/x, Crossref answers with 10.5555/another, another name of the same work or another work.",
    )


@pytest.mark.parametrize(
    ("title", "subtitle", "whole"),
    [
        (["Nests"], ["A Survey"], "Nests: A Survey"),
        (["Nests: A Survey"], ["A Survey"], "Nests: A Survey"),
        (["Nests:"], ["A Survey"], "Nests: A Survey"),
        (["Nests?"], ["A Survey"], "Nests? A Survey"),
        (["Nests"], [], "Nests"),
        (["Nests"], None, "Nests"),
        (["  ", "Nests"], [""], "Nests"),
        ("Nests", "A Survey", "Nests: A Survey"),
        ([], ["A Survey"], None),
        (None, None, None),
        ([None, 3, {}], None, None),
        (["Caf&eacute; &amp;amp; <b>Nest</b>"], None, "Café & Nest"),
        (["&lt;i&gt;Parus&lt;/i&gt; and p &lt; 0.05"], None, "Parus and p < 0.05"),
        (['<inline-formula><tex-math notation="LaTeX">$k$</tex-math></inline-formula>-NN'], None, "k-NN"),
        (["On <mml:math><mml:mi>x</mml:mi><mml:annotation>$x$</mml:annotation></mml:math>"], None, "On x"),
        (["Two\n   lines"], None, "Two lines"),
        (["鳥の認識"], ["概観"], "鳥の認識: 概観"),
        (["RETRACTED:"], None, "RETRACTED:"),
    ],
)
def test_a_title_is_whole_and_plain(crossref, title, subtitle, whole):
    assert crossref(title=title, subtitle=subtitle).title == whole


@pytest.mark.parametrize(
    ("containers", "event", "container"),
    [
        (["Lecture Notes in Computer Science", "Computer Vision – ECCV 2020"], None, "Computer Vision – ECCV 2020"),
        (["Computer Vision – ECCV 2020", "Lecture Notes in Computer Science"], None, "Computer Vision – ECCV 2020"),
        (["Lecture Notes in Computer Science"], {"name": "ECCV 2020"}, "ECCV 2020"),
        (["Lecture Notes in Computer Science"], None, None),
        (["Proceedings of Machine Learning Research"], None, None),
        (["IEEE Transactions on Nests &amp; Eggs"], None, "IEEE Transactions on Nests & Eggs"),
        ([], {"name": None}, None),
        (None, "not an object", None),
    ],
)
def test_a_series_is_never_the_container(crossref, containers, event, container):
    record = crossref(title=["x"], container_title=containers, event=event, author=[{"family": "Wren"}])
    assert record.container == container
    assert [doubt for doubt in record.doubts if "a series" in doubt] == (
        [f'"{containers[0]}" is a series or a preprint server, no venue.'] if container is None and containers else []
    )


@pytest.mark.parametrize(
    ("fields", "year"),
    [
        ({"published_print": {"date-parts": [[2021, 1]]}, "published_online": {"date-parts": [[2020]]}}, 2021),
        ({"published_online": {"date-parts": [[2020]]}, "issued": {"date-parts": [[2019]]}}, 2020),
        ({"issued": {"date-parts": [[2019, 5, 1]]}}, 2019),
        ({"issued": {"date-parts": [[2019]]}, "container_title": ["2018 Conference on Nests"]}, 2018),
        ({"issued": {"date-parts": [[2019]]}, "event": {"name": "Nests 2017"}}, 2017),
        ({"issued": {"date-parts": [[None]]}}, None),
        ({"issued": {"date-parts": [[]]}}, None),
        ({"issued": {"date-parts": []}}, None),
        ({"issued": {"date-parts": [["2019"]]}}, 2019),
        ({"issued": {"date-parts": [[True]]}}, None),
        ({"issued": {"date-parts": [[99999]]}}, None),
        ({"issued": {"date-parts": [[0]]}}, None),
        ({"issued": None}, None),
    ],
)
def test_the_year_is_the_venues(crossref, fields, year):
    assert crossref(title=["x"], **fields).year == year


@pytest.mark.parametrize(
    ("authors", "names"),
    [
        ([{"given": "Ada", "family": "Wren"}], ("Ada Wren",)),
        ([{"family": "Wren", "given": None}, {"given": "Bo"}], ("Wren", "Bo")),
        (
            [
                {"family": "B", "sequence": "additional"},
                {"family": "A", "sequence": "first"},
                {"family": "C", "sequence": "additional"},
            ],
            ("A", "B", "C"),
        ),
        ([{"given": "محمد", "family": "الطيور"}], ("محمد الطيور",)),
        ([{"given": "J\\'er\\^ome", "family": "Merle&apos;s"}], ("Jérôme Merle's",)),
        ([{"name": "The Marsh Survey"}], ("The Marsh Survey",)),
        ([{}, None, "Wren", {"family": ""}], ()),
        (None, ()),
    ],
)
def test_authors_come_in_order_given_name_first(crossref, authors, names):
    record = crossref(title=["x"], author=authors)
    assert record.authors == names
    assert ("Crossref names no authors." in record.doubts) == (names == ())


def test_several_years_in_the_name_of_the_proceedings_are_doubted(crossref):
    record = crossref(
        title=["x"], author=[{"family": "Wren"}], container_title=["Nests of 2018 and 2019"], issued={"date-parts": [[2020]]}
    )
    assert (record.year, record.doubts) == (2020, ('"Nests of 2018 and 2019" names several years: none of them was taken.',))


def test_a_retracted_paper_is_told_with_its_notice(crossref):
    record = crossref("retracted.json", "10.5555/retracted.1")
    assert (record.title, record.withdrawn) == ("All Swans Are White", "retraction, as 10.5555/notice.1 says")


@pytest.mark.parametrize(
    ("fields", "withdrawn"),
    [
        ({"title": ["RETRACTED: Swans"]}, "its title is marked as retracted"),
        ({"title": ["[Withdrawn] : Swans"]}, "its title is marked as withdrawn"),
        ({"title": ["Retracted Swans"]}, None),
        ({"title": ["x"], "updated_by": [{"type": "withdrawal", "DOI": None}]}, "withdrawal, as a work without a DOI says"),
        ({"title": ["x"], "updated_by": [{"type": "correction", "DOI": "10.5555/c"}]}, None),
        ({"title": ["x"], "updated_by": [{"type": ["retraction"]}, None]}, None),
        (
            {"title": ["x"], "update_to": [{"type": "retraction", "DOI": "10.5555/r"}]},
            "this is no paper but the notice of a retraction, that of 10.5555/r",
        ),
    ],
)
def test_what_is_taken_back_is_told(crossref, fields, withdrawn):
    assert crossref(**fields).withdrawn == withdrawn


def test_a_notice_short_of_retraction_is_a_doubt(crossref):
    record = crossref(
        title=["x"], author=[{"family": "Wren"}], updated_by=[{"type": "expression_of_concern", "DOI": "10.5555/e"}]
    )
    assert (record.withdrawn, record.doubts) == (None, ("It carries a notice (expression of concern): 10.5555/e.",))


def test_a_preprint_is_told_with_the_paper_that_came_of_it(crossref):
    record = crossref(
        type="posted-content",
        container_title=["The Nest of Preprints"],
        title=["x"],
        author=[{"family": "Wren"}],
        relation={"is-preprint-of": [{"id-type": "doi", "id": "10.5555/p"}]},
    )
    assert (record.preprint, record.container) == (True, None)
    assert record.doubts == ("It is the preprint of 10.5555/p: that is the DOI to ask for.",)


@pytest.mark.parametrize(
    ("relation", "arxiv"),
    [
        ({"has-preprint": [{"id-type": "doi", "id": "https://doi.org/10.48550/ARXIV.2499.00001"}]}, "2499.00001"),
        ({"has-preprint": [{"id-type": "arxiv", "id": "2499.00001v2"}]}, "2499.00001"),
        ({"has-preprint": [{"id-type": "doi", "id": "10.1101/2499.00001"}]}, None),
        ({"is-part-of": [{"id-type": "arxiv", "id": "2499.00001"}]}, None),
        ({"has-preprint": "2499.00001"}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_preprint_on_arxiv_is_known_by_the_relation(crossref, relation, arxiv):
    assert crossref(title=["x"], relation=relation).arxiv == arxiv


def test_nulls_everywhere_leave_a_record_of_nothing(crossref):
    names = [
        "title",
        "subtitle",
        "author",
        "container_title",
        "volume",
        "issue",
        "page",
        "publisher",
        "issued",
        "event",
        "relation",
        "abstract",
        "type",
    ]
    record = crossref(**dict.fromkeys([*names, "updated_by", "update_to", "published_print", "article_number"]))
    assert record == Record(
        source="Crossref", where="https://api.crossref.org/works/10.5555%2Fx", doi=DOI, doubts=("Crossref names no authors.",)
    )


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b'{"message": {"DOI": ', "something that can't be read in place of JSON"),
        (b"", "something that can't be read in place of JSON"),
        (b"\xff\xfe{}", "something that can't be read in place of JSON"),
        (b"<!DOCTYPE html><html><body>Maintenance</body></html>", "a web page in place of JSON"),
        (b"  <HTML>", "a web page in place of JSON"),
        (b"[]", "a JSON list in place of an object"),
        (b"null", "a JSON NoneType in place of an object"),
        (b'"text"', "a JSON str in place of an object"),
        (b"[" * 100_000, "something that can't be read in place of JSON"),
        (b"{}", "Crossref answers no description of 10.5555/x"),
        (b'{"message": [1]}', "Crossref answers no description of 10.5555/x"),
        (b'{"message": null}', "Crossref answers no description of 10.5555/x"),
    ],
)
def test_what_is_no_description_is_told(services, web, content, shown):
    services.serve(HOST, f"/works/{DOI}", content)
    with pytest.raises(NoAnswer, match=shown):
        lookup(web, DOI)
