"""Methods and baseline side by side: which runs are made, by whom, and what the tables say of them."""

from __future__ import annotations

import re

import pytest

from implementations import compare as command
from implementations.common import cli, comparison, records
from implementations.common.comparison import compare
from implementations.common.run import variant_of
from tests.run_records import keep, record

LABELS = [index % 4 for index in range(400)]
DATA = {"name": "synthetic-finches", "fingerprint": "0" * 32, "classes": 4, "train": 1, "validation": 1}


def run(paper: str, seed: int, right: int, **changes) -> records.Record:
    """A record whose first so many answers are right; another seed is wrong elsewhere."""
    guesses = [label if (index * 7 + 13 * seed) % 400 < right else (label + 1) % 4 for index, label in enumerate(LABELS)]
    recipe = {"epochs": 15, "input_size": 96} | changes.pop("recipe", {})
    one = record(LABELS, guesses, paper=paper, seed=seed, recipe=recipe, dataset=DATA | {"test": len(LABELS)})
    return one.model_copy(update=changes)


def runs(paper: str, *right: int, **changes) -> list[records.Record]:
    return [run(paper, seed, each, **changes) for seed, each in enumerate(right)]


@pytest.fixture
def few_are_enough(monkeypatch):
    for name, least in (("ENOUGH_SEEDS", 3), ("ENOUGH_BASELINE_SEEDS", 3), ("ENOUGH_IMAGES", 400)):
        monkeypatch.setattr(comparison, name, least)


@pytest.mark.usefixtures("few_are_enough")
def test_runs_of_one_budget_are_compared_the_baseline_first_and_ablations_with_their_method():
    (found,) = compare([*runs("pmg", 340, 342, 344), *runs("pmg", 320, 322, 324, variant="NoJigsaw"), *runs("baseline", 300, 302, 304, 306)])
    assert [(row.paper, row.label, len(row.runs)) for row in found.rows] == [("baseline", None, 4), ("pmg", None, 3), ("pmg", "NoJigsaw", 3)]
    baseline, method, ablation = found.rows
    assert (baseline.gain, baseline.adjusted) == (None, None)
    assert method.gain.value == pytest.approx((342 - 303) / 400)
    assert ablation.gain.value == pytest.approx(-20 / 400)
    assert ablation.adjusted is None
    assert method.claimed


@pytest.mark.parametrize("change", [{"recipe": {"epochs": 60}}, {"recipe": {"patch_stride": 6}}, {"profile": "paper"}])
def test_another_budget_is_another_comparison(change):
    found = compare([*runs("pmg", 340, 342, **change), *runs("baseline", 300, 302)])
    assert [len(comparison.rows) for comparison in found] == [1, 1]
    assert all(row.gain is None for comparison in found for row in comparison.rows)


def test_a_changed_recipe_stands_apart_from_the_method_and_epochs_alone_dont():
    (found,) = compare([*runs("pmg", 340, 342), *runs("pmg", 330, 331, changes=["lr=0.1"])])
    assert [row.label for row in found.rows] == [None, "lr=0.1"]
    assert run("pmg", 0, 1, changes=["epochs=60", "patch_stride=6"]).label is None


def test_runs_on_other_images_are_left_out():
    few = {"name": "synthetic-finches", "fingerprint": "1" * 32, "classes": 4, "train": 1, "validation": 1, "test": 2}
    other = record([0, 1], [0, 1], paper="pmg", recipe={"epochs": 15, "input_size": 96}, dataset=few)
    (found,) = compare([*runs("baseline", 300, 302), other])
    assert [row.paper for row in found.rows] == ["baseline"]


@pytest.mark.parametrize(("seeds", "of_baseline", "images", "judged"), [(3, 10, 3840, True), (2, 10, 3840, False), (3, 9, 3840, False), (3, 10, 960, False)])
def test_nothing_is_claimed_of_fewer_seeds_or_images_than_the_promise_was_made_for(seeds, of_baseline, images, judged):
    def wrong_on(share: int, seed: int) -> records.Record:
        labels = [index % 4 for index in range(images)]
        guesses = [(label + (index * 7 + seed) % share == 0) % 4 for index, label in enumerate(labels)]
        return record(labels, guesses, paper="pmg" if share > 9 else "baseline", seed=seed, recipe={"epochs": 15, "input_size": 96}, dataset=DATA | {"test": images})

    (found,) = compare([wrong_on(3, seed) for seed in range(of_baseline)] + [wrong_on(11, seed) for seed in range(seeds)])
    assert found.row("pmg").gain is not None
    assert (found.row("pmg").adjusted is not None) is judged


def test_the_images_that_most_runs_were_tested_on_are_compared():
    few = {"name": "synthetic-finches", "fingerprint": "1" * 32, "classes": 4, "train": 1, "validation": 1, "test": 800}
    larger = record(LABELS * 2, LABELS * 2, paper="baseline", seed=9, recipe={"epochs": 15, "input_size": 96}, dataset=few)
    (found,) = compare([*runs("baseline", 300, 302), *runs("pmg", 340, 342), larger])
    assert found.images == 400
    assert [len(row.runs) for row in found.rows] == [2, 2]


@pytest.mark.parametrize("change", [{"weights": "random initialisation", "sha256": None}, {"sha256": "b" * 64}])
def test_runs_from_other_weights_are_another_comparison(change):
    other = records.RunBackbone(**{"name": "finch_vit", "weights": "shipped", "sha256": "a" * 64} | change)
    found = compare([*runs("pmg", 340, 342, backbone=other), *runs("baseline", 300, 302)])
    assert [len(comparison.rows) for comparison in found] == [1, 1]


