"""Ranks, strips and badges: what a number is shown beside, so that it says no more than it can."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from tools.catalog import load
from tools.pages import files
from tools.pages.records import Runs
from tools.pages.strips import strip
from tools.ranks import ranks, told_apart
from tools.schema import Reproduction, Result

KNOWN = {"backbone": "nest-50", "pretraining": "imagenet-1k", "input_size": 448, "split": "test", "extra": []}


def result(value: float, **changes) -> Result:
    fields = {"dataset": "feathers", "metric": "top-1", "value": value, "sources": [{"from": "paper", "value": value}]} | KNOWN | changes
    return Result.model_validate({name: field for name, field in fields.items() if field is not None})


@pytest.fixture
def ranges(tree):
    catalog, _ = load(tree)

    def of(*results: Result) -> list[tuple[int, int, int] | None]:
        return [place and (place.first, place.last, place.of) for place in ranks(catalog, results, "test")]

    return of


def test_rows_that_the_test_set_cant_tell_apart_share_their_places(ranges, tree):
    images = load(tree)[0].datasets["feathers"].splits["test"]
    assert images == 2000
    # Two accuracies near 90% on 2,000 images differ by chance up to 1.9 points.
    assert ranges(result(90.0), result(90.5), result(95.0)) == [(2, 3, 3), (2, 3, 3), (1, 1, 3)]
    assert ranges(result(88.0), result(90.0), result(89.0)) == [(2, 3, 3), (1, 2, 3), (1, 3, 3)]


@pytest.mark.parametrize("change", [{"backbone": None}, {"pretraining": None}, {"input_size": None}, {"extra": None}, {"split": None}])
def test_a_row_whose_protocol_isnt_stated_has_no_rank_and_pushes_nobody(ranges, change):
    assert ranges(result(99.0, **change), result(90.0)) == [None, (1, 1, 1)]


@pytest.mark.parametrize("change", [{"input_size": 224}, {"extra": ["boxes"]}])
def test_a_rank_is_given_within_one_class_of_protocols(ranges, change):
    assert ranges(result(99.0, **change), result(90.0)) == [(1, 1, 1), (1, 1, 1)]


def test_backbones_of_one_family_are_one_class(ranges):
    assert ranges(result(99.0, backbone="nest-101"), result(90.0)) == [(1, 1, 2), (2, 2, 2)]


def test_a_stated_spread_of_seeds_widens_what_cant_be_told_apart():
    assert told_apart(result(90.0), result(92.0), 5000)
    assert not told_apart(result(90.0, sd=1.5), result(92.0), 5000)
    assert told_apart(result(90.0, sd=1.5, runs=[90.0] * 100), result(92.0), 5000)
    assert not told_apart(result(90.0, runs=[88.5, 91.5]), result(92.0), 5000)


def test_ranks_of_many_rows_are_those_of_comparing_each_with_each(ranges):
    values = [80 + 0.7 * (index * 7919 % 29) for index in range(29)]
    rows = [result(round(value, 1), sd=4.0 if index % 5 == 0 else None) for index, value in enumerate(values)]
    found = ranges(*rows)
    for row, (first, last, _) in zip(rows, found, strict=True):
        better = sum(other.value > row.value and told_apart(row, other, 2000) for other in rows)
        worse = sum(other.value < row.value and told_apart(row, other, 2000) for other in rows)
        assert (first, last) == (better + 1, len(rows) - worse)


# ------------------------------------------------------------------------------------------------------------------- strips


def run(value: float, **changes) -> Reproduction:
    plain = {"dataset": "feathers", "metric": "top-1", "value": value, "by": "a user", "url": "https://code.example/1"}
    return Reproduction.model_validate(plain | changes)


def test_a_claim_stands_on_a_line_with_what_others_got(tree):
    paper = load(tree)[0].papers["kestrel"]
    claim = result(91.7, test_time=[])
    equal = KNOWN | {"test_time": []}
    runs = [run(90.0, **equal), run(93.4), run(80.0, flaw="broken"), run(70.0, backbone="nest-101"), run(91.0, runs=[90.5, 91.5], backbone="nest-50")]
    found = strip(paper.model_copy(update={"reproductions": runs}), claim)
    assert found["label"] == "Others got 90.0, 93.4, 90.5, 91.5; the claim is 91.7"
    assert [dot["equal"] for dot in found["dots"]] == [True, False, False, False]
    xs = [dot["x"] for dot in found["dots"]]
    assert xs[0] == min(xs) == 8
    assert xs[1] == max(xs) == 124
    assert found["claim"] == 66


def test_without_runs_by_others_there_is_no_line(tree):
    assert strip(load(tree)[0].papers["kestrel"].model_copy(update={"reproductions": None}), result(91.7)) is None


# ------------------------------------------------------------------------------------------------------------------- badges


def test_every_paper_with_results_has_a_badge_as_a_picture_and_for_badge_services(tree):
    catalog, _ = load(tree)
    found = files(catalog, Runs())
    assert set(found) == {"badges/kestrel.svg", "badges/kestrel.json"}
    data = json.loads(found["badges/kestrel.json"])
    assert data == {"schemaVersion": 1, "label": "Aviary", "message": "results 1 sourced, 1 listed", "color": "1f6b3f"}
    picture = ET.fromstring(found["badges/kestrel.svg"])
    assert picture.get("aria-label") == "Aviary: results 1 sourced, 1 listed"


def test_an_implemented_papers_badge_answers_both_questions(tree):
    (tree / "implementations").mkdir()
    (tree / "implementations" / "kestrel.py").touch()
    entry = tree / "catalog" / "papers" / "kestrel.yaml"
    claim = "implementation:\n  file: implementations/kestrel.py\n  claim: {dataset: feathers, metric: top-1, value: 91.7}\ncorrections:"
    entry.write_text(entry.read_text(encoding="utf-8").replace("corrections:", claim), encoding="utf-8")
    catalog, problems = load(tree)
    assert not problems
    assert json.loads(files(catalog, Runs())["badges/kestrel.json"])["message"] == "91.7 on Feathers: sourced | code: none"


def test_a_title_with_markup_is_escaped_in_the_badge(tree):
    manifest = tree / "catalog.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("name: Aviary", 'name: "A<b>&\\"c"'), encoding="utf-8")
    catalog, _ = load(tree)
    assert ET.fromstring(files(catalog, Runs())["badges/kestrel.svg"]).get("aria-label").startswith('A<b>&"c: ')
