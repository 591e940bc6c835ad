"""Everything that a server may do, and what is found."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import Any

import pytest

from tests.tools.links.played import RIGHT, verdicts
from tests.tools.links.server import Play, answer, by_method, in_turn, page, raw, redirect, with_cookie

SITE = "http://site.example"
LONG = "x" * 100
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
CHALLENGE = "<script src='/cdn-cgi/challenge-platform/h/g/orchestrate'></script>"
BOMB = gzip.compress(b"0" * 50_000_000)
FAR = f"{'<p>filler</p>' * 10_000}<h2 id='far'>Far</h2>"
TEXT = "<p>" + "Words that stand on the page itself. " * 20 + "</p>"

STATUSES: list[tuple[int, dict[str, Any]]] = [
    (200, {}),
    (204, {}),
    (300, {}),
    (304, {}),
    (400, {}),
    (401, {"wall": True}),
    (402, {}),
    (403, {}),
    (404, {}),
    (410, {}),
    (418, {}),
    (429, {"wall": True}),
    (451, {}),
    (500, {}),
    (501, {}),
    (503, {}),
    (599, {}),
    (999, {"wall": True}),
]

ANSWERS: list[tuple[str, Play, dict[str, Any]]] = [
    # Pages and files.
    ("/page", page("hello", "A  page\n of\nours"), {"status": 200, "title": "A page of ours", "kind": "text/html"}),
    (
        "/paper",
        page("<meta name='citation_title' content='Birds &amp; cars'>", "Journal | Birds"),
        {"status": 200, "title": "Birds & cars"},
    ),
    ("/in%20part%2F%e4%b8%ad", page(status=206, content_range="bytes 0-9/99"), {"status": 200}),
    (
        "/paper.pdf",
        answer(200, "%PDF", content_type="application/PDF; x=y"),
        {"status": 200, "kind": "application/pdf", "title": None},
    ),
    ("/no-type", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), {"status": 200, "kind": None}),
    ("/empty-range", in_turn(answer(416), page("", "Empty")), {"status": 200, "title": "Empty"}),
    ("/commented", page("<!-- <title>no</title> --><title>late</title>", "Right"), {"title": "Right"}),
    (
        "/latin",
        answer(200, "<title>Käfer</title>".encode("latin-1"), content_type="text/html; charset=utf-8"),
        {"title": "Käfer"},
    ),
    (
        "/gbk",
        answer(200, '<meta charset="gb2312"><title>细粒度</title>'.encode("gbk"), content_type="text/html"),
        {"title": "细粒度"},
    ),
    ("/odd-charset", answer(200, "<title>x</title>", content_type="text/html; charset=zlib"), {"title": "x"}),
    (
        "/packed",
        answer(200, gzip.compress(b"<title>Packed</title>"), content_type="text/html", content_encoding="gzip"),
        {"title": "Packed"},
    ),
    ("/bomb", answer(200, BOMB, content_type="text/html", content_encoding="gzip"), {"status": 200, "title": None}),
    (
        "/not-packed",
        answer(200, "<title>x</title>", content_type="text/html", content_encoding="gzip"),
        {"status": 200, "title": None},
    ),
    ("/brotli", answer(200, b"\x0b\x02", content_type="text/html", content_encoding="br"), {"status": 200, "title": None}),
    ("/odd-kind", answer(200, content_type="text/\u009b31m"), {"status": 200, "kind": None}),
    # What isn't there, though the status says so.
    ("/soft", page("", "404 - Page not found | Site"), {"status": 200, "soft_404": True}),
    ("/soft-too", page("", "Sorry, this page could not be found"), {"status": 200, "soft_404": True}),
    ("/soft-cn", page("", "页面不存在"), {"status": 200, "soft_404": True}),
    ("/hard", page("", "Lost and not found: detecting missing parts of birds"), {"status": 200, "soft_404": False}),
    ("/room-404", page("", "Room 404: a data set"), {"status": 200, "soft_404": False}),
    ("/old/project", redirect("/", 301), {"status": 200, "final": f"{SITE}/", "soft_404": True, "permanent": True}),
    *[
        (front, redirect("/", 301), {"status": 200, "final": f"{SITE}/", "soft_404": False})
        for front in ("/en/", "/de", "/pt-br", "/main.html", "/en/index.html")
    ],
    ("/old", redirect("/en/", 301), {"status": 200, "final": f"{SITE}/en/", "soft_404": True}),
    ("/index.html", redirect("/", 301), {"status": 200, "final": f"{SITE}/", "soft_404": False}),
    # HEAD, which only files are asked with.
    ("/405.pdf", by_method(answer(405), answer(200)), {"status": 200}),
    ("/501.pdf", by_method(answer(501), answer(200)), {"status": 200}),
    ("/403.pdf", by_method(answer(403), answer(200)), {"status": 200}),
    ("/404.pdf", by_method(answer(404), answer(200)), {"status": 200}),
    ("/500.pdf", by_method(answer(500), answer(200)), {"status": 200}),
    ("/dropped.pdf", by_method(raw(), answer(200)), {"status": 200}),
    ("/hangs.pdf", by_method(raw(then="hang"), answer(200)), {"status": 200}),
    ("/both.pdf", answer(404), {"status": 404}),
    ("/html.pdf", page("", "Log in"), {"status": 200, "title": "Log in", "kind": "text/html"}),
    ("/lies.zip", by_method(answer(200, content_length="5"), answer(404)), {"status": 200}),
    ("/talks.zip", raw(OK + b"Content-Length: 5\r\n\r\nhello"), {"status": 200}),
    # Redirects.
    ("/301", redirect("/page", 301), {"status": 200, "final": f"{SITE}/page", "permanent": True}),
    ("/302", redirect("/page", 302), {"status": 200, "final": f"{SITE}/page", "permanent": False}),
    ("/303", redirect("/page", 303), {"status": 200, "final": f"{SITE}/page", "permanent": False}),
    ("/307", redirect("//other.example/page", 307), {"status": 200, "final": "http://other.example/page", "permanent": False}),
    ("/308", redirect("page?a=b#c", 308), {"status": 404, "final": f"{SITE}/page?a=b#c", "permanent": True}),
    ("/mixed", redirect("/301-then", 302), {"status": 200, "final": f"{SITE}/page", "permanent": False}),
    ("/blank", redirect("/a b/é", 301), {"status": 404, "final": f"{SITE}/a%20b/%C3%A9"}),
    (
        "/to-https",
        redirect("https://site.example/to-https", 301),
        {"final": "https://site.example/to-https", "permanent": True, "status": 200},
    ),
    ("/tracked", redirect("/?a=b", 301), {"status": 404, "soft_404": False}),
    ("/?from=list", redirect("/", 301), {"status": 200, "soft_404": False}),
    ("/to-sound", redirect("/page#\x07\u009b31m"), {"status": 200, "final": f"{SITE}/page#%07%C2%9B31m"}),
    ("/nowhere", answer(302), {"status": 302, "final": None}),
    ("/loop", redirect("/loop"), {"failure": "redirect loop", "status": None}),
    ("/loop-of-two", redirect("/loop-back"), {"failure": "redirect loop"}),
    ("/chain/0", redirect("/chain/1"), {"failure": "redirect loop"}),
    (
        "/cookie",
        with_cookie("seen=yes", page(), redirect("/cookie", set_cookie="seen=yes; Path=/")),
        {"status": 200, "final": None},
    ),
    ("/to-file", redirect("file:///etc/passwd"), {"failure": "forbidden"}),
    ("/to-script", redirect("javascript:alert(1)"), {"failure": "forbidden"}),
    ("/to-loopback", redirect("http://127.0.0.1:8000/admin"), {"failure": "forbidden"}),
    ("/to-metadata", redirect("http://169.254.169.254/latest/meta-data/"), {"failure": "forbidden"}),
    ("/to-six", redirect("http://[::1]/"), {"failure": "forbidden"}),
    ("/to-mail", redirect("http://other.example:25/"), {"failure": "forbidden"}),
    ("/to-nonsense", redirect("http://[oops/"), {"failure": "malformed"}),
    ("/to-secret", redirect("http://user:password@other.example/"), {"failure": "malformed"}),
    ("/to-nobody", redirect("http://nobody.example/"), {"failure": "no such name"}),
    # Walls.
    (
        "/cloudflare",
        page(CHALLENGE, "Just a moment...", 403, cf_mitigated="challenge"),
        {"status": 403, "wall": True, "title": None},
    ),
    ("/cloudflare-503", page(CHALLENGE, "Please wait", 503), {"status": 503, "wall": True}),
    ("/cloudflare-200", page(CHALLENGE, "Just a moment..."), {"status": 200, "wall": True, "title": None}),
    (
        "/akamai",
        page("You don't have permission. <p>Reference&#32;&#35;18.2d351ab8", "Access Denied", 403),
        {"status": 403, "wall": True},
    ),
    ("/datadome", answer(403, "", x_datadome="protected"), {"status": 403, "wall": True}),
    ("/amazon", answer(202, "", x_amzn_waf_action="challenge"), {"status": 202, "wall": True}),
    ("/perimeterx", page('<div id="px-captcha"></div>', "Hello", 403), {"status": 403, "wall": True}),
    ("/imperva", page('<iframe src="/_Incapsula_Resource?x"></iframe>', "", 403), {"status": 403, "wall": True}),
    ("/with-their-script", page(CHALLENGE, "Birds"), {"status": 200, "wall": False, "title": "Birds"}),
    # What is slow, endless or broken.
    ("/slow-headers", raw(OK, b"X: y\r\n", b"\r\n", pause=1.5), {"failure": "timed out", "status": None}),
    ("/dripping-headers", raw(OK, b"X: y\r\n", pause=0.1, then="forever"), {"failure": "timed out"}),
    ("/silent", raw(then="hang"), {"failure": "timed out"}),
    ("/endless-headers", raw(OK, b"X: " + b"y" * 20_000 + b"\r\n", then="forever"), {"failure": "bad answer"}),
    ("/slow-body", raw(OK + b"\r\n<title>Slow</title>", pause=1.5, then="hang"), {"status": 200, "title": "Slow"}),
    ("/dripping-body", raw(OK + b"\r\n<title>Drip</title>", b".", pause=0.05, then="forever"), {"status": 200, "title": "Drip"}),
    (
        "/endless-body",
        raw(OK + b"\r\n<title>Endless</title>", b"y" * 10_000, then="forever"),
        {"status": 200, "title": "Endless"},
    ),
    ("/too-short", raw(OK + b"Content-Length: 999\r\n\r\n<title>Short</title>"), {"status": 200, "title": "Short"}),
    ("/too-long", raw(OK + b"Content-Length: 20\r\n\r\n<title>Long</title>..and more"), {"status": 200, "title": "Long"}),
    ("/bad-length", raw(OK + b"Content-Length: many\r\n\r\n"), {"failure": "bad answer"}),
    ("/bad-chunks", raw(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), {"status": 200}),
    ("/reset-at-once", raw(then="reset"), {"failure": "reset"}),
    ("/reset-in-headers", raw(OK, then="reset"), {"failure": "reset"}),
    (
        "/reset-in-body",
        raw(OK + b"Content-Length: 999\r\n\r\n<title>Half</title>", b".", pause=0.1, then="reset"),
        {"status": 200},
    ),
    ("/nothing", raw(), {"failure": "reset"}),
    ("/not-http", raw(b"220 mail.example ESMTP ready\r\n\r\n"), {"failure": "bad answer"}),
    ("/banner", raw(b"220 mail.example ESMTP ready\r\n"), {"failure": "reset"}),
    ("/status-600", raw(b"HTTP/1.1 six Hundred\r\n\r\n"), {"failure": "bad answer"}),
    # What passes.
    ("/once-500", in_turn(answer(500), page("", "Again")), {"status": 200, "title": "Again"}),
    ("/once-reset", in_turn(raw(then="reset"), page("", "Again")), {"status": 200, "title": "Again"}),
    ("/once-429", in_turn(answer(429), page("", "Again")), {"status": 200, "title": "Again"}),
    ("/once-503", in_turn(answer(503, retry_after="0"), page("", "Again")), {"status": 200, "title": "Again"}),
    ("/429-for-long", answer(429, retry_after="7200"), {"status": 429, "wall": True, "asked": True}),
]

HELPERS: dict[tuple[str, str], Play] = {
    ("site.example", "/"): page("", "Site"),
    ("site.example", "/en/"): page("", "Site"),
    ("site.example", "/page"): page(),
    ("other.example", "/page"): page(),
    ("site.example", "/301-then"): redirect("/page", 301),
    ("site.example", "/loop-back"): redirect("/loop-of-two"),
    **{("site.example", f"/chain/{step}"): redirect(f"/chain/{step + 1}") for step in range(1, 15)},
}


def found(observation: object, expected: dict[str, Any]) -> dict[str, Any]:
    """What the table speaks of; where no failure is expected, there is none."""
    return {name: getattr(observation, name) for name in {"failure": None, **expected}}


@pytest.mark.parametrize(("status", "expected"), STATUSES, ids=lambda value: str(value) if isinstance(value, int) else "")
def test_a_status_is_found_as_the_server_gives_it_and_judged_right_at_once_and_after_a_week(web, look, status, expected):
    web.plays["site.example", "/x"] = answer(status)
    seen = look(f"{SITE}/x")[f"{SITE}/x"]
    assert found(seen, {"status": 0, "wall": 0}) == {"status": status, "failure": None, "wall": False, **expected}
    assert f"status {status}" in seen.reason
    assert verdicts(seen) == RIGHT[f"/status/{status}"]


@pytest.mark.parametrize(("target", "play", "expected"), ANSWERS, ids=[row[0] for row in ANSWERS])
def test_a_look_finds_what_the_server_does_and_is_judged_right_at_once_and_after_a_week(web, look, target, play, expected):
    web.plays |= HELPERS
    web.plays["site.example", target] = play
    if target == "/to-https":
        web.plays["site.example", target] = in_turn(play, page())
    seen = look(SITE + target)[SITE + target]
    assert found(seen, expected) == {"failure": None, **expected}, seen.reason
    assert seen.reason
    assert web.asked[0].target == target
    assert all(address.startswith("93.184.") for address, _ in web.connected)
    assert verdicts(seen) == RIGHT[target]


URLS: list[tuple[str, dict[str, Any]]] = [
    ("https://site.example/page", {"status": 200}),
    ("https://two.example/page", {"status": 200, "title": "Two"}),
    ("https://site.example/insecure", {"status": 200, "final": "http://site.example/page"}),
    ("https://expired.example/", {"failure": "certificate"}),
    ("https://self.example/", {"failure": "certificate"}),
    ("https://wrong.example/", {"failure": "certificate"}),
    ("https://plain.example/", {"failure": "bad answer"}),
    ("http://refused.example/", {"failure": "refused"}),
    ("http://silent.example/", {"failure": "timed out"}),
    ("http://nobody.example/", {"failure": "no such name"}),
    ("http://ieeexplore.ieee.org/document/1", {"status": 418, "wall": True}),
    ("http://bücher.example/größe?q=ä%20b", {"status": 200, "final": None}),
    ("http://xn--bcher-kva.example/gr%C3%B6%C3%9Fe?q=%C3%A4%20b", {"status": 200}),
    ("HTTP://SITE.example:80/page", {"status": 200, "final": None}),
    ("http://site.example./page", {"status": 200, "final": None}),
    ("http://site.example/a%2fb%7e?c=%zz", {"status": 200}),
    ("http://site.example?only=query", {"status": 200}),
    ("http://site.example/a b", {"failure": "malformed"}),
    ("http://site.example/a\tb", {"failure": "malformed"}),
    ("http://site.example\\@other.example/", {"failure": "malformed"}),
    ("http://user:password@site.example/", {"failure": "malformed"}),
    ("http://good@127.0.0.1/", {"failure": "malformed"}),
    ("http:///path", {"failure": "malformed"}),
    ("http://site..example/", {"failure": "malformed"}),
    ("http://site.example:99999/", {"failure": "malformed"}),
    ("http://[::1/", {"failure": "malformed"}),
    (f"http://{'a' * 64}.example/", {"failure": "malformed"}),
    (f"http://site.example/{'a' * 9000}", {"failure": "malformed"}),
    ("www.site.example", {"failure": "malformed"}),
    ("http://2130706433/", {"failure": "malformed"}),
    ("http://0x7f.1/", {"failure": "malformed"}),
    ("http://127.1/", {"failure": "malformed"}),
    ("http://１２７.0.0.1/", {"failure": "forbidden"}),
    ("http://127.0.0.1/", {"failure": "forbidden"}),
    ("http://127.0.0.1./", {"failure": "forbidden"}),
    ("http://[::1]/", {"failure": "forbidden"}),
    ("http://[::ffff:169.254.169.254]/", {"failure": "forbidden"}),
    ("ftp://site.example/", {"failure": "forbidden"}),
    ("file:///etc/passwd", {"failure": "forbidden"}),
    ("mailto:someone@site.example", {"failure": "forbidden"}),
    ("http://site.example:22/", {"failure": "forbidden"}),
]


@pytest.mark.parametrize(("url", "expected"), URLS, ids=[row[0][:60].encode("unicode_escape").decode() for row in URLS])
def test_an_address_is_asked_as_it_is_written_or_not_at_all(web, look, url, expected):
    web.plays |= HELPERS | {
        ("two.example", "/page"): page("", "Two"),
        ("site.example", "/insecure"): redirect("http://site.example/page"),
        ("ieeexplore.ieee.org", "/document/1"): answer(418),
        ("xn--bcher-kva.example", "/gr%C3%B6%C3%9Fe?q=%C3%A4%20b"): page(),
        ("site.example", "/a%2fb%7e?c=%zz"): page(),
        ("site.example", "/?only=query"): page(),
    }
    seen = look(url)[url]
    assert found(seen, expected) == {"failure": None, **expected}, seen.reason


REASONS: list[tuple[str, str]] = [
    ("http://site.example/inside", "sends on to http://127.0.0.1/: never asked: it is a loopback address"),
    (
        "http://site.example/script",
        "sends on to 'javascript:alert(1)': javascript: addresses are never asked, only http and https",
    ),
    ("https://expired.example/", "its certificate has expired"),
    ("https://self.example/", "its certificate is signed by nobody but itself"),
    ("https://wrong.example/", "its certificate is for another host"),
    ("https://plain.example/", "it doesn't speak https at this port"),
    ("http://site.example/nothing-there", "answers with status 404 (Not Found)"),
    (
        "https://site.example/insecure",
        "sends on to http://site.example/page, which answers with status 200; no longer over https",
    ),
    ("http://127.0.0.1/", "never asked: it is a loopback address"),
    ("http://site.example/a b", "isn't an address: the character ' ' can't stand in one"),
    ("http://inside.example/", "never asked: its host's name leads to 10.0.0.7, a private or reserved address"),
]


@pytest.mark.parametrize(("url", "reason"), REASONS)
def test_the_reason_is_a_sentence(web, look, monkeypatch, url, reason):
    monkeypatch.setitem(web.names, "inside.example", ["10.0.0.7"])
    web.plays |= HELPERS | {
        ("site.example", "/insecure"): redirect("http://site.example/page"),
        ("site.example", "/inside"): redirect("http://127.0.0.1/"),
        ("site.example", "/script"): redirect("javascript:alert(1)"),
    }
    assert look(url)[url].reason == reason


FRAGMENTS: list[tuple[str, str, bool | None]] = [
    (f"<h2 id='here'>Here</h2>{TEXT}", "here", True),
    (f"<h2 ID = here>Here</h2>{TEXT}", "here", True),
    (f'<a name="here"></a>{TEXT}', "here", True),
    (f'<h2 id="größe &amp; mehr">Größe</h2>{TEXT}', "gr%C3%B6%C3%9Fe%20&%20mehr", True),
    (f'<h2 id="user-content-here">Here</h2>{TEXT}', "here", True),
    (TEXT, "top", True),
    (TEXT, "missing", False),
    (f"<!-- <h2 id='here'> -->{TEXT}", "here", False),
    (f"<script>var a = \"<h2 id='here'>\"</script>{TEXT}", "here", False),
    (f"<p data-id='here' title='id=here'>{TEXT}", "here", False),
    (f"<meta name='description'>{TEXT}", "description", False),
    (f"<h2 id='Here'>{TEXT}", "here", False),
    (TEXT, ":~:text=words", None),
    (TEXT, "L10-L20", None),
    (TEXT, "!/route", None),
    (TEXT, "page=3", None),
    ("<div id='root'></div><script src='app.js'></script>", "made-later", None),
    (FAR, "far", None),
    (f"<h2 id='near'></h2>{FAR}", "near", True),
]


@pytest.mark.parametrize(("body", "fragment", "there"), FRAGMENTS)
def test_a_fragment_is_there_or_not_or_cant_be_told(web, look, body, fragment, there):
    web.plays["site.example", "/page"] = page(body)
    url = f"{SITE}/page#{fragment}"
    seen = look(url, read=set())[url]
    assert (seen.status, seen.fragment, seen.final) == (200, there, None)
    assert ("nothing on the page is called" in seen.reason) == (there is False)


def ranged(whole: str, length: int, **headers: str) -> Play:
    """A server that sends the first bytes of a page."""
    part = whole.encode()[:length]
    held = f"bytes 0-{len(part) - 1}/{len(whole.encode())}"
    return answer(206, part, content_type="text/html", content_range=held, **headers)


HALF = f"<title>Half</title>{TEXT}<h2 id='far'></h2>"
PACKED = gzip.compress(HALF.encode())
PARTS: list[tuple[str, Play, bool | None]] = [
    ("all that there is", ranged(HALF, 10_000), False),
    ("the first bytes", ranged(HALF, 100), None),
    ("an unknown length", answer(206, HALF, content_type="text/html", content_range="bytes 0-99/*"), None),
    ("half of what was packed", answer(200, PACKED[:-20], content_type="text/html", content_encoding="gzip"), None),
    ("all that was packed", answer(200, PACKED, content_type="text/html", content_encoding="gzip"), False),
    ("less than was said", raw(OK + f"Content-Length: 9999\r\n\r\n{HALF}".encode()), None),
]


@pytest.mark.parametrize(("play", "there"), [row[1:] for row in PARTS], ids=[row[0] for row in PARTS])
def test_a_fragment_is_missing_only_where_the_whole_page_was_read(web, look, play, there):
    web.plays["site.example", "/page"] = play
    seen = look(f"{SITE}/page#missing")[f"{SITE}/page#missing"]
    assert (seen.status, seen.fragment, seen.title) == (200, there, "Half")


def test_a_page_is_asked_for_once_for_all_its_fragments(web, look):
    web.plays["site.example", "/page"] = page(f"<h2 id='a'></h2><h2 id='b'></h2>{TEXT}")
    urls = [f"{SITE}/page", f"{SITE}/page#a", f"{SITE}/page#b", f"{SITE}/page#c"]
    seen = look(*urls)
    assert [seen[url].fragment for url in urls] == [None, True, True, False]
    assert [(request.method, request.target) for request in web.asked] == [("GET", "/page")]


def test_a_fragment_is_looked_for_where_a_redirect_leads(web, look):
    web.plays["site.example", "/old"] = redirect("/page", 301)
    web.plays["site.example", "/page"] = page(f"<h2 id='a'></h2>{TEXT}")
    seen = look(f"{SITE}/old#a")[f"{SITE}/old#a"]
    assert (seen.fragment, seen.final) == (True, f"{SITE}/page")


def test_fragments_of_pages_that_scripts_make_cant_be_told(web, look):
    web.plays["github.com", "/o/n/blob/main/readme.md"] = page(TEXT)
    url = "https://github.com/o/n/blob/main/readme.md#missing"
    assert look(url)[url].fragment is None


def test_pages_whose_title_isnt_wanted_are_asked_with_head_alone(web, look):
    web.plays["site.example", "/page"] = page("", "A page")
    seen = look(f"{SITE}/page", read=set())[f"{SITE}/page"]
    assert (seen.status, seen.title, seen.kind) == (200, None, "text/html")
    assert [request.method for request in web.asked] == ["HEAD"]


def test_a_file_of_two_gigabytes_costs_a_few_bytes(web, look):
    huge = raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: 2000000000\r\n\r\n",
        b"z" * 1000,
        pause=0.001,
        then="forever",
    )
    web.plays["site.example", "/weights.zip"] = by_method(answer(405), huge)
    web.plays["site.example", "/weights"] = huge
    seen = look(f"{SITE}/weights.zip", f"{SITE}/weights")
    assert {one.status for one in seen.values()} == {200}
    assert web.sent["/weights.zip"] + web.sent["/weights"] < 20_000
    assert web.asked[-1].headers["Range"] == "bytes=0-65535"


def test_what_unpacks_to_fifty_megabytes_takes_hardly_any_memory(web, look):
    web.plays["site.example", "/bomb"] = answer(200, BOMB, content_type="text/html", content_encoding="gzip")
    tracemalloc.start()
    try:
        look(f"{SITE}/bomb")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10_000_000


def test_a_connection_is_used_again(web, look):
    urls = [f"{SITE}/{name}.pdf" for name in "abcdef"] + [f"{SITE}/{name}" for name in "abcdef"]
    web.plays |= {("site.example", url.removeprefix(SITE)): page() for url in urls}
    look(*urls, per_host=1)
    assert len(web.connected) == 1


def test_heads_go_over_http2_where_the_server_speaks_it(web, look):
    urls = [f"https://two.example/{name}.zip" for name in "abcdef"]
    web.plays |= {("two.example", url.removeprefix("https://two.example")): answer() for url in urls}
    seen = look(*urls, per_host=6)
    assert {one.status for one in seen.values()} == {200}
    assert all(":authority" in request.headers for request in web.asked)
    assert len(web.connected) == 1


def test_many_long_pages_of_one_host_harm_no_other_look(web, look):
    urls = [f"https://two.example/{name}" for name in "abcdefgh"]
    web.plays |= {("two.example", url.removeprefix("https://two.example")): page("y" * 15_000, "Two") for url in urls}
    seen = look(*urls, per_host=4, most=5_000)
    assert {one.title for one in seen.values()} == {"Two"}


def test_proxies_of_the_environment_are_not_used(web, look, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    web.plays |= HELPERS
    assert look(f"{SITE}/page")[f"{SITE}/page"].status == 200


def test_the_project_is_named_and_no_cookie_leaves_its_host(web, look):
    web.plays["site.example", "/out"] = redirect("http://other.example/page", set_cookie="secret=1")
    web.plays |= HELPERS
    look(f"{SITE}/out", user_agent="Finch/1 (https://example.org)")
    assert [request.headers["User-Agent"] for request in web.asked] == ["Finch/1 (https://example.org)"] * 2
    assert not any("Cookie" in request.headers for request in web.asked)
