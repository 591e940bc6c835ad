"""Holds every number of ours against its evidence, and every implementation's claim against the catalog's.

    python -m tools.check_results                      a verdict a paper, and what is wrong with which record
    python -m tools.check_results --format github      annotations for a pull request; also json, markdown
    python -m tools.check_results --explain VERDICT    what a verdict or a finding means, and what to do
    python -m tools.check_results --rerun [PAPER…]     run demos again, and compare with their committed records
    python -m tools.check_results --refresh PAPER…     make a paper's stale records anew, after a change that was meant
    python -m tools.check_results --confirm [PAPER…]   show what has changed of papers' own recipes; of those named, keep it

Writes build/verdicts.json, from which the site tells what was checked. Exit code 0: every number has its evidence; 1: a claim
that isn't the catalog's, a record that contradicts itself or is stale, a recipe that wasn't found as the baseline's was, a
paper's own recipe that isn't the one confirmed, a rerun that comes out above or below; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from implementations.__main__ import implemented
from implementations.common.errors import Fault, Usage
from implementations.common.files import write_atomically
from implementations.common.records import Record
from tools import rerun, verdicts
from tools.catalog import ROOT, Catalog, load
from tools.check_catalog import escape
from tools.pages.records import Runs, read_runs
from tools.problems import nearest
from tools.protocols import claimed, differences, facts, facts_of_record
from tools.schema import Paper
from tools.trust import against
from tools.verdicts import FINDINGS, MEANINGS, Finding, PaperVerdict, RecordState, Verdicts


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = _parser().parse_args(arguments)
    if options.explain is not None:
        return explain(options.explain)
    if wrong := _misused(options):
        print(f"finch: {wrong}", file=sys.stderr)
        return 2
    try:
        if options.confirm is not None:
            return _confirm(options.root, options.confirm)
        catalog, problems = load(options.root)
        if catalog is None:
            print("\n".join(map(str, problems)), file=sys.stderr)
            return 1
        runs = read_runs(options.root)
        if options.refresh is not None:
            return _refresh(options.root, runs, _named(options.refresh, runs))
        if options.rerun is not None:
            return _rerun(options, runs)
        found = check(options.root, catalog, runs)
        write_atomically(options.root / verdicts.FILE, lambda file: file.write(verdicts.to_json(found).encode()))
    except Fault as fault:
        print(f"finch: {fault}", file=sys.stderr)
        return fault.code
    print(REPORTS[options.format](found))
    return 1 if found.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.check_results", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--format", choices=REPORTS, default="text", help="text for people, json, github for CI, markdown")
    parser.add_argument("--explain", metavar="VERDICT", help="what a verdict or a finding means; `all` explains all of them")
    parser.add_argument("--rerun", nargs="*", metavar="PAPER", help="run these demos again (none named: all), some minutes each")
    parser.add_argument("--changed-since", metavar="COMMIT", help="with --rerun: only the demos that the diff since then touches")
    parser.add_argument("--threads", type=int, metavar="N", help="with --rerun: of the CPU (default: as many as the record had)")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="with --rerun: another seed, held against the spread of the recorded"
    )
    parser.add_argument("--refresh", nargs="+", metavar="PAPER", help="make stale records anew; a paper's or the baseline's")
    parser.add_argument(
        "--confirm", nargs="*", metavar="PAPER", help="keep papers' own recipes as they are now; none named: show changes"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    return parser


def _misused(options: argparse.Namespace) -> str | None:
    """What of the options can't be meant; None: nothing."""
    given = [f"--{name}" for name in ("rerun", "refresh", "confirm") if getattr(options, name) is not None]
    if len(given) > 1:
        return f"{' and '.join(given)} do different things: expected one of them"
    alone = [name for name in ("changed_since", "threads", "seed") if getattr(options, name) is not None]
    if alone and options.rerun is None:
        return f"--{alone[0].replace('_', '-')} says how demos are run again: expected --rerun beside it"
    if options.threads is not None and options.threads < 1:
        return f"--threads {options.threads}: expected at least 1"
    return None


def explain(verdict: str) -> int:
    """Prints what a verdict or a finding means, or all of them."""
    known = MEANINGS | FINDINGS
    if verdict != "all" and verdict not in known:
        print(f'no verdict or finding "{verdict}"{nearest(verdict, known)}; there are {", ".join(known)}', file=sys.stderr)
        return 2
    print("\n\n".join(f"{name}\n{known[name]}" for name in (known if verdict == "all" else [verdict])))
    return 0


# --------------------------------------------------------------------------------------------------------------- the check


