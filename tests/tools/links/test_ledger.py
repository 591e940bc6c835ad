"""The ledger forgets nothing: not in its file, not between two runs at once, and not when a run is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date, timedelta

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from tools.catalog import ROOT
from tools.draft import OTHER_FILES, read_all
from tools.links import journal, ledger
from tools.links.model import STATUSES, VERDICTS, Row

DAY = date(2026, 11, 20)
DATES = st.dates(date(2000, 1, 1), date(2100, 1, 1))
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1)
ROWS = st.builds(
    Row,
    url=TEXTS,
    first_seen=DATES,
    checked=st.none() | DATES,
    last_ok=st.none() | DATES,
    status=st.none() | st.integers(100, 599) | st.sampled_from([*STATUSES]),
    failures=st.integers(0, 1000),
    failing_since=st.none() | DATES,
    failing_by=st.none() | TEXTS,
    verdict=st.sampled_from(VERDICTS),
    title=st.none() | TEXTS,
    moved_to=st.none() | TEXTS,
    archive=st.none() | TEXTS,
    archived=st.booleans(),
)
FULL = Row(
    url="https://a.example/ü", first_seen=DAY, checked=DAY, last_ok=DAY, status=404, failures=2, failing_since=DAY, failing_by="gone", verdict="unknown",
    title="Größe: “ab”", moved_to="https://b.example/", archive="https://c.example/", archived=True,
)  # fmt: skip


@pytest.fixture
def file(tmp_path):
    return tmp_path / "links.jsonl"


@given(st.lists(ROWS, unique_by=lambda row: row.url))
def test_what_is_written_is_read_again(tmp_path_factory, rows):
    file = tmp_path_factory.getbasetemp() / "round.jsonl"
    ledger.write(file, rows)
    assert list(ledger.read(file).values()) == sorted(rows, key=lambda row: row.url)
    again = file.read_bytes()
    ledger.write(file, reversed(ledger.read(file).values()))
    assert file.read_bytes() == again
    assert again.count(b"\n") == len(rows)


def test_a_row_is_a_line_in_the_models_order_and_says_nothing_of_what_it_lacks(file):
    ledger.write(file, [FULL, Row(url="https://a.example/", first_seen=DAY, checked=DAY, last_ok=DAY, status=200, verdict="ok")])
    assert file.read_text(encoding="utf-8") == (
        '{"url": "https://a.example/", "first_seen": "2026-11-20", "checked": "2026-11-20", "last_ok": "2026-11-20", "status": 200, "verdict": "ok"}\n'
        '{"url": "https://a.example/ü", "first_seen": "2026-11-20", "checked": "2026-11-20", "last_ok": "2026-11-20", "status": 404, "failures": 2,'
        ' "failing_since": "2026-11-20", "failing_by": "gone", "verdict": "unknown", "title": "Größe: “ab”", "moved_to": "https://b.example/", "archive": "https://c.example/", "archived": true}\n'
    )


def test_no_file_is_an_empty_ledger(file):
    assert ledger.read(file) == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[" * 100_000, "expected a JSON object, found one in another in another"),
        ("{", "not valid JSON"),
        ("[]", "expected a JSON object"),
        ("<<<<<<< HEAD", "found the mark of a merge that was left open"),
        ("=======", "found the mark of a merge that was left open"),
        ('{"url": "https://b.example/"}', '"first_seen" is missing'),
        ('{"first_seen": "2026-11-20"}', '"url" is missing'),
        ('{"url": "u", "first_seen": "2026-11-31"}', '"first_seen" can\'t be "2026-11-31"'),
        ('{"url": "u", "first_seen": 20261120}', '"first_seen" can\'t be 20261120'),
        ('{"url": 7, "first_seen": "2026-11-20"}', '"url" can\'t be 7'),
        ('{"url": "u", "first_seen": "2026-11-20", "verdict": "fine"}', '"verdict" can\'t be "fine"'),
        ('{"url": "u", "first_seen": "2026-11-20", "verdict": []}', '"verdict" can\'t be []'),
        ('{"url": "u", "first_seen": "2026-11-20", "failures": -1}', '"failures" can\'t be -1'),
        ('{"url": "u", "first_seen": "2026-11-20", "failures": true}', '"failures" can\'t be true'),
        ('{"url": "u", "first_seen": "2026-11-20", "status": false}', '"status" can\'t be false'),
        (r'{"url": "\ud800", "first_seen": "2026-11-20"}', '"url" can\'t be "\\ud800"'),
        (r'{"url": "u", "first_seen": "2026-11-20", "title": "x\udfffx"}', '"title" can\'t be "x\\udfffx"'),
        (r'{"url": "u", "first_seen": "2026-11-20", "status": "\ud800"}', '"status" can\'t be "\\ud800"'),
        (r'{"url": "u", "first_seen": "2026-11-20", "\ud800": 1}', r'no "\ud800" here'),
        ('{"url": "u", "first_seen": "2026-11-20", "seen": 1}', 'no "seen" here; expected url, first_seen'),
        ('{"url": "https://a.example/", "first_seen": "2026-11-20"}', "https://a.example/ has a line already"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_lost(file, line, message):
    text = f'{{"url": "https://a.example/", "first_seen": "2026-11-20"}}\n\n{line}\n'
    file.write_text(text, encoding="utf-8")
    journal.append(file, [FULL])
    with pytest.raises(ledger.Unreadable) as caught:
        journal.fold(file)
    assert str(caught.value).startswith(f"{file}:3: {message}")
    assert file.read_text(encoding="utf-8") == text
    assert FULL.url in journal.journal_of(file).read_text(encoding="utf-8")


def test_a_file_that_isnt_text_is_named(file):
    file.write_bytes(b"\xff\n")
    with pytest.raises(ledger.Unreadable, match="can't be read"):
        ledger.read(file)


def test_the_catalogs_rules_take_a_ledger_and_what_stands_beside_it(tree):
    file = tree / ledger.FILE
    assert {file.name} == OTHER_FILES
    journal.append(file, [FULL])
    journal.fold(file)
    journal.append(file, [FULL])
    assert read_all(tree).problems == []
    ignored = ["git", "check-ignore", "catalog/.links.jsonl.lock", "catalog/.links.jsonl.journal"]
    assert len(subprocess.run(ignored, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()) == 2


# ---------------------------------------------------------------------------------------------------------- the journal


def row(url="https://a.example/", **more):
    return Row(url=url, first_seen=DAY, **more)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (row(checked=DAY, status=200), row(checked=DAY + timedelta(1), status=404), row(checked=DAY + timedelta(1), status=404)),
        (row(checked=DAY + timedelta(1), status=200), row(checked=DAY, status=404), row(checked=DAY + timedelta(1), status=200)),
        (row(checked=DAY, status=200), row(checked=DAY, status=404), row(checked=DAY, status=404)),
        (row(), row(checked=DAY, status=404), row(checked=DAY, status=404)),
        (row(checked=DAY, status=404), row(), row(checked=DAY, status=404)),
        (row(last_ok=DAY + timedelta(3)), row(last_ok=DAY), row(last_ok=DAY + timedelta(3))),
        (row(archive="x", title="t"), row(checked=DAY), row(checked=DAY, archive="x", title="t")),
        (replace(row(), first_seen=DAY - timedelta(1)), row(), replace(row(), first_seen=DAY - timedelta(1))),
        (row(), replace(row(), first_seen=DAY - timedelta(1)), replace(row(), first_seen=DAY - timedelta(1))),
    ],
)
def test_the_newer_look_wins_and_takes_along_what_only_the_older_knows(old, new, expected):
    assert journal.updated({old.url: old}, [new]) == {old.url: expected}


def test_results_come_into_the_ledger_with_the_fold_and_leave_the_journal(file):
    ledger.write(file, [row("https://b.example/")])
    journal.append(file, [row(checked=DAY)])
    assert list(ledger.read(file)) == ["https://b.example/"]
    assert journal.read(file) == journal.fold(file) == ledger.read(file)
    assert list(ledger.read(file)) == ["https://a.example/", "https://b.example/"]
    assert not journal.journal_of(file).exists()


def test_only_a_full_run_drops_what_no_longer_stands_anywhere(file):
    ledger.write(file, [row("https://b.example/")])
    journal.append(file, [row()])
    assert len(journal.fold(file)) == 2
    assert list(journal.fold(file, {"https://a.example/"})) == list(ledger.read(file)) == ["https://a.example/"]


def test_a_line_that_was_cut_off_costs_no_other(file):
    journal.append(file, [row("https://b.example/")])
    with journal.journal_of(file).open("a", encoding="utf-8") as stream:
        stream.write('\n{"url": "https://cut')
    journal.append(file, [row("https://c.example/")])
    assert list(journal.fold(file)) == ["https://b.example/", "https://c.example/"]


def test_a_recorder_appends_about_once_a_second_and_at_its_end(file):
    seconds = iter([0.0, 0.5, 1.5, 1.5, 2.0, 2.0])
    with journal.Recorder(file, lambda: next(seconds)) as keep:
        keep(row("https://a.example/"))
        assert not journal.journal_of(file).exists()
        keep(row("https://b.example/"))
        assert len(journal.read(file)) == 2
        keep(row("https://c.example/"))
        assert len(journal.read(file)) == 2
    assert len(journal.read(file)) == 3


def test_ctrl_c_loses_nothing(file):
    def run():
        with journal.Recorder(file, lambda: 0.0) as keep:
            keep(row())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert list(journal.fold(file)) == ["https://a.example/"]


@pytest.mark.parametrize("write", [journal.fold, journal.read, lambda file: journal.append(file, [row()])])
def test_a_run_that_holds_the_ledger_for_too_long_is_told(file, monkeypatch, write):
    monkeypatch.setattr(journal, "PATIENCE", 0.05)
    with FileLock(file.with_name(".links.jsonl.lock")), pytest.raises(journal.Busy, match="another run has been writing it"):
        write(file)


# -------------------------------------------------------------------------------------------------------- other processes

RUN = """
import sys
from datetime import date
from pathlib import Path
from tools.links import journal
from tools.links.model import Row
file, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(count):
    journal.append(file, [Row(url=f"https://{name}.example/{number}", first_seen=date(2026, 11, 20))])
    print(number, flush=True)
    if number % 10 == 9:
        journal.fold(file)
