"""What the catalog holds of the list that it started from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from tools.catalog import ROOT, Catalog, load
from tools.number import digits
from tools.pages.records import read_runs
from tools.render import render

LEADERBOARD = Path(__file__).parent / "data" / "seed_leaderboard.yaml"
ROWS = yaml.safe_load(LEADERBOARD.read_text(encoding="utf-8"))
VALUES = [(row["paper"], key, value) for row in ROWS for key, value in row.items() if key not in ("method", "paper", "backbone")]
BACKBONES = {
    "VGG19": "vgg-19",
    "ResNet50": "resnet-50",
    "ResNet101": "resnet-101",
    "DenseNet161": "densenet-161",
    "ViT-B/16": "vit-b-16",
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    found, problems = load()
    assert not problems
    return found


def test_the_lists_leaderboard_was_typed_whole():
    assert (len(ROWS), len(VALUES)) == (15, 47)


@pytest.mark.parametrize(("paper", "dataset", "value"), VALUES, ids=[f"{p}-{d}" for p, d, _ in VALUES])
def test_each_of_the_lists_values_is_among_the_sources_of_exactly_one_result(catalog, paper, dataset, value):
    results = [result for result in catalog.papers[paper].results if result.dataset == dataset and result.metric == "top-1"]
    stated = [source.value for result in results for source in result.sources if source.source == "seed-list"]
    assert stated == [value]


@pytest.fixture(scope="module")
def pages(catalog) -> dict[str, str]:
    return render(catalog, read_runs(ROOT))


@pytest.mark.parametrize(("paper", "dataset", "value"), VALUES, ids=[f"{p}-{d}" for p, d, _ in VALUES])
def test_each_of_the_lists_values_stands_on_its_leaderboard_with_level_source_and_what_was_corrected(catalog, pages, paper, dataset, value):
    result = next(r for r in catalog.papers[paper].results if r.dataset == dataset and any(s.source == "seed-list" for s in r.sources))
    rows = [row for row in pages[f"leaderboards/{dataset}.md"].split("<tr ") if f'/papers/{paper}/">' in row and f">{digits(result.value)}<" in row.replace(" <span", "<")]
    (row,) = [row for row in rows if "Awesome Fine-grained" in row]
    assert 'class="level level--' in row
    assert 'class="carried carried--' in row
    corrections = [c for c in catalog.papers[paper].corrections or () if c.dataset == dataset]
    assert row.count("corrected") == len(corrections)


@pytest.mark.parametrize("row", ROWS, ids=[row["paper"] for row in ROWS])
def test_what_the_list_says_of_the_backbone_is_kept_where_it_differs(catalog, row):
    for result in catalog.papers[row["paper"]].results:
        for source in result.sources:
            if source.source == "seed-list":
                assert (source.said or {}).get("backbone", result.backbone) in (BACKBONES[row["backbone"]], None)


def test_no_value_is_ascribed_to_the_list_that_it_does_not_have(catalog):
    ascribed = Counter(
        (paper_id, result.dataset, source.value)
        for paper_id, paper in catalog.papers.items()
        for result in paper.results or ()
        for source in result.sources
        if source.source == "seed-list"
    )
    assert ascribed == Counter(VALUES)


def test_the_whole_list_is_in_the_catalog(catalog):
    assert len(catalog.papers) == 35
    assert len(catalog.surveys) == 3
    assert len(catalog.datasets) >= 6
    assert (len(catalog.workshops), len(catalog.challenges)) == (1, 1)


def test_upwards_of_fifty_faults_of_the_list_are_corrected_each_with_its_evidence(catalog):
    corrections = [c for _, _, entry in catalog.entries() for c in entry.corrections or ()]
    corrections += catalog.manifest.seed_list.corrections or ()
    assert len(corrections) >= 50
    assert not [c for c in corrections if c.listed and c.listed == c.correct]


def test_a_summary_has_three_to_six_sentences(catalog):
    for paper_id, paper in catalog.papers.items():
        sentences = [s for s in paper.summary.replace("?", ".").replace("!", ".").split(". ") if s]
        assert 3 <= len(sentences) <= 6, paper_id


def test_visitors_never_read_the_word_seed_of_the_list(catalog):
    texts = [c.evidence for _, _, entry in catalog.entries() for c in entry.corrections or ()]
    texts += [paper.summary for paper in catalog.papers.values()]
    assert not [text for text in texts if "the seed" in text.lower()]


def test_the_datasets_pictures_are_there_and_as_large_as_the_catalog_says(catalog):
    from PIL import Image

    shown = [dataset.picture for dataset in catalog.datasets.values() if dataset.picture]
    assert shown
    for one in shown:
        with Image.open(ROOT / "site" / "assets" / one.file) as picture:
            assert picture.size == (one.width, one.height)
