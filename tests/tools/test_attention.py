"""The page on attention: the transformers' formulas side by side, with what each is worth and the same images for all."""

from __future__ import annotations

import re

import numpy as np
import pytest

from implementations.common import sheet
from tools.catalog import ROOT, load
from tools.pages import pictures
from tools.pages.attention import BACKBONE, FORMULAS, attention
from tools.pages.records import Runs, read_runs
from tools.render import render


@pytest.fixture(scope="module")
def page() -> tuple[dict, str]:
    catalog, _ = load(ROOT)
    runs = read_runs(ROOT)
    return attention(catalog, runs)[2], render(catalog, runs)["attention.md"]


def test_every_implemented_transformer_has_its_formula_and_its_row(page):
    catalog, _ = load(ROOT)
    papers = {paper for paper, entry in catalog.papers.items() if entry.implementation and "transformer" in entry.approaches}
    assert papers | {"baseline"} == set(FORMULAS)
    assert {row["paper"] for row in page[0]["rows"]} == set(FORMULAS)


def test_the_title_counts_the_methods(page):
    assert page[0]["title"] == "Attention, six ways"
    assert "# Attention, six ways" in page[1]


def test_every_image_has_a_place_of_each_methods_picture_with_what_it_said(page):
    data, html = page
    assert len(data["places"]) == sheet.SHOWN
    for place in data["places"]:
        assert [method["name"] for method in place["methods"]].count("Baseline") == 2  # with and without overlapping patches
        assert len(place["methods"]) == len(data["rows"])
    assert html.count('role="img"') == sheet.SHOWN * (1 + len(data["rows"]))
    _, record = read_runs(ROOT).picture("transfg")
    for place, (shown, seen) in enumerate(zip(data["places"], record.evidence, strict=True)):
        (transfg,) = [method for method in shown["methods"] if method["name"] == "TransFG"]
        assert (transfg["said"], transfg["right"]) == (seen.predicted, seen.predicted == seen.label == shown["species"])
        assert (shown["image"], shown["map"]) == (sheet.corner(place), sheet.looked_at(place))
    x, y = sheet.looked_at(5)
    assert html.count(f"background-position: -{x // 2}px -{y // 2}px") == len(data["rows"])
    assert "\n\n" not in html.split('<figure class="ways">', 1)[1].split("</figure>", 1)[0]


def test_every_picture_that_the_page_shows_is_written_beside_it(page):
    catalog, _ = load(ROOT)
    shown = set(re.findall(r"url\(\.\./(assets/runs/[^)]+)\)", page[1]))
    assert shown <= set(pictures(catalog, read_runs(ROOT)))


def test_how_often_a_method_looks_at_the_telling_part_is_its_runs_mean_with_an_interval_around_it(page):
    runs = read_runs(ROOT)
    for row in page[0]["rows"]:
        share = row["pointing"][0]["share"]
        assert share["low"] < share["value"] < share["high"]
        strides = (None, 6 if "stride 6" in row["backbone"] else None)
        own = [run for run in runs.valid(row["paper"]) if run.label is None and run.budget.strides == strides and run.backbone.name == BACKBONE]
        assert share["value"] == pytest.approx(100 * np.mean([run.outcome.pointing["evidence"].share for run in own]))
    assert [len(row["pointing"]) for row in page[0]["rows"]] == [2 if row["paper"] == "baseline" else 1 for row in page[0]["rows"]]


def test_what_is_found_without_looking_and_which_methods_point_better_is_told(page):
    data, html = page
    blind = next(run for run in read_runs(ROOT).valid("transfg")).outcome.blind
    assert ", ".join(f"{name} {100 * one.share:.0f}%" for name, one in blind.items()) in html
    assert sorted(data["above"] + data["not_above"]) == sorted(f"{row['name']} ({row['backbone']})" for row in data["rows"])
    for row in data["rows"]:
        guess, own = 100 * blind["fixed point a family"].share, row["pointing"][0]["share"]
        if own["value"] < guess:
            assert f"{row['name']} ({row['backbone']})" in data["not_above"]
    assert (f"Above it: {', '.join(data['above'])}." if data["above"] else "No method's map lies above it.") in html
    assert html.count("<strong>above</strong>") == sum(one["marked"] for row in data["rows"] for one in row["pointing"])


def test_an_ablation_stands_in_its_methods_row_with_its_difference(page):
    (row,) = [row for row in page[0]["rows"] if row["paper"] == "transfg"]
    assert [one["label"] for one in row["ablations"]] == ["AllPatches", "UniformRollout"]


def test_without_records_the_page_says_so():
    catalog, _ = load(ROOT)
    assert "Nothing is recorded yet." in render(catalog, Runs())["attention.md"]


def test_a_method_without_runs_is_not_shown():
    catalog, _ = load(ROOT)
    runs = read_runs(ROOT)
    fewer = Runs(runs.root, {paper: [] if paper == "transfg" else records for paper, records in runs.records.items()}, None)
    assert "transfg" not in {row["paper"] for row in attention(catalog, fewer)[2]["rows"]}


def test_the_same_images_stand_at_the_same_places_of_every_methods_picture():
    from PIL import Image

    records = read_runs(ROOT).records
    drawn = [one for paper in FORMULAS for one in records[paper] if one[1].seed == 0 and one[1].backbone.name == "finch_vit" and one[1].label is None]
    assert len(drawn) == len(FORMULAS) + 1
    sheets = []
    for path, record in drawn:
        with Image.open(path.with_name(record.picture)) as picture:
            assert picture.size == sheet.size(len(record.evidence))
            corners = [sheet.corner(place) for place in range(len(record.evidence))]
            sheets.append([np.asarray(picture.convert("RGB").crop((x, y, x + sheet.CELL, y + sheet.CELL)), int) for x, y in corners])
    for other in sheets[1:]:
        assert all(np.median(abs(one - two)) <= 6 for one, two in zip(sheets[0], other, strict=True))  # frames apart, and lossy
    assert np.median(abs(sheets[0][0] - sheets[0][1])) > 20
