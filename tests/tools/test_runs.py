"""Our own runs on the pages: beside the baseline on the same images, apart from what papers claim."""

from __future__ import annotations

import base64
import dataclasses
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from html import unescape
from pathlib import Path

import pytest

from implementations.common import comparison, steps
from implementations.common.evaluate import TOLERANCE
from implementations.common.records import FIXED_POINT_PER_FAMILY, TRIALS, Record, Trial, file_name
from implementations.common.steps import Ratio
from tests.run_records import FINCHES as DRAWN
from tests.run_records import implement_kestrel, keep, kept, measured, of_400, on_finches, pointed
from tests.run_records import record as made
from tools import verdicts
from tools.catalog import ROOT, load
from tools.pages.checks import side_by_side
from tools.pages.records import Runs, read_runs
from tools.pages.runs import Plot, label_box, plot
from tools.render import main, render, write_docs
from tools.verdicts import Finding, PaperVerdict, RecordState, Verdicts

LABELS = [0, 0, 1, 1]


LOOKS = pointed({"evidence": [True, True, False, False]}, [True, False, False, False])


def record(paper: str, seed: int, predictions: list[int], **changes) -> Record:
    """A run on the invented catalog's dataset, with a picture of one image."""
    fields = {
        "paper": paper, "seed": seed, "picture": f"{paper}-{seed}.webp", "recipe": {"epochs": 15},
        "dataset": {"name": "feathers", "fingerprint": "0" * 32, "classes": 2, "train": 8, "validation": 4, "test": 4},
        "backbone": {"name": "finch_vit", "weights": "shipped with Finch", "sha256": "a" * 64},
        "outcome": LOOKS | {"parameters": 1500000, "flops": 2500000} | changes.pop("outcome", {}),
        "evidence": [{"index": 0, "label": 0, "predicted": 0, "box": None, "height": 1, "width": 1, "map": base64.b64encode(b"1").decode()}],
    }  # fmt: skip
    return made(LABELS, predictions, **fields | changes)


@pytest.fixture
def implemented(tree: Path) -> Path:
    """The invented catalog, one paper of it implemented."""
    implement_kestrel(tree)
    return tree


def page(tree: Path, name: str = "papers/kestrel.md") -> str:
    catalog, problems = load(tree)
    assert catalog, problems
    return render(catalog, read_runs(tree))[name].split("\n---\n", 1)[1]


def carried(html: str) -> str:
    return re.search(r'class="carried carried--([\w-]+)"', html)[1]


def cells(html: str, heading: str) -> list[list[str]]:
    table = html.split(heading, 1)[1].split("<tbody>", 1)[1].split("</tbody>", 1)[0]
    return [[re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in table.split("</tr>")[:-1]]


def test_a_row_a_seed_stands_beside_the_baseline_of_that_seed(implemented):
    keep(
        implemented,
        record("kestrel", 0, [0, 0, 1, 1]), record("kestrel", 1, [0, 0, 1, 0]),
        record("baseline", 0, [0, 0, 0, 0]), record("baseline", 1, [0, 0, 1, 0]),
    )  # fmt: skip
    assert cells(page(implemented), "Our runs on") == [
        ["0", "100.0 (51.0 to 100.0)", "50.0", "+50.0 (−6.6 to +106.6)", "50.0%"],
        ["1", "75.0 (30.1 to 95.4)", "75.0", "+0.0 (+0.0 to +0.0)", "50.0%"],
        ["expected", "87.5 (47.7 to 100.0)", "62.5 (0.0 to 100.0)", "+25.0 (−20.9 to +70.9)", "50.0%"],
    ]


def test_a_seed_without_a_baseline_says_so(implemented):
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1]), record("baseline", 3, [0, 0, 0, 0]))
    assert cells(page(implemented), "Our runs on")[0][2:4] == ["no run", "no run"]


def test_a_baseline_on_another_backbone_is_not_compared(implemented):
    other = record("baseline", 0, [0, 0, 0, 0], backbone={"name": "finch_resnet", "weights": "shipped", "sha256": None})
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1]), other)
    assert cells(page(implemented), "Our runs on")[0][2:4] == ["no run", "no run"]


