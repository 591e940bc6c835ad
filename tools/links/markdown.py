"""The body of the one issue about links: what is dead, wrong or broken, and what to put in its place.

It tells a state, not a run: as long as nothing changes, not one character does. Whatever comes from the files or from servers
stands in blocks of code, in which nobody is mentioned and nothing linked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from tools.links.model import Finding, Verdict
from tools.links.report import Report, at, clean, many, only_form, tally, where
from tools.posting import quoted

LONGEST = 65_000
"""In bytes. GitHub takes 65,536 characters, of which there are never more than bytes."""
LONGEST_LINE = 1_000
FENCE_LIKE = re.compile("`{20,}")
"""So many would make the fences around them long, too."""
HEADINGS: dict[Verdict, str] = {
    "dead": "Dead",
    "wrong": "Wrong: another paper is there",
    "broken": "Broken: can't work as it is written",
    "moved": "Moved: for good, to https, or to a front page",
}
FOLDED: dict[Verdict, str] = {
    "unknown": "of which nothing can be said yet",
    "blocked": "of hosts that turn programs away: look with a browser",
}
NOTHING = "No link of the catalog is dead, wrong or broken."
FOUND = "{found}. What stands behind an arrow can be put in the address's place; where there is none, look for a copy."
ALL_WEEK = "A workflow looks at every link once a week and keeps this text up to date: edit the catalog, not this issue."
FIXABLE = "`make links ARGS=--fix` puts the new address in the place of {these}; read the diff, and open a pull request."
ALONE = "What is to be left alone, and until when, stands under `link_exceptions` in `catalog.yaml`."
REST = 600
"""Bytes that are kept free for each part that is still to come: it says at least how much there is."""


def markdown(report: Report) -> str:
    """The issue's body, of at most `LONGEST` bytes."""
    parts = [_opening(report)]
    sections = [*_sections(report)]
    for number, (opening, items, closing) in enumerate(sections, 1):
        room = LONGEST - _size("\n\n".join(parts)) - REST * (1 + len(sections) - number)
        parts.append(f"{opening}\n\n{_block(items, room)}{closing}")
    return "\n\n".join(parts) + "\n"


def _opening(report: Report) -> str:
    counts = Counter(finding.verdict for finding in report.bad())
    found = FOUND.format(found=f"**{tally(counts)}**") if counts else NOTHING
    if report.formal:
        found = f"{only_form(report)}. {found if counts else ''}".strip()
    return f"{found}\n\n{ALL_WEEK}"


Section = tuple[str, Sequence[str], str]
"""What stands before a block of items, the items, what stands behind it."""


def _sections(report: Report) -> Iterable[Section]:
    by_verdict: dict[Verdict, list[Finding]] = {}
    for finding in report.shown():
        by_verdict.setdefault(finding.verdict, []).append(finding)
    for verdict, heading in HEADINGS.items():
        if found := by_verdict.get(verdict):
            yield f"### {heading} ({len(found):,}){_fixable(found)}", [_item(finding) for finding in found], ""
    if report.notices:
        yield "### Papers that have changed", [_line(f"{at(one.place)}: {one.message}") for one in report.notices], ""
    if report.warnings:
        yield "### Exceptions to be looked at", [_line(warning) for warning in report.warnings], ""
    for verdict, what in FOLDED.items():
        if found := by_verdict.get(verdict):
            yield _folded(f"{many(len(found), 'link', 'links')} {what}", [_item(finding) for finding in found])
    if alone := report.exceptions():
        summary = f"{many(sum(counts.total() for _, counts in alone), 'link', 'links')} left alone"
        opening, items, closing = _folded(summary, [_line(f"{tally(counts)}: {reason}") for reason, counts in alone])
        yield opening, items, f"\n\n{ALONE}{closing}"


def _folded(summary: str, items: Sequence[str]) -> Section:
    return f"<details><summary>{summary}</summary>", items, "\n\n</details>"


def _fixable(found: Sequence[Finding]) -> str:
    count = sum(finding.fixable for finding in found)
    return f"\n\n{FIXABLE.format(these=f'{count:,} of these' if count < len(found) else 'these')}" if count else ""


def _item(finding: Finding) -> str:
    lines = [where(finding), finding.target.url, finding.reason]
    if finding.suggestion:
        lines.append(f"→ {finding.suggestion}")
    return "\n".join(map(_line, lines))


def _line(text: str) -> str:
    text = FENCE_LIKE.sub("…", clean(text))
    return text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]}…"


def _block(items: Sequence[str], room: int) -> str:
    """As many items as there is room for, and how many more there are."""
    between = "\n\n" if any("\n" in item for item in items) else "\n"
    shown: list[str] = []
    for item in items:
        room -= _size(item) + len(between)
        if room < 0:
            break
        shown.append(item)
    more = f"and {len(items) - len(shown):,} more" if len(shown) < len(items) else ""
    return quoted(between.join(filter(None, [*shown, more])), LONGEST)


def _size(text: str) -> int:
    return len(text.encode())
