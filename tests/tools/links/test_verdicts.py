"""What is said of an address, look by look: nothing is dead on a bad day, and nothing is excused for ever."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tools.links.model import Observation, Place, Row, Target, Watch
from tools.links.verdicts import judge

DAY = date(2026, 11, 20)
URL = "https://a.example/paper"
TITLE = "TransFG: A Transformer Architecture for Fine-grained Recognition"
NEAR = "Feature Fusion Transformer for Fine-Grained Visual Categorization"
OTHER = "Learning Attentive Pairwise Interaction of Siblings in Herbaria"


def target(url=URL, title=None):
    return Target(url, (Place("catalog/papers/x.yaml", 1, 1, "links[0].url", "papers/x"),), title)


def look(status=200, url=URL, **more):
    return Observation(url=url, status=None if "failure" in more else status, reason=more.pop("reason", "answers"), **more)


def first(observation, title=None, **more):
    return judge(target(observation.url, title), observation, None, DAY, **more)


FIRST = [
    ({}, "ok"),
    ({"status": 206}, "ok"),
    ({"status": 404}, "unknown"),
    ({"status": 410}, "unknown"),
    ({"soft_404": True}, "unknown"),
    ({"failure": "no such name"}, "unknown"),
    ({"failure": "timed out"}, "unknown"),
    ({"failure": "refused"}, "unknown"),
    ({"failure": "reset"}, "unknown"),
    ({"failure": "bad answer"}, "unknown"),
    ({"failure": "certificate"}, "broken"),
    ({"failure": "malformed", "url": "https://a:b@a.example/"}, "broken"),
    ({"failure": "malformed"}, "unknown"),  # a redirect, of which the address can't say anything
    ({"failure": "forbidden", "url": "ftp://a.example/"}, "broken"),
    ({"failure": "forbidden", "url": "https://10.0.0.1/"}, "broken"),
    ({"failure": "forbidden", "url": "https://[::1]/"}, "broken"),
    ({"failure": "forbidden"}, "unknown"),  # its name, or a redirect: it may be this network's doing
    ({"failure": "redirect loop"}, "broken"),
    ({"failure": "redirect loop", "wall": True}, "blocked"),
    ({"fragment": False, "url": f"{URL}#here"}, "broken"),
    ({"fragment": True, "url": f"{URL}#here"}, "ok"),
    *(({"status": status}, "blocked") for status in (202, 401, 403, 406, 418, 429, 451, 999)),
    *(({"status": status}, "unknown") for status in (300, 304, 400, 405, 408, 416, 500, 502, 503, 504, 521)),
    ({"status": 503, "wall": True}, "blocked"),
    ({"status": 200, "wall": True}, "blocked"),
    ({"status": 404, "wall": True}, "blocked"),
    ({"final": "https://a.example/new", "permanent": True}, "moved"),
    ({"final": "https://a.example/new", "permanent": False}, "ok"),
    ({"final": "https://a.example/new", "permanent": True, "status": 404}, "unknown"),
    ({"final": "https://a.example/", "permanent": False}, "moved"),
    ({"final": "https://a.example/login?next=paper", "permanent": True}, "blocked"),
    ({"archived": True}, "ok"),
]


@pytest.mark.parametrize(("seen", "verdict"), FIRST, ids=[str(seen) for seen, _ in FIRST])
def test_what_a_first_look_says(seen, verdict):
    finding, row = first(look(**seen))
    assert finding.verdict == row.verdict == verdict
    assert finding.reason
    assert row.first_seen == row.checked == DAY
    assert row.last_ok == (DAY if verdict in ("ok", "moved") else None)


def story(*looks, row=None, **more):
    """The verdicts of looks at days from the first, and the last finding and row."""
    verdicts = []
    for day, observation in looks:
        finding, row = judge(target(observation.url), observation, row, DAY + timedelta(day), **more)
        verdicts.append(finding.verdict)
    return verdicts, finding, row


GONE, OK, SLOW, CERTIFICATE = look(404), look(), look(failure="timed out"), look(failure="certificate")
INWARDS = look(failure="forbidden")
UNKNOWN = "unknown"

HISTORIES = {
    "three looks over a week": ([(0, GONE), (3, GONE), (7, GONE)], [UNKNOWN, UNKNOWN, "dead"]),
    "three looks in less": ([(0, GONE), (3, GONE), (6, GONE), (7, GONE)], [UNKNOWN, UNKNOWN, UNKNOWN, "dead"]),
    "two looks over a month": ([(0, GONE), (30, GONE)], [UNKNOWN, UNKNOWN]),
    "many looks on one day count once": ([(0, GONE), (0, GONE), (0, GONE), (7, GONE), (7, GONE)], [UNKNOWN] * 5),
    "404, 410 and no name are one story": ([(0, GONE), (3, look(410)), (8, look(failure="no such name"))], [UNKNOWN, UNKNOWN, "dead"]),
    "a success begins it anew": ([(0, GONE), (3, GONE), (5, OK), (7, GONE), (8, GONE)], [UNKNOWN, UNKNOWN, "ok", UNKNOWN, UNKNOWN]),
    "silence neither counts": ([(0, GONE), (3, SLOW), (5, look(503)), (8, GONE)], [UNKNOWN] * 4),
    "nor resets": ([(0, GONE), (3, GONE), (5, SLOW), (8, GONE)], [UNKNOWN, UNKNOWN, UNKNOWN, "dead"]),
    "silence for a year is unknown": ([(30 * month, SLOW) for month in range(12)], [UNKNOWN] * 12),
    "silence first, gone later that day": ([(0, GONE), (3, GONE), (7, SLOW), (7, GONE)], [UNKNOWN, UNKNOWN, UNKNOWN, "dead"]),
    "what is dead stays so in silence": ([(0, GONE), (3, GONE), (7, GONE), (14, SLOW), (21, GONE)], [UNKNOWN, UNKNOWN, "dead", "dead", "dead"]),
    "and comes back with an answer": ([(0, GONE), (3, GONE), (7, GONE), (14, OK), (21, GONE)], [UNKNOWN, UNKNOWN, "dead", "ok", UNKNOWN]),
    "a wall says that there is a host": ([(0, GONE), (3, GONE), (7, GONE), (14, look(403))], [UNKNOWN, UNKNOWN, "dead", "blocked"]),
    "a certificate that never was right": ([(0, CERTIFICATE), (7, CERTIFICATE)], ["broken", "broken"]),
    "one that ran out gets its time": ([(0, OK), (3, CERTIFICATE), (9, CERTIFICATE), (10, CERTIFICATE)], ["ok", UNKNOWN, UNKNOWN, "broken"]),
    "and may be renewed": ([(0, OK), (3, CERTIFICATE), (5, OK), (12, CERTIFICATE)], ["ok", UNKNOWN, "ok", UNKNOWN]),
    "a place that a page has lost": ([(0, OK), (3, look(fragment=False)), (6, look(fragment=False)), (10, look(fragment=False))], ["ok", UNKNOWN, UNKNOWN, "broken"]),
    "soft 404s": ([(0, look(soft_404=True)), (0, look(soft_404=True)), (3, look(soft_404=True)), (7, look(soft_404=True))], [UNKNOWN, UNKNOWN, UNKNOWN, "dead"]),
    "a network whose names all lead inwards": ([(0, OK), (7, INWARDS), (7, INWARDS), (14, OK)], ["ok", UNKNOWN, UNKNOWN, "ok"]),
    "a name that leads inwards for good": ([(0, INWARDS), (0, INWARDS), (7, INWARDS), (8, INWARDS)], [UNKNOWN, UNKNOWN, UNKNOWN, "broken"]),
    "a clock that went back counts one look less": ([(7, GONE), (0, GONE), (3, GONE), (14, GONE)], [UNKNOWN, UNKNOWN, UNKNOWN, "dead"]),
    "a clock that was years ahead": ([(3650, GONE), (0, GONE), (3, GONE), (6, GONE), (7, GONE)], [UNKNOWN] * 4 + ["dead"]),
    "and saw nothing amiss": ([(3650, OK), (0, GONE), (3, GONE), (7, GONE)], ["ok", UNKNOWN, UNKNOWN, "dead"]),
    "another kind of failure is another story": ([(0, OK), (1, CERTIFICATE), (5, CERTIFICATE), (9, GONE), (12, GONE), (16, GONE)], ["ok"] + [UNKNOWN] * 4 + ["dead"]),
    "with silence between them, too": ([(0, OK), (1, CERTIFICATE), (5, CERTIFICATE), (8, SLOW), (9, GONE)], ["ok"] + [UNKNOWN] * 4),
    "and on one day": ([(0, OK), (1, CERTIFICATE), (5, CERTIFICATE), (9, GONE), (9, CERTIFICATE)], ["ok"] + [UNKNOWN] * 4),
    "two flaws are two stories": ([(0, OK), (1, CERTIFICATE), (5, CERTIFICATE), (9, look(fragment=False))], ["ok"] + [UNKNOWN] * 3),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_what_a_history_says(name):
    looks, expected = HISTORIES[name]
    assert story(*looks)[0] == expected


def test_a_first_failure_says_from_when_on_it_would_be_dead():
    finding, row = first(look(404, reason="answers with status 404"))
    assert finding.reason == "answers with status 404, first seen so on 2026-11-20; dead if still so on 2026-11-27"
    assert (row.status, row.failures, row.failing_since) == (404, 1, DAY)


@pytest.mark.parametrize(("day", "due"), [(1, "2026-11-27"), (6, "2026-11-27"), (7, "2026-11-28"), (20, "2026-12-11")])
def test_a_second_failure_says_that_another_day_is_needed(day, due):
    _, finding, _ = story((0, GONE), (day, GONE))
    assert finding.reason == f"answers, first seen so on 2026-11-20; dead if still so on {due}"


def test_a_date_that_was_named_is_kept():
    """Looking on the day that the first failure named, and once in between, tells that it is dead; looking on its eve doesn't."""
    assert story((0, GONE), (2, GONE), (7, GONE))[0][-1] == "dead"
    assert story((0, GONE), (2, GONE), (6, GONE))[0][-1] == "unknown"


