"""Holds records against the code as it is: does it still compute what it computed when they were made? Imports torch."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from implementations.common import finches, fingerprint, harness, weights
from implementations.common.files import write_atomically
from implementations.common.machine import cores
from implementations.common.recipes import flat
from implementations.common.records import Broken, Record
from implementations.common.run import ROOT, method_of, recipe_for, variant_of
from tools.problems import nearest
from tools.verdicts import PROFILE, STALE, TEST_PASS, Finding

PROFILES = Path("implementations") / "profiles"
"""Where each implementation's paper profile is kept, from the repository's root."""
CONFIRM = "python -m tools.check_results --confirm"
SHOWN = 3
"""So many places of a fingerprint are named; the rest is counted."""


def undeclared(paper: str, claim: dict[str, Any]) -> str | None:
    """How an implementation's claim differs from the one of its catalog entry; None: not at all."""
    declared = method_of(paper).claim
    own = {name: value for name, value in asdict(declared).items() if value is not None} if declared else {}
    parts = [
        f"{name}: {own.get(name, 'nothing')} in the file, {claim.get(name, 'nothing')} in the catalog"
        for name in {**own, **claim}
        if own.get(name) != claim.get(name)
    ]
    return "; ".join(parts) or None


def declared(paper: str, root: Path, tricks: Iterable[str]) -> list[Finding]:
    """What is wrong with what an implementation declares: its paper's recipe isn't the one confirmed, its test pass has no name.

    `tricks` are the words that the catalog has for test passes.
    """
    method = method_of(paper)
    findings = [
        Finding(TEST_PASS, f"{word!r} is no test-time trick of catalog.yaml{nearest(word, tricks)}")
        for word in method.test_time
        if word not in tricks
    ]
    kept = profile_kept(paper, root)
    changes = profile_changes(kept, profile_of(paper)) if kept else ["it isn't kept yet"]
    return findings + [Finding(PROFILE, f"{change}; {CONFIRM} {paper}") for change in changes]


def profile_of(paper: str) -> dict[str, Any]:
    """The recipe of an implementation's paper profile, as plain JSON data."""
    recipe = recipe_for(method_of(paper), profile="paper", backbone=None, changes=[], folder=True)
    return json.loads(json.dumps(recipe.as_data()))


def profile_kept(paper: str, root: Path) -> dict[str, Any] | None:
    """The recipe that was confirmed; None where there is none. Raises Broken."""
    path = root / PROFILES / f"{paper}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Broken(f"{path}: not a recipe: {error}; remove it, and {CONFIRM} {paper} keeps the present one") from error


