"""catalog.sqlite: the catalog as tables, for questions in SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from implementations.common.records import EVIDENCE, Pointing
from tools.catalog import Catalog
from tools.exports.table import Claim
from tools.number import digits
from tools.pages.paging import entry_address
from tools.pages.records import Runs
from tools.pages.runs import how_far
from tools.schema import Protocol
from tools.trust import LEVELS

PROTOCOL = """
  dataset TEXT NOT NULL REFERENCES datasets, metric TEXT NOT NULL, value REAL NOT NULL, digits TEXT NOT NULL, sd REAL,
  variant TEXT, backbone TEXT REFERENCES backbones, pretraining TEXT, input_size INTEGER, split TEXT, images INTEGER, labels TEXT,
  extra TEXT, test_time TEXT, selection TEXT, epochs INTEGER, batch INTEGER, devices INTEGER, runs TEXT, note TEXT"""
SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE levels (id TEXT PRIMARY KEY, rank INTEGER, name TEXT NOT NULL, meaning TEXT NOT NULL) STRICT;
CREATE TABLE venues (id TEXT PRIMARY KEY, name TEXT NOT NULL, short TEXT NOT NULL, kind TEXT NOT NULL) STRICT;
CREATE TABLE backbones (id TEXT PRIMARY KEY, name TEXT NOT NULL, family TEXT NOT NULL, timm TEXT) STRICT;
CREATE TABLE entries (
  kind TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, name TEXT, year INTEGER, venue TEXT REFERENCES venues,
  summary TEXT NOT NULL, page TEXT NOT NULL, added TEXT NOT NULL, PRIMARY KEY (kind, id)) STRICT;
CREATE TABLE datasets (
  id TEXT PRIMARY KEY, title TEXT NOT NULL, name TEXT, year INTEGER, classes INTEGER NOT NULL, summary TEXT NOT NULL,
  page TEXT NOT NULL, added TEXT NOT NULL) STRICT;
CREATE TABLE splits (
  dataset TEXT NOT NULL REFERENCES datasets, split TEXT NOT NULL, images INTEGER NOT NULL, PRIMARY KEY (dataset, split)) STRICT;
CREATE TABLE papers (
  id TEXT PRIMARY KEY, title TEXT NOT NULL, name TEXT, year INTEGER NOT NULL, venue TEXT NOT NULL REFERENCES venues, arxiv TEXT,
  doi TEXT, summary TEXT NOT NULL, implementation TEXT, carried TEXT NOT NULL, page TEXT NOT NULL, added TEXT NOT NULL) STRICT;
CREATE TABLE authors (
  paper TEXT NOT NULL REFERENCES papers, place INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (paper, place)) STRICT;
CREATE TABLE words (
  paper TEXT NOT NULL REFERENCES papers, kind TEXT NOT NULL, word TEXT NOT NULL, PRIMARY KEY (paper, kind, word)) STRICT;
CREATE TABLE links (
  entry_kind TEXT NOT NULL, entry TEXT NOT NULL, place INTEGER NOT NULL, kind TEXT NOT NULL, official INTEGER, url TEXT NOT NULL,
  PRIMARY KEY (entry_kind, entry, place)) STRICT;
CREATE TABLE results (
  id INTEGER PRIMARY KEY, paper TEXT NOT NULL REFERENCES papers,{PROTOCOL},
  level TEXT NOT NULL REFERENCES levels, reason TEXT) STRICT;
CREATE TABLE sources (
  result INTEGER NOT NULL REFERENCES results, place INTEGER NOT NULL, source TEXT NOT NULL, locator TEXT, url TEXT,
  value REAL NOT NULL, digits TEXT NOT NULL, said TEXT, PRIMARY KEY (result, place)) STRICT;
CREATE TABLE fields (
  result INTEGER NOT NULL REFERENCES results, field TEXT NOT NULL, source TEXT NOT NULL, locator TEXT, url TEXT,
  PRIMARY KEY (result, field)) STRICT;
CREATE TABLE reproductions (
  id INTEGER PRIMARY KEY, paper TEXT NOT NULL REFERENCES papers,{PROTOCOL},
  ran_by TEXT NOT NULL, by_authors INTEGER NOT NULL, flaw TEXT, url TEXT NOT NULL, locator TEXT) STRICT;
CREATE TABLE corrections (
  entry_kind TEXT NOT NULL, entry TEXT NOT NULL, date TEXT NOT NULL, kind TEXT NOT NULL, field TEXT NOT NULL, dataset TEXT,
  listed TEXT, correct TEXT, evidence TEXT NOT NULL, url TEXT) STRICT;
CREATE TABLE runs (
  paper TEXT NOT NULL, variant TEXT, dataset TEXT NOT NULL, backbone TEXT NOT NULL, output_stride INTEGER, patch_stride INTEGER,
  epochs INTEGER, seed INTEGER NOT NULL, test_time TEXT NOT NULL, test_images INTEGER NOT NULL,
  top1 REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, pointing REAL, guesses TEXT,
  record TEXT NOT NULL) STRICT;
CREATE VIEW claims AS
  SELECT results.*, coalesce(papers.name, papers.title) AS method, papers.title, papers.year, papers.carried, backbones.family,
    levels.rank
  FROM results JOIN papers ON papers.id = results.paper JOIN levels ON levels.id = results.level
    LEFT JOIN backbones ON backbones.id = results.backbone;
"""
MEANINGS = {
    "claims": "A view: `results` with method, title and year of their paper, how far its implementation was carried, their"
    " backbone's family and their level's rank.",
    "results": "What papers claim, one row a claim. `digits` is the value as it is given; `level` and `reason` say how far it can"
    " be trusted; `extra`, `test_time` and `runs` (the values of single runs) are JSON lists.",
    "sources": "Who states a result, the strongest first. `said` is JSON: on what that source differs.",
    "fields": "Where a field of a result's protocol was read, if elsewhere than its value.",
    "reproductions": "What somebody got who ran the method again.",
    "runs": "What our own implementations reached, in percent with their 95% interval, by the records that were valid in this"
    " build. Strides are NULL where they are the backbone's own; `test_time` is a JSON list. `pointing`: how often the map of"
    " what a method looks at peaks inside the part that tells the species, or within 3 px of 96 around it, in percent;"
    " `guesses`: how often each of the guesses does that never see the image, a JSON object. Never to be put beside `results`"
    " without looking at dataset and backbone.",
    "levels": "What each level of trust means. `rank` grows with it: 0 listed, 1 sourced, 2 reproduced by others, 3 reproduced;"
    " contested has none.",
    "entries": "Papers, datasets, surveys, workshops and challenges, with what all of them have.",
    "papers": "Papers. `implementation` is our file, `carried` how far it was carried.",
    "authors": "Authors in order, from 0.",
    "words": "Approaches and mechanisms of each paper.",
    "links": "Addresses of each entry; for code, `official` is 1 for the authors'.",
    "corrections": "What the list that the catalog started from had wrong.",
    "datasets": "Datasets, with their number of classes. What else is known of them (annotations, pitfalls, files) is in"
    " catalog.json alone.",
    "splits": "Number of images a split.",
    "backbones": "Networks that methods build on; those of one `family` are compared with each other.",
    "venues": "Conferences, journals and archives.",
    "meta": "What this file is, its licence, and where it comes from.",
}
"""What each table holds, for people, in the order in which they will want to know it."""
BEST_SOURCED = """\
SELECT method, digits, level FROM claims
WHERE dataset = 'cub-200-2011' AND backbone = 'resnet-50' AND input_size = 448 AND labels IS NULL
  AND rank >= 1 /* sourced */ ORDER BY value DESC LIMIT 1;"""
