"""Methods and baseline side by side: which runs are made, by whom, and what the tables say of them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from implementations import compare as command
from implementations.common import cli, comparison, records, steps
from implementations.common.comparison import compare, equal_time
from implementations.common.run import variant_of
from implementations.common.steps import Ratio
from tests.run_records import keep, measured, pointed, record
from tests.run_records import of_400 as run

DATA = run("pmg", 0, 0).dataset.model_dump()


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
    assert method.claimed == "gain"


@pytest.mark.usefixtures("few_are_enough")
@pytest.mark.parametrize(("right", "claimed"), [((340, 342, 344), "gain"), ((260, 262, 264), "loss"), ((301, 303, 304), None)])
def test_a_loss_is_claimed_as_a_gain_is(right, claimed):
    (found,) = compare([*runs("pmg", *right), *runs("baseline", 300, 302, 304, 306)])
    assert found.row("pmg").claimed == claimed
    assert found.row("baseline").claimed is None


@pytest.mark.parametrize(("adjusted", "claimed"), [(0.0299, "gain"), (0.03, None)])
def test_a_claim_needs_a_lower_p_value_than_an_interval_leaves_out(adjusted, claimed):
    (found,) = compare([*runs("pmg", 340, 342, 344), *runs("baseline", 300, 302, 304, 306)])
    assert replace(found.row("pmg"), adjusted=adjusted).claimed == claimed


@pytest.mark.parametrize(("adjusted", "marked"), [(0.0299, True), (0.03, False)])
def test_a_map_is_marked_at_the_same_level(adjusted, marked):
    (found,) = compare([looking("pmg", seed, evidence=100) for seed in range(3)])
    assert replace(found.row("pmg").pointing["evidence"], adjusted=adjusted).marked is marked


def looking(paper: str, seed: int, **maps: int) -> records.Record:
    """A run of which each map points at the part on so many of 400 images, on others for another seed; the guess on the last 60."""
    hits = {name: [(index * 7 + 13 * seed) % 400 < count for index in range(400)] for name, count in maps.items()}
    return run(paper, seed, 300, outcome=pointed(hits, [index >= 340 for index in range(400)]))


def test_each_map_is_marked_where_it_points_better_than_the_guess_beyond_chance():
    few, more, same = {"evidence": 20}, {"evidence": 68}, {"evidence": 100, "input gradient": 60}
    (found,) = compare([looking(paper, seed, **maps) for paper, maps in (("baseline", same), ("pmg", few), ("api-net", more)) for seed in range(3)])
    assert found.blind == {"random point": 0.05, records.FIXED_POINT_PER_FAMILY: 0.15}
    told = {row.paper: {name: (one.share.value, one.marked) for name, one in row.pointing.items()} for row in found.rows}
    assert told == {
        "baseline": {"evidence": (pytest.approx(0.25), True), "input gradient": (pytest.approx(0.15), False)},
        "api-net": {"evidence": (pytest.approx(0.17), False)},  # above the guess's 15%, but not beyond chance
        "pmg": {"evidence": (pytest.approx(0.05), False)},
    }
    assert found.row("pmg").pointing["evidence"].above.value == pytest.approx(-0.1)


def test_of_several_guesses_a_map_is_to_point_better_than_the_best():
    """The map hits more often than one fixed point per family, but less than the image's centre."""
    outcome = pointed({"evidence": [index < 120 for index in range(400)]}, [index >= 380 for index in range(400)])
    centre = records.Pointing.of([index >= 240 for index in range(400)]).model_dump()
    for blind, marked in ((outcome["blind"], True), (outcome["blind"] | {"image centre": centre}, False)):
        one = run("pmg", 0, 300, outcome=outcome | {"blind": blind})
        (found,) = compare([one])
        assert found.row("pmg").pointing["evidence"].marked is comparison.marked(one, "evidence") is marked


def test_pointing_is_adjusted_over_all_maps_that_are_compared():
    runs_of = [looking("pmg", seed, evidence=84) for seed in range(3)]
    (alone,), (among,) = compare(runs_of), compare([*runs_of, *(looking(paper, seed, evidence=60) for paper in ("baseline", "api-net", "ffvt") for seed in range(3))])
    one, four = (found.row("pmg").pointing["evidence"] for found in (alone, among))
    assert one.adjusted == one.above.p
    assert four.adjusted == pytest.approx(4 * four.above.p)


