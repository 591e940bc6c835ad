"""A measured value as the tables show it: the number, its protocol, its level, and who states it."""

from __future__ import annotations

from typing import Any

from tools.catalog import Catalog
from tools.number import digits
from tools.pages.records import Runs
from tools.pages.runs import how_far
from tools.schema import FieldSource, Protocol, Reproduction, Result, ResultSource
from tools.trust import agrees, differs, level

SOURCE_NAMES = {"paper": "Paper", "abstract": "Abstract", "authors": "Authors", "third-party": "Third party"}
SELECTIONS = {"last": "last epoch", "best-on-validation": "best on validation", "best-on-test": "best on test"}
FIELD_NAMES = {
    "input_size": "input size",
    "test_time": "test-time tricks",
    "extra": "extra annotation or data",
    "labels": "label level",
    "images": "images scored",
}


def spelled(field: str) -> str:
    """A field's name as readers see it: results.input_size is "input size", links.code "link to code"."""
    group, _, name = field.rpartition(".")
    name = FIELD_NAMES.get(name, name.replace("_", " "))
    return f"link to {name}" if group == "links" else name


def badge(catalog: Catalog, runs: Runs, paper_id: str, result: Result) -> dict[str, str]:
    """How far a paper's claim can be trusted, what that means, and on which runs it rests."""
    found = level(catalog, catalog.papers[paper_id], result, runs.of(catalog, paper_id))
    term = catalog.manifest.levels[found.id]
    return {"id": found.id, "name": term.name, "meaning": f"{term.definition} {found.reason or ''}".strip()}


def board_row(catalog: Catalog, runs: Runs, paper_id: str, result: Result) -> dict[str, Any]:
    """A result in a table of several papers' results."""
    entry = catalog.papers[paper_id]
    return claim_row(catalog, runs, paper_id, result) | {
        "paper": paper_id,
        "method": entry.name or entry.title,
        "year": entry.year,
        "number": result.value,
    }


def protocol_row(catalog: Catalog, protocol: Protocol) -> dict[str, Any]:
    """A value, how it was measured, and where it was read. What isn't stated is None."""
    manifest, dataset = catalog.manifest, catalog.datasets[protocol.dataset]
    row = {
        "dataset": dataset.name or dataset.title,
        "dataset_id": protocol.dataset,
        "metric": manifest.metrics[protocol.metric],
        "value": digits(protocol.value),
        "sd": digits(protocol.sd) if protocol.sd is not None else None,
        "runs": [digits(run) for run in protocol.runs or ()],
        "variant": protocol.variant,
        "labels": protocol.labels,
        "backbone": manifest.backbones[protocol.backbone].name if protocol.backbone else None,
        "pretraining": manifest.pretraining[protocol.pretraining].name if protocol.pretraining else None,
        "input_size": f"{protocol.input_size} px" if protocol.input_size else None,
        "split": protocol.split,
        "images": f"{protocol.images:,}" if protocol.images else None,
        "extra": _terms(manifest.extras, protocol.extra),
        "test_time": _terms(manifest.test_time, protocol.test_time),
        "training": _training(protocol),
        "note": protocol.note,
    }
    if isinstance(protocol, Reproduction):
        return row | {
            "by": protocol.by,
            "by_authors": protocol.by_authors,
            "flaw": protocol.flaw,
            "url": protocol.url,
            "locator": protocol.locator,
        }
    sources = [source_line(catalog, protocol, source) for source in protocol.sources]
    return row | {"sources": sources, "fields": _field_lines(catalog, protocol)}


def claim_row(catalog: Catalog, runs: Runs, paper_id: str, result: Result) -> dict[str, Any]:
    """A paper's claim, with both answers: how far it can be trusted, and how far our implementation was carried."""
    return protocol_row(catalog, result) | {
        "level": badge(catalog, runs, paper_id, result),
        "carried": how_far(catalog, runs, paper_id),
    }


def source_line(catalog: Catalog, result: Result, source: ResultSource) -> dict[str, Any]:
    """One source of a result: who, where, and on what it differs."""
    said = [f"{spelled(field)} {_shown(catalog, field, value)}" for field, value in (source.said or {}).items()]
    if not agrees(result.value, source.value):
        said.insert(0, digits(source.value))
    return {
        "name": _source_name(catalog, source),
        "locator": source.locator,
        "url": source.url or (catalog.manifest.seed_list.url if source.source == "seed-list" else None),
        "value": digits(source.value),
        "same_digits": digits(source.value) == digits(result.value),
        "differs": differs(result, source),
        "said": ", ".join(said),
    }


def _field_lines(catalog: Catalog, result: Result) -> list[dict[str, Any]]:
    """Where the protocol was read, one line a place."""
    lines: dict[tuple, list[str]] = {}
    for field, source in (result.fields or {}).items():
        lines.setdefault((_source_name(catalog, source), source.locator, source.url), []).append(spelled(field))
    return [
        {"fields": ", ".join(fields), "name": name, "locator": locator, "url": url}
        for (name, locator, url), fields in lines.items()
    ]


def _source_name(catalog: Catalog, source: FieldSource) -> str:
    return SOURCE_NAMES.get(source.source) or catalog.manifest.seed_list.name


def _shown(catalog: Catalog, field: str, value: object) -> str:
    vocabulary = {"backbone": catalog.manifest.backbones, "pretraining": catalog.manifest.pretraining}.get(field, {})
    return vocabulary[value].name if value in vocabulary else str(value)


def _terms(vocabulary: dict[str, Any], words: list[str] | None) -> str | None:
    if words is None:
        return None
    return ", ".join(vocabulary[word].name for word in words) or "none"


def _training(protocol: Protocol) -> str | None:
    world = f"batch {protocol.batch}" if protocol.batch else None
    if world and protocol.devices:
        world += f" × {protocol.devices} device{'s' * (protocol.devices > 1)}"
    parts = [SELECTIONS.get(protocol.selection), f"{protocol.epochs} epochs" if protocol.epochs else None, world]
    return ", ".join(part for part in parts if part) or None