def check(root: Path, catalog: Catalog, runs: Runs) -> Verdicts:
    """All verdicts: on the claims of implemented papers, and on every record."""
    from tools import recheck  # imports torch: --explain and --help don't wait for it

    every = [(path, record) for records in runs.records.values() for path, record in records]
    held = recheck.stale([record for _, record in every], root) if every else []
    changed = recheck.harness_changed(root) if every else []
    states = {}
    for (path, record), (stale, unchecked) in zip(every, held, strict=True):
        file = path.relative_to(root).as_posix()
        log = verdicts.trials_changed(record, runs.trials.get(record.paper, ()))
        states[file] = RecordState(file, record.paper, [*verdicts.contradictions(record), *log, *stale, *changed], unchecked)
    papers = {
        paper_id: _verdict(catalog, paper_id, runs, states, recheck.undeclared(paper_id, _claim(entry)))
        for paper_id, entry in catalog.papers.items()
        if entry.implementation
    }
    return Verdicts(verdicts.key_of(root), papers, states, _implementations(root, catalog, runs))


def _implementations(root: Path, catalog: Catalog, runs: Runs) -> dict[str, list[Finding]]:
    """Of each implementation what is wrong with how its recipe was found, and with what it declares."""
    from tools import recheck

    records = {paper: [record for _, record in kept] for paper, kept in runs.records.items()}
    papers = list(implemented())
    tuned = verdicts.tuning(records, runs.trials, {paper: recheck.method_of(paper).bounds for paper in papers})
    tricks = catalog.manifest.test_time
    return {paper: [*tuned.get(paper, ()), *recheck.declared(paper, root, tricks)] for paper in papers}


def _claim(entry: Paper) -> dict[str, object]:
    claim = entry.implementation.claim
    return claim.model_dump(exclude_none=True) if claim else {}


def _verdict(catalog: Catalog, paper_id: str, runs: Runs, states: dict[str, RecordState], undeclared: str | None) -> PaperVerdict:
    own = [record for _, record in runs.records.get(paper_id, []) if record.label is None]
    bad = [state for state in states.values() if state.paper == paper_id and state.findings]
    if not own:
        return PaperVerdict(paper_id, "unmeasured", "no run of it is recorded", undeclared)
    if bad:
        first = bad[0].findings[0]
        return PaperVerdict(paper_id, "stale", f"{len(bad)} of its records: {first.kind}: {first.message}", undeclared)
    verdict, reason = _on_claim(catalog, paper_id, own)
    return PaperVerdict(paper_id, verdict, reason, undeclared)


def _on_claim(catalog: Catalog, paper_id: str, own: Sequence[Record]) -> tuple[str, str]:
    """The claim beside runs of equal protocol, or the fields in which all of them differ."""
    entry = catalog.papers[paper_id]
    result = claimed(entry)
    if result is None:
        return "not comparable", "no value that the paper reports is known"
    apart = [differences(facts(result), facts_of_record(record, catalog.manifest, catalog.datasets)) for record in own]
    equal = [100 * record.outcome.top1 for record, different in zip(own, apart, strict=True) if not different]
    if not equal:
        return "not comparable", f"claimed / run: {'; '.join(map(str, min(apart, key=len)))}"
    placed = against(catalog, result, equal)
    if placed is None:
        return "not comparable", "with one run, and none repeated anywhere, nobody knows how far runs lie apart"
    return placed.side, placed.reason


# ------------------------------------------------------------------------------------------------------- running things again


def _named(papers: Iterable[str], runs: Runs) -> list[str]:
    for paper in papers:
        if paper not in runs.records:
            there_are = f"there are some of {', '.join(runs.records)}" if runs.records else "no run is recorded yet"
            raise Usage(f"no records of {paper!r}{nearest(paper, runs.records)}; {there_are}")
    return list(papers)


def _refresh(root: Path, runs: Runs, papers: list[str]) -> int:
    """Makes the stale records of papers anew, each in its place."""
    from tools import recheck

    every = [record for paper in papers for _, record in runs.records[paper]]
    changed = recheck.harness_changed(root)
    if changed and set(papers) != set(runs.records):
        everything = f"--refresh {' '.join(runs.records)}"
        raise Fault(f"{changed[0].message}: what all runs share has changed, so all are to be made anew: {everything}")
    old = [record for record, (stale, _) in zip(every, recheck.stale(every, root), strict=True) if stale or changed]
    for number, record in enumerate(old, 1):
        named = ", ".join(filter(None, [record.paper, record.label, record.backbone.name, f"seed {record.seed}"]))
        print(f"{number}/{len(old)} {named}", file=sys.stderr)
        rerun.refresh(root, record)
    if changed:
        recheck.keep_harness(root)
    print(f"{len(old)} of {len(every)} records were stale and are made anew" if old else f"none of {len(every)} records is stale")
    return 0


