"""How far a claim can be trusted follows from its sources, and from runs of equal protocol."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tools.catalog import load
from tools.normalize import write
from tools.protocols import differences, facts
from tools.schema import Paper, Result
from tools.trust import Run, agrees, from_sources, level


def result(*sources: dict) -> Result:
    return Result.model_validate(
        {"dataset": "d", "metric": "top-1", "value": 86.58, "backbone": "vgg-19", "sources": list(sources)}
    )


@pytest.mark.parametrize(
    ("value", "stated", "same"),
    [
        (86.58, 86.5, True),  # cut off
        (86.58, 86.6, True),  # rounded
        (86.58, 87.0, False),
        (86.58, 86.57, False),
        (90.0, 89.9, False),
        (88.25, 88.2, True),
        (88.25, 88.3, True),
        (91.7, 91.7, True),
    ],
)
def test_values_agree_at_the_coarser_ones_digits(value, stated, same):
    assert agrees(value, stated) is same
    assert agrees(stated, value) is same


@pytest.mark.parametrize(("source", "expected"), [
    ("paper", "sourced"), ("abstract", "sourced"), ("authors", "sourced"), ("third-party", "listed"), ("seed-list", "listed"),
])  # fmt: skip
def test_one_first_hand_source_makes_a_claim_sourced(source, expected):
    assert from_sources(result({"from": "seed-list", "value": 86.5}, {"from": source, "value": 86.58})) == expected


def test_a_first_hand_source_of_another_value_supports_nothing():
    assert from_sources(result({"from": "paper", "value": 85.0}, {"from": "seed-list", "value": 86.5})) == "listed"


def test_a_first_hand_source_of_another_protocol_supports_nothing():
    assert from_sources(result({"from": "paper", "value": 86.58, "said": {"backbone": "vgg-16"}})) == "listed"


# ------------------------------------------------------------------------------------------------- runs of equal protocol

PROTOCOL = {"backbone": "nest-50", "pretraining": "imagenet-1k", "input_size": 448, "split": "test", "extra": [], "test_time": []}


def judged(tree: Path, *runs: dict, ours: tuple[float, ...] = (), claim: dict | None = None) -> str:
    """The level of Kestrel's 91.7 beside these reproductions and runs of ours; one of another backbone was repeated: 90.9, 91.1."""
    path = tree / "catalog" / "papers" / "kestrel.yaml"
    entry = yaml.safe_load(path.read_text(encoding="utf-8"))
    plain = {"dataset": "feathers", "metric": "top-1", "by": "a user", "url": "https://code.example/kestrel/issues/2"}
    entry["results"][0] |= PROTOCOL | (claim or {})
    entry["reproductions"] = [{key: value for key, value in (plain | PROTOCOL | run).items() if value is not None} for run in runs] + [plain | {"backbone": "nest-101", "value": 91.0, "runs": [90.9, 91.1]}]
    path.write_text(write(entry, Paper), encoding="utf-8")
    manifest = tree / "catalog.yaml"
    boxes = "extras: {boxes: {name: boxes, definition: The box is given.}}"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("extras: {}", boxes), encoding="utf-8")
    catalog, problems = load(tree)
    assert catalog, problems
    paper = catalog.papers["kestrel"]
    found = level(catalog, paper, paper.results[0], [Run(value, facts(paper.results[0])) for value in ours])
    return found.id


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([{"value": 91.2}], "reproduced-by-others"),  # 91.2 ± 12.7 × sqrt(0.02 × 2) = 88.7 to 93.7, by the repeated runs' spread
        ([{"value": 85.0}], "contested"),
        ([{"value": 96.0}], "contested"),
        ([{"value": 91.0, "runs": [90.9, 91.0, 91.1]}], "contested"),  # 91 ± 4.3 × 0.1 × sqrt(4 / 3) = 90.5 to 91.5, by their own
        ([{"value": 91.0, "runs": [90.5, 91.0, 91.5]}], "reproduced-by-others"),
        ([{"value": 91.2, "by_authors": True}], "sourced"),
        ([{"value": 85.0, "flaw": "The backbone was left out."}], "sourced"),
        ([{"value": 91.2, "input_size": 224}], "sourced"),
        ([{"value": 91.2, "extra": ["boxes"]}], "sourced"),
        ([{"value": 91.2, "test_time": None}], "sourced"),
        ([{"value": 91.2}, {"value": 85.0, "input_size": 224}], "reproduced-by-others"),
        ([], "sourced"),
    ],
)
def test_others_runs_of_equal_protocol_decide_and_no_other(tree, runs, expected):
    assert judged(tree, *runs) == expected


def test_a_protocol_that_the_claim_doesnt_state_is_never_equal(tree):
    assert judged(tree, {"value": 91.2}, claim={"split": "test"}) == "reproduced-by-others"
    path = tree / "catalog" / "papers" / "kestrel.yaml"
    entry = yaml.safe_load(path.read_text(encoding="utf-8"))
    del entry["results"][0]["pretraining"]
    path.write_text(write(entry, Paper), encoding="utf-8")
    catalog, _ = load(tree)
    paper = catalog.papers["kestrel"]
    assert level(catalog, paper, paper.results[0]).id == "sourced"


@pytest.mark.parametrize(("ours", "expected"), [((91.6,), "reproduced"), ((80.0,), "contested"), ((91.5, 91.6, 91.9), "reproduced"), ((90.0, 90.1, 90.2), "contested")])
def test_our_own_runs_of_equal_protocol_weigh_more_than_others(tree, ours, expected):
    assert judged(tree, {"value": 91.2}, ours=ours) == expected


def test_runs_that_miss_the_claim_contest_it_whatever_other_runs_say(tree):
    assert judged(tree, {"value": 85.0}, ours=(91.7,)) == "contested"


def test_without_any_repeated_run_nothing_is_decided(tree):
    path = tree / "catalog" / "papers" / "kestrel.yaml"
    entry = yaml.safe_load(path.read_text(encoding="utf-8"))
    entry["results"][0] |= PROTOCOL
    entry["reproductions"] = [{"dataset": "feathers", "metric": "top-1", "by": "a user", "url": "https://code.example/kestrel/issues/2", "value": 85.0} | PROTOCOL]
    path.write_text(write(entry, Paper), encoding="utf-8")
    catalog, problems = load(tree)
    assert not problems, problems
    paper = catalog.papers["kestrel"]
    assert level(catalog, paper, paper.results[0]).id == "sourced"


def test_a_difference_is_named_with_both_sides_and_the_unknown_as_such():
    one = {"dataset": "d", "split": "test", "metric": "top-1", "backbone": "a", "pretraining": None, "input_size": 448, "extra": [], "test_time": ["flip"]}
    other = one | {"backbone": "b", "pretraining": "p", "test_time": []}
    assert [str(difference) for difference in differences(one, other)] == ["backbone: a / b", "pretraining: not stated / p", "test time: flip / none"]