def test_pointing_is_paired_by_image_with_the_guess():
    """A map that hits wherever the guess does, and on 12 images more, is better for sure; one that hits as often elsewhere isn't."""
    guess = [index >= 340 for index in range(400)]
    for hits, marked in (([index >= 328 for index in range(400)], True), ([index < 72 for index in range(400)], False)):
        one = run("pmg", 0, 300, outcome=pointed({"evidence": hits}, guess))
        (found,) = compare([one])
        assert found.row("pmg").pointing["evidence"].marked is marked
        assert comparison.marked(one, "evidence") is marked


def test_where_no_boxes_are_known_nothing_is_told_of_pointing():
    (found,) = compare(runs("baseline", 300, 302))
    assert (found.blind, found.rows[0].pointing) == ({}, {})


def trained(paper: str, *right: int, epochs: int = 15) -> list[records.Record]:
    return [run(paper, seed, each, recipe={"epochs": epochs}) for seed, each in enumerate(right)]


LENGTHS = [*trained("baseline", 300, 302, 304), *trained("baseline", 320, 322, 324, epochs=30), *trained("baseline", 340, 342, 344, epochs=60)]


@pytest.mark.parametrize(
    ("step", "epochs", "shorter"),
    [
        (1.0, 15, False),
        (1.95, 30, False),
        (1.04, 15, False),
        (1.06, 30, False),
        (0.5, 15, False),
        (3.0, 60, False),  # nearest is 30 or 60; not shorter
        (4.1, 60, False),
        (4.3, 60, True),
    ],
)
def test_where_longer_is_better_a_method_stands_beside_the_shortest_training_of_the_baseline_that_costs_no_less(step, epochs, shorter):
    known = [measured(run("pmg", 0, 0), step, unquiet="others' load is 2.0")]
    (found,) = equal_time(compare([*LENGTHS, *trained("pmg", 330, 332, 334)]), known)
    assert (found.cost, found.relative) == (pytest.approx(15 * step), pytest.approx(epochs / (15 * step)))
    assert (found.epochs, found.relative < 1 / comparison.EQUAL, found.unquiet) == (epochs, shorter, "others' load is 2.0")
    assert found.gain.value == pytest.approx((332 - {15: 302, 30: 322, 60: 342}[epochs]) / 400)
    if epochs == 15:
        assert found.gain == found.row.gain


def test_where_longer_is_worse_a_method_stands_beside_the_best_of_the_shorter_trainings():
    worse = [*trained("baseline", 300, 302, 304), *trained("baseline", 304, 306, 308, epochs=30), *trained("baseline", 280, 282, 284, epochs=60)]
    for step, epochs in ((1.0, 15), (1.95, 30), (3.0, 30), (8.0, 30)):
        (found,) = equal_time(compare([*worse, *trained("pmg", 330, 332, 334)]), [measured(run("pmg", 0, 0), step)])
        assert found.epochs == epochs


def test_an_epoch_of_fewer_images_costs_less():
    known = [measured(run("pmg", 0, 0), 2.1, images=14 / 15)]
    (found,) = equal_time(compare([*LENGTHS, *trained("pmg", 330, 332, 334)]), known)
    assert (found.cost, found.epochs) == (pytest.approx(29.4), 30)


def test_a_method_whose_step_wasnt_measured_or_of_another_recipe_has_no_training_cost():
    compared = compare([*LENGTHS, *trained("pmg", 330, 332, 334)])
    assert equal_time(compared, []) == []
    assert equal_time(compared, [measured(run("pmg", 0, 0, recipe={"input_size": 48}), 3.0)]) == []