def test_ablations_are_their_own_table_with_the_difference_to_the_method(implemented):
    runs = [record("kestrel", seed, [0, 0, 1, 1]) for seed in (0, 1)]
    ablated = [record("kestrel", seed, [0, 0, 1, 0], variant="NoFeathers") for seed in (0, 1)]
    keep(implemented, *runs, *ablated)
    assert cells(page(implemented), "What the idea is worth here") == [["NoFeathers", "75.0 (0.0 to 100.0)", "−25.0 (−100.0 to +54.6)", "2"]]
    assert len(cells(page(implemented), "Our runs on")) == 3


def test_what_is_measured_beside_top_1_is_its_own_table_of_the_method_and_its_ablations(implemented):
    plain = [record("kestrel", seed, [0, 0, 1, 1], outcome={"measures": {"recall@1": share}}) for seed, share in enumerate((0.5, 0.75))]
    without = record("kestrel", 0, [0, 0, 1, 0], variant="NoWings", outcome={"measures": {"<b>levels</b> agree": 0.25}})
    keep(implemented, *plain, without)
    html = page(implemented)
    assert cells(html, "Measured beside top-1, in %") == [["recall@1", "62.5 (50.0, 75.0)", "not measured"], ["&lt;b&gt;levels&lt;/b&gt; agree", "not measured", "25.0"]]
    assert "The method" in html
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1]), record("kestrel", 1, [0, 0, 1, 1]), record("kestrel", 0, [0, 0, 1, 0], variant="NoWings"))
    assert "Measured beside top-1" not in page(implemented)


def test_how_it_was_run_is_told_of_the_method_and_not_of_its_ablation(implemented):
    keep(
        implemented,
        record("kestrel", 0, [0, 0, 1, 1], variant="NoFeathers", compute={"images_per_second": 65}),
        record("kestrel", 0, [0, 0, 1, 1], compute={"images_per_second": 29}),
    )
    html = page(implemented)
    assert "<dt>Time taken (other jobs may have been running)</dt>" in html
    assert "29 images/s" in html
    assert "65 images/s" not in html


def test_a_seeds_pointing_is_marked_where_it_is_more_than_a_guess_that_doesnt_look(implemented):
    maps = {"evidence": [True] * 4, "input gradient": [True, True, False, False]}
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1], outcome=pointed(maps, [False] * 4)), record("kestrel", 1, [0, 0, 1, 1]))
    first, second, _ = cells(page(implemented), "Our runs on")
    assert (first[-1], second[-1]) == ("100.0% aboveinput gradient 50.0%", "50.0%")
    assert f"Guesses that never see the image hit it this often: random point 5.0%, {FIXED_POINT_PER_FAMILY} 0.0%." in page(implemented)
    assert f"or within {TOLERANCE * 96:.0f} px of 96 around it" in page(implemented)


def test_a_record_without_boxes_says_so(implemented):
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1], outcome={"pointing": None, "blind": None}))
    assert [row[-1] for row in cells(page(implemented), "Our runs on")] == ["no boxes", "no boxes"]
    assert "never see the image" not in page(implemented)


def test_an_ablation_alone_is_no_demo_check(implemented):
    finches = {"name": "synthetic-finches", "fingerprint": "0" * 32, "classes": 2, "train": 8, "validation": 4, "test": 4}
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1], variant="NoFeathers", dataset=finches))
    assert carried(page(implemented)) == "none"


def test_a_paper_without_runs_says_so_and_shows_source_and_command(implemented):
    html = page(implemented)
    assert carried(html) == "none"
    assert "no run yet" in html
    assert "These runs" not in html
    assert "make demo PAPER=kestrel" in html
    assert "A &lt;script&gt; of a kestrel" in html
    source = html.split("<details class=\"source\">", 1)[1].split("</details>", 1)[0]
    assert "\n\n" not in source


FINCHES = {"name": "synthetic-finches", "fingerprint": "0" * 32, "classes": 2, "train": 8, "validation": 4, "test": 4}


