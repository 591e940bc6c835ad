"""The page "Data": what there is for other programs, field by field, and how to ask it something in three lines."""

from __future__ import annotations

from tools.catalog import Catalog
from tools.exports import database, table
from tools.json_schema import MODELS
from tools.pages.addresses import Page, meta


def page(catalog: Catalog) -> Page:
    """Files, examples, fields and licence."""
    data = {
        "meta": meta("Data", "The catalog as JSON, SQLite, CSV and BibTeX, its schemas, and a feed.", hide=["navigation"]),
        "site": catalog.manifest.site,
        "query": database.BEST_SOURCED,
        "columns": table.columns(),
        "tables": [(name, database.MEANINGS[name], columns) for name, columns in database.columns().items()],
        "schemas": list(MODELS),
    }
    return "data.md", "data.md.j2", data
