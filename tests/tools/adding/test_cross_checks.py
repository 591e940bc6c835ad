"""What OpenAlex and Semantic Scholar answer: both are asked only whether they agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.adding import openalex, semantic_scholar
from tools.adding.record import NoAnswer, NotThere, Record

ALEX, SCHOLAR = "api.openalex.org", "api.semanticscholar.org"
TITLE = "Feathers and k-NN: A Naïve View of the α-Plumage"


def test_openalex_tells_preprint_and_paper_as_one(services, web):
    services.serve(ALEX, "/works/doi:10.5555/birds.2024.7", Path("openalex/merged_work.json"))
    assert openalex.lookup(web, doi="10.5555/birds.2024.7") == Record(
        source="OpenAlex",
        where="https://api.openalex.org/works/doi:10.5555/birds.2024.7",
        title=TITLE,
        authors=("José Garza", "Zoë Rook"),
        year=2024,
        container="Computer Vision – ECCV 2024",
        volume="15000",
        pages="405-421",
        arxiv="2499.00001",
        doi="10.5555/birds.2024.7",
        doubts=('"Lecture notes in computer science" is a series or a preprint server, no venue.',),
    )


def test_openalex_is_asked_for_an_arxiv_id_by_arxivs_own_doi(services, web):
    services.serve(ALEX, "/works/doi:10.48550/arXiv.2499.00002", Path("openalex/preprint.json"))
    record = openalex.lookup(web, arxiv="2499.00002")
    assert (record.preprint, record.container, record.arxiv, record.doi) == (True, None, "2499.00002", None)
    assert record.withdrawn == "OpenAlex lists it as retracted"


def test_openalex_gets_a_key_and_an_address_where_there_are_some(services, new_web):
    services.serve(ALEX, "/works/doi:10.5555/x", {"doi": None})
    record = openalex.lookup(new_web(email="ada@example.org"), doi="10.5555/x", key="secret")
    openalex.lookup(new_web(), doi="10.5555/x")
    assert [set(asked.query) for asked in services.requests] == [{"select", "api_key", "mailto"}, {"select"}]
    assert "secret" not in record.where


def test_openalex_answering_with_another_doi_is_doubted(services, web):
    services.serve(ALEX, "/works/doi:10.5555/x", {"doi": "https://doi.org/10.5555/y"})
    assert openalex.lookup(web, doi="10.5555/x").doubts == ("Asked for 10.5555/x, OpenAlex answers with 10.5555/y.",)


@pytest.mark.parametrize(
    ("number", "truncated", "complete"), [(99, None, True), (100, None, False), (3, True, False), (3, False, True)]
)
def test_openalex_lists_no_more_than_a_hundred_authors(services, web, number, truncated, complete):
    authorships = [{"raw_author_name": f"Wren {index}"} for index in range(number)]
    services.serve(ALEX, "/works/doi:10.5555/x", {"authorships": authorships, "is_authors_truncated": truncated})
    assert openalex.lookup(web, doi="10.5555/x").complete == complete


@pytest.mark.parametrize(
    "answer",
    [
        {
            "title": None,
            "authorships": None,
            "primary_location": None,
            "locations": None,
            "biblio": None,
            "publication_year": None,
        },
        {
            "title": 3,
            "authorships": [None, {"author": None}],
            "primary_location": {"source": None},
            "locations": [{"landing_page_url": None}],
        },
        {"title": "", "authorships": {}, "primary_location": [], "biblio": [], "publication_year": "soon", "is_retracted": None},
        {},
    ],
)
def test_openalex_saying_nothing_is_a_record_of_nothing(services, web, answer):
    services.serve(ALEX, "/works/doi:10.5555/x", answer)
    assert openalex.lookup(web, doi="10.5555/x") == Record(
        source="OpenAlex", where="https://api.openalex.org/works/doi:10.5555/x"
    )


def test_semantic_scholar_tells_ids_and_venue(services, web):
    services.serve(SCHOLAR, "/graph/v1/paper/ARXIV:2499.00001", Path("semantic_scholar/published.json"))
    assert semantic_scholar.lookup(web, arxiv="2499.00001") == Record(
        source="Semantic Scholar",
        where="https://api.semanticscholar.org/graph/v1/paper/ARXIV:2499.00001",
        title=TITLE,
        authors=("José Garza", "Zoë Rook"),
        year=2024,
        container="European Conference on Computer Vision",
        volume="15000",
        pages="405-421",
        arxiv="2499.00001",
        doi="10.5555/birds.2024.7",
    )


def test_semantic_scholars_arxiv_org_is_no_venue(services, web):
    services.serve(SCHOLAR, "/graph/v1/paper/ARXIV:2499.00002", Path("semantic_scholar/preprint.json"))
    record = semantic_scholar.lookup(web, arxiv="2499.00002")
    assert (record.container, record.preprint, record.volume, record.doi) == (None, True, None, None)


def test_semantic_scholar_gets_a_key_in_a_header(services, web):
    services.serve(SCHOLAR, "/graph/v1/paper/DOI:10.5555/a%3Fb", {})
    semantic_scholar.lookup(web, doi="10.5555/a?b", key="secret")
    assert services.requests[0].headers["x-api-key"] == "secret"
    assert services.requests[0].path == "/graph/v1/paper/DOI:10.5555/a%3Fb"


@pytest.mark.parametrize(
    ("asked", "ids", "doubt"),
    [
        ({"arxiv": "2499.00001"}, {"ArXiv": "2499.00002"}, "Asked for 2499.00001, Semantic Scholar answers with 2499.00002."),
        ({"doi": "10.5555/x"}, {"DOI": "10.5555/y"}, "Asked for 10.5555/x, Semantic Scholar answers with 10.5555/y."),
        ({"doi": "10.5555/X"}, {"DOI": "10.5555/x"}, None),
        ({"doi": "10.5555/x"}, None, None),
    ],
)
def test_semantic_scholar_answering_with_another_id_is_doubted(services, web, asked, ids, doubt):
    path = f"ARXIV:{asked['arxiv']}" if "arxiv" in asked else f"DOI:{asked['doi']}"
    services.serve(SCHOLAR, f"/graph/v1/paper/{path}", {"externalIds": ids})
    assert semantic_scholar.lookup(web, **asked).doubts == ((doubt,) if doubt else ())


@pytest.mark.parametrize(
    "answer",
    [
        dict.fromkeys(semantic_scholar.FIELDS.split(",")),
        {"authors": [None, {"name": None}], "journal": [], "year": "?", "venue": ""},
        {},
    ],
)
def test_semantic_scholar_saying_nothing_is_a_record_of_nothing(services, web, answer):
    services.serve(SCHOLAR, "/graph/v1/paper/DOI:10.5555/x", answer)
    expected = Record(source="Semantic Scholar", where="https://api.semanticscholar.org/graph/v1/paper/DOI:10.5555/x")
    assert semantic_scholar.lookup(web, doi="10.5555/x") == expected


@pytest.mark.parametrize(
    ("host", "path", "lookup"),
    [(ALEX, "/works/doi:10.5555/x", openalex.lookup), (SCHOLAR, "/graph/v1/paper/DOI:10.5555/x", semantic_scholar.lookup)],
)
def test_both_say_when_they_know_nothing_and_when_they_answer_rubbish(services, web, host, path, lookup):
    services.serve(host, path, {"error": "not found"}, status=404, times=1)
    services.serve(host, path, "<html>")
    with pytest.raises(NotThere):
        lookup(web, doi="10.5555/x")
    with pytest.raises(NoAnswer, match="a web page in place of JSON"):
        lookup(web, doi="10.5555/x")
