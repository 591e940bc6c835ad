"""A file that can't be an entry is refused, quickly, with its place; it never ends or hangs the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.number import Number
from tools.reading import MAX_DEPTH, Refused, read

ROOT = Path(__file__).parents[2]


def refused(file: Path) -> str:
    with pytest.raises(Refused) as caught:
        read(file, file.name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x.yaml:1:1: the file is empty, expected an entry"),
        (b"# nothing\n\n", "x.yaml:1:1: the file is empty, expected an entry"),
        (b"title: caf\xe9\n", "x.yaml:1:11: found the byte 0xe9, which isn't UTF-8; save the file as UTF-8"),
        (b"year: 1\ntitle: \xff\n", "x.yaml:2:8: found the byte 0xff, which isn't UTF-8"),
        (b"\xef\xbb\xbftitle: x\n", "x.yaml:1:1: found a byte order mark"),
        (b"title: a\x00b\n", "x.yaml:1:9: not valid YAML"),
        (b"- a\n- b\n", "x.yaml:1:1: found no mapping, expected an entry"),
        (b"just words\n", "x.yaml:1:1: found no mapping"),
        (b"a: [1, 2\nb: 3\n", "not valid YAML"),
        (b'a: "b\n', "not valid YAML"),
        (b"a: *b\n", "x.yaml:1:4: found an anchor or alias"),
        (b"a: &b {c: 1}\nd: *b\n", "x.yaml:1:4: found an anchor or alias"),
        (b"a: {<<: {b: 1}}\n", "x.yaml:1:5: not valid YAML: a key has to be a word"),
        (b"? [a, b]\n: c\n", "a key has to be a word"),
        (b"a:\n\tb: 1\n", "x.yaml:2:1: found a tab"),
        (b"a: 1\nb: 2\na: 3\n", 'x.yaml:3:1: the key "a" stands on line 1 already'),
        (b"a: 1\n---\nb: 2\n", "expected a single document"),
        (b"a: " + b"9" * 5000 + b"\n", "x.yaml:1:4: not valid YAML: 9999999999999999999999999999999999999999 is not valid"),
        (b"d: 2026-02-30\n", "x.yaml:1:4: not valid YAML: 2026-02-30 is not valid"),
    ],
)
def test_a_file_that_is_no_entry_is_refused_with_its_place(tmp_path, content, message):
    file = tmp_path / "x.yaml"
    file.write_bytes(content)
    assert message in refused(file)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_before_the_parser_sees_it(tmp_path, opening):
    file = tmp_path / "x.yaml"
    file.write_text("a:\n  " + opening * 30_000, encoding="utf-8")
    assert "x.yaml:2:1: nested more than 60 deep" in refused(file)


@pytest.mark.parametrize("opening", ["[\n", "{a:\n", "-\n", "?\n"])
def test_nesting_over_many_lines_is_refused_too(tmp_path, opening):
    file = tmp_path / "x.yaml"
    file.write_text("a:\n" + "".join(" " * (n + 1) + opening for n in range(600)), encoding="utf-8")
    assert "nested more than" in refused(file)


def test_nesting_within_the_bound_is_read(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1), encoding="utf-8")
    assert read(file, "x.yaml").data["a"]


def test_an_alias_bomb_is_refused_within_the_bound_of_memory(tmp_path):
    file = tmp_path / "x.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    file.write_text("\n".join(lines), encoding="utf-8")
    assert "found an anchor or alias; write the value out" in refused(file)


def test_a_file_of_100_mb_is_refused_without_reading_it(tmp_path):
    file = tmp_path / "x.yaml"
    with file.open("wb") as stream:
        stream.truncate(100_000_000)
    assert refused(file) == "x.yaml:1:1: the file has 100,000,000 bytes, expected at most 1,000,000"


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (Path.mkdir, "a directory"),
        (os.mkfifo, "a named pipe"),
        (lambda path: path.symlink_to("nowhere"), "something that can't be read (No such file or directory)"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
    ],
)
def test_what_is_no_file_is_refused_at_once(tmp_path, make, found):
    make(tmp_path / "x.yaml")
    assert refused(tmp_path / "x.yaml") == f"x.yaml:1:1: found {found}, expected a YAML file"


@pytest.mark.parametrize(
    "content", ["a: " + "[" * 30_000, "fifo", "".join(f"k{n}: 1\n" for n in range(60_000))], ids=["deep", "pipe", "wide"]
)
def test_the_command_survives_hostile_files_with_exit_code_1_and_no_traceback(tree, content):
    file = tree / "catalog" / "papers" / "hostile.yaml"
    os.mkfifo(file) if content == "fifo" else file.write_text(content, encoding="utf-8")
    command = [sys.executable, "-m", "tools.check_catalog", "--root", str(tree)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "catalog/papers/hostile.yaml:1:1: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_text_with_an_ampersand_or_asterisk_is_no_alias(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text('a: "Q&A *b*"\nb: Texas A&M\nc: 2*2 and [x & y]\n', encoding="utf-8")
    assert read(file, "x.yaml").data == {"a": "Q&A *b*", "b": "Texas A&M", "c": "2*2 and [x & y]"}


def test_a_number_keeps_the_digits_it_was_written_with(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("a: 90.00\n", encoding="utf-8")
    value = read(file, "x.yaml").data["a"]
    assert isinstance(value, Number)
    assert (value, value.text) == (90.0, "90.00")


def test_a_position_is_that_of_the_value_its_key_or_the_nearest_part_above(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("a:\n  - {b: 1}\n  - c: [2, 33]\n", encoding="utf-8")
    document = read(file, "x.yaml")
    assert document.position(("a", 1, "c", 1)) == (3, 12)
    assert document.position(("a", 1, "c"), key=True) == (3, 5)
    assert document.position(("a", 0, "missing")) == (2, 5)
    assert document.position(()) == (1, 1)
