"""The one door to the network, knocked at by services that misbehave."""

from __future__ import annotations

import gzip
import re
import socket
import tomllib

import pytest

from tools.adding.record import NoAnswer, NotThere, Refusal
from tools.adding.services import SERVICES
from tools.adding.transfer import Limits, Trouble, unpacked
from tools.adding.web import Web
from tools.waiting import seconds_to_wait, span

HOST = "api.crossref.org"
URL = f"https://{HOST}/works/x"
NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
BOMB = gzip.compress(b"0" * 60_000_000, compresslevel=9)


def get(web, url=URL, **options):
    return web.get(url, accept="application/json", **options)


def refused(web, url=URL, **options):
    with pytest.raises(NoAnswer) as error:
        get(web, url, **options)
    return str(error.value)


# ------------------------------------------------------------------------------------------------------ what is asked


def test_an_answer_tells_where_it_was_found_and_what_it_is(services, web):
    services.serve(HOST, "/works/x?rows=1", "[]", headers={"Content-Type": "Application/JSON; charset=ISO-8859-1"})
    answer = get(web, params={"rows": "1"})
    found = (answer.url, answer.service, answer.status, answer.kind, answer.charset, answer.text)
    assert found == (URL, "Crossref", 200, "application/json", "ISO-8859-1", "[]")


def test_the_user_agent_names_the_project_its_version_its_address_and_the_email(services, new_web, root):
    services.serve(HOST, "/works/x")
    get(new_web(email="ada@example.org"))
    get(new_web())
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert [asked.headers["user-agent"] for asked in services.requests] == [
        f"Finch/{version} (https://example.org/birds; mailto:ada@example.org)",
        f"Finch/{version} (https://example.org/birds)",
    ]


@pytest.mark.parametrize("email", ["ada", "ada@example", "a b@example.org", "ada@example.org\r\nX-Other: 1", "ü@example.org", ""])
def test_what_is_no_email_address_never_reaches_a_header(email):
    with pytest.raises(Refusal, match="isn't an email address"):
        Web("https://example.org/birds", email=email)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.crossref.org/works/x",
        "https://example.org/works/x",
        "https://api.crossref.org.example.org/works/x",
        "https://ada:secret@api.crossref.org/works/x",
        "https://api.crossref.org:8443/works/x",
        "ftp://api.crossref.org/x",
        "file:///etc/passwd",
        "https://127.0.0.1/x",
        "//api.crossref.org/x",
        "",
    ],
)
def test_no_other_address_is_asked(web, url):
    with pytest.raises(Refusal, match="isn't asked"):
        get(web, url)


def test_an_address_that_is_refused_is_shown_without_its_query(web):
    with pytest.raises(Refusal) as error:
        get(web, "https://example.org/x?key=secret")
    assert "secret" not in str(error.value)


# -------------------------------------------------------------------------------------------------------- too busy


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [("12", 12.0), ("0", 0.0), ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0), ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0), (" 60 ", 60.0)],
)
def test_a_wait_that_is_asked_for_is_the_wait_that_is_done(services, new_web, waits, said, status, header, seconds):
    services.serve(HOST, "/works/x", status=status, headers={"Retry-After": header}, times=1)
    services.serve(HOST, "/works/x", "[]")
    assert get(new_web(now=lambda: NOW)).text == "[]"
    assert waits == [seconds]
    assert said == [f"waiting {span(seconds)}: Crossref asks for it"]


@pytest.mark.parametrize(
    ("header", "shown"),
    [("61", "61 seconds"), ("7200", "2 hours"), ("Tue, 14 Nov 2023 22:33:20 GMT", "20 minutes"), ("999999999", "11574 days")],
)
def test_a_wait_that_is_too_long_is_told_and_not_done(services, new_web, waits, header, shown):
    services.serve(HOST, "/works/x", status=429, headers={"Retry-After": header})
    assert f"Crossref is too busy and asks to wait {shown}" in refused(new_web(now=lambda: NOW))
    assert (waits, len(services.requests)) == ([], 1)


@pytest.mark.parametrize("header", ["", "soon", "-5", "1e3", "9" * 5000, "Tue, 99 Nov 2023 22:13:50 GMT", "٣"])
def test_a_wait_that_makes_no_sense_counts_as_none(header):
    assert seconds_to_wait(header, NOW) is None


def test_a_date_without_a_zone_is_in_universal_time():
    assert seconds_to_wait("Tue, 14 Nov 2023 22:13:50 -0000", NOW) == 30


def test_a_service_that_stays_too_busy_is_asked_four_times(services, web, waits):
    services.serve(HOST, "/works/x", status=429, headers={"Retry-After": "5"})
    assert "Crossref is too busy (status 429); try again in some minutes (4 tries)" in refused(web)
    assert (waits, len(services.requests)) == ([5, 5, 5], 4)


