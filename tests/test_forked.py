"""What tests run in processes of their own leaves nothing behind."""

from __future__ import annotations

import os
import select

import pytest

from tests import forked

HANGS = """
import subprocess, time
with open("pipe", "w") as pipe:
    subprocess.Popen(["sleep", "600"], stdout=pipe)
print("both run", flush=True)
time.sleep(600)
"""


EXITS = """
import subprocess
with open("pipe", "w") as pipe:
    subprocess.Popen(["sleep", "600"], stdout=pipe)
"""


def test_what_a_process_started_is_killed_once_it_has_exited_itself(tmp_path):
    (tmp_path / "exits.py").write_text(EXITS, encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert forked.run(tmp_path, "exits") == (0, "")
    assert select.select([reader], [], [], 30)[0]
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_what_runs_too_long_is_killed_with_all_that_it_started(tmp_path):
    (tmp_path / "hangs.py").write_text(HANGS, encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(AssertionError, match="hangs still runs after 3 s: both run"):
        forked.run(tmp_path, "hangs", limit=3)
    assert select.select([reader], [], [], 30)[0]  # nobody is left who could write
    assert os.read(reader, 1) == b""
    os.close(reader)