NEST = {"name": "nest-50", "weights": "timm/nest50.a1_in1k/model.safetensors", "sha256": "b" * 64}
PAPER = {"profile": "paper", "backbone": NEST, "recipe": {"epochs": 100, "input_size": 448}}
"""All that Kestrel's claim states."""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dataset": FINCHES}, "demo-checked"),
        ({}, "small-scale"),  # the invented catalog's own dataset
        (PAPER, "paper-scale"),
        (PAPER | {"profile": "demo"}, "small-scale"),
        (PAPER | {"changes": ["epochs=1"]}, "small-scale"),
        (PAPER | {"recipe": {"epochs": 100, "input_size": 32}}, "small-scale"),
        (PAPER | {"backbone": NEST | {"name": "nest-101"}}, "small-scale"),
        (PAPER | {"backbone": NEST | {"weights": "random initialisation"}}, "small-scale"),
        (PAPER | {"backbone": NEST | {"weights": "timm/nest50.in21k_ft_in1k/model.safetensors"}}, "small-scale"),
        ({"dataset": FINCHES | {"name": "my-birds"}}, "none"),
        ({"dataset": FINCHES, "changes": ["lr=0.1"]}, "none"),
        ({"dataset": FINCHES, "changes": ["epochs=60"]}, "demo-checked"),
    ],
)
def test_how_far_an_implementation_was_carried_follows_from_its_records(implemented, changes, expected):
    dataset = implemented / "catalog" / "datasets" / "feathers.yaml"
    dataset.write_text(dataset.read_text(encoding="utf-8").replace("test: 2000", f"test: {len(LABELS)}"), encoding="utf-8")
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1], **changes))
    assert carried(page(implemented)) == expected


def test_a_record_that_the_check_found_wrong_carries_nothing_and_without_a_check_that_is_said(implemented):
    one = record("kestrel", 0, [0, 0, 1, 1], dataset=FINCHES)
    keep(implemented, one)
    assert "Not rechecked in this build." in page(implemented)
    file = f"implementations/records/kestrel/{file_name(one)}"
    for findings, expected in (([], "demo-checked"), ([Finding("stale", "recipe.lr")], "none")):
        state = RecordState(file, "kestrel", findings)
        verdict = PaperVerdict("kestrel", "stale" if findings else "not comparable", "why <b>")
        path = implemented / "build" / "verdicts.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(verdicts.to_json(Verdicts(verdicts.key_of(implemented), {"kestrel": verdict}, {file: state})), encoding="utf-8")
        html = page(implemented)
        assert carried(html) == expected
        assert "Not rechecked" not in html
        assert ("no run yet" in html) == bool(findings)
        assert ("1 record is left out" in page(implemented, "side-by-side.md")) == bool(findings)
        assert ('make demo PAPER=kestrel ARGS="--backbone finch_vit --seeds 0 --test-images 2"   # the number above' in html) == (not findings)
        assert "why &lt;b&gt;" in html
    (implemented / "implementations" / "kestrel.py").write_text("other = 1\n", encoding="utf-8")
    assert "Not rechecked in this build." in page(implemented, "checks.md") or "not rechecked in this build" in page(implemented, "checks.md")


def misplaced(drawn: Plot) -> list[str]:
    """The names that leave a plot, or lie on one before them."""
    boxes = [label_box(point, (point["label"]["x"] - point["x"], point["label"]["y"] - point["y"], point["label"]["anchor"])) for point in drawn.points]
    return [
        drawn.points[index]["name"]
        for index, (left, top, right, bottom) in enumerate(boxes)
        if left < 0 or right > drawn.width or any(left < b[2] and b[0] < right and top < b[3] and b[1] < bottom for b in boxes[:index])
    ]


CROWDED = [("baseline", 2772, 1.0), ("aftrans", 2546, 1.26), ("dcal", 2544, 1.29), ("ffvt", 2297, 0.55), ("rams-trans", 2746, 1.3), ("tpskg", 2400, 1.32), ("transfg", 2727, 1.07)]
"""Of runs that lie close together: right answers of 3,840, and the time of a step over the baseline's."""


def with_steps(runs: Runs, seen: Mapping[str, float]) -> Runs:
    """The runs, as if the steps of these methods had been measured."""
    firsts = {record.paper: record for papers in runs.records.values() for _, record in papers}
    return dataclasses.replace(runs, measured=[measured(firsts[paper], step) for paper, step in seen.items()])


def test_no_name_on_a_crowded_plot_lies_on_another(tmp_path):
    labels = [index % 32 for index in range(3840)]
    runs = [
        made(labels, [(label + (index * 7 % 3840 >= right)) % 32 for index, label in enumerate(labels)], paper=paper, picture=f"{paper}.webp", dataset=DRAWN | {"test": 3840}, recipe={"epochs": 15})
        for paper, right, _ in CROWDED
    ]
    seen = {paper: step for paper, _, step in CROWDED if paper != "baseline"}
    drawn = plot(load(ROOT)[0], with_steps(kept(tmp_path, *runs), seen), runs[0].budget)
    assert [point["cost"] for point in drawn.points] == pytest.approx([15 * step for *_, step in CROWDED])
    assert misplaced(drawn) == []


