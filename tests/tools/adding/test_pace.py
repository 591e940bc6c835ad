"""arXiv's rule, kept across processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import pairwise

import pytest

from tools.adding.pace import Pace
from tools.adding.record import NoAnswer

TURNS = """
import sys, time
from pathlib import Path
from tools.adding.pace import Pace
pace = Pace(Path(sys.argv[1]), "test", 0.25)
for _ in range(2):
    with pace.turn():
        print(repr(time.time()), end=" ")
        time.sleep(0.05)
        print(repr(time.time()), flush=True)
"""
HANGS = """
import sys, time
from pathlib import Path
from tools.adding.pace import Pace
with Pace(Path(sys.argv[1]), "test", 0.25).turn():
    print("in", flush=True)
    time.sleep(60)
"""


def start(program, folder, root):
    return subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True, cwd=root)


@pytest.fixture
def pace_with(tmp_path):
    """Makes a pace of 3 seconds with its clock at 1000, and a list of its waits."""

    def make(now=1000.0):
        waits = []
        return Pace(tmp_path, "test", 3, sleep=waits.append, now=lambda: now), waits

    return make


def test_two_processes_take_turns_with_the_interval_between_them(tmp_path, root):
    running = [start(TURNS, tmp_path, root) for _ in range(2)]
    lines = [line for process in running for line in process.communicate(timeout=20)[0].splitlines()]
    turns = sorted(tuple(map(float, line.split())) for line in lines)
    assert len(turns) == 4
    assert [later[0] - earlier[1] >= 0.24 for earlier, later in pairwise(turns)] == [True] * 3


def test_a_process_that_is_killed_leaves_no_lock_but_the_time_of_its_turn(tmp_path, root):
    with start(HANGS, tmp_path, root) as process:
        assert process.stdout.readline() == "in\n"
        os.kill(process.pid, signal.SIGKILL)
    waits = []
    with Pace(tmp_path, "test", 60, sleep=waits.append).turn():
        assert [0 < wait < 60 for wait in waits] == [True]


def test_the_first_turn_comes_at_once_and_the_second_after_the_interval(pace_with):
    pace, waits = pace_with()
    for _ in range(2):
        with pace.turn():
            pass
    assert waits == [3]


@pytest.mark.parametrize(
    ("stamp", "wait"),
    [
        ("998.5", [1.5]),
        ("990", []),
        ("997", []),
        ("5000", [3]),
        ("inf", [3]),
        ("nan", [3]),
        ("-inf", [3]),
        ("rubbish", [3]),
        ("", [3]),
    ],
)
def test_whatever_clock_and_file_say_nobody_waits_longer_than_the_interval(pace_with, tmp_path, stamp, wait):
    (tmp_path / "test.time").write_text(stamp, encoding="utf-8")
    pace, waits = pace_with()
    with pace.turn():
        assert waits == wait


def test_a_turn_that_fails_counts_too(pace_with):
    pace, waits = pace_with()
    with pytest.raises(ValueError, match="a fault"), pace.turn():
        raise ValueError("a fault")
    with pace.turn():
        assert waits == [3]


def test_where_no_file_can_be_written_arxiv_is_not_asked(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NoAnswer, match="can't be written"), Pace(tmp_path / "file" / "cache", "arxiv", 3).turn():
        pytest.fail("it was asked")