@pytest.mark.parametrize("between", [[], [(5, SLOW)], [(5, look(403))]])
def test_a_dead_one_says_since_when_in_words_that_hold_whatever_was_between_and_stay(between):
    for more in ([], [(14, GONE)], [(14, GONE), (21, SLOW), (28, GONE)]):
        _, finding, _ = story((0, GONE), (3, GONE), *between, (7, GONE), *more)
        assert finding.reason == "answers, at 3 looks or more since 2026-11-20"


def test_no_day_of_a_row_is_still_to_come():
    _, _, row = story((90, OK), (99, GONE), (0, GONE))
    assert (row.checked, row.last_ok, row.failing_since) == (DAY, DAY, DAY)


def test_what_is_back_is_told():
    _, finding, row = story((0, GONE), (3, GONE), (7, GONE), (14, OK))
    assert finding.reason == "answers; it is back: it was dead on 2026-11-27"
    assert (row.failures, row.failing_since, row.failing_by, row.last_ok) == (0, None, None, DAY + timedelta(14))
    assert "back" not in story((14, OK), (15, OK))[1].reason


def test_a_dead_address_is_given_its_archived_copy_but_not_by_itself():
    row = Row(url=URL, first_seen=DAY, archive="https://web.archive.example/1")
    _, finding, row = story((0, GONE), (3, GONE), (7, GONE), row=row)
    assert (finding.suggestion, finding.fixable) == ("https://web.archive.example/1", False)
    assert row.archive == "https://web.archive.example/1"
    assert story((8, GONE), row=row)[1].suggestion == row.archive
    assert story((0, GONE), row=Row(url=URL, first_seen=DAY, archive="https://w.example/"))[1].suggestion is None