def test_no_name_on_a_committed_plot_lies_on_another():
    plots = side_by_side(load(ROOT)[0], read_runs(ROOT))[2]["plots"]
    assert [misplaced(drawn) for _, drawn in plots] == [[]] * max(1, len(plots))


def test_nothing_is_drawn_of_methods_whose_steps_nobody_measured(tmp_path):
    catalog, _ = load(ROOT)
    runs = kept(tmp_path, *(on_finches(paper, 0) for paper in ("baseline", "dcal", "ffvt")))
    budget = runs.comparisons[0].budget
    assert plot(catalog, runs, budget) is None
    drawn = plot(catalog, with_steps(runs, {"dcal": 2.66}), budget)
    assert {point["name"] for point in drawn.points} == {"Baseline", "DCAL"}


def test_only_trainings_that_differ_in_their_length_alone_are_joined(tmp_path):
    longer = on_finches("baseline", 0, recipe={"epochs": 30, "input_size": 96}, changes=["epochs=30"])
    larger = on_finches("baseline", 0, recipe={"epochs": 60, "input_size": 128}, changes=["epochs=60", "input_size=128"])
    few = on_finches("baseline", 1, recipe={"epochs": 60, "input_size": 96}, changes=["epochs=60"], dataset=DRAWN | {"train": 32})
    other = on_finches("baseline", 0, recipe={"epochs": 60, "input_size": 96}, changes=["epochs=60"], backbone={"name": "finch_vit", "weights": "file x", "sha256": "b" * 64})
    other = other.model_copy(update={"picture": "other.webp"})
    runs = with_steps(kept(tmp_path, on_finches("baseline", 0), on_finches("dcal", 0), longer, larger, few, other), {"dcal": 2.66})
    ((_, drawn),) = side_by_side(load(ROOT)[0], runs)[2]["plots"]
    assert [(point["name"], point["detail"]) for point in drawn.points] == [("Baseline", "15 epochs, 225 steps"), ("DCAL", "15 epochs, 225 steps"), ("Baseline", "30 epochs, 225 steps")]
    assert [line.count(" ") for line in drawn.lines] == [1]


def test_a_paper_whose_values_nobody_knows_is_implemented_without_a_claim(tree):
    (tree / "implementations").mkdir()
    (tree / "implementations" / "siskin.py").write_text('"""A siskin."""\n', encoding="utf-8")
    entry = tree / "catalog" / "papers" / "siskin.yaml"
    entry.write_text(entry.read_text(encoding="utf-8").replace("formerly:", "implementation:\n  file: implementations/siskin.py\nformerly:"), encoding="utf-8")
    keep(tree, record("siskin", 0, [0, 0, 1, 1], dataset=FINCHES), record("siskin", 1, [0, 0, 1, 1], profile="paper"))
    html = page(tree, "papers/siskin.md")
    assert "no value to compare with" in html
    assert carried(html) == "small-scale"
    (row,) = cells(page(tree, "checks.md"), "Verdicts on implemented papers")
    assert row == ["Siskin 2020", "no value to compare with", "", "small-scale", "not rechecked in this build"]


def test_the_checks_page_has_a_row_a_paper_with_verdict_and_both_levels(implemented):
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1], dataset=FINCHES))
    html = page(implemented, "checks.md")
    (row,) = cells(html, "Verdicts on implemented papers")
    assert row == ["Kestrel 2021", "91.7 on Feathers", "sourced", "demo-checked", "not rechecked in this build"]
    assert cells(html, "Run records") == [["kestrel", "1", "not rechecked", "", ""]]


@pytest.mark.parametrize("recorded", [[], ["baseline"]])
def test_before_a_method_is_recorded_no_page_has_an_empty_table_and_each_says_what_is_missing(implemented, recorded):
    keep(implemented, *(record(paper, seed, [0, 0, 1, 1], dataset=FINCHES, picture=None) for paper in recorded for seed in (0, 1)))
    trials = implemented / "implementations" / "records" / "kestrel" / "trials.jsonl"
    trials.parent.mkdir(parents=True)
    trials.write_text("", encoding="utf-8")
    pages = render(load(implemented)[0], read_runs(implemented))
    assert [name for name, html in pages.items() if name.endswith(".md") and re.search(r"<tbody>\s*</tbody>", html)] == []
    assert ("No run is recorded yet." in pages["checks.md"]) == (not recorded)
    assert "No method is recorded yet." in pages["side-by-side.md"]
    assert "adjusted for all methods compared" in pages["side-by-side.md"]
    assert "No method is recorded yet." in pages["attention.md"]
    assert "no run yet" in pages["papers/kestrel.md"]


