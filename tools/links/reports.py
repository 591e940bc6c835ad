"""A report in each form: text for people, json for programs, annotations for GitHub, markdown for an issue."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.check_catalog import escape
from tools.links.markdown import markdown
from tools.links.model import BAD, Finding, Place, Verdict
from tools.links.report import Report, at, clean, conclusion, place_of, tally, to_json, where

STYLES: dict[Verdict, str] = {
    "dead": "bold red",
    "wrong": "bold red",
    "broken": "bold red",
    "moved": "yellow",
    "unknown": "cyan",
    "blocked": "dim",
}
FIX = "--fix puts the new address in the place of {count:,} of them"


def text(report: Report, console: Console | None = None) -> str:
    """For people: a line a finding, or a table where the console is a terminal, and what all of it comes to."""
    terminal = console is not None and console.is_terminal
    found = [_table(report, console).rstrip("\n")] if terminal and report.shown() else [*map(line, report.shown())]
    found += [f"{at(notice.place)}: {clean(notice.message)}" for notice in report.notices]
    found += [f"left alone: {tally(counts)}: {clean(reason)}" for reason, counts in report.exceptions()]
    found += [f"warning: {clean(warning)}" for warning in report.warnings]
    return "\n".join([*found, f"{conclusion(report)}.{_fixable(report)}"])


def line(finding: Finding) -> str:
    """path:line:column: dead: address: why → what to put in its place."""
    return f"{where(finding)}: {finding.verdict}: {clean(finding.target.url)}: {_told(finding)}"


def github(report: Report) -> str:
    """For CI: an error at each link that makes the command fail, a warning at others, and what all of it comes to."""
    return "\n".join([*_annotations(report), f"{conclusion(report)}.{_fixable(report)}"])


def _told(finding: Finding) -> str:
    return clean(finding.reason + (f" → {finding.suggestion}" if finding.suggestion else ""))


def _fixable(report: Report) -> str:
    count = sum(finding.fixable for finding in report.shown())
    return f" {FIX.format(count=count)}." if count else ""


# ------------------------------------------------------------------------------------------------------------- terminals


def _table(report: Report, console: Console) -> str:
    """As wide as the terminal: words wrap, and addresses, which have none, are cut where a line ends."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0), expand=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("where", ratio=1, overflow="fold")
    table.add_column("why, and what to put there", ratio=1, overflow="fold")
    for finding in report.shown():
        verdict = Text(finding.verdict, style=STYLES[finding.verdict])
        address = Text.assemble((where(finding), "dim"), f"\n{clean(finding.target.url)}")
        why = Text(clean(finding.reason))
        if finding.suggestion:
            why.append(f"\n→ {clean(finding.suggestion)}", style="green")
        table.add_row(verdict, address, why)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


# ----------------------------------------------------------------------------------------------------------- annotations


def _annotations(report: Report) -> Iterator[str]:
    for finding in report.shown():
        fails = finding.verdict in BAD and not (report.added and finding.verdict == "dead")
        level = "error" if fails else "warning"
        yield _annotation(level, place_of(finding), f"{finding.verdict} link", f"{finding.target.url}: {_told(finding)}")
    for notice in report.notices:
        yield _annotation("notice", notice.place, "changed paper", notice.message)
    for warning in report.warnings:
        yield f"::warning file=catalog.yaml,title=link_exceptions::{escape(clean(warning))}"


def _annotation(level: str, place: Place, title: str, message: str) -> str:
    path = escape(clean(place.path), ":,")
    return f"::{level} file={path},line={place.line},col={place.column},title={title}::{escape(clean(message))}"


REPORTS: dict[str, Callable[[Report], str]] = {"text": text, "json": to_json, "github": github, "markdown": markdown}
"""By the name of the format."""
