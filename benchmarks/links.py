"""What looking at links costs beside LinkChecker, and how often each is right.

    .venv/bin/python -m benchmarks.links [--links 5000] [--turns 3] [--large 50000]

Both look at one local site of 50 hosts (see benchmarks/linksite.py), each in a process of its own, from nothing, with as many
requests at once and no pause between two requests to one host. Ours waits 50 ms instead of a second before it tries again, which
LinkChecker doesn't. It goes twice: reading every page, as it does for a paper's; and, as LinkChecker does, only those in which a
place has to be found. It is told that what it finds gone was gone a week and two weeks ago: before that it calls nothing dead.
They take turns, and the clock is read; the processor's seconds are told beside it.

LinkChecker knows valid and not valid, with warnings. It counts as right where a person would be led to do the right thing: a new
address named in a warning is as good as a verdict "moved", and not valid is as good as "dead", "broken" or "unknown". Wrong is
calling not valid what is well or only turns programs away, and calling valid what is gone.

It is installed into build/linkchecker by the script.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import datetime
import json
import multiprocessing
import re
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import linksite
from benchmarks.linksite import ALL, Link, links
from benchmarks.timing import print_table, working
from tools.catalog import ROOT
from tools.links import ledger
from tools.links.look import look_at_all
from tools.links.model import Row, Target
from tools.links.settings import Settings
from tools.links.verdicts import judge

HOSTS, AT_ONCE = 50, 32
VERSION = "10.6.0"
HOME = ROOT / "build" / "linkchecker"
CONFIGURATION = f"""[checking]
threads={AT_ONCE}
maxrequestspersecond=1000000
recursionlevel=0
robotstxt=0
[filtering]
checkextern=1
[AnchorCheck]
[output]
log=csv
verbose=1
status=0
"""
TODAY = datetime.date(2026, 11, 20)
WEEKS = [TODAY - datetime.timedelta(weeks * 7) for weeks in range(3)]


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    wall: float
    """Seconds by the clock."""
    work: float
    """Seconds of the processor."""
    memory: float
    """The most that it had at once, in kB."""


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    cost: Cost
    right: Counter[str]
    """How many links of each kind were judged right."""
    state: float = 0.0
    """What is kept of it on disk, in kB."""


# ------------------------------------------------------------------------------------------------------------------ ours


def ours(told: Sequence[Link], pages: str = "all") -> Outcome:
    """Our run, in a process of its own."""
    cost, said = _run([sys.executable, "-m", "benchmarks.links", "--read", pages], told)
    found = json.loads(said)
    right = Counter(link.kind for link in told if found["verdicts"][link.url] == [ALL[link.kind].right, link.moved_to])
    return Outcome(cost, right, found["state"] / 1024)


def look(pages: str) -> None:
    """What that process does: judges the addresses on standard input, and prints a verdict each, and the size of their ledger."""
    verdicts, rows = asyncio.run(judged(sys.stdin.read().split(), None if pages == "all" else ()))
    state = sum(len(ledger.line_of(row).encode()) + 1 for row in rows)
    json.dump({"verdicts": verdicts, "state": state}, sys.stdout)


async def judged(urls: list[str], read: Container[str] | None = None) -> tuple[dict[str, tuple[str, str | None]], list[Row]]:
    """The verdict on each address with what is suggested in its place, and the rows of the ledger."""
    settings = Settings(
        user_agent="finch-benchmark", at_once=AT_ONCE, per_host=AT_ONCE, delay=0, backoff=0.05, allow_private=True
    )
    verdicts, rows = {}, []
    async for seen in look_at_all(urls, settings, read=read):
        before = Row(url=seen.url, first_seen=WEEKS[2], checked=WEEKS[1], failures=2, failing_since=WEEKS[2], status=404)
        finding, row = judge(Target(seen.url, ()), seen, before, TODAY)
        verdicts[seen.url] = finding.verdict, finding.suggestion
        rows.append(row)
    return verdicts, rows


# ----------------------------------------------------------------------------------------------------------- LinkChecker


def install() -> None:
    """LinkChecker in an environment of its own, once."""
    if not (HOME / "bin" / "linkchecker").exists():
        subprocess.run([sys.executable, "-m", "venv", HOME], check=True)
        subprocess.run([HOME / "bin" / "pip", "install", "--quiet", f"linkchecker=={VERSION}"], check=True)
    (HOME / "linkcheckerrc").write_text(CONFIGURATION, encoding="utf-8")


def linkchecker(told: Sequence[Link]) -> Outcome:
    """LinkChecker's run."""
    command = [HOME / "bin" / "linkchecker", "--config", HOME / "linkcheckerrc", "--stdin"]
    cost, said = _run(command, told)
    lines = (line for line in said.splitlines() if line and not line.startswith("#"))
    found = {row["urlname"]: row for row in csv.DictReader(lines, delimiter=";")}
    return Outcome(cost, Counter(link.kind for link in told if is_right(link, found.get(link.url))))


