"""The page on attention: the transformers' formulas side by side, with what each is worth and the same images for all."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator

from implementations.common import sheet
from implementations.common.evaluate import TOLERANCE
from implementations.common.records import FIXED_POINT_PER_FAMILY
from tests.run_records import kept, on_finches
from tools.catalog import ROOT, load
from tools.pages import pictures
from tools.pages.attention import FORMULAS, attention
from tools.pages.records import Runs, read_runs
from tools.render import render


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Runs:
    """Three runs of each method of the page, TransFG's on overlapping patches, and two of its ablations; DCAL looks at the part."""
    strides = {"transfg": 6}
    hits = {"dcal": 50}
    methods = [on_finches(paper, seed, hits=hits.get(paper, 20), stride=strides.get(paper)) for paper in FORMULAS for seed in range(3)]
    overlapping = [on_finches("baseline", seed, stride=6) for seed in range(3)]
    ablations = [on_finches("transfg", seed, stride=6, right=40, variant=variant) for variant in ("AllPatches", "UniformRollout") for seed in range(3)]
    return kept(tmp_path_factory.mktemp("recorded"), *methods, *overlapping, *ablations)


@pytest.fixture(scope="module")
def page(runs) -> tuple[dict, str]:
    catalog, _ = load(ROOT)
    return attention(catalog, runs)[2], render(catalog, runs)["attention.md"]


def test_every_implemented_transformer_has_its_formula_and_its_row(page):
    catalog, _ = load(ROOT)
    papers = {paper for paper, entry in catalog.papers.items() if entry.implementation and "transformer" in entry.approaches}
    assert papers | {"baseline"} == set(FORMULAS)
    assert {row["paper"] for row in page[0]["rows"]} == set(FORMULAS)


@pytest.mark.parametrize(("methods", "title"), [(6, "Attention, six ways"), (2, "Attention, two ways"), (1, "Attention")])
def test_the_title_counts_the_methods(runs, methods, title):
    catalog, _ = load(ROOT)
    few = Runs(runs.root, {paper: runs.records[paper] for paper in list(FORMULAS)[: methods + 1]})
    assert f"\n# {title}\n" in render(catalog, few)["attention.md"]


def test_every_image_has_a_place_of_each_methods_picture_with_what_it_said(runs, page):
    data, html = page
    assert len(data["places"]) == sheet.SHOWN
    for place in data["places"]:
        assert [method["name"] for method in place["methods"]].count("Baseline") == 2  # with and without overlapping patches
        assert len(place["methods"]) == len(data["rows"])
    assert html.count('role="img"') == sheet.SHOWN * (1 + len(data["rows"]))
    _, record = runs.picture("transfg")
    assert {seen.predicted == seen.label for seen in record.evidence} == {True, False}
    for place, (shown, seen) in enumerate(zip(data["places"], record.evidence, strict=True)):
        (transfg,) = [method for method in shown["methods"] if method["name"] == "TransFG"]
        assert (transfg["said"], transfg["right"]) == (seen.predicted, seen.predicted == seen.label == shown["species"])
        assert (shown["image"], shown["map"]) == (sheet.corner(place), sheet.looked_at(place))
    x, y = sheet.looked_at(5)
    assert html.count(f"background-position: -{x // 2}px -{y // 2}px") == len(data["rows"])
    assert "\n\n" not in html.split('<figure class="ways">', 1)[1].split("</figure>", 1)[0]


def test_every_picture_that_the_page_shows_is_written_beside_it(runs, page):
    catalog, _ = load(ROOT)
    shown = set(re.findall(r"url\(\.\./(assets/runs/[^)]+)\)", page[1]))
    assert len(shown) == len(page[0]["rows"])
    assert shown <= set(pictures(catalog, runs))


def test_how_often_a_method_looks_at_the_telling_part_is_its_runs_mean_with_an_interval_around_it(runs, page):
    for row in page[0]["rows"]:
        share = row["pointing"][0]["share"]
        assert share["low"] < share["value"] < share["high"]
        stride = 6 if "stride 6" in row["backbone"] else None
        own = [run for run in runs.valid(row["paper"]) if run.label is None and run.budget.strides == (None, stride)]
        assert share["value"] == pytest.approx(100 * np.mean([run.outcome.pointing["evidence"].share for run in own]))
    assert [len(row["pointing"]) for row in page[0]["rows"]] == [2 if row["paper"] == "baseline" else 1 for row in page[0]["rows"]]


def test_what_is_found_without_looking_and_which_methods_point_better_is_told(page):
    data, html = page
    assert f"or what lies within {TOLERANCE * 96:.0f} px of 96 around it, this often: random point 5.0%, {FIXED_POINT_PER_FAMILY} 25.0%" in html
    assert data["above"] == ["DCAL (finch_vit)"]
    assert sorted(data["above"] + data["not_above"]) == sorted(f"{row['name']} ({row['backbone']})" for row in data["rows"])
    assert "Above it: DCAL (finch_vit)." in html
    assert html.count("<strong>above</strong>") == 1


