"""A badge a paper, for its README: an SVG, and the same as JSON in the form that badge services read."""

from __future__ import annotations

import json
from collections import Counter
from html import escape
from typing import Any

from tools.catalog import Catalog
from tools.number import digits
from tools.pages.records import Runs
from tools.pages.rows import badge
from tools.pages.runs import how_far
from tools.protocols import claimed

COLOURS = {
    "listed": "#7a5200",
    "sourced": "#1f6b3f",
    "reproduced-by-others": "#1f6b3f",
    "reproduced": "#1f6b3f",
    "contested": "#655c55",
}
CHARACTER, PADDING = 6.4, 9
"""Of the badge's 11 px letters, on the average; textLength fits what is drawn to what was reckoned."""


def files(catalog: Catalog, runs: Runs) -> dict[str, str]:
    """The badges of all papers that report a result, by their path below the docs folder."""
    out = {}
    for paper_id, entry in catalog.papers.items():
        if entry.results:
            said, colour = _said(catalog, runs, paper_id)
            out[f"badges/{paper_id}.svg"] = _svg(catalog.manifest.name, said, colour)
            out[f"badges/{paper_id}.json"] = _endpoint(catalog.manifest.name, said, colour)
    return out


def _said(catalog: Catalog, runs: Runs, paper_id: str) -> tuple[str, str]:
    """What a badge says, and in which colour: of an implemented paper its claim's level, of others how many results have one."""
    entry = catalog.papers[paper_id]
    levels = [badge(catalog, runs, paper_id, result) for result in entry.results]
    if entry.implementation is None:
        counts = Counter(level["name"] for level in levels)
        return "results " + ", ".join(f"{count} {name}" for name, count in counts.items()), COLOURS[levels[0]["id"]]
    result = claimed(entry)
    level = badge(catalog, runs, paper_id, result)
    dataset = catalog.datasets[result.dataset]
    code = how_far(catalog, runs, paper_id)["name"]
    said = f"{digits(result.value)} on {dataset.name or dataset.title}: {level['name']} | code: {code}"
    return said, COLOURS[level["id"]]


def _endpoint(label: str, said: str, colour: str) -> str:
    data: dict[str, Any] = {"schemaVersion": 1, "label": label, "message": said, "color": colour.removeprefix("#")}
    return json.dumps(data, ensure_ascii=False) + "\n"


def _svg(label: str, said: str, colour: str) -> str:
    whole = escape(f"{label}: {said}")
    left, right = (round(CHARACTER * len(text) + 2 * PADDING) for text in (label, said))
    texts = "".join(
        f'<text x="{start + PADDING}" y="14" textLength="{width - 2 * PADDING}">{escape(text)}</text>'
        for text, start, width in ((label, 0, left), (said, left, right))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{whole}">'
        f"<title>{whole}</title>"
        f'<rect width="{left}" height="20" fill="#35251f"/><rect x="{left}" width="{right}" height="20" fill="{colour}"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{texts}</g></svg>\n'
    )
