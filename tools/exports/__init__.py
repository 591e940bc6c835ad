"""The catalog for other programs: JSON, SQLite, CSV, BibTeX, JSON Schema and an Atom feed, below the built site.

All are functions of catalog and records alone, without clock or random order: two builds of one commit are equal byte for byte.
"""

from __future__ import annotations

from tools import json_schema
from tools.bibtex import bibliography
from tools.catalog import Catalog
from tools.exports import database, feed, table, tree
from tools.exports.page import page
from tools.pages.records import Runs

__all__ = ["files", "page"]


def files(catalog: Catalog, runs: Runs) -> dict[str, str | bytes]:
    """Each export by its path below the site's address."""
    claims = table.claims(catalog, runs)
    return {
        "catalog.json": tree.as_json(catalog, claims),
        "catalog.sqlite": database.as_sqlite(catalog, runs, claims),
        "results.csv": table.as_csv(catalog, claims),
        "papers.bib": bibliography(catalog),
        "feed.xml": feed.atom(catalog),
        **{f"schemas/{name}": text for name, text in json_schema.files().items()},
    }