"""


def run(file, name, count):
    return subprocess.Popen([sys.executable, "-c", RUN, str(file), name, str(count)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_runs_at_once_lose_nothing(file):
    with run(file, "a", 60) as one, run(file, "b", 60) as other:
        one.communicate(timeout=60)
        other.communicate(timeout=60)
    assert one.returncode == other.returncode == 0
    assert journal.fold(file).keys() == {f"https://{name}.example/{number}" for name in "ab" for number in range(60)}


@pytest.mark.parametrize("wait", [0.0, 0.003, 0.01, 0.03])
def test_a_killed_run_leaves_a_whole_ledger_with_all_that_it_said_it_had(file, wait):
    with run(file, "a", 10_000) as one:
        said = one.stdout.readline()
        time.sleep(wait)
        os.kill(one.pid, signal.SIGKILL)
        said += one.stdout.read()
    complete = {f"https://a.example/{line}" for line in said.split("\n")[:-1]}
    assert complete <= journal.fold(file).keys()
    for line in file.read_text(encoding="utf-8").splitlines():
        json.loads(line)
    assert one.returncode == -signal.SIGKILL


def test_what_the_site_reads_the_ledger_with_needs_no_package_of_the_checkers():
    code = "import sys, tools.links.ledger, tools.links.inside, tools.links.collect; print({'filelock', 'httpx2', 'h2', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
