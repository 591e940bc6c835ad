"""The rule of trials: as many for baseline and method under one budget, the best of them recorded, and not at the edge of what was tried."""

from __future__ import annotations

import json

import pytest

from implementations.common import cli, records, trials
from implementations.common.run import combinations, recipe_for
from implementations.common.trials import AT_EDGE, NOT_BEST, UNEQUAL, of_budget, problems
from tests.implementations.test_methods import method_of

RECIPE = {"backbone": "finch_vit", "epochs": 15, "input_size": 96, "output_stride": None, "patch_stride": None, "lr": 1e-2, "backbone_lr": None, "weight_decay": 0.05, "heads": 4, "schedule": {"name": "Cosine", "warmup": 0.1}}
DATA = {"name": "synthetic-finches", "fingerprint": "0" * 32, "classes": 3, "train": 480, "validation": 1920, "test": 960}
WEIGHTS = {"name": "finch_vit", "weights": "shipped", "sha256": "a" * 64}


def trial(top1: float, *, seed: int = 0, variant: str | None = None, validation: int = 1920, **changes) -> records.Trial:
    return records.Trial(
        change="words", variant=variant, profile="demo", dataset=DATA | {"validation": validation}, backbone=WEIGHTS, recipe=RECIPE | changes, seed=seed, validation_top1=top1
    )  # fmt: skip


def tried(*log: records.Trial) -> list[trials.Tried]:
    return of_budget(log, log[0].budget)


AROUND = [trial(0.75), trial(0.74, lr=5e-3), trial(0.73, lr=2e-2)]
"""Three rates, the best in the middle."""


def wrong(log: list[records.Trial], baseline: list[records.Trial] | None = None, recipe: dict | None = None, bounds: trials.Bounds = {}) -> list[tuple[str, str]]:  # noqa: B006
    found = of_budget(log, AROUND[0].budget)
    beside = of_budget(AROUND if baseline is None else baseline, AROUND[0].budget)
    return list(problems(found, RECIPE | (recipe or {}), beside, bounds))


def test_as_many_trials_as_the_baseline_the_best_of_them_in_the_middle_are_right():
    assert wrong(AROUND) == []


@pytest.mark.parametrize(("ours", "theirs", "said"), [(AROUND[2:], AROUND, "1 trial of its recipe, the baseline has 3"), (AROUND, AROUND[1:], "3 trials of its recipe, the baseline has 2"), ([], AROUND, "no trials of its recipe, the baseline has 3")])
def test_another_number_of_trials_than_the_baselines_is_named(ours, theirs, said):
    given = ours if len(ours) < len(theirs) else ours[::-1]  # the best is the last of the longer log
    assert (UNEQUAL, f"it has {said}: both need the same number") in wrong(given, theirs if len(ours) > len(theirs) else theirs[::-1])


def test_without_any_trial_of_either_there_is_nothing_to_compare():
    assert wrong([], []) == [(UNEQUAL, "neither it nor the baseline has a trial of its recipe")]
    assert list(problems([], RECIPE, None, {})) == [(UNEQUAL, "the baseline has no trial of its recipe")]


@pytest.mark.parametrize("other", [{"patch_stride": 6}, {"epochs": 30}, {"input_size": 64}, {"output_stride": 8}])
def test_trials_under_another_budget_dont_count(other):
    assert wrong([*AROUND, trial(0.9, **other)]) == []


def test_trials_of_an_ablation_dont_count_and_are_its_own():
    log = [*AROUND, trial(0.9, variant="NoHeads")]
    assert wrong(log) == []
    assert [one.top1 for one in of_budget(log, log[0].budget, "NoHeads")] == [0.9]


def test_several_seeds_of_a_recipe_are_one_trial_of_their_mean():
    again = [trial(0.75, seed=1), trial(0.74, seed=1, lr=5e-3)]
    log = [*AROUND[:2], *again, trial(0.80, lr=2e-2), trial(0.60, seed=1, lr=2e-2)]
    assert wrong(log, log) == []
    assert [one.top1 for one in tried(*log)] == pytest.approx([0.75, 0.74, 0.70])
    better = [*log[:-1], trial(0.90, seed=1, lr=2e-2)]
    assert [kind for kind, _ in wrong(better, log)] == [NOT_BEST, AT_EDGE]


def test_of_a_recipe_that_was_tried_again_with_a_seed_the_last_trial_counts():
    assert [one.top1 for one in tried(*AROUND, trial(0.90))] == [0.90, 0.74, 0.73]


def test_other_seeds_of_some_recipes_are_named():
    said = "not every recipe was tried with the same seeds, some with 0 or 0, 1, so they can't be compared"
    assert wrong([*AROUND, trial(0.75, seed=1)]) == [(UNEQUAL, said)]
    assert wrong(AROUND, [*AROUND, trial(0.75, seed=1)]) == [(UNEQUAL, said)]


