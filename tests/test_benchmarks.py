"""What the benchmarks measure on: the synthetic catalogs, the plain pages, the site of links, and the slope."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from benchmarks import steps as steps_benchmark
from benchmarks.finches import baselines
from benchmarks.links import is_right, judged, site
from benchmarks.linksite import ALL, KINDS, WALLS, Link, links
from benchmarks.plain import plain
from benchmarks.steps import spread, unquiet
from benchmarks.synthetic import write_catalog
from benchmarks.timing import exponent, ratio, turns
from implementations.baseline import Baseline
from implementations.common import evaluate
from implementations.common.run import method_of, recipe_for
from implementations.common.steps import Ratio
from implementations.common.weights import Source
from tests.run_records import on_finches, record
from tools.catalog import ROOT, Catalog, load
from tools.schema import Paper

PAPERS = 140
"""Each real one four times."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "catalog"
    write_catalog(folder, PAPERS)
    return folder


@pytest.fixture(scope="module")
def catalog(folder: Path) -> Catalog:
    catalog, problems = load(folder)
    assert not problems, "\n".join(map(str, problems))
    return catalog


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.yaml")}


def sizes(folder: Path) -> list[int]:
    return [file.stat().st_size for file in (folder / "catalog" / "papers").iterdir()]


def test_a_synthetic_catalog_is_valid_and_has_all_that_the_real_one_has_but_papers(catalog):
    real, _ = load()
    assert len(catalog.papers) == PAPERS
    assert {k: list(getattr(catalog, k)) for k in ("datasets", "workshops", "challenges", "surveys")} == {
        k: list(getattr(real, k)) for k in ("datasets", "workshops", "challenges", "surveys")
    }


@pytest.mark.parametrize(
    "told",
    [
        lambda paper: [paper.title.casefold()],
        lambda paper: [paper.name.casefold()],
        lambda paper: [paper.summary],
        lambda paper: [tuple(paper.authors)],
        lambda paper: [paper.ids.arxiv] if paper.ids and paper.ids.arxiv else [],
        lambda paper: [paper.ids.doi.lower()] if paper.ids and paper.ids.doi else [],
        lambda paper: [link.url for link in paper.links or () if link.official is not False],
    ],
    ids=["title", "name", "summary", "authors", "arxiv", "doi", "links"],
)
def test_no_two_synthetic_papers_share_what_tells_papers_apart(catalog, told: Callable[[Paper], Iterator]):
    found = [value for paper in catalog.papers.values() for value in told(paper)]
    assert len(found) > PAPERS / 4
    assert len(set(found)) == len(found)


def test_a_synthetic_papers_ids_addresses_and_years_agree(catalog):
    for paper_id, paper in catalog.papers.items():
        assert paper.name.lower() == paper_id
        assert paper.implementation is None
        assert paper.formerly is None
        arxiv = [link.url for link in paper.links or () if link.url.startswith("https://arxiv.org/")]
        if paper.ids and paper.ids.arxiv:
            assert 2000 + int(paper.ids.arxiv[:2]) == paper.year
            assert set(arxiv) <= {f"https://arxiv.org/abs/{paper.ids.arxiv}"}
        else:
            assert not arxiv


def test_synthetic_values_are_varied_and_none_is_lost(catalog):
    def values(catalog: Catalog) -> list[list[float]]:
        return [[result.value for result in paper.results or ()] for paper in catalog.papers.values()]

    real, ours = values(load()[0]), values(catalog)
    assert sum(map(len, ours)) == 4 * sum(map(len, real))
    assert len({value for paper in ours for value in paper}) > 1.5 * len({value for paper in real for value in paper})


def test_a_synthetic_catalog_is_about_as_large_as_the_real_one(folder):
    ours, real = sizes(folder), sizes(ROOT)
    assert 0.8 < (sum(ours) / len(ours)) / (sum(real) / len(real)) < 1.2


def test_a_seed_gives_the_same_bytes_and_another_seed_others(folder, tmp_path):
    write_catalog(tmp_path / "same", PAPERS)
    write_catalog(tmp_path / "other", PAPERS, seed=1)
    assert contents(tmp_path / "same") == contents(folder)
    assert contents(tmp_path / "other").keys() != contents(folder).keys()


@pytest.mark.parametrize("count", [1, 7, 300])
def test_a_synthetic_catalog_has_as_many_papers_as_asked_for(tmp_path, count):
    write_catalog(tmp_path / "catalog", count)
    assert len(sizes(tmp_path / "catalog")) == count


@pytest.mark.parametrize("count", [0, 100_000])
def test_a_number_of_papers_that_cant_be_is_refused(tmp_path, count):
    with pytest.raises(ValueError, match="expected 1 to 99,999"):
        write_catalog(tmp_path / "catalog", count)


@pytest.mark.parametrize(
    ("sizes", "times", "expected"),
    [
        ([100, 1000, 10_000], [1, 10, 100], 1),
        ([100, 1000, 10_000], [1, 100, 10_000], 2),
        ([100, 1000], [3, 3], 0),
        ([1, 2, 4], [1, 4, 4], 1),  # not on a line: the middle one counts too
        ([2, 4, 32], [1, 2, 32], 1.2692307692307692),
    ],
)
def test_the_exponent_is_the_slope_of_the_logarithms(sizes, times, expected):
    assert exponent(sizes, times) == pytest.approx(expected)


