"""Identifiers are checked by the services that give them out, and their pages where these don't know."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.tools.links.server import Connection, Request, answer, page, raw, redirect
from tools.links.identity import paper, registered, repository
from tools.links.model import Watch

ENTRY = """
  <entry>
    <id>http://arxiv.org/abs/{name}v{version}</id>
    <title>Birds, cars
  and aircraft</title>
    <summary>{summary}</summary>
    <arxiv:comment xmlns:arxiv="http://arxiv.org/schemas/atom">{comment}</arxiv:comment>
    {more}
  </entry>"""
PUBLISHED = """<arxiv:doi xmlns:arxiv="http://arxiv.org/schemas/atom">10.1000/182</arxiv:doi>
    <arxiv:journal_ref xmlns:arxiv="http://arxiv.org/schemas/atom">CVPR 2021</arxiv:journal_ref>"""


def entry(name: str, version: int = 1, summary: str = "We look at birds.", comment: str = "10 pages", more: str = "") -> str:
    return ENTRY.format(name=name, version=version, summary=summary, comment=comment, more=more)


def feed(*entries: str):
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">{"".join(entries)}</feed>'
    return answer(200, body, content_type="application/atom+xml; charset=UTF-8")


def as_json(value: Any, status: int = 200, **headers: str):
    return answer(status, json.dumps(value), **{"content_type": "application/json; charset=utf-8", **headers})


def query(*ids: str) -> tuple[str, str]:
    return "export.arxiv.org", f"/api/query?id_list={','.join(ids)}&max_results={len(ids)}"


QUICKLY = {"paces": {}}
ABS = "https://arxiv.org/abs/"


def test_papers_are_asked_for_together_and_told_with_what_is_to_be_watched(web, look):
    web.plays[query("2101.00001", "2101.00002")] = feed(entry("2101.00001", 5, more=PUBLISHED), entry("2101.00002"))
    urls = [f"{ABS}2101.00001", "https://arxiv.org/pdf/2101.00001v2", f"{ABS}2101.00002"]
    seen = look(*urls, **QUICKLY)
    assert len(web.asked) == 1
    assert {(one.status, one.title) for one in seen.values()} == {(200, "Birds, cars and aircraft")}
    watch = Watch(arxiv="2101.00001", title="Birds, cars and aircraft", version=5, doi="10.1000/182", journal_ref="CVPR 2021")
    assert seen[urls[0]].watch == seen[urls[1]].watch == watch
    assert seen[urls[2]].watch.version == 1


@pytest.mark.parametrize(
    ("summary", "comment", "withdrawn"),
    [
        ("This paper has been withdrawn by the authors.", "", True),
        ("We look at birds.", "Withdrawn due to an error in section 3", True),
        ("We look at birds.", "The paper was withdrawn", True),
        ("We look at birds. Birds have withdrawn from cities.", "10 pages", False),
        ("We look at birds.", "A previous version of this paper was withdrawn from a workshop", False),
        ("We look at birds. We withdraw this paper, since its results are wrong.", "", True),
    ],
)
def test_a_withdrawn_paper_is_told(web, look, summary, comment, withdrawn):
    web.plays[query("2101.00001")] = feed(entry("2101.00001", summary=summary, comment=comment))
    seen = look(f"{ABS}2101.00001", **QUICKLY)[f"{ABS}2101.00001"]
    assert seen.watch.withdrawn is withdrawn
    assert ("withdrawn" in seen.reason) is withdrawn


def test_a_version_that_there_isnt_is_not_found(web, look):
    web.plays[query("2101.00001")] = feed(entry("2101.00001", 2))
    seen = look(f"{ABS}2101.00001v3", **QUICKLY)[f"{ABS}2101.00001v3"]
    assert (seen.status, seen.reason) == (404, "arXiv has no version 3 of this paper, only 2")


def test_more_than_a_hundred_papers_take_two_requests_three_seconds_apart(web, look):
    names = [f"2101.{number:05}" for number in range(101)]
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    clock = [0.0]
    for ids in (names[:100], names[100:]):
        web.plays[query(*ids)] = feed(*(entry(name) for name in ids))
    seen = look(*[ABS + name for name in names], world={"now": lambda: clock[0], "sleep": sleep}, whole=10.0)
    assert {one.status for one in seen.values()} == {200}
    assert len(web.asked) == 2
    assert slept == [3.0]


def test_arxiv_is_never_asked_twice_at_once(web, look):
    names = [f"2101.{number:05}" for number in range(101)]
    ended: list[bool] = []

    async def slowly(request: Request, connection: Connection) -> bool:
        await asyncio.sleep(0.2)
        ended.append(True)
        return await feed(*(entry(name) for name in names[:100]))(request, connection)

    async def then(request: Request, connection: Connection) -> bool:
        assert ended
        return await feed(entry(names[100]))(request, connection)

    web.plays |= {query(*names[:100]): slowly, query(names[100]): then}
    seen = look(*[ABS + name for name in names], paces={}, whole=10.0, silence=5.0, tries=1)
    assert {one.status for one in seen.values()} == {200}


NO_FEEDS = {
    "without the paper": feed(),
    "no XML": answer(200, "<html", content_type="application/atom+xml"),
    "XML that blows up": answer(200, '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', content_type="application/atom+xml"),
    "an error": answer(500),
    "half of it": raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/atom+xml\r\nContent-Length: 999\r\n\r\n<feed>"),
    "nothing": raw(),
}


@pytest.mark.parametrize("said", NO_FEEDS.values(), ids=NO_FEEDS.keys())
def test_the_page_is_looked_at_where_arxiv_answers(web, look, said):
    web.plays[query("2101.00001")] = said
    web.plays["arxiv.org", "/abs/2101.00001"] = page("", "[2101.00001] Birds")
    seen = look(f"{ABS}2101.00001", **QUICKLY)[f"{ABS}2101.00001"]
    assert (seen.status, seen.title, seen.watch) == (200, "[2101.00001] Birds", None)


DOI = "https://doi.org/10.1000/182"
KNOWN = as_json({"responseCode": 1, "handle": "10.1000/182", "values": []})


def test_a_doi_is_known_to_the_doi_system_and_its_title_to_crossref(web, look):
    web.plays["doi.org", "/api/handles/10.1000/182?type=URL"] = KNOWN
    title = {"message": {"title": ["Birds &amp; <i>cars</i>"], "subtitle": [f"a &#{'9' * 5000};study"]}}
    web.plays["api.crossref.org", "/works/10.1000%2F182"] = as_json(title)
    seen = look(DOI)[DOI]
    assert (seen.status, seen.title) == (200, "Birds & cars: a \ufffdstudy")
    assert [request.host for request in web.asked] == ["doi.org", "api.crossref.org"]


def test_the_title_of_another_agencys_doi_comes_by_way_of_the_resolver(web, look):
    web.plays["doi.org", "/api/handles/10.1000/182?type=URL"] = KNOWN
    web.plays["doi.org", "/10.1000/182"] = redirect("https://other.example/182", 302)
    web.plays["other.example", "/182"] = answer(200, '{"title": "Birds"}', content_type="application/vnd.citationstyles.csl+json")
    assert look(DOI)[DOI].title == "Birds"


def test_no_title_is_asked_for_where_none_is_wanted(web, look):
    web.plays["doi.org", "/api/handles/10.1000/182?type=URL"] = KNOWN
    seen = look(DOI, read=set())[DOI]
    assert (seen.status, seen.title, len(web.asked)) == (200, None, 1)


def test_a_doi_that_there_isnt_is_not_found(web, look):
    web.plays["doi.org", "/api/handles/10.1000/182?type=URL"] = as_json({"responseCode": 100, "handle": "10.1000/182"}, 404)
    seen = look(DOI)[DOI]
    assert (seen.status, seen.reason) == (404, "doi.org says that this DOI doesn't exist")


@pytest.mark.parametrize("said", [answer(403), as_json({"responseCode": 2}, 500), as_json([]), as_json({"responseCode": []}), answer(200, "["), raw()])
def test_the_doi_is_resolved_where_the_doi_system_doesnt_say(web, look, said):
    web.plays["doi.org", "/api/handles/10.1000/182?type=URL"] = said
    web.plays["doi.org", "/10.1000/182"] = redirect("https://other.example/182", 302)
    web.plays["other.example", "/182"] = page("", "Birds")
    assert look(DOI)[DOI].final == "https://other.example/182"


REPOSITORY = "https://github.com/owner/name"


def repo(full_name: str = "owner/name", archived: bool = False) -> dict[str, Any]:
    return {"full_name": full_name, "html_url": f"https://github.com/{full_name}", "archived": archived}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (repo(), {"status": 200, "final": None, "permanent": False, "archived": False, "title": "owner/name"}),
        (repo("Owner/Name"), {"final": None}),
        (repo(archived=True), {"status": 200, "archived": True}),
    ],
)
def test_a_repository_is_known_to_github(web, look, said, expected):
    web.plays["api.github.com", "/repos/owner/name"] = as_json(said)
    seen = look(REPOSITORY)[REPOSITORY]
    assert {name: getattr(seen, name) for name in expected} == expected
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    "said",
    [
        {"full_name": "other/name", "html_url": "https://[bad"},
        {"full_name": "other/name", "html_url": "https://github.com/\ud800"},
        {"full_name": "other/name", "html_url": "javascript:alert(1)"},
        {"full_name": "other/name", "html_url": ["https://github.com/other/name"]},
        {"full_name": {"other": "name"}, "html_url": "https://github.com/other/name"},
        {"full_name": "\ud800", "html_url": "https://github.com/other/name"},
    ],
)
def test_the_page_is_looked_at_where_github_names_what_is_no_repository(web, look, said):
    web.plays["api.github.com", "/repos/owner/name"] = as_json(said)
    web.plays["github.com", "/owner/name"] = page("", "Name")
    seen = look(REPOSITORY)[REPOSITORY]
    assert (seen.status, seen.title, seen.final) == (200, "Name", None)


def test_a_repositorys_name_is_told_without_what_cant_be_written(web, look):
    web.plays["api.github.com", "/repos/owner/name"] = as_json(repo() | {"full_name": "owner/\ud800\x1bname"})
    assert look(REPOSITORY)[REPOSITORY].title == "owner/ name"


def test_a_renamed_repository_is_told_by_its_new_name(web, look):
    web.plays["api.github.com", "/repos/owner/name"] = redirect("https://api.github.com/repositories/1", 301)
    web.plays["api.github.com", "/repositories/1"] = as_json(repo("other/name"))
    seen = look(REPOSITORY, github_token="secret")[REPOSITORY]
    assert (seen.status, seen.final, seen.permanent) == (200, "https://github.com/other/name", True)
    assert [request.headers["Authorization"] for request in web.asked] == ["Bearer secret"] * 2


def test_the_token_is_shown_to_github_alone(web, look):
    web.plays["api.github.com", "/repos/owner/name"] = redirect("https://other.example/steal", 301)
    web.plays["github.com", "/owner/name"] = page()
    look(REPOSITORY, f"{REPOSITORY}/issues", github_token="secret")
    shown = {request.host for request in web.asked if "Authorization" in request.headers}
    assert shown == {"api.github.com"}
    assert "other.example" in {request.host for request in web.asked}


def test_the_page_is_looked_at_where_github_knows_no_such_repository(web, look):
    web.plays["api.github.com", "/repos/topics/birds"] = as_json({"message": "Not Found"}, 404)
    web.plays["github.com", "/topics/birds"] = page("", "birds · GitHub Topics")
    url = "https://github.com/topics/birds"
    assert look(url)[url].status == 200


def test_pages_are_looked_at_once_githubs_limit_is_reached(web, look):
    limited = as_json({"message": "API rate limit exceeded"}, 403, x_ratelimit_remaining="0")
    names = [f"/owner/{letter}" for letter in "abcd"]
    web.plays |= {("api.github.com", f"/repos{name}"): limited for name in names}
    web.plays |= {("github.com", name): page() for name in names}
    seen = look(*[f"https://github.com{name}" for name in names], per_host=1)
    assert {(one.status, one.asked) for one in seen.values()} == {(200, True)}
    assert sum(request.host == "api.github.com" for request in web.asked) == 1


IDENTIFIERS = [
    (paper, "https://arxiv.org/abs/2101.00001", "2101.00001"),
    (paper, "https://arxiv.org/pdf/2101.00001v3.pdf", "2101.00001"),
    (paper, "https://arxiv.org/abs/cs/0101001", "cs/0101001"),
    (paper, "http://arxiv.org/abs/2101.00001", None),
    (paper, "https://arxiv.org/abs/2101.00001#section", None),
    (paper, "https://arxiv.org/list/cs.CV/recent", None),
    (paper, "https://arxiv.org/html/2101.00001", None),
    (registered, "https://doi.org/10.1000/182", "10.1000/182"),
    (registered, "http://dx.doi.org/10.1000/a%3Cb", "10.1000/a<b"),
    (registered, "https://doi.org/10.1000/182#part", None),
    (registered, "https://example.org/10.1000/182", None),
    (repository, "https://github.com/owner/name", "owner/name"),
    (repository, "https://github.com/owner/na.me.git", "owner/na.me"),
    (repository, "https://www.github.com/owner/name/", "owner/name"),
    (repository, "https://github.com/owner", None),
    (repository, "https://github.com/owner/name/tree/main", None),
    (repository, "https://github.com/owner/name#readme", None),
    (repository, "http://github.com/owner/name", None),
    (repository, "https://gist.github.com/owner/name", None),
]


@pytest.mark.parametrize(("identifier", "url", "name"), IDENTIFIERS)
def test_an_address_stands_for_an_identifier_or_not(identifier, url, name):
    assert identifier(url) == name


def test_services_arent_asked_where_they_arent_wanted(web, look):
    web.plays["github.com", "/owner/name"] = page()
    look(REPOSITORY, services=False)
    assert {request.host for request in web.asked} == {"github.com"}