def test_a_backbones_rate_that_is_the_rate_of_the_rest_is_the_same_recipe_however_it_is_said():
    assert len(tried(trial(0.75), trial(0.75, backbone_lr=1e-2), trial(0.75, backbone_lr=1e-3))) == 2


def test_a_recipe_that_isnt_the_best_of_its_trials_is_named_with_what_the_best_has_instead():
    (found, *_) = wrong([trial(0.70), trial(0.75, lr=5e-3), trial(0.72, lr=2.5e-3)])
    assert found == (NOT_BEST, "its recipe has 70.0% on validation, where the best of its trials has 75.0%, with lr 0.005 (not 0.01), backbone_lr 0.005 (not 0.01)")


def test_a_recipe_that_was_never_tried_is_named():
    assert wrong(AROUND, recipe={"lr": 8e-3, "backbone_lr": 1e-2}) == [(NOT_BEST, "its recipe isn't among its trials; the best of them has lr 0.01 (not 0.008)")]


def test_any_of_several_that_tie_may_be_recorded():
    log = [trial(0.75), trial(0.75, lr=8e-3), trial(0.73, lr=5e-3), trial(0.70, lr=2e-2)]
    assert wrong(log, log) == wrong(log, log, recipe={"lr": 8e-3}) == []


@pytest.mark.parametrize("better", [5e-3, 2e-2])
def test_the_best_at_the_edge_of_what_was_tried_is_named_and_one_trial_beyond_is_enough(better):
    log = [trial(0.70, lr=rate, backbone_lr=1e-3) for rate in (5e-3, 1e-2, 2e-2) if rate != better] + [trial(0.75, lr=better, backbone_lr=1e-3)]
    recipe = {"lr": better, "backbone_lr": 1e-3}
    side = "lowest" if better < 1e-2 else "highest"
    assert wrong(log, recipe=recipe) == [(AT_EDGE, f"its lr of {better} is the {side} of the 3 tried: one more trial beyond it is due")]
    beyond = trial(0.74, lr=better * (0.5 if better < 1e-2 else 2), backbone_lr=1e-3)
    assert wrong([*log, beyond], recipe=recipe) == []


AT_AN_EDGE = [trial(0.73, lr=5e-3), trial(0.74), trial(0.75, lr=2e-2)]
FURTHER = [trial(0.70, lr=4e-2), trial(0.75, lr=8e-3), trial(0.70, lr=1e-3, backbone_lr=3e-3)]


@pytest.mark.parametrize("more", [FURTHER[:1], FURTHER])
def test_further_trials_that_come_out_no_better_arent_counted_neither_the_methods_nor_the_baselines(more):
    assert UNEQUAL not in [kind for kind, _ in wrong([*AT_AN_EDGE, *more], recipe={"lr": 2e-2})]
    assert wrong(AROUND, [*AT_AN_EDGE, *more]) == []


@pytest.mark.parametrize("more", [[trial(0.76, lr=4e-2)], [*FURTHER, trial(0.76, lr=8e-3, weight_decay=0.2)]])
def test_a_further_trial_that_came_out_better_is_counted(more):
    assert UNEQUAL in [kind for kind, _ in wrong([*AT_AN_EDGE, *more], recipe=more[-1].recipe)]
    assert UNEQUAL in [kind for kind, _ in wrong(AROUND, [*AT_AN_EDGE, *more])]


def test_a_setting_tried_at_two_values_needs_a_third():
    log = [*AROUND, trial(0.7, weight_decay=0.2)]
    assert wrong(log, log) == [(AT_EDGE, "its weight_decay of 0.05 is the lowest of the 2 tried: one more trial beyond it is due")]
    assert wrong([*log, trial(0.7, weight_decay=0.01)], log) == []


@pytest.mark.parametrize(("values", "bounds"), [([("weight_decay", 0.0), ("weight_decay", 0.05)], {}), ([("heads", 1), ("heads", 4)], {}), ([("heads", 8), ("heads", 4)], {"heads": (None, 8)})])
def test_where_nothing_can_be_tried_beyond_there_is_no_edge(values, bounds):
    (name, first), (_, second) = values
    log = [trial(0.75, **{name: first}), trial(0.70, **{name: second})]
    assert wrong(log, log, recipe={name: first}, bounds=bounds) == []
    assert (AT_EDGE in [kind for kind, _ in wrong(log, log, recipe={name: first})]) == bool(bounds)


def test_words_nested_settings_and_what_isnt_set_are_compared_but_only_numbers_have_edges():
    log = [trial(0.75, optimizer="AdamW"), trial(0.70, optimizer="SGD"), trial(0.72, clip=None), trial(0.71, schedule={"name": "Cosine", "warmup": 0.2})]
    assert wrong(log, log, recipe={"optimizer": "AdamW"}) == [(AT_EDGE, "its schedule.warmup of 0.1 is the lowest of the 2 tried: one more trial beyond it is due")]


