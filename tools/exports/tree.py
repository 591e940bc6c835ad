"""catalog.json: all entries as they are written, with what is computed of them."""

from __future__ import annotations

import datetime
import json
import re
from collections import defaultdict
from typing import Any

from pydantic import BaseModel

from tools.catalog import Catalog
from tools.exports.table import Claim
from tools.number import Number
from tools.pages.paging import entry_address
from tools.schema import KINDS

LICENCE = "https://creativecommons.org/licenses/by/4.0/"
AS_WRITTEN = "\ue000"
"""Marks a number's digits, which JSON's writer would make 90.0 of where 90.00 was given: a letter that no text has."""


def as_json(catalog: Catalog, claims: list[Claim]) -> str:
    """The whole catalog; each result has its `level` and `reason`, each paper how far its implementation was `carried`."""
    by_paper: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_paper[claim.paper_id].append(claim)
    data = {"licence": LICENCE} | plain(catalog.manifest)
    for kind in KINDS:
        data[kind] = {entry_id: _entry(catalog, kind, entry_id, by_paper) for entry_id in getattr(catalog, kind)}
    text = json.dumps(data, ensure_ascii=False, indent=1, default=_as_text)
    return re.sub(rf'"{AS_WRITTEN}(-?\d+(?:\.\d+)?)"', r"\1", text) + "\n"


def _entry(catalog: Catalog, kind: str, entry_id: str, claims: dict[str, list[Claim]]) -> dict[str, Any]:
    data = plain(getattr(catalog, kind)[entry_id]) | {"page": catalog.manifest.site + entry_address(catalog, kind, entry_id)}
    for result, claim in zip(data.get("results", ()), claims[entry_id] if kind == "papers" else (), strict=True):
        result["level"] = claim.level.id
        if claim.level.reason:
            result["reason"] = claim.level.reason
        data["carried"] = claim.carried
    return data


def plain(model: BaseModel) -> dict[str, Any]:
    """A model as it is written in YAML: what isn't stated is left out, numbers keep their digits."""
    return _marked(model.model_dump(by_alias=True, exclude_none=True))


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _marked(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_marked(one) for one in value]
    return f"{AS_WRITTEN}{value.text}" if isinstance(value, Number) else value


def _as_text(value: Any) -> str:
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in the catalog")