@pytest.mark.usefixtures("few_are_enough")
def test_p_values_are_adjusted_over_all_methods_of_all_backbones():
    vit = {"backbone": records.RunBackbone(name="finch_resnet", weights="shipped", sha256=None)}
    one = compare([*runs("pmg", 320, 324, 328), *runs("baseline", 300, 304, 308)])
    both = compare([*runs("pmg", 320, 324, 328), *runs("baseline", 300, 304, 308), *runs("api-net", 320, 324, 328, **vit), *runs("baseline", 300, 304, 308, **vit)])
    alone = one[0].row("pmg")
    assert alone.adjusted == pytest.approx(alone.gain.p)
    assert [comparison.methods[0].adjusted for comparison in both] == pytest.approx([2 * alone.gain.p] * 2)


@pytest.mark.usefixtures("few_are_enough")
def test_the_tables_say_gain_interval_and_time(tmp_path, capsys):
    keep(tmp_path, *runs("pmg", 340, 342, 344), *runs("baseline", 300, 302, 304))
    assert command.main(["--tables", "--records", str(tmp_path / "implementations" / "records")]) == 0
    said = capsys.readouterr().out
    assert "finch_vit: 15 epochs of 1 images, 400 test images" in said
    assert "85.5 (" in said
    assert "+10.0 (" in said
    assert "0.000*" in said
    assert "adjusted for the 1 methods compared (Holm)" in said
    assert "Accuracy and training time" in said


def test_nothing_recorded_is_said(tmp_path, capsys):
    assert command.main(["--tables", "--records", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no run is recorded\n"


def test_the_baseline_alone_has_its_place_in_time_and_no_table_of_gains(tmp_path, capsys):
    keep(tmp_path, *runs("baseline", 300, 302, 304))
    assert command.main(["--tables", "--records", str(tmp_path / "implementations" / "records")]) == 0
    said = capsys.readouterr().out
    assert "adjusted for all methods compared (Holm)" in said
    assert "gain (95%)" not in said
    assert re.search(r"^finch_vit  baseline  15 ", said, re.MULTILINE)


def test_every_method_is_run_on_its_backbones_and_the_baseline_under_each_of_their_budgets():
    jobs = command._jobs(command._papers(None), [0, 1, 2], 10)
    assert len(jobs) == len(set(jobs))
    assert [job[3] for job in jobs if job[:3] == ("baseline", "finch_vit", ("patch_stride=6",))] == list(range(10))
    assert [job[3] for job in jobs if job[:3] == ("transfg", "finch_vit", ())] == [0, 1, 2]
    assert {job[:3] for job in jobs if job[0] == "pmg"} == {("pmg", "finch_resnet", ())}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], {"api-net:NoPairs", "api-net:UniformGates", "api-net:AnyPairs", "pmg:NoJigsaw", "pmg:OneStep"}),
        (["OneStep", "NoPairs"], {"pmg:OneStep", "api-net:NoPairs"}),
    ],
)
def test_ablations_are_run_as_their_method_is(asked, found):
    papers = command._papers(["pmg", "api-net"])
    jobs = command._jobs(papers, [0, 1], 2)
    ablated = command._ablated(jobs, papers, asked)
    assert {of for of, *_ in ablated} == found
    assert [job[1:] for job in ablated if job[0] == "pmg:OneStep"] == [job[1:] for job in jobs if job[0] == "pmg"] == [("finch_resnet", (), 0), ("finch_resnet", (), 1)]


def test_an_unknown_ablation_is_refused_before_anything_is_run(capsys):
    assert command.main(["--papers", "pmg", "--ablations", "NoJigsaws"]) == 2
    assert "--ablations NoJigsaws: no ablation of baseline, pmg; there are NoJigsaw, OneStep" in capsys.readouterr().err


@pytest.mark.parametrize("parts", [1, 3, 8])
def test_shards_share_all_runs_and_none_is_made_twice(parts):
    jobs = command._jobs(command._papers(["pmg"]), [0, 1], 4)
    shards = [command._part(jobs, f"{part}/{parts}") for part in range(1, parts + 1)]
    assert sorted(job for shard in shards for job in shard) == sorted(jobs)


@pytest.mark.parametrize("shard", ["0/3", "4/3", "3", "a/b", "²/8"])
def test_a_shard_that_cant_be_meant_is_refused(shard, capsys):
    assert command.main(["--shard", shard]) == 2
    assert f"--shard {shard}: expected K/N" in capsys.readouterr().err


def test_an_unknown_paper_is_refused(capsys):
    assert command.main(["--papers", "pgm"]) == 2
    assert "no implementation of 'pgm'; there are aftrans, api-net" in capsys.readouterr().err


def test_runs_are_made_once_each_and_found_again_when_the_command_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FINCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "_jobs", lambda papers, seeds, baseline: [("baseline", "finch_resnet", ("epochs=1",), seed) for seed in (0, 1)])
    arguments = ["--papers", "baseline", "--test-images", "1", "--threads", "1", "--records", str(tmp_path / "records")]
    assert command.main([*arguments, "--shard", "1/2"]) == 0
    assert command.main(arguments) == 0
    said = capsys.readouterr().err
    assert said.count("recorded already: ") == 1
    assert len(list((tmp_path / "records").rglob("*.json"))) == 2


def test_an_ablation_is_run_by_its_file_and_class_which_the_command_line_takes(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(cli, "main", lambda method, arguments: asked.append((method, arguments)) or 0)
    assert command.main(["--papers", "pmg", "--seeds", "0", "--ablations", "NoJigsaw", "--records", str(tmp_path)]) == 0
    ((method, arguments),) = [one for one in asked if "--variant" in one[1]]
    assert variant_of(method, arguments[arguments.index("--variant") + 1]).__name__ == "NoJigsaw"
    assert len(asked) > 1