def test_a_demo_never_raises_the_trust_in_a_claim(implemented):
    before = re.findall(r'class="level level--([\w-]+)"', page(implemented))
    keep(implemented, *(record("kestrel", seed, [0, 0, 1, 1], dataset=FINCHES) for seed in range(3)))
    assert re.findall(r'class="level level--([\w-]+)"', page(implemented)) == before


def test_what_the_implementation_had_to_assume_is_said_and_that_no_code_is_public(implemented):
    source = '"""Kestrel: hovers.\n\nKept: all.\nAssumed: it <hovers>\nfor long.\nWhere paper and code differ: nowhere.\n"""\n'
    (implemented / "implementations" / "kestrel.py").write_text(source, encoding="utf-8")
    assert "<strong>Assumed:</strong> it &lt;hovers&gt; for long.</p>" in page(implemented)
    entry = implemented / "catalog" / "papers" / "kestrel.yaml"
    entry.write_text(re.sub(r"  - {kind: code.*\n", "", entry.read_text(encoding="utf-8")), encoding="utf-8")
    assert "<strong>Assumed, as we found no public code:</strong>" in page(implemented)


def test_side_by_side_a_gain_is_claimed_only_where_its_adjusted_p_value_says_so(implemented):
    keep(implemented, *(record("kestrel", seed, [0, 0, 1, 1], dataset=FINCHES) for seed in range(3)), *(record("baseline", seed, [0, 0, 1, 0], dataset=FINCHES) for seed in range(3)))
    measure(implemented)
    html = page(implemented, "side-by-side.md")
    assert [row[:4] for row in cells(html, "Methods beside the baseline")] == [["Baseline", "3", "75.0 (0.0 to 100.0)", ""], ["Kestrel", "3", "100.0 (51.0 to 100.0)", "+25.0 (−54.6 to +100.0)"]]
    assert "<strong>gain</strong>" not in html
    assert "## Equal epochs, and comparable training time" in html


def measure(root: Path, step: float = 1.0, **changes) -> None:
    """Keeps what the step of the kestrel costs that is recorded there."""
    run = next(one for _, one in read_runs(root).records["kestrel"] if one.label is None)
    steps.keep(root / "implementations" / "records" / "steps.json", [measured(run, step, **changes)])


def recorded(implemented: Path, right: int, *, longer: int | None = None) -> None:
    """Three runs of a kestrel on 400 images, right on so many, and of the baseline, right on 300; also of one trained twice as long."""
    runs = [of_400(paper, seed, count + 2 * seed) for paper, count in (("kestrel", right), ("baseline", 300)) for seed in range(3)]
    if longer:
        runs += [of_400("baseline", seed, longer + 2 * seed, recipe={"epochs": 30}, changes=["epochs=30"]) for seed in range(3)]
    keep(implemented, *(one.model_copy(update={"picture": f"{index}.webp"}) for index, one in enumerate(runs)))


@pytest.mark.parametrize(("right", "mark", "word"), [(340, "gained", "gain"), (260, "lost", "loss"), (300, None, None)])
def test_a_loss_is_marked_as_a_gain_is_on_every_page(implemented, monkeypatch, right, mark, word):
    for name, least in (("ENOUGH_SEEDS", 3), ("ENOUGH_BASELINE_SEEDS", 3), ("ENOUGH_IMAGES", 400)):
        monkeypatch.setattr(comparison, name, least)
    recorded(implemented, right)
    measure(implemented)
    html, paper = page(implemented, "side-by-side.md"), page(implemented)
    assert re.findall(r'<tr class="(\w+)"><th scope="row"><a', html) == ([mark] * 2 if mark else [])  # in both tables
    assert re.findall(r"<strong>(gain|loss)</strong>", html) == ([word] * 2 if word else [])
    assert (f"<strong>A {word}</strong>: p &lt; 0.001, adjusted" in paper) if word else re.search(r"No difference is claimed: p = [01]\.\d{3}, adjusted", paper)
    assert re.findall(r"<strong>(gain|loss)</strong>", paper) == ([word] if word else [])


