"""Run records: whole, readable, and comparable by image."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from implementations.common import records
from implementations.common.statistics import paired, wilson
from tests.run_records import pointed, record


def test_predictions_come_back_as_they_were_and_stay_short():
    classes = [index * 7919 % 200 for index in range(3840)]
    assert records.decode(records.encode(classes)) == classes
    assert len(records.encode(classes)) < 8000


def test_a_record_with_another_number_of_predictions_than_images_is_refused():
    with pytest.raises(ValidationError, match="2 predictions and 2 labels for 3 test images"):
        record([0, 1], [0, 1], dataset={"name": "x", "fingerprint": "0" * 32, "classes": 2, "train": 1, "validation": 1, "test": 3})


def with_pointing(**changes) -> records.Record:
    """A record of ten images."""
    known = pointed({records.EVIDENCE: [True] * 3 + [False] * 7}, [False] * 9 + [True])
    return record([0] * 10, [0] * 10, outcome=known | changes)


def test_hits_come_back_as_they_were_and_stay_short():
    hits = [index * 7919 % 11 == 0 for index in range(3841)]
    assert records.decode_hits(records.encode_hits(hits), 3841) == hits
    assert len(records.encode_hits(hits)) < 700
    assert with_pointing().outcome.pointing[records.EVIDENCE].share == 0.3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"blind": None}, "known together, or neither is"),
        ({"pointing": {"other": {"share": 0.5, "hits": records.encode_hits([True] * 10)}}}, "no hits are kept of 'evidence'"),
        ({"pointing": {"evidence": {"share": 0.5, "hits": None}}}, "no hits are kept of 'evidence'"),
        ({"blind": {records.FIXED_POINT_PER_FAMILY: {"share": 0.5, "hits": None}}}, f"no hits are kept of '{records.FIXED_POINT_PER_FAMILY}'"),
        ({"pointing": {"evidence": {"share": 0.5, "hits": records.encode_hits([True] * 17)}}}, "where there are 10 test images"),
        ({"pointing": {"evidence": {"share": 0.5, "hits": records.encode_hits([True] * 8)}}}, "where there are 10 test images"),
    ],
)
def test_pointing_without_the_hits_that_it_follows_from_is_refused(change, said):
    with pytest.raises(ValidationError, match=said):
        with_pointing(**change)


def test_a_picture_elsewhere_is_refused():
    with pytest.raises(ValidationError, match="the picture stands beside its record"):
        record([0], [0], picture="../../secret.png")


@pytest.mark.parametrize("content", ["", "[]", '{"format": 3}', json.dumps({"format": 2})])
def test_a_file_that_is_no_record_is_named_with_the_first_thing_that_is_wrong(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(records.Broken, match=r"broken.json: not a run record: "):
        records.read(path)


def test_all_of_a_folder_are_read_in_order_and_a_missing_folder_has_none(tmp_path):
    for seed in (2, 1):
        one = record([0], [0], seed=seed)
        (tmp_path / records.file_name(one)).write_text(one.model_dump_json(), encoding="utf-8")
    assert [one.seed for _, one in records.read_all(tmp_path)] == [1, 2]
    assert records.read_all(tmp_path / "none") == []


def test_a_file_is_named_after_what_makes_it_another_run():
    assert records.file_name(record([0], [0])) == "synthetic-finches-demo-finch_vit-seed0.json"
    assert records.file_name(record([0], [0], variant="NoJigsaw")) == "synthetic-finches-demo-finch_vit-NoJigsaw-seed0.json"


def test_the_first_images_of_each_species_are_found_among_more_of_them():
    more = record([0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 1, 0])
    assert records.on_images_of(more, record([0, 0, 1, 1], [0, 0, 0, 0])) == [0, 1, 1, 1]
    assert records.on_images_of(record([0, 1], [0, 1]), more) is None


def test_records_of_other_images_are_not_compared():
    other = {"name": "cub", "fingerprint": "1" * 32, "classes": 2, "train": 1, "validation": 1, "test": 2}
    mine = record([0, 1], [0, 1], dataset=other)
    assert records.on_images_of(mine, record([0, 1], [0, 1])) is None
    assert records.on_images_of(mine, record([0, 1], [0, 0], dataset=other)) == [0, 1]
    assert records.on_images_of(mine, record([0, 1], [0, 0], dataset=other | {"fingerprint": "2" * 32})) is None


@pytest.mark.parametrize(("content", "said"), [('{"change": "lr"}\n', "variant: Field required"), ("no JSON\n", "Invalid JSON")])
def test_a_broken_log_of_trials_is_named(tmp_path, content, said):
    (tmp_path / "trials.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(records.Broken, match=f"trials.jsonl: not a log of trials: {said}.*; remove a log of an older form"):
        records.trials_of(tmp_path)


@pytest.mark.parametrize("missing", ["test_time", "trials", "recipe"])
def test_what_a_protocol_and_its_trials_need_is_in_every_record(missing):
    content = record([0], [0]).model_dump()
    del content[missing]
    with pytest.raises(ValidationError, match=f"{missing}\n  Field required"):
        records.Record.model_validate(content)


@pytest.mark.parametrize(("right", "count", "expected"), [(0, 10, (0.0, 0.2775)), (5, 10, (0.2366, 0.7634)), (10, 10, (0.7225, 1.0)), (810, 1000, (0.7845, 0.8331))])
def test_wilsons_interval(right, count, expected):
    assert wilson(right, count) == pytest.approx(expected, abs=5e-5)


def test_a_difference_is_paired_by_image():
    mean, low, high = paired([True, True, True, False], [True, False, False, False])
    assert mean == 0.5
    assert high - mean == pytest.approx(1.959964 * (1 / 3) ** 0.5 / 2)  # differences 0 1 1 0 have the variance 1/3
    assert mean - low == pytest.approx(high - mean)
    with pytest.raises(ValueError, match="2 answers can't be paired with 1"):
        paired([True, False], [True])


@pytest.mark.parametrize("change", [lambda d: d["outcome"].update(predictions="bm90IHpsaWI="), lambda d: d["dataset"].update(test=0)], ids=["no zlib", "no images"])
def test_a_record_whose_predictions_cant_be_read_is_named(tmp_path, change):
    content = record([0], [0]).model_dump(mode="json")
    change(content)
    (tmp_path / "broken.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(records.Broken, match=r"broken.json: not a run record: "):
        records.read(tmp_path / "broken.json")