def is_right(link: Link, row: dict[str, str] | None) -> bool:
    """Whether a line of LinkChecker's leads to doing the right thing."""
    if row is None:
        return False
    valid, warning = row["valid"] == "True", row["warningstring"]
    if link.moved_to:
        return valid and link.moved_to in warning and "301" in warning
    if link.kind == "no such place":
        return not valid or "nchor" in warning
    if ALL[link.kind].right == "blocked":
        return valid
    if ALL[link.kind].right == "ok":
        return valid and "nchor" not in warning
    return not valid


# ------------------------------------------------------------------------------------------------------------- measuring


def _run(command: Sequence[str | Path], told: Sequence[Link]) -> tuple[Cost, str]:
    """What a process took for the links, and what it printed."""
    given, printed = ROOT / "build" / "links.txt", ROOT / "build" / "printed.txt"
    given.write_text("".join(f"{link.url}\n" for link in told), encoding="utf-8")
    began, before, memory = time.perf_counter(), _work(), 0.0
    with given.open() as standard_input, printed.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdin=standard_input, stdout=output, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            memory = _memory(process.pid) or memory
            time.sleep(0.02)
    return Cost(time.perf_counter() - began, _work() - before, memory), printed.read_text(encoding="utf-8")


def _work() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _memory(process: int) -> float | None:
    """The most that a process had so far; None where it has ended. What getrusage says starts with its parent's."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return float(found[1]) if found else None


@contextmanager
def site() -> Iterator[int]:
    """The site, served by a process of its own; gives its port."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=linksite.serve, args=(theirs,), daemon=True)
    process.start()
    yield ours.recv()
    process.terminate()
    process.join()


CHECKERS: dict[str, Callable[[Sequence[Link]], Outcome]] = {
    "ours": ours,
    "ours, reading little": partial(ours, pages="needed"),
    "LinkChecker": linkchecker,
}
"""The last is what the others are held against."""
*OURS, THEIRS = CHECKERS

Turn = dict[str, Outcome]
"""What came of each."""


def measure(port: int, count: int, turns: int) -> list[Turn]:
    """They take turns, forwards and backwards, and no two runs look at the same addresses."""
    found = []
    for turn in range(turns):
        outcomes = {}
        for name in list(CHECKERS)[:: -1 if turn % 2 else 1]:
            with working(f"{name}: {count:,} links, turn {turn + 1} of {turns}"):
                outcomes[name] = CHECKERS[name](links(count, HOSTS, port, time.monotonic_ns()))
        found.append(outcomes)
    return found


def report(count: int, turns: Sequence[Turn]) -> None:
    """Prints times and ratios, and who is right about what."""
    rows = []
    for name in CHECKERS:
        row = [name]
        for of in (lambda one: one.cost.wall, lambda one: one.cost.work):
            ratio = statistics.median(of(turn[THEIRS]) / of(turn[name]) for turn in turns)
            row += [f"{statistics.median(of(turn[name]) for turn in turns):.1f}", f"{ratio:.2f}"]
        rows.append(row)
    print_table("", "by the clock (s)", "times faster", "of the processor (s)", "times less", rows=rows)
    told = Counter(link.kind for link in links(count, HOSTS, 0, 0))
    rows = [
        [kind, ALL[kind].right, f"{told[kind]:,}", *(f"{100 * one.right[kind] / told[kind]:.1f}" for one in _in_order(turns[-1]))]
        for kind in ALL
    ]
    rows.append(["all", "", f"{count:,}", *(f"{100 * one.right.total() / count:.1f}" for one in _in_order(turns[-1]))])
    print()
    print_table("link", "right", "links", *(f"{name} (% right)" for name in CHECKERS), rows=rows)


def report_state(by_size: dict[int, Turn], empty: Turn) -> None:
    """Prints what a link takes, in memory beyond what a run of hardly any takes, and in the ledger."""
    rows = []
    for size, turn in by_size.items():
        memory = [f"{(turn[name].cost.memory - empty[name].cost.memory) / size:.2f}" for name in CHECKERS]
        rows.append([f"{size:,}", *memory, f"{turn[OURS[0]].state / size:.2f}"])
    print()
    print_table("links", *(f"{name} (kB a link)" for name in CHECKERS), "ledger (kB a link)", rows=rows)


def _in_order(turn: Turn) -> list[Outcome]:
    return [turn[name] for name in CHECKERS]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--links", type=int, default=5_000, help="a multiple of 5,000, so that all kinds have their shares")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--large", type=int, default=50_000, help="links for the second look at memory; 0: none")
    parser.add_argument("--read", choices=("all", "needed"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        look(options.read)
        return
    (ROOT / "build").mkdir(exist_ok=True)
    install()
    with site() as port:
        turns = measure(port, options.links, options.turns)
        report(options.links, turns)
        (empty,) = measure(port, HOSTS, 1)
        by_size = {options.links: turns[-1]}
        if options.large:
            (by_size[options.large],) = measure(port, options.large, 1)
        report_state(by_size, empty)


if __name__ == "__main__":
    main()