def test_steps_are_told_as_multiples_of_the_baselines_and_a_baseline_of_comparable_training_time_beside_equal_epochs(implemented):
    recorded(implemented, 340, longer=350)
    html = page(implemented, "side-by-side.md")
    assert "comparable training time" not in html  # nobody measured a step
    lengths = [[re.sub(r" \(.*\)", "", cell) for cell in row] for row in cells(html, "The baseline, trained longer")]
    assert lengths == [["finch_vit", "15", "3", "75.5"], ["finch_vit", "30", "3", "88.0"]]
    known = measured(of_400("kestrel", 0, 0), 1.9, test=Ratio(median=1.2, low=1.1, high=1.3), machine="two cores", unquiet="others <work>")
    for one, told in ((known, ["Kestrelnoisy timing", "1.90 × (1.80 to 2.10)", "1.20 × (1.10 to 1.30)"]), (known.model_copy(update={"flops": 2}), ["Kestrel", "out of date", "out of date"])):
        steps.keep(implemented / "implementations" / "records" / "steps.json", [one])
        html = page(implemented, "side-by-side.md")
        baseline, kestrel = cells(html, "Methods beside the baseline on")
        assert (baseline[-2:], [kestrel[0], *kestrel[-2:]]) == (["1 ×", "1 ×"], told)
    assert "others <work>" not in html
    steps.keep(implemented / "implementations" / "records" / "steps.json", [known])
    html = page(implemented, "side-by-side.md")
    assert 'title="2026-01-02, two cores, torch 2.9.0, 1 thread, 20 turns; others &lt;work&gt;"' in html
    assert 'title="others &lt;work&gt;">1.90 ×<span class="variant">noisy timing</span>' in html
    (row,) = cells(html, "Methods beside the baseline at equal epochs")
    assert [re.sub(r" \(.*\)", "", cell) for cell in row] == ["Kestrel finch_vit", "85.5", "75.5", "+10.0", "1.90 ×noisy timing", "88.030 epochs, 1.05 × the method's time", "−2.5"]
    assert "Kestrel: 85.5 at the cost of 28 baseline epochs" in html


def test_a_broken_list_of_steps_is_named_without_a_traceback(implemented, tmp_path, capsys):
    recorded(implemented, 340)
    (implemented / "implementations" / "records" / "steps.json").write_text("{", encoding="utf-8")
    assert main(["--root", str(implemented), "--out", str(tmp_path / "docs")]) == 1
    assert "steps.json: no list of measured steps" in capsys.readouterr().err


def tried(one: Record, change: str, top1: float, seed: int = 0, **recipe) -> Trial:
    """A trial under the budget of a record."""
    return Trial(change=change, variant=None, profile="demo", dataset=one.dataset, backbone=one.backbone, recipe=one.recipe | recipe, seed=seed, validation_top1=top1)


def test_trials_of_the_budget_are_shown_best_first_a_row_a_recipe_and_notes_escaped(implemented):
    one = record("kestrel", 0, [0, 0, 1, 1], note="below <i>it</i>")
    keep(implemented, one, record("baseline", 0, [0, 0, 0, 0]))
    log = [tried(one, "slow", 0.5, lr=0.1), tried(one, "as it stands <b>", 0.6, lr=0.2), tried(one, "again", 0.7, seed=1, lr=0.2), tried(one, "longer", 0.9, epochs=60)]
    log_trials(implemented, kestrel=log)
    html = page(implemented)
    assert cells(html, 'aria-label="Trials of the recipe"') == [["as it stands &lt;b&gt;", "lr 0.2", "65.0", "2"], ["slow", "lr 0.1", "50.0", "1"]]
    assert "below &lt;i&gt;it&lt;/i&gt;" in html


def test_a_note_that_several_records_share_is_shown_once(implemented):
    keep(implemented, *(record("kestrel", seed, [0, 0, 1, 1], note="three attempts") for seed in range(3)))
    assert page(implemented).count("three attempts") == 1


def log_trials(root: Path, **logs: list[Trial]) -> None:
    for paper, lines in logs.items():
        (root / "implementations" / "records" / paper / TRIALS).write_text("".join(f"{line.model_dump_json()}\n" for line in lines), encoding="utf-8")


