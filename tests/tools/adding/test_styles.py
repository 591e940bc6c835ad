"""35 entries written by hand, one a paper of the seed list, each in the style of the place it would be copied from.

Whatever a style loses is told in tests/data/bibtex/README.md, whose table is made here; whatever is read is what the catalog has.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tools.adding.bibtex_file import read_bibtex
from tools.adding.people import same_people
from tools.adding.record import Record
from tools.adding.venues import venue_of
from tools.catalog import load
from tools.rules.duplicates import letters
from tools.schema import Paper

FOLDER = Path(__file__).parents[2] / "data" / "bibtex"
STYLES = {
    "cvf": "CVF open access",
    "aaai": "AAAI (OJS)",
    "springer": "Springer",
    "ieee": "IEEE Xplore",
    "dblp": "DBLP",
    "arxiv": "arXiv",
    "scholar": "Google Scholar",
    "acm": "ACM DL",
    "sciencedirect": "ScienceDirect",
}
FACTS = ("title", "authors", "year", "venue", "arXiv id", "DOI", "pages")
CATALOG, _ = load()
LOST = ("case", "initials", "not said")


def read(style: str) -> list[Record]:
    return read_bibtex((FOLDER / f"{style}.bib").read_text(encoding="utf-8"), f"{style}.bib")


def paper_of(record: Record) -> tuple[str, Paper]:
    found = [(i, paper) for i, paper in CATALOG.papers.items() if letters(paper.title) == letters(record.title or "")]
    assert len(found) == 1, record
    return found[0]


def outcome(record: Record, paper: Paper) -> dict[str, str]:
    """Of each fact that the catalog has, what became of it: kept, lost in one of the ways of `LOST`, or wrong."""
    ids = paper.ids
    pairs = {
        "title": (record.title, paper.title),
        "authors": (list(record.authors) or None, paper.authors),
        "year": (None if record.preprint and paper.venue != "arxiv" else record.year, paper.year),
        "venue": (venue(record, paper), paper.venue),
        "arXiv id": (record.arxiv, ids and ids.arxiv),
        "DOI": (record.doi, ids and ids.doi),
        "pages": (record.pages, paper.pages),
    }
    return {fact: fate(read, known) for fact, (read, known) in pairs.items() if known is not None}


def venue(record: Record, paper: Paper) -> str | None:
    """The venue by the vocabulary; arXiv's where nothing but a preprint is spoken of, and there is nothing else."""
    if record.preprint and paper.venue == "arxiv":
        return "arxiv"
    return venue_of(record.container, CATALOG.manifest) if record.container else None


def fate(read: object, known: object) -> str:
    if read == known:
        return "kept"
    if read is None:
        return "not said"
    if isinstance(known, str) and str(read).casefold() == known.casefold():
        return "case"
    if isinstance(known, list) and same_people(read, known):
        return "initials"
    return "wrong"


RECORDS = [(style, record) for style in STYLES for record in read(style)]


def test_the_35_papers_of_the_seed_list_stand_in_the_files_once_each():
    assert sorted(paper_of(record)[0] for _, record in RECORDS) == sorted(CATALOG.papers)
    assert len(RECORDS) == 35


@pytest.mark.parametrize(("style", "record"), RECORDS, ids=lambda value: value if isinstance(value, str) else value.where)
def test_what_is_read_is_what_the_catalog_has(style, record):
    entry, paper = paper_of(record)
    assert "wrong" not in outcome(record, paper).values(), (entry, outcome(record, paper))
    assert record.complete
    assert record.source == "BibTeX"


@pytest.mark.parametrize(("style", "record"), RECORDS, ids=lambda value: value if isinstance(value, str) else value.where)
def test_the_venue_and_the_year_are_read_wherever_the_style_says_them(style, record):
    _, paper = paper_of(record)
    told = outcome(record, paper)
    is_preprint = style == "arxiv" or paper.venue == "arxiv"
    assert record.preprint == is_preprint
    if not is_preprint:
        assert (told["venue"], told["year"]) == ("kept", "kept")


def test_every_doi_that_a_style_writes_is_read_with_its_underscores():
    dois = {paper_of(record)[0]: record.doi for _, record in RECORDS if record.doi}
    assert dois["pmg"] == "10.1007/978-3-030-58565-5_10"  # DBLP writes \_
    assert dois["nts-net"] == "10.1007/978-3-030-01264-9_26"  # Springer has it as the key alone
    assert dois["tpskg"] == "10.1016/j.neucom.2022.04.037"  # ScienceDirect writes the resolver's address
    assert len(dois) == 16


def test_the_series_volume_and_the_proceedings_year_of_crossref_are_understood():
    by_id = {paper_of(record)[0]: record for _, record in RECORDS}
    assert by_id["ma-cnn"].container == "ICCV"
    assert by_id["transfg"].volume == "36"
    assert by_id["mc-loss"].volume == "29"
    assert by_id["pmg"].volume is None


def test_what_a_style_says_of_no_paper_leaves_no_doubt():
    assert {record.where: record.doubts for _, record in RECORDS if record.doubts} == {}


def table() -> str:
    """How many of the facts that the catalog has of a style's papers were kept, and how the others were lost."""
    lines = ["| style | entries | " + " | ".join(FACTS) + " |", "|---|---" + "|---" * len(FACTS) + "|"]
    for style, shown in STYLES.items():
        told = [outcome(record, paper_of(record)[1]) for record in read(style)]
        cells = [cell(Counter(one[fact] for one in told if fact in one)) for fact in FACTS]
        lines.append(f"| {shown} | {len(told)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(fates: Counter[str]) -> str:
    lost = [f"{fates[one]} {one}" for one in LOST if fates[one]]
    if not fates:
        return "–"
    return f"{fates['kept']} of {fates.total()}" + (f" ({', '.join(lost)})" if lost else "")


def test_the_table_of_what_each_style_loses_is_up_to_date():
    written = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert table() in written, f"the table has to be:\n\n{table()}\n"
