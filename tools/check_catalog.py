"""Validates the catalog: every problem of every file in one run.

    python -m tools.check_catalog                    problems, one a line, or one line that says all is well
    python -m tools.check_catalog --format github    annotations for a pull request
    python -m tools.check_catalog --explain RULE     what a rule wants, why, and how to mend it
    python -m tools.check_catalog --fix              mends what can be mended without knowing more, and shows what it changed
    python -m tools.check_catalog --diff             shows what --fix would change, and changes nothing

Exit code 0: no error (there may be warnings and notes); 1: errors, or, with --diff, something to change; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.catalog import ROOT, Catalog, load
from tools.draft import read_all
from tools.fixes import Fix, fixes
from tools.normalize import replace
from tools.problems import LEVELS, RULES, Problem, nearest


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.check_catalog",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--format", choices=REPORTS, default="text", help="text for people, json for programs, github for CI")
    parser.add_argument("--explain", metavar="RULE", help="print what a rule wants; `all` prints all of them")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--fix", action="store_true", help="mend what can be mended, and show what changed")
    change.add_argument("--diff", action="store_true", help="show what --fix would change")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.explain is not None:
        return explain(options.explain)
    mended = list(fixes(read_all(options.root))) if options.fix or options.diff else []
    show(mended, written=options.fix)
    if options.fix:
        for fix in mended:
            replace(fix.file, fix.after)
    catalog, problems = load(options.root)
    print(REPORTS[options.format](catalog, problems))
    return 1 if catalog is None or (options.diff and mended) else 0


def show(mended: list[Fix], *, written: bool) -> None:
    """Prints the diffs, apart from the report: on the error stream."""
    for fix in mended:
        print(fix.diff(), file=sys.stderr)
    if mended:
        files = f"{len(mended)} file{'s' * (len(mended) != 1)}"
        print(f"{files} mended" if written else f"--fix would mend {files}", file=sys.stderr)


def explain(rule_id: str) -> int:
    """Prints one rule's explanation, or all of them."""
    if rule_id != "all" and rule_id not in RULES:
        print(f'no rule "{rule_id}"{nearest(rule_id, RULES)}; the rules are: {", ".join(sorted(RULES))}', file=sys.stderr)
        return 2
    chosen = sorted(RULES) if rule_id == "all" else [rule_id]
    for name in chosen:
        rule = RULES[name]
        fix = f"\n--fix {rule.fix}." if rule.fix else ""
        print(f"{name} ({rule.level})\n{rule.explanation}{fix}", end="\n\n" if name != chosen[-1] else "\n")
    return 0


def text(catalog: Catalog | None, problems: list[Problem]) -> str:
    """For people: a line a problem, and the command that explains its rule; then what the catalog holds, or what was found."""
    bold, dim, plain = ("\033[1m", "\033[2m", "\033[0m") if _colours() else ("",) * 3
    lines = []
    for p in problems:
        field = f"{p.field}: " if p.field else ""
        level = "" if p.level == "error" else f"{p.level}: "
        lines.append(
            f"{bold}{p.path}:{p.line}:{p.column}:{plain} {COLOURS[p.level] if bold else ''}{level}{field}{p.message}{plain}"
        )
        lines.append(f"  {dim}{p.rule} · python -m tools.check_catalog --explain {p.rule}{plain}")
    return "\n".join([*lines, f"{bold if lines else ''}{_conclusion(catalog, problems)}{plain if lines else ''}"])


def _conclusion(catalog: Catalog | None, problems: list[Problem]) -> str:
    levels = Counter(problem.level for problem in problems)
    found = ", ".join(f"{levels[level]} {level}{'s' * (levels[level] != 1)}" for level in LEVELS if levels[level])
    if catalog:
        counts = Counter(kind for kind, _, _ in catalog.entries())
        results = sum(len(paper.results or ()) for paper in catalog.papers.values())
        held = f"The catalog is valid: {', '.join(f'{counts[kind]} {kind}' for kind in counts)}; {results} results."
        return f"{held} {found}." if found else held
    files = len({p.path for p in problems})
    fix = "; --fix mends what can be mended without knowing more" if any(RULES[p.rule].fix for p in problems) else ""
    return f"{found} in {files} file{'s' * (files != 1)}{fix}"


def as_json(catalog: Catalog | None, problems: list[Problem]) -> str:
    """For programs: a list of problems."""
    return json.dumps([asdict(problem) | {"level": problem.level} for problem in problems], ensure_ascii=False, indent=2)


def github(catalog: Catalog | None, problems: list[Problem]) -> str:
    """For CI: annotations at the lines of a pull request."""
    annotations = [
        f"::{ANNOTATIONS[p.level]} file={escape(p.path, ':,')},line={p.line},col={p.column},title={escape(p.rule, ':,')}"
        f"::{escape(f'{p.field}: {p.message}' if p.field else p.message)}"
        for p in problems
    ]
    return "\n".join([*annotations, _conclusion(catalog, problems)])


def escape(value: str, more: str = "") -> str:
    """Text for an annotation: what would end it, and the characters of `more`, as percent codes."""
    for character in "%\r\n" + more:
        value = value.replace(character, f"%{ord(character):02X}")
    return value


def _colours() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


COLOURS = {"error": "\033[31m", "warning": "\033[33m", "note": "\033[36m"}
ANNOTATIONS = {"error": "error", "warning": "warning", "note": "notice"}
REPORTS = {"text": text, "json": as_json, "github": github}

if __name__ == "__main__":
    sys.exit(main())