def profile_changes(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two recipes, a sentence each, with both values."""
    old, new = flat(then), flat(now)
    return [
        f"{name}: {_value(old, name)} was confirmed, {_value(new, name)} now"
        for name in {**old, **new}
        if name not in old or name not in new or old[name] != new[name]
    ]


def _value(recipe: dict[str, Any], name: str) -> str:
    return repr(recipe[name]) if name in recipe else "nothing"


def unconfirmed(paper: str, root: Path) -> list[str]:
    """What is different of an implementation's present paper profile from the one that is kept, if any."""
    return profile_changes(profile_kept(paper, root) or {}, profile_of(paper))


def confirm(paper: str, root: Path) -> None:
    """Keeps an implementation's present paper profile, a line a setting."""
    lines = (f" {json.dumps(name)}: {json.dumps(value)}" for name, value in profile_of(paper).items())
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    write_atomically(root / PROFILES / f"{paper}.json", lambda file: file.write(text.encode()))


def harness_changed(root: Path) -> list[Finding]:
    """What the harness does otherwise than when the records were made, whatever the method."""
    then = harness.kept(_harness_file(root))
    if then is None:
        return [Finding(STALE, f"{harness.FILE.name} isn't there: what the harness did when the records were made isn't known")]
    places = _named("harness", fingerprint.differences(then, harness.compute()))
    return [Finding(STALE, "; ".join(places))] if places else []


def keep_harness(root: Path) -> None:
    """Writes down what the harness does now, after all records were made anew with it."""
    harness.keep(_harness_file(root), harness.compute())


def _harness_file(root: Path) -> Path:
    return root / harness.FILE.relative_to(ROOT)


def stale(records: Sequence[Record], root: Path) -> list[tuple[list[Finding], str | None]]:
    """Of each record what of it is no more, and why it couldn't be held against the code; those of one kind are computed once."""
    kinds = {_kind(record): record for record in records}
    with ProcessPoolExecutor(
        max(1, min(len(kinds), cores())),
        mp_context=multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn"),
        initializer=torch.set_num_threads,
        initargs=(1,),
    ) as workers:
        now = dict(zip(kinds, workers.map(_now, kinds.values(), [root] * len(kinds)), strict=True))
    return [_compared(record, now[_kind(record)]) for record in records]


def _kind(record: Record) -> str:
    """What the present code's recipe and fingerprint depend on."""
    folder = record.dataset.name != "synthetic-finches"
    parts = [record.paper, record.variant, record.variant_file, record.profile, record.backbone.name, record.changes, folder]
    return json.dumps([*parts, _drawn(record)])


def _drawn(record: Record) -> fingerprint.Moments | None:
    return record.fingerprint["exact"]["drawn"] if record.fingerprint else None


@dataclass(frozen=True)
class Now:
    """What the present code says of such a run: its claim, test pass, recipe and fingerprint, or why there are none."""

    claim: dict[str, Any] | None = None
    test_time: list[str] | None = None
    recipe: dict[str, Any] | None = None
    fingerprint: dict[str, Any] | None = None
    gone: str | None = None
    unchecked: str | None = None


def _now(record: Record, root: Path) -> Now:
    try:
        method = method_of(record.paper)
        if record.variant:
            if record.variant_file is None:
                return Now(unchecked=f"its class {record.variant} isn't in this repository")
            method = variant_of(method, f"{root / record.variant_file}:{record.variant}")
        folder = record.dataset.name != "synthetic-finches"
        recipe = recipe_for(method, profile=record.profile, backbone=record.backbone.name, changes=record.changes, folder=folder)
        claim = asdict(method.claim) if method.claim else None
        computed = fingerprint.of(method, recipe, _drawn(record))
        return Now(claim, list(method.test_time), json.loads(json.dumps(recipe.as_data())), json.loads(json.dumps(computed)))
    except Exception as error:  # noqa: BLE001 - whatever broken code raises, the other records are checked
        return Now(gone=f"the code can't do such a run any more: {type(error).__name__}: {error}")


def _compared(record: Record, now: Now) -> tuple[list[Finding], str | None]:
    if now.gone:
        return [Finding(STALE, now.gone)], None
    messages = [*_images(record), *_weights(record)]
    if now.unchecked:
        return [Finding(STALE, message) for message in messages], now.unchecked
    recipe, computed = now.recipe, now.fingerprint
    messages += [f"claim: {record.claim} then, {now.claim} now"] if record.claim != now.claim else []
    messages += [f"test_time: {record.test_time} then, {now.test_time} now"] if record.test_time != now.test_time else []
    messages += [
        f"recipe.{name}: {record.recipe.get(name)!r} then, {recipe.get(name)!r} now"
        for name in {**record.recipe, **recipe}
        if record.recipe.get(name) != recipe.get(name)
    ]
    if computed is None:
        return [Finding(STALE, message) for message in messages], "only the demo's backbones have a behaviour fingerprint"
    if record.fingerprint is None or record.fingerprint.get("format") != computed["format"]:
        messages.append("its fingerprint is missing, or of another format")
    else:
        messages += _named("fingerprint", fingerprint.differences(record.fingerprint, computed))
    return [Finding(STALE, message) for message in messages], None


def _named(of: str, differences: Iterable[fingerprint.Difference]) -> list[str]:
    # What is exact tells causes, what is computed their effects.
    found = [f"{of}.{one}" for one in sorted(differences, key=lambda one: not one.place.startswith("exact"))]
    rest = [f"{of}: {len(found) - SHOWN} further places differ"] if len(found) > SHOWN else []
    return found[:SHOWN] + rest


def _images(record: Record) -> list[str]:
    """Synthetic Finches of known numbers have known pixels."""
    if record.dataset.name != "synthetic-finches":
        return []
    known = finches.KNOWN.get((record.dataset.train, record.dataset.validation, record.dataset.test))
    if known in (None, record.dataset.fingerprint):
        return []
    return [f"dataset.fingerprint: {record.dataset.fingerprint} then, {known} now"]


def _weights(record: Record) -> list[str]:
    """Shipped weights are those that the record names."""
    path = weights.SHIPPED / f"{record.backbone.name}.json"
    if record.backbone.sha256 is None or not record.backbone.weights.startswith("shipped") or not path.is_file():
        return []
    now = json.loads(path.read_text(encoding="utf-8"))["sha256"]
    if now == record.backbone.sha256:
        return []
    return [f"backbone.sha256: {record.backbone.sha256[:16]}… then, {now[:16]}… now"]
