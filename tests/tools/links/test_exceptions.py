"""An exception holds for what it names, until its day; then it is asked about."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tools.links.exceptions import excepted, warnings
from tools.links.model import Finding, Target
from tools.manifest import LinkException

UNTIL = date(2027, 5, 1)
URL = "https://www.a.example/x?y#z"


def exception(**more):
    return LinkException(reason="It refuses programs.", until=UNTIL, **more)


def finding(url=URL, verdict="blocked"):
    return Finding(target=Target(url, ()), verdict=verdict, reason="")


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        ({"url": URL}, True),
        ({"url": "https://www.a.example/x?y"}, False),
        ({"host": "www.a.example"}, True),
        ({"host": "a.example"}, False),
        ({"host": "b.www.a.example"}, False),
        ({"host": "www.a.example", "verdicts": ["blocked"]}, True),
        ({"host": "www.a.example", "verdicts": ["dead", "wrong"]}, False),
        ({"url": URL, "verdicts": ["dead", "blocked"]}, True),
    ],
)
def test_what_an_exception_holds_for(given, holds):
    assert excepted(finding(), [exception(**given)], UNTIL) == ("It refuses programs. (until 2027-05-01)" if holds else None)


def test_it_holds_on_its_last_day_and_not_after():
    assert excepted(finding(), [exception(url=URL)], UNTIL)
    assert excepted(finding(), [exception(url=URL)], UNTIL + timedelta(1)) is None


def test_a_host_is_the_same_whatever_its_port_and_capitals():
    assert excepted(finding("https://WWW.A.example:8443/"), [exception(host="www.a.example")], UNTIL)


def test_an_address_that_is_none_has_no_exception_by_host():
    assert excepted(finding("https://[::1"), [exception(host="www.a.example")], UNTIL) is None
    assert list(warnings([exception(url="https://[::1")], [Target("https://[::1", ())], UNTIL)) == []


def test_past_its_date_or_of_no_use_it_is_asked_about():
    given = [exception(url=URL), exception(host="www.a.example"), exception(host="a.example"), exception(url="https://b.example/")]
    targets = [Target(URL, ())]
    assert list(warnings(given, targets, UNTIL)) == [
        "catalog.yaml: link_exceptions[2] (a.example) speaks of no address of the catalog; remove it",
        "catalog.yaml: link_exceptions[3] (https://b.example/) speaks of no address of the catalog; remove it",
    ]
    assert list(warnings(given[:2], targets, UNTIL + timedelta(1))) == [
        f"catalog.yaml: link_exceptions[0] ({URL}) held until 2027-05-01; look again, and remove it or give it a new date",
        "catalog.yaml: link_exceptions[1] (www.a.example) held until 2027-05-01; look again, and remove it or give it a new date",
    ]