def test_one_size_has_no_exponent():
    assert exponent([100], [1.0]) != exponent([100], [1.0])


def test_a_ratio_is_the_median_over_the_turns_and_no_ratio_of_medians():
    assert ratio([(1, 1, 2), (20, 10, 5), (30, 60, 10)]) == 1
    assert ratio([(1, 1, 2), (20, 10, 5), (30, 60, 10)], 2) == 3


def test_turns_go_forwards_and_backwards():
    order: list[str] = []
    found = turns(lambda: order.append("ours"), lambda: order.append("reference"), count=3)
    assert order == ["ours", "reference", "reference", "ours", "ours", "reference"]
    assert [len(turn) for turn in found] == [2, 2, 2]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("---\ntitle: A\ncitation: 3\n---\n\n## Read { #read }\n", "---\ntitle: A\n---\n\n## Read { #read }\n"),
        ("<h1>A &lt;b&gt;</h1>\n<p>One\ntwo <b>three</b>.</p>", "---\n{}\n---\n\n# A &lt;b&gt;\n\nOne two three.\n"),
        ('<p>By <a href="../x/" title="no">an <strong>X</strong></a></p>', "---\n{}\n---\n\nBy [an **X**](../x/)\n"),
        ("<ul><li>a</li><li>b</li></ul>", "---\n{}\n---\n\n- a\n- b\n"),
        ("<p>a</p><svg><title>no</title><path/></svg><p>b</p>", "---\n{}\n---\n\na\n\nb\n"),
        (
            "<table><thead><tr><th>A<th>B</thead><tr><td>1|2<td><p>3</p> <ul><li>4</li></ul></td></tr></table>",
            "---\n{}\n---\n\n| A | B |\n| --- | --- |\n| 1\\|2 | 3 - 4 |\n",
        ),
        ("<pre>a\n  b</pre>", "---\n{}\n---\n\n```\na\n  b\n```\n"),
    ],
    ids=["front matter", "paragraphs", "links", "lists", "drawings", "tables", "code"],
)
def test_a_page_as_plain_markdown(page, expected):
    assert plain(page) == expected


# ---------------------------------------------------------------------------------------------------------------- links


def test_links_of_every_kind_have_their_share_and_neighbours_are_on_different_hosts():
    told = links(5_000, 50, 80, 1)
    assert len({link.url for link in told}) == 5_000
    assert Counter(link.kind for link in told) == {name: kind.share * 48 for name, kind in KINDS.items()} | dict.fromkeys(WALLS, 100)
    hosts = [link.url.split("/")[2] for link in told]
    assert all(len(set(hosts[start : start + 50])) == 50 for start in range(0, 5_000, 50))
    assert not {link.url for link in links(5_000, 50, 80, 2)} & {link.url for link in told}


def test_ours_is_right_about_every_link_of_the_site():
    with site() as port:
        told = links(300, 3, port, 1)
        verdicts, rows = asyncio.run(judged([link.url for link in told]))
    wrong = {(link.kind, *verdicts[link.url]) for link in told if verdicts[link.url] != (ALL[link.kind].right, link.moved_to)}
    assert wrong == set()
    assert len(rows) == 300


@pytest.mark.parametrize(
    ("kind", "valid", "warning", "right"),
    [
        ("page", True, "", True),
        ("page", False, "", False),
        ("place", True, "Anchor `here' not found.", False),
        ("elsewhere for now", True, "Redirected to `http://a/page/1' status: 302 Said.", True),
        ("moved", True, "Redirected to `http://a/page/1' status: 301 Said.", True),
        ("moved", True, "Redirected to `http://a/page/2' status: 301 Said.", False),
        ("moved", True, "", False),
        ("404", False, "", True),
        ("404", True, "", False),
        ("no such place", True, "Anchor `nowhere' not found.", True),
        ("no such place", False, "", True),
        ("no such place", True, "", False),
        ("500", False, "", True),
        ("403 for all", False, "", False),
        ("403 for all", True, "", True),
    ],
)
def test_linkchecker_is_right_where_it_leads_to_doing_the_right_thing(kind, valid, warning, right):
    link = Link("http://a/1", kind, "http://a/page/1" if kind == "moved" else None)
    assert is_right(link, {"valid": str(valid), "warningstring": warning}) is right
    assert not is_right(link, None)


# ------------------------------------------------------------------------------------------------------- steps of methods


def test_a_ratio_is_the_median_over_turns_with_the_quartiles_beside_it():
    assert spread([3.0, 1.0, 2.0, 5.0, 4.0]) == Ratio(median=3, low=2, high=4)


def test_a_step_is_held_against_the_baselines_in_each_turn(monkeypatch):
    monkeypatch.setattr(steps_benchmark, "turns", lambda own, other, count: [(3.0, 2.0), (30.0, 10.0), (4.0, 4.0)])
    assert steps_benchmark.ratio([lambda: None, lambda: None], 3) == Ratio(median=1.5, low=1.25, high=2.25)


