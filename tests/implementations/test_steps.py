"""What a step costs beside the baseline's: kept with what it was measured on, and shown of nothing else."""

from __future__ import annotations

import pytest

from implementations.common import steps
from implementations.common.records import Broken, Record
from implementations.common.steps import Measured
from tests import run_records
from tests.run_records import record

RECIPE = {"epochs": 15, "lr": 0.01, "output_stride": None, "patch_stride": None}


def run(**changes) -> Record:
    return record([0], [0], **{"paper": "pmg", "recipe": RECIPE | changes.pop("recipe", {})} | changes)


def measured(paper: str = "pmg", step: float = 2.0, *, recipe: dict | None = None, **changes) -> Measured:
    return run_records.measured(run(paper=paper, recipe=recipe or {}), step, **changes)


def test_a_ratio_holds_for_runs_of_any_length_of_the_method_that_was_measured():
    one = measured()
    assert steps.of(run(), [measured("dcal"), one]) == one
    assert steps.of(run(recipe={"epochs": 60}), [one]) == one


@pytest.mark.parametrize("other", [{"recipe": {"lr": 0.02}}, {"recipe": {"hidden": 64}}, {"parameters": 2}, {"flops": 2}])
def test_of_a_method_that_has_changed_since_a_ratio_is_out_of_date(other):
    assert steps.of(run(), [measured(**other)]) == "out of date"


@pytest.mark.parametrize("other", [{"paper": "dcal"}, {"backbone": "finch_resnet"}, {"recipe": {"patch_stride": 6}}])
def test_what_was_measured_of_another_method_backbone_or_stride_is_not_shown(other):
    assert steps.of(run(), [measured(**other)]) == "not measured"


def test_what_is_measured_again_takes_the_place_of_what_was_known_and_the_rest_stays(tmp_path):
    path = tmp_path / "steps.json"
    assert steps.read(path) == []
    strided = measured("pmg", 3.0, recipe={"patch_stride": 6})
    steps.keep(path, [measured("pmg", 2.0), measured("dcal"), strided])
    steps.keep(path, [measured("pmg", 4.0, recipe={"lr": 0.5})])
    assert steps.read(path) == [measured("dcal"), strided, measured("pmg", 4.0, recipe={"lr": 0.5})]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2 + 3


def test_a_file_that_is_no_list_of_steps_is_named(tmp_path):
    path = tmp_path / "steps.json"
    path.write_text('[{"paper": "pmg"}]', encoding="utf-8")
    with pytest.raises(Broken, match=r"steps.json: no list of measured steps; python -m benchmarks.steps --write makes it"):
        steps.read(path)
