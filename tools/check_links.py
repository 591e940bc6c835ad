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
from collections.abc import Collection, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tools.agent import user_agent
from tools.catalog import ROOT
from tools.draft import Draft, read_all
from tools.links import exceptions, journal, ledger
from tools.links.changed import NoComparison, added_since
from tools.links.collect import collect
from tools.links.fix import apply, fixes
from tools.links.inside import Inside, check_site
from tools.links.model import Finding, Target
from tools.links.report import Report
from tools.links.reports import REPORTS, text
from tools.links.run import NoNetwork, Run, as_remembered, form_alone
from tools.links.settings import Settings
from tools.links.watching import notices
from tools.normalize import replace as replace_file

SITE = Path("build") / "site"
STOPPED = 130


class Stop(Exception):
    """Why nothing can be checked."""


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        draft = read_all(options.root)
        report = _report(options, draft)
        _tell(options, report)
        if options.fix:
            _fix(draft, report.findings)
    except KeyboardInterrupt:
        print("\nStopped. What was seen is kept; the next run of today goes on from there.", file=sys.stderr)
        return STOPPED
    except (Stop, NoComparison, NoNetwork, journal.Busy, ledger.Unreadable) as reason:
        print(f"check_links: {reason}", file=sys.stderr)
        return 1
    return int(any(finding.verdict != "dead" or not options.changed_since for finding in report.bad()))


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
    parser.add_argument("--report", type=Path, metavar="DIR", help="write report.md and report.json there, too")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    parser.add_argument("--today", type=datetime.date.fromisoformat, default=datetime.date.today(), help=argparse.SUPPRESS)
    parser.add_argument("--allow-private", action="store_true", help=argparse.SUPPRESS)
    return parser


def _report(options: argparse.Namespace, draft: Draft) -> Report:
    if draft.manifest is None:
        raise Stop(f"catalog.yaml can't be read: {draft.problems[0]}")
    targets = collect(draft)
    warnings = tuple(exceptions.warnings(draft.manifest.link_exceptions or (), targets, options.today))
    inside = _inside(options, draft) if options.site else Inside([], [])
    targets += _of_the_site_alone(targets, inside.external, draft)
    if options.changed_since:
        added = added_since(options.root, options.changed_since, targets)
        targets, warnings = [target for target in targets if target.url in added], ()
    run = _run(options, draft, targets)
    findings = [*run.findings, *inside.findings]
    held = [replace(one, excepted=_excepted(one, draft, options.today)) for one in findings]
    return Report(findings=tuple(held), notices=tuple(notices(draft, run.watched, run.rows)), warnings=warnings)


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
    if options.offline or options.changed_since:
        run = Run(rows, settings, options.today, record=lambda row: None)
        if options.offline:
            run.findings += form_alone(targets)
        else:
            asyncio.run(_look(run, targets))
        return run
    seen = _seen_today(file, options.today)
    with journal.Recorder(file) as record:
        run = Run(rows, settings, options.today, record)
        run.findings += [as_remembered(target, rows[target.url]) for target in targets if target.url in seen]
        asyncio.run(_look(run, [target for target in targets if target.url not in seen]))
    journal.fold(file, {target.url for target in targets} if options.site else None)
    return run


def _seen_today(file: Path, today: datetime.date) -> Collection[str]:
    """What a run of today that was stopped has seen: it is in the journal, and not in the ledger yet."""
    before = ledger.read(file)
    return {url for url, row in journal.read(file).items() if row.checked == today and row != before.get(url)}


async def _look(run: Run, targets: Sequence[Target]) -> None:
    with _progress() or nullcontext() as progress:
        task = progress.add_task("looking", total=len(targets), bad="") if progress else None
        async with aclosing(run.look(targets)) as findings:
            async for finding in findings:
                if progress:
                    bad = (
                        sum(one.verdict in ("dead", "wrong", "broken") for one in run.findings)
                        if finding.verdict != "ok"
                        else None
                    )
                    progress.update(task, advance=1, **({} if bad is None else {"bad": f"{bad} bad"}))


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
