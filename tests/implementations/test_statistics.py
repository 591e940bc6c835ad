"""What can be said of accuracies: against other libraries on random tables, by hand on small ones, and by a part of the simulation."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from benchmarks import coverage
from implementations.common.statistics import CLAIM, Spread, Table, expected, gain, holm, one_more_run, paired, pool, wilson


def answers(seeds: int, images: int, share: float = 0.6, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random((seeds, images)) < np.clip(share + 0.25 * rng.standard_normal(images), 0.02, 0.98)


@pytest.mark.parametrize("right", [0, 1, 37, 960])
def test_wilsons_interval_is_statsmodels(right):
    assert wilson(right, 960) == pytest.approx(proportion_confint(right, 960, method="wilson"), abs=1e-7)


def test_holms_adjustment_is_statsmodels():
    p_values = np.random.default_rng(1).random(35) ** 3
    assert holm(p_values.tolist()) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


def test_the_mean_squares_are_those_of_a_two_way_analysis_of_variance():
    table = answers(4, 50)
    rows = pd.DataFrame([(seed, image, float(table[seed, image])) for seed in range(4) for image in range(50)], columns=["seed", "image", "right"])
    anova = anova_lm(ols("right ~ C(seed) + C(image)", rows).fit())
    squares = anova["sum_sq"] / anova["df"]
    found = Table.of(table)
    assert found.run_variance * 50 == pytest.approx(squares["C(seed)"])
    assert found.by_image.var(ddof=1) * 4 == pytest.approx(squares["C(image)"])
    assert found.rest == pytest.approx(squares["Residual"])


def test_two_runs_on_the_same_images_are_paired():
    one, other = answers(2, 500)
    mean, low, high = paired(one.tolist(), other.tolist())
    differences = one.astype(float) - other.astype(float)
    assert (low, high) == pytest.approx(stats.norm.interval(0.95, differences.mean(), stats.sem(differences)))
    assert mean == pytest.approx(one.mean() - other.mean())


def test_of_one_run_without_a_spread_the_images_alone_speak():
    right = answers(1, 400)
    found = expected(Table.of(right), None)
    half = stats.t.ppf(0.975, 399) * right[0].std(ddof=1) / 20
    assert (found.value, found.low, found.high) == pytest.approx((right.mean(), right.mean() - half, right.mean() + half))


def test_the_expected_accuracy_adds_images_and_seeds_with_satterthwaites_degrees_of_freedom():
    table = Table.of(answers(3, 200))
    spread = Spread(variance=table.rest / 200 + 0.0004, freedom=10, own=False)
    images, seeds = table.by_image.var(ddof=1) / 200, 0.0004 / 3
    freedom = (images + seeds) ** 2 / (images**2 / 199 + seeds**2 / 10)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(images + seeds)
    found = expected(table, spread)
    assert (found.low, found.high) == pytest.approx((table.mean - half, table.mean + half))


@pytest.mark.parametrize("wrong", [0, 1, 4])
def test_near_the_top_the_expected_accuracy_is_no_surer_than_one_run(wrong):
    table = Table.of([[index >= wrong for index in range(960)]] * 3)
    found = expected(table, Spread(variance=0.0, freedom=8, own=False))
    low, high = wilson(960 - wrong, 960)
    assert found.low <= low
    assert found.high >= min(high, 1)


def test_where_all_images_come_out_alike_nothing_is_claimed_of_others():
    always, never = Table.of([[True] * 50] * 3), Table.of([[False] * 50] * 3)
    assert gain(always, None, never, None).p == 1


def test_one_more_run_on_the_same_images_differs_by_the_spread_of_runs_alone():
    table = Table.of(answers(3, 200))
    found = one_more_run(table, Spread(variance=0.0001, freedom=7, own=False))
    half = stats.t.ppf(0.975, 7) * 0.01 * math.sqrt(4 / 3)
    assert (found.low, found.high) == pytest.approx((table.mean - half, table.mean + half))


def test_a_gain_pairs_by_image_and_counts_both_methods_seeds():
    one, other = Table.of(answers(3, 300, 0.7, 1)), Table.of(answers(10, 300, 0.6, 2))
    spread = Spread(variance=0.0009, freedom=11, own=False)
    found = gain(one, spread, other, spread)
    images = (one.by_image - other.by_image).var(ddof=1) / 300
    seeds = (0.0009 - one.rest / 300) / 3 + (0.0009 - other.rest / 300) / 10
    freedom = (images + seeds) ** 2 / (images**2 / 299 + seeds**2 / 11)
    t = (one.mean - other.mean) / math.sqrt(images + seeds)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), freedom))
    assert found.low == pytest.approx(one.mean - other.mean - stats.t.ppf(0.975, freedom) * math.sqrt(images + seeds))


def test_a_method_gains_nothing_over_itself():
    table = Table.of(answers(3, 100))
    found = gain(table, None, table, None)
    assert (found.value, found.p) == (0, 1)


def test_methods_on_other_images_arent_compared():
    with pytest.raises(ValueError, match="100 images can't be paired with 90"):
        gain(Table.of(answers(2, 100)), None, Table.of(answers(2, 90)), None)


def with_variance(variance: float, seeds: int = 3) -> Table:
    return Table(np.full(100, 0.5), seeds, variance, 0.1)


def test_the_spread_is_pooled_by_degrees_of_freedom_and_a_single_run_takes_it_too():
    alike = pool([with_variance(1.0), with_variance(4.0, seeds=5), with_variance(0.0, seeds=1)])
    assert [(spread.variance, spread.freedom, spread.own) for spread in alike] == [(pytest.approx(3.0), 6, False)] * 3


def test_a_method_that_spreads_clearly_more_keeps_its_own_and_leaves_the_others_theirs():
    *calm, wild = pool([*(with_variance(1.0) for _ in range(10)), with_variance(40.0)])
    assert (wild.variance, wild.freedom, wild.own) == (40.0, 2, True)
    assert {(spread.variance, spread.freedom) for spread in calm} == {(1.0, 20)}
    *calm, mild = pool([*(with_variance(1.0) for _ in range(10)), with_variance(4.0)])
    assert mild == calm[0]


def test_without_any_repeated_run_no_spread_is_known():
    assert pool([with_variance(0.0, seeds=1)] * 3) == [None] * 3


# ---------------------------------------------------------------------------------------------------------- the simulation

KEPT = json.loads(coverage.OUT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("cell", [c for c in coverage.CELLS if (c.images, c.seeds) == (960, 3)][::3], ids=str)
def test_the_simulations_first_comparisons_come_out_as_they_were_kept(cell):
    found = coverage.coverage(cell, coverage.FIRST)
    (kept,) = (row for row in KEPT["cells"] if coverage.Cell(*(row[name] for name in ("accuracy", "sd", "images", "seeds"))) == cell)
    assert found["first"] == kept["first"]


def test_every_interval_covers_what_it_promises_in_the_table_that_the_site_shows():
    assert len(KEPT["cells"]) == 36
    assert KEPT["comparisons"] * KEPT["methods"] >= 10_000
    assert min(cell["expected"] for cell in KEPT["cells"]) >= 0.92
    assert min(cell["one_more_run"] for cell in KEPT["cells"]) >= 0.92
    assert max(row["any_false_claim"] for row in KEPT["gains"]) <= 0.05
    assert KEPT["claim"] == CLAIM


def test_the_simulations_first_comparisons_of_equal_methods_come_out_as_they_were_kept():
    for row in KEPT["gains"][1:3]:
        found = coverage.contest(coverage.Contest(row["sd"]), 3)
        assert [round(float(min(adjusted)), 4) for _, adjusted in found] == row["first"][:3]