def test_a_longer_training_of_the_baseline_on_other_images_is_not_compared():
    longer = [one.model_copy(update={"dataset": one.dataset.model_copy(update={"fingerprint": "1" * 32})}) for one in LENGTHS if one.recipe["epochs"] == 60]
    (found,) = equal_time(compare([*LENGTHS[:6], *longer, *trained("pmg", 330, 332, 334)]), [measured(run("pmg", 0, 0), 4.0)])
    assert (found.epochs, found.relative < 1 / comparison.EQUAL) == (30, True)


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
    larger = record([0] * 800, [0] * 800, paper="baseline", seed=9, recipe={"epochs": 15, "input_size": 96}, dataset=few)
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
def test_the_tables_say_gain_interval_pointing_and_time(tmp_path, capsys):
    recorded = [looking("baseline", seed, evidence=100, **{"input gradient": 60}) for seed in range(3)]
    recorded += [*runs("pmg", 340, 342, 344), *(one.model_copy(update={"test_time": ["multi-crop"]}) for one in runs("api-net", 260, 262, 264)), *runs("baseline", 330, 332, 334, recipe={"epochs": 30}, changes=["epochs=30"])]
    keep(tmp_path, *recorded)
    folder = tmp_path / "implementations" / "records"
    known = measured(run("pmg", 0, 0), 1.95, unquiet="others' load is 2.0", test=Ratio(median=1.25, low=1.2, high=1.3))
    steps.keep(folder / "steps.json", [known, measured(run("api-net", 0, 0), 1.5, flops=2)])
    assert command.main(["--tables", "--records", str(folder)]) == 0
    said = capsys.readouterr().out
    first, second = said.split("Equal epochs, and comparable training time")
    assert "finch_vit: 15 epochs of 1 images, 400 test images" in first
    assert "Hit rate of guesses that ignore the image: random point 5.0%, one fixed point per family 15.0%" in first
    assert "adjusted for the 2 methods compared (Holm)" in first
    told = {cells[0]: cells for line in first.splitlines() if len(cells := without_intervals(line)) > 5}
    assert told["baseline"] == ["baseline", "3", "75.0", "25.0%*, input gradient 15.0%", "0.00", "0.0", "1", "1"]
    assert told["pmg"] == ["pmg", "3", "85.5", "+10.5", "<0.001 gain", "0.00", "0.0", "1.95?", "1.25?"]
    assert told["api-net (at test time: multi-crop)"] == ["api-net (at test time: multi-crop)", "3", "65.5", "-9.5", "<0.001 loss", "0.00", "0.0", "out of date", "out of date"]
    told = {cells[1]: cells for line in second.splitlines() if len(cells := without_intervals(line)) > 5}
    assert told["pmg"] == ["finch_vit", "pmg", "1.95? ×", "75.0", "+10.5", "30 epochs (1.03 × the method's time)", "83.0", "+2.5"]
    assert not any("api-net" in name for name in told)


def without_intervals(line: str) -> list[str]:
    """The cells of a table's line that hold something."""
    return re.split(r" {2,}", re.sub(r" \([-+\d.]+ to [-+\d.]+\)", "", line.strip()))


def test_nothing_recorded_is_said(tmp_path, capsys):
    assert command.main(["--tables", "--records", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no run is recorded\n"


def test_the_baseline_alone_is_shown_at_each_of_its_lengths_without_gains(tmp_path, capsys):
    keep(tmp_path, *runs("baseline", 300, 302, 304), *runs("baseline", 330, 332, 334, recipe={"epochs": 30}, changes=["epochs=30"]))
    assert command.main(["--tables", "--records", str(tmp_path / "implementations" / "records")]) == 0
    said = capsys.readouterr().out
    assert "adjusted for all methods compared (Holm)" in said
    told = [cells[:3] for line in said.splitlines() if len(cells := without_intervals(line)) > 5 and cells[0] == "baseline"]
    assert told == [["baseline", "3", "75.5"], ["baseline", "3", "83.0"]]
    lengths = [without_intervals(line) for line in said.partition("The baseline, trained longer")[2].splitlines()[2:4]]
    assert lengths == [["finch_vit", "15", "3", "75.5"], ["finch_vit", "30", "3", "83.0"]]
    assert "Equal epochs, and comparable training time" not in said


def test_every_method_is_run_on_its_backbones_and_the_baseline_under_each_of_their_budgets():
    jobs = command._jobs(command._papers(None), [0, 1, 2], 10)
    assert len(jobs) == len(set(jobs))
    assert [job[3] for job in jobs if job[:3] == ("baseline", "finch_vit", ("patch_stride=6",))] == list(range(10))
    assert [job[3] for job in jobs if job[:3] == ("transfg", "finch_vit", ())] == [0, 1, 2]
    assert {job[:3] for job in jobs if job[0] == "pmg"} == {("pmg", "finch_resnet", ())}


def test_the_baseline_is_trained_for_twice_and_four_times_the_epochs_under_each_budget_that_methods_have():
    jobs = command._jobs(command._papers(None), [0, 1, 2], 10)
    longer = {job[1:3]: [other[3] for other in jobs if other[:3] == job[:3]] for job in jobs if job[0] == "baseline" and "epochs" in str(job[2])}
    budgets = {(job[1], job[2]) for job in jobs if job[0] == "baseline" and "epochs" not in str(job[2])}
    assert ("finch_vit", ("patch_stride=6",)) in budgets
    assert longer == {(backbone, (*strides, f"epochs={epochs}")): [0, 1, 2] for backbone, strides in budgets for epochs in (30, 60)}


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
    assert "no implementation of 'pgm'; there are acnet, aftrans, api-net" in capsys.readouterr().err


def test_runs_are_made_once_each_and_found_again_when_the_command_goes_on(tmp_path, drawn, monkeypatch, capsys):
    monkeypatch.setenv("FINCH_CACHE", str(drawn(tmp_path / "cache")))
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
