"""Results come as they are had; a run that is ended early leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from tests.tools.links.conftest import QUICK
from tests.tools.links.server import page, raw
from tools.links.look import look_at_all
from tools.links.model import Observation
from tools.links.settings import Settings

SETTINGS = Settings(**{"user_agent": "Finch-tests", **QUICK, "silence": 5.0, "whole": 5.0})
FAST, SLOW = "http://site.example/fast", "http://other.example/slow"


@pytest.fixture
def fast_and_slow(web):
    web.plays["site.example", "/fast"] = page()
    web.plays["other.example", "/slow"] = raw(then="hang")
    return web


def test_a_result_comes_before_slower_ones_and_the_rest_is_ended_with_the_loop(fast_and_slow):
    async def first() -> tuple[Observation, int]:
        looks = look_at_all([SLOW, FAST], SETTINGS, world=fast_and_slow.world())
        seen = await anext(looks)
        await looks.aclose()
        return seen, len(asyncio.all_tasks())

    seen, tasks = asyncio.run(asyncio.wait_for(first(), 3))
    assert seen.url == FAST
    assert tasks <= 2, "this task, and the one that waits for it"


def test_what_was_had_is_kept_when_the_run_is_interrupted(fast_and_slow):
    kept: list[Observation] = []

    async def keep() -> None:
        async for seen in look_at_all([SLOW, FAST], SETTINGS, world=fast_and_slow.world()):
            kept.append(seen)

    async def interrupted() -> None:
        task = asyncio.create_task(keep())
        while not kept:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(interrupted(), 3))
    assert [seen.url for seen in kept] == [FAST]


def test_nothing_to_look_at_is_no_trouble(look):
    assert look() == {}


def test_an_address_given_twice_is_found_once(web, look):
    web.plays["site.example", "/fast"] = page()
    assert list(look(FAST, FAST)) == [FAST]
    assert len(web.asked) == 1


def test_a_fault_of_ours_costs_one_address_alone(web, look):
    web.plays["site.example", "/fast"] = page()

    async def faulty(name: str, port: int) -> list[str]:
        if name == "other.example":
            raise RuntimeError("two\nlines")
        return await web.resolve(name, port)

    seen = look(FAST, SLOW, world={"resolver": faulty})
    assert seen[FAST].status == 200
    reason = "couldn't be looked at, which is a fault of this program: RuntimeError: two lines"
    assert seen[SLOW] == Observation(url=SLOW, reason=reason, asked=False)