def _confirm(root: Path, papers: list[str]) -> int:
    """Shows what is different of the paper profiles of implementations, of all if none is named; keeps those that are."""
    from tools import recheck

    known = implemented()
    for paper in papers:
        if paper not in known:
            raise Usage(f"no implementation of {paper!r}{nearest(paper, known)}; there are {', '.join(known)}")
    changed = {paper: changes for paper in papers or known if (changes := recheck.unconfirmed(paper, root))}
    print("\n".join(f"{paper}: {change}" for paper, changes in changed.items() for change in changes) or "nothing has changed")
    for paper in papers:
        recheck.confirm(paper, root)
    if changed and not papers:
        print(f"nothing is kept yet; to keep what was meant: {recheck.CONFIRM} {' '.join(changed)}")
    return 0


def _rerun(options: argparse.Namespace, runs: Runs) -> int:
    """Runs demos again and shows old beside new."""
    papers = _named(options.rerun, runs) or list(runs.records)
    if options.changed_since:
        papers = rerun.touched(options.root, options.changed_since, papers)
    committed = [record for records in runs.records.values() for _, record in records]
    chosen = [one for paper in papers if (one := rerun.demo_of(runs.records[paper]))]
    found = []
    for number, (path, record) in enumerate(chosen, 1):
        # A change that was meant brings its new record along: old beside new is then what the record was before it.
        before = rerun.as_of(options.root, options.changed_since, path) if options.changed_since else None
        print(f"{number}/{len(chosen)} {record.paper}", file=sys.stderr)
        wanted = rerun.Wanted(seed=options.seed, threads=options.threads)
        found.append(rerun.rerun(options.root, before or record, committed, wanted))
    print(RERUNS[options.format](found))
    return 0 if all(one.verdict == "match" for one in found) else 1


def _rerun_text(found: Sequence[rerun.Rerun]) -> str:
    lines = [
        f"{one.paper}: {one.verdict}: {100 * one.then:.1f} recorded, {100 * one.now:.1f} now; {one.sentence}" for one in found
    ]
    return "\n".join(lines) or "nothing to run again"


def _rerun_markdown(found: Sequence[rerun.Rerun]) -> str:
    lines = ["| demo | recorded | now | verdict | |", "| --- | ---: | ---: | --- | --- |"]
    lines += [f"| {one.paper} | {100 * one.then:.1f} | {100 * one.now:.1f} | {one.verdict} | {one.sentence} |" for one in found]
    return "\n".join(lines) if found else "No demo is touched."


def _rerun_github(found: Sequence[rerun.Rerun]) -> str:
    apart = [one for one in found if one.verdict != "match"]
    return "\n".join(f"::error title={one.paper}::{escape(_rerun_text([one]))}" for one in apart)


RERUNS = {
    "text": _rerun_text,
    "github": _rerun_github,
    "markdown": _rerun_markdown,
    "json": lambda found: json.dumps([asdict(one) for one in found], indent=1),
}


# ------------------------------------------------------------------------------------------------------------------ reports


def text(found: Verdicts) -> str:
    """For people."""
    lines = [f"{paper.paper}: {paper.verdict}: {paper.reason}" for paper in found.papers.values()]
    lines += [message for _, message in _wrong(found)]
    lines += [
        f"{state.file}: not held against the code: {state.unchecked}" for state in found.records.values() if state.unchecked
    ]
    valid = sum(not state.findings and not state.unchecked for state in found.records.values())
    return "\n".join([*lines, f"{valid} of {len(found.records)} records are what the code computes today."])


def github(found: Verdicts) -> str:
    """For CI: an annotation for each thing that is wrong."""
    return "\n".join(f"::error file={escape(file, ':,')},line=1::{escape(message)}" for file, message in _wrong(found))


def markdown(found: Verdicts) -> str:
    """For a summary: a row a paper, and a list of what is wrong."""
    rows = ["| paper | verdict | why |", "| --- | --- | --- |"]
    rows += [f"| {paper.paper} | {paper.verdict} | {paper.reason.replace('|', '/')} |" for paper in found.papers.values()]
    return "\n".join([*rows, "", *(f"- {message}" for _, message in _wrong(found))]).rstrip()


def _wrong(found: Verdicts) -> list[tuple[str, str]]:
    """Each thing that is wrong: its file, and what is said of it."""
    claims = [(_file(paper.paper), paper) for paper in found.papers.values() if paper.undeclared]
    wrong = [(file, f"{file}: its claim isn't the catalog's: {paper.undeclared}") for file, paper in claims]
    findings = [(_file(paper), finding) for paper, findings in found.implementations.items() for finding in findings]
    findings += [(state.file, finding) for state in found.records.values() for finding in state.findings]
    return wrong + [(file, f"{file}: {finding.kind}: {finding.message}") for file, finding in findings]


def _file(paper: str) -> str:
    return f"implementations/{paper.replace('-', '_')}.py"


REPORTS = {"text": text, "json": verdicts.to_json, "github": github, "markdown": markdown}


if __name__ == "__main__":
    sys.exit(main())