def test_trials_on_another_number_of_validation_images_are_named():
    log = [*AROUND[:2], trial(0.73, lr=2e-2, validation=320)]
    assert wrong(log) == [(UNEQUAL, "its trials and the baseline's weren't looked at on the same number of validation images: 1 on 320 and 5 on 1920")]


def test_a_record_counts_the_trials_that_its_log_begins_with():
    kept = records.counted(AROUND[:2])
    assert records.counted(AROUND[:2]) == kept
    assert kept.count == 2
    assert records.counted([AROUND[0], trial(0.75, lr=5e-3)]).digest != kept.digest
    again = [records.Trial.model_validate_json(one.model_dump_json()) for one in AROUND[:2]]
    assert records.counted(again) == kept


# ---------------------------------------------------------------------------------------------------------- the commands


def test_values_of_several_settings_are_combined_and_single_ones_kept():
    assert combinations(["lr=1e-3,2e-3", "epochs=1", "dropout=0,0.1"]) == [[f"lr={lr}", "epochs=1", f"dropout={dropout}"] for lr in ("1e-3", "2e-3") for dropout in ("0", "0.1")]
    assert combinations([]) == [[]]
    assert combinations(["epochs"]) == [["epochs"]]


def test_under_another_budget_the_recipe_takes_what_trials_there_found_of_its_kind_of_backbones_unless_it_is_set(monkeypatch):
    baseline = method_of("baseline")
    monkeypatch.setattr(baseline, "demo_at", {"vit": {"patch_stride=6": {"lr": 5e-3}, "epochs=60": {"lr": 4e-3}}})

    def rate(*changes: str, backbone: str = "finch_vit") -> float:
        return recipe_for(baseline, profile="demo", backbone=backbone, changes=list(changes), folder=False).lr

    assert rate() == rate("patch_stride=4") == baseline.demo["vit"]["lr"] != 5e-3
    assert rate("patch_stride=6") == 5e-3
    assert rate("patch_stride=6", "lr=0.5") == 0.5
    assert rate("epochs=60") == 4e-3
    assert rate("epochs=60", backbone="finch_resnet") == baseline.demo["cnn"]["lr"]


def keep(folder, paper: str, *log: records.Trial) -> None:
    (folder / paper).mkdir(parents=True)
    (folder / paper / records.TRIALS).write_text("".join(one.model_dump_json() + "\n" for one in log), encoding="utf-8")


def of_demo(paper: str, top1: float, **changes) -> records.Trial:
    """A trial of a paper's demo at stride 6, changed."""
    recipe = recipe_for(method_of(paper), profile="demo", backbone="finch_vit", changes=["patch_stride=6"], folder=False).as_data()
    return trial(top1).model_copy(update={"recipe": json.loads(json.dumps(recipe)) | changes})


def test_the_table_has_a_papers_trials_best_first_its_recipe_marked_and_what_is_still_asked(tmp_path, capsys):
    keep(tmp_path, "transfg", of_demo("transfg", 0.70), of_demo("transfg", 0.75, lr=0.5))
    keep(tmp_path, "baseline", of_demo("baseline", 0.7))
    assert cli.main(method_of("transfg"), ["trials", "--records", str(tmp_path)]) == 0
    heading, names, first, second, *sentences = capsys.readouterr().out.splitlines()
    assert heading == "finch_vit, stride 6, 15 epochs at 96 px: 2 tried"
    assert names.split() == ["top-1", "seeds", "lr", "what", "was", "changed"]
    lr = str(method_of("transfg").demo["vit"]["lr"])
    assert (first.split(), second.split()) == (["75.0", "1", "0.5", "words"], ["70.0", "1", lr, "*", "words"])
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "- it has 2 trials of its recipe, the baseline has 1",
        f"- its recipe has 70.0% on validation, where the best of its trials has 75.0%, with lr 0.5 (not {lr})",
        "- its lr of 0.5 is the highest of the 2 tried",
    ]


def test_before_the_first_trial_the_table_says_how_many_the_baseline_had(tmp_path, capsys):
    keep(tmp_path, "baseline", of_demo("baseline", 0.7), of_demo("baseline", 0.7, lr=0.5))
    assert cli.main(method_of("transfg"), ["trials", "--records", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "finch_vit, stride 6, 15 epochs at 96 px: 0 tried\n- it has no trials of its recipe, the baseline has 2" in said
    assert f"no trial of transfg is logged in {tmp_path / 'transfg'}" in said
    assert cli.main(method_of("ffvt"), ["trials", "--records", str(tmp_path)]) == 0  # at its own stride nothing was tried
    assert capsys.readouterr().out == f"no trial of ffvt is logged in {tmp_path / 'ffvt'}\n"