def test_a_silence_says_when_it_last_answered():
    assert story((0, OK), (7, SLOW))[1].reason == "answers"
    assert story((0, OK), (7, SLOW), (14, SLOW))[1].reason == "answers; it last answered on 2026-11-20"


@pytest.mark.parametrize(
    ("url", "title", "verdict"),
    [
        ("https://arxiv.org/abs/2103.07976", TITLE, "ok"),
        ("https://arxiv.org/abs/2103.07976", OTHER, "wrong"),
        ("https://doi.org/10.1/x", OTHER, "wrong"),
        ("https://arxiv.org/abs/2103.07976", NEAR, "wrong"),  # an id's title is a paper's for certain
        ("https://a.example/paper", NEAR, "ok"),
        ("https://a.example/paper", OTHER, "wrong"),
        ("https://a.example/paper", "CVPR 2021 Open Access Repository", "ok"),
        ("https://a.example/paper", None, "ok"),
    ],
)
def test_another_papers_title_is_wrong_at_once(url, title, verdict):
    finding, row = first(look(url=url, title=title), TITLE)
    assert finding.verdict == verdict
    assert row.title == title
    if verdict == "wrong":
        assert finding.reason == f'answers with another paper, "{title}"; expected "{TITLE}"'
        assert row.last_ok is None


