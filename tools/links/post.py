"""Keeps the one issue about links up to date, and proposes the new ledger.

    GH_TOKEN=… python -m tools.links.post

What the checking job left in build/links is data here, and not believed: a report, of which the issue's text is made anew here,
and a ledger, which is read and written anew. Exit code 0: posted, or nothing to post; 1: refused, or git or gh failed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tools.links import ledger
from tools.links.markdown import markdown
from tools.links.model import Row
from tools.links.report import Report, clean, from_json
from tools.posting import Failed, Refusal, open_pull_request, plain_files, push, read_text, run

FOLDER = Path("build/links")
REPORT, LEDGER = "report.json", ledger.FILE.name
LARGEST = {REPORT: 100_000_000, LEDGER: 50_000_000, "report.md": 1_000_000}
"""In bytes, of each file that may be there. report.md is for people, who find it at the run; it is never posted."""
LONGEST_TEXT = 10_000
"""Characters of anything in a row."""
WEB = re.compile(r"https?://\S+", re.IGNORECASE)

LABEL = "link-rot"
LABELLED = ("--label", LABEL)
TITLE = "Links and papers to be looked at"
MARK = "<!-- Made by tools/links/post.py, which writes over it. -->"
"""Begins the body of the issue that is ours; one that somebody else wrote is left alone, whatever its label."""

BRANCH = "links/ledger"
SUBJECT = "Remember what was seen of the links"
PULL_REQUEST = f"""What the weekly look at all links saw: `{ledger.FILE}`, and nothing else. It counts on which days an address
was found gone, so that one bad day is never "dead"; the site shows it.

The next look goes on from this branch, whether it is merged or not, and writes over it."""
BY_HAND = f"the branch {BRANCH} has commits by hand; merge it, or delete it, and run this again"


@dataclass(frozen=True)
class Artifact:
    """What the checking job left."""

    report: Report
    rows: dict[str, Row]


def main() -> int:
    """Works in the repository that is the current folder; returns the exit code."""
    root = Path.cwd()
    try:
        artifact = read_artifact(root / FOLDER)
    except Refusal as refusal:
        print(f"finch: {clean(str(refusal))}", file=sys.stderr)
        return 1
    done = [_tried(partial(keep_issue, root, artifact.report)), _tried(partial(propose_ledger, root, artifact.rows))]
    return 0 if all(done) else 1


def _tried(act: Callable[[], None]) -> bool:
    try:
        act()
    except (Failed, ledger.Unreadable) as error:
        print(f"finch: {error}", file=sys.stderr)
        return False
    return True


# -------------------------------------------------------------------------------------------------------- what was left


def read_artifact(folder: Path) -> Artifact:
    """The report and the ledger. Raises `Refusal` for anything else, and for what isn't as we write it."""
    found = set(plain_files(folder))
    if strange := sorted(found - set(LARGEST)):
        raise Refusal(f"found {strange[0]!r}, expected {', '.join(LARGEST)}")
    if missing := sorted({REPORT, LEDGER} - found):
        raise Refusal(f"found no {missing[0]}")
    text = {name: read_text(folder / name, LARGEST[name]) for name in found}
    try:
        return Artifact(from_json(text[REPORT]), dict(_checked(ledger.read(folder / LEDGER))))
    except (ValueError, ledger.Unreadable) as error:
        raise Refusal(f"{REPORT} or {LEDGER}: {error}") from None


def _checked(rows: dict[str, Row]) -> Iterator[tuple[str, Row]]:
    """The rows. Raises `Refusal` where one has something that the site couldn't link to or show."""
    for url, row in rows.items():
        addresses = list(filter(None, (url, row.moved_to, row.archive)))
        for address in addresses:
            if not WEB.fullmatch(address):
                raise Refusal(f"{LEDGER}: {address[:100]!r} is no address of the web")
        for text in (*addresses, row.title or "", row.failing_by or "", str(row.status)):
            if len(text) > LONGEST_TEXT:
                raise Refusal(f"{LEDGER}: the row of {url[:100]!r} has a text of more than {LONGEST_TEXT:,} characters")
        yield url, row


# ------------------------------------------------------------------------------------------------------------ the issue


@dataclass(frozen=True)
class Issue:
    """An issue, as gh lists it."""

    number: int
    state: str
    body: str

    @property
    def open(self) -> bool:
        return self.state == "OPEN"


ISSUES = TypeAdapter(list[Issue])


def keep_issue(root: Path, report: Report) -> None:
    """Opens, edits, closes or reopens the issue, or does nothing. Raises `Failed`."""
    body = f"{MARK}\n\n{markdown(report)}"
    wanted = bool(report.bad() or report.notices or report.warnings)
    issue = _issue(root)
    if issue is None:
        if wanted:
            _open(root, body)
        return
    if _plain(issue.body) != _plain(body) and (issue.open or wanted):
        run(root, "gh", "issue", "edit", str(issue.number), "--body-file", "-", given=body)
    if issue.open != wanted:
        run(root, "gh", "issue", "reopen" if wanted else "close", str(issue.number))


def _issue(root: Path) -> Issue | None:
    """The newest of ours, an open one before others."""
    listed = run(root, "gh", "issue", "list", *LABELLED, "--state", "all", "--limit", "100", "--json", "number,state,body")
    try:
        issues = ISSUES.validate_json(listed)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Failed(f"gh issue list printed what is no list of issues: {first['msg']}") from None
    ours = [issue for issue in issues if issue.body.startswith(MARK)]
    return max(ours, key=lambda issue: (issue.open, issue.number), default=None)


def _open(root: Path, body: str) -> None:
    about = ("--description", "Links that lead nowhere, or elsewhere", "--color", "d93f0b", "--force")
    run(root, "gh", "label", "create", LABEL, *about)
    run(root, "gh", "issue", "create", "--title", TITLE, *LABELLED, "--body-file", "-", given=body)


def _plain(body: str) -> str:
    """Without what GitHub changes of a text."""
    return body.replace("\r\n", "\n").strip()


# ----------------------------------------------------------------------------------------------------------- the ledger


def propose_ledger(root: Path, rows: dict[str, Row]) -> None:
    """Brings the ledger to its branch, and opens a pull request where there is none; nothing where it is main's.

    Raises `Failed`, or `ledger.Unreadable` where main's own can't be understood.
    """
    file = root / ledger.FILE
    if rows == ledger.read(file):
        return
    ledger.write(file, rows.values())
    if not push(root, BRANCH, file, SUBJECT):
        raise Failed(BY_HAND)
    open_pull_request(root, BRANCH, SUBJECT, PULL_REQUEST)


if __name__ == "__main__":
    sys.exit(main())
