"""Who is asked about a paper, whose ids are followed, and what is refused as another paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.tools.adding import answers
from tests.tools.adding.answers import ARXIV, AUTHORS, DOI, TITLE
from tools.adding.asked import Asked, of_record
from tools.adding.gather import Gathered, gather
from tools.adding.record import NoAnswer, Record, Refusal

BIBTEX = Record(source="BibTeX", where="k.bib:1", title=TITLE, authors=AUTHORS, year=2021)


@pytest.fixture
def play(services) -> Callable[..., None]:
    """Serves the invented paper at every service; a service that is None knows nothing of it."""

    def serve(*, arxiv: Any = "", crossref: Any = "", scholar: Any = "", openalex: Any = "") -> None:
        pages = {
            ("export.arxiv.org", "/api/query"): answers.atom() if arxiv == "" else arxiv,
            ("api.crossref.org", f"/works/{DOI}"): answers.crossref() if crossref == "" else crossref,
            ("api.semanticscholar.org", f"/graph/v1/paper/ARXIV:{ARXIV}"): answers.scholar() if scholar == "" else scholar,
            ("api.semanticscholar.org", f"/graph/v1/paper/DOI:{DOI}"): answers.scholar() if scholar == "" else scholar,
            ("api.openalex.org", f"/works/doi:{DOI}"): answers.openalex() if openalex == "" else openalex,
            ("api.openalex.org", f"/works/doi:10.48550/arXiv.{ARXIV}"): answers.openalex() if openalex == "" else openalex,
        }
        for (host, path), content in pages.items():
            services.serve(host, path, content or "", status=404 if content is None else 200)

    return serve


def sources(found: Gathered) -> list[str]:
    return [record.source for record in found.records]


def test_an_arxiv_id_leads_by_semantic_scholar_to_crossrefs_record(play, web):
    play()
    found = gather(Asked("x", arxiv=ARXIV), web, {})
    assert sources(found) == ["arXiv", "Semantic Scholar", "Crossref"]
    assert (found.arxiv, found.doi, found.notes) == (ARXIV, DOI, [])


def test_a_doi_leads_to_arxivs_record(play, web):
    play()
    assert sources(gather(Asked("x", doi=DOI), web, {})) == ["Crossref", "Semantic Scholar", "arXiv"]


def test_arxivs_own_doi_of_the_publication_is_asked_at_crossref_before_any_check(play, web, services):
    play(arxiv=answers.atom({"doi": DOI}))
    assert sources(gather(Asked("x", arxiv=ARXIV), web, {})) == ["arXiv", "Crossref", "Semantic Scholar"]


def test_openalex_is_asked_only_where_semantic_scholar_does_not_answer(play, web, services):
    play(scholar=None)
    assert sources(gather(Asked("x", arxiv=ARXIV), web, {})) == ["arXiv", "OpenAlex", "Crossref"]
    play()


def test_what_arxiv_said_already_is_not_asked_again(play, web, services):
    play()
    gather(Asked("x", arxiv=ARXIV), web, {ARXIV: Record(source="arXiv", where="w", title=TITLE, authors=AUTHORS, arxiv=ARXIV, preprint=True)})
    assert [request for request in services.requests if request.host == "export.arxiv.org"] == []


def test_a_bibtex_files_word_is_held_against_its_ids(play, web):
    play()
    found = gather(of_record(Record(source="BibTeX", where="k.bib:1", title=TITLE, authors=AUTHORS, arxiv=ARXIV, doi=DOI)), web, {})
    assert sources(found) == ["BibTeX", "arXiv", "Crossref", "Semantic Scholar"]


def test_a_bibtex_record_without_an_id_asks_nobody(web, services):
    assert sources(gather(of_record(BIBTEX), web, {})) == ["BibTeX"]
    assert services.requests == []


def test_a_publishers_page_is_read_and_the_arxiv_id_on_it_followed(services, web):
    page = "https://openaccess.thecvf.com/content/CVPR2021/html/Falk_KestrelNet_CVPR_2021_paper.html"
    tags = {"title": TITLE, "author": "Falk, Ada", "publication_date": "2021", "conference_title": "Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition", "firstpage": "10", "lastpage": "19"}
    html = "".join(f'<meta name="citation_{name}" content="{value}">' for name, value in tags.items())
    html += f'<meta name="citation_author" content="Tern, Bo">[<a href="http://arxiv.org/abs/{ARXIV}">arXiv</a>]'
    services.serve("openaccess.thecvf.com", "/content/CVPR2021/html/Falk_KestrelNet_CVPR_2021_paper.html", f"<html><head>{html}</html>")
    services.serve("export.arxiv.org", "/api/query", answers.atom())
    services.serve("api.semanticscholar.org", f"/graph/v1/paper/ARXIV:{ARXIV}", status=404)
    services.serve("api.openalex.org", f"/works/doi:10.48550/arXiv.{ARXIV}", status=404)
    found = gather(Asked("x", page=page), web, {})
    assert sources(found) == ["CVF", "arXiv"]
    assert (found.records[0].pages, found.records[0].authors, found.records[0].links[0]) == ("10-19", AUTHORS, ("paper", page))


def test_a_list_of_authors_that_breaks_off_is_held_against_as_many_as_it_names(play, web):
    play(arxiv=answers.atom({"authors": (*AUTHORS, "Cy Strix", "Di Bubo", "Ed Merl")}))
    record = Record(source="BibTeX", where="k.bib:1", title=TITLE, authors=AUTHORS[:1], complete=False, arxiv=ARXIV)
    assert "arXiv" in sources(gather(of_record(record), web, {}))


OTHER = {"title": "Owls at Night", "authors": ("Cy Strix", "Di Bubo")}


@pytest.mark.parametrize(
    ("asked", "served", "says"),
    [
        (
            of_record(Record(source="BibTeX", where="k.bib:1", title=TITLE, authors=AUTHORS, arxiv=ARXIV)),
            {"arxiv": answers.atom(OTHER)},
            "arXiv has another title than BibTeX:",
        ),
        (
            of_record(Record(source="BibTeX", where="k.bib:1", title=TITLE, authors=AUTHORS, doi=DOI)),
            {"crossref": answers.crossref(title=["Owls at Night"])},
            "Crossref has another title than BibTeX:",
        ),
        (
            of_record(Record(source="BibTeX", where="k.bib:1", title=TITLE, authors=AUTHORS, arxiv=ARXIV)),
            {"arxiv": answers.atom({"authors": ("Cy Strix", "Di Bubo")})},
            "arXiv names other authors than BibTeX:",
        ),
        (Asked("x", arxiv=ARXIV), {"arxiv": answers.atom({"doi": DOI}), "crossref": answers.crossref(title=["Owls at Night"])}, "Crossref has another title than arXiv:"),
    ],
    ids=["arXiv id of another paper", "DOI of another paper", "same title, other people", "arXiv's DOI of another paper"],
)
def test_an_id_that_is_another_papers_is_refused_with_both_sides(play, web, asked, served, says):
    play(**served)
    with pytest.raises(Refusal) as refused:
        gather(asked, web, {})
    message = str(refused.value)
    assert message.startswith(says)
    assert f'asked for: "{TITLE}" by Ada Falk, Bo Tern' in message
    assert "Owls at Night" in message or "Cy Strix, Di Bubo" in message
    assert "--same-paper" in message


def test_somebody_who_looked_can_say_that_it_is_one_paper(play, web):
    play(arxiv=answers.atom({"title": "Wings Tell Small Falcons Apart"}))
    record = Record(source="BibTeX", where="k.bib:1", title=TITLE, authors=AUTHORS, arxiv=ARXIV)
    assert "arXiv" in sources(gather(of_record(record), web, {}, same_paper=True))


def test_a_checks_lead_to_another_paper_is_left_out_and_told(play, web):
    play(crossref=answers.crossref(title=["Owls at Night"]))
    found = gather(Asked("x", arxiv=ARXIV), web, {})
    assert (sources(found), found.doi) == (["arXiv", "Semantic Scholar"], None)
    assert found.notes[0].startswith(f"Semantic Scholar names {DOI}, which was left out: Crossref has another title than arXiv:")


def test_a_retraction_that_a_check_knows_is_told_first(play, web):
    play(scholar=None, openalex=answers.openalex(is_retracted=True))
    found = gather(Asked("x", arxiv=ARXIV), web, {})
    assert found.notes[0].startswith("OpenAlex says that the paper was withdrawn:")


def test_a_withdrawn_preprint_of_a_published_paper_is_left_out(play, web):
    play(arxiv=answers.atom({"comment": "This paper has been withdrawn by the authors"}))
    found = gather(Asked("x", doi=DOI), web, {})
    assert sources(found) == ["Crossref", "Semantic Scholar"]
    assert f"Semantic Scholar names {ARXIV}, which was left out: it was withdrawn" in found.notes[0]


@pytest.mark.parametrize("known", [True, False])
def test_a_check_that_answers_is_a_check_be_it_that_it_knows_nothing(play, web, known):
    play(**{} if known else {"scholar": None, "openalex": None})
    assert gather(Asked("x", arxiv=ARXIV), web, {}).checked


def test_a_check_that_speaks_of_another_paper_is_left_aside_and_told(play, web):
    play(scholar=answers.scholar(title="Owls at Night"), openalex=None)
    found = gather(Asked("x", arxiv=ARXIV), web, {})
    assert sources(found) == ["arXiv"]
    assert "Semantic Scholar has another title than arXiv:" in found.notes[0]
    assert found.notes[0].endswith("it was left aside")


def test_a_withdrawn_paper_is_refused_in_the_authors_words(play, web):
    play(arxiv=answers.atom({"comment": "This paper has been withdrawn by the authors due to an error in equation 3"}))
    with pytest.raises(Refusal, match=r"arXiv says that the paper was withdrawn: This paper has been withdrawn .* equation 3"):
        gather(Asked("x", arxiv=ARXIV), web, {})


def test_a_doi_that_crossref_does_not_know_is_left_out_where_there_is_more_to_go_by(play, web):
    play(crossref=None)
    found = gather(of_record(Record(source="BibTeX", where="k.bib:1", title=TITLE, authors=AUTHORS, arxiv=ARXIV, doi=DOI)), web, {})
    assert found.records[0].doi is None
    assert "the DOI was left out" in " ".join(found.notes)


def test_a_doi_that_crossref_does_not_know_is_refused_where_it_is_all_there_is(play, web):
    play(crossref=None)
    with pytest.raises(Refusal, match=f"Crossref knows no DOI {DOI}"):
        gather(Asked("x", doi=DOI), web, {})


def test_who_was_asked_for_the_paper_has_to_answer_and_a_check_does_not(play, web, services):
    services.serve("export.arxiv.org", "/api/query", status=500)
    with pytest.raises(NoAnswer, match="arXiv"):
        gather(Asked("x", arxiv=ARXIV), web, {})


def test_checks_that_are_too_busy_are_asked_once_and_told(play, web, services, waits):
    services.serve("api.semanticscholar.org", f"/graph/v1/paper/ARXIV:{ARXIV}", status=429)
    services.serve("api.openalex.org", f"/works/doi:10.48550/arXiv.{ARXIV}", status=500)
    play()
    found = gather(Asked("x", arxiv=ARXIV), web, {})
    assert sources(found) == ["arXiv"]
    assert [note.split(":")[0] for note in found.notes] == ["not cross-checked by Semantic Scholar", "not cross-checked by OpenAlex"]
    assert (len(services.requests), waits, found.checked) == (3, [], False)


def test_a_version_that_was_asked_for_is_told_with_the_newest(play, web):
    play()
    found = gather(Asked("x", arxiv=ARXIV, version=1), web, {})
    assert "v1 was asked for: an entry is of the paper, whatever the version; the newest is v2" in found.notes