"""The question of the Data page: the best ResNet-50 at 448 pixels on CUB, sourced or better."""


def as_sqlite(catalog: Catalog, runs: Runs, claims: list[Claim]) -> bytes:
    """The database as a file's bytes. Written in one order, without clock or free pages, they depend on the data alone."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(SCHEMA)
        for name, rows in _rows(catalog, runs, claims).items():
            _insert(connection, name, rows)
        connection.commit()
        return connection.serialize()
    finally:
        connection.close()


def columns() -> dict[str, list[str]]:
    """The columns of each table and view."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(SCHEMA)
        return {name: [column[1] for column in connection.execute(f"PRAGMA table_info({name})")] for name in MEANINGS}
    finally:
        connection.close()


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        names = ", ".join(row)
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def _rows(catalog: Catalog, runs: Runs, claims: list[Claim]) -> dict[str, Iterable[dict[str, Any]]]:
    manifest = catalog.manifest
    meta = {"name": manifest.name, "site": manifest.site, "repository": manifest.repository, "licence": "CC BY 4.0"}
    reproductions = [(i, run) for i, paper in catalog.papers.items() for run in paper.reproductions or ()]
    return {
        "meta": ({"key": key, "value": value} for key, value in meta.items()),
        "levels": (
            {"id": i, "rank": LEVELS.index(i) if i != "contested" else None, "name": term.name, "meaning": term.definition}
            for i, term in manifest.levels.items()
        ),
        "venues": ({"id": i} | one.model_dump(include={"name", "short", "kind"}) for i, one in manifest.venues.items()),
        "backbones": ({"id": i} | one.model_dump() for i, one in manifest.backbones.items()),
        "entries": (
            {"kind": kind, "id": i, "venue": getattr(one, "venue", None)}
            | one.model_dump(include={"title", "name", "year", "summary"})
            | {"page": manifest.site + entry_address(catalog, kind, i), "added": one.added.isoformat()}
            for kind, i, one in catalog.entries()
        ),
        "datasets": (
            {"id": i}
            | one.model_dump(include={"title", "name", "year", "classes", "summary"})
            | {"page": manifest.site + entry_address(catalog, "datasets", i), "added": one.added.isoformat()}
            for i, one in catalog.datasets.items()
        ),
        "splits": (
            {"dataset": i, "split": split, "images": images}
            for i, one in catalog.datasets.items()
            for split, images in one.splits.items()
        ),
        "papers": (_paper(catalog, runs, i) for i in catalog.papers),
        "authors": (
            {"paper": i, "place": place, "name": author}
            for i, paper in catalog.papers.items()
            for place, author in enumerate(paper.authors)
        ),
        "words": (
            {"paper": i, "kind": kind, "word": word}
            for i, paper in catalog.papers.items()
            for kind in ("approaches", "mechanisms")
            for word in dict.fromkeys(getattr(paper, kind) or ())
        ),
        "links": (
            {"entry_kind": kind, "entry": i, "place": place, "kind": link.kind, "official": link.official, "url": link.url}
            for kind, i, entry in catalog.entries()
            for place, link in enumerate(entry.links or ())
        ),
        "results": (
            {"id": number, "paper": claim.paper_id, "level": claim.level.id, "reason": claim.level.reason}
            | _protocol(claim.result)
            for number, claim in enumerate(claims, 1)
        ),
        "sources": (
            {"result": number, "place": place, "source": source.source, "locator": source.locator, "url": source.url}
            | {"value": source.value, "digits": digits(source.value), "said": _json(source.said)}
            for number, claim in enumerate(claims, 1)
            for place, source in enumerate(claim.result.sources)
        ),
        "fields": (
            {"result": number, "field": field, "source": source.source, "locator": source.locator, "url": source.url}
            for number, claim in enumerate(claims, 1)
            for field, source in (claim.result.fields or {}).items()
        ),
        "reproductions": (
            {"id": number, "paper": i, "ran_by": run.by, "by_authors": bool(run.by_authors), "flaw": run.flaw}
            | {"url": run.url, "locator": run.locator}
            | _protocol(run)
            for number, (i, run) in enumerate(reproductions, 1)
        ),
        "corrections": (
            {"entry_kind": kind, "entry": i, "date": one.date.isoformat()} | one.model_dump(exclude={"date"})
            for kind, i, entry in catalog.entries()
            for one in entry.corrections or ()
        ),
        "runs": _runs(runs),
    }


