"""Writes a catalog of as many papers as one likes: the real ones, varied until no two are the same work.

    .venv/bin/python -m benchmarks.synthetic FOLDER [--papers 1000] [--seed 0]

Vocabulary, datasets, surveys and events are the real ones. A synthetic paper has the form of a real one (its results, sources,
corrections), so that sizes and rules are as in earnest; what tells a paper from another is its own. It has no implementation,
since the code isn't beside it. The same seed gives the same bytes, and `make check` finds nothing in the catalog, no warning
and no note either.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from tools.catalog import ROOT
from tools.draft import MANIFEST
from tools.normalize import write
from tools.number import Number, digits
from tools.reading import read
from tools.schema import KINDS, Paper

SYLLABLES = "ba cor dun el fi gar hu is jo kel lu mer nis o pra qui ros sti tan u vi wex yar zo".split()
MEASURED = ("results", "reproductions")
LEFT_OUT = ("implementation", "formerly")
MOST_PAPERS = 99_999
"""An arXiv id has five digits after its month."""


def write_catalog(folder: Path, papers: int, seed: int = 0) -> None:
    """Writes a catalog below an empty or missing folder."""
    if not 1 <= papers <= MOST_PAPERS:
        raise ValueError(f"found {papers} papers, expected 1 to {MOST_PAPERS:,}")
    (folder / "catalog" / "papers").mkdir(parents=True)
    shutil.copy(ROOT / MANIFEST, folder)
    for kind in KINDS:
        if kind != "papers":
            shutil.copytree(ROOT / "catalog" / kind, folder / "catalog" / kind)
    for entry_id, data in synthetic_papers(papers, random.Random(seed)):
        (folder / "catalog" / "papers" / f"{entry_id}.yaml").write_text(write(data, Paper), encoding="utf-8")


def synthetic_papers(count: int, rng: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ids and data of so many papers, no two alike."""
    real = [read(file, file.name).data for file in sorted((ROOT / "catalog" / "papers").glob("*.yaml"))]
    sentences = [sentence for paper in real for sentence in _sentences(paper["summary"])]
    people = [person.rpartition(" ") for paper in real for person in paper["authors"]]
    given, family = (sorted({person[part] for person in people if all(person)}) for part in (0, 2))
    order: list[dict[str, Any]] = []
    for index, name in enumerate(_names(count, rng)):
        order = order or rng.sample(real, len(real))  # in turns, so that their mean size is the real ones'
        paper = _renamed(order.pop(), name, index, rng)
        paper["authors"] = [f"{rng.choice(given)} {last}" for last in rng.sample(family, len(paper["authors"]))]
        paper["summary"] = " ".join(rng.sample(sentences, len(_sentences(paper["summary"]))))
        yield name.lower(), _shifted(paper, rng)


def _names(count: int, rng: random.Random) -> list[str]:
    """Words that could be methods' names."""
    names: dict[str, None] = {}
    while len(names) < count:
        names["".join(rng.choices(SYLLABLES, k=4)).capitalize()] = None
    return list(names)


def _sentences(text: str) -> list[str]:
    ends = [0, *(found.end() for found in re.finditer(r"[.?!] (?=[A-Z])", text)), len(text)]
    return [text[start:end].strip() for start, end in pairwise(ends)]


def _renamed(real: dict[str, Any], name: str, index: int, rng: random.Random) -> dict[str, Any]:
    """A paper under another name, title, year, ids and addresses, wherever its entry speaks of them."""
    paper = {key: value for key, value in real.items() if key not in LEFT_OUT}
    year = real["year"] + rng.choice((-2, 0, 2))  # ICCV and ECCV take turns
    ids, new_ids = real.get("ids") or {}, {}
    if "arxiv" in ids:
        new_ids["arxiv"] = f"{year % 100}{rng.randint(1, 10):02}.{index + 1:05}"
    if "doi" in ids:
        new_ids["doi"] = f"{ids['doi'].partition('/')[0]}/finch.{year}.{index + 1:05}"
    title = f"{name}: {real['title'].removeprefix(real.get('name') or '').lstrip(': ')}"
    words = {real["title"]: title, real.get("name") or real["title"]: name}
    words |= {old: new_ids[which] for which, old in ids.items()}
    for link in real.get("links") or ():
        if link.get("official") is not False and not any(old in link["url"] for old in ids.values()):
            words[link["url"]] = _address(link["url"], name)
    paper = _replaced(paper, words) | {"title": title, "name": name, "year": year}
    if "corrections" in paper:  # "AAAI 2022" among them
        paper["corrections"] = _replaced(paper["corrections"], {str(real["year"]): str(year)})
    return paper


def _address(url: str, name: str) -> str:
    """An address at the same host, of the same kind."""
    place, _, last = url.rstrip("/").rpartition("/")
    suffix = re.search(r"\.(pdf|html)$", last)
    return f"{place}/{name.lower()}{suffix[0] if suffix else ''}"


def _replaced(value: Any, words: dict[str, str]) -> Any:
    """The data with these words replaced in all of its texts, the longest first."""
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in sorted(words, key=len, reverse=True)))

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replaced(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [replaced(inner) for inner in value]
        return pattern.sub(lambda found: words[found[0]], value) if isinstance(value, str) else value

    return replaced(value)


def _shifted(paper: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """A paper with its values lowered by the same, so that what agreed still agrees.

    Those with more than one decimal stay: of some 5,000 test images not every such share is a number of images.
    """
    parts = [part for name in MEASURED for part in paper.get(name) or ()]
    lowest = min((value for part in parts for value in _values(part)), default=0.0)
    shift = Decimal(rng.randint(0, min(50, int(10 * lowest)))) / 10

    def lower(value: float) -> Number:
        text = str(Decimal(digits(value)) - shift)
        return Number.of(float(text), text)

    def lowered(part: dict[str, Any]) -> dict[str, Any]:
        if not all(re.fullmatch(r"\d+\.\d", digits(value)) for value in _values(part)):
            return part
        part = part | {"value": lower(part["value"])}
        if "runs" in part:
            part["runs"] = [lower(run) for run in part["runs"]]
        if "sources" in part:
            part["sources"] = [source | {"value": lower(source["value"])} for source in part["sources"]]
        return part

    return paper | {name: [lowered(part) for part in paper[name]] for name in MEASURED if name in paper}


def _values(part: dict[str, Any]) -> list[float]:
    """All numbers of a result or a reproduction that are in its metric's unit."""
    return [part["value"], *part.get("runs", ()), *(source["value"] for source in part.get("sources", ()))]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.synthetic", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where to write; it mustn't hold a catalog yet")
    parser.add_argument("--papers", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    options = parser.parse_args()
    try:
        write_catalog(options.folder, options.papers, options.seed)
    except (FileExistsError, ValueError) as error:
        parser.error(str(error))
    print(f"{options.folder}: {options.papers} papers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