def test_how_many_trials_a_recipe_is_the_best_of_is_said_only_where_it_is_so(implemented):
    run, baseline = (record(paper, 0, [0, 0, 1, 1], dataset=FINCHES, recipe={"epochs": 15, "lr": 0.2}) for paper in ("kestrel", "baseline"))
    keep(implemented, run, baseline)

    def said() -> tuple[str, str]:
        """Of the paper's page and of the side-by-side page, what they say of trials."""
        return re.search(r"Recipe: .*?\. (?=Looks)", page(implemented))[0], re.search(r"(No trial|Each recipe is|Trials of each recipe) .*?\. (?=Training)", page(implemented, "side-by-side.md"))[0]

    assert "Recipe: " not in page(implemented)
    assert "No trial of a recipe is logged." in page(implemented, "side-by-side.md")
    log = [tried(run, "lr", top1, lr=lr) for top1, lr in ((0.5, 0.1), (0.6, 0.2), (0.4, 0.05))]
    log_trials(implemented, kestrel=log, baseline=log)
    assert said() == ("Recipe: the best of 3 trials on the validation images, 3 for the baseline. ", "Each recipe is the best of 3 trials on the validation images. ")
    log_trials(implemented, kestrel=[log[0], log[1], tried(run, "beyond", 0.4, lr=0.4)], baseline=log[:2])  # the last isn't counted
    assert said() == (
        "Recipe: the best of 3 trials on the validation images, 2 for the baseline. ",
        "Each recipe is the best of its trials on the validation images: Baseline 2, Kestrel 3. Where a method and the baseline have different numbers of trials, the further ones of whichever has more came out no better than the best of its first. ",
    )
    log_trials(implemented, kestrel=[*log, tried(run, "<better>", 0.9, lr=0.15), tried(run, "fast", 0.2, lr=3.0)], baseline=log)
    paper, table = said()
    unequal, best = "unequal trials: it has 5 trials of its recipe, the baseline has 3: ", "; not the best: its recipe has 60.0% on validation, where the best of its trials has 90.0%"
    for text, start in ((paper, "Recipe: 5 trials on the validation images, 3 for the baseline ("), (table, "Trials of each recipe on the validation images, of which it is the best unless noted: Baseline 3, Kestrel 5. Kestrel: ")):
        assert f"{start}{unequal}" in unescape(text)
        assert best in unescape(text)


def test_what_a_test_pass_does_beyond_one_look_is_told_on_the_papers_page_and_in_both_tables_side_by_side(implemented):
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1], dataset=FINCHES, test_time=["flip"]), record("baseline", 0, [0, 0, 0, 0], dataset=FINCHES))
    assert "<dt>Test-time tricks</dt><dd>flip</dd>" in page(implemented)
    measure(implemented)
    assert [row[0] for row in cells(page(implemented, "side-by-side.md"), "Methods beside the baseline on")] == ["Baseline", "Kestrel at test time: flip"]
    assert [row[0] for row in cells(page(implemented, "side-by-side.md"), "Methods beside the baseline at")] == ["Kestrel at test time: flip finch_vit"]
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1], dataset=FINCHES))
    assert "<dt>Test-time tricks</dt><dd>none</dd>" in page(implemented)


@pytest.mark.parametrize("recorded", [1, 0])
def test_what_is_wrong_with_an_implementation_and_its_claim_is_told_with_or_without_records(implemented, recorded):
    keep(implemented, *[record("kestrel", 0, [0, 0, 1, 1], dataset=FINCHES)][:recorded])
    claim = PaperVerdict("kestrel", "unmeasured", "why", undeclared="value: 1 <2>")
    found = Verdicts(verdicts.key_of(implemented), {"kestrel": claim}, implementations={"kestrel": [Finding("unequal trials", "5 and <2>")], "merlin": []})
    (implemented / "build").mkdir(exist_ok=True)
    (implemented / "build" / "verdicts.json").write_text(verdicts.to_json(found), encoding="utf-8")
    html = page(implemented, "checks.md")
    assert [[unescape(cell) for cell in row] for row in cells(html, "Run records")] == [
        ["kestrel", str(recorded), "0", "0", "its claim isn't the catalog's: value: 1 <2> unequal trials: 5 and <2> "],
        ["merlin", "0", "0", "0", "nothing"],
    ]
    assert "<2>" not in html
    assert "<dt>unequal trials</dt>" in html
    assert 'what failed is listed under <a href="#records">Records</a>' in html


