"""Validates the catalog: every problem of every file in one run.

    python -m tools.check_catalog                    problems, one a line, or one line that says all is well
    python -m tools.check_catalog --format github    annotations for a pull request
    python -m tools.check_catalog --explain ID       what a rule wants, why, and how to mend it

Exit code 0: nothing wrong; 1: problems found; 2: wrong usage.
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
from tools.problems import RULES, Problem, nearest


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.check_catalog",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--format", choices=REPORTS, default="text", help="text for people, json for programs, github for CI")
    parser.add_argument("--explain", metavar="ID", help="print what a rule wants; `all` prints all of them")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.explain:
        return explain(options.explain)
    catalog, problems = load(options.root)
    print(REPORTS[options.format](catalog, problems))
    return 1 if problems else 0


def explain(rule_id: str) -> int:
    """Prints one rule's explanation, or all of them."""
    if rule_id != "all" and rule_id not in RULES:
        print(f'no rule "{rule_id}"{nearest(rule_id, RULES)}; the rules are: {", ".join(sorted(RULES))}', file=sys.stderr)
        return 2
    chosen = sorted(RULES) if rule_id == "all" else [rule_id]
    print("\n\n".join(f"{name}\n{RULES[name]}" for name in chosen))
    return 0


def text(catalog: Catalog | None, problems: list[Problem]) -> str:
    """For people: a line a problem, and the command that explains its rule."""
    if catalog:
        counts = Counter(kind for kind, _, _ in catalog.entries())
        results = sum(len(paper.results or ()) for paper in catalog.papers.values())
        return f"The catalog is valid: {', '.join(f'{counts[kind]} {kind}' for kind in counts)}; {results} results."
    bold, red, dim, plain = ("\033[1m", "\033[31m", "\033[2m", "\033[0m") if _colours() else ("",) * 4
    lines = []
    for p in problems:
        field = f"{p.field}: " if p.field else ""
        lines.append(f"{bold}{p.path}:{p.line}:{p.column}:{plain} {field}{red}{p.message}{plain}")
        lines.append(f"  {dim}{p.rule} · python -m tools.check_catalog --explain {p.rule}{plain}")
    files = len({p.path for p in problems})
    found = f"{len(problems)} problem{'s' * (len(problems) != 1)} in {files} file{'s' * (files != 1)}"
    return "\n".join([*lines, f"{bold}{found}{plain}"])


def as_json(catalog: Catalog | None, problems: list[Problem]) -> str:
    """For programs: a list of problems."""
    return json.dumps([asdict(problem) for problem in problems], ensure_ascii=False, indent=2)


def github(catalog: Catalog | None, problems: list[Problem]) -> str:
    """For CI: annotations at the lines of a pull request."""
    if catalog:
        return text(catalog, problems)
    return "\n".join(
        f"::error file={escape(p.path, ':,')},line={p.line},col={p.column},title={escape(p.rule, ':,')}"
        f"::{escape(f'{p.field}: {p.message}' if p.field else p.message)}"
        for p in problems
    )


def escape(value: str, more: str = "") -> str:
    """Text for an annotation: what would end it, and the characters of `more`, as percent codes."""
    for character in "%\r\n" + more:
        value = value.replace(character, f"%{ord(character):02X}")
    return value


def _colours() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


REPORTS = {"text": text, "json": as_json, "github": github}

if __name__ == "__main__":
    sys.exit(main())