ARXIV = "https://arxiv.org/abs/2103.07976"
WATCH = Watch(arxiv="2103.07976", title=OTHER, version=3)


@pytest.mark.parametrize(
    ("before", "watch", "verdict"),
    [(TITLE, WATCH, "ok"), (OTHER, WATCH, "wrong"), (None, WATCH, "wrong"), (TITLE, None, "wrong")],
)
def test_a_paper_that_its_authors_call_otherwise_on_arxiv_stays_the_right_one(before, watch, verdict):
    row, paper = Row(url=ARXIV, first_seen=DAY, title=before), target(ARXIV, TITLE)
    for week in range(3):
        finding, row = judge(paper, look(url=ARXIV, title=OTHER, watch=watch), row, DAY + timedelta(7 * week))
        assert finding.verdict == verdict
    assert judge(target(ARXIV, "A Paper of Somebody Else Entirely"), look(url=ARXIV, title=OTHER, watch=watch), row, DAY)[0].verdict == "wrong"


def test_where_any_page_will_do_no_title_is_wrong():
    assert first(look(title=OTHER), None)[0].verdict == "ok"


def test_a_wall_shows_no_title():
    row = first(look(title=TITLE), TITLE)[1]
    assert judge(target(title=TITLE), look(403, title="Just a moment..."), row, DAY)[1].title == TITLE


def test_a_permanent_redirect_is_a_suggestion_with_its_fragment():
    finding, row = first(look(url=f"{URL}#results", final="https://a.example/new/paper", permanent=True, fragment=True))
    assert finding.suggestion == row.moved_to == "https://a.example/new/paper#results"
    assert finding.fixable
    assert judge(target(), SLOW, row, DAY)[1].moved_to == row.moved_to
    assert judge(target(), OK, row, DAY)[1].moved_to is None


HTTP = "http://a.example/paper"
TWIN = "https://a.example/paper"
TWINS = [
    (look(url=HTTP, title="A"), look(url=TWIN, title="A"), ("moved", TWIN, True)),
    (look(url=HTTP), look(url=TWIN), ("moved", TWIN, True)),
    (look(url=HTTP, title="A"), look(url=TWIN, title="B"), ("moved", TWIN, False)),
    (look(404, url=HTTP), look(url=TWIN), ("moved", TWIN, True)),
    (look(url=HTTP, failure="refused"), look(url=TWIN), ("moved", TWIN, True)),
    (look(url=HTTP), look(404, url=TWIN), ("ok", None, False)),
    (look(url=HTTP), look(url=TWIN, failure="certificate"), ("ok", None, False)),
    (look(url=HTTP), look(url=TWIN, soft_404=True), ("ok", None, False)),
    (look(url=HTTP), look(url=TWIN, final=HTTP), ("ok", None, False)),
    (look(url=HTTP), look(url=TWIN, final="https://a.example/new"), ("ok", None, False)),
    (look(url=HTTP, final="https://a.example/new/paper", permanent=True), look(url=TWIN), ("moved", "https://a.example/new/paper", True)),
    (look(url=TWIN), look(url=TWIN), ("ok", None, False)),
]


@pytest.mark.parametrize(("http", "https", "expected"), TWINS)
def test_https_is_suggested_only_where_it_was_seen_to_answer(http, https, expected):
    finding, row = first(http, twin=https)
    assert (finding.verdict, finding.suggestion, finding.fixable) == expected
    assert row.moved_to == expected[1]


def test_a_twin_that_is_another_paper_is_none():
    finding, _ = first(look(url=HTTP, title=TITLE), TITLE, twin=look(url=TWIN, title=OTHER))
    assert finding.verdict == "ok"


def test_an_archived_repository_is_told_and_remembered():
    finding, row = first(look(archived=True, reason="answers"))
    assert (finding.reason, row.archived) == ("answers; its owner has closed it for changes", True)
    assert judge(target(), OK, row, DAY)[1].archived is False


def test_the_finding_carries_what_was_seen():
    assert first(GONE)[0].observation is GONE


@pytest.mark.parametrize(("kind", "verdict"), [("text/html", "ok"), (None, "wrong")])
def test_only_the_service_that_gave_out_an_identifier_proves_by_its_title_alone_that_another_paper_is_there(kind, verdict):
    seen = look(url="https://doi.org/10.1234/x", title="ScienceDirect", kind=kind)
    assert first(seen, title="Kestrel: Hovering Attention for Small Falcons")[0].verdict == verdict
