"""Every claim as one row: the value, its protocol, how far it can be trusted, and who states it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from tools.catalog import Catalog
from tools.number import digits
from tools.pages.paging import entry_address
from tools.pages.records import Runs
from tools.pages.runs import how_far
from tools.schema import Paper, Protocol, Result, ResultSource
from tools.trust import Level, level


@dataclass(frozen=True)
class Claim:
    """A paper's result, with what is computed of it."""

    paper_id: str
    paper: Paper
    result: Result
    level: Level
    carried: str


def claims(catalog: Catalog, runs: Runs) -> list[Claim]:
    """All results of all papers, in the order of the catalog."""
    found = []
    for paper_id, paper in catalog.papers.items():
        ours, carried = runs.of(catalog, paper_id), how_far(catalog, runs, paper_id)["id"]
        for result in paper.results or ():
            found.append(Claim(paper_id, paper, result, level(catalog, paper, result, ours), carried))
    return found


OF_THE_PAPER = {
    "paper": "The paper's id.",
    "method": "What its method is called, else the title.",
    "title": "The paper's title.",
    "year": "The year of the venue.",
    "venue": "The venue's id.",
}
OF_THE_PROTOCOL = (
    "dataset metric value sd runs variant backbone backbone_family pretraining input_size split images labels extra test_time"
    " selection epochs batch devices"
).split()
COMPUTED = {
    "level": "How far the claim can be trusted: listed, sourced, reproduced-by-others, reproduced or contested.",
    "carried": "How far our implementation was carried, another question: none, demo-checked, small-scale or paper-scale.",
    "sources": "Who states the claim, the strongest first: where (locator) address = the value there, apart by semicolons.",
    "note": "What a reader should know beside the protocol.",
    "page": "The paper's page.",
}


def columns() -> dict[str, str]:
    """The columns of results.csv, each with its meaning."""
    fields = {name: field.description or "" for name, field in Protocol.model_fields.items()}
    fields["backbone_family"] = "The backbone's family: which backbones are compared with each other."
    protocol = {name: " ".join(fields[name].split()) for name in OF_THE_PROTOCOL}
    protocol["extra"] += " Words are apart by blanks; none says that none was used."
    protocol["test_time"] += " Likewise."
    return OF_THE_PAPER | protocol | COMPUTED


def as_csv(catalog: Catalog, rows: list[Claim]) -> str:
    """RFC 4180, UTF-8, one row a claim; what isn't stated is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(columns()), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(_row(catalog, claim) for claim in rows)
    return out.getvalue()


def _row(catalog: Catalog, claim: Claim) -> dict[str, Any]:
    paper, result = claim.paper, claim.result
    stated = {name: _cell(getattr(result, name)) for name in OF_THE_PROTOCOL if name != "backbone_family"}
    return stated | {
        "paper": claim.paper_id,
        "method": paper.name or paper.title,
        "title": paper.title,
        "year": paper.year,
        "venue": paper.venue,
        "backbone_family": catalog.manifest.backbones[result.backbone].family if result.backbone else None,
        "level": claim.level.id,
        "carried": claim.carried,
        "sources": "; ".join(map(_source, result.sources)),
        "note": result.note,
        "page": catalog.manifest.site + entry_address(catalog, "papers", claim.paper_id),
    }


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(_cell(one) for one in value) or "none"
    return digits(value) if isinstance(value, float) else value


def _source(source: ResultSource) -> str:
    where = f" ({source.locator})" if source.locator else ""
    return f"{source.source}{where}{f' {source.url}' if source.url else ''} = {digits(source.value)}"
