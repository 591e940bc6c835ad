"""A result as it is typed: ``dataset=cub-200-2011,value=91.7,backbone=vit-b-16,source="Table 3"``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tools.adding.record import Refusal
from tools.manifest import Leaderboard, Manifest
from tools.number import Number, digits
from tools.problems import nearest
from tools.rules.duplicates import PROTOCOL_KEY
from tools.rules.results import STRENGTH
from tools.schema import Protocol

PAIR = re.compile(r",(?=\s*[a-z_]+=)")
NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
WHOLE = {"input_size", "images", "epochs", "batch", "devices"}
NUMBERS = {"value", "sd"}
VOCABULARIES = {"metric": "metrics", "backbone": "backbones", "pretraining": "pretraining", "extra": "extras"} | {
    "test_time": "test_time"
}
LISTS = {"extra", "test_time", "runs"}
FIELDS = [*Protocol.model_fields, "note", "source", "url"]
EXAMPLE = 'dataset=cub-200-2011,value=91.7,backbone=vit-b-16,source="Table 3"'


def read_result(text: str, manifest: Manifest) -> dict[str, Any]:
    """One result as the catalog holds it. The metric is the leaderboard's unless it is said. Raises Refusal."""
    given = _pairs(text)
    for name in ("dataset", "value", "source"):
        if name not in given:
            what = {"source": "where the value was read, such as source=abstract or source=Table 3"}.get(name, f"{name}=…")
            raise Refusal(f'"{text}" lacks {what}; expected such as {EXAMPLE}')
    if given["source"].partition(":")[0].strip() == "seed-list":
        raise Refusal("source=seed-list is for the list that the catalog started from; say where you read the value")
    read = {name: _value(name, value, text) for name, value in given.items() if name not in ("source", "url")}
    read.setdefault("metric", _metric(given["dataset"], manifest.leaderboards))
    _refuse_unknown_words(read, manifest)
    result = {name: read[name] for name in [*Protocol.model_fields, "note"] if name in read}
    return result | {"sources": [_source(given, read["value"])]}


def _refuse_unknown_words(read: Mapping[str, Any], manifest: Manifest) -> None:
    for name, vocabulary in VOCABULARIES.items():
        known = getattr(manifest, vocabulary)
        for word in [read[name]] if isinstance(read.get(name), str) else read.get(name, ()):
            if word not in known:
                raise Refusal(f'no "{word}" among the {vocabulary} of catalog.yaml{nearest(word, known)}')


def _pairs(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for pair in PAIR.split(text):
        name, equals, value = (part.strip() for part in pair.partition("="))
        value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
        if not equals or not value:
            raise Refusal(f'found "{pair.strip()}" in "{text}", expected name=value, such as {EXAMPLE}')
        if name not in FIELDS:
            raise Refusal(f'a result has no "{name}"{nearest(name, FIELDS)}; it may have {", ".join(FIELDS)}')
        if name in given:
            raise Refusal(f'"{text}" gives {name} twice')
        given[name] = value
    return given


def _value(name: str, value: str, text: str) -> Any:
    if name in WHOLE:
        if not re.fullmatch("[1-9][0-9]*", value):
            raise Refusal(f'found {name}={value} in "{text}", expected a whole number')
        return int(value)
    if name in NUMBERS:
        return _number(name, value, text)
    if name not in LISTS:
        return value
    items = [] if value == "none" else [item.strip() for item in value.split("+")]
    return [_number(name, item, text) for item in items] if name == "runs" else items


def _number(name: str, value: str, text: str) -> Number:
    value = value.removesuffix("%").strip()
    if not NUMBER.fullmatch(value):
        raise Refusal(f'found {name}={value} in "{text}", expected a number with the digits it was read with, such as 91.7')
    return Number.of(float(value), value)


def _metric(dataset: str, leaderboards: Iterable[Leaderboard]) -> str:
    metric = next((board.metric for board in leaderboards if board.dataset == dataset), None)
    if metric is None:
        known = [board.dataset for board in leaderboards]
        raise Refusal(
            f'no leaderboard for "{dataset}"{nearest(dataset, known)}; on any other dataset say the metric, too: metric=top-1'
        )
    return metric


def _source(given: Mapping[str, str], value: Number) -> dict[str, Any]:
    """``abstract``, ``authors: README.md`` or, without the word of who says it, a place in the paper: ``Table 3``."""
    who, _, rest = (part.strip() for part in given["source"].partition(":"))
    known = who in STRENGTH
    source = {"from": who if known else "paper", "locator": rest if known else given["source"], "url": given.get("url")}
    return {name: said for name, said in source.items() if said} | {"value": value}


def join(results: list[dict[str, Any]], new: dict[str, Any]) -> bool:
    """Adds a result to an entry's; where the claim is there already, its source. Returns whether that changed anything.

    A claim is there where all that the new one says is said there. Raises Refusal where it has another value there.
    """
    claim = {name: new[name] for name in PROTOCOL_KEY if name in new}
    like = [result for result in results if all(result.get(name) == value for name, value in claim.items())]
    if not like:
        results.append(new)
        return True
    (source,) = new["sources"]
    held = next((result for result in like if digits(result["value"]) == digits(new["value"])), None)
    if held is None:
        raise Refusal(
            f"the entry has {digits(like[0]['value'])} on {new['dataset']} where --result says {digits(new['value'])};"
            ' if both were measured, say what tells them apart (variant="2×2 grid"); if one is wrong, correct the entry by hand'
        )
    if any(all(there.get(name) == source.get(name) for name in ("from", "locator", "url")) for there in held["sources"]):
        return False
    held["sources"].append(source)
    held["sources"].sort(key=lambda one: STRENGTH[one["from"]])
    return True
