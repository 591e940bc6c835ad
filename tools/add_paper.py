"""Adds a paper to the catalog: looks it up, checks that what was found is that paper, and writes a valid entry or nothing.

    python tools/add_paper.py 2103.07976                       by arXiv id; a terminal asks for what no source knows
    python tools/add_paper.py https://doi.org/10.1609/…        by DOI, or by its page at CVF, ECVA, AAAI, OpenReview
    python tools/add_paper.py paper.bib                        every entry of a BibTeX file; - reads standard input
    python tools/add_paper.py --offline paper.bib              the same without a network
    python tools/add_paper.py transfg --update --code URL      fills up an entry that is there
    python tools/add_paper.py transfg --scaffold               starts its implementation

Exit code 0: all is written (or, with --dry-run, would be); 1: something wasn't, and the message says why; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import textwrap
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

if __name__ == "__main__" and not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

try:
    from rich.console import Console

    from tools.adding import publishers
    from tools.adding.adder import Adder, Outcome, Wishes
    from tools.adding.arxiv import lookup
    from tools.adding.asked import Asked, is_bibtex, names_file, of_record, understand
    from tools.adding.asking import Asker
    from tools.adding.bibtex_file import read_bibtex
    from tools.adding.entry import Words
    from tools.adding.merge import Stated
    from tools.adding.record import Record, Refusal
    from tools.adding.results import EXAMPLE, read_result
    from tools.adding.shelf import Shelf
    from tools.adding.web import Web
    from tools.catalog import ROOT
    from tools.reading import Refused, decode
except ModuleNotFoundError as absent:
    print(
        f"This Python has no module {absent.name}. `make add PAPER=2103.07976` sets up .venv and runs this command in it;"
        " after that, .venv/bin/python tools/add_paper.py does as well.",
        file=sys.stderr,
    )
    sys.exit(1)

STOPPED = 130
OF_ONE_PAPER = ("id", "name", "summary", "code", "other_code", "result")


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    outcomes: list[Outcome] = []
    try:
        for outcome in _outcomes(options, parser):
            outcomes.append(outcome)
            if not options.json:
                report(outcome)
        if options.json:
            print(as_json(outcomes))
        elif len(outcomes) > 1:
            print(f"{sum(outcome.error is None for outcome in outcomes)} of {len(outcomes)} papers done")
        sys.stdout.flush()
    except (KeyboardInterrupt, EOFError):
        print("\nStopped. What was written before is whole; nothing was written of the rest.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return int(any(outcome.error for outcome in outcomes))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python tools/add_paper.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("inputs", nargs="+", metavar="PAPER", help="arXiv id, DOI, address, BibTeX file, - or the id of an entry")
    says = parser.add_argument_group("what you say of the paper")
    says.add_argument("--id", help="the entry's id: what people call the method, in lower case with hyphens")
    says.add_argument("--name", help="the short name that people use")
    says.add_argument("--approach", action="append", default=[], metavar="WORD", help="a word of the vocabulary (repeatable)")
    says.add_argument("--mechanism", action="append", default=[], metavar="WORD", help="likewise")
    says.add_argument("--summary", metavar="TEXT", help="three to six sentences in your own words")
    says.add_argument("--code", action="append", default=[], metavar="URL", help="the authors' code (repeatable)")
    says.add_argument("--other-code", action="append", default=[], metavar="URL", help="somebody else's code (repeatable)")
    says.add_argument(
        "--result", action="append", default=[], metavar="TEXT", help=f"a value that you read (repeatable): {EXAMPLE}"
    )
    says.add_argument("--no-results", metavar="WHY", help="why there are no results to enter")
    says.add_argument("--venue", metavar="ID", help="where it was published, above what sources say")
    says.add_argument("--year", type=int, help="the year of the venue, likewise")
    does = parser.add_argument_group("what is done")
    does.add_argument("--update", action="store_true", help="fill up an entry that is there; nothing it says is changed")
    does.add_argument(
        "--scaffold", action="store_true", help="start its implementation, and the test that fails until it is written"
    )
    does.add_argument("--same-paper", action="store_true", help="you looked: two titles or lists of authors are of one paper")
    does.add_argument("--offline", action="store_true", help="look nothing up: take a BibTeX file's word alone")
    does.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")
    does.add_argument("--json", action="store_true", help="tell it to a program; nobody is asked")
    does.add_argument(
        "--email", default=os.environ.get("FINCH_EMAIL") or None, help="for Crossref, which serves callers it can reach faster"
    )
    does.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    does.add_argument("--mirror", help=argparse.SUPPRESS)
    return parser


def _outcomes(options: argparse.Namespace, parser: argparse.ArgumentParser) -> Iterator[Outcome]:
    """One outcome for each paper that was asked for."""
    try:
        shelf = Shelf(options.root)
    except Refusal as reason:
        yield Outcome(asked=" ".join(options.inputs), error=str(reason))
        return
    wishes = _wishes(options, shelf, parser)
    asked: list[Asked] = []
    for text in options.inputs:
        try:
            asked += _asked(text, shelf, update=options.update)
        except Refusal as reason:
            yield Outcome(asked=textwrap.shorten(text, 100, placeholder=" …"), error=str(reason))
    if len(asked) > 1 and (given := [name for name in OF_ONE_PAPER if getattr(options, name)]):
        parser.error(f"--{given[0].replace('_', '-')} says something of one paper, and {len(asked)} were asked for")
    with _web(options, shelf, parser) as web:
        adder = Adder(shelf, wishes, web, _asker(options, shelf))
        of_arxiv = _ask_arxiv(asked, web)
        for number, one in enumerate(asked, 1):
            if len(asked) > 1:
                tell(f"{number} of {len(asked)}: {one.text}")
            yield adder.add(one, of_arxiv)


def _wishes(options: argparse.Namespace, shelf: Shelf, parser: argparse.ArgumentParser) -> Wishes:
    try:
        results = tuple(read_result(text, shelf.draft.manifest) for text in options.result)
    except Refusal as reason:
        parser.error(f"--result: {reason}")
    words = Words(
        id=options.id,
        name=options.name,
        approaches=tuple(dict.fromkeys(options.approach)),
        mechanisms=tuple(dict.fromkeys(options.mechanism)),
        summary=options.summary and " ".join(options.summary.split()),
        code=tuple(options.code),
        other_code=tuple(options.other_code),
        results=results,
        no_results=options.no_results,
    )
    return Wishes(
        words=words,
        stated=Stated(options.venue, options.year),
        today=datetime.date.today(),
        **{name: getattr(options, name) for name in ("update", "scaffold", "dry_run", "same_paper")},
    )


def _asked(text: str, shelf: Shelf, *, update: bool) -> list[Asked]:
    """The papers that one input asks for; an entry is looked up only to be updated. Raises Refusal."""
    if text in shelf.draft.entries["papers"]:
        ids = shelf.draft.entries["papers"][text].ids if update else None
        return [Asked(text, arxiv=ids and ids.arxiv, doi=ids and ids.doi, entry=text)]
    if text == "-":
        return _of_bibtex(_decoded(sys.stdin.buffer.read(), "standard input"), "standard input")
    if is_bibtex(text):
        return _of_bibtex(text, "the argument")
    if names_file(text):
        try:
            raw = Path(text).read_bytes()
        except OSError as error:
            raise Refusal(f"{text} can't be read: {error.strerror}") from None
        return _of_bibtex(_decoded(raw, text), text)
    return [understand(text, publishers.can_read)]


def _of_bibtex(text: str, name: str) -> list[Asked]:
    return [of_record(record) for record in read_bibtex(text, name)]


def _decoded(raw: bytes, name: str) -> str:
    try:
        return decode(raw.removeprefix(BOM_UTF8), name)
    except Refused as refused:
        (problem,) = refused.problems
        raise Refusal(f"{name}:{problem.line}: {problem.message}") from None


def _web(options: argparse.Namespace, shelf: Shelf, parser: argparse.ArgumentParser) -> AbstractContextManager[Web | None]:
    if options.offline:
        return nullcontext()
    progress = tell if sys.stderr.isatty() else lambda line: None
    try:
        return Web(shelf.draft.manifest.repository, email=options.email, tell=progress, mirror=options.mirror)
    except Refusal as reason:
        parser.error(f"--email: {reason}")
    except (OSError, ValueError) as error:
        parser.error(f"the network's settings in the environment (proxies, certificates) can't be used: {error}")


def _asker(options: argparse.Namespace, shelf: Shelf) -> Asker | None:
    """Somebody to ask: only where both ends are a terminal."""
    if options.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    return Asker(Console(stderr=True, highlight=False), shelf.draft.manifest, shelf.draft.ids["papers"])


def _ask_arxiv(asked: Iterable[Asked], web: Web | None) -> dict[str, Record | Refusal]:
    """What arXiv says of all ids that were asked for, in as few requests as it allows."""
    ids = list(dict.fromkeys(one.arxiv for one in asked if one.arxiv))
    if web is None or not ids:
        return {}
    web.tell(f"asking arXiv for {', '.join(ids)}")
    try:
        return lookup(web, ids)
    except Refusal as reason:
        return dict.fromkeys(ids, reason)


# ------------------------------------------------------------------------------------------------------------- reports


def tell(message: str) -> None:
    """What goes on, apart from what comes out: on the error stream."""
    print(message, file=sys.stderr)


def report(outcome: Outcome) -> None:
    """Tells a person what became of one paper."""
    if outcome.diff:
        print(outcome.diff)
    elif outcome.text and outcome.status.startswith("would"):
        print(outcome.text)
    for line in [] if outcome.told else outcome.remarks():
        tell(line)
    if outcome.error and outcome.text and not outcome.diff:
        tell("so far it is:\n" + "\n".join(f"{number:>5} | {line}" for number, line in enumerate(outcome.text.splitlines(), 1)))
    for problem in outcome.problems:
        tell(f"{problem.level}: {problem}")
    if outcome.error is None:
        place = f"catalog/papers/{outcome.id}.yaml"
        written = f": {', '.join(outcome.files)}" if outcome.files else ""
        print(f"{outcome.asked}: {place} {outcome.status}" if not written else f"{outcome.asked}: {outcome.status}{written}")
        return
    tell(f"{outcome.asked}: {outcome.error}")
    for name, how in outcome.missing.items():
        tell(f"  {name}: {how}")


def as_json(outcomes: Iterable[Outcome]) -> str:
    """Tells it to a program."""
    told = [asdict(outcome) for outcome in outcomes]
    for one, outcome in zip(told, outcomes, strict=True):
        one["problems"] = [asdict(problem) | {"level": problem.level} for problem in outcome.problems]
    return json.dumps(told, ensure_ascii=False, indent=2)


if __name__ == "__main__":
    sys.exit(main())