def test_where_no_map_points_better_than_the_guess_the_page_says_so(tmp_path):
    catalog, _ = load(ROOT)
    html = render(catalog, kept(tmp_path, *(on_finches(paper, 0, hits=8) for paper in ("baseline", "ffvt"))))["attention.md"]
    assert "No method's map lies above it. Not above it: " in html
    assert "<strong>above</strong>" not in html


def test_an_ablation_stands_in_its_methods_row_with_its_difference(page):
    (row,) = [row for row in page[0]["rows"] if row["paper"] == "transfg"]
    assert [one["label"] for one in row["ablations"]] == ["AllPatches", "UniformRollout"]


def test_what_a_test_pass_does_beyond_one_look_is_told_beside_the_method(tmp_path):
    catalog, _ = load(ROOT)
    html = render(catalog, kept(tmp_path, on_finches("baseline", 0), on_finches("ffvt", 0, test_time=["multi-crop"])))["attention.md"]
    name = catalog.manifest.test_time["multi-crop"].name
    assert re.findall(r'at test time: ([^<]*)<', html) == [name]


@pytest.mark.parametrize("recorded", [[], ["baseline"]])
def test_before_a_method_is_recorded_the_page_says_so_and_has_no_table(runs, recorded):
    catalog, _ = load(ROOT)
    html = render(catalog, Runs(runs.root, {paper: runs.records[paper] for paper in recorded}))["attention.md"]
    assert "No method is recorded yet." in html
    assert "<table" not in html
    assert "ways" not in html


def test_runs_without_eight_images_have_their_row_and_no_place(tmp_path):
    catalog, _ = load(ROOT)
    html = render(catalog, kept(tmp_path, *(on_finches(paper, 0, evidence=[]) for paper in ("baseline", "ffvt"))))["attention.md"]
    assert html.count("<tr") == 3
    assert "No method is recorded yet." not in html
    assert "On the same images" not in html


def test_a_method_without_runs_is_not_shown(runs):
    catalog, _ = load(ROOT)
    fewer = Runs(runs.root, {paper: [] if paper == "transfg" else records for paper, records in runs.records.items()}, None)
    assert "transfg" not in {row["paper"] for row in attention(catalog, fewer)[2]["rows"]}


def images_of(sheets: list[tuple[Path, int]]) -> list[list[np.ndarray]]:
    """The test images that each picture shows, in order of their places; a picture is given with how many it has."""
    from PIL import Image

    found = []
    for path, count in sheets:
        with Image.open(path) as picture:
            assert picture.size == sheet.size(count)
            corners = [sheet.corner(place) for place in range(count)]
            found.append([np.asarray(picture.convert("RGB").crop((x, y, x + sheet.CELL, y + sheet.CELL)), int) for x, y in corners])
    return found


def are_the_same(sheets: list[list[np.ndarray]]) -> bool:
    """Whether the pictures show the same at each place, what was chosen in them and lost bits apart, and not the same at all places."""
    alike = all(np.median(abs(one - two)) <= 6 for other in sheets[1:] for one, two in zip(sheets[0], other, strict=True))
    return alike and bool(np.median(abs(sheets[0][0] - sheets[0][1])) > 20)


def test_the_same_images_stand_at_the_same_places_of_every_methods_picture(tmp_path):
    from implementations.baseline import Baseline
    from implementations.common import picture
    from implementations.common.data import Split
    from implementations.transfg import TransFG
    from tests.implementations.tiny import build

    colours = torch.rand(sheet.SHOWN, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    pixels = (F.interpolate(colours, size=96, mode="bilinear") * 255).to(torch.uint8)
    split = Split([index // 2 for index in range(sheet.SHOWN)], pixels.__getitem__)
    for name, kind, shown in (("one", Baseline, split), ("two", TransFG, split), ("other", Baseline, Split(split.labels, pixels.flip(0).__getitem__))):
        method = build(kind, side=96, backbone="finch_vit")
        seen = picture.look(method, shown, Accelerator(cpu=True))
        picture.write(tmp_path / f"{name}.webp", picture.draw(*seen, method.classes))
    one, two, other = images_of([(tmp_path / f"{name}.webp", sheet.SHOWN) for name in ("one", "two", "other")])
    assert are_the_same([one, two])
    assert not are_the_same([one, other])


def test_the_committed_pictures_show_the_same_images():
    records = read_runs(ROOT).records
    drawn = [one for paper in FORMULAS for one in records.get(paper, ()) if one[1].seed == 0 and one[1].backbone.name == "finch_vit" and one[1].label is None]
    assert drawn
    sheets = images_of([(path.with_name(record.picture), len(record.evidence)) for path, record in drawn])
    assert are_the_same(sheets)
