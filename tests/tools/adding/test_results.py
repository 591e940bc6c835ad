"""A result as it is typed, and as it joins those of an entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.adding.record import Refusal
from tools.adding.results import join, read_result
from tools.catalog import load
from tools.manifest import Manifest
from tools.number import digits


@pytest.fixture
def manifest(tree: Path) -> Manifest:
    return load(tree)[0].manifest


def test_a_result_takes_the_leaderboards_metric_and_keeps_its_digits(manifest):
    result = read_result('dataset=feathers,value=91.70,backbone=nest-50,input_size=448,source="Table 3, row 2"', manifest)
    assert result == {
        "dataset": "feathers",
        "metric": "top-1",
        "value": 91.7,
        "backbone": "nest-50",
        "input_size": 448,
        "sources": [{"from": "paper", "locator": "Table 3, row 2", "value": 91.7}],
    }
    assert digits(result["value"]) == digits(result["sources"][0]["value"]) == "91.70"


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("abstract", {"from": "abstract"}),
        ("paper", {"from": "paper"}),
        ("authors: README.md,url=https://example.org/r", {"from": "authors", "locator": "README.md", "url": "https://example.org/r"}),
        ("Table 3: top row", {"from": "paper", "locator": "Table 3: top row"}),
    ],
)
def test_a_source_is_a_place_in_the_paper_unless_it_says_who_states_it(manifest, source, read):
    result = read_result(f"dataset=feathers,value=91,source={source}", manifest)
    assert result["sources"] == [read | {"value": 91}]


def test_lists_are_joined_by_plus_and_none_is_the_empty_one(manifest):
    result = read_result("dataset=feathers,value=91,extra=none,test_time=none,runs=90.5+91.5,source=Table 1", manifest)
    assert (result["extra"], result["test_time"], [digits(run) for run in result["runs"]]) == ([], [], ["90.5", "91.5"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dataset=feathers,source=Table 1", "lacks value=…"),
        ("value=91,source=Table 1", "lacks dataset=…"),
        ("dataset=feathers,value=91", "lacks where the value was read, such as source=abstract"),
        ("dataset=feathers,value=91,sorce=Table 1", 'a result has no "sorce"; did you mean "source"?'),
        ("dataset=feathers,value=91,value=92,source=x", "gives value twice"),
        ("dataset=feathers,value=about 91,source=x", "found value=about 91"),
        ("dataset=feathers,value=nan,source=x", "found value=nan"),
        ("dataset=feathers,value=91,epochs=9.5,source=x", "found epochs=9.5"),
        ("dataset=feather,value=91,source=x", 'no leaderboard for "feather"; did you mean "feathers"?'),
        ("dataset=feathers,value=91,backbone=nest50,source=x", 'no "nest50" among the backbones of catalog.yaml; did you mean "nest-50"?'),
        ("dataset=feathers,value=91,extra=boxes,source=x", 'no "boxes" among the extras'),
        ("dataset=feathers,value=٩١,source=x", "found value=٩١"),
        ("dataset=feathers,value=091,source=x", "found value=091"),
        ("dataset=feathers,value=91,source=seed-list", "say where you read the value"),
        ("feathers 91", 'found "feathers 91"'),
        ("dataset=,value=91,source=x", 'found "dataset="'),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_was_expected(manifest, text, says):
    with pytest.raises(Refusal) as refused:
        read_result(text, manifest)
    assert says in str(refused.value)


HELD = {"dataset": "feathers", "metric": "top-1", "value": 91.7, "backbone": "vit", "sources": [{"from": "seed-list", "value": 91.7}]}


def typed(**more: object) -> dict:
    return {"dataset": "feathers", "metric": "top-1", "value": 91.7, **more, "sources": [{"from": "paper", "locator": "Table 3", "value": 91.7}]}


def test_a_claim_that_is_there_gets_the_source_the_strongest_first():
    results = [dict(HELD, sources=list(HELD["sources"]))]
    assert join(results, typed())
    assert [source["from"] for source in results[0]["sources"]] == ["paper", "seed-list"]


def test_a_source_that_is_there_changes_nothing():
    results = [dict(HELD, sources=list(HELD["sources"]))]
    join(results, typed())
    assert not join(results, typed())
    assert len(results[0]["sources"]) == 2


def test_another_claim_is_a_result_of_its_own():
    results = [dict(HELD)]
    assert join(results, typed(backbone="resnet"))
    assert len(results) == 2


def test_another_value_for_a_claim_that_is_there_is_refused():
    with pytest.raises(Refusal, match=r"the entry has 91\.7 on feathers where --result says 90\.1"):
        join([dict(HELD)], typed() | {"value": 90.1})
