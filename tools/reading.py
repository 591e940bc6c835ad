"""From a file to plain data, safely: bounds on the raw bytes first, then libyaml, and positions only when asked for.

libyaml's bindings recurse in C: a file of 30,000 nested brackets ends the process without a traceback. So size and nesting
are bounded before any parsing. The data is built from libyaml's nodes, which finds duplicate keys on the way.
"""

from __future__ import annotations

import datetime
import re
import stat
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

from tools.number import Number
from tools.problems import Problem, rule

Location = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_DEPTH = 60
MAX_COLUMN = 4 * MAX_DEPTH
LEADING_INDICATORS = re.compile(r"[ ]*(?:[-?:](?:[ ]+|$))*")
DEEP_LEAD = re.compile(rf"(?m)^[ \-?:]{{{MAX_DEPTH // 2},}}")
"""A line that starts so far to the right that it may be half as deep as is allowed."""
BRACKET = re.compile(r"[\[\]{}]")
SCALARS = {bool, int, float, str, datetime.date, type(None)}
PLAIN_NUMBER = re.compile(r"-?\d+\.\d+")
POSSIBLE_ANCHOR = re.compile(r"(?:^|[\s\[{,])[&*][^\s,\]}*&]")


class Refused(Exception):
    """A file that can't be read as an entry; `problems` says why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = list(problems)


@dataclass(frozen=True)
class Document:
    """One file's data, and where in the file each part of it stands."""

    path: str
    text: str
    data: Any

    @cached_property
    def root(self) -> yaml.Node | None:
        """The file's nodes, composed when a position is first asked for."""
        return yaml.compose(self.text, yaml.CSafeLoader)

    def position(self, location: Location, *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value at a location (or of its key), or of the nearest part above it that exists."""
        node, mark = self.root, None
        for step in location:
            found = _child(node, step)
            if found is None:
                break
            mark, node = found[0].start_mark, found[1]
        else:
            mark = mark if key and mark else node.start_mark if node else None
        return (mark.line + 1, mark.column + 1) if mark else (1, 1)

    def raw(self, location: Location) -> str | None:
        """A scalar as it is written in the file: 2003.05230, where the data has the number 2003.0523."""
        node = self.root
        for step in location:
            found = _child(node, step)
            if found is None:
                return None
            node = found[1]
        return node.value if isinstance(node, yaml.ScalarNode) else None

    def problem(self, location: Location, message: str, rule_id: str, *, key: bool = False) -> Problem:
        """A problem at a location of this file."""
        return Problem(self.path, *self.position(location, key=key), spell(location), message, rule_id)


def spell(location: Location) -> str:
    """A location as people write it: results[2].dataset."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".")


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def read(file: Path, name: str) -> Document:
    """Reads one YAML file; `name` is what messages call it. Raises `Refused` with everything that is wrong with it."""
    raw = read_bytes(file, name)
    check_size(len(raw), name)
    return from_text(decode(raw, name), name)


def from_text(text: str, name: str) -> Document:
    """The same of a file's text. Raises `Refused`."""
    check_not_empty(text, name)
    check_tabs(text, name)
    check_nesting(text, name)
    check_aliases(text, name)
    return Document(name, text, parse(text, name))


@rule("file-kind")
def read_bytes(file: Path, name: str) -> bytes:
    """An entry is an ordinary file that can be read.

    A directory, a pipe, a device or a link to nothing can't be an entry, and reading a pipe would wait for ever.
    Put a YAML file in its place, or remove it.
    """
    try:
        status = file.stat()
        if stat.S_ISREG(status.st_mode):
            check_size(status.st_size, name)
            return file.read_bytes()
        kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        found = kinds.get(stat.S_IFMT(status.st_mode), "a device")
    except OSError as error:
        found = f"something that can't be read ({error.strerror})"
    raise Refused(Problem(name, 1, 1, "", f"found {found}, expected a YAML file", "file-kind"))


@rule("file-size")
def check_size(size: int, name: str) -> None:
    """A file has at most 1 MB.

    The longest entries have some 20 kB. A larger file is a mistake, and reading it could take all memory.
    Keep one paper's facts in its file, and data elsewhere.
    """
    if size > MAX_BYTES:
        message = f"the file has {size:,} bytes, expected at most {MAX_BYTES:,}"
        raise Refused(Problem(name, 1, 1, "", message, "file-size"))


@rule("file-encoding", fix="takes off a byte order mark")
def decode(raw: bytes, name: str) -> str:
    """A file is UTF-8, without a byte order mark.

    Another encoding turns names into other names without a word.
    Save the file as UTF-8 ("UTF-8 without BOM" in some editors).
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        message = f"found the byte 0x{raw[error.start]:02x}, which isn't UTF-8; save the file as UTF-8"
        raise Refused(Problem(name, line, column, "", message, "file-encoding")) from None
    if text.startswith("\ufeff"):
        message = "found a byte order mark; save the file as UTF-8 without BOM"
        raise Refused(Problem(name, 1, 1, "", message, "file-encoding"))
    return text


@rule("file-empty")
def check_not_empty(text: str, name: str) -> None:
    """A file holds an entry.

    An empty file, or one of comments alone, would make an entry of nothing.
    Write the entry (copy a neighbour), or remove the file.
    """
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        raise Refused(Problem(name, 1, 1, "", "the file is empty, expected an entry", "file-empty"))


@rule("yaml-tab")
def check_tabs(text: str, name: str) -> None:
    """A file has no tabs.

    YAML forbids tabs in indentation, and elsewhere they look like blanks and are none.
    Replace them by blanks.
    """
    if "\t" not in text:
        return
    lines = text.split("\n")
    raise Refused(
        *(
            Problem(name, number, line.index("\t") + 1, "", "found a tab, expected blanks", "yaml-tab")
            for number, line in enumerate(lines, 1)
            if "\t" in line
        )
    )


@rule("yaml-nesting")
def check_nesting(text: str, name: str) -> None:
    """A file nests at most 60 deep.

    Entries nest 5 deep. Thousands of levels crash the YAML parser, and the program with it.
    Remove the brackets or indentation that were never closed.
    """
    if not DEEP_LEAD.search(text) and _deepest_bracket(text) <= MAX_DEPTH // 2:
        return  # no more than half of it in blocks and half in brackets
    depth = 0
    for number, line in enumerate(text.split("\n"), 1):
        lead = LEADING_INDICATORS.match(line).group()
        depth = max(0, depth + line.count("[") + line.count("{") - line.count("]") - line.count("}"))
        deepest = max(line.count("[") + line.count("{"), depth, sum(lead.count(c) for c in "-?:"))
        if deepest > MAX_DEPTH or len(lead) > MAX_COLUMN:
            message = f"nested more than {MAX_DEPTH} deep; close the brackets, or indent less"
            raise Refused(Problem(name, number, 1, "", message, "yaml-nesting"))


def _deepest_bracket(text: str) -> int:
    """How many brackets are open at most, those in texts among them."""
    steps = (1 if bracket in "[{" else -1 for bracket in BRACKET.findall(text))
    return max(accumulate(steps, lambda depth, step: max(0, depth + step)), default=0)


@rule("yaml-alias")
def check_aliases(text: str, name: str) -> None:
    """A file has no anchors (&name), aliases (*name) and merge keys (<<).

    A reader should find each fact where it is used, and a few nested aliases stand for billions of values.
    Write the value out.
    """
    if not (("&" in text or "*" in text) and POSSIBLE_ANCHOR.search(text)):
        return
    try:
        marks = [e.start_mark for e in yaml.parse(text, yaml.CSafeLoader) if getattr(e, "anchor", None)]
    except yaml.YAMLError:
        return  # `parse` tells what is wrong, with its position
    if marks:
        message = "found an anchor or alias; write the value out"
        raise Refused(*(Problem(name, m.line + 1, m.column + 1, "", message, "yaml-alias") for m in marks))


@rule("yaml-syntax")
def parse(text: str, name: str) -> Any:
    """A file is one document of valid YAML, with plain keys and values.

    What can't be parsed can't be checked.
    Often a value holds a colon followed by a blank, or starts with a quote, bracket or @: put it in double quotes.
    """
    loader = yaml.CSafeLoader(text)
    try:
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise Refused(_at(name, root, "found no mapping, expected an entry: lines of the form `key: value`", "yaml-syntax"))
        found: list[Problem] = []
        data = _build(loader, root, name, found)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(filter(None, (error.context, error.problem)))
        message = f"not valid YAML: {reason}; is a value missing its double quotes?"
        raise Refused(Problem(name, mark.line + 1, mark.column + 1, "", message, "yaml-syntax")) from None
    except (yaml.YAMLError, ValueError) as error:
        position = getattr(error, "position", 0)
        before = text[:position]
        line, column = before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1
        reason = getattr(error, "reason", None) or str(error)
        raise Refused(Problem(name, line, column, "", f"not valid YAML: {reason}", "yaml-syntax")) from None
    finally:
        loader.dispose()
    if found:
        raise Refused(*found)
    return data


@rule("yaml-duplicate-key")
def duplicate_key(name: str, key: yaml.Node, first: yaml.Node) -> Problem:
    """A mapping has each key once.

    YAML parsers keep the last value and forget the first without a word.
    Remove one of the two, or join their values.
    """
    return _at(name, key, f'the key "{key.value}" stands on line {first.start_mark.line + 1} already', "yaml-duplicate-key")


@rule("yaml-null")
def null(name: str, node: yaml.Node) -> Problem:
    """A key without a value, or one that is null.

    What isn't known is left out; a field that is there and says nothing looks like one that somebody forgot to fill.
    Give the value, or remove the line.
    """
    return _at(name, node, "found nothing, expected a value; leave out what isn't known", "yaml-null")


def _build(loader: yaml.CSafeLoader, node: yaml.Node, name: str, found: list[Problem]) -> Any:
    if isinstance(node, yaml.ScalarNode):
        if node.tag == "tag:yaml.org,2002:str":
            return node.value
        value = _scalar(loader, node)
        if value is None:
            found.append(null(name, node))
        return value
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, item, name, found) for item in node.value]
    data = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            raise yaml.MarkedYAMLError(problem="a key has to be a word", problem_mark=key.start_mark)
        if key.value in data:
            found.append(duplicate_key(name, key, next(first for first, _ in node.value if first.value == key.value)))
        data[key.value] = _build(loader, value, name, found)
    return data


def _scalar(loader: yaml.CSafeLoader, node: yaml.ScalarNode) -> Any:
    try:
        value = loader.construct_object(node)
    except (ValueError, OverflowError, AttributeError) as error:  # 2026-13-45 is tagged as a date, and is none
        raise yaml.MarkedYAMLError(
            problem=f"{node.value[:40]} is not valid: {str(error)[:80]}", problem_mark=node.start_mark
        ) from None
    if type(value) not in SCALARS:
        raise yaml.MarkedYAMLError(problem=f"expected no {type(value).__name__}", problem_mark=node.start_mark)
    if isinstance(value, float) and PLAIN_NUMBER.fullmatch(node.value):
        return Number.of(value, node.value)
    return value


def _at(name: str, node: yaml.Node | None, message: str, rule_id: str) -> Problem:
    line, column = (node.start_mark.line + 1, node.start_mark.column + 1) if node else (1, 1)
    return Problem(name, line, column, "", message, rule_id)