def _paper(catalog: Catalog, runs: Runs, paper_id: str) -> dict[str, Any]:
    paper = catalog.papers[paper_id]
    return (
        {"id": paper_id}
        | paper.model_dump(include={"title", "name", "year", "venue", "summary"})
        | {
            "arxiv": paper.ids.arxiv if paper.ids else None,
            "doi": paper.ids.doi if paper.ids else None,
            "implementation": paper.implementation.file if paper.implementation else None,
            "carried": how_far(catalog, runs, paper_id)["id"],
            "page": catalog.manifest.site + entry_address(catalog, "papers", paper_id),
            "added": paper.added.isoformat(),
        }
    )


def _protocol(protocol: Protocol) -> dict[str, Any]:
    plain = {name: getattr(protocol, name) for name in Protocol.model_fields}
    lists = {name: _json(plain[name]) for name in ("extra", "test_time", "runs")}
    return plain | lists | {"digits": digits(protocol.value), "note": protocol.note}


def _runs(runs: Runs) -> Iterable[dict[str, Any]]:
    for paper_id in runs.records:
        for record in sorted(runs.valid(paper_id), key=lambda one: runs.file(one).as_posix()):
            low, high = record.outcome.interval
            output_stride, patch_stride = record.budget.strides
            yield {
                "paper": paper_id,
                "variant": record.label,
                "dataset": record.dataset.name,
                "backbone": record.backbone.name,
                "output_stride": output_stride,
                "patch_stride": patch_stride,
                "epochs": record.budget.epochs,
                "seed": record.seed,
                "test_time": _json(record.test_time),
                "test_images": record.dataset.test,
                "top1": 100 * record.outcome.top1,
                "low": 100 * low,
                "high": 100 * high,
                "pointing": _shares(record.outcome.pointing).get(EVIDENCE),
                "guesses": _json(_shares(record.outcome.blind) or None),
                "record": runs.file(record).relative_to(runs.root).as_posix(),
            }


def _shares(known: Mapping[str, Pointing] | None) -> dict[str, float]:
    return {name: 100 * one.share for name, one in (known or {}).items()}


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
