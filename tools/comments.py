"""The comments of a YAML file, each with the key or item that it belongs to.

YAML parsers drop comments. A # is one where it follows a blank outside of every scalar; where scalars stand, the nodes tell.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field

import yaml

from tools.reading import Document, Location


@dataclass
class Comments:
    """A file's comments, by the location that they belong to."""

    before: dict[Location, list[str]] = field(default_factory=lambda: defaultdict(list))
    beside: dict[Location, str] = field(default_factory=dict)
    header: list[str] = field(default_factory=list)
    footer: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether there is a comment that belongs to a place."""
        return bool(self.before or self.beside)

    def inside(self, location: Location) -> bool:
        """Whether a comment stands within the value at a location, so that it can't be on one line."""
        return any(len(where) > len(location) and where[: len(location)] == location for where in (*self.before, *self.beside))


def read_comments(document: Document) -> Comments:
    """Every comment of a file, and the key or item that it belongs to."""
    starts, hidden = _outline(document)
    lines = document.text.split("\n")
    comments, waiting = Comments(), []
    for number, line in enumerate(lines):
        within = number in hidden and number not in starts
        if not within and line.lstrip().startswith("#"):
            waiting.append(line.strip())
        elif not within and not line.strip() and waiting and not comments.header and not any(start <= number for start in starts):
            comments.header, waiting = waiting, []
        elif number in starts:
            comments.before[starts[number][0]] += waiting
            waiting = []
        if beside := _beside(document, line, number, hidden):
            owner = max((start for start in starts if start <= number), default=None)
            if owner is None:
                comments.header.append(beside)
                continue
            where = starts[owner][-1]  # several lines of one value may each have a comment
            comments.beside[where] = f"{comments.beside[where]} {beside}" if where in comments.beside else beside
    comments.footer = waiting
    comments.before = {where: found for where, found in comments.before.items() if found}
    return comments


def _outline(document: Document) -> tuple[dict[int, list[Location]], dict[int, int]]:
    """The keys and items that start on each line, outermost first; and the lines' columns up to which scalars reach."""
    starts: dict[int, list[Location]] = defaultdict(list)
    hidden: dict[int, int] = {}

    def visit(node: yaml.Node, at: Location, flow: bool) -> None:
        if isinstance(node, yaml.ScalarNode):
            _hide(node, hidden, document.text)
            return
        flow = flow or bool(node.flow_style)
        pairs = node.value if isinstance(node, yaml.MappingNode) else [(item, item) for item in node.value]
        for index, (key, value) in enumerate(pairs):
            where = (*at, key.value if isinstance(node, yaml.MappingNode) else index)
            if not flow or key.start_mark.line not in starts:
                starts[key.start_mark.line].append(where)
            if isinstance(node, yaml.MappingNode):
                _hide(key, hidden, document.text)
            visit(value, where, flow)

    if document.root is not None:
        visit(document.root, (), False)
    return starts, hidden


def _hide(node: yaml.ScalarNode, hidden: dict[int, int], text: str) -> None:
    """Notes the part of each line that belongs to a scalar: a # in it is no comment."""
    first, last = node.start_mark.line, node.end_mark.line
    if node.style in (">", "|"):
        lines = text.split("\n")
        content = [n for n in range(first + 1, min(last + 1, len(lines))) if lines[n].strip()]
        depth = len(lines[content[0]]) - len(lines[content[0]].lstrip()) if content else 0
        for number in content:
            if len(lines[number]) - len(lines[number].lstrip()) >= depth:
                hidden[number] = len(lines[number])
        hidden[first] = max(hidden.get(first, 0), node.start_mark.column + 1)
        return
    for number in range(first, last + 1):
        end = node.end_mark.column if number == last else sys.maxsize
        hidden[number] = max(hidden.get(number, 0), end)


def _beside(document: Document, line: str, number: int, hidden: dict[int, int]) -> str:
    found = re.search(r"\s(#.*)$", line[hidden.get(number, 0) :]) if not line.lstrip().startswith("#") else None
    return found[1].rstrip() if found else ""