# ------------------------------------------------------------------------------------------------- faults that may pass


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_after_a_servers_fault_it_is_asked_again_each_time_later(services, web, waits, status):
    services.serve(HOST, "/works/x", status=status, times=3)
    services.serve(HOST, "/works/x", "[]")
    assert get(web).text == "[]"
    assert [int(wait) for wait in waits] == [1, 2, 4]  # and a part of a second, by chance


def test_waits_differ_by_chance_so_that_not_all_come_again_at_once(services, new_web):
    services.serve(HOST, "/works/x", status=500)
    waits = []
    for _ in range(2):
        refused(new_web(sleep=waits.append))
    assert len(set(waits)) == 6


def test_a_fault_that_stays_is_told_in_one_sentence(services, web, said):
    services.serve(HOST, "/works/x", status=500)
    assert refused(web) == f"Crossref answers with status 500 (4 tries): {URL}"
    assert re.fullmatch(r"waiting \d seconds?, then trying again: Crossref answers with status 500", said[0])


@pytest.mark.parametrize(
    ("status", "shown"), [(400, "status 400"), (401, "a key that is valid"), (403, "refuses"), (418, "418"), (204, "204")]
)
def test_other_statuses_are_not_tried_again(services, web, waits, status, shown):
    services.serve(HOST, "/works/x", status=status)
    assert shown in refused(web)
    assert (waits, len(services.requests)) == ([], 1)


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_told_apart(services, web, status):
    services.serve(HOST, "/works/x", status=status)
    with pytest.raises(NotThere, match=r"Crossref knows nothing at https://api\.crossref\.org/works/x"):
        get(web)
    assert len(services.requests) == 1


def test_an_answer_that_breaks_off_is_asked_for_again(services, web):
    services.serve(HOST, "/works/x", "[1, 2, 3]", cut=4, times=1)
    services.serve(HOST, "/works/x", "[1, 2, 3]")
    assert get(web).text == "[1, 2, 3]"
    assert len(services.requests) == 2


def test_a_packed_answer_that_breaks_off_is_never_taken_for_whole(services, web):
    packed = gzip.compress(b"[1, 2, 3]")
    services.serve(HOST, "/works/x", packed[:-6], headers={"Content-Encoding": "gzip"})
    assert "breaks off in the middle of its answer (4 tries)" in refused(web)


# ------------------------------------------------------------------------------------------------------------- limits


def test_silence_ends_the_request(services, new_web):
    services.serve(HOST, "/works/x", "[]", delay=1, times=1)
    services.serve(HOST, "/works/x", "[]")
    assert get(new_web(limits=Limits(silence=0.15))).text == "[]"
    assert len(services.requests) == 2


def test_silence_that_stays_is_told(services, new_web):
    services.serve(HOST, "/works/x", "[]", delay=0.5)
    assert "Crossref doesn't answer: it said nothing for 0.05 seconds (4 tries)" in refused(new_web(limits=Limits(silence=0.05)))


@pytest.mark.parametrize("headers", [{}, {"Content-Length": None}], ids=["length known", "ends with the connection"])
def test_an_answer_that_drips_is_ended_however_steadily_it_drips(services, new_web, headers):
    services.serve(HOST, "/works/x", b"0" * 1000, drip=0.03, headers=headers)
    assert "doesn't finish its answer within 0.2 seconds (4 tries)" in refused(new_web(limits=Limits(silence=5, whole=0.2)))


def test_headers_that_drip_are_ended_too(new_web):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        web = new_web(mirror=f"http://127.0.0.1:{listening.getsockname()[1]}", limits=Limits(silence=5, whole=0.1))
        assert "doesn't finish its answer within 0.1 seconds" in refused(web)


def test_an_answer_may_be_as_long_as_allowed_and_no_longer(services, new_web):
    services.serve(HOST, "/works/x", b"0" * 1000)
    assert len(get(new_web(limits=Limits(size=1000))).content) == 1000
    assert "answers more than 0.000999 MB" in refused(new_web(limits=Limits(size=999)))


def test_an_answer_without_end_is_ended(services, web):
    services.serve(HOST, "/works/x", b"0" * 6_000_000)
    assert "answers more than 5 MB" in refused(web)
    assert len(services.requests) == 1


def test_a_small_answer_that_unpacks_to_a_huge_one_is_ended(services, web):
    services.serve(HOST, "/works/x", BOMB, headers={"Content-Encoding": "gzip"})
    assert len(BOMB) < 100_000
    assert "answers more than 5 MB" in refused(web)


def test_unpacking_never_goes_further_than_it_is_looked_at():
    pieces = unpacked([BOMB], "gzip")
    assert [len(next(pieces)) for _ in range(3)] == [65536] * 3


def test_a_packed_answer_is_unpacked(services, web):
    services.serve(HOST, "/works/x", gzip.compress(b"0" * 100_000), headers={"Content-Encoding": "gzip"})
    assert get(web).content == b"0" * 100_000
    assert services.requests[0].headers["accept-encoding"] == "gzip, identity"


