"""Looks at every link of the catalog: dead, moved, blocked or unknown? What it saw is remembered in catalog/links.jsonl.

    python -m tools.check_links                      every address of the catalog; minutes, since hosts are asked politely
    python -m tools.check_links --site               the built site's own links (make site) and where else it leads, too
    python -m tools.check_links --offline            asks nobody: the addresses' form alone, and with --site the site's inside
    python -m tools.check_links --changed-since REF  the addresses that a branch adds; remembers nothing
    python -m tools.check_links --fix                writes the new address of what has moved for good

Exit code 0: nothing is bad; 1: something is dead, wrong or broken (with --changed-since: wrong or broken); 2: wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tools.agent import user_agent
from tools.canonical import arxiv_page
from tools.catalog import ROOT
from tools.draft import Draft, read_all
from tools.links import exceptions, journal, ledger
from tools.links.changed import NoComparison, added_since
from tools.links.collect import collect
from tools.links.fix import apply, fixes
from tools.links.inside import Inside, check_site
from tools.links.model import BAD, Finding, Row, Target
from tools.links.report import Report
from tools.links.reports import REPORTS, text
from tools.links.run import Run, as_remembered, form_alone
from tools.links.settings import Settings
from tools.links.watching import notices
from tools.normalize import replace as replace_file

SITE = Path("build") / "site"
STOPPED = 130
NOBODY = "no host answered at all: is there a network?"


class Stop(Exception):
    """Why nothing can be checked."""


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.changed_since == "":
        parser.error("--changed-since needs a commit, tag or branch, such as origin/main")
    try:
        draft = read_all(options.root)
        report = _report(options, draft)
        _tell(options, report)
        if options.fix:
            _fix(draft, report.findings)
        sys.stdout.flush()
    except KeyboardInterrupt:
        kept = (
            "What was seen is kept; the next run of today goes on from there." if _remembers(options) else "Nothing was changed."
        )
        print(f"\nStopped. {kept}", file=sys.stderr)
        return STOPPED
    except (Stop, NoComparison, journal.Busy, ledger.Unreadable) as reason:
        print(f"check_links: {reason}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"check_links: {error.filename or 'a file'} can't be written or read: {error.strerror}", file=sys.stderr)
        return 1
    return int(any(finding.verdict != "dead" or options.changed_since is None for finding in report.bad()))


def _remembers(options: argparse.Namespace) -> bool:
    """Whether the ledger learns of it."""
    return not options.offline and options.changed_since is None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.check_links", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--site", action="store_true", help="look at the built site in build/site, too")
    parser.add_argument("--offline", action="store_true", help="ask nobody")
    parser.add_argument("--changed-since", metavar="REF", help="only what a branch adds over a commit, tag or branch")
    parser.add_argument(
        "--fix", action="store_true", help="write the new address of what has moved for good, and show what changed"
    )
    parser.add_argument("--format", choices=REPORTS, default="text", help="text for people, json for programs, github for CI")
    parser.add_argument("--anew", action="store_true", help="look again at what a run of today that was stopped has seen")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write report.md and report.json there, too")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    parser.add_argument("--today", type=datetime.date.fromisoformat, default=datetime.date.today(), help=argparse.SUPPRESS)
    parser.add_argument("--allow-private", action="store_true", help=argparse.SUPPRESS)
    return parser


def _report(options: argparse.Namespace, draft: Draft) -> Report:
    if draft.manifest is None:
        raise Stop(f"catalog.yaml can't be read: {draft.problems[0]}")
    targets = collect(draft)
    inside = _inside(options, draft) if options.site else Inside([], [])
    targets += _of_the_site_alone(targets, inside.external, draft)
    warnings = [*_unread(draft), *exceptions.warnings(draft.manifest.link_exceptions or (), targets, options.today)]
    if options.changed_since is not None:
        added = added_since(options.root, options.changed_since, targets)
        targets, warnings = [target for target in targets if target.url in added], _unread(draft)
    run = _run(options, draft, targets)
    if run.news and not run.answered:
        if _remembers(options):
            raise Stop(f"{NOBODY} Nothing was remembered, and nothing can be said of the links")
        warnings.append(NOBODY)
    findings = [*run.findings, *inside.findings]
    held = [replace(one, excepted=_excepted(one, draft, options.today)) for one in findings]
    return Report(
        findings=tuple(held),
        notices=tuple(notices(draft, run.watched)),
        warnings=tuple(warnings),
        added=options.changed_since is not None,
        formal=len(targets) if options.offline else 0,
    )


def _unread(draft: Draft) -> list[str]:
    """The files that can't be read: their links aren't looked at."""
    unread = dict.fromkeys(problem.path for problem in draft.problems if problem.path not in draft.documents)
    return [f"{path} can't be read, and its links weren't looked at: make check tells why" for path in unread]


def _excepted(finding: Finding, draft: Draft, today: datetime.date) -> str | None:
    return exceptions.excepted(finding, draft.manifest.link_exceptions or (), today)


def _inside(options: argparse.Namespace, draft: Draft) -> Inside:
    if not (options.root / SITE).is_dir():
        raise Stop(f"there is no {SITE}; build the site first: make site")
    return check_site(options.root / SITE, draft.manifest.site)


def _of_the_site_alone(targets: Sequence[Target], external: Sequence[Target], draft: Draft) -> list[Target]:
    """Where the site leads beside the catalog's addresses; its forms for new issues are the repository's, and not asked."""
    known, forms = {target.url for target in targets}, f"{draft.manifest.repository}/issues/new"
    return [target for target in external if target.url not in known and not target.url.startswith(forms)]


# ------------------------------------------------------------------------------------------------------------- looking


def _run(options: argparse.Namespace, draft: Draft, targets: Sequence[Target]) -> Run:
    """Looks at the targets; remembers what it saw where it looks at all that there are."""
    settings = Settings(
        user_agent=user_agent(draft.manifest.repository),
        github_token=os.environ.get("GITHUB_TOKEN") or None,
        allow_private=options.allow_private,
    )
    file = options.root / ledger.FILE
    rows = {} if options.offline else journal.read(file)
    if not _remembers(options):
        run = Run(rows, settings, options.today, record=lambda row: None)
        if options.offline:
            run.findings += form_alone(targets)
        else:
            asyncio.run(_look(run, targets))
        return run
    seen = set() if options.anew else _in_order_today(rows, ledger.read(file), options.today)
    with journal.Recorder(file) as record:
        run = Run(rows, settings, options.today, record)
        run.findings += [as_remembered(target, rows[target.url]) for target in targets if target.url in seen]
        asyncio.run(_look(run, [target for target in targets if target.url not in seen]))
    whole = options.site and not _unread(draft)
    journal.fold(file, {target.url for target in targets} if whole else None, today=options.today)
    return run


def _in_order_today(rows: Mapping[str, Row], before: Mapping[str, Row], today: datetime.date) -> Collection[str]:
    """What a run of today that was stopped found in order: among all rows, and not in the ledger yet.

    Papers on arXiv are asked for again, all in one request, since what arXiv says of them is watched.
    """
    news = {url: row for url, row in rows.items() if row != before.get(url)}
    return {url for url, row in news.items() if row.checked == today and row.verdict == "ok" and not arxiv_page(url)}


async def _look(run: Run, targets: Sequence[Target]) -> None:
    bad = 0
    with _progress() or nullcontext() as progress:
        task = progress.add_task("looking", total=len(targets), bad="") if progress else None
        async with aclosing(run.look(targets)) as findings:
            async for finding in findings:
                bad += finding.verdict in BAD
                if progress:
                    progress.update(task, advance=1, bad=f"{bad} bad")


def _progress() -> Progress | None:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[bad]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True) if console.is_terminal else None


# ------------------------------------------------------------------------------------------------------------- telling


def _tell(options: argparse.Namespace, report: Report) -> None:
    if options.report:
        options.report.mkdir(parents=True, exist_ok=True)
        for name, form in (("report.md", "markdown"), ("report.json", "json")):
            replace_file(options.report / name, REPORTS[form](report))
    print(text(report, Console()) if options.format == "text" else REPORTS[options.format](report))


def _fix(draft: Draft, findings: Sequence[Finding]) -> None:
    mended = fixes(draft, findings)
    for fix in mended.files:
        print(fix.diff(), file=sys.stderr)
    for left in (*mended.left, *apply(mended.files)):
        print(left, file=sys.stderr)
    count = len(mended.files)
    print(f"{count} file{'s' * (count != 1)} changed" if count else "nothing to change", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
