"""Only public addresses are connected to, and only the address that was checked."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import httpcore2
import pytest

from tests.tools.links.server import page, redirect
from tools.links.guard import Guard, why_not
from tools.links.troubles import Trouble

NEVER = """
    127.0.0.1 127.8.8.8 0.0.0.0 0.1.2.3 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 100.127.255.255
    192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 192.88.99.1
    :: ::1 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 fec0::1 ff02::1 2001:db8::1 3fff::1 100::1 5f00::1 4000::1
    ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1
    2002:7f00:1::1 2002:c0a8:101::1 2001:0:4136:e378:8000:63bf:3fff:fdd2
""".split()
PUBLIC = "93.184.215.14 8.8.8.8 172.32.0.1 100.128.0.1 2606:4700::1111 2a00:1450:4001:830::200e 64:ff9b::808:808 ::ffff:8.8.8.8".split()


class Recorder(httpcore2.AsyncNetworkBackend):
    """Remembers where it was to connect to; some addresses don't answer."""

    def __init__(self, dead: Iterable[str] = ()) -> None:
        self.asked: list[tuple[str, float | None]] = []
        self.dead = set(dead)

    async def connect_tcp(self, host: str, port: int, timeout: float | None = None, *rest: Any, **more: Any) -> Any:
        self.asked.append((host, timeout))
        if host in self.dead:
            raise httpcore2.ConnectTimeout
        return "a stream"

    @property
    def addresses(self) -> list[str]:
        return [address for address, _ in self.asked]


def resolver(*answers: list[str] | Exception):
    """One answer after the other, the last for good."""
    left = list(answers)

    async def resolve(host: str, port: int) -> list[str]:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return resolve


def connect(guard: Guard, times: int = 1, host: str = "site.example") -> list[Any]:
    async def all_of_them() -> list[Any]:
        try:
            return [await guard.connect_tcp(host, 80, 10.0) for _ in range(times)]
        finally:
            guard.close()

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("address", NEVER)
def test_an_address_that_isnt_public_is_never_connected_to(address):
    backend = Recorder()
    assert why_not(address)
    with pytest.raises(Trouble) as refused:
        connect(Guard(resolver=resolver([address]), backend=backend))
    assert refused.value.failure == "forbidden"
    assert not backend.asked


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_connected_to(address):
    backend = Recorder()
    connect(Guard(resolver=resolver([address]), backend=backend))
    assert backend.addresses == [address]


def test_a_name_that_resolves_to_a_public_address_first_and_to_loopback_next_never_leads_to_loopback():
    backend = Recorder()
    connect(Guard(resolver=resolver(["8.8.8.8"], ["127.0.0.1"]), backend=backend), times=3)
    assert backend.addresses == ["8.8.8.8"] * 3


def test_the_same_holds_for_a_whole_look_and_its_redirects(web, look):
    web.plays["site.example", "/a"] = redirect("http://site.example/b", connection="close")
    web.plays["site.example", "/b"] = page()
    answers = iter([web.names["site.example"]])

    async def rebinding(name: str, port: int) -> list[str]:
        return next(answers, ["127.0.0.1"])

    seen = look("http://site.example/a", world={"resolver": rebinding})["http://site.example/a"]
    assert seen.status == 200
    assert {address for address, _ in web.connected} == set(web.names["site.example"])


def test_a_name_that_resolves_to_loopback_after_a_failed_lookup_is_refused():
    backend = Recorder()
    guard = Guard(resolver=resolver(socket.gaierror(socket.EAI_AGAIN, ""), ["127.0.0.1"]), backend=backend)

    async def twice() -> None:
        with pytest.raises(socket.gaierror):
            await guard.connect_tcp("site.example", 80, 10.0)
        with pytest.raises(Trouble):
            await guard.connect_tcp("site.example", 80, 10.0)
        guard.close()

    asyncio.run(twice())
    assert not backend.asked


