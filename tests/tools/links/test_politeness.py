"""Hosts are asked one after the other, with pauses, and left alone when they want to be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.tools.links.server import answer, in_turn, page, raw
from tools.links.politeness import Politeness
from tools.links.settings import Settings, World
from tools.links.troubles import Trouble
from tools.waiting import seconds_to_wait, span

TODAY = 1_800_000_000.0


class Clock:
    """Time that passes where somebody sleeps."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)


def politely(clock: Clock, **settings: Any) -> Politeness:
    world = World(now=clock.now, sleep=clock.sleep, today=lambda: TODAY, random=lambda: 0.5)
    return Politeness(Settings(**{"user_agent": "Finch-tests", **settings}), world)


async def turns(politeness: Politeness, clock: Clock, *hosts: str, lasting: float = 0.0) -> list[tuple[str, float]]:
    """When each host was asked."""
    started: list[tuple[str, float]] = []

    async def ask(host: str) -> None:
        async with politeness.turn(host):
            started.append((host, clock.time))
            await asyncio.sleep(lasting)

    await asyncio.gather(*(ask(host) for host in hosts))
    return started


def test_two_requests_to_a_host_are_some_seconds_apart_and_hosts_dont_wait_for_each_other():
    clock = Clock()
    started = asyncio.run(turns(politely(clock, delay=2.0), clock, "a", "a", "a", "b"))
    assert [time for host, time in started if host == "a"] == [0.0, 2.0, 4.0]
    assert dict(started)["b"] < 4.0


def test_a_host_may_have_a_delay_of_its_own():
    clock = Clock()
    started = asyncio.run(turns(politely(clock, delay=0.0), clock, *["export.arxiv.org"] * 3))
    assert [time for _, time in started] == [0.0, 3.0, 6.0]


@pytest.mark.parametrize(("settings", "hosts", "most"), [({"at_once": 3}, "abcdefgh", 3), ({"per_host": 2}, "aaaaaa", 2)])
def test_there_are_no_more_requests_at_once_than_allowed(settings, hosts, most):
    async def highest() -> int:
        politeness, now, top = politely(Clock(), delay=0.0, **settings), 0, 0

        async def ask(host: str) -> None:
            nonlocal now, top
            async with politeness.turn(host):
                now += 1
                top = max(top, now)
                await asyncio.sleep(0.01)
                now -= 1

        await asyncio.gather(*(ask(host) for host in hosts))
        return top

    assert asyncio.run(highest()) == most


def test_retry_after_stops_the_whole_host():
    clock = Clock()
    politeness = politely(clock, delay=0.0)
    politeness.rest("a", 429, "30")
    assert asyncio.run(turns(politeness, clock, "b", "a", "a")) == [("b", 0.0), ("a", 30.0), ("a", 30.0)]


def test_a_host_that_asks_for_too_long_a_rest_is_left_alone():
    clock = Clock()
    politeness = politely(clock, patience=60.0)
    politeness.rest("a", 503, "3600")
    with pytest.raises(Trouble) as left_alone:
        asyncio.run(turns(politeness, clock, "a"))
    assert (left_alone.value.status, left_alone.value.failure, left_alone.value.asked) == (503, None, False)
    assert left_alone.value.reason == "not asked: a answered another request with status 503 and asks to wait 60 minutes"


def test_a_host_that_asks_for_rest_after_rest_is_left_alone():
    clock = Clock()
    politeness = politely(clock, delay=0.0, patience=60.0)
    for _ in range(3):
        politeness.rest("a", 429, "59")
        politeness.rest("a", 429, "59")  # to another request, for the same time
        asyncio.run(turns(politeness, clock, "a"))
        politeness.well("a")
    politeness.rest("a", 429, "59")
    assert clock.time == 3 * 59
    with pytest.raises(Trouble) as left_alone:
        asyncio.run(turns(politeness, clock, "a"))
    assert (left_alone.value.status, left_alone.value.asked) == (429, False)
    assert left_alone.value.reason == "not asked: a answers with status 429 and asks to wait again and again, 4 minutes so far"


def test_waits_grow_and_hold_some_chance():
    politeness = politely(Clock(), backoff=2.0)
    assert [politeness.backoff(attempt) for attempt in (1, 2, 3)] == [3.0, 6.0, 12.0]


DATES = [
    ("0", 0.0),
    (" 120 ", 120.0),
    ("Fri, 15 Jan 2027 08:01:00 GMT", 60.0),
    ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
    ("-5", None),
    ("soon", None),
    ("", None),
    ("9" * 30, None),
    ("Fri, 99 Jan 2027 08:01:00 GMT", None),
]


@pytest.mark.parametrize(("text", "seconds"), DATES)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert seconds_to_wait(text, TODAY) == seconds


@pytest.mark.parametrize(
    ("seconds", "said"), [(1, "1 second"), (90, "90 seconds"), (300, "5 minutes"), (7200, "2 hours"), (200_000, "2 days")]
)
def test_a_time_is_said_as_people_say_it(seconds, said):
    assert span(seconds) == said


def test_the_rest_of_a_busy_hosts_addresses_isnt_asked(web, look):
    web.plays |= {("site.example", f"/{name}"): answer(429, retry_after="7200") for name in "abcd"}
    web.plays["other.example", "/"] = page()
    urls = [f"http://site.example/{name}" for name in "abcd"]
    seen = look(*urls, "http://other.example/", per_host=1)
    assert [(seen[url].status, seen[url].wall, seen[url].asked) for url in urls] == [(429, True, True)] + [(429, True, False)] * 3
    assert seen["http://other.example/"].status == 200
    assert sum(request.host == "site.example" for request in web.asked) == 1


def test_a_host_that_refuses_three_times_in_a_row_is_left_alone(web, look):
    web.plays |= {("site.example", f"/{name}"): answer(503) for name in "abcdef"}
    seen = look(*[f"http://site.example/{name}" for name in "abcdef"], per_host=1, strikes=3, tries=1)
    assert sorted(one.asked for one in seen.values()) == [False] * 3 + [True] * 3
    assert {one.status for one in seen.values()} == {503}


def test_a_host_that_answers_now_and_then_isnt_left_alone(web, look):
    web.plays |= {("site.example", f"/{name}"): answer(503) for name in "abde"} | {("site.example", "/c"): page()}
    seen = look(*[f"http://site.example/{name}" for name in "abcde"], per_host=1, strikes=3, tries=1)
    assert all(one.asked for one in seen.values())


def test_a_silent_host_isnt_asked_for_all_its_addresses(web, look):
    web.plays |= {("site.example", f"/{name}"): raw(then="hang") for name in "abcd"}
    seen = look(*[f"http://site.example/{name}" for name in "abcd"], per_host=1, strikes=2, tries=1, silence=0.1)
    assert [(one.failure, one.asked) for _, one in sorted(seen.items())] == [("timed out", True)] * 2 + [("timed out", False)] * 2


def test_an_address_is_tried_as_often_as_set_and_no_more(web, look):
    web.plays["site.example", "/x"] = in_turn(answer(500), answer(502), page("", "At last"))
    url = "http://site.example/x"
    assert look(url, tries=2)[url].status == 502
    web.plays["site.example", "/x"] = in_turn(answer(500), answer(502), page("", "At last"))
    assert look(url, tries=3)[url].title == "At last"
    assert len(web.asked) == 5


def test_what_another_try_doesnt_help_is_asked_once(web, look):
    web.plays["site.example", "/x"] = answer(403)
    look("http://site.example/x", tries=3)
    assert len(web.asked) == 1