def test_the_datasets_page_has_a_row_a_method_beside_the_baseline(implemented):
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1]), record("kestrel", 1, [0, 0, 1, 0]), record("baseline", 0, [0, 0, 0, 0]), record("baseline", 1, [0, 0, 0, 0]))
    rows = cells(page(implemented, "datasets/feathers.md"), "Methods beside the baseline")
    assert [row[:4] for row in rows] == [["Baseline", "2", "50.0 (0.0 to 100.0)", ""], ["Kestrel", "2", "87.5 (47.7 to 100.0)", "+37.5 (−38.7 to +100.0)"]]


@pytest.mark.parametrize(("name", "dataset"), [("datasets/feathers.md", "feathers"), ("side-by-side.md", "synthetic-finches")])
def test_a_page_has_no_table_of_one_row_and_tells_the_guesses_and_the_baselines_maps_once(implemented, name, dataset):
    of = FINCHES | {"name": dataset}
    runs = [record(paper, 0, [0, 0, 1, 1], dataset=of, recipe={"epochs": epochs}, changes=[f"epochs={epochs}"]) for paper, lengths in (("baseline", (15, 30, 60)), ("kestrel", (15, 30))) for epochs in lengths]
    keep(implemented, *(run.model_copy(update={"picture": f"{index}.webp"}) for index, run in enumerate(runs)))
    html = page(implemented, name)
    assert re.findall(r'aria-label="Methods beside the baseline on ([^"]+)"', html) == ["finch_vit, 15 epochs", "finch_vit, 30 epochs"]
    for said in ("Guesses that never see the image", "The baseline's own map is the class activation map", "<em>Input gradient</em>: how much the colours"):
        assert html.count(said) == 1


def test_the_picture_of_the_lowest_seed_is_copied_and_shown(implemented, tmp_path):
    keep(implemented, record("kestrel", 4, [0, 0, 1, 1]), record("kestrel", 2, [0, 0, 1, 1]), record("kestrel", 1, [0, 0, 1, 1], variant="NoFeathers"))
    catalog, _ = load(implemented)
    write_docs(catalog, tmp_path / "docs", read_runs(implemented))
    assert (tmp_path / "docs" / "assets" / "runs" / "kestrel.webp").read_bytes() == b"picture of kestrel 2"
    assert '<img src="../../assets/runs/kestrel.webp" alt=' in page(implemented)


def test_a_broken_record_is_named_without_a_traceback(implemented, tmp_path, capsys):
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1]))
    (implemented / "implementations" / "records" / "kestrel" / "zz.json").write_text("[]", encoding="utf-8")
    assert main(["--root", str(implemented), "--out", str(tmp_path / "docs")]) == 1
    assert "records/kestrel/zz.json: not a run record" in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()


@pytest.mark.parametrize(
    ("folder", "left_out", "said"),
    [
        ("kestrel", ".webp", "kestrel/feathers-demo-finch_vit-seed0.json: its picture kestrel-0.webp isn't beside it"),
        ("merlin", "", "merlin/feathers-demo-finch_vit-seed0.json: a record of kestrel, so it belongs into the folder kestrel"),
    ],
)  # fmt: skip
def test_a_record_out_of_place_is_named_without_a_traceback(implemented, tmp_path, capsys, folder, left_out, said):
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1]))
    records = implemented / "implementations" / "records"
    (records / "kestrel").rename(records / folder)
    if left_out:
        (records / folder / f"kestrel-0{left_out}").unlink()
    assert main(["--root", str(implemented), "--out", str(tmp_path / "docs")]) == 1
    assert said in capsys.readouterr().err


def test_the_baselines_picture_is_on_no_page_and_not_copied(implemented, tmp_path):
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1]), record("baseline", 0, [0, 0, 0, 0]))
    catalog, _ = load(implemented)
    write_docs(catalog, tmp_path / "docs", read_runs(implemented))
    assert [file.name for file in (tmp_path / "docs" / "assets" / "runs").iterdir()] == ["kestrel.webp"]


def test_without_a_records_folder_there_are_no_runs(tree):
    shutil.rmtree(tree / "implementations", ignore_errors=True)
    assert read_runs(tree).records == {}


def test_rendering_imports_nothing_that_only_the_implementations_need(implemented, tmp_path):
    keep(implemented, record("kestrel", 0, [0, 0, 1, 1]))
    command = [sys.executable, "-X", "importtime", "-m", "tools.render", "--root", str(implemented), "--out", str(tmp_path / "docs")]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not re.search(r"\| +(torch|PIL|timm|accelerate|rich|platformdirs)$", shown.stderr, re.MULTILINE)