@pytest.mark.parametrize("order", [["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["8.8.8.8", "2606:4700::1111", "::1"]])
def test_a_name_with_one_address_that_isnt_public_is_refused(order):
    backend = Recorder()
    with pytest.raises(Trouble):
        connect(Guard(resolver=resolver(order), backend=backend))
    assert not backend.asked


def test_the_next_address_is_tried_where_one_doesnt_answer_and_the_time_is_shared():
    backend = Recorder(dead=["2606:4700::1111"])
    connect(Guard(resolver=resolver(["2606:4700::1111", "8.8.8.8"]), backend=backend))
    assert backend.addresses == ["2606:4700::1111", "8.8.8.8"]
    assert backend.asked[0][1] == pytest.approx(5.0, abs=0.5)


def test_no_more_than_four_addresses_are_tried():
    addresses = [f"8.8.8.{number}" for number in range(9)]
    backend = Recorder(dead=addresses)
    with pytest.raises(httpcore2.ConnectTimeout):
        connect(Guard(resolver=resolver(addresses), backend=backend))
    assert backend.addresses == addresses[:4]


def test_a_lookup_takes_no_longer_than_a_connection_may():
    async def forever(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    async def briefly() -> None:
        guard = Guard(resolver=forever, backend=Recorder())
        with pytest.raises(Trouble, match="isn't looked up in time"):
            await guard.connect_tcp("site.example", 80, 0.05)
        guard.close()

    asyncio.run(briefly())


def test_private_addresses_are_connected_to_where_that_is_allowed():
    backend = Recorder()
    connect(Guard(allow_private=True, resolver=resolver(["127.0.0.1"]), backend=backend))
    assert backend.addresses == ["127.0.0.1"]


def test_the_systems_own_lookup_is_checked_too():
    backend = Recorder()
    with pytest.raises(Trouble, match="loopback"):
        connect(Guard(backend=backend), host="localhost")
    with pytest.raises(Trouble, match="loopback"):
        connect(Guard(backend=backend), host="2130706433")
    assert not backend.asked


@pytest.mark.parametrize(
    ("code", "failure"), [(socket.EAI_NONAME, "no such name"), (socket.EAI_AGAIN, "timed out"), (socket.EAI_FAIL, "timed out")]
)
def test_a_lookup_that_fails_for_now_is_not_a_name_that_isnt_there(look, code, failure):
    lookups: list[str] = []

    async def failing(host: str, port: int) -> list[str]:
        lookups.append(host)
        raise socket.gaierror(code, "said the resolver")

    seen = look("http://site.example/", tries=3, world={"resolver": failing})["http://site.example/"]
    assert (seen.failure, seen.status) == (failure, None)
    assert lookups == ["site.example"], "without a network, a second try for each address takes long"


def test_a_lookup_that_hangs_is_waited_for_once_for_an_address(look):
    waited: list[str] = []

    async def hanging(host: str, port: int) -> list[str]:
        waited.append(host)
        await asyncio.sleep(60)
        return []

    async def sleep(seconds: float) -> None:
        again.append(seconds)

    again: list[float] = []
    seen = look("http://site.example/", tries=3, connect=0.3, world={"resolver": hanging, "sleep": sleep})["http://site.example/"]
    assert (seen.failure, seen.reason) == ("timed out", "its host's name isn't looked up in time")
    assert (waited, again) == (["site.example"], [])


HANGING = """
import asyncio, socket, time
from tools.links.guard import Guard

socket.getaddrinfo = lambda *host, **more: time.sleep(60)
guard = Guard()
try:
    asyncio.run(guard.connect_tcp("site.example", 80, 0.1))
finally:
    guard.close()
"""


def test_the_process_ends_while_a_lookup_hangs():
    ended = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, check=False, timeout=30)
    assert "Trouble: its host's name isn't looked up in time" in ended.stderr


def test_who_waits_no_longer_for_a_lookup_doesnt_end_it_for_others():
    async def slow(host: str, port: int) -> list[str]:
        await asyncio.sleep(0.2)
        return ["8.8.8.8"]

    async def two() -> list[Any]:
        guard = Guard(resolver=slow, backend=Recorder())
        waits = [guard.connect_tcp("site.example", 80, seconds) for seconds in (0.05, 10.0)]
        return await asyncio.gather(*waits, return_exceptions=True)

    one, other = asyncio.run(two())
    assert isinstance(one, Trouble)
    assert other == "a stream"


def test_a_host_whose_name_cant_be_looked_up_is_soon_left_alone_with_its_files_too(look):
    lookups: list[str] = []

    async def failing(host: str, port: int) -> list[str]:
        lookups.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "said the resolver")

    urls = [f"http://site.example/{number}{ending}" for number in range(8) for ending in (".pdf", "")]
    seen = look(*urls, per_host=1, strikes=3, world={"resolver": failing})
    assert {one.failure for one in seen.values()} == {"timed out"}
    assert len(lookups) == 3
