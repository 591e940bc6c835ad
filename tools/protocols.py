"""When two measurements were made alike. What isn't stated is unknown, and unknown is never equal to anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from implementations.common.records import Record
from tools.manifest import Manifest
from tools.schema import Dataset, Paper, Protocol, Result

FIELDS = ("dataset", "split", "metric", "backbone", "pretraining", "input_size", "extra", "test_time")
"""What has to be known on both sides and the same; selection, epochs and batch are shown beside it."""

Facts = Mapping[str, Any]
"""The fields of a protocol that are known."""


@dataclass(frozen=True)
class Difference:
    """A field on which two protocols part; None: unknown there."""

    field: str
    one: Any
    other: Any

    def __str__(self) -> str:
        return f"{self.field.replace('_', ' ')}: {_spelled(self.one)} / {_spelled(self.other)}"


def _spelled(value: Any) -> str:
    if value is None:
        return "not stated"
    return (", ".join(value) or "none") if isinstance(value, list | tuple) else str(value)


def claimed(paper: Paper) -> Result | None:
    """The one result that a paper's implementation is to reproduce; None for a paper whose results aren't known."""
    if paper.implementation.claim is None:
        return None
    chosen = paper.implementation.claim.model_dump(exclude_none=True)
    return next(result for result in paper.results or () if all(getattr(result, name) == value for name, value in chosen.items()))


def facts(protocol: Protocol) -> Facts:
    """What a claim or a reproduction of the catalog states. Labels above the finest level are another task."""
    known = {name: getattr(protocol, name) for name in FIELDS}
    if protocol.labels is not None:
        known["metric"] = f"{protocol.metric} ({protocol.labels})"
    return known


def facts_of_record(record: Record, manifest: Manifest, datasets: Mapping[str, Dataset]) -> Facts:
    """What one of our runs was made with, in the catalog's words.

    The harness gives a method images and labels alone: no extra annotation. What its test pass does with an image beyond looking
    at it once, the method has declared in the catalog's words.
    """
    dataset = datasets.get(record.dataset.name)
    counts = {images: split for split, images in (dataset.splits if dataset else {}).items()}
    names = {backbone.timm: name for name, backbone in manifest.backbones.items() if backbone.timm}
    return {
        "dataset": record.dataset.name,
        "split": counts.get(record.dataset.test),
        "metric": "top-1",
        "backbone": names.get(record.backbone.name.partition(".")[0], record.backbone.name),
        "pretraining": _pretraining(record.backbone.weights, manifest),
        "input_size": record.recipe.get("input_size"),
        "extra": [],
        "test_time": record.test_time,
    }


def _pretraining(weights: str, manifest: Manifest) -> str | None:
    """What weights of this origin were trained on: timm's as their tag says; None for a user's file, or for several sets."""
    if weights.startswith("shipped with Finch"):
        return "drawn birds"
    if weights == "random initialisation":
        return "none"
    tag = weights.removesuffix("/model.safetensors").rpartition(".")[2]
    sets = {tag.rpartition("_")[2] for tag in tag.split("_ft_")}
    known = {entry.timm: name for name, entry in manifest.pretraining.items() if entry.timm}
    return known.get(sets.pop()) if len(sets) == 1 else None


def differences(one: Facts, other: Facts) -> list[Difference]:
    """The fields that differ, or are unknown on a side; none where the protocols are equal."""
    return [
        Difference(name, one[name], other[name])
        for name in FIELDS
        if one[name] is None or other[name] is None or _set(one[name]) != _set(other[name])
    ]


def _set(value: Any) -> Any:
    return frozenset(value) if isinstance(value, list | tuple) else value