CALM, WIDE = Ratio(median=2, low=1.97, high=2.05), Ratio(median=2, low=1.9, high=2.1)


@pytest.mark.parametrize(
    ("load", "step", "told"),
    [
        (0.4, CALM, None),
        (1.7, CALM, "others' load is 1.7, expected at most 0.5"),
        (0.1, WIDE, "of the training step, the middle half of the turns lies 10% apart, expected at most 5%"),
    ],
)
def test_a_machine_that_isnt_quiet_is_told(load, step, told):
    assert unquiet(load, {"training step": step, "test pass": CALM}) == told


def test_what_is_measured_of_a_method_is_kept_with_what_it_was_measured_on_and_a_warning_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(steps_benchmark.steps, "FILE", tmp_path / "steps.json")
    starts = iter((1.0, 6.0))
    monkeypatch.setattr(steps_benchmark, "turns", lambda *acts, count: [(start + turn, 1.0) for start in [next(starts)] for turn in range(count)])
    monkeypatch.setattr(steps_benchmark.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    assert steps_benchmark.main(["--papers", "api-net", "--turns", "5", "--write"]) == 0
    out, err = capsys.readouterr()
    assert out == "api-net on finch_resnet: 3.00 (2.00 to 4.00) × the baseline's step, 8.00 (7.00 to 9.00) × its test pass\n"
    assert err.startswith("warning: of the training step, the middle half of the turns lies 67% apart")
    (one,) = steps_benchmark.steps.read(tmp_path / "steps.json")
    assert (one.images, one.threads, one.turns) == (0.9, 1, 5)
    assert one.unquiet in err
    recipe = recipe_for(method_of("api-net"), profile="demo", backbone="finch_resnet", changes=[], folder=False)
    method, _ = method_of("api-net").from_recipe(recipe, steps_benchmark.CLASSES, Source(random=True))
    sizes = {"parameters": sum(parameter.numel() for parameter in method.parameters()), "flops": evaluate.flops(method)}
    run = record([0], [0], paper="api-net", recipe=json.loads(json.dumps(recipe.as_data())), outcome=sizes)
    assert one.holds_for(run)
    assert not one.holds_for(run.model_copy(update={"recipe": run.recipe | {"lr": 1.0}}))


class Prepared(Baseline):
    """Of later methods: a classifier of families, and features that are prepared from the training images before each epoch."""

    def __init__(self, classes, backbone, recipe):
        super().__init__(classes, backbone, recipe)
        self.families = torch.nn.Linear(backbone.channels[-1], max(classes.coarse["family"]) + 1)
        self.prepared = {}

    def prepare(self, epoch, train):
        self.prepared[epoch] = torch.cat([labels for _, labels in train])

    def forward(self, images):
        assert len(self.prepared[self.recipe.epochs - 1 if self.training else self.recipe.epochs]) == 320
        return super().forward(images)

    def losses(self, images, labels):
        of_family = torch.tensor(self.classes.coarse["family"])[labels]
        return super().losses(images, labels) | {"family": F.cross_entropy(self.families(self.pooled(images)), of_family)}


def test_a_method_with_families_and_prepared_features_can_be_measured():
    recipe = recipe_for(Prepared, profile="demo", backbone="finch_resnet", changes=[], folder=False)
    trainer = steps_benchmark.built(Prepared, recipe)
    assert trainer.epoch == recipe.epochs - 1
    steps_benchmark.stepping(trainer)()
    steps_benchmark.testing(trainer)()


@pytest.mark.parametrize(("arguments", "said"), [(["--papers", "pgm"], "--papers pgm: no implemented method; there are acnet, aftrans,"), (["--papers", "baseline"], "--papers baseline: no implemented"), (["--turns", "3"], "--turns 3: expected at least 4")])
def test_what_cant_be_measured_is_wrong_usage(arguments, said, capsys):
    assert steps_benchmark.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_the_table_of_baselines_says_for_each_budget_what_longer_training_adds_and_how_far_apart_two_seeds_are():
    def run(seed, right, **changes):
        outcome = {"family_top1": right / 64 + 0.1, "family_confusion": [[0]]}
        return on_finches("baseline", seed, right=right, outcome=outcome, **changes)

    longer = {"epochs": 60, "input_size": 96}
    runs = [run(0, 40), run(1, 44), run(2, 44), run(0, 48, recipe=longer), run(0, 16, stride=6), run(0, 8, variant="NoPart")]
    rows = list(zip(*(column.cells for column in baselines(runs).columns), strict=True))
    assert rows == [
        ("finch_vit, 15 epochs", "3", "66.7", "64.8", "76.7", "4.2", "6.2", "60 to 80, families ≥ 97"),
        ("finch_vit, 60 epochs", "1", "75.0", "", "85.0", "", "", "+8.3 of at most +5"),
        ("finch_vit, stride 6, 15 epochs", "1", "25.0", "72.2", "35.0", "", "", "60 to 80, families ≥ 97"),
    ]