@pytest.mark.parametrize(("encoding", "shown"), [("br", "packed as br"), ("gzip", "can't be unpacked")])
def test_what_cannot_be_unpacked_is_told(services, web, encoding, shown):
    services.serve(HOST, "/works/x", b"not packed at all", headers={"Content-Encoding": encoding})
    assert shown in refused(web)


def test_gzip_that_breaks_off_is_noticed():
    with pytest.raises(Trouble, match="breaks off"):
        list(unpacked([gzip.compress(b"0" * 100)[:-1]], "gzip"))


# ---------------------------------------------------------------------------------------------------------- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/works/y", f"https://{HOST}/works/y", "y"])
def test_a_redirect_within_the_service_is_followed(services, web, status, location):
    services.serve(HOST, "/works/x", status=status, headers={"Location": location})
    services.serve(HOST, "/works/y", "[]")
    assert get(web).url == f"https://{HOST}/works/y"


def test_a_redirect_to_another_service_is_followed_without_the_headers_meant_for_the_first(services, web):
    services.serve(HOST, "/works/x", status=302, headers={"Location": "https://api.openalex.org/works/y"})
    services.serve("api.openalex.org", "/works/y", "[]")
    assert get(web, headers={"x-api-key": "secret"}).service == "OpenAlex"
    assert [asked.headers.get("x-api-key") for asked in services.requests] == ["secret", None]
    assert [asked.headers["accept"] for asked in services.requests] == ["application/json"] * 2


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://example.org/x?a=b", "sends on to https://example.org/x, which isn't asked"),
        (f"http://{HOST}/works/x", f"sends on to http://{HOST}/works/x, which isn't asked"),
        (f"https://{HOST}:8443/x", "which isn't asked"),
        ("https://[1/x", "which isn't asked"),
        ("file:///etc/passwd", "which isn't asked"),
    ],
)
def test_a_redirect_to_anywhere_else_is_told_and_not_followed(services, web, location, shown):
    services.serve(HOST, "/works/x", status=302, headers={"Location": location})
    assert shown in refused(web)
    assert len(services.requests) == 1


def test_a_redirect_to_itself_ends(services, web):
    services.serve(HOST, "/works/x", status=302, headers={"Location": URL})
    assert "from one address to another more than 5 times" in refused(web)
    assert len(services.requests) == 6


def test_five_redirects_are_not_too_many(services, web):
    for number in range(5):
        services.serve(HOST, f"/works/{number}", status=302, headers={"Location": f"/works/{number + 1}"})
    services.serve(HOST, "/works/5", "[]")
    assert get(web, f"https://{HOST}/works/0").url.endswith("/works/5")


# --------------------------------------------------------------------------------------------------------- no network


def test_a_connection_that_is_refused_is_told(new_web):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "Crossref can't be reached: the connection is refused (4 tries)" in refused(new_web(mirror=f"http://127.0.0.1:{port}"))


def test_a_host_that_is_not_found_is_told_at_once(new_web, waits):
    shown = refused(new_web(mirror="http://nowhere.invalid"))
    assert shown.startswith("Crossref can't be reached: its host's address can't be found (no network?)")
    assert waits == []


def test_a_service_without_a_secure_connection_is_told_at_once(services, new_web, waits):
    shown = refused(new_web(mirror=services.address.replace("http:", "https:")))
    assert "Crossref can't be reached: no secure connection comes about" in shown
    assert waits == []


@pytest.mark.parametrize("host", sorted(SERVICES))
def test_messages_name_the_service_and_never_the_query(services, web, host):
    services.serve(host, "/x", status=418)
    shown = refused(web, f"https://{host}/x", params={"api_key": "secret"})
    assert shown.startswith(SERVICES[host])
    assert "secret" not in shown


# ---------------------------------------------------------------------------------------------------------- charsets


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        ("Ärger".encode("latin-1"), "text/html; charset=iso-8859-1", "Ärger"),
        ("Ärger".encode("latin-1"), "text/html; charset=utf-8", "�rger"),
        ("Ärger".encode(), "text/html; charset=no-such-thing", "Ärger"),
        ("Ärger".encode(), "text/html", "Ärger"),
        (b"\xff\xfe\x00", "text/html", "��\x00"),
    ],
)
def test_text_in_the_wrong_charset_is_shown_with_holes_and_never_fails(services, web, content, kind, text):
    services.serve(HOST, "/works/x", content, headers={"Content-Type": kind})
    assert get(web).text == text


def test_arxiv_is_asked_once_in_three_seconds(services, new_web, waits):
    services.serve("export.arxiv.org", "/api/query", "[]")
    services.serve(HOST, "/works/x", "[]")
    web = new_web(now=lambda: NOW)
    for url in ("https://export.arxiv.org/api/query", URL, "https://export.arxiv.org/api/query"):
        get(web, url)
    assert waits == [3.0]
